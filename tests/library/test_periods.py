"""Periods of regular textures against known lattices, blocks in line with them, and the initial guess that uses both."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from gpdm import (
    TASKS,
    Canvas,
    InitialGuess,
    Optimizer,
    OptionError,
    PatchDistribution,
    PyramidSchedule,
    Reference,
    patch_distribution,
    periods_of,
    regularity,
    synthesize,
    texture,
)
from gpdm.borders import shift_of, wraps
from gpdm.evaluation.seams import seam_ratio
from gpdm.patches.blocks import Area, aligned_blocks
from gpdm.patches.periods import Periods, autocorrelation
from library.problems import picture

LATTICES = {
    "square": ((9.0, 0.0), (0.0, 9.0)),
    "rectangle": ((7.0, 0.0), (0.0, 12.0)),
    "bricks": ((6.0, 8.0), (0.0, 16.0)),
    "turned": ((9.0, 3.0), (-3.0, 9.0)),
    "hexagons": ((5.0, 8.66), (10.0, 0.0)),
    "fraction": ((7.4, 0.0), (0.0, 9.3)),
}


def lattice(vectors: Any, size: tuple[int, int] = (64, 64), noise: float = 0.0, seed: int = 0) -> Tensor:
    """Two different bumps on a lattice, so that no shorter vector repeats the picture."""
    rows, columns = torch.meshgrid(*[torch.arange(length, dtype=torch.float64) for length in size], indexing="ij")
    places = torch.stack([rows, columns], -1) @ torch.tensor(vectors, dtype=torch.float64).inverse()
    value = torch.zeros(size, dtype=torch.float64)
    for centre, height in (((0.3, 0.3), 1.6), ((0.7, 0.5), -0.9)):
        offset = (places - torch.tensor(centre, dtype=torch.float64) + 0.5) % 1 - 0.5
        distance = (offset @ torch.tensor(vectors, dtype=torch.float64)).square().sum(-1)
        value += height * torch.exp(-distance / 5)
    grain = torch.randn(3, *size, generator=Generator().manual_seed(seed))
    return (value.float() - 0.3 + noise * grain)[None]


def found(image: Tensor, **options: Any) -> Periods:
    periods = periods_of(image, **options)
    assert periods is not None
    return periods


def are_of(periods: Periods, vectors: Any, tolerance: float = 0.05) -> bool:
    """Whether two vectors generate a lattice: each is a whole combination of the known ones, and the area is theirs."""
    known = torch.tensor(vectors, dtype=torch.float64)
    numbers = periods.vectors @ known.inverse()
    return bool((numbers - numbers.round()).abs().max() < tolerance) and abs(
        float(torch.linalg.det(numbers.round()))
    ) == pytest.approx(1)


@pytest.mark.parametrize("name", LATTICES)
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_generators_of_a_lattice_are_found(name: str, noise: float) -> None:
    periods = found(lattice(LATTICES[name], noise=noise))
    assert are_of(periods, LATTICES[name])
    assert periods.strength > (0.9 if noise == 0 else 0.4)
    assert periods.vectors[0].norm() <= periods.vectors[1].norm() + 1e-6


def test_a_large_picture_is_searched_at_a_smaller_size() -> None:
    periods = found(lattice(((40.0, 0.0), (0.0, 56.0)), (520, 520)))
    assert are_of(periods, ((40.0, 0.0), (0.0, 56.0)))


def test_masked_pixels_do_not_count() -> None:
    image, weight = lattice(LATTICES["square"]), torch.ones(1, 1, 64, 64)
    image[..., 20:44, 20:44] = picture(24, 24) * 3
    weight[..., 20:44, 20:44] = 0
    assert found(image, weight=weight).strength > found(image).strength
    assert are_of(found(image, weight=weight), LATTICES["square"])


@pytest.mark.parametrize("image", [picture(64, 64), torch.randn(1, 3, 48, 48), torch.zeros(1, 3, 32, 32)])
def test_a_picture_without_a_lattice_has_little_strength(image: Tensor) -> None:
    periods = periods_of(image)
    assert periods is None or periods.strength < 0.3


def test_the_autocorrelation_is_that_of_the_definition() -> None:
    """Of a picture without slow changes: products over the overlap, over the root of both energies."""
    image, known = lattice(LATTICES["square"], (18, 20)), torch.ones(1, 1, 18, 20)
    known[..., 3, 4] = 0
    result = autocorrelation(image, known)
    assert result.shape == (19, 21)
    assert float(result[9, 10]) == pytest.approx(1)
    assert torch.allclose(result, result.flip((0, 1)), atol=1e-9)
    assert result.abs().max() <= 1 + 1e-9


@pytest.mark.parametrize("shift", [(0, 0), (35, 0), (0, 25)])
def test_periods_close_along_borders_that_wrap(shift: tuple[int, int]) -> None:
    periods = Periods(torch.tensor([[6.0, 8.0], [6.0, -8.0]], dtype=torch.float64), 1.0)
    tiles = Area((70, 50), (True, True), shift).tiles
    numbers = tiles @ periods.closing(tiles, (True, True)).vectors.inverse()
    assert torch.allclose(numbers, numbers.round(), atol=1e-9)
    assert torch.allclose(periods.closing(tiles, (False, False)).vectors, periods.vectors)


@pytest.mark.parametrize("name", ["square", "bricks", "turned"])
def test_blocks_continue_the_lattice(name: str) -> None:
    """Of an exact lattice with whole periods every block fits exactly."""
    image = lattice(LATTICES[name])
    exact = Periods(torch.tensor(LATTICES[name], dtype=torch.float64), 1.0)
    result = aligned_blocks(image, exact, Area((80, 90)), Generator().manual_seed(0))
    assert torch.allclose(result, lattice(LATTICES[name], (80, 90)), atol=1e-3)


def test_blocks_come_from_many_places() -> None:
    """The second channel names the place."""
    image = lattice(LATTICES["square"])
    image[:, 1] = torch.arange(64 * 64).view(64, 64) / 4096
    made = [aligned_blocks(image, found(image), Area((64, 64)), Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


@pytest.mark.parametrize("border", ["circular", "circular x", "circular y", "half drop", "brick"])
def test_blocks_of_a_tile_have_no_seam(border: str) -> None:
    """The patches across the borders are those of the reference, as are the others."""
    image, size = lattice(LATTICES["square"]), (72, 72)
    area = Area(size, wraps(border), shift_of(border, size))
    result = aligned_blocks(image, found(image), area, Generator().manual_seed(0))
    assert seam_ratio([image], result, border) < 2


def test_blocks_avoid_unknown_pixels() -> None:
    image, known = lattice(LATTICES["square"]), torch.ones(1, 1, 64, 64)
    image[..., 40:], known[..., 40:] = 9.0, 0
    result = aligned_blocks(image, found(image, weight=known), Area((40, 40)), Generator().manual_seed(0), known)
    assert result.max() < 5


def test_the_regularity_of_a_texture_is_1_and_that_of_noise_0() -> None:
    image = lattice(LATTICES["bricks"])
    assert regularity(image, image, found(image)) == pytest.approx(1)
    assert abs(regularity(image, picture(64, 64), found(image))) < 0.3


def guess(reference: Reference, size: tuple[int, int] = (48, 48), scale: float = 0.75, seed: int = 0) -> Tensor:
    canvas = replace(Canvas(size=size), scale=scale)
    return InitialGuess(source="lattice").make([reference], canvas, 0, Generator().manual_seed(seed))


def test_the_guess_is_the_lattice_at_the_coarsest_level() -> None:
    image = lattice(LATTICES["square"], noise=0.2)
    result = guess(Reference(image))
    assert result.shape == (1, 3, 48, 48)
    assert are_of(found(result), ((6.75, 0.0), (0.0, 6.75)))
    assert not torch.equal(result, guess(Reference(image), seed=1))


def test_a_reference_without_lattice_is_refused_with_its_strength() -> None:
    message = r"no lattice: it repeats with a strength of (none|0\.\d\d), and source lattice needs 0.3"
    with pytest.raises(OptionError, match=message):
        texture(picture(40, 40), recipe=replace(TASKS["texture"].recipe("fast"), guess=InitialGuess(source="lattice")))


def test_a_lattice_too_fine_for_the_coarsest_level_is_refused_with_a_remedy() -> None:
    with pytest.raises(OptionError, match=r"every 9.0 pixels, which are only 2.3 .*coarse_dim .*to 22") as error:
        guess(Reference(lattice(LATTICES["square"])), (16, 16), 0.25)
    assert re.search("GPDM Pyramid Schedule", str(error.value))


def test_a_saved_distribution_is_refused() -> None:
    saved: PatchDistribution = patch_distribution(picture(24, 26))
    with pytest.raises(OptionError, match="source lattice starts from the reference"):
        InitialGuess(source="lattice").check(None, Reference.of_distribution(saved))


def test_a_run_from_the_lattice_is_more_regular_than_one_from_noise() -> None:
    image = lattice(LATTICES["bricks"], (48, 48))
    results = [
        synthesize(
            image,
            size=(56, 56),
            guess=InitialGuess(source=source),
            pyramid=PyramidSchedule(coarse_dim=32),
            optimizer=Optimizer(num_steps=20, fine_steps=0),
        ).images
        for source in ("noise", "lattice")
    ]
    noise, lined = (regularity(image, result, found(image)) for result in results)
    assert lined > noise + 0.3
    assert lined > 0.8
