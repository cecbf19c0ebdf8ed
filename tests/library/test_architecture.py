"""Who may know whom (docs: DESIGN), read from the source with `ast`."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BELOW = {
    "errors": set(),
    "_options": {"errors"},
    "images": {"errors"},
    "projections": {"images"},
    "swd": set(),
    "histograms": set(),
    "pyramid": {"_options", "errors", "images"},
    "memory": {"errors", "images", "pyramid"},
    "patches": {"images", "projections"},
    "capture": {"kernels.choose"},
    "passes": {"histograms", "images", "memory", "patches", "projections"},
    "swd_options": {"_options", "images", "kernels.choose", "patches", "projections", "swd"},
    "objectives": {"images", "memory", "patches", "swd", "swd_options"},
    "reference_sides": {"histograms", "images", "memory", "passes", "patches", "projections", "swd_options"},
    "histogram_objective": {
        "histograms",
        "images",
        "kernels.choose",
        "kernels.triton_passes",
        "memory",
        "objectives",
        "passes",
        "patches",
        "reference_sides",
        "swd_options",
    },
    "nearest": {"errors"},
    "patch_search": {"images", "nearest"},
    "coherence": {"images", "kernels.choose", "nearest", "objectives", "patch_search", "patches", "swd_options"},
    "losses": {
        "coherence",
        "errors",
        "histogram_objective",
        "images",
        "memory",
        "objectives",
        "patches",
        "pyramid",
        "reference_sides",
        "swd_options",
    },
    "bidirectional": {"_options", "histograms", "images", "nearest", "objectives", "patches", "pyramid"},
    "guess": {"_options", "errors", "images", "pyramid"},
    "combined": {"_options", "errors", "images", "losses", "objectives", "pyramid"},
    "descent": {"images", "losses", "objectives", "pyramid"},
    "optimizers": {
        "_options",
        "capture",
        "descent",
        "errors",
        "kernels.choose",
        "kernels.reference",
        "losses",
        "objectives",
        "pyramid",
    },
    "patch_nn": {"_options", "descent", "images", "nearest", "pyramid"},
    "threads": set(),
    "synthesis": {"descent", "errors", "guess", "images", "losses", "memory", "optimizers", "pyramid", "threads"},
    "drawing": set(),
    "plots": {"drawing", "synthesis"},
    "copying": {"images", "patches"},
    "metrics": {"copying", "errors", "images", "nearest", "patches", "projections", "swd"},
    "evaluation_plots": {"copying", "drawing", "images", "metrics"},
    "sifid": {"errors", "images"},
    "weights": {"errors", "sifid"},
    "tasks": {"_options", "descent", "errors", "guess", "images", "losses", "optimizers", "pyramid", "synthesis"},
}
"""For every module of the core, the modules it may import."""
BELOW_KERNELS = {"errors", "histograms", "images", "passes", "patches", "projections"}
"""What a module of gpdm/kernels may import besides its neighbours. `choose` is below the others, which it loads when they are used."""

SHIPPED = sorted(p for folder in ("gpdm", "nodes") for p in (ROOT / folder).rglob("*.py")) + [ROOT / "__init__.py"]


def imports(path: Path) -> list[tuple[int, str]]:
    """(level, module) of every import in a file, also inside functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


def test_every_core_module_has_a_place() -> None:
    modules = {path.stem for path in (ROOT / "gpdm").glob("*.py")} - {"__init__", "api"}
    assert modules == set(BELOW)


@pytest.mark.parametrize("module", sorted(BELOW))
def test_core_imports_only_what_is_below(module: str) -> None:
    relative = {name for level, name in imports(ROOT / "gpdm" / f"{module}.py") if level}
    assert relative <= BELOW[module]


def test_only_kernels_know_triton_and_only_what_is_below() -> None:
    for path in SHIPPED:
        kernel = path.parent == ROOT / "gpdm" / "kernels"
        for level, name in imports(path):
            if not (kernel and path.stem.startswith("triton_")):
                assert not (level == 0 and name.split(".")[0] == "triton"), path
                assert not (level == 1 and name.startswith("triton_")), path
            if kernel and level == 2:
                assert name in BELOW_KERNELS, path
    assert {name for level, name in imports(ROOT / "gpdm" / "kernels" / "choose.py") if level} == {"errors"}


def test_nodes_know_only_what_the_core_exports() -> None:
    for path in (ROOT / "nodes").glob("*.py"):
        for level, name in imports(path):
            assert level != 2 or name == "gpdm", f"{path.name} imports {name}"
            assert not (level == 0 and name.split(".")[0] == "gpdm"), f"{path.name} imports gpdm absolutely"


def test_only_the_host_knows_comfyui_and_only_the_terminal_touches_files() -> None:
    for path in SHIPPED:
        names = {name.split(".")[0] for level, name in imports(path) if level == 0}
        if path != ROOT / "nodes" / "host.py":
            assert not names & {"comfy", "folder_paths", "server", "execution"}, path
        if "cli" not in path.parts:
            # Three fall back to what is slower, and say it aloud; weights.py reads what the user names.
            allowed = {"memory.py": {"logging"}, "choose.py": {"logging"}, "capture.py": {"logging"}}.get(
                path.name, set()
            )
            allowed |= {"weights.py": {"pathlib"}}.get(path.name, set())
            forbidden = {"pathlib", "os", "io", "shutil", "tempfile", "argparse", "tqdm", "logging"} - allowed
            assert not names & forbidden, path
            assert "basicConfig" not in path.read_text() and "addHandler" not in path.read_text(), path
            assert "open(" not in path.read_text() and "print(" not in path.read_text(), path


def test_comfyui_is_imported_inside_functions_only() -> None:
    for node in ast.parse((ROOT / "nodes" / "host.py").read_text()).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            assert "comfy" not in ast.dump(node)


def test_files_are_small_enough_to_read() -> None:
    for path in SHIPPED:
        assert len(path.read_text().splitlines()) <= 300, path
