"""GPDM Reference and GPDM Canvas, on every node that makes pictures."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from gpdm import TASKS, GPDMError, Keep, Optimizer, Reference, SWDLoss, Task
from gpdm.cli.host import TerminalHost
from library.problems import picture

QUICK = {"optimizer": Optimizer(num_steps=2, fine_steps=0), "loss": SWDLoss(num_proj=2)}
TASK_OF_NODE = {
    "GPDM_Synthesize": TASKS["reshuffle"],
    **{task.node_id: task for task in TASKS.values()},
}
EVERY_MAKER = pytest.mark.parametrize(("name", "task"), TASK_OF_NODE.items(), ids=TASK_OF_NODE)


def image(seed: int = 0, height: int = 24, width: int = 28, batch: int = 1) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are."""
    with torch.inference_mode():
        tensor = torch.cat([picture(height, width, seed=seed + i) for i in range(batch)])
        return ((tensor + 1) / 2).movedim(1, -1).contiguous()


def left(height: int = 24, width: int = 28) -> Tensor:
    """A MASK of the left half."""
    with torch.inference_mode():
        mask = torch.zeros(1, height, width)
        mask[..., : width // 2] = 1
        return mask


def reference(pack: ModuleType, picture: Tensor, **more: Any) -> tuple[Reference, ...]:
    with torch.inference_mode():
        return pack.NODE_CLASS_MAPPINGS["GPDM_Reference"]().execute(**({"image": picture, "weight": 1.0} | more))[0]


def canvas(pack: ModuleType, **more: Any) -> Any:
    with torch.inference_mode():
        return pack.NODE_CLASS_MAPPINGS["GPDM_Canvas"]().execute(**({"tile": "none", "symmetry": "none"} | more))[0]


def made(pack: ModuleType, name: str, task: Task, **more: Any) -> Tensor:
    """The output of a node for pictures with seeds 0, 1 ..., in the size of the picture that gives it."""
    node_class = pack.NODE_CLASS_MAPPINGS[name]
    given = {key: spec for table in node_class.INPUT_TYPES().values() for key, spec in table.items()}
    values = {key: spec[1]["default"] for key, spec in given.items() if "default" in spec[1]}
    pictures = {each.name: image(seed) for seed, each in enumerate(task.pictures)}
    factors = {key: 1.0 for key in ("width_factor", "height_factor") if key in values}
    with torch.inference_mode():
        return node_class().execute(**(pictures | values | factors | QUICK | more))[0]


@EVERY_MAKER
def test_a_painted_mask_leaves_out_a_part(
    comfyui_pack: ModuleType, terminal: TerminalHost, name: str, task: Task
) -> None:
    whole, changed = image(5), image(5).clone()
    changed[:, :, :14] = 0.9

    def with_mask(given: Tensor, **more: Any) -> Tensor:
        return made(comfyui_pack, name, task, references=reference(comfyui_pack, given, **more))

    assert torch.equal(with_mask(whole, mask=left()), with_mask(changed, mask=left()))
    assert not torch.equal(with_mask(whole), with_mask(changed))


@EVERY_MAKER
def test_empty_masks_change_nothing(comfyui_pack: ModuleType, terminal: TerminalHost, name: str, task: Task) -> None:
    """Load Image gives a mask of 64 x 64 zeros where nothing is painted."""
    empty = torch.zeros(1, 64, 64)
    plain = reference(comfyui_pack, image(5))
    masked = reference(comfyui_pack, image(5), mask=empty)
    nothing_kept = canvas(comfyui_pack, keep_mask=empty)
    assert torch.equal(
        made(comfyui_pack, name, task, references=masked, canvas=nothing_kept),
        made(comfyui_pack, name, task, references=plain),
    )


@EVERY_MAKER
def test_a_keep_mask_keeps(comfyui_pack: ModuleType, terminal: TerminalHost, name: str, task: Task) -> None:
    source = image([each.name for each in task.pictures].index((task.start or task.reference).name))
    images = made(comfyui_pack, name, task, canvas=canvas(comfyui_pack, keep_mask=left()))
    assert torch.allclose(images[:, :, :14], source[:, :, :14], atol=1e-6)
    assert not torch.allclose(images, source, atol=1e-2)
    other = made(comfyui_pack, name, task, canvas=canvas(comfyui_pack, keep_mask=left(), keep_image=image(9)))
    assert torch.allclose(other[:, :, :14], image(9)[:, :, :14], atol=1e-6)


@EVERY_MAKER
def test_tile_by_widget_and_by_canvas(comfyui_pack: ModuleType, terminal: TerminalHost, name: str, task: Task) -> None:
    by_widget = made(comfyui_pack, name, task, tile="x")
    assert torch.equal(by_widget, made(comfyui_pack, name, task, canvas=canvas(comfyui_pack, tile="x")))
    both = made(comfyui_pack, name, task, tile="x", canvas=canvas(comfyui_pack, tile="x"))
    assert torch.equal(by_widget, both)
    assert not torch.equal(by_widget, made(comfyui_pack, name, task))
    with pytest.raises(GPDMError, match="tile is 'y' on this node and 'x' on GPDM Canvas"):
        made(comfyui_pack, name, task, tile="y", canvas=canvas(comfyui_pack, tile="x"))


@EVERY_MAKER
def test_symmetry(comfyui_pack: ModuleType, terminal: TerminalHost, name: str, task: Task) -> None:
    images = made(comfyui_pack, name, task, canvas=canvas(comfyui_pack, symmetry="mirror x"))
    assert torch.equal(images, images.flip(2))


def test_references_are_chained_in_order(comfyui_pack: ModuleType) -> None:
    first = reference(comfyui_pack, image(1), weight=2.0)
    chain = reference(comfyui_pack, image(2), region=left(), references=first)
    assert [each.weight for each in chain] == [2.0, 1.0]
    assert chain[0].region is None
    assert chain[1].region is not None and chain[1].region.shape == (1, 1, 24, 28)
    assert torch.allclose(chain[1].image, picture(24, 28, seed=2), atol=1e-6)
    assert not any(each.image.is_inference() for each in chain)


def test_weights_move_the_output(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    """With weight 0 a reference does not count."""
    bright, dark = torch.full((1, 24, 28, 3), 0.9), torch.full((1, 24, 28, 3), 0.1)
    more = {"optimizer": Optimizer(num_steps=150), "loss": SWDLoss(num_proj=32, detail=0.0)}

    def mean(weight: float) -> float:
        chain = reference(comfyui_pack, dark, weight=weight, references=reference(comfyui_pack, bright))
        return float(made(comfyui_pack, "GPDM_Reshuffle", TASKS["reshuffle"], references=chain, **more).mean())

    assert mean(0.0) > 0.65
    assert mean(0.0) > mean(1.0) + 0.1 > mean(20.0) + 0.2


def test_regions_of_references(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    bright, dark = torch.full((1, 24, 28, 3), 0.9), torch.full((1, 24, 28, 3), 0.1)
    more = {"optimizer": Optimizer(num_steps=150), "loss": SWDLoss(num_proj=32, detail=0.0)}
    chain = reference(comfyui_pack, dark, references=reference(comfyui_pack, bright, region=left()))
    images = made(comfyui_pack, "GPDM_Reshuffle", TASKS["reshuffle"], references=chain, **more)
    assert images[:, :, :9].mean() > 0.6 > 0.4 > images[:, :, 19:].mean()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"mask": torch.ones(1, 24, 28)}, "covers the entire reference"),
        ({"mask": torch.zeros(1, 24, 28, 3)}, "mask must be a MASK"),
        ({"region": torch.zeros(1, 64, 64)}, "region is empty"),
        ({"region": torch.ones(2, 64, 64)}, "region is a batch of 2 masks"),
        ({"weight": -1.0}, "weight = -1.0 is not allowed"),
    ],
)
def test_a_reference_that_cannot_be_used_is_refused(
    comfyui_pack: ModuleType, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(GPDMError, match=message):
        reference(comfyui_pack, image(), **inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"keep_image": image()}, "connect a mask"),
        ({"keep_mask": torch.ones(2, 24, 28)}, "batch of 2 masks"),
        ({"tile": "all"}, "tile = 'all' is not allowed"),
        ({"symmetry": "turn"}, "symmetry = 'turn' is not allowed"),
    ],
)
def test_a_canvas_that_cannot_be_used_is_refused(
    comfyui_pack: ModuleType, inputs: dict[str, Any], message: str
) -> None:
    with pytest.raises(GPDMError, match=message):
        canvas(comfyui_pack, **inputs)


