"""`gpdm run`: only what an output needs is looked at, and a bad output leaves the others, as in ComfyUI."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.graphs import api, copying, graph, load, node, run, save, scale
from PIL import Image

pytestmark = pytest.mark.usefixtures("working_folder")

CONTROLS = ("Label (rgthree)", "Bookmark (rgthree)", "Fast Groups Muter (rgthree)")
SAVING = {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "bad"}}


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was said, without progress and time."""
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("gpdm: ")]


@pytest.mark.parametrize(
    "more", [[], ["--seed", "1"], ["--image", "in.png"], ["--set", "2.filename_prefix=good"], ["--validate"]]
)
@pytest.mark.parametrize("kind", [*CONTROLS, "FaceDetailer"])
def test_nodes_of_unknown_type_that_no_output_needs_are_ignored(
    capsys: pytest.CaptureFixture[str], kind: str, more: list[str]
) -> None:
    assert run(copying(n7={"class_type": kind, "inputs": {"seed": 4}}), *more) == 0
    assert run(graph([load(1), node(7, kind, values={"a": 1}), save(2, 1, "good")], [(1, 1, 0, 2, 0)]), *more) == 0
    assert lines(capsys) == []


def test_an_unknown_node_that_may_be_an_output_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    video = {"class_type": "SaveVideo", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Film"}}
    assert run(copying(n7=video)) == 0
    assert lines(capsys) == ["gpdm: left out, since their types are not known here: node 7 (Film) of type SaveVideo"]


@pytest.mark.parametrize(
    ("node9", "reason"),
    [
        (
            {"class_type": "FaceDetailer", "inputs": {"image": ["1", 0]}},
            "node 9 (FaceDetailer) is of unknown type 'FaceDetailer'; check the spelling, or run the file in ComfyUI",
        ),
        (
            {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 99}},
            "node 9 (ImageScaleBy): scale_by = 99 is not allowed: it must be a number from 0.01 to 8",
        ),
        (
            {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 1], "upscale_method": "area", "scale_by": 1}},
            "node 9 (ImageScaleBy): input image takes IMAGE, but node 1 (LoadImage) gives MASK",
        ),
        ({"class_type": "ImageScaleBy", "inputs": {}}, "node 9 (ImageScaleBy): input image (IMAGE) is missing"),
        ({"class_type": "LoadImage", "inputs": {"image": "nowhere.png"}}, "node 9 (LoadImage): there is no file"),
        (
            {"class_type": "PrimitiveInt", "inputs": {"value": 1}},
            "input images takes IMAGE, but node 9 (PrimitiveInt) gives INT",
        ),
        (
            {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["5", 2]}},
            "which needs a model; open the file in ComfyUI, which can run it",
        ),
        (
            {"class_type": "ImageBatch", "inputs": {"image1": ["9", 0], "image2": ["9", 0]}},
            "node 9 (ImageBatch) depends on its own output",
        ),
        (None, "input images is linked to node 9, which is not in the workflow"),
    ],
)
def test_a_bad_output_gets_a_line_and_the_others_run(
    capsys: pytest.CaptureFixture[str], node9: dict[str, Any] | None, reason: str
) -> None:
    workflow = copying(n8=SAVING, n9=node9) if node9 else copying(n8=SAVING)
    workflow["5"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}}
    workflow["6"] = {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}}
    assert run(workflow) == 0
    (line,) = lines(capsys)
    assert line.startswith("gpdm: node 8 (SaveImage) is left out: ")
    assert reason in line
    assert [path.name for path in Path("o").iterdir()] == ["good_00001_.png"]
    with Image.open("o/good_00001_.png") as result:
        assert set(json.loads(result.info["prompt"])) == {"1", "2"}, "what is stored can be run again"


def test_what_is_left_out_stands_in_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(copying(n8=SAVING), "--json") == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == {
        "node 8 (SaveImage)": "input images is linked to node 9, which is not in the workflow"
    }


def test_it_is_refused_with_the_reasons_if_no_output_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = copying(n8=SAVING)
    workflow["1"]["inputs"]["image"] = "nowhere.png"
    assert run(workflow) == 2
    (line,) = lines(capsys)
    assert "there is no file 'nowhere.png'" in line and "node 9, which is not in the workflow" in line
    assert not Path("o").exists()


