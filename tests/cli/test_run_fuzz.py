"""`gpdm run` on files with random damage: a result, or an error that a user can read; never anything else.

GPDM_FUZZ_EXAMPLES is the number of examples of each test, for longer runs by hand. They are random then.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cli.fuzzing import fuzz
from cli.graphs import api, copying, graph, load, node, save, ui
from cli.test_run_groups import SCALES, group, grouped
from cli.test_run_groups_converted import RESHUFFLE, outer
from cli.test_run_subgraphs import nested, one
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpdm import GPDMError
from gpdm.cli.definitions import Definition, all_definitions
from gpdm.cli.main import main
from gpdm.cli.overrides import set_seeds, set_values
from gpdm.cli.prefix import value_text
from gpdm.cli.validation import validate
from gpdm.cli.workflow import Link, read_prompt, to_api

FUZZ = fuzz(100)

SHOWN = {"proxyWidgets": [["7", "upscale_method"], ["7", "scale_by"]]}
SETTERS = graph(
    [
        load(1),
        node(3, "SetNode", [("IMAGE", "IMAGE", 1)], ["*"], ["a"]),
        node(4, "GetNode", (), ["*"], ["a"]),
        node(6, "PrimitiveNode", (), ["FLOAT"], [0.5, "fixed"]),
        node(5, "ImageScaleBy", [("image", "IMAGE", 2), ("scale_by", "FLOAT", 4, 1)], ["IMAGE"], ["area", 0.1]),
        save(2, 3),
    ],
    [(1, 1, 0, 3, 0), (2, 4, 0, 5, 0), (3, 5, 0, 2, 0), (4, 6, 0, 5, 1)],
)
WORKFLOWS = {
    "api": api(),
    "wrapped": {"prompt": copying(), "extra_data": {}},
    "editor": ui(),
    "setters": SETTERS,
    "subgraph": one(widgets_values=[0.25]),
    "shown": one(widgets_values=["lanczos", 0.25], properties=SHOWN),
    "nested": nested([0.1], [0.2]),
    "group": grouped(
        SCALES, [(0, 0, 1, 0)], group(["area", 0.2, "area", 0.3]), [[0, 0, "IMAGE"]], {"0": {"input": {}}}
    ),
    "converted": grouped([RESHUFFLE], [], outer(["fast", 2, "none", 321, "increment", 3, 26])),
}
JUNK: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2, 4, 5, 7, 0.5, 10**400, -(10**400), math.nan, math.inf, 1e308),
    *("", "1", "5", "-10", "-20", "IMAGE", "*", "half", "outer", "SaveImage", "Reroute", "GetNode", "SetNode", "\0"),
    *("PrimitiveNode", "workflow>Two", "a" * 3000, "\ud800", [], {}, [None], [[]], [1, 0], ["1", 0], [[1, 2, 3]]),
    *({"a": 1}, {"id": 1, "type": "LoadImage"}, {"nodes": []}, {"__value__": [1]}, [["7", "scale_by"]], "fixed"),
)


@cache
def definitions() -> dict[str, Definition]:
    return all_definitions()


def leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields every container in a value with every key in it."""
    items = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    for key, inner in items:
        yield value, key
        yield from leaves(inner)


def change(workflow: Any, where: int, how: str, junk: Any, other: int) -> None:
    """Damages one entry of a workflow."""
    entries = list(leaves(workflow))
    if not entries:
        return
    container, key = entries[where % len(entries)]
    source, from_key = entries[other % len(entries)]
    if how == "drop":
        del container[key]
    elif how == "replace":
        container[key] = deepcopy(junk)
    elif how == "copy":
        container[key] = deepcopy(source[from_key])
    elif isinstance(container, list):
        container.insert(key, deepcopy(container[key]))
    else:
        container[str(junk)] = container.pop(key)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.sampled_from(["drop", "replace", "replace", "copy", "repeat or rename"]),
        st.sampled_from(JUNK),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=5,
)


def use(workflow: Any) -> None:
    """Reads and checks a workflow; what is found must be possible to run and to store."""
    prompt = read_prompt(workflow, definitions())
    set_seeds(prompt, definitions(), 3)
    for key in ("2", "half", "5.x", "LoadImage"):
        with suppress(GPDMError):
            set_values(prompt, definitions(), [f"{key}.scale_by=0.3"])
        value_text(prompt, {}, key, "seed")
    order = validate(prompt, definitions())
    done: set[str] = set()
    for each in order:
        assert {value.node for value in each.inputs.values() if isinstance(value, Link)} <= done
        done.add(each.id)
    json.dumps(to_api({each.id: each for each in order}), allow_nan=False)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_files_are_valid_before_they_are_damaged(name: str) -> None:
    use(deepcopy(WORKFLOWS[name]))


@given(st.sampled_from(sorted(WORKFLOWS)), CHANGES)
@settings(FUZZ, max_examples=4 * FUZZ.max_examples)
def test_damaged_workflows(name: str, changes: list[tuple[int, str, Any, int]]) -> None:
    workflow = deepcopy(WORKFLOWS[name])
    for each in changes:
        change(workflow, *each)
    with suppress(GPDMError):
        use(workflow)


def as_json(path: Path, workflow: Any) -> None:
    path.write_text(json.dumps(workflow))


def as_utf_16(path: Path, workflow: Any) -> None:
    path.write_text(json.dumps(workflow), encoding="utf-16")


def as_png(path: Path, workflow: Any) -> None:
    info = PngInfo()
    info.add_text("prompt", json.dumps(workflow))
    info.add_text("workflow", json.dumps(ui()), zip=True)
    info.add_itxt("prompt", json.dumps(workflow), zip=True)
    Image.new("RGB", (3, 3)).save(path, format="PNG", pnginfo=info)


def as_exif(kind: str) -> Callable[[Path, Any], None]:
    def write(path: Path, workflow: Any) -> None:
        exif = Image.Exif()
        exif[0x0110] = "prompt:" + json.dumps(workflow)
        Image.new("RGB", (3, 3)).save(path, format=kind, exif=exif)

    return write


WRITERS = {"json": as_json, "utf-16": as_utf_16, "png": as_png, "webp": as_exif("WEBP"), "jpeg": as_exif("JPEG")}
BYTES = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["set", "drop", "insert", "cut"]), st.binary(max_size=4)),
    min_size=1,
    max_size=6,
)


@given(st.sampled_from(sorted(WRITERS)), BYTES)
@FUZZ
def test_damaged_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, changes: list[tuple[int, str, bytes]]
) -> None:
    path = tmp_path / "wf"
    WRITERS[kind](path, copying())
    data = bytearray(path.read_bytes())
    for where, how, junk in changes:
        at = where % (len(data) + 1)
        end = {"set": at + len(junk), "drop": at + 1 + where % 7, "insert": at, "cut": len(data)}[how]
        data[at:end] = b"" if how in ("drop", "cut") else junk
    path.write_bytes(data)
    assert main(["run", str(path), "--validate"]) in (0, 2)
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1 or len(captured.err.splitlines()) == 1
