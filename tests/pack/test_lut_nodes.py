"""GPDM Apply LUT, Save LUT and Load LUT, in a workflow and by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gpdm import GPDMError, Lut, match_look, to_pil
from gpdm.cli.host import TerminalHost
from gpdm.cli.main import main
from gpdm.cli.session import Session
from library.problems import picture
from pack.test_match_nodes import image, left_half

pytestmark = pytest.mark.usefixtures("folders")


@pytest.fixture
def folders(comfyui_pack: ModuleType, tmp_path: Path) -> Any:
    """Nodes find files in tmp_path, and write into its folder out."""
    host = TerminalHost(torch.device("cpu"), Session((tmp_path,), tmp_path / "out"))
    before = comfyui_pack.nodes.host.use(host)
    yield
    comfyui_pack.nodes.host.use(before)


def execute(pack: ModuleType, name: str, **values: Any) -> Any:
    with torch.inference_mode():
        return pack.NODE_CLASS_MAPPINGS[f"GPDM_{name}"]().execute(**values)


@pytest.fixture
def lut() -> Lut:
    return match_look(picture(seed=9) * 0.5, picture()).lut


PLAIN = {"strength": 1.0, "smoothing": 0.0, "luminance": "match", "edges": 0.2}


def test_each_picture_is_changed_as_the_table_says(comfyui_pack: ModuleType, lut: Lut) -> None:
    given = image(batch=2)
    (images,) = execute(comfyui_pack, "ApplyLUT", images=given, lut=lut, **PLAIN)
    expected = (lut.apply(given.movedim(-1, 1) * 2 - 1).movedim(1, -1) + 1) / 2
    assert torch.allclose(images, expected, atol=1e-5)


def test_the_lut_of_a_match_does_what_the_match_did(comfyui_pack: ModuleType) -> None:
    match = {"strength": 0.8, "smoothing": 0.01, "luminance": "match", "edges": 0.2, "every": 1}
    images, lut = execute(comfyui_pack, "MatchLook", images=image(), reference=image(seed=9), **match)
    (again,) = execute(comfyui_pack, "ApplyLUT", images=image(), lut=lut, **{**PLAIN, "smoothing": 0.01})
    assert torch.allclose(again, images, atol=1e-5)


def test_nothing_changes_outside_the_mask(comfyui_pack: ModuleType, lut: Lut) -> None:
    (images,) = execute(comfyui_pack, "ApplyLUT", images=image(), lut=lut, mask=left_half(), **PLAIN)
    outside = left_half() == 0
    assert torch.equal(images[outside], image()[outside]) and not torch.equal(images, image())


def test_what_is_saved_is_what_is_loaded(comfyui_pack: ModuleType, lut: Lut, tmp_path: Path) -> None:
    same, path = execute(comfyui_pack, "SaveLUT", lut=lut, filename_prefix="looks/a")
    assert same is lut and path == str(tmp_path / "out" / "looks" / "a_00001_.cube")
    (loaded,) = execute(comfyui_pack, "LoadLUT", file="looks/a_00001_.cube [output]")
    assert (loaded.table - lut.table).abs().max() < 1e-6
    assert execute(comfyui_pack, "SaveLUT", lut=lut, filename_prefix="looks/a")[1].endswith("a_00002_.cube")


def test_a_file_that_is_saved_again_counts_as_changed(comfyui_pack: ModuleType, lut: Lut) -> None:
    node = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_LoadLUT"]
    path = Path(execute(comfyui_pack, "SaveLUT", lut=lut, filename_prefix="a")[1])
    before = node.IS_CHANGED("a_00001_.cube [output]")
    assert node.IS_CHANGED("a_00001_.cube [output]") == before
    path.write_bytes(path.read_bytes() + b"# changed\n")
    assert node.IS_CHANGED("a_00001_.cube [output]") != before


@pytest.mark.parametrize(
    ("name", "word"), [("no.cube", "there is no file"), ("text.cube", "text.cube: line 1: 'no' is")]
)
def test_a_wrong_file_is_one_line(comfyui_pack: ModuleType, tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "text.cube").write_text("no\ntable")
    with pytest.raises(GPDMError, match=word) as raised:
        execute(comfyui_pack, "LoadLUT", file=name)
    assert "\n" not in str(raised.value)


def test_a_workflow_saves_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("in", "other")):
        to_pil(picture(24, 28, seed=seed)).save(f"{name}.png")
    match = {"images": ["1", 0], "reference": ["2", 0], "smoothing": 0.0, "strength": 1.0, "luminance": "match"}
    nodes = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "in.png"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "other.png"}},
        "3": {"class_type": "GPDM_MatchLook", "inputs": {**match, "edges": 0.2, "every": 1}},
        "4": {"class_type": "GPDM_SaveLUT", "inputs": {"lut": ["3", 1], "filename_prefix": "look"}},
        "5": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "matched"}},
    }
    Path("save.json").write_text(json.dumps(nodes))
    assert main(["run", "save.json", "--out", "out", "--device", "cpu"]) == 0
    nodes = {
        "1": nodes["1"],
        "2": {"class_type": "GPDM_LoadLUT", "inputs": {"file": "out/look_00001_.cube"}},
        "3": {"class_type": "GPDM_ApplyLUT", "inputs": {"images": ["1", 0], "lut": ["2", 0], **PLAIN}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "applied"}},
    }
    Path("load.json").write_text(json.dumps(nodes))
    assert main(["run", "load.json", "--out", "out", "--device", "cpu"]) == 0
    matched, applied = (np.asarray(Image.open(f"out/{name}_00001_.png"), int) for name in ("matched", "applied"))
    assert np.abs(matched - applied).max() <= 1
