"""Names and content of the files that nodes save."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gpdm import GPDMError
from gpdm.cli.definitions import from_class
from gpdm.cli.pictures import read_picture
from gpdm.cli.standins import STAND_INS, Session
from gpdm.cli.workflow import Link, Node, Prompt

PROMPT = Prompt(
    [
        Node("0", "Note", "KSampler", {"steps": 99}),
        Node("1", "KSampler", "Sampler", {"seed": Link("2", 0), "steps": 20, "cfg": 8.0, "denoise": 0.5}),
        Node("2", "PrimitiveInt", "Seed", {"value": 42}),
        Node("3", "EmptyLatentImage", "Size", {"width": 640, "text": 'a/b: "c"?', "tiny": 1e-5, "flag": True}),
        Node("4", "KSampler", "Second", {"steps": 5, "model": Link("9", 0)}, search_name="Other"),
        Node("5", "GPDM_Reshuffle", "GPDM_Reshuffle", {"seed": 9}, control="increment"),
    ]
)


def session(out: Path, **given: Any) -> Session:
    names = {"GPDM_Reshuffle": "GPDM Reshuffle"}
    return Session((), out, prompt=PROMPT, display_names=names, started=datetime(2026, 3, 4, 15, 6, 7), **given)


def names(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("plain", "plain"),
        ("%date:yyyy-MM-dd%/img", "2026-03-04/img"),
        ("%date:yy.M.d%", "26"),
        ("%date:hhmmss%", "150607"),
        ("%date:d-M_h-m-s yyy%", "4-3_15-6-7 yyy"),
        ("%year%-%month%-%day%_%hour%.%minute%.%second%", "2026-03-04_15.06.07"),
        ("%width%x%height%", "5x3"),
        ("%KSampler.steps%", "20"),
        ("%Second.steps%", "5"),
        ("%Other.steps%%Sampler.steps%", "520"),
        ("%GPDM Reshuffle.seed%%GPDM_Reshuffle.seed%", "99"),
        ("%KSampler.cfg%_%KSampler.denoise%", "8_0.5"),
        ("%KSampler.seed%", "42"),
        ("%Size.text%", "a_b_ _c__"),
        ("%Size.tiny%_%Size.flag%", "0.00001_true"),
        ("%Nobody.steps%_%KSampler.nothing%_%Second.model%", "%Nobody.steps%_%KSampler.nothing%_%Second.model%"),
        ("%GPDM_Reshuffle.control_after_generate%", "increment"),
        ("%Second.control_after_generate%", "%Second.control_after_generate%"),
        ("%other%_100%", "%other%_100%"),
        ("a/../b/", "b"),
    ],
)
def test_patterns_in_a_prefix(tmp_path: Path, prefix: str, expected: str) -> None:
    session(tmp_path).save(torch.zeros(1, 3, 5, 3), prefix)
    assert names(tmp_path) == [f"{expected}_00001_.png"]


def test_save_image_advanced_ends_its_names_with_the_number(tmp_path: Path) -> None:
    save = STAND_INS["SaveImageAdvanced"](session(tmp_path))
    images = torch.zeros(2, 2, 2, 3)
    inputs = {"format": "png", "format.bit_depth": "8-bit", "format.input_color_space": "sRGB"}
    assert save.run(images=images, filename_prefix="x", **inputs)[0] is images
    assert names(tmp_path) == ["x_00001.png", "x_00002.png"]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_save_image_advanced_writes_16_bits(tmp_path: Path, channels: int) -> None:
    values = torch.linspace(0, 1, 24 * channels).reshape(1, 4, 6, channels)
    save = STAND_INS["SaveImageAdvanced"](session(tmp_path, metadata={"prompt": {"a": "é"}}))
    save.run(images=values, filename_prefix="x", **{"format": "png", "format.bit_depth": "16-bit"})
    read = read_picture(tmp_path / "x_00001.png").frames.movedim(1, -1)
    assert torch.allclose(read, values, atol=0.51 / 65535)
    with Image.open(tmp_path / "x_00001.png") as picture:
        assert json.loads(picture.info["prompt"]) == {"a": "é"}


@pytest.mark.parametrize("kind", ["SaveImage", "PreviewImage"])
def test_nodes_that_save_pass_the_pictures_on(tmp_path: Path, kind: str) -> None:
    images, run = torch.zeros(1, 2, 2, 3), session(tmp_path)
    more = {"filename_prefix": "x"} if kind == "SaveImage" else {}
    assert STAND_INS[kind](run).run(images=images, **more)[0] is images
    assert run.saved == list(tmp_path.iterdir())
    definition = from_class(kind, STAND_INS[kind])
    assert definition.is_output and definition.outputs == ("IMAGE",)


def test_a_number_in_the_batch_stands_in_the_name_and_nothing_is_overwritten(tmp_path: Path) -> None:
    session(tmp_path).save(torch.zeros(2, 3, 5, 3), "b%batch_num%")
    session(tmp_path).save(torch.zeros(1, 3, 5, 3), "b%batch_num%")
    assert names(tmp_path) == ["b0_00001_.png", "b0_00003_.png", "b1_00002_.png"]


@pytest.mark.parametrize(
    ("there", "number"),
    [
        ([], 1),
        (["x_00007_.png", "x_00002_.png"], 8),
        (["x_00003_.webp"], 4),
        (["x_12_anything.txt"], 13),
        (["x_y_00009_.png", "xx_00009_.png", "x_00009a.png", "x.png", "X_00009_.png"], 1),
    ],
)
def test_numbers_go_on_after_the_highest(tmp_path: Path, there: list[str], number: int) -> None:
    for name in there:
        (tmp_path / name).touch()
    assert session(tmp_path).save(torch.zeros(1, 2, 2, 3), "x") is None
    assert (tmp_path / f"x_{number:05d}_.png").stat().st_size > 0


@pytest.mark.parametrize("prefix", ["../x", "a/../../x", "/tmp/x", "%date:/%../x", "..", "."])
def test_a_prefix_stays_in_the_folder(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(GPDMError, match=r"filename_prefix = .* is not allowed: it is outside the folder"):
        session(tmp_path / "results").save(torch.zeros(1, 2, 2, 3), prefix)
    assert list(tmp_path.iterdir()) == []


def test_a_prefix_leaves_room_in_the_name(tmp_path: Path) -> None:
    session(tmp_path).save(torch.zeros(1, 2, 2, 3), "é" * 110 + "/" + "x" * 220)
    with pytest.raises(GPDMError, match="is not allowed: each name in it must have at most 220 bytes"):
        session(tmp_path).save(torch.zeros(1, 2, 2, 3), "é" * 111)


def test_values_that_are_linked_in_a_circle_are_not_known(tmp_path: Path) -> None:
    prompt = Prompt([Node("1", "PrimitiveInt", "a", {"value": Link("1", 0)})])
    assert Session((), tmp_path, prompt=prompt).target("%a.value%").name == "%a.value%"


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_every_number_of_channels_is_saved(tmp_path: Path, channels: int, mode: str) -> None:
    session(tmp_path).save(torch.full((1, 3, 5, channels), 0.2), "x")
    with Image.open(tmp_path / "x_00001_.png") as picture:
        assert (picture.mode, picture.size) == (mode, (5, 3))
        assert picture.getpixel((0, 0)) == (51 if channels == 1 else (51,) * channels)
    with pytest.raises(GPDMError, match="a picture with 5 channels cannot be saved"):
        session(tmp_path).save(torch.zeros(1, 3, 5, 5), "x")


def test_what_is_stored_in_a_picture_is_json_without_nan(tmp_path: Path) -> None:
    metadata = {"prompt": {"1": {"inputs": {"cfg": math.nan, "list": [math.inf, 1.5], "text": "é"}}}}
    session(tmp_path, metadata=metadata).save(torch.zeros(1, 2, 2, 3), "x")
    with Image.open(tmp_path / "x_00001_.png") as picture:
        stored = json.loads(picture.info["prompt"], parse_constant=pytest.fail)
    assert stored == {"1": {"inputs": {"cfg": None, "list": [None, 1.5], "text": "é"}}}
