"""Initial guesses: noise of a known strength, the reference, any image."""

from __future__ import annotations

import pytest
import torch

from gpdm import Canvas, ImageError, InitialGuess, PyramidSchedule, as_references
from gpdm.borders import gaussian_blur
from gpdm.guess import count_outputs
from gpdm.images import size_of
from library.problems import picture


def make(
    guess: InitialGuess,
    reference: torch.Tensor,
    coarse_dim: int,
    generator: torch.Generator,
    size: tuple[int, int] | None = None,
    output: int = 0,
    init: torch.Tensor | None = None,
) -> torch.Tensor:
    """The guess at the coarsest level for an output of `size`, by default that of the reference."""
    reference_size = size_of(reference)
    canvas = Canvas(size=size or reference_size)
    level = PyramidSchedule(coarse_dim=coarse_dim).levels([reference_size], canvas.size)[0]
    return guess.make(as_references(reference), canvas.at(level.scale), output, generator, init)


@pytest.mark.parametrize("height", [64, 512])
def test_noise_strength_does_not_depend_on_the_image_size(height: int, generator: torch.Generator) -> None:
    """The reference implementation adds noise at full size: 1.5 becomes 0.27 at 64 px and 0.04 at 512 px (defect 2)."""
    guess = make(InitialGuess(noise_sigma=1.5), picture(height, height), 40, generator)
    assert guess.shape == (1, 3, 40, 40)
    assert float(guess.std()) == pytest.approx(1.5, rel=0.05)


def test_blur_strength_does_not_depend_on_the_image_size(generator: torch.Generator) -> None:
    """The reference implementation blurs at full size, of which nothing is left at the coarsest level (defect 11)."""
    means = []
    for height in (64, 256):
        half = torch.ones(1, 1, height, height)
        half[..., : height // 2] = -1
        guess = make(InitialGuess(source="reference", blur=3.0), half, 32, generator)
        means.append(float(guess[..., 16:19].mean()))
    assert means[0] == pytest.approx(means[1], abs=0.02)
    assert means[0] < 0.5, "a blur of 3 pixels has no effect 3 pixels from an edge"


def test_reference_is_stretched_to_the_output(generator: torch.Generator) -> None:
    reference = picture(16, 16)
    guess = make(InitialGuess(source="reference"), reference, 16, generator, size=(16, 32))
    assert guess.shape == (1, 3, 16, 32)
    assert torch.allclose(
        guess[..., 1::2][..., 1:-1], (0.75 * reference + 0.25 * reference.roll(-1, -1))[..., 1:-1], atol=1e-5
    )


@pytest.mark.parametrize(("output", "seed"), [(0, 1), (1, 2), (2, 1)])
def test_outputs_start_from_the_images_of_a_batch_in_turn(output: int, seed: int, generator: torch.Generator) -> None:
    init = torch.cat([picture(21, 21, seed=s) for s in (1, 2)])
    guess = make(InitialGuess(source="image"), picture(21, 21), 21, generator, output=output, init=init)
    assert torch.equal(guess, picture(21, 21, seed=seed))


@pytest.mark.parametrize(("num_outputs", "batch", "expected"), [(1, 0, 1), (3, 0, 3), (3, 1, 3), (1, 2, 2), (2, 2, 2)])
def test_a_batch_of_init_images_makes_one_output_from_each(num_outputs: int, batch: int, expected: int) -> None:
    assert count_outputs(num_outputs, torch.zeros(batch, 3, 4, 4) if batch else None) == expected


def test_another_number_of_outputs_than_init_images_is_refused() -> None:
    with pytest.raises(ImageError, match="num_outputs 1 or 2"):
        count_outputs(3, torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize(("border", "tiles"), [("free", False), ("circular", True)])
def test_the_guess_continues_across_borders_that_wrap(border: str, tiles: bool, generator: torch.Generator) -> None:
    ramp = torch.linspace(-1, 1, 32).expand(1, 1, 32, 32)
    canvas = Canvas(size=(32, 32), border=border)
    guess = InitialGuess(source="reference").make(as_references(ramp), canvas, 0, generator)
    jump = float((guess[..., 0] - guess[..., -1]).abs().mean())
    assert jump < 0.2 if tiles else jump == pytest.approx(2)


def test_blur_keeps_the_mean_and_has_the_given_deviation() -> None:
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    blurred = gaussian_blur(point, 2.0)
    x = torch.arange(41.0) - 20
    assert float(blurred.sum()) == pytest.approx(1.0, rel=1e-5)
    assert float((blurred.sum((0, 1, 2)) * x**2).sum()) == pytest.approx(4.0, rel=0.05)
    assert torch.allclose(gaussian_blur(torch.full((1, 3, 9, 9), 0.3), 1.5), torch.full((1, 3, 9, 9), 0.3))
