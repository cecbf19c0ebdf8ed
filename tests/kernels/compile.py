"""Compiles the kernels as a 2048x2048 picture wants them, without a GPU, and says what became of them.

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
from gpdm.kernels.triton_tiles import DEPTH, LARGE, PARTS

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
FLOATS = [
    "image",
    "filters",
    "low",
    "width",
    "bin_gradients",
    "gradient",
    "function",
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
NUMBERS = ["factor", "beta_1", "beta_2", "epsilon", "share"]


def kernels() -> list[tuple]:
    """(kernel, types that are not float pointers or int32, constants, options)."""
    options = {"num_warps": LARGE.warps, "num_stages": LARGE.stages}
    tile = {"C": 3, "DEPTH": DEPTH, "WEIGHTED": False}
    found = []
    for patch, number, slots in ((7, 38, 8), (3, 26, 4)):
        block = max(triton.next_power_of_2(number), 16)
        more = {**tile, "P": patch, "BLOCK": block, "ROWS": LARGE.lanes}
        counts = {"weights": "*i32", "counts": "*i32"}
        found.append((triton_count._project_and_count, counts, {**more, "SHARDS": triton_count.SHARDS}, options))
        slotted = {
            "NUMBER": number,
            "GROUP": triton_gradient.CHANNELS,
            "SLOTS": slots,
        }
        limit = {**options, **LARGE.gradient}
        found.append((triton_gradient._look_up_and_carry_back, {}, {**more, **slotted}, limit))
    for squared in (False, True):
        line = {"LINE": 512, "HALVINGS": 10, "SQUARED": squared}
        found.append((triton_compare._compare, {"counts": "*i64"}, line, {"num_warps": 4}))
    found.append((triton_adam._adam, {}, {"BLOCK": triton_adam.BLOCK}, {"num_warps": 4}))
    found.append((triton_mse._weighted_mse, {}, {"CHANNELS": 3, "BLOCK": triton_mse.BLOCK}, {"num_warps": 4}))
    return found


def compiled(kernel, types: dict, constants: dict, options: dict, capability: int) -> dict:
    names = kernel.arg_names
    kinds = {**dict.fromkeys(FLOATS, "*fp32"), **dict.fromkeys(NUMBERS, "fp32"), **types}
    signature = {name: "constexpr" if name in constants else kinds.get(name, "i32") for name in names}
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, name in enumerate(names)
        if signature[name].startswith("*") and name not in PARTS
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
    """Registers of a thread and bytes that do not fit into them, as the assembler counts them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(code)
        target = f"sm_{capability}" + ("a" if capability >= 90 else "")
        command = [
            TOOLS / ("ptxas" if capability < 100 else "ptxas-blackwell"),
            "-v",
            "--gpu-name",
            target,
            path,
            "-o",
            path.with_suffix(".cubin"),
        ]
        said = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stderr
    found = {"registers": r"Used (\d+) registers", "spilled": r"(\d+) bytes spill stores"}
    return {name: int(match[1]) if (match := re.search(pattern, said)) else -1 for name, pattern in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--products", action="store_true", help="patches of 7 pixels only, and what makes no products for 90 only"
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
