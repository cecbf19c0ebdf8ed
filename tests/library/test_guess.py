"""Initial guesses: noise of a known strength, the reference, any picture."""

from __future__ import annotations

import pytest
import torch

from gpdm import InitialGuess, PyramidSchedule
from gpdm.guess import gaussian_blur
from library.problems import picture


@pytest.mark.parametrize("height", [64, 512])
def test_noise_strength_does_not_depend_on_the_size_of_the_file(height: int, generator: torch.Generator) -> None:
    """The reference implementation adds noise at full size: 1.5 becomes 0.27 at 64 px and 0.04 at 512 px (defect 2)."""
    level = PyramidSchedule(coarse_dim=40).levels([(height, height)], (height, height))[0]
    guess = InitialGuess(noise_sigma=1.5).make([picture(height, height)], level, 0, generator)
    assert guess.shape == (1, 3, 40, 40)
    assert float(guess.std()) == pytest.approx(1.5, rel=0.05)


def test_blur_strength_does_not_depend_on_the_size_of_the_file(generator: torch.Generator) -> None:
    """The reference implementation blurs at full size, of which nothing is left at the coarsest level (defect 11)."""
    means = []
    for height in (64, 256):
        level = PyramidSchedule(coarse_dim=32).levels([(height, height)], (height, height))[0]
        half = torch.ones(1, 1, height, height)
        half[..., : height // 2] = -1
        guess = InitialGuess(source="reference", blur=3.0).make([half], level, 0, generator)
        means.append(float(guess[..., 16:19].mean()))
    assert means[0] == pytest.approx(means[1], abs=0.02)
    assert means[0] < 0.5, "three pixels beyond an edge a blur of three pixels must be seen"


def test_reference_is_stretched_to_the_output(generator: torch.Generator) -> None:
    level = PyramidSchedule(coarse_dim=16).levels([(16, 16)], (16, 32))[0]
    reference = picture(16, 16)
    guess = InitialGuess(source="reference").make([reference], level, 0, generator)
    assert guess.shape == (1, 3, 16, 32)
    assert torch.allclose(
        guess[..., 1::2][..., 1:-1], (0.75 * reference + 0.25 * reference.roll(-1, -1))[..., 1:-1], atol=1e-5
    )


def test_items_take_pictures_of_a_batch_in_turn(generator: torch.Generator) -> None:
    level = PyramidSchedule().levels([(21, 21)], (21, 21))[0]
    guess = InitialGuess(source="image", image=torch.cat([picture(21, 21, seed=s) for s in (1, 2)]))
    assert torch.equal(guess.make([picture(21, 21)], level, 1, generator), picture(21, 21, seed=2))
    assert torch.equal(guess.make([picture(21, 21)], level, 2, generator), picture(21, 21, seed=1))


def test_blur_keeps_the_mean_and_has_the_asked_width() -> None:
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    blurred = gaussian_blur(point, 2.0)
    x = torch.arange(41.0) - 20
    assert float(blurred.sum()) == pytest.approx(1.0, rel=1e-5)
    assert float((blurred.sum((0, 1, 2)) * x**2).sum()) == pytest.approx(4.0, rel=0.05)
    assert torch.allclose(gaussian_blur(torch.full((1, 3, 9, 9), 0.3), 1.5), torch.full((1, 3, 9, 9), 0.3))
