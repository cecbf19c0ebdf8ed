"""The metric of lines: straight hairs against the same hairs cut into pieces, bent, turned or faded."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from gpdm.borders import gaussian_blur
from gpdm.evaluation.lines import LINE_STEP, line_continuity

SIDE = 96


def strands(position: Tensor, seed: int = 0, channels: int = 3) -> Tensor:
    """Returns an image whose values depend only on a position across it, (H, W) in pixels: lines of random colours."""
    colours = gaussian_blur(torch.randn(1, channels, 1, 1024, generator=Generator().manual_seed(seed)), 1.5)[0, :, 0]
    at = (position + 512).clamp(0, 1022)
    left, fraction = at.long(), at.frac()
    return (colours[:, left] * (1 - fraction) + colours[:, left + 1] * fraction)[None]


def turned(degrees: float, seed: int = 0, channels: int = 3) -> Tensor:
    """Returns straight lines at an angle to the vertical."""
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.0, torch.arange(SIDE) + 0.0, indexing="ij")
    angle = math.radians(degrees)
    return strands(x * math.cos(angle) + y * math.sin(angle), seed, channels)


def cut(length: int) -> Tensor:
    """Returns vertical lines cut into pieces of `length` pixels, which are moved sideways."""
    rows, columns = torch.arange(SIDE), torch.arange(SIDE)
    moved = torch.randint(-200, 200, (SIDE,), generator=Generator().manual_seed(1))[rows // length]
    return strands((columns + moved[:, None]).float())


STRAIGHT = turned(0)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_lines_continue_as_in_the_same_image(channels: int) -> None:
    image = turned(20, channels=channels)
    assert line_continuity([image], image) == 0


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135])
def test_straight_lines_continue_at_every_angle(degrees: float) -> None:
    assert line_continuity([STRAIGHT], turned(degrees, seed=1)) == pytest.approx(0, abs=0.07)


@pytest.mark.parametrize("length", [6, 12, 24, 48])
def test_lines_cut_into_pieces_continue_only_within_a_piece(length: int) -> None:
    """Two places `LINE_STEP` apart lie in different pieces with probability LINE_STEP / length, at most 1."""
    continuity = line_continuity([STRAIGHT], cut(length))
    assert continuity == pytest.approx(-min(LINE_STEP / length, 1), abs=0.12)


def test_bent_lines_continue_less_the_more_they_are_bent() -> None:
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.0, torch.arange(SIDE) + 0.0, indexing="ij")
    bent = [strands(x + amplitude * torch.sin(y * (2 * math.pi / (2 * LINE_STEP)))) for amplitude in (0.3, 0.6, 1.2)]
    values = [line_continuity([STRAIGHT], image) for image in bent]
    assert 0 > values[0] > values[1] > values[2]
    assert values[2] < -0.3


def test_lines_of_another_contrast_and_brightness_continue_as_well() -> None:
    assert line_continuity([STRAIGHT], 0.5 * STRAIGHT + 0.3) == pytest.approx(0, abs=0.02)


def test_noise_between_lines_hardly_counts() -> None:
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.0, torch.arange(SIDE) + 0.0, indexing="ij")
    wires = torch.exp(-(((x - 0.3 * y) % 24 - 12) ** 2) / 4).expand(1, 3, SIDE, SIDE) * 2 - 1
    noisy = wires + 0.02 * torch.randn(wires.shape, generator=Generator().manual_seed(2))
    assert line_continuity([wires], noisy) > -0.1


def test_noise_and_flat_images_have_no_lines() -> None:
    flat = torch.zeros(1, 3, SIDE, SIDE)
    noise = torch.randn(1, 3, SIDE, SIDE, generator=Generator().manual_seed(3))
    assert line_continuity([flat], flat) == 0
    assert line_continuity([flat], noise) == pytest.approx(0, abs=0.05)
    assert line_continuity([flat], STRAIGHT) == pytest.approx(1, abs=0.01)


def test_several_references_are_weighted_by_their_lines() -> None:
    flat, broken = torch.zeros(1, 3, SIDE, SIDE), cut(24)
    assert line_continuity([STRAIGHT, flat], STRAIGHT) == pytest.approx(0, abs=1e-6)
    both = [line_continuity(references, STRAIGHT) for references in ([STRAIGHT, broken], [broken])]
    assert both[0] == pytest.approx(both[1] / 2, rel=0.05)


def test_the_axes_are_equal() -> None:
    image, broken = turned(25)[..., :80], cut(24)[..., :80]
    assert line_continuity([image.mT], broken.mT) == pytest.approx(line_continuity([image], broken), abs=0.005)
