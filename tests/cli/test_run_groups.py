"""`gpdm run`: group nodes of older editors, expanded to the nodes that they hold."""

from __future__ import annotations

from typing import Any

import pytest
from cli.graphs import FACTOR, IMAGE, by_id, graph, load, node, save

from gpdm.cli.workflow import Link

ENDS = [("a", 1, 0, 5, 0), ("b", 5, 0, 9, 0)]
PLAIN = ("image", "IMAGE", None)


def inner(kind: str, *arguments: Any, **more: Any) -> dict[str, Any]:
    """A node in a group, which has no id and no links of its own."""
    saved = node(0, kind, *arguments, **more)
    del saved["id"]
    return saved


def grouped(nodes: list[Any], links: list[Any], outer: Any, external: Any = (), config: Any = None) -> dict[str, Any]:
    """A file with one group; links inside are (from index, slot, to index, slot)."""
    group = {"nodes": nodes, "links": [[*link, 0, "IMAGE"] for link in links], "external": external, "config": config}
    return graph([load(1), outer, save(9, "b")], ENDS, extra={"groupNodes": {"Two": group}})


def group(values: Any, inputs: Any = (("image", "IMAGE", "a"),), kind: str = "workflow>Two") -> dict[str, Any]:
    return node(5, kind, inputs, IMAGE, values)


SCALES = [inner("ImageScaleBy", [PLAIN], IMAGE, ["area", 0.5]), inner("ImageScaleBy", [PLAIN], IMAGE, ["area", 0.9])]


@pytest.mark.parametrize("kind", ["workflow>Two", "workflow/Two"])
def test_a_group_is_expanded_and_its_widgets_are_those_of_its_nodes_in_their_order(kind: str) -> None:
    values = ["bilinear", 0.25, "lanczos", 0.75]
    found = by_id(grouped(SCALES, [(0, 0, 1, 0)], group(values, kind=kind)))
    assert list(found) == ["1", "5:0", "5:1", "9"]
    assert found["5:0"].inputs == {"image": Link("1", 0), "upscale_method": "bilinear", "scale_by": 0.25}
    assert found["5:1"].inputs == {"image": Link("5:0", 0), "upscale_method": "lanczos", "scale_by": 0.75}
    assert found["9"].inputs["images"] == Link("5:1", 0)


def test_values_that_the_group_does_not_have_are_those_inside() -> None:
    found = by_id(grouped(SCALES, [(0, 0, 1, 0)], group(None)))
    assert [found[key].inputs["scale_by"] for key in ("5:0", "5:1")] == [0.5, 0.9]


def test_controls_and_upload_buttons_are_no_values() -> None:
    nodes = [
        inner("LoadImage", (), ["IMAGE", "MASK"], ["other.png", "image"]),
        inner("GPDM_Reshuffle", [("reference", "IMAGE", None)], IMAGE, [1, "fixed", 1, 0, "balanced", 0, "none"]),
        inner("ImageScaleBy", [PLAIN], IMAGE, ["area", 0.5]),
    ]
    values = ["in.png", "image", 7, "randomize", 2, 30, "fast", 0, "none", "lanczos", 0.75]
    outer = node(5, "workflow>Two", (), ["MASK", "IMAGE", "GPDM_STATE", "IMAGE"], values)
    workflow = grouped(nodes, [(0, 0, 1, 0), (1, 0, 2, 0)], outer)
    workflow["links"][1] = ["b", 5, 3, 9, 0, "IMAGE"]
    found = by_id(workflow)
    assert found["5:0"].inputs == {"image": "in.png"}
    assert [found["5:1"].inputs[name] for name in ("seed", "num_outputs", "height", "quality")] == [7, 2, 30, "fast"]
    assert found["5:2"].inputs["upscale_method"] == "lanczos"


