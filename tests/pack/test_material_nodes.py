"""The nodes for materials: what a graph gives them, and what they give back."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import MAPS, MATERIALS, GPDMError, InitialGuess, MaterialOptions, MaterialTask, Optimizer, Task, describe
from gpdm.cli.host import Nothing, TerminalHost
from gpdm.cli.main import main
from library.problems import picture
from pack.hosts import RecordingHost

EVERY = pytest.mark.parametrize("material", MATERIALS.values(), ids=MATERIALS)
SIZE = (40, 44)
SHORT = Optimizer(num_steps=2, fine_steps=2)


def image(channels: int = 3, seed: int = 0) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are; grey ones have three equal channels."""
    with torch.inference_mode():
        tensor = (picture(*SIZE, channels, seed) + 1) / 2
        return tensor.expand(-1, 3, -1, -1).movedim(1, -1).contiguous()


def outputs(pack: ModuleType, material: MaterialTask, **given: Any) -> dict[str, Any]:
    """The outputs of a node with its defaults, by name, for three maps unless others are given."""
    node = pack.NODE_CLASS_MAPPINGS[material.node_id]
    inputs = {name: spec for table in node.INPUT_TYPES().values() for name, spec in table.items()}
    values = {name: spec[1]["default"] for name, spec in inputs.items() if "default" in spec[1]}
    maps = {"base_color": image(), "height": image(1, 1), "metallic": torch.full((1, *SIZE, 3), 0.2)}
    if material.mask_help is not None:
        values["mask"] = torch.zeros(1, *SIZE)
        values["mask"][:, 16:23, 18:26] = 1
    if isinstance(material.record, Task):
        values["optimizer"] = SHORT
    with torch.inference_mode():
        made = node().execute(**(values | (given if set(given) & set(MAPS) else maps | given)))
    return dict(zip(node.RETURN_NAMES, made, strict=True))


@EVERY
def test_inputs_follow_from_the_record(comfyui_pack: ModuleType, material: MaterialTask) -> None:
    inputs = comfyui_pack.NODE_CLASS_MAPPINGS[material.node_id].INPUT_TYPES()
    assert list(inputs["optional"])[: len(MAPS)] == list(MAPS)
    assert {spec.name for spec in describe(MaterialOptions)} <= set(inputs["optional"])
    assert not {*material.hidden} & {*inputs["required"], *(set(inputs["optional"]) - set(MAPS))}
    if not isinstance(material.record, Task):
        for spec in describe(material.record.options):
            _, shown = (inputs["required"] | inputs["optional"]).get(spec.name, (None, {"default": spec.default}))
            assert shown["default"] == spec.default
            assert (spec.name in material.hidden) != (spec.name in inputs["required"] | inputs["optional"])


@EVERY
def test_connected_maps_come_back_and_others_are_nothing(
    comfyui_pack: ModuleType, terminal: TerminalHost, material: MaterialTask
) -> None:
    made = outputs(comfyui_pack, material)
    assert {name for name, value in made.items() if isinstance(value, Nothing)} == {
        "normal",
        "roughness",
        "ambient_occlusion",
        "other",
    }
    shape = made["base_color"].shape
    for name in ("base_color", "height", "metallic", "preview"):
        assert made[name].shape == shape and float(made[name].amin()) >= 0 and float(made[name].amax()) <= 1
    assert torch.equal(made["height"][..., 0], made["height"][..., 2]), "a grey map stays grey"
    assert bool((made["metallic"] == torch.tensor(0.2)).all())


@pytest.mark.parametrize("name", ["material_tileable", "material_inpaint"])
def test_what_is_kept_is_that_of_the_input_bit_for_bit(
    comfyui_pack: ModuleType, terminal: TerminalHost, name: str
) -> None:
    given, height = image(), image(1, 1)
    made = outputs(comfyui_pack, MATERIALS[name], base_color=given, height=height)
    same = (made["base_color"] == given).all(-1) & (made["height"] == height).all(-1)
    assert 0.3 < float(same.float().mean()) < 1


@EVERY
def test_progress_and_room_are_told(comfyui_pack: ModuleType, material: MaterialTask) -> None:
    host = RecordingHost()
    before = comfyui_pack.nodes.host.use(host)
    try:
        outputs(comfyui_pack, material)
    finally:
        comfyui_pack.nodes.host.use(before)
    assert host.steps[-1][0] == host.steps[-1][1] and host.previews and host.rooms[0] > 0


@EVERY
def test_a_node_without_maps_says_what_to_connect(
    comfyui_pack: ModuleType, terminal: TerminalHost, material: MaterialTask
) -> None:
    with pytest.raises(GPDMError, match="at least one map; give one of base_color"):
        outputs(comfyui_pack, material, base_color=None)


def test_a_start_picture_is_refused(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    start = comfyui_pack.nodes.base.Start(InitialGuess(source="image"), picture())
    with pytest.raises(GPDMError, match="disconnect its init"):
        outputs(comfyui_pack, MATERIALS["material_texture"], guess=start)


def test_nodes_behind_a_map_that_is_not_connected_do_not_run(comfyui_pack: ModuleType, tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((40, 40)).save(tmp_path / "height.png")
    workflow: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": str(tmp_path / "height.png")}},
        "2": {"class_type": "GPDM_MaterialTileable", "inputs": {"height": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 4], "filename_prefix": "height"}},
        "4": {"class_type": "ImageInvert", "inputs": {"image": ["2", 1]}},
        "5": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "normal"}},
    }
    node = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_MaterialTileable"]
    workflow["2"]["inputs"] |= {name: spec[1]["default"] for name, spec in node.INPUT_TYPES()["required"].items()}
    (tmp_path / "w.json").write_text(json.dumps(workflow))
    assert main(["run", str(tmp_path / "w.json"), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["height_00001_.png"]