def test_a_muted_node_in_the_middle_and_an_empty_preview(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = [load(1), scale(3, 1, mode=2), save(4, 2, "bad"), node(5, "PreviewImage", [("images", "IMAGE", None)])]
    links = [(1, 1, 0, 3, 0), (2, 3, 0, 4, 0), (3, 1, 0, 6, 0)]
    assert run(graph([*nodes, save(6, 3, "good")], links)) == 0
    assert lines(capsys) == [
        "gpdm: node 4 (SaveImage) is left out: input images (IMAGE) is missing: node 3 (ImageScaleBy) is muted; connect it",
        "gpdm: node 5 (PreviewImage) is left out: input images (IMAGE) is missing; connect it",
    ]
    assert [path.name for path in Path("o").iterdir()] == ["good_00001_.png"]


def test_validating_checks_what_needs_a_model_and_says_what_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(copying(n8=SAVING), "--validate") == 0
    captured = capsys.readouterr()
    assert captured.out == "wf.json: valid, 2 nodes\n"
    assert "node 8 (SaveImage) is left out" in captured.err


def test_values_that_are_no_inputs_are_ignored_where_front_ends_write_them() -> None:
    workflow = copying()
    workflow["1"]["inputs"] |= {"upload": "image", "speak_and_recognation": {"__value__": [False, True]}}
    assert run(workflow) == 0


def test_a_value_without_an_input_is_ignored_with_a_line_as_comfyui_ignores_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    workflow = copying()
    workflow["2"]["inputs"]["colour"] = "red"
    assert run(workflow) == 0
    (line,) = lines(capsys)
    assert line.startswith("gpdm: node 2 (SaveImage) has no input 'colour'; it has images, filename_prefix; the value")
    with Image.open("o/good_00001_.png") as result:
        assert "colour" not in json.loads(result.info["prompt"])["2"]["inputs"]


def test_a_failing_node_is_named_with_its_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (5, 5)).save("in.png")
    assert run(api()) == 2
    (line,) = lines(capsys)
    assert line.startswith("gpdm: node 2 (GPDM_Reshuffle): a patch of 7x7 does not fit")
    assert line.endswith(" (picture: in.png)")


def test_what_was_saved_before_a_node_failed_is_kept_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (5, 5)).save("small.png")
    workflow = copying() | {f"1{key}": entry for key, entry in api(reference=["11", 0], optimizer=None).items()}
    workflow["11"]["inputs"]["image"] = "small.png"
    workflow["13"]["inputs"]["images"] = ["12", 0]
    assert run(workflow) == 2
    (line,) = lines(capsys)
    assert line.endswith("(picture: small.png); saved before: o/good_00001_.png")
    assert Path("o/good_00001_.png").exists()


def test_a_text_that_a_node_shows_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    size = {"class_type": "GetImageSize", "inputs": {"image": ["1", 0]}}
    show = {"class_type": "PreviewAny", "inputs": {"source": ["7", 0]}, "_meta": {"title": "Width"}}
    assert run(copying(n7=size, n8=show)) == 0
    assert "Width: 26" in capsys.readouterr().out.splitlines()


def test_a_value_of_another_type_from_a_node_that_gives_any_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    switch = {"class_type": "ComfySwitchNode", "inputs": {"switch": True, "on_false": ["1", 0], "on_true": ["7", 0]}}
    number = {"class_type": "PrimitiveInt", "inputs": {"value": 3}}
    workflow = copying(n7=number, n8=switch)
    workflow["2"]["inputs"]["images"] = ["8", 0]
    assert run(workflow) == 2
    assert lines(capsys) == ["gpdm: node 2 (SaveImage): input images takes IMAGE, but got int (picture: in.png)"]


def test_a_number_is_no_object_of_the_pack(capsys: pytest.CaptureFixture[str]) -> None:
    switch = {"class_type": "ComfySwitchNode", "inputs": {"switch": True, "on_false": ["7", 0], "on_true": ["7", 0]}}
    workflow = api(optimizer=["8", 0]) | {"7": {"class_type": "PrimitiveInt", "inputs": {"value": 3}}, "8": switch}
    assert run(workflow) == 2
    assert "input optimizer takes GPDM_OPTIMIZER, but got int" in lines(capsys)[0]


def test_a_link_to_no_node_is_dropped_from_an_optional_input_in_api_format_too() -> None:
    inputs = {"image1": ["1", 0], "image2": ["55", 0], "direction": "right", "match_image_size": True}
    inputs |= {"spacing_width": 0, "spacing_color": "white"}
    workflow = copying(n5={"class_type": "ImageStitch", "inputs": inputs})
    workflow["2"]["inputs"]["images"] = ["5", 0]
    assert run(workflow) == 0
    with Image.open("o/good_00001_.png") as result:
        assert result.size == (26, 22)


def test_null_is_no_link_to_an_optional_input() -> None:
    workflow = api()
    workflow["2"]["inputs"]["guess"] = None
    assert run(workflow) == 0


def test_null_is_no_link_to_a_required_input(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = copying()
    workflow["2"]["inputs"]["images"] = None
    assert run(workflow) == 2
    assert "images = None is not allowed: images takes a link of type IMAGE" in lines(capsys)[0]


def test_a_fraction_becomes_a_whole_number_as_in_comfyui() -> None:
    assert run(api(num_outputs=1.7, height=20.0)) == 0
    assert len(list(Path("o").iterdir())) == 1


def test_a_message_does_not_name_all_of_fifty_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    batch = {"class_type": "BatchImagesNode", "inputs": {"image1": ["1", 0]}}
    workflow = copying(n5=batch)
    workflow["2"]["inputs"]["images"] = ["5", 0]
    assert run(workflow) == 2
    (line,) = lines(capsys)
    assert line.endswith("images.image12, images.image13 and 36 more") and len(line) < 400
