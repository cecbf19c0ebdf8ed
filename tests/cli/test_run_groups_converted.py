"""`gpdm run`: group nodes as front end 1.27 saves them, where every widget is also an input slot of its node."""

from __future__ import annotations

from typing import Any

import pytest
from cli.graphs import IMAGE, by_id, graph, load, node, save
from cli.test_run_groups import PLAIN, SCALES, group, grouped, inner

from gpdm.cli.workflow import Link

SOCKETS = [(name, "*", None) for name in ("reference", "loss", "pyramid", "guess", "optimizer", "references", "canvas")]
WIDGETS = [(name, "*", None, "widget") for name in ("seed", "num_outputs", "height", "quality", "memory", "tile")]
RESHUFFLE = inner(
    "GPDM_Reshuffle", [*SOCKETS, *WIDGETS], ["IMAGE", "IMAGE"], [0, "fixed", 1, 30, "balanced", 0, "none"]
)
BY_TEXT = ["quality", "memory", "tile", "seed", "num_outputs", "height"]
"""The widgets by the numbers of their slots as texts: 10, 11, 12, 7, 8, 9."""


def converted(kind: str, sockets: list[str], widgets: list[str], values: list[Any]) -> dict[str, Any]:
    slots = [(name, "IMAGE", None) for name in sockets] + [(name, "*", None, "widget") for name in widgets]
    return inner(kind, slots, IMAGE, values)


def outer(values: list[Any], seed_link: Any = None, names: list[str] = BY_TEXT) -> dict[str, Any]:
    sockets = [(name, "*", "a" if name == "reference" else None) for name, *_ in SOCKETS]
    widgets = [(name, "*", seed_link if name == "seed" else None, "widget") for name in names]
    return node(5, "workflow>Two", [*sockets, *widgets], ["IMAGE", "IMAGE"], values)


def test_the_values_stand_in_the_order_of_the_slot_numbers_as_texts() -> None:
    found = by_id(grouped([RESHUFFLE], [], outer(["fast", 2, "none", 321, "increment", 3, 26])))["5:0"].inputs
    expected = {"quality": "fast", "memory": 2, "tile": "none", "seed": 321, "num_outputs": 3, "height": 26}
    assert found == {"reference": Link("1", 0)} | expected


def test_a_link_to_a_converted_widget_goes_to_the_one_of_its_name() -> None:
    workflow = grouped([RESHUFFLE], [], outer(["fast", 2, "none", 321, "fixed", 3, 26], "s"))
    workflow["nodes"].append(node(8, "PrimitiveInt", (), ["INT"], [7, "fixed"]))
    workflow["links"].append(["s", 8, 0, 5, 10, "INT"])
    found = by_id(workflow)["5:0"].inputs
    assert (found["seed"], found["quality"], found["height"]) == (Link("8", 0), "fast", 26)


@pytest.mark.parametrize(
    ("slots", "values"),
    [
        ([], ["other.png", "image", "lanczos", 0.25]),
        (["image"], ["image", "other.png", "lanczos", 0.25]),
        (["image", "upload"], ["other.png", "image", "lanczos", 0.25]),
    ],
    ids=["none", "image", "both"],
)
def test_the_upload_button_is_no_value_wherever_it_stands(slots: list[str], values: list[Any]) -> None:
    loader = inner("LoadImage", [(name, "*", None, "widget") for name in slots], ["IMAGE", "MASK"], ["in.png", "image"])
    scaler = converted("ImageScaleBy", ["image"], ["upscale_method", "scale_by"], ["area", 0.5])
    group_node = node(5, "workflow>Two", (), ["MASK", "IMAGE"], values)
    workflow = grouped([loader, scaler], [(0, 0, 1, 0)], group_node)
    workflow["links"][1] = ["b", 5, 1, 9, 0, "IMAGE"]
    found = by_id(workflow)
    assert found["5:0"].inputs == {"image": "other.png"}
    assert found["5:1"].inputs == {"image": Link("5:0", 0), "upscale_method": "lanczos", "scale_by": 0.25}