def test_an_output_that_is_also_linked_outside_is_an_output_of_the_group() -> None:
    workflow = grouped(SCALES, [(0, 0, 1, 0)], group(None), external=[[0, 0, "IMAGE"]])
    assert by_id(workflow)["9"].inputs["images"] == Link("5:0", 0)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"0": {"output": {"0": {"visible": True}}}}, Link("5:0", 0)),
        ({"1": {"input": {"image": {"visible": False}}}}, Link("5:1", 0)),
        ({"0": None, "1": {"output": None}}, Link("5:1", 0)),
    ],
)
def test_the_configuration_shows_and_hides_slots(config: Any, expected: Link) -> None:
    assert by_id(grouped(SCALES, [(0, 0, 1, 0)], group(None), config=config))["9"].inputs["images"] == expected


def test_a_hidden_input_is_no_input_of_the_group() -> None:
    nodes = [inner("ImageScaleBy", [PLAIN], IMAGE, ["area", 0.5]), inner("ImageScaleBy", [PLAIN], IMAGE, ["area", 0.9])]
    workflow = grouped(nodes, [], group(None), config={"0": {"input": {"image": {"visible": False}}}})
    workflow["links"][1] = ["b", 5, 1, 9, 0, "IMAGE"]
    assert by_id(workflow)["5:1"].inputs["image"] == Link("1", 0)


def test_reroutes_and_primitives_inside() -> None:
    nodes = [
        inner("PrimitiveNode", (), ["FLOAT"], [0.3, "fixed"]),
        inner("Reroute", [("", "*", None)], ["*"]),
        inner("ImageScaleBy", [PLAIN, ("scale_by", "FLOAT", None, 1)], IMAGE, ["area", 0.9]),
    ]
    outer = group([0.25, "fixed", "lanczos"], [("IMAGE", "IMAGE", "a")])
    found = by_id(grouped(nodes, [(0, 0, 2, 1), (1, 0, 2, 0), (None, 0, 1, 0)], outer))
    assert found["5:2"].inputs == {"image": Link("1", 0), "upscale_method": "lanczos", "scale_by": 0.25}


def test_a_widget_that_was_converted_to_an_input_stands_behind_the_other_inputs() -> None:
    nodes = [
        inner("ImageScaleBy", [PLAIN, (*FACTOR[:2], None, 1)], IMAGE, ["area", 0.9]),
        inner("ImageBatch", [("image1", "IMAGE", None), ("image2", "IMAGE", None)], IMAGE),
    ]
    slots = [("image", "IMAGE", "a"), ("image2", "IMAGE", "c"), ("scale_by", "FLOAT", "f")]
    workflow = grouped(nodes, [(0, 0, 1, 0)], group(["lanczos"], slots))
    workflow["nodes"].append(node(8, "PrimitiveFloat", (), ["FLOAT"], [0.25]))
    workflow["links"] += [["c", 1, 0, 5, 1, "IMAGE"], ["f", 8, 0, 5, 2, "FLOAT"]]
    found = by_id(workflow)
    assert found["5:0"].inputs == {"image": Link("1", 0), "upscale_method": "lanczos", "scale_by": Link("8", 0)}
    assert found["5:1"].inputs == {"image1": Link("5:0", 0), "image2": Link("1", 0)}


def test_a_bypassed_group_gives_out_its_input() -> None:
    workflow = grouped(SCALES, [(0, 0, 1, 0)], group(None) | {"mode": 4})
    assert by_id(workflow)["9"].inputs["images"] == Link("1", 0)


def test_a_group_may_hold_a_group() -> None:
    workflow = grouped(SCALES, [(0, 0, 1, 0)], group(None, kind="workflow>Outer"))
    holder = inner("workflow>Two", [PLAIN], IMAGE, ["bilinear", 0.25, "lanczos", 0.75])
    workflow["extra"]["groupNodes"]["Outer"] = {"nodes": [holder], "links": []}
    found = by_id(workflow)
    assert list(found) == ["1", "5:0:0", "5:0:1", "9"]
    assert found["5:0:1"].inputs["scale_by"] == 0.75 and found["5:0:0"].inputs["image"] == Link("1", 0)
