"""`gpdm run`: the nodes that --set, --image and --seed name, and those that file names ask for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.graphs import IMAGE, api, copying, graph, half, halving, load, node, run, save, scale, ui, with_subgraphs
from PIL import Image

from gpdm.cli.definitions import all_definitions
from gpdm.cli.standins import DISPLAY_NAMES, STAND_INS

pytestmark = pytest.mark.usefixtures("working_folder")


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("gpdm: ")]
    return line.removeprefix("gpdm: ")


def stored(path: str) -> dict[str, Any]:
    """The inputs of the nodes in a picture, by node id."""
    with Image.open(path) as picture:
        return {key: entry["inputs"] for key, entry in json.loads(picture.info["prompt"]).items()}


@pytest.mark.parametrize("name", ["3", "Result", "Save Image", "SaveImage"])
def test_a_node_is_found_by_its_id_title_display_name_or_type(name: str) -> None:
    workflow = api()
    workflow["3"]["_meta"] = {"title": "Result"}
    assert run(workflow, "--set", f"{name}.filename_prefix=w", "--image", "Load Image=other.png") == 0
    with Image.open("o/w_00001_.png") as result:
        assert result.size == (30, 24)


def test_the_display_name_of_the_packs_nodes() -> None:
    assert run(api(), "--set", "GPDM Reshuffle.num_outputs=2") == 0
    assert len(list(Path("o").iterdir())) == 2


def test_every_node_of_comfyui_has_a_display_name() -> None:
    named = {name: each.display_name for name, each in all_definitions().items() if not name.startswith("GPDM_")}
    assert named.keys() > DISPLAY_NAMES.keys() == STAND_INS.keys()
    assert named["VAEDecode"] == "VAE Decode"


def test_a_display_name_of_two_nodes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(copying(n7=copying()["1"]), "--image", "Load Image=in.png") == 2
    expected = "several nodes are called 'Load Image'; use an id: 1 (LoadImage), 2 (SaveImage), 7 (LoadImage)"
    assert refusal(capsys) == expected


@pytest.mark.parametrize("mode", [2, 4])
@pytest.mark.parametrize("flag", [["--set", "Half.scale_by=0.3"], ["--image", "Half=in.png"], ["--set", "3.x=1"]])
def test_a_node_that_does_not_run_is_said_to_be_muted(
    capsys: pytest.CaptureFixture[str], mode: int, flag: list[str]
) -> None:
    workflow = graph([load(1), save(2, 1), scale(3, None, mode=mode, title="Half")], [(1, 1, 0, 2, 0)])
    assert run(workflow, *flag) == 2
    expected = "node 3 (Half) is muted or bypassed, or in a subgraph that is, and does not run; enable it in ComfyUI"
    assert refusal(capsys) == expected


def in_a_subgraph(**more: Any) -> dict[str, Any]:
    """A file with one instance of a subgraph that is called half and has a long id."""
    definition = halving("93aa1b11-7b1c-4a36-a6b4-59c7c85f7c26") | {"name": "half"}
    nodes = [load(1), half(5, "a", kind=definition["id"], **more), save(9, "b")]
    return with_subgraphs(nodes, [("a", 1, 0, 5, 0), ("b", 5, 0, 9, 0)], definition)


@pytest.mark.parametrize(
    ("name", "title", "shown"), [("5", {}, "half"), ("half", {}, "half"), ("Small", {"title": "Small"}, "Small")]
)
def test_a_value_of_a_subgraph_points_to_the_nodes_in_it(
    capsys: pytest.CaptureFixture[str], name: str, title: dict[str, str], shown: str
) -> None:
    assert run(in_a_subgraph(**title), "--set", f"{name}.factor=0.3") == 2
    assert refusal(capsys) == f"node 5 ({shown}) is a subgraph; name a node in it: 5:7 (ImageScaleBy)"
    assert run(in_a_subgraph(**title), "--set", "5:7.scale_by=0.3") == 0


def test_a_message_names_a_subgraph_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(in_a_subgraph(mode=2)) == 2
    assert "node 5 (half) is muted" in refusal(capsys)


def test_two_pictures_for_one_node_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(api(), "--image", "1=in.png", "--image", "LoadImage=other.png") == 2
    expected = "--image LoadImage=other.png: --image gives node 1 (LoadImage) a picture twice; remove one"
    assert refusal(capsys) == expected


def test_a_picture_without_a_node_does_not_replace_one_with_a_node() -> None:
    batch = {"class_type": "ImageBatch", "inputs": {"image1": ["1", 0], "image2": ["7", 0]}}
    workflow = copying(n5=batch, n7={"class_type": "LoadImage", "inputs": {"image": "nowhere.png"}})
    workflow["2"]["inputs"]["images"] = ["5", 0]
    assert run(workflow, "--image", "other.png", "--image", "1=in.png") == 0
    found = stored("o/good_00001_.png")
    assert [Path(found[key]["image"]).name for key in "17"] == ["in.png", "other.png"]


def with_int(**more: Any) -> dict[str, Any]:
    """A graph in API format whose seed comes from an Int, and further nodes."""
    return api(seed=["7", 0]) | {"7": {"class_type": "PrimitiveInt", "inputs": {"value": 42}}} | more


def test_a_seed_that_an_int_gives_is_set_there() -> None:
    assert run(with_int(), "--seed", "9") == 0
    found = stored("o/result_00001_.png")
    assert found["7"] == {"value": 9} and found["2"]["seed"] == ["7", 0]


def test_a_seed_that_an_int_gives_into_a_subgraph_is_set_there() -> None:
    inner = node(7, "GPDM_Reshuffle", [("reference", "IMAGE", 1), ("seed", "INT", 2, 1)], IMAGE, [5, "fixed", 1, 0])
    definition = {
        "id": "mix",
        "inputs": [{"name": "reference", "linkIds": [1]}, {"name": "seed", "linkIds": [2]}],
        "outputs": [{"name": "", "linkIds": [3]}],
        "nodes": [inner],
        "links": [[1, -10, 0, 7, 0], [2, -10, 1, 7, 1], [3, 7, 0, -20, 0]],
    }
    slots = [("reference", "IMAGE", "a"), ("seed", "INT", "s", 1)]
    nodes = [load(1), node(5, "mix", slots, IMAGE), node(8, "PrimitiveInt", (), ["INT"], [1, "fixed"]), save(9, "b")]
    links = [("a", 1, 0, 5, 0), ("s", 8, 0, 5, 1), ("b", 5, 0, 9, 0)]
    assert run(with_subgraphs(nodes, links, definition), "--seed", "9") == 0
    assert stored("o/x_00001_.png")["8"] == {"value": 9}


def test_a_seed_that_another_node_gives_gets_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    formula = {"class_type": "ComfyMathExpression", "inputs": {"expression": "a + 1", "values.a": ["7", 0]}}
    workflow = with_int(n8=formula)
    workflow["8"] = workflow.pop("n8")
    workflow["2"]["inputs"]["seed"] = ["8", 1]
    assert run(workflow, "--seed", "9") == 0
    expected = "--seed does not change the seed of node 2 (GPDM_Reshuffle), since a node that is no Int is linked to it"
    assert refusal(capsys) == expected
    assert stored("o/result_00001_.png")["7"] == {"value": 42}


def test_a_seed_that_is_null_and_given_gets_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = ui()
    workflow["nodes"][3]["widgets_values"] = [None, "fixed", 1, 0]
    assert run(workflow, "--seed", "9") == 0
    assert "null" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("%ImageScaleBy.scale_by%", "0.5"),
        ("%GPDM_Reshuffle.seed%", "77"),
        ("%GPDM_Reshuffle.control_after_generate%", "increment"),
        ("%Amount.value%_%Amount.control_after_generate%", "3_fixed"),
        ("%Note.text%", "%Note.text%"),
    ],
)
def test_a_file_name_asks_for_values_of_nodes_that_do_not_run(prefix: str, expected: str) -> None:
    nodes = [
        load(1),
        scale(3, None, mode=4),
        node(4, "GPDM_Reshuffle", (), IMAGE, [77, "increment", 1, 0], mode=2),
        node(5, "PrimitiveNode", (), ["INT"], [3, "fixed"], title="Amount"),
        node(6, "Note", (), (), ["hello"]),
        save(2, 1, prefix),
    ]
    assert run(graph(nodes, [(1, 1, 0, 2, 0)])) == 0
    assert [path.name for path in Path("o").iterdir()] == [f"{expected}_00001_.png"]


def test_the_first_node_of_a_name_counts_even_if_it_is_muted() -> None:
    nodes = [load(1), scale(3, None, 0.25, mode=2), scale(4, 1, 0.75), save(2, 2, "%ImageScaleBy.scale_by%")]
    assert run(graph(nodes, [(1, 1, 0, 4, 0), (2, 4, 0, 2, 0)])) == 0
    assert [path.name for path in Path("o").iterdir()] == ["0.25_00001_.png"]
