"""`gpdm run`: both formats, overrides, and an error for everything that ComfyUI would refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gpdm import GPDMError
from gpdm.cli.main import main
from gpdm.cli.run import all_definitions
from gpdm.cli.standins import STAND_INS
from gpdm.cli.validation import validate
from gpdm.cli.workflow import Link, read_prompt


def api(**changes: Any) -> dict[str, Any]:
    """A small graph in API format; `changes` replace inputs of the GPDM node (None removes)."""
    inputs = {"reference": ["1", 0], "seed": 1, "num_outputs": 1, "height": 0, "optimizer": ["4", 0]} | changes
    optimizer = {"method": "adam", "lr": 0.01, "num_steps": 1, "tolerance": 0.0, "window": 50}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "in.png"}},
        "2": {"class_type": "GPDM_Reshuffle", "inputs": {k: v for k, v in inputs.items() if v is not None}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "result"}},
        "4": {"class_type": "GPDM_Optimizer", "inputs": optimizer},
    }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a small picture."""
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((26, 22)).convert("RGB").save("in.png")
    Image.radial_gradient("L").resize((30, 24)).convert("RGB").save("other.png")
    return tmp_path


def run(workflow: Any, *more: str) -> int:
    Path("wf.json").write_text(json.dumps(workflow))
    return main(["run", "wf.json", "--out", "o", "--device", "cpu", *more])


def check(workflow: Any) -> Any:
    definitions = all_definitions()
    return validate(read_prompt(workflow, definitions), definitions)


