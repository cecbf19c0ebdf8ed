"""Regions of the output: its size, who owns each pixel, and what cannot be used."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gpdm import REGIONS, GPDMError, Optimizer, Reference, SWDLoss, Synthesis, as_references, reshuffle
from gpdm.tasks.output import OutputOptions, Work
from gpdm.tasks.regions import by_first_region
from library.problems import picture

QUICK = replace(REGIONS.recipe(), loss=SWDLoss(num_proj=2), optimizer=Optimizer(num_steps=2))


def regions(references: object, **output: object) -> Synthesis:
    """Runs the task for two steps."""
    import gpdm

    return gpdm.regions(references, recipe=QUICK, **output)


def owned(*regions: Tensor | None, **output: int) -> list[Tensor]:
    """Returns the region of each reference in the output."""
    references = as_references([Reference(picture(30, 34), region=region) for region in regions])
    return [x.region for x in by_first_region(Work(references, (30, 34)), OutputOptions(**output)).references]  # type: ignore[misc]


def half(height: int, width: int) -> Tensor:
    mask = torch.zeros(height, width)
    mask[:, : width // 2] = 1
    return mask


def bright_and_dark() -> tuple[Tensor, Tensor]:
    noise = picture(40, 40) * 0.2
    return noise + 0.7, noise - 0.7


@pytest.mark.parametrize(
    ("output", "size"),
    [
        ({}, (40, 50)),
        ({"height": 20}, (20, 25)),
        ({"width_factor": 2.0}, (40, 100)),
        ({"output_width": 31, "output_height": 33}, (33, 31)),
    ],
)
def test_the_size_is_that_of_the_first_region(output: dict, size: tuple[int, int]) -> None:
    given = [Reference(picture(30, 34)), Reference(picture(44, 36), region=half(40, 50))]
    assert regions(given, **output).images.shape[2:] == size


def test_without_a_region_it_is_a_reshuffle() -> None:
    given = picture(30, 34)
    assert torch.equal(regions(given).images, reshuffle(given, recipe=QUICK).images)


def test_each_region_gets_patches_of_its_own_reference() -> None:
    bright, dark = bright_and_dark()
    recipe = replace(REGIONS.recipe("fast"), optimizer=Optimizer(num_steps=60, fine_steps=60))
    import gpdm

    made = gpdm.regions([Reference(bright, region=half(40, 40)), Reference(dark)], recipe=recipe).images
    assert (made[..., :15] > 0.2).float().mean() > 0.99
    assert (made[..., 25:] < -0.2).float().mean() > 0.99


def test_hard_masks_are_kept_and_the_reference_without_one_gets_the_rest() -> None:
    white, rest = owned(half(40, 50), None)
    assert torch.equal(white[0, 0], half(40, 50))
    assert torch.equal(rest, 1 - white)


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9])
def test_a_grey_mask_is_a_fraction_of_the_area(fraction: float) -> None:
    white, rest = owned(torch.full((60, 60), fraction), None)
    expected = (fraction - 0.05) / 0.9
    assert float(white.mean()) == pytest.approx(expected, abs=0.01)
    assert torch.equal(white + rest, torch.ones_like(white))
    assert set(white.unique().tolist()) == {0.0, 1.0}


def test_a_fraction_holds_along_a_soft_edge() -> None:
    ramp = torch.linspace(0, 1, 240).expand(240, 240)
    (white, _) = owned(ramp, None)
    by_quarter = white.view(240, 4, 60).mean((0, 2))
    assert by_quarter.tolist() == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.12)


def test_spots_are_larger_than_a_patch() -> None:
    """Where a mask is grey, neighbours mostly have the same owner."""
    (white, _) = owned(torch.full((192, 192), 0.5), None)
    changes = (white.diff(dim=3) != 0).float().mean()
    assert changes < 0.1


def test_the_noise_of_a_mask_saved_as_jpeg_changes_nothing() -> None:
    noisy = (half(40, 50) + 0.04 * picture(40, 50, channels=1)[0, 0]).clamp(0, 1)
    assert torch.equal(owned(noisy, None)[0], owned(half(40, 50), None)[0])


def test_overlapping_masks_share_their_area() -> None:
    first, second, rest = owned(torch.ones(60, 60), half(60, 60), torch.zeros(60, 60) + half(60, 60).flip(1))
    assert torch.equal(first + second + rest, torch.ones_like(first))
    assert float(first.mean()) == pytest.approx(0.5, abs=0.06)
    assert bool((second[..., 30:] == 0).all()) and bool((rest[..., :30] == 0).all())


def test_references_with_one_region_form_one_distribution() -> None:
    first, again, rest = owned(half(40, 50), half(40, 50), None)
    assert torch.equal(first, again) and torch.equal(rest, 1 - first)


def test_the_owners_do_not_depend_on_the_seed_or_the_number_of_outputs() -> None:
    given = [Reference(picture(30, 34), region=torch.full((30, 34), 0.5)), Reference(picture(30, 34, seed=1))]
    both = regions(given, num_outputs=2).images
    import gpdm

    assert torch.equal(both[1:], gpdm.regions(given, recipe=QUICK, seed=1).images)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ((torch.zeros(30, 34), None), "region 1 is black"),
        ((half(30, 34), torch.zeros(30, 34), None), "region 2 is black"),
        ((torch.ones(30, 34), None), "the reference without a region is not used"),
    ],
)
def test_a_reference_that_is_not_used_is_an_error(masks: tuple, message: str) -> None:
    with pytest.raises(GPDMError, match=message):
        owned(*masks)


def test_a_part_without_a_reference_is_an_error() -> None:
    with pytest.raises(GPDMError, match="leave 600 of 1200 pixels of the output without a reference"):
        regions([Reference(picture(30, 34), region=half(30, 40))])


def test_a_tiny_mask_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(GPDMError, match="a larger output"):
        regions([Reference(picture(30, 34), region=half(4, 4)), Reference(picture(30, 34))])


@pytest.mark.parametrize("size", [(1, 2), (4, 4)])
def test_a_tiny_mask_can_make_a_larger_output(size: tuple[int, int]) -> None:
    given = [Reference(picture(30, 34), region=half(*size)), Reference(picture(30, 34, seed=1))]
    assert regions(given, output_width=32, output_height=30).images.shape[2:] == (30, 32)
