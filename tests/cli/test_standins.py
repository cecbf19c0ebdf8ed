"""Stand-ins that change pictures and masks, against known right values, which ComfyUI gives too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cli.made import ROWS, grey, made, mask
from torch import Tensor

from gpdm import GPDMError


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("ImageInvert", {}, [[1.0, 0.8, 0.6], [0.4, 0.2, 0.0]]),
        ("ImageFlip", {"flip_method": "x-axis: vertically"}, [[0.6, 0.8, 1.0], [0.0, 0.2, 0.4]]),
        ("ImageFlip", {"flip_method": "y-axis: horizontally"}, [[0.4, 0.2, 0.0], [1.0, 0.8, 0.6]]),
        ("ImageRotate", {"rotation": "none"}, ROWS),
        ("ImageRotate", {"rotation": "90 degrees"}, [[0.6, 0.0], [0.8, 0.2], [1.0, 0.4]]),
        ("ImageRotate", {"rotation": "180 degrees"}, [[1.0, 0.8, 0.6], [0.4, 0.2, 0.0]]),
        ("ImageRotate", {"rotation": "270 degrees"}, [[0.4, 1.0], [0.2, 0.8], [0.0, 0.6]]),
        ("ImageCrop", {"width": 2, "height": 1, "x": 1, "y": 1}, [[0.8, 1.0]]),
        ("ImageCrop", {"width": 9, "height": 9, "x": 99, "y": 0}, [[0.4], [1.0]]),
        ("ImageScaleBy", {"upscale_method": "nearest-exact", "scale_by": 2.0}, grey(ROWS).repeat_interleave(2, 1).repeat_interleave(2, 2)),
        ("ImageScaleBy", {"upscale_method": "area", "scale_by": 0.01}, [[0.5]]),
        ("ImageScaleToMaxDimension", {"upscale_method": "nearest-exact", "largest_size": 6}, grey(ROWS).repeat_interleave(2, 1).repeat_interleave(2, 2)),
    ],
)  # fmt: skip
def test_pictures(kind: str, inputs: dict[str, Any], expected: Any) -> None:
    (result,) = made(kind, image=grey(ROWS), **inputs)
    wanted = expected if isinstance(expected, Tensor) else grey(expected)
    assert result.shape == wanted.shape
    assert torch.allclose(result, wanted)


CROSS = [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
PLUS = [[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize(
    ("kind", "given", "inputs", "expected"),
    [
        ("InvertMask", ROWS, {}, [[1.0, 0.8, 0.6], [0.4, 0.2, 0.0]]),
        ("ThresholdMask", ROWS, {"value": 0.4}, [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]),
        ("CropMask", ROWS, {"x": 1, "y": 0, "width": 1, "height": 9}, [[0.2], [0.8]]),
        ("GrowMask", CROSS, {"expand": 1, "tapered_corners": True}, PLUS),
        ("GrowMask", CROSS, {"expand": 1, "tapered_corners": False}, [[1.0] * 3] * 3),
        ("GrowMask", PLUS, {"expand": -1, "tapered_corners": True}, CROSS),
        ("GrowMask", PLUS, {"expand": 16384, "tapered_corners": True}, [[1.0] * 3] * 3),
        ("FeatherMask", [[1.0] * 4], {"left": 2, "top": 0, "right": 4, "bottom": 0}, [[0.5, 0.75, 0.5, 0.25]]),
        ("FeatherMask", [[1.0]] * 3, {"left": 0, "top": 2, "right": 0, "bottom": 99}, [[0.5], [2 / 3], [1 / 3]]),
    ],
)
def test_masks(kind: str, given: list[list[float]], inputs: dict[str, Any], expected: list[list[float]]) -> None:
    (result,) = made(kind, mask=mask(given), **inputs)
    assert torch.allclose(result, mask(expected)), result


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("multiply", [1.0, 0.8, 0.4]),
        ("add", [1.0, 1.0, 1.0]),
        ("subtract", [1.0, 0.0, 0.0]),
        ("and", [1.0, 1.0, 0.0]),
        ("or", [1.0, 1.0, 1.0]),
        ("xor", [1.0, 0.0, 1.0]),
    ],
)
def test_mask_composite_changes_only_what_is_covered(operation: str, expected: list[float]) -> None:
    target, laid = mask([[1.0, 0.8, 0.4]]), mask([[1.0, 1.0, 1.0]])
    (result,) = made("MaskComposite", destination=target, source=laid, x=1, y=0, operation=operation)
    assert torch.allclose(result, mask([expected])), result
    assert target.tolist() == mask([[1.0, 0.8, 0.4]]).tolist(), "inputs are not changed"


def test_masks_and_channels_of_pictures() -> None:
    picture = torch.tensor([[[[0.0, 51 / 255, 1.0, 0.5]]]])
    channels = [float(made("ImageToMask", image=picture, channel=c)[0]) for c in ("red", "green", "blue", "alpha")]
    assert channels == pytest.approx([0, 0.2, 1, 0.5])
    assert float(made("ImageColorToMask", image=picture, color=0x0033FF)[0]) == 1
    assert float(made("ImageColorToMask", image=picture, color=0x0033FE)[0]) == 0
    assert torch.equal(made("MaskToImage", mask=mask(ROWS))[0], grey(ROWS))
    with pytest.raises(GPDMError, match="channel = 'alpha' is not allowed: the picture has red, green, blue"):
        made("ImageToMask", image=picture[..., :3], channel="alpha")


def test_what_is_made_of_one_value() -> None:
    assert torch.equal(made("SolidMask", value=0.5, width=2, height=3)[0], torch.full((1, 3, 2), 0.5))
    (red,) = made("EmptyImage", width=2, height=3, batch_size=4, color=0xFF3300)
    assert red.shape == (4, 3, 2, 3)
    assert red[3, 2, 1].tolist() == pytest.approx([1, 0.2, 0])


def test_alpha_is_what_the_mask_leaves() -> None:
    (joined,) = made("JoinImageWithAlpha", image=grey(ROWS), alpha=torch.full((2, 5, 5), 0.25))
    assert joined.shape == (2, 2, 3, 4)
    assert torch.allclose(joined[..., 3], torch.tensor(0.75))
    colours, transparent = made("SplitImageWithAlpha", image=joined)
    assert torch.equal(colours[1:], grey(ROWS))
    assert torch.allclose(transparent, torch.tensor(0.25))
    assert float(made("SplitImageWithAlpha", image=grey(ROWS))[1].max()) == 0
    assert made("JoinImageWithAlpha", image=grey(ROWS)[..., :1], alpha=mask(ROWS))[0].shape == (1, 2, 3, 4)


def test_padding_for_outpaint_is_grey_and_masked() -> None:
    padded, border = made("ImagePadForOutpaint", image=grey(ROWS), left=1, top=0, right=0, bottom=2, feathering=0)
    assert padded.shape == (1, 4, 4, 3)
    assert torch.equal(padded[:, :2, 1:], grey(ROWS))
    assert border[0].tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    _, faded = made("ImagePadForOutpaint", image=torch.ones(1, 5, 6, 3), left=1, top=0, right=0, bottom=0, feathering=2)
    assert faded[0, 0].tolist() == [1, 1, 0.25, 0, 0, 0, 0]
    _, faded = made("ImagePadForOutpaint", image=torch.ones(1, 5, 6, 3), left=0, top=0, right=1, bottom=0, feathering=2)
    assert faded[0, 0].tolist() == [0, 0, 0, 0, 0, 0.25, 1]


def test_crop_takes_a_rectangle() -> None:
    (box,) = made("PrimitiveBoundingBox", x=1, y=1, width=2, height=1)
    assert torch.allclose(made("ImageCropV2", image=grey(ROWS), crop_region=box)[0], grey([[0.8, 1.0]]))