def test_a_kept_picture_of_another_shape_is_refused(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    with pytest.raises(GPDMError, match="output's aspect ratio"):
        made(
            comfyui_pack,
            "GPDM_Retarget",
            TASKS["retarget"],
            width_factor=1.5,
            canvas=canvas(comfyui_pack, keep_mask=left(), keep_image=image()),
        )


def test_what_is_kept_moves_to_the_device(comfyui_pack: ModuleType) -> None:
    settings = canvas(comfyui_pack, keep_mask=left(), keep_image=image())
    assert isinstance(settings.keep, Keep)
    moved = settings.kept_on(torch.device("meta"))
    assert moved.image.device.type == moved.mask.device.type == "meta"
    (single,) = reference(comfyui_pack, image(), mask=left(), region=left())
    there = comfyui_pack.nodes.convert.moved(single, torch.device("meta"))
    assert {there.image.device.type, there.weight.device.type, there.region.device.type} == {"meta"}


@pytest.mark.parametrize(
    ("tile", "expected"),
    [
        ("both", [[0, 1, 0], [2, 3, 2], [0, 1, 0]]),
        ("half drop", [[0, 1, 2], [2, 3, 0], [0, 1, 2]]),
        ("brick", [[0, 1, 0], [2, 3, 2], [1, 0, 1]]),
        ("mirrored", [[0, 1, 1], [2, 3, 3], [2, 3, 3]]),
    ],
)
def test_copies_of_a_tile_join_as_it_was_made(comfyui_pack: ModuleType, tile: str, expected: list) -> None:
    """A picture of two by two pixels; three columns and two rows of them are shown, of which the first are compared."""
    image = torch.arange(4.0).reshape(1, 2, 2, 1).expand(2, -1, -1, 3) / 4
    node = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_RepeatTile"]()
    (copies,) = node.execute(image, tile, columns=3, rows=2)
    assert copies.shape == (2, 4, 6, 3)
    assert (4 * copies[1, :3, :3, 0]).tolist() == expected


def test_a_tile_of_odd_height_cannot_be_moved_by_half(comfyui_pack: ModuleType) -> None:
    node = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_RepeatTile"]()
    with pytest.raises(ValueError, match="half the height, which must be even, and the picture is 4x3"):
        node.execute(torch.zeros(1, 3, 4, 3), "half drop", columns=2, rows=2)