def test_a_converted_widget_that_something_inside_is_linked_to_has_no_value_outside() -> None:
    widgets = ["upscale_method", "width", "height", "crop"]
    nodes = [
        inner("PrimitiveInt", [("value", "INT", None, "widget")], ["INT"], [10, "fixed"]),
        converted("ImageScale", ["image"], widgets, ["area", 20, 20, "disabled"]),
    ]
    values = [11, "fixed", "lanczos", 21, "center"]
    found = by_id(grouped(nodes, [(0, 0, 1, 2)], group(values)))
    assert found["5:0"].inputs == {"value": 11}
    expected = {"upscale_method": "lanczos", "width": Link("5:0", 0), "height": 21, "crop": "center"}
    assert found["5:1"].inputs == {"image": Link("1", 0)} | expected


def test_a_link_inside_is_kept_where_the_editor_shows_its_widget_outside() -> None:
    """Its numbers are texts: with more than ten slots it leaves out the wrong place."""
    nodes = [inner("PrimitiveNode", (), ["INT"]), RESHUFFLE]
    values = [555, "fixed", 2, "none", 555, "fixed", 3, 26]
    found = by_id(grouped(nodes, [(0, 0, 1, 7)], outer(values, names=BY_TEXT[1:])))["5:1"].inputs
    expected = {"quality": "balanced", "memory": 2, "tile": "none", "seed": 555, "num_outputs": 3, "height": 26}
    assert found == {"reference": Link("1", 0)} | expected


@pytest.mark.parametrize(
    ("outputs", "slot", "expected"),
    [(["IMAGE"], 0, "5:1"), (["IMAGE", "IMAGE"], 0, "5:0"), (["IMAGE", "IMAGE"], 1, "5:1")],
)
@pytest.mark.parametrize("saved_outputs", [[], IMAGE])
def test_a_group_from_before_save_image_had_an_output(
    saved_outputs: list[str], outputs: list[str], slot: int, expected: str
) -> None:
    saver = inner("SaveImage", [("images", "IMAGE", None)], saved_outputs, ["inner"])
    nodes = [saver, inner("ImageInvert", [("image", "IMAGE", None)], IMAGE)]
    holder = node(5, "workflow>Two", [("images", "IMAGE", "a"), ("image", "IMAGE", "c")], outputs, ["out"])
    workflow = graph([load(1), holder, save(9, "b")], [("a", 1, 0, 5, 0), ("c", 1, 0, 5, 1), ("b", 5, slot, 9, 0)])
    workflow["extra"] = {"groupNodes": {"Two": {"nodes": nodes, "links": []}}}
    found = by_id(workflow)
    assert found["9"].inputs["images"] == Link(expected, 0)
    assert found["5:0"].inputs["filename_prefix"] == "out"


def test_the_values_of_a_group_in_a_group_are_those_of_the_outer_one() -> None:
    holder = inner("workflow>Two", [PLAIN], IMAGE, ["bilinear", 0.25, "lanczos", 0.75])
    scaler = inner("ImageScaleBy", [PLAIN], IMAGE, ["area", 0.5])
    outer_group = group(["area", 0.1, "area", 0.2, "bicubic", 0.3], kind="workflow>Outer")
    workflow = grouped(SCALES, [(0, 0, 1, 0)], outer_group)
    workflow["extra"]["groupNodes"]["Outer"] = {"nodes": [holder, scaler], "links": [[0, 0, 1, 0, 0, "IMAGE"]]}
    found = by_id(workflow)
    assert [found[key].inputs["scale_by"] for key in ("5:0:0", "5:0:1", "5:1")] == [0.1, 0.2, 0.3]


def test_a_null_inside_that_the_group_gives_a_value_for_gets_no_line(caplog: pytest.LogCaptureFixture) -> None:
    scaler = inner("ImageScaleBy", [PLAIN], IMAGE, ["area", None])
    by_id(grouped([scaler], [], group(["area", 0.5])))
    assert caplog.messages == []
    by_id(grouped([scaler], [], group(None)))
    assert caplog.messages == ["node 5:0 (ImageScaleBy): scale_by is null in the file; its default 1.0 is used"]
