"""`gpdm run`: files in API format, flags, and an error for everything that ComfyUI would refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from cli.graphs import api, check, copying, run, ui
from PIL import Image

from gpdm import GPDMError
from gpdm.cli.standins import STAND_INS

pytestmark = pytest.mark.usefixtures("working_folder")


def test_api_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(api()) == 0
    assert capsys.readouterr().out.split() == ["o/result_00001_.png"]
    assert run(api()) == 0
    assert Path("o/result_00002_.png").exists(), "nothing is overwritten"
    with Image.open("o/result_00001_.png") as result:
        assert result.size == (26, 22)
        assert json.loads(result.info["prompt"])["2"]["inputs"]["reference"] == ["1", 0]
    assert Path("o/result_00001_.png").read_bytes() == Path("o/result_00002_.png").read_bytes()


def test_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(api(), "--image", "other.png", "--set", "GPDM_Reshuffle.num_outputs=2", "--seed", "7", "--json") == 0
    saved = json.loads(capsys.readouterr().out)["saved"]
    assert len(saved) == 2
    with Image.open(saved[0]) as result:
        assert result.size == (30, 24)
        assert json.loads(result.info["prompt"])["2"]["inputs"]["seed"] == 7
    assert run(api(), "--image", "1=other.png") == 0
    with Image.open("o/result_00003_.png") as result:
        assert result.size == (30, 24)


def test_a_picture_without_a_node_goes_to_one_that_an_output_needs() -> None:
    unused = {"0": {"class_type": "LoadImage", "inputs": {"image": "nowhere.png"}}}
    assert run(unused | copying(), "--image", "other.png") == 0
    with Image.open("o/good_00001_.png") as result:
        assert result.size == (30, 24)


@pytest.mark.parametrize(
    ("workflow", "message"),
    [
        (api(num_outputs=0), r"num_outputs = 0 is not allowed: it must be a whole number from 1 to 256"),
        (api(num_outputs="many"), "whole number"),
        (api(num_outputs=[1, 2, 3]), "whole number"),
        (api(seed=None), r"input seed \(INT\) is missing"),
        (api(reference=None), r"input reference \(IMAGE\) is missing"),
        (api(reference=["9", 0]), "node 9, which is not in the workflow"),
        (api(reference=["1", 5]), "output 5 of node 1"),
        (api(reference=["1", 1]), "takes IMAGE, but node 1 .* gives MASK"),
        (api(optimizer=["1", 0]), "takes GPDM_OPTIMIZER"),
        (api(optimizer="adam"), "takes a link of type GPDM_OPTIMIZER"),
        (api(patch_size=["1", 0]), "has no input 'patch_size'; it has reference, seed"),
        (api(reference=["2", 0]), "depends on its own output"),
        (api() | {"4": {"class_type": "GPDM_Optimizer", "inputs": {"method": "lbfgs"}}}, "one of adam, sgd"),
        (api() | {"1": {"class_type": "FaceDetailer"}}, "node 1 .* of unknown type 'FaceDetailer'; check the spelling"),
        (api() | {"1": {"class_type": "LoadImage", "inputs": {"image": 5}}}, "must be a name"),
        (api() | {"1": {"class_type": "LoadImage", "inputs": None}}, r"input image \(COMBO\) is missing"),
        ({"1": api()["1"]}, "no output node"),
        ({"1": {"class_type": "FaceDetailer"}}, "no output node; .* these types are not known here: FaceDetailer"),
        ({"hello": 1}, "not a ComfyUI workflow"),
        ([], "not a ComfyUI workflow"),
        (
            ui(links=[[1]]),
            "the file is damaged: a node, a link or a subgraph is not as ComfyUI saves it; save it again",
        ),
        ({"nodes": ["node"]}, "no output node"),
        ({"nodes": [{"type": "LoadImage"}]}, "no output node"),
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
    capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert run(api(), *more) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("gpdm: ")
    assert len([line for line in error.splitlines() if line.startswith("gpdm")]) == 1 and "Traceback" not in error
    assert not list(Path().glob("o/*.png"))


def test_nodes_run_under_inference_mode_as_in_comfyui(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        STAND_INS["SaveImage"], "execute", lambda *a, **k: seen.append(torch.is_inference_mode_enabled())
    )
    assert run(api()) == 0
    assert seen == [True]


def test_a_prefix_with_brackets_overwrites_nothing() -> None:
    workflow = api()
    workflow["3"]["inputs"]["filename_prefix"] = "a[1]"
    assert run(workflow) == run(workflow) == 0
    assert len(list(Path("o").iterdir())) == 2