def test_api_format(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(api()) == 0
    assert capsys.readouterr().out.split() == ["o/result_00001_.png"]
    assert run(api()) == 0
    assert Path("o/result_00002_.png").exists(), "nothing is overwritten"
    with Image.open("o/result_00001_.png") as result:
        assert result.size == (26, 22)
        assert json.loads(result.info["prompt"])["2"]["inputs"]["reference"] == ["1", 0]
    assert Path("o/result_00001_.png").read_bytes() == Path("o/result_00002_.png").read_bytes()


def test_overrides(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(api(), "--image", "other.png", "--set", "GPDM_Reshuffle.num_outputs=2", "--seed", "7", "--json") == 0
    saved = json.loads(capsys.readouterr().out)["saved"]
    assert len(saved) == 2
    with Image.open(saved[0]) as result:
        assert result.size == (30, 24)
        assert json.loads(result.info["prompt"])["2"]["inputs"]["seed"] == 7
    assert run(api(), "--image", "1=other.png") == 0
    with Image.open("o/result_00003_.png") as result:
        assert result.size == (30, 24)


def ui(**extra: Any) -> dict[str, Any]:
    """The same graph in the editor's format, through a reroute, with a bypassed node, a muted node and a note."""
    nodes = [
        {
            "id": 1,
            "type": "LoadImage",
            "outputs": [{"type": "IMAGE"}, {"type": "MASK"}],
            "widgets_values": ["in.png", "image"],
        },
        {"id": 2, "type": "Reroute", "inputs": [{"name": "", "type": "*", "link": 1}], "outputs": [{"type": "IMAGE"}]},
        {
            "id": 3,
            "type": "ImageScaleBy",
            "mode": 4,
            "inputs": [{"name": "image", "type": "IMAGE", "link": 2}],
            "outputs": [{"type": "IMAGE"}],
            "widgets_values": ["area", 0.5],
        },
        {
            "id": 4,
            "type": "GPDM_Reshuffle",
            "inputs": [{"name": "reference", "type": "IMAGE", "link": 3}],
            "outputs": [{"type": "IMAGE"}, {"type": "IMAGE"}],
            "widgets_values": [5, "randomize", 2, 0],
        },
        {
            "id": 5,
            "type": "SaveImage",
            "inputs": [{"name": "images", "type": "IMAGE", "link": 4}],
            "widgets_values": ["x"],
        },
        {"id": 6, "type": "PreviewImage", "mode": 2, "inputs": [{"name": "images", "type": "IMAGE", "link": None}]},
        {"id": 7, "type": "Note", "widgets_values": ["hello"]},
    ]
    links = [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 3, 0, "IMAGE"], [3, 3, 0, 4, 0, "IMAGE"], [4, 4, 0, 5, 0, "IMAGE"]]
    return {"nodes": nodes, "links": links, "version": 0.4, **extra}


def test_editor_format() -> None:
    order = {node.id: node for node in check(ui())}
    assert set(order) == {"1", "4", "5"}
    given = {"seed": 5, "num_outputs": 2, "height": 0, "reference": Link("1", 0)}
    # The file is from before these widgets; as in the editor, they then say what a new node says.
    assert order["4"].inputs == given | {"quality": "balanced", "memory": 0, "tile": "none"}


def test_what_hangs_on_a_muted_node_is_missing() -> None:
    workflow = ui()
    workflow["nodes"][0]["mode"] = 2
    with pytest.raises(GPDMError, match=r"input reference \(IMAGE\) is missing"):
        check(workflow)


def test_nodes_run_under_inference_mode_as_in_comfyui(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        STAND_INS["SaveImage"], "execute", lambda *a, **k: seen.append(torch.is_inference_mode_enabled())
    )
    assert run(api()) == 0
    assert seen == [True]


def test_values_saved_by_name_are_read_too() -> None:
    workflow = ui()
    workflow["nodes"][3] |= {"widgets_values_named": {"seed": 8, "num_outputs": 3, "height": 21}}
    assert {node.id: node for node in check(workflow)}["4"].inputs["num_outputs"] == 3


def test_a_file_from_before_an_input_was_appended_gets_its_default() -> None:
    workflow = ui()
    workflow["nodes"][3]["widgets_values"] = [5, "fixed", 2]
    assert {node.id: node for node in check(workflow)}["4"].inputs["height"] == 0


def test_values_saved_by_name_before_an_input_was_appended_get_its_default() -> None:
    workflow = ui()
    workflow["nodes"][3] |= {"widgets_values_named": {"seed": 8, "num_outputs": 3}}
    assert {node.id: node for node in check(workflow)}["4"].inputs["height"] == 0


def test_a_primitive_gives_its_value() -> None:
    workflow = ui()
    workflow["nodes"].append(
        {"id": 9, "type": "PrimitiveNode", "outputs": [{"type": "INT"}], "widgets_values": [77, "fixed"]}
    )
    workflow["nodes"][3]["inputs"].append({"name": "seed", "type": "INT", "widget": {"name": "seed"}, "link": 9})
    workflow["links"].append([9, 9, 0, 4, 1, "INT"])
    assert {node.id: node for node in check(workflow)}["4"].inputs["seed"] == 77


def test_links_as_objects_are_read() -> None:
    workflow = ui()
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    workflow["links"] = [dict(zip(names, link, strict=True)) for link in workflow["links"]]
    assert {node.id: node for node in check(workflow)}["4"].inputs["reference"] == Link("1", 0)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("LoadImage", ["in.png", "image"], {"image": "in.png"}),
        ("LoadImageMask", ["in.png", "red", "image"], {"image": "in.png", "channel": "red"}),
        ("LoadImageMask", ["in.png", "red"], {"image": "in.png", "channel": "red"}),
    ],
)
def test_the_upload_button_stands_behind_the_widgets(kind: str, values: list[str], expected: dict[str, str]) -> None:
    workflow = {"nodes": [{"id": 1, "type": kind, "mode": 0, "inputs": [], "widgets_values": values}], "links": []}
    assert read_prompt(workflow, all_definitions())["1"].inputs == expected


def test_old_exports_with_an_upload_button_are_read() -> None:
    workflow = api()
    workflow["1"]["inputs"]["upload"] = "image"
    assert len(check(workflow)) == 4


def test_the_editor_file_is_stored_only_if_it_is_what_was_run(folder: Path) -> None:
    workflow = ui()
    workflow["nodes"][3]["inputs"].append({"name": "optimizer", "type": "GPDM_OPTIMIZER", "link": 8})
    workflow["nodes"].append(
        {
            "id": 8,
            "type": "GPDM_Optimizer",
            "outputs": [{"type": "GPDM_OPTIMIZER"}],
            "widgets_values": ["adam", 0.01, 1, 0, 9],
        }
    )
    workflow["links"].append([8, 8, 0, 4, 1, "GPDM_OPTIMIZER"])
    assert run(workflow) == 0
    assert run(workflow, "--seed", "9") == 0
    with Image.open("o/x_00001_.png") as plain, Image.open("o/x_00003_.png") as changed:
        assert json.loads(plain.info["workflow"]) == workflow
        assert "workflow" not in changed.info


