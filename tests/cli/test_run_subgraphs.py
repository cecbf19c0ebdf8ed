"""`gpdm run`: subgraphs in the place of nodes, as the editor expands them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli.graphs import (
    FACTOR,
    IMAGE,
    by_id,
    check,
    half,
    halving,
    load,
    node,
    run,
    save,
    scale,
    subgraph,
    with_subgraphs,
)

from gpdm import GPDMError
from gpdm.cli.workflow import Link

ENDS = [("a", 1, 0, 5, 0), ("b", 5, 0, 9, 0)]


def one(**more: Any) -> dict[str, Any]:
    """A file with one instance between a loaded picture and a saved one."""
    return with_subgraphs([load(1), half(5, "a", **more), save(9, "b")], ENDS, halving())


def test_an_instance_is_expanded_to_nodes_with_a_path_as_their_id() -> None:
    nodes = by_id(one(widgets_values=[]))
    assert list(nodes) == ["1", "5:7", "9"]
    assert nodes["5:7"].inputs == {"image": Link("1", 0), "upscale_method": "area", "scale_by": 0.5}
    assert nodes["9"].inputs["images"] == Link("5:7", 0)


@pytest.mark.parametrize(
    ("change", "factor"),
    [
        ({"widgets_values": [0.25]}, 0.25),
        ({"widgets_values": [None]}, 0.5),
        ({"widgets_values": None}, 0.5),
        ({"widgets_values": {"factor": 0.75}}, 0.75),
        ({"widgets_values": [], "properties": {"proxyWidgets": [["7", "scale_by"]]}}, 0.5),
        ({"widgets_values": ["lanczos", 0.25], "properties": {"proxyWidgets": [["7", "no"], ["7", "scale_by"]]}}, 0.25),
        ({"widgets_values": [0.25], "properties": {"proxyWidgets": [["-1", "factor"]]}}, 0.25),
        ({"widgets_values": [0.25], "properties": {"proxyWidgets": '[["7", "scale_by"]]'}}, 0.25),
        ({"widgets_values": [0.25], "properties": {"proxyWidgets": "no JSON"}}, 0.25),
        ({"widgets_values": [0.25], "properties": {"proxyWidgets": None}}, 0.25),
    ],
)
def test_the_value_of_a_widget_that_the_outer_node_shows(change: dict[str, Any], factor: float) -> None:
    assert by_id(one(**change))["5:7"].inputs["scale_by"] == factor


def test_a_widget_inside_that_no_input_leads_to_gets_the_value_of_the_outer_node() -> None:
    shown = {"proxyWidgets": [["7", "upscale_method"], ["7", "scale_by"]]}
    inputs = by_id(one(widgets_values=["lanczos", 0.25], properties=shown))["5:7"].inputs
    assert (inputs["upscale_method"], inputs["scale_by"]) == ("lanczos", 0.25)


def test_two_instances_have_values_of_their_own() -> None:
    nodes = [load(1), half(5, "a", widgets_values=[0.25]), half(6, "b", widgets_values=[0.75]), save(9, "c")]
    links = [("a", 1, 0, 5, 0), ("b", 5, 0, 6, 0), ("c", 6, 0, 9, 0)]
    found = by_id(with_subgraphs(nodes, links, halving()))
    assert [found[key].inputs["scale_by"] for key in ("5:7", "6:7")] == [0.25, 0.75]
    assert found["6:7"].inputs["image"] == Link("5:7", 0)


@pytest.mark.parametrize(
    ("kind", "expected"), [("PrimitiveFloat", Link("8", 0)), ("PrimitiveNode", 0.75)], ids=["node", "primitive"]
)
def test_a_link_to_a_shown_widget_goes_before_its_value(kind: str, expected: Any) -> None:
    value = node(8, kind, (), ["FLOAT"], [0.75, "fixed"] if kind == "PrimitiveNode" else [0.75])
    nodes = [load(1), half(5, "a", "f", widgets_values=[0.25]), save(9, "b"), value]
    found = by_id(with_subgraphs(nodes, [*ENDS, ("f", 8, 0, 5, 1)], halving()))
    assert found["5:7"].inputs["scale_by"] == expected


def test_an_input_that_leads_to_two_widgets_gives_both_the_value_of_the_first() -> None:
    inner = [
        node(7, "ImageScaleBy", [("image", "IMAGE", 1), FACTOR], IMAGE, ["area", 0.5]),
        node(8, "ImageScaleBy", [("image", "IMAGE", 2), ("scale_by", "FLOAT", 4, 1)], IMAGE, ["area", 0.9]),
    ]
    links = [(1, -10, 0, 7, 0), (2, 7, 0, 8, 0), (3, -10, 1, 7, 1), (4, -10, 1, 8, 1), (5, 8, 0, -20, 0)]
    twice = subgraph("half", [("image", "IMAGE", [1]), ("factor", "FLOAT", [3, 4])], [("", "IMAGE", [5])], inner, links)
    found = by_id(with_subgraphs([load(1), half(5, "a"), save(9, "b")], ENDS, twice))
    assert [found[key].inputs["scale_by"] for key in ("5:7", "5:8")] == [0.5, 0.5]


def test_the_controls_of_seeds_are_no_values() -> None:
    inner = node(
        7,
        "GPDM_Reshuffle",
        [("reference", "IMAGE", 1), ("seed", "INT", 2, 1), ("num_outputs", "INT", 3, 1)],
        IMAGE,
        [5, "fixed", 2, 0],
    )
    inputs = [("reference", "IMAGE", [1]), ("seed", "INT", [2]), ("num_outputs", "INT", [3])]
    links = [(1, -10, 0, 7, 0), (2, -10, 1, 7, 1), (3, -10, 2, 7, 2), (4, 7, 0, -20, 0)]
    definition = subgraph("mix", inputs, [("", "IMAGE", [4])], [inner], links)
    slots = [("reference", "IMAGE", "a"), ("seed", "INT", None, 1), ("num_outputs", "INT", None, 1)]
    for values in ([9, 3], [9, "randomize", 3]):
        outer = node(5, "mix", slots, IMAGE, values)
        given = by_id(with_subgraphs([load(1), outer, save(9, "b")], ENDS, definition))["5:7"].inputs
        assert (given["seed"], given["num_outputs"]) == (9, 3)


def nested(values: Any, inner_values: Any = None) -> dict[str, Any]:
    """A file with an instance in an instance."""
    outer = subgraph(
        "outer",
        [("picture", "IMAGE", [1]), ("amount", "FLOAT", [2])],
        [("", "IMAGE", [3])],
        [half(4, 1, 2, widgets_values=inner_values)],
        [(1, -10, 0, 4, 0), (2, -10, 1, 4, 1), (3, 4, 0, -20, 0)],
    )
    slots = [("picture", "IMAGE", "a"), ("amount", "FLOAT", None, 1)]
    return with_subgraphs([load(1), node(5, "outer", slots, IMAGE, values), save(9, "b")], ENDS, outer, halving())


@pytest.mark.parametrize(
    ("values", "inner", "factor"), [([0.1], [0.2], 0.1), ([], [0.2], 0.2), ([], [], 0.5), ([0.1], [], 0.1)]
)
def test_the_outermost_value_of_a_nested_widget_counts(values: list[Any], inner: list[Any], factor: float) -> None:
    found = by_id(nested(values, inner))
    assert list(found) == ["1", "5:4:7", "9"]
    assert found["5:4:7"].inputs == {"image": Link("1", 0), "upscale_method": "area", "scale_by": factor}


def test_definitions_may_stand_in_definitions() -> None:
    workflow = nested([0.1])
    outer, inner = workflow["definitions"]["subgraphs"]
    workflow["definitions"]["subgraphs"] = [outer | {"definitions": {"subgraphs": [inner]}}]
    assert "5:4:7" in by_id(workflow)


def test_a_bypassed_instance_gives_out_its_input_and_runs_nothing_inside() -> None:
    found = by_id(one(mode=4))
    assert list(found) == ["1", "9"] and found["9"].inputs["images"] == Link("1", 0)


def test_what_hangs_on_a_muted_instance_is_missing() -> None:
    with pytest.raises(GPDMError, match=r"node 9 .* is missing: node 5 \(half\) is muted"):
        check(one(mode=2))


def test_outputs_inside_an_instance_run_and_bypassed_nodes_and_reroutes_inside_are_followed() -> None:
    inner = [
        scale(7, 1, mode=4),
        node(6, "Reroute", [("", "*", 2)], ["*"]),
        node(3, "SetNode", [("IMAGE", "IMAGE", 3)], ["*"], ["kept"]),
        node(2, "GetNode", (), ["*"], ["kept"]),
        save(8, 4, "inner"),
    ]
    links = [(1, -10, 0, 7, 0), (2, 7, 0, 6, 0), (3, 6, 0, 3, 0), (4, 2, 0, 8, 0), (5, 6, 0, -20, 0)]
    definition = subgraph("sub", [("image", "IMAGE", [1])], [("", "IMAGE", [5])], inner, links)
    outer = node(5, "sub", [("image", "IMAGE", "a")], IMAGE)
    found = by_id(with_subgraphs([load(1), outer, save(9, "b")], ENDS, definition))
    assert list(found) == ["1", "5:8", "9"]
    assert found["5:8"].inputs["images"] == found["9"].inputs["images"] == Link("1", 0)


def test_a_get_node_in_an_instance_finds_a_set_node_outside() -> None:
    definition = subgraph("sub", [], [], [node(2, "GetNode", (), ["*"], ["kept"]), save(8, 4)], [(4, 2, 0, 8, 0)])
    nodes = [load(1), node(3, "SetNode", [("IMAGE", "IMAGE", "a")], ["*"], ["kept"]), node(5, "sub")]
    assert by_id(with_subgraphs(nodes, [("a", 1, 0, 3, 0)], definition))["5:8"].inputs["images"] == Link("1", 0)


def test_an_input_without_a_link_or_a_widget_is_missing() -> None:
    with pytest.raises(GPDMError, match=r"node 5:7 \(ImageScaleBy\): input image \(IMAGE\) is missing; connect it"):
        check(with_subgraphs([half(5, None), save(9, "b")], ENDS, halving()))


def test_inputs_are_matched_by_name_if_the_instance_lists_them_in_another_order() -> None:
    workflow = one(widgets_values=[0.25])
    workflow["nodes"][1]["inputs"].reverse()
    inputs = by_id(workflow)["5:7"].inputs
    assert inputs["image"] == Link("1", 0) and inputs["scale_by"] == 0.25


def chain(depth: int, copies: int = 1) -> dict[str, Any]:
    """A file with instances in instances, `copies` in each."""
    graphs = [subgraph(f"g{i}", [], [], [node(n, f"g{i + 1}") for n in range(copies)], []) for i in range(depth)]
    last = subgraph(f"g{depth}", [], [], [load(1), save(2, 1)], [(1, 1, 0, 2, 0)])
    return with_subgraphs([node(0, "g0")], [], *graphs, last)


def test_deep_nesting_is_read() -> None:
    assert len(check(chain(600))) == 2


@pytest.mark.parametrize(
    ("workflow", "message"),
    [
        (with_subgraphs([half(5, None)], [], halving() | {"nodes": [half(6, None)]}), "node 5:6 .*contains itself"),
        (chain(30, copies=3), "more than 20000 nodes"),
        (with_subgraphs([half(5, None)], [], halving() | {"nodes": None}), "damaged"),
        (with_subgraphs([half(5, None)], [], halving() | {"links": [{"id": 1}]}), "damaged"),
    ],
)
def test_what_cannot_be_expanded_is_one_error(workflow: Any, message: str) -> None:
    with pytest.raises(GPDMError, match=message):
        check(workflow)


@pytest.mark.usefixtures("working_folder")
def test_a_file_with_a_subgraph_runs_and_its_nodes_can_be_set(capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    assert run(one(widgets_values=[0.5]), "--set", "5:7.scale_by=2") == 0
    with Image.open("o/x_00001_.png") as result:
        assert result.size == (52, 44)


@pytest.mark.parametrize(("given", "name"), [({"values": [0.25]}, "0.25"), ({}, "0.5")])
def test_a_file_name_asks_a_subgraph_for_a_value_that_it_shows(
    working_folder: Path, capsys: pytest.CaptureFixture[str], given: dict[str, Any], name: str
) -> None:
    nodes = [load(), half(5, "a", title="Half", **given), save(9, "b", "%Half.factor%_%Half.nothing%")]
    assert run(with_subgraphs(nodes, ENDS, halving())) == 0
    assert capsys.readouterr().out.split() == [f"o/{name}_%Half.nothing%_00001_.png"]
