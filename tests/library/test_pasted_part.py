"""The mask of a paste, found from the difference to the original picture."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import ImageError, from_pil, harmonise, pasted_part, to_pil
from gpdm.edits.difference import connected
from library.problems import picture

SIZE = (60, 72)
ORIGINAL = picture(*SIZE)


def paste(mask: Tensor, image: Tensor = ORIGINAL) -> Tensor:
    """A picture with other pixels where a mask (h, w) is 1."""
    brighter = torch.where(image > 0, image - 0.6, image + 0.6)
    return torch.where(mask > 0, brighter, image)


def square(rows: slice, columns: slice) -> Tensor:
    mask = torch.zeros(SIZE)
    mask[rows, columns] = 1
    return mask


def ellipse(height: int, width: int, radius: float = 0.2) -> Tensor:
    """Returns a mask (h, w) of an ellipse in the middle."""
    y, x = torch.linspace(-0.5, 0.5, height), torch.linspace(-0.5, 0.5, width)
    return ((y[:, None] ** 2 + x[None] ** 2) < radius**2).float()


def as_jpeg(image: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    to_pil(image).save(file, "JPEG", quality=quality)
    return from_pil(Image.open(file))


def smooth() -> Tensor:
    """A picture that JPEG is made for, unlike white noise."""
    y, x = torch.linspace(0, 9, SIZE[0]), torch.linspace(0, 12, SIZE[1])
    return 0.4 * torch.stack([torch.sin(y[:, None] + x), torch.cos(y[:, None] - x), torch.sin(x).expand(SIZE)])[None]


@pytest.mark.parametrize(
    "mask",
    [
        square(slice(20, 45), slice(30, 60)),
        square(slice(0, 25), slice(40, 72)),
        square(slice(3, 12), slice(5, 14)) + square(slice(30, 55), slice(20, 60)),
        ellipse(*SIZE),
    ],
    ids=["inside", "at the corner", "two", "round"],
)
def test_the_mask_is_what_was_pasted(mask: Tensor) -> None:
    found = pasted_part(paste(mask), ORIGINAL)
    assert found.shape == (1, 1, *SIZE) and set(found.unique().tolist()) == {0.0, 1.0}
    wrong = (found[0, 0] != mask).float().sum() / mask.sum()
    assert wrong < 0.05


@pytest.mark.parametrize("quality", [90, 60])
def test_the_noise_of_jpeg_does_not_count(quality: int) -> None:
    image, mask = smooth(), square(slice(16, 48), slice(24, 56))
    found = pasted_part(as_jpeg(image - 0.5 * mask, quality), image)[0, 0]
    grown = square(slice(12, 52), slice(20, 60))
    assert not (found > grown).any() and (found * mask).sum() > 0.98 * mask.sum()


def test_specks_are_dropped_and_holes_are_closed() -> None:
    mask = square(slice(15, 50), slice(20, 60))
    with_hole = mask.clone()
    with_hole[25:38, 33:45] = 0  # here the paste has the colours of the picture
    with_hole[3:6, 4:7] = 1
    assert torch.equal(pasted_part(paste(with_hole), ORIGINAL)[0, 0], mask)


@pytest.mark.parametrize(
    ("image", "original", "message"),
    [
        (ORIGINAL, ORIGINAL, "nothing in the picture differs"),
        (paste(square(slice(3, 5), slice(3, 5))), ORIGINAL, "nothing in the picture differs"),
        (-ORIGINAL.sign(), ORIGINAL.sign(), "100% of the picture differ"),
        (ORIGINAL, ORIGINAL[..., :50], "original is 50 x 60 pixels and the picture 72 x 60"),
        (ORIGINAL, ORIGINAL.expand(2, -1, -1, -1), "2 originals for 1"),
    ],
    ids=["same", "speck", "all", "size", "number"],
)
def test_originals_without_an_answer_are_refused(image: Tensor, original: Tensor, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        pasted_part(image, original)


def test_each_picture_of_a_batch_has_its_own_mask() -> None:
    masks = [square(slice(5, 25), slice(5, 30)), square(slice(30, 55), slice(40, 65))]
    found = pasted_part(torch.cat([paste(mask) for mask in masks]), ORIGINAL)
    assert torch.equal(found[:, 0], torch.stack(masks))


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_channels_of_the_original_may_differ(channels: int) -> None:
    mask = square(slice(20, 45), slice(30, 60))
    image = ORIGINAL[:, :1].expand(-1, 3, -1, -1)
    given = torch.cat([ORIGINAL[:, :1].expand(-1, (channels + 1) // 2 * 2 - 1, -1, -1), torch.ones(1, 1, *SIZE)], 1)
    original = given[:, :channels]
    assert torch.equal(pasted_part(image - 0.5 * mask, original)[0, 0], mask)


def test_connected_goes_around_corners_and_not_across_gaps() -> None:
    within = torch.tensor([[1, 1, 1, 0, 1], [0, 0, 1, 0, 1], [1, 1, 1, 0, 1], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]) > 0
    seeds = torch.zeros(5, 5, dtype=torch.bool)
    seeds[0, 0] = True
    expected = within.clone()
    expected[:3, 4] = False
    assert torch.equal(connected(seeds[None, None], within[None, None])[0, 0], expected)


def test_a_paste_is_matched_to_mean_and_contrast_around_it() -> None:
    image = 0.2 * torch.randn(1, 3, 80, 80, generator=torch.Generator().manual_seed(0)) - 0.3
    mask = ellipse(80, 80, 0.3)
    inside = (mask > 0).expand_as(image)
    foreign = torch.where(inside, image * 0.8 + 0.7, image)
    result = harmonise(foreign, mask, edge=0, colour=0.0, match=1.0).images
    assert result[inside].mean() == pytest.approx(float(image[~inside].mean()), abs=0.02)
    assert result[inside].std() == pytest.approx(float(image[~inside].std()), rel=0.05)
    half = harmonise(foreign, mask, edge=0, colour=0.0, match=0.5).images
    assert torch.allclose(half, (foreign + result) / 2, atol=1e-6)
    assert torch.equal(result[~inside], image[~inside])


def test_matching_leaves_transparency_alone() -> None:
    mask = square(slice(20, 40), slice(20, 50))
    image = torch.cat([0.9 * ORIGINAL, torch.ones(1, 1, *SIZE)], 1)
    image[..., 50:] = -1.0  # transparent pixels, black
    result = harmonise(image, mask, edge=0, colour=0.0, match=1.0).images
    assert torch.equal(result[:, 3:], image[:, 3:]) and not torch.equal(result[:, :3], image[:, :3])
    nothing_around = harmonise(image[..., 20:50], torch.ones(SIZE), edge=0, colour=0.0, match=1.0)
    assert torch.equal(nothing_around.images, image[..., 20:50])
