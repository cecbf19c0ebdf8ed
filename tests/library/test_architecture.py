"""Who may know whom (docs: DESIGN), read from the source with `ast`."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch.nn.functional as F

from gpdm import TASKS, Optimizer, reshuffle
from library.problems import picture

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {
    "errors": "",
    "borders": "",
    "options": "errors",
    "images": "errors borders",
    "distributions": "errors",
    "references": "errors options borders images distributions",
    "canvas": "errors borders images pictures",
    "pictures": "errors images",
    "pyramid": "errors options images",
    "memory": "errors images pyramid",
    "patches": "errors options images",
    "transport": "",
    "kernels": "errors images patches transport",
    "losses": "errors options borders images distributions references canvas pyramid patches transport kernels",
    "optimizers": "errors options borders images references canvas pyramid memory patches kernels losses",
    "guess": "errors options borders images references canvas pyramid patches",
    "synthesis": "errors options borders images distributions references canvas pyramid memory guess losses optimizers",
    "tasks": "errors options borders images pictures distributions references canvas pyramid patches guess losses optimizers "
    "synthesis",
    "evaluation": "errors options borders images references patches transport synthesis",
    "edits": "errors options borders images pictures references canvas pyramid patches guess losses optimizers synthesis "
    "evaluation",
    "looks": "errors options borders images pictures references pyramid losses optimizers synthesis tasks",
    "materials": "errors options borders images pictures synthesis tasks edits",
}
"""Every room of the core, a module or a folder of gpdm/, with the rooms it may import. The terminal (cli) and the list of public
names (api) may import all."""

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


def imported(path: Path) -> set[str]:
    """The modules of gpdm, by dotted name below it, that a module of gpdm imports."""
    here = path.relative_to(ROOT / "gpdm").parent.parts
    names = set()
    for level, name in imports(path):
        if level:
            names.add(".".join([*here[: len(here) - level + 1], *(name.split(".") if name else [])]))
    return names - {""}


CORE = {
    ".".join(path.relative_to(ROOT / "gpdm").with_suffix("").parts): path
    for path in (ROOT / "gpdm").rglob("*.py")
    if path.stem != "__init__" and "cli" not in path.parts and path.stem != "api"
}


def test_every_core_module_has_a_room() -> None:
    assert {name.split(".")[0] for name in CORE} == set(ROOMS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_is_below(room: str) -> None:
    found = {
        other.split(".")[0] for name, path in CORE.items() if name.split(".")[0] == room for other in imported(path)
    }
    assert found <= {room, *ROOMS[room].split()}


def test_the_top_level_is_small_enough_to_take_in() -> None:
    assert len(list((ROOT / "gpdm").glob("*.py"))) <= 12
    assert len(list((ROOT / "gpdm").glob("*/__init__.py"))) <= 13


def test_chains_of_imports_are_short_and_have_no_circle() -> None:
    heights: dict[str, int] = {}

    def height(name: str, above: tuple[str, ...]) -> int:
        assert name not in above, f"a circle of imports: {above}"
        if name not in heights:
            below = [each for each in imported(CORE[name]) if each in CORE]
            heights[name] = 1 + max((height(each, (*above, name)) for each in below), default=0)
        return heights[name]

    longest = max(CORE, key=lambda name: height(name, ()))
    chain = [longest]
    while below := [each for each in imported(CORE[chain[-1]]) if each in CORE]:
        chain.append(max(below, key=heights.__getitem__))
    assert len(chain) <= 12, chain


def test_only_kernels_know_triton() -> None:
    for path in SHIPPED:
        kernel = path.parent == ROOT / "gpdm" / "kernels"
        if not (kernel and path.stem.startswith("triton_")):
            for level, name in imports(path):
                assert not (level == 0 and name.split(".")[0] == "triton"), path


def test_triton_is_imported_only_when_it_is_used() -> None:
    """Outside of functions no module imports a kernel in Triton, save these kernels themselves."""
    for path in SHIPPED:
        if path.stem.startswith("triton_"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom):
                assert "triton" not in (node.module or ""), path


def test_protocols_have_no_optional_members() -> None:
    for path in SHIPPED:
        if path != ROOT / "nodes" / "host.py":  # which runs in hosts of several versions
            assert "hasattr(" not in path.read_text(), path


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
            # Three fall back to what is slower, and say it aloud; host.py says what a node does to a picture, and
            # reads and writes in ComfyUI's folders. A file is read where the user names it (inception_weights.py); ImageCms takes a profile as a file only, here in memory.
            allowed = {
                "workspace.py": {"logging"},
                "choose.py": {"logging"},
                "cuda_graphs.py": {"logging"},
                "host.py": {"logging", "pathlib"},
                "inception_weights.py": {"pathlib"},
                "profiles.py": {"io"},
            }.get(path.name, set())
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


def test_the_way_to_the_convolution_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames from `gpdm.reshuffle` to the call of the convolution, both included."""
    depths, convolve = [], F.conv2d

    def counted(*arguments, **more):
        frame, depth = sys._getframe(1), 1
        while frame.f_code is not reshuffle.__code__:
            frame, depth = frame.f_back, depth + 1
        depths.append(depth)
        return convolve(*arguments, **more)

    monkeypatch.setattr(F, "conv2d", counted)
    recipe = replace(TASKS["reshuffle"].recipe(), optimizer=Optimizer(num_steps=2))
    reshuffle(picture(70, 70), recipe=recipe)
    assert 8 < max(depths) <= 15
