"""GPDM Save Distribution and GPDM Load Distribution, in a workflow and by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import GPDMError, Reference, to_pil
from gpdm.cli.host import TerminalHost
from gpdm.cli.main import main
from gpdm.cli.session import Session
from library.problems import picture
from pack.test_data_nodes import QUICK, image

pytestmark = pytest.mark.usefixtures("folders")


@pytest.fixture
def folders(comfyui_pack: ModuleType, tmp_path: Path) -> Any:
    """Nodes find files in tmp_path, and write into its folder out."""
    (tmp_path / "out").mkdir()
    host = TerminalHost(torch.device("cpu"), Session((tmp_path,), tmp_path / "out"))
    before = comfyui_pack.nodes.host.use(host)
    yield
    comfyui_pack.nodes.host.use(before)


def execute(pack: ModuleType, name: str, **values: Any) -> Any:
    with torch.inference_mode():
        return pack.NODE_CLASS_MAPPINGS[f"GPDM_{name}"]().execute(**values)


def saved(pack: ModuleType, images: Tensor, **more: Any) -> tuple[tuple[Reference, ...], str]:
    return execute(pack, "SaveDistribution", images=images, filename_prefix="looks/a", patch_size=7, **more)


def test_what_is_saved_is_what_is_loaded(comfyui_pack: ModuleType, tmp_path: Path) -> None:
    references, path = saved(comfyui_pack, image())
    assert path == str(tmp_path / "out" / "looks" / "a_00001_.safetensors")
    (loaded,) = execute(comfyui_pack, "LoadDistribution", file="looks/a_00001_.safetensors [output]", weight=2.0)
    assert len(references) == len(loaded) == 1 and loaded[0].weight == 2
    a, b = (each[0].distribution for each in (references, loaded))
    assert torch.equal(a.quantiles(7).steps, b.quantiles(7).steps)
    assert saved(comfyui_pack, image())[1].endswith("a_00002_.safetensors")


def test_a_batch_and_a_chain_are_one_distribution(comfyui_pack: ModuleType) -> None:
    (more,) = execute(comfyui_pack, "Reference", image=image(5), weight=1.0)
    references, _ = saved(comfyui_pack, image(batch=2), references=more)
    (one,) = references
    assert one.distribution is not None and one.distribution.pixels == 3 * 24 * 28


def test_a_task_uses_it_and_a_region_is_kept(comfyui_pack: ModuleType) -> None:
    references, _ = saved(comfyui_pack, image())
    made = execute(comfyui_pack, "Reshuffle", reference=image(1), seed=0, references=references, **QUICK)[0]
    assert made.shape == (1, 24, 28, 3)
    region = torch.zeros(1, 24, 28)
    region[..., :9] = 1
    (chain,) = execute(comfyui_pack, "Reference", image=image(2), weight=1.0)
    (both,) = execute(
        comfyui_pack,
        "LoadDistribution",
        file="looks/a_00001_.safetensors [output]",
        weight=1.0,
        region=region,
        references=chain,
    )
    assert [each.region is None for each in both] == [True, False]


def test_a_file_that_is_saved_again_counts_as_changed(comfyui_pack: ModuleType) -> None:
    node, name = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_LoadDistribution"], "looks/a_00001_.safetensors [output]"
    path = Path(saved(comfyui_pack, image())[1])
    before = node.IS_CHANGED(name, weight=1.0)
    assert node.IS_CHANGED(name, weight=1.0) == before
    path.write_bytes(Path(saved(comfyui_pack, image(4))[1]).read_bytes())
    assert node.IS_CHANGED(name, weight=1.0) != before


@pytest.mark.parametrize(("name", "word"), [("no.safetensors", "there is no file"), ("text.safetensors", "is damaged")])
def test_a_wrong_file_is_one_line(comfyui_pack: ModuleType, tmp_path: Path, name: str, word: str) -> None:
    (tmp_path / "text.safetensors").write_text("no tensors")
    with pytest.raises(GPDMError, match=word):
        execute(comfyui_pack, "LoadDistribution", file=name, weight=1.0)


def test_a_workflow_saves_and_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    to_pil(picture(24, 28)).save("in.png")
    save = {"images": ["1", 0], "filename_prefix": "look", "patch_size": 7}
    nodes = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "in.png"}},
        "2": {"class_type": "GPDM_SaveDistribution", "inputs": save},
    }
    Path("save.json").write_text(json.dumps(nodes))
    assert main(["run", "save.json", "--out", "out", "--device", "cpu"]) == 0
    assert Path("out/look_00001_.safetensors").is_file()
    reshuffle = {
        "reference": ["1", 0],
        "references": ["2", 0],
        "seed": 0,
        "height": 0,
        "quality": "fast",
        "num_outputs": 1,
    }
    nodes["2"] = {
        "class_type": "GPDM_LoadDistribution",
        "inputs": {"file": "out/look_00001_.safetensors", "weight": 1.0},
    }
    nodes["3"] = {"class_type": "GPDM_Reshuffle", "inputs": reshuffle}
    nodes["4"] = {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "made"}}
    Path("load.json").write_text(json.dumps(nodes))
    assert main(["run", "load.json", "--out", "out", "--device", "cpu"]) == 0
    with Image.open("out/made_00001_.png") as made:
        assert made.size == (28, 24)
