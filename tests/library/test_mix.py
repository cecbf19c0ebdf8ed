"""Mixtures, barycentres and gradients of several references: their shares, and what cannot be mixed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import gpdm
from gpdm import (
    MIX,
    GPDMError,
    Level,
    Optimizer,
    OptionError,
    PatchNN,
    PyramidSchedule,
    Reference,
    SWDLoss,
    as_references,
    reshuffle,
)
from gpdm.losses.base import Loss
from gpdm.tasks.mix import BLEND_SIDE, MixOptions
from gpdm.tasks.output import OutputOptions, Work, by_reference
from gpdm.tasks.shares import Shares
from library.problems import picture

QUICK = replace(MIX.recipe(), loss=SWDLoss(num_proj=2), optimizer=Optimizer(num_steps=2))
CONVERGED = replace(
    MIX.recipe("fast"), pyramid=PyramidSchedule(coarse_dim=14), optimizer=Optimizer(num_steps=120, fine_steps=120)
)


def bright(height: int = 40, width: int = 40) -> Tensor:
    return picture(height, width) * 0.2 + 0.7


def dark(height: int = 40, width: int = 40) -> Tensor:
    return picture(height, width, seed=1) * 0.2 - 0.7


def adapted(references: object, mode: str = "patchwork", gradient: str = "none") -> Work:
    """What the task makes of references before a run."""
    given = as_references(references)  # type: ignore[arg-type]
    work = by_reference(Work(given, (40, 60)), OutputOptions())
    assert MIX.adapt is not None
    return MIX.adapt(work, replace(MIX.recipe(), own=MixOptions(mode=mode, gradient=gradient)))


@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.7, 0.3)])
def test_a_patchwork_has_the_shares_whatever_the_sizes_of_the_pictures(weights: tuple[float, float]) -> None:
    given = [Reference(bright(), weights[0]), Reference(dark(28, 80), weights[1])]
    made = gpdm.mix(given, recipe=CONVERGED, output_width=60, output_height=60).images.mean(1)
    assert float((made > 0).float().mean()) == pytest.approx(weights[0], abs=0.05)
    assert float((made.abs() < 0.3).float().mean()) < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.75, 0.25)])
def test_a_blend_is_between_the_pictures(weights: tuple[float, float]) -> None:
    a, b = picture(40, 40) * 0.5 + 0.2, picture(28, 80, seed=1) * 0.5 - 0.2
    made = gpdm.mix([Reference(a, weights[0]), Reference(b, weights[1])], recipe=CONVERGED, mode="blend").images
    between = weights[0] * a.mean((2, 3)) + weights[1] * b.mean((2, 3))
    assert made.mean((2, 3)).flatten().tolist() == pytest.approx(between.flatten().tolist(), abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["patchwork", "blend"])
@pytest.mark.parametrize(("gradient", "axis"), [("left to right", 3), ("top to bottom", 2)])
def test_a_gradient_goes_from_the_first_to_the_last(mode: str, gradient: str, axis: int) -> None:
    size = {"output_width": 72, "output_height": 40} if axis == 3 else {"output_width": 40, "output_height": 72}
    made = gpdm.mix([bright(), dark()], recipe=CONVERGED, mode=mode, gradient=gradient, **size).images
    thirds = [float(part.mean()) for part in made.split(24, axis)]
    assert thirds[0] > 0.3 and thirds[2] < -0.3 and abs(thirds[1]) < 0.25


def test_all_of_the_first_is_a_reshuffle_of_it() -> None:
    a, b = picture(30, 34), picture(40, 30, seed=1)
    given = [Reference(a, 1.0), Reference(b, 0.0)]
    assert torch.equal(gpdm.mix(given, recipe=QUICK).images, reshuffle(a, recipe=replace(QUICK, own=None)).images)


def test_shares_along_an_axis() -> None:
    shares = Shares.of(as_references([bright(), dark(), picture()]), (10, 60), 1)
    assert torch.allclose(shares.maps.sum(0), torch.ones(1, 1, 10, 60, dtype=torch.float64))
    assert torch.allclose(shares.windows.sum(0), torch.ones(1, 1, 10, 60, dtype=torch.float64))
    assert shares.maps[:, 0, 0, 0, 0].tolist() == pytest.approx([1, 0, 0], abs=0.02)
    assert shares.maps[:, 0, 0, 5, 15].tolist() == pytest.approx([0.5, 0.5, 0], abs=0.02)
    assert shares.maps[:, 0, 0, 9, 59].tolist() == pytest.approx([0, 0, 1], abs=0.02)


def test_weights_move_the_middle_of_a_gradient() -> None:
    shares = Shares.of(as_references([Reference(bright(), 3.0), Reference(dark(), 1.0)]), (10, 61), 1)
    assert shares.maps[:, 0, 0, 0, 30].tolist() == pytest.approx([0.75, 0.25])


def test_each_window_of_a_mixture_has_its_shares() -> None:
    mixture = adapted([bright(), dark(20, 30)], gradient="left to right").references
    totals: dict[float, list[float]] = {}
    for reference in mixture:
        assert reference.region is not None and not isinstance(reference.weight, Tensor)
        where = float((reference.region * torch.arange(60)).sum() / reference.region.sum())
        totals.setdefault(where, []).append(reference.weight * reference.image[0, 0].numel())
    assert [sum(each) for each in totals.values()] == pytest.approx([1.0] * 4)
    first = [each[0] for _, each in sorted(totals.items())]
    assert first == sorted(first, reverse=True) and first[0] > 0.85 and first[-1] < 0.15


def test_a_masked_picture_keeps_its_share() -> None:
    mask = torch.ones(40, 40)
    mask[:10] = 0
    masked, other = adapted([Reference(bright(), 0.6 * mask), Reference(dark(), 0.4)]).references
    assert float(masked.map().sum()) == pytest.approx(0.6)
    assert float(other.map().sum()) == pytest.approx(0.4)
    assert bool((masked.map()[..., :10, :] == 0).all())


def active(loss: Loss | None, scale: float) -> list[int]:
    """The number of references of each active term at a level."""
    assert loss is not None
    level = Level(0, scale, (round(120 * scale),) * 2, ((round(120 * scale),) * 2,) * 2)
    return [len(term.term.references) for _, term in loss.terms() if term.active(level)]  # type: ignore[attr-defined]


def test_scattered_is_a_blend_at_coarse_levels_and_a_mixture_at_fine_ones() -> None:
    loss = adapted([bright(120, 120), dark(130, 160)], "scattered").loss
    assert active(loss, BLEND_SIDE / 120 - 0.01) == [1, 1]
    assert active(loss, BLEND_SIDE / 120) == [2]
    assert active(loss, 1.0) == [2, 2]  # the distance and coherence


def test_the_finest_level_of_scattered_is_a_mixture_for_small_pictures_too() -> None:
    loss = adapted([bright(), dark()], "scattered").loss
    assert active(loss, 0.99) == [1, 1] and active(loss, 1.0)[0] == 2


@pytest.mark.parametrize("mode", ["patchwork", "blend", "scattered"])
@pytest.mark.parametrize("gradient", ["none", "left to right"])
def test_outputs_are_those_of_single_runs(mode: str, gradient: str) -> None:
    given = [picture(30, 34), picture(34, 30, seed=1)]
    options = {"recipe": QUICK, "mode": mode, "gradient": gradient}
    both = gpdm.mix(given, num_outputs=2, **options).images
    assert torch.equal(both[1:], gpdm.mix(given, seed=1, **options).images)


@pytest.mark.parametrize(
    ("references", "options", "message"),
    [
        ([bright()], {}, "mix needs at least two pictures"),
        ([Reference(bright(), region=torch.ones(4, 4)), dark()], {}, "a picture of the mix has a region"),
        ([bright(), dark()], {"quality": "draft"}, "use quality fast"),
        ([bright(), dark()], {"recipe": replace(QUICK, optimizer=PatchNN())}, "use quality fast"),
        ([bright(), dark()], {"mode": "blur"}, "it must be one of patchwork, blend, scattered"),
        ([bright(), dark()], {"sort": "blend"}, "choose from num_outputs, .*, mode, gradient"),
    ],
)
def test_what_cannot_be_mixed(references: list, options: dict, message: str) -> None:
    with pytest.raises(GPDMError, match=message):
        gpdm.mix(references, **options)


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 1.0), (float("nan"), 1.0), (float("inf"), 1.0)])
def test_weights_that_are_not_allowed(weights: tuple[float, float]) -> None:
    with pytest.raises(OptionError, match="weight"):
        gpdm.mix([Reference(bright(), weights[0]), Reference(dark(), weights[1])])
