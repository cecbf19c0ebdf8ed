"""Retarget without a part of the reference: what the start shows, and what the output shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gpdm import TASKS, Optimizer, Reference, SWDLoss, reshuffle, retarget, run_task
from gpdm.tasks.drop import without_dropped
from library.problems import picture

RETARGET = TASKS["retarget"]
QUICK = replace(RETARGET.recipe("fast"), loss=SWDLoss(num_proj=4), optimizer=Optimizer(num_steps=4))


def without(image: Tensor, rows: slice, columns: slice) -> Reference:
    """Returns a reference whose pixels in a box have weight 0."""
    weight = torch.ones(image.shape[2:])
    weight[rows, columns] = 0
    return Reference(image, weight[None, None])


def square(side: int = 48) -> tuple[Tensor, slice]:
    """Returns a dark picture with a bright square, and the rows or columns of the square."""
    image = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(0)) * 0.4 - 0.8
    place = slice(11, 21)
    image[..., place, place] += 1.4
    return image, place


@pytest.mark.parametrize("columns", [slice(0, 6), slice(10, 16), slice(28, 34)])
def test_dropped_columns_go_and_the_rest_stays_bit_for_bit(columns: slice) -> None:
    image = picture(30, 34)
    rest = torch.cat([image[..., : columns.start], image[..., columns.stop :]], 3)
    assert torch.equal(without_dropped(without(image, slice(None), columns), (30, 28)), rest)


def test_dropped_rows_go_likewise() -> None:
    image = picture(30, 34)
    rest = torch.cat([image[..., :12, :], image[..., 20:, :]], 2)
    assert torch.equal(without_dropped(without(image, slice(12, 20), slice(None)), (22, 34)), rest)


def test_what_is_smaller_than_the_dropped_part_is_scaled_after_it_is_gone() -> None:
    image = picture(30, 34)
    image[..., 17:] = 0.9
    start = without_dropped(without(image, slice(None), slice(17, 34)), (30, 8))
    assert start.shape == (1, 3, 30, 8)
    assert torch.equal(
        start, torch.nn.functional.interpolate(image[..., :17], (30, 8), mode="bilinear", antialias=True)
    )


def test_a_seam_bends_around_what_is_not_alike() -> None:
    """Below a dropped part it goes through the even area and not through a dark object that is there."""
    image = torch.full((1, 1, 30, 30), 0.5)
    image[..., 16:, 14:18] = -1
    start = without_dropped(without(image, slice(0, 8), slice(14, 18)), (30, 26))
    assert int((start < -0.9).sum()) == int((image < -0.9).sum())


def test_an_object_that_is_not_cut_out_is_filled() -> None:
    image, place = square()
    for size in ((48, 48), (48, 64), (96, 96)):
        assert float(without_dropped(without(image, place, place), size).amax()) < 0


@pytest.mark.parametrize(
    ("given", "size", "start"),
    [((300, 400), (300, 200), (128, 85)), ((300, 400), (600, 800), (256, 341)), ((40, 2000), (40, 1000), (10, 256))],
)
def test_a_large_picture_has_a_small_start(
    given: tuple[int, int], size: tuple[int, int], start: tuple[int, int]
) -> None:
    reference = without(picture(*given), slice(0, 30), slice(0, 100))
    assert without_dropped(reference, size).shape[2:] == start


def test_what_is_dropped_has_no_influence() -> None:
    image, other = picture(30, 34), picture(30, 34)
    other[..., 5:15, 8:18] = 0.9
    made = [
        run_task(RETARGET, without(each, slice(5, 15), slice(8, 18)), recipe=QUICK, width_factor=0.7).images
        for each in (image, other)
    ]
    assert torch.equal(made[0], made[1])


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.5])
def test_a_dropped_object_is_not_in_the_output(factor: float) -> None:
    image, place = square()
    box = slice(place.start - 2, place.stop + 2)
    recipe = replace(QUICK, optimizer=Optimizer(num_steps=30))
    made = [
        run_task(RETARGET, reference, recipe=recipe, width_factor=factor).images
        for reference in (without(image, box, box), image)
    ]
    assert float(made[0].amax()) < 0.2 < float(made[1].amax())


def test_keep_and_drop_together() -> None:
    """The kept square comes back bit for bit, and the dropped one is gone."""
    image, place = square()
    image[..., 2:8, 2:8] = 0.9
    keep = torch.zeros(48, 48)
    keep[0:10, 0:10] = 1
    box = slice(place.start - 2, place.stop + 2)
    recipe = replace(QUICK, optimizer=Optimizer(num_steps=30))
    made = run_task(RETARGET, without(image, box, box), recipe=recipe, keep=keep, width_factor=0.7).images
    assert torch.equal(made[..., :10, :10], image[..., :10, :10])
    assert int((made > 0.2).sum()) == int((image[..., :10, :10] > 0.2).sum())


def test_other_starts_are_not_replaced() -> None:
    """A picture to start from, and noise, stay what they are."""
    image, place = square()
    reference = without(image, place, place)
    start = picture(48, 48, channels=1)
    options = {"recipe": QUICK.from_image(), "init": start, "width_factor": 1.0}
    assert torch.equal(
        retarget(reference, **options).images,
        reshuffle(reference, **options).images,
    )
    noise = replace(QUICK, guess=replace(QUICK.guess, source="noise"), output=replace(QUICK.output, width_factor=0.7))
    assert torch.equal(retarget(reference, recipe=noise).images, reshuffle(reference, recipe=noise).images)
