"""Compiles the kernels for a 2048x2048 image, without a GPU, and prints what the compiler made of them.

python tests/kernels/compile.py [--json] [--products] [--capabilities 80 90]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from gpdm.kernels import triton_adam, triton_compare, triton_count, triton_gradient, triton_mse
from gpdm.kernels.triton_tiles import LARGE_TILES, PRODUCT_DEPTH, UNALIGNED_POINTERS

ASSEMBLERS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
FLOAT_POINTERS = [
    "image",
    "filters",
    "low",
    "width",
    "bin_gradients",
    "gradient",
    "cdf_p",
    "values",
    "first",
    "second",
    "rates",
    "weights",
    "target",
    "weight",
    "into",
    "sums",
]
FLOATS = ["factor", "beta_1", "beta_2", "epsilon"]


def kernels() -> list[tuple]:
    """Returns for every kernel: the kernel, other types than float pointers and int32, constants, and options."""
    options = {"num_warps": LARGE_TILES.warps, "num_stages": LARGE_TILES.stages}
    results = []
    for patch, number, slots in ((7, 38, 8), (3, 26, 4)):
        tile = {
            "C": 3,
            "P": patch,
            "BLOCK": max(triton.next_power_of_2(number), 16),
            "LANES": LARGE_TILES.lanes,
            "ELEMENTS": PRODUCT_DEPTH,
            "WEIGHTED": False,
        }
        count = {**tile, "SHARDS": triton_count.COUNT_SHARDS}
        results.append(
            (triton_count._project_and_count, {"offsets": "*i32", "weights": "*i32", "counts": "*i32"}, count, options)
        )
        gradient = {**tile, "NUMBER": number, "CHANNELS": triton_gradient.PROGRAM_CHANNELS, "SLOTS": slots}
        results.append(
            (triton_gradient._backproject, {"offsets": "*i32"}, gradient, {**options, **LARGE_TILES.gradient})
        )
    for squared in (False, True):
        line = {"BINS": 512, "HALVINGS": 10, "SQUARED": squared}
        results.append((triton_compare._compare, {"counts": "*i64"}, line, {"num_warps": 4}))
    results.append((triton_adam._adam, {}, {"BLOCK": triton_adam.ADAM_BLOCK}, {"num_warps": 4}))
    results.append((triton_mse._weighted_mse, {}, {"CHANNELS": 3, "BLOCK": triton_mse.MSE_BLOCK}, {"num_warps": 4}))
    return results


def compiled(kernel, types: dict, constants: dict, options: dict, capability: int) -> dict:
    """Compiles a kernel and returns a row with what the compiler reports."""
    names = kernel.arg_names
    known = {**dict.fromkeys(FLOAT_POINTERS, "*fp32"), **dict.fromkeys(FLOATS, "fp32"), **types}
    signature = {name: "constexpr" if name in constants else known.get(name, "i32") for name in names}
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, name in enumerate(names)
        if signature[name].startswith("*") and name not in UNALIGNED_POINTERS
    }
    fixed = {(names.index(name),): value for name, value in constants.items()}
    source = ASTSource(kernel, signature, constexprs=fixed, attrs=aligned)
    result = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    code = result.asm["ptx"]
    return {
        "kernel": kernel.__name__,
        "capability": capability,
        "patch": constants.get("P"),
        "bytes": len(result.asm["cubin"]),
        "shared": result.metadata.shared,
        **resources(code, capability),
        "products": sorted(set(re.findall(r"(?:wgmma\.mma_async|mma\.sync|tcgen05\.mma)[\w.:]*", code))),
    }


def resources(code: str, capability: int) -> dict[str, int]:
    """Returns the registers of a thread and the bytes that are spilled, as the assembler reports them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(code)
        target = f"sm_{capability}" + ("a" if capability >= 90 else "")
        command = [
            ASSEMBLERS / ("ptxas" if capability < 100 else "ptxas-blackwell"),
            "-v",
            "--gpu-name",
            target,
            path,
            "-o",
            path.with_suffix(".cubin"),
        ]
        log = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stderr
    patterns = {"registers": r"Used (\d+) registers", "spilled": r"(\d+) bytes spill stores"}
    return {name: int(match[1]) if (match := re.search(pattern, log)) else -1 for name, pattern in patterns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--products", action="store_true", help="only 7x7 patches, and kernels without matrix products only for 90"
    )
    parser.add_argument("--capabilities", type=int, nargs="+", default=[80, 90])
    options = parser.parse_args()
    for capability in options.capabilities:
        for kernel in kernels():
            if options.products and kernel[2].get("P") != 7 and (capability != 90 or "P" in kernel[2]):
                continue
            row = compiled(*kernel, capability)
            print(
                json.dumps(row) if options.json else "  ".join(f"{key} {value}" for key, value in row.items()),
                flush=True,
            )


if __name__ == "__main__":
    main()