def test_a_prefix_with_brackets_overwrites_nothing(folder: Path) -> None:
    workflow = api()
    workflow["3"]["inputs"]["filename_prefix"] = "a[1]"
    assert run(workflow) == run(workflow) == 0
    assert len(list(Path("o").iterdir())) == 2


def broken(**nodes: Any) -> dict[str, Any]:
    return api() | nodes


@pytest.mark.parametrize(
    ("workflow", "message"),
    [
        (api(num_outputs=0), r"num_outputs = 0 is not allowed: it must be a whole number from 1 to 256"),
        (api(num_outputs="many"), "whole number"),
        (api(num_outputs=1.5), "whole number"),
        (api(seed=None), r"input seed \(INT\) is missing"),
        (api(reference=None), r"input reference \(IMAGE\) is missing"),
        (api(reference=["9", 0]), "node 9, which is not in the workflow"),
        (api(reference=["1", 5]), "output 5 of node 1"),
        (api(reference=["1", 1]), "takes IMAGE, but node 1 .* gives MASK"),
        (api(optimizer=["1", 0]), "takes GPDM_OPTIMIZER"),
        (api(optimizer="adam"), "takes a link of type GPDM_OPTIMIZER"),
        (api(patch_size=7), "has no input 'patch_size'"),
        (api(reference=["2", 0]), "depends on its own output"),
        (
            broken(
                **{
                    "4": {
                        "class_type": "GPDM_Optimizer",
                        "inputs": {"method": "lbfgs", "lr": 0.1, "num_steps": 1, "tolerance": 0, "window": 1},
                    }
                }
            ),
            "one of adam, sgd",
        ),
        (
            broken(**{"5": {"class_type": "FaceDetailer", "inputs": {}}}),
            "of unknown type 'FaceDetailer'; check the spelling, or run the file in ComfyUI",
        ),
        ({"1": api()["1"]}, "no output node"),
        ({"hello": 1}, "not a ComfyUI workflow"),
        ([], "not a ComfyUI workflow"),
        (ui(definitions={"subgraphs": [{"id": "Reroute"}]}), "subgraph"),
        (ui(links=[[1]]), "damaged"),
        ({"nodes": ["node"]}, "damaged"),
        ({"nodes": [{"type": "LoadImage"}]}, "damaged"),
        ({"1": {"class_type": "LoadImage", "inputs": None}}, "damaged"),
        (broken(**{"1": {"class_type": "LoadImage", "inputs": {"image": 5}}}), "must be a name"),
    ],
)
def test_refused_before_anything_runs(workflow: Any, message: str) -> None:
    with pytest.raises(GPDMError, match=message):
        check(workflow)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "2.num_outputs=0"], "from 1 to 256"),
        (["--set", "2.colour=red"], "has no value 'colour'; it has seed, num_outputs, height"),
        (["--set", "9.seed=1"], "no node is called '9'"),
        (["--set", "seed=1"], "NODE.input=VALUE"),
        (["--image", "nowhere.png"], "nowhere.png; check the path after --image"),
        (["--image", "2=in.png"], "does not load a picture"),
        (["--image", "in.png", "--image", "other.png"], "no further node"),
        (["--device", "cuda:77"], "device 'cuda:77' cannot be used here"),
        (["--set", "SaveImage.filename_prefix=../../x"], "is outside the folder"),
        (["--device", "hpu"], "device 'hpu' is not known"),
        (["--set", "SaveImage.filename_prefix="], "beginning of a file name"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert run(api(), *more) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("gpdm: ")
    assert len([line for line in error.splitlines() if line.startswith("gpdm")]) == 1 and "Traceback" not in error
    assert not list(Path().glob("o/*.png"))


@pytest.mark.parametrize("more", [[], ["--seed", "1"], ["--image", "in.png"], ["--set", "2.height=0"]])
def test_an_unknown_node_is_named_whatever_the_flags(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    assert run(api() | {"7": {"class_type": "FaceDetailer", "inputs": {}}}, *more) == 2
    assert "FaceDetailer" in capsys.readouterr().err


def test_a_failing_node_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (5, 5)).save("in.png")
    assert run(api()) == 2
    assert "node 2 (GPDM_Reshuffle): a patch of 7x7 does not fit" in capsys.readouterr().err
