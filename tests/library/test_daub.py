"""Daubs: how many colours, which, in what order, and what does not count."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gpdm import GPDMError, daub
from library.problems import picture

STRIPES = torch.tensor([[-0.8, 0.1, 0.5], [0.9, -0.2, 0.0], [0.0, 0.7, -0.9]])
"""Three colours; the first fills three fifths of `striped`."""


def striped() -> Tensor:
    """A picture of three colours, (1, 3, 20, 50)."""
    return STRIPES[torch.tensor([0, 1, 0, 2, 0])].T.repeat_interleave(10, 1)[None, :, None].repeat(1, 1, 20, 1)


def distinct(image: Tensor) -> int:
    """The number of colours of an image (1, C, H, W)."""
    return len(image[0].flatten(1).T.unique(dim=0))


def test_a_picture_of_flat_colours_is_its_own_daub() -> None:
    made = daub(striped(), colours=3, blur=0.0)
    assert torch.allclose(made.images, striped(), atol=1e-5)
    assert torch.allclose(made.colours[0, 0], STRIPES[0], atol=1e-5)
    assert {tuple(x) for x in made.colours[0].mul(10).round().tolist()} == {tuple(x) for x in (STRIPES * 10).tolist()}


@pytest.mark.parametrize("colours", [2, 6, 12])
def test_the_number_of_colours(colours: int) -> None:
    made = daub(picture(40, 44), colours=colours)
    assert made.images.shape == (1, 3, 40, 44) and made.colours.shape == (1, colours, 3)
    assert distinct(made.images) == colours


def test_colours_of_larger_areas_come_first() -> None:
    made = daub(picture(40, 44))
    areas = [int((made.images == colour.view(1, 3, 1, 1)).all(1).sum()) for colour in made.colours[0]]
    assert areas == sorted(areas, reverse=True) and sum(areas) == 40 * 44


def test_each_colour_is_near_the_mean_of_its_area() -> None:
    image = picture(40, 44)
    made = daub(image, colours=4, blur=0.0)
    for colour in made.colours[0]:
        area = (made.images == colour.view(1, 3, 1, 1)).all(1)[0]
        assert torch.allclose(image[0][:, area].mean(1), colour, atol=0.03)


def test_more_blur_makes_larger_areas() -> None:
    edges = [int((daub(picture(60, 64), blur=blur).images.diff(dim=3) != 0).any(1).sum()) for blur in (0.0, 0.05)]
    assert edges[1] < 0.7 * edges[0]


def test_fewer_colours_than_asked_for_are_repeated() -> None:
    made = daub(striped(), colours=5, blur=0.0)
    assert torch.allclose(made.images, striped(), atol=1e-5)
    assert torch.equal(made.colours[0, 3], made.colours[0, 0]) and torch.equal(made.colours[0, 4], made.colours[0, 0])
    plain = torch.full((1, 3, 8, 8), 0.25)
    assert torch.allclose(daub(plain).images, plain)


def test_the_palette_is_a_row_of_squares() -> None:
    made = daub(picture(40, 44), colours=3)
    assert made.palettes.shape == (1, 3, 64, 192)
    for i in range(3):
        square = made.palettes[0, :, :, 64 * i : 64 * i + 64]
        assert torch.equal(square, made.colours[0, i].view(3, 1, 1).expand(3, 64, 64))


def test_pictures_of_a_batch_are_done_one_by_one_and_nothing_is_random() -> None:
    batch = torch.cat([picture(30, 34), picture(30, 34, seed=1)])
    made = daub(batch)
    for i in range(2):
        one = daub(batch[i : i + 1])
        assert torch.equal(one.images, made.images[i : i + 1]) and torch.equal(one.colours[0], made.colours[i])


def test_transparent_pixels_do_not_count_and_stay() -> None:
    image, alpha = picture(40, 44), torch.ones(1, 1, 40, 44)
    alpha[..., 20:] = -1
    loud = torch.where(alpha < 0, 1.0, image)
    quiet, other = (daub(torch.cat([x, alpha], 1)) for x in (image, loud))
    assert torch.equal(quiet.colours, other.colours)
    assert torch.equal(quiet.images[:, 3:], alpha)


def test_hidden_areas_have_no_weight() -> None:
    """A wide hidden area beside one colour moves neither the mean of its cluster nor the order."""
    image = torch.full((1, 4, 20, 50), 0.9)
    image[:, :3, :, 15:20], image[:, :3, :, 20:] = -0.5, -0.3
    image[:, 3], image[:, 3, :, 25:] = 1, -1
    made = daub(image, colours=2, blur=0.0)
    assert made.colours[0, 0].tolist() == pytest.approx([0.9] * 3, abs=0.01)
    assert made.colours[0, 1].tolist() == pytest.approx([-0.4] * 3, abs=0.02)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_any_channels(channels: int) -> None:
    image = picture(20, 24, channels=channels)
    if channels in (2, 4):
        image[:, -1] = 1
    made = daub(image)
    assert made.images.shape == image.shape and made.colours.shape[2] == {1: 1, 2: 1, 4: 3}[channels]


@pytest.mark.parametrize("options", [{"colours": 1}, {"colours": 33}, {"blur": -0.1}, {"blur": 0.5}, {"colours": 2.5}])
def test_what_is_not_allowed(options: dict[str, Any]) -> None:
    with pytest.raises(GPDMError, match="is not allowed"):
        daub(picture(), **options)


def test_a_picture_that_is_transparent_everywhere_is_refused() -> None:
    with pytest.raises(GPDMError, match="transparent everywhere"):
        daub(torch.cat([picture(), -torch.ones_like(picture()[:, :1])], 1))
