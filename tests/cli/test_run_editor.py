"""`gpdm run`: the editor's format as the editor reads it: reroutes, bypassed nodes, Set and Get nodes, primitives, widgets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cli.graphs import IMAGE, by_id, check, graph, load, node, prompt_of, run, save, scale, ui
from PIL import Image

from gpdm import GPDMError
from gpdm.cli.workflow import Link


def test_editor_format() -> None:
    order = by_id(ui())
    assert set(order) == {"1", "4", "5"}
    given = {"seed": 5, "num_outputs": 2, "height": 0, "reference": Link("1", 0)}
    # The file is from before these widgets; as in the editor, they then say what a new node says.
    assert order["4"].inputs == given | {"quality": "balanced", "memory": 0, "tile": "none"}


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        ({"widgets_values": [8, "fixed", 3, 21]}, "height", 21),
        ({"widgets_values": [5, "fixed", 2]}, "height", 0),
        ({"widgets_values": [5, "fixed", 2, None]}, "height", 0),
        ({"widgets_values": [5, 2, 7]}, "num_outputs", 2),
        ({"widgets_values": [5, True, 2, 7]}, "num_outputs", 2),
        ({"widgets_values": [5, "fixed", 2, 0, "fast", 0, "none", None, "", None]}, "quality", "fast"),
        ({"widgets_values": {"seed": 8, "num_outputs": 3}}, "num_outputs", 3),
        ({"widgets_values": {"seed": 8, "num_outputs": 3}}, "height", 0),
        ({"widgets_values_named": {"seed": 8, "num_outputs": 3, "height": 21}}, "num_outputs", 2),
        ({"widgets_values": None, "widgets_values_named": {"num_outputs": 3}}, "num_outputs", 3),
        ({"widgets_values": [], "widgets_values_named": {"num_outputs": 3}}, "num_outputs", 3),
        ({"widgets_values": [5, None, 3, 30]}, "num_outputs", 3),
        ({"widgets_values": [5, "Fixed", 3, 30]}, "num_outputs", 3),
        ({"widgets_values": [5, "increment-wrap", 3, 30]}, "height", 30),
        ({"widgets_values": [5, "fixed", 30.7]}, "num_outputs", 30),
        ({"widgets_values": None}, "num_outputs", 1),
    ],
)
def test_widget_values(change: dict[str, Any], name: str, value: Any) -> None:
    workflow = ui()
    workflow["nodes"][3] |= change
    assert by_id(workflow)["4"].inputs[name] == value


def test_more_widget_values_than_inputs_are_ignored_with_a_line_where_an_output_needs_the_node(
    caplog: pytest.LogCaptureFixture,
) -> None:
    workflow = ui()
    workflow["nodes"][2]["widgets_values"] = ["area", 0.5, 1, 2, 3]
    assert "5" in by_id(workflow) and caplog.messages == []
    workflow["nodes"][2]["mode"] = 0
    assert by_id(workflow)["3"].inputs["scale_by"] == 0.5
    assert caplog.messages == [
        "node 3 (ImageScaleBy) has 3 more widget values than inputs, which are ignored: [1, 2, 3]"
    ]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("LoadImage", ["in.png", "image"], {"image": "in.png"}),
        ("LoadImage", ["in.png", "image", "", ""], {"image": "in.png"}),
        ("LoadImageMask", ["in.png", "red", "image"], {"image": "in.png", "channel": "red"}),
        ("LoadImageMask", ["in.png", "red"], {"image": "in.png", "channel": "red"}),
    ],
)
def test_the_upload_button_stands_behind_the_widgets(kind: str, values: list[str], expected: dict[str, str]) -> None:
    read = prompt_of(graph([node(1, kind, values=values)], []))["1"]
    assert read.inputs == expected and read.surplus == ()


def test_links_as_objects_are_read() -> None:
    workflow = ui()
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    workflow["links"] = [dict(zip(names, link, strict=True)) for link in workflow["links"]]
    assert by_id(workflow)["4"].inputs["reference"] == Link("1", 0)


@pytest.mark.parametrize(
    "change",
    [
        {"links": [*ui()["links"], None]},
        {"extra": {"linkExtensions": [{"id": 1, "parentId": 1}], "reroutes": [{"id": 1, "pos": [0, 0]}]}},
        {"floatingLinks": [{"id": 9, "origin_id": -1, "origin_slot": -1, "target_id": 4, "target_slot": 0}]},
        {"nodes": [*ui()["nodes"], save(5, None)]},
        {"nodes": [*ui()["nodes"], node("9", "Label (rgthree)"), node(8, "Note", values=None)]},
    ],
)
def test_what_does_not_change_the_links(change: dict[str, Any]) -> None:
    assert [each for each in by_id(ui() | change) if each in "145"] == ["1", "4", "5"]


def test_ids_may_be_text_and_modes_null() -> None:
    workflow = json.loads(json.dumps(ui()).replace('"id": 4', '"id": "4"').replace('"mode": 0', '"mode": null'))
    workflow["links"] = [[str(part) for part in link[:2]] + link[2:] for link in workflow["links"]]
    assert by_id(workflow)["4"].inputs["reference"] == Link("1", 0)


def two(middle: list[Any], links: list[Any], last: Any = "b") -> dict[str, Any]:
    """A file that saves, by link `last`, what `middle` makes of a picture, which it gets by link "a"."""
    ends = [("a", 1, 0, 10, 0), (last, 10, 0, 9, 0)]
    return graph([load(1), *middle, save(9, last)], [*ends, *links])


ANY = [("", "*", "a")]


@pytest.mark.parametrize(
    "kind", ["Reroute", "Reroute (rgthree)", "SetNode", "easy setNode"], ids=lambda kind: kind.replace(" ", "_")
)
def test_nodes_that_only_the_editor_knows_give_out_what_they_get(kind: str) -> None:
    assert by_id(two([node(10, kind, ANY, ["*"], ["name"])], []))["9"].inputs["images"] == Link("1", 0)


@pytest.mark.parametrize(("setter", "getter"), [("SetNode", "GetNode"), ("easy setNode", "easy getNode")])
def test_a_get_node_takes_up_the_set_node_of_its_name(setter: str, getter: str) -> None:
    nodes = [load(1), scale(2, "s"), node(3, setter, [("IMAGE", "IMAGE", "a")], ["*"], ["plain"])]
    nodes += [node(4, setter, [("IMAGE", "IMAGE", "b")], ["*"], ["half"]), node(5, getter, (), ["*"], ["half"])]
    links = [("a", 1, 0, 3, 0), ("s", 1, 0, 2, 0), ("b", 2, 0, 4, 0), ("c", 5, 0, 9, 0)]
    assert by_id(graph([*nodes, save(9, "c")], links))["9"].inputs["images"] == Link("2", 0)


@pytest.mark.parametrize(
    ("middle", "message"),
    [
        ([node(10, "GetNode", (), ["*"], ["nobody"])], "no SetNode is called 'nobody'"),
        (
            [node(10, "GetNode", (), ["*"], ["a"]), node(11, "SetNode", [("IMAGE", "IMAGE", "b")], ["*"], ["a"])],
            "link b is part of a cycle",
        ),
        ([node(10, "Reroute", [("", "*", "b")], ["*"])], "link b is part of a cycle"),
        ([node(10, "Reroute", [("", "*", "z")], ["*"])], "link z is not in the file"),
        ([scale(10, "a", mode=2)], r"node 10 \(ImageScaleBy\) is muted"),
        ([node(10, "Reroute", ANY, ["*"], mode=2)], r"node 10 \(Reroute\) is muted"),
        ([node(10, "GetNode", (), ["*"], ["a"], mode=2)], r"node 10 \(GetNode\) is muted"),
        ([node(10, "Invert", [("mask", "MASK", "a")], IMAGE, mode=4)], "is bypassed and has no input of that type"),
        ([], "link b comes from node 10, which is not in the file"),
    ],
)
def test_why_a_link_leads_nowhere(middle: list[Any], message: str) -> None:
    with pytest.raises(GPDMError, match=rf"node 9 \(SaveImage\): input images \(IMAGE\) is missing: .*{message}"):
        check(two(middle, []))


@pytest.mark.parametrize(
    ("inputs", "outputs", "slot"),
    [
        ([("image", "IMAGE", "a")], ["IMAGE"], 0),
        ([("mask", "MASK", None), ("image", "IMAGE", "a")], ["IMAGE"], 1),
        ([("any", "*", "a"), ("image", "IMAGE", None)], ["IMAGE"], 0),
        ([("either", "LATENT,IMAGE", "a")], ["IMAGE"], 0),
    ],
)
def test_a_bypassed_node_gives_out_the_input_at_its_place_or_of_its_type(
    inputs: list[Any], outputs: list[str], slot: int
) -> None:
    del slot
    middle = [node(10, "Other", inputs, outputs, mode=4)]
    assert by_id(two(middle, []))["9"].inputs["images"] == Link("1", 0)


def test_an_input_that_the_editor_prefers_is_taken_even_if_nothing_is_linked_to_it() -> None:
    middle = [node(10, "Other", [("image", "IMAGE", None), ("image2", "IMAGE", "a")], IMAGE, mode=4)]
    with pytest.raises(GPDMError, match="is missing"):
        check(two(middle, []))


def primitive(*values: Any, kind: str = "INT") -> dict[str, Any]:
    return node(8, "PrimitiveNode", (), [kind], list(values), mode=2)


@pytest.mark.parametrize("through", [None, "Reroute", "SetNode"])
def test_a_primitive_gives_its_value(through: str | None) -> None:
    workflow = ui()
    workflow["nodes"].append(primitive(77, "fixed"))
    workflow["nodes"][3]["inputs"].append({"name": "seed", "type": "INT", "widget": {"name": "seed"}, "link": 9})
    workflow["links"].append([9, 8, 0, 4, 1, "INT"])
    if through is not None:
        workflow["links"][-1] = [9, 10, 0, 4, 1, "INT"]
        workflow["links"].append([10, 8, 0, 10, 0, "INT"])
        workflow["nodes"].append(node(10, through, [("", "*", 10)], ["INT"], ["name"]))
    assert by_id(workflow)["4"].inputs["seed"] == 77


def test_a_primitive_gives_a_choice() -> None:
    middle = [
        node(10, "ImageScaleBy", [("image", "IMAGE", "a"), ("upscale_method", "COMBO", "p", 1)], IMAGE, ["area", 0.5])
    ]
    workflow = two([*middle, primitive("lanczos", "fixed", "", kind="COMBO")], [("p", 8, 0, 10, 1)])
    assert by_id(workflow)["10"].inputs == {"image": Link("1", 0), "upscale_method": "lanczos", "scale_by": 0.5}


@pytest.mark.parametrize(("mode", "expected"), [(0, Link("8", 0)), (2, 5), (4, 5)])
def test_a_widget_keeps_its_value_if_nothing_comes_by_its_link(mode: int, expected: Any) -> None:
    workflow = ui()
    workflow["nodes"].append(node(8, "PrimitiveInt", (), ["INT"], [7, "fixed"], mode=mode))
    workflow["nodes"][3]["inputs"].append({"name": "seed", "type": "INT", "widget": {"name": "seed"}, "link": 9})
    workflow["links"].append([9, 8, 0, 4, 1, "INT"])
    assert by_id(workflow)["4"].inputs["seed"] == expected


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (
            {"widgets_values": [5, "fixed", 2, None]},
            ["node 4 (GPDM_Reshuffle): height is null in the file; its default 0 is used"],
        ),
        ({"widgets_values": [5, "fixed", 2]}, []),
        ({"widgets_values": [5, "fixed", 2, 0, None, None], "mode": 2}, []),
    ],
)
def test_a_number_that_is_null_gets_a_line(
    caplog: pytest.LogCaptureFixture, change: dict[str, Any], lines: list[str]
) -> None:
    workflow = ui()
    workflow["nodes"][3] |= change
    workflow["nodes"] += [load(20), save(21, 20)]
    workflow["links"].append([20, 20, 0, 21, 0, "IMAGE"])
    check(workflow)
    assert [line for line in caplog.messages if "null" in line] == lines


@pytest.mark.parametrize("entry", [None, "node", {"id": 9}, {"type": "SaveImage"}, {"id": 9, "type": None}])
def test_a_node_without_an_id_or_a_type_is_left_out_with_a_line(caplog: pytest.LogCaptureFixture, entry: Any) -> None:
    workflow = ui()
    workflow["nodes"].append(entry)
    assert set(by_id(workflow)) == {"1", "4", "5"}
    assert caplog.messages == [f"a node in the file has no id or no type and is left out: {entry}"]


def test_what_is_linked_to_a_node_that_was_left_out_says_so() -> None:
    with pytest.raises(GPDMError, match="link b comes from node 10, which is not in the file"):
        check(two([{"id": 10, "outputs": [{"name": "IMAGE"}]}], []))


@pytest.mark.parametrize("link", [99, 9])
def test_a_link_that_leads_nowhere_is_dropped_from_an_optional_input(link: int) -> None:
    workflow = ui()
    workflow["nodes"][3]["inputs"].append({"name": "optimizer", "type": "GPDM_OPTIMIZER", "link": link})
    workflow["links"].append([9, 55, 0, 4, 1, "GPDM_OPTIMIZER"])
    assert "optimizer" not in by_id(workflow)["4"].inputs


def test_a_chain_of_thousands_of_reroutes_is_followed() -> None:
    reroutes = [node(f"r{i}", "Reroute", [("", "*", i)], ["*"]) for i in range(3000)]
    links = [(i, f"r{i - 1}" if i else 1, 0, f"r{i}", 0) for i in range(3000)]
    workflow = graph([load(1), *reroutes, save(9, "end")], [*links, ("end", "r2999", 0, 9, 0)])
    assert by_id(workflow)["9"].inputs["images"] == Link("1", 0)


@pytest.mark.usefixtures("working_folder")
def test_the_editor_file_is_stored_only_if_it_is_what_was_run() -> None:
    workflow = graph([load(1), save(2, 1)], [(1, 1, 0, 2, 0)])
    assert run(workflow) == 0
    assert run(workflow, "--image", "other.png") == 0
    with Image.open("o/x_00001_.png") as plain, Image.open("o/x_00002_.png") as changed:
        assert json.loads(plain.info["workflow"]) == workflow
        assert "workflow" not in changed.info
