"""Filters of mean zero, which ignore average colour: their definition, their distribution, and their projections."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm import SlicedWasserstein, SWDLoss
from gpdm.patches.filters import FILTER_KINDS, sample_filters
from gpdm.patches.linear import FilterBank, patch_grid, reproducible
from library.problems import evaluated, objective_of, picture

CASES = [(1, 5, 6, 4), (3, 7, 9, 4), (4, 4, 5, 5), (3, 5, 80, 1), (3, 2, 5, 2)]
"""Channels, patch size, number of filters, and number of those that have mean zero."""


def bank_of(kind: str, case: tuple[int, int, int, int], sets: int = 3, zero_mean: bool = True) -> FilterBank:
    channels, patch_size, number, detail = case
    generator = Generator().manual_seed(5)
    return sample_filters(kind, number, channels, patch_size, generator, sets, detail if zero_mean else 0)


def parts(filters: Tensor, detail: int, sets: int = 3) -> tuple[Tensor, Tensor]:
    """The first filters of each set, and the last `detail` ones."""
    by_set = filters.unflatten(0, (sets, -1))
    return by_set[:, :-detail], by_set[:, -detail:]


@pytest.mark.parametrize("kind", FILTER_KINDS)
@pytest.mark.parametrize("case", CASES)
def test_the_last_filters_have_mean_zero_and_unit_length(kind: str, case: tuple[int, int, int, int]) -> None:
    bank = bank_of(kind, case)
    assert (len(bank), bank.sets, bank.patch_size) == (3 * case[2], 3, case[1])
    _, last = parts(bank.filters(), case[3])
    assert last.shape == (3, case[3], case[0], case[1], case[1])
    assert last.mean((3, 4)).abs().max() < 1e-6
    assert torch.allclose(last.flatten(2).norm(dim=2), torch.ones(3, case[3]), atol=1e-5)


@pytest.mark.parametrize("kind", FILTER_KINDS)
@pytest.mark.parametrize("case", CASES)
def test_the_first_filters_are_those_sampled_without_detail(kind: str, case: tuple[int, int, int, int]) -> None:
    bank, plain = bank_of(kind, case), bank_of(kind, case, zero_mean=False)
    first, _ = parts(bank.rows, case[3])
    expected, _ = parts(plain.rows, case[3])
    shared = plain.rows.shape[1]
    assert torch.equal(first[:, :, :shared], expected)
    assert not first[:, :, shared:].any()
    columns, expected = (x.columns.unflatten(0, (3, -1)) for x in (bank, plain))
    assert torch.equal(columns[:, :shared], expected)
    a, b = (parts(x.filters(), case[3])[0] for x in (bank, plain))
    assert torch.allclose(a, b, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", FILTER_KINDS)
def test_the_last_filters_are_general_filters_without_their_mean(kind: str) -> None:
    """Projection onto the filters of mean zero keeps a uniform distribution uniform there."""
    case = (3, 5, 8, 3)
    (_, last), (_, plain) = (
        parts(bank_of(kind, case, zero_mean=zero_mean).filters(), 3) for zero_mean in (True, False)
    )
    centred = plain - plain.mean((3, 4), keepdim=True)
    expected = centred / centred.flatten(2).norm(dim=2)[..., None, None, None]
    assert torch.allclose(last, expected, atol=2e-3)


@pytest.mark.parametrize("kind", FILTER_KINDS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_another_colour_changes_only_the_projections_onto_the_first_filters(kind: str, channels: int) -> None:
    image, bank = picture(12, 15, channels), bank_of(kind, (channels, 5, 16, 4), 1)
    colour = torch.tensor([0.5, -1.0, 0.7, 0.3])[:channels, None, None]
    moved = (bank.project(image + colour) - bank.project(image)).abs().amax((0, 1))
    assert moved[-4:].max() < 1e-5
    assert moved[:-4].mean() > 10 * moved[-4:].mean()


@pytest.mark.parametrize("kind", FILTER_KINDS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sets", [1, 2])
def test_projecting_is_a_convolution_with_the_filters(kind: str, stride: int, sets: int) -> None:
    image, bank = picture(13, 16), bank_of(kind, (3, 5, 6, 4), sets)
    expected = F.conv2d(image, bank.filters(), stride=stride)[0].permute(1, 2, 0)
    if sets == 1:
        assert torch.allclose(bank.project(image, (stride, stride)), expected, atol=1e-5)
    separate = torch.cat([part.project(image, (stride, stride)) for part in bank.split_sets(sets)], 2)
    assert torch.allclose(separate, expected, atol=1e-5)


@pytest.mark.parametrize("kind", FILTER_KINDS)
@pytest.mark.parametrize("stride", [1, 3])
def test_adjoint(kind: str, stride: int, generator: Generator) -> None:
    image = picture(12, 17).double()
    bank = bank_of(kind, (3, 5, 6, 4), 1).to(image)
    projections = bank.project(image, (stride, stride))
    values = torch.randn(projections.shape, generator=generator, dtype=torch.float64)
    adjoint = bank.adjoint(values, (12, 17), (stride, stride))
    assert float((projections * values).sum()) == pytest.approx(float((image * adjoint).sum()), rel=1e-10)


def test_a_bank_of_given_filters_holds_them_unchanged(generator: Generator) -> None:
    filters, image = torch.randn(4, 3, 5, 5, generator=generator), picture(9, 11)
    bank = FilterBank.of(filters)
    assert (len(bank), bank.sets, bank.patch_size) == (4, 1, 5)
    assert torch.equal(bank.filters(), filters)
    projected = bank.project(image)
    assert projected.shape[:2] == patch_grid((9, 11), 5, 1)
    assert torch.allclose(projected, F.conv2d(image, filters)[0].permute(1, 2, 0), atol=1e-4)
    assert FilterBank.of(filters.double()).columns.dtype == torch.float64


@pytest.mark.parametrize("kind", FILTER_KINDS)
def test_filters_of_mean_zero_are_uniform(kind: str) -> None:
    """The second moment of the uniform distribution on a sphere in D dimensions is 1 / D; here D is 18 less 2 means."""
    filters = sample_filters(kind, 12, 2, 3, Generator().manual_seed(0), 2000, 6).filters()
    flat = parts(filters, 6, 2000)[1].flatten(0, 1).flatten(1)
    second = flat.T @ flat / len(flat)
    without_mean = torch.block_diag(*[torch.eye(9) - 1 / 9] * 2)
    assert torch.allclose(second * 16, without_mean, atol=0.06)


def sampled(loss: SWDLoss, number: int, sets: int = 1) -> Tensor:
    """Filters of a loss's first term, (sets number, 3, p, p)."""
    _, term = loss.terms()[0]
    assert isinstance(term, SlicedWasserstein)
    return replace(term.filters[0], number=number).sample(3, Generator().manual_seed(0), sets).filters()


@pytest.mark.parametrize(("detail", "expected"), [(0.0, 0), (0.5, 5), (0.25, 2), (1.0, 10)])
def test_detail_is_the_fraction_of_filters_of_mean_zero(detail: float, expected: int) -> None:
    filters = sampled(SWDLoss(detail=detail), 10, 2)
    zero_mean = filters.mean((2, 3)).abs().amax(1) <= 1e-6
    assert torch.equal(zero_mean.view(2, 10).sum(1), torch.tensor([expected] * 2))
    assert zero_mean.view(2, 10)[:, 10 - expected :].all()


def test_filters_of_one_pixel_do_not_have_mean_zero() -> None:
    filters = sampled(SWDLoss(detail=1.0, patch_size=1), 6)
    assert torch.allclose(filters.flatten(1).norm(dim=1), torch.ones(6), atol=1e-3)


def test_filters_of_mean_zero_do_not_measure_a_change_of_colour() -> None:
    reference = picture(24, 26)
    moved = reference + torch.tensor([0.5, -0.4, 0.3])[:, None, None]
    with_detail, without = (
        objective_of(SWDLoss(solver="exact", detail=detail, num_proj=16), reference, (24, 26)) for detail in (1.0, 0.0)
    )
    assert math.sqrt(float(evaluated(with_detail, moved)[0])) < 0.02 * math.sqrt(float(evaluated(without, moved)[0]))


def test_the_settings_of_convolutions_are_restored_after_an_error() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    with pytest.raises(ZeroDivisionError), reproducible(torch.device("cuda")):
        assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
        raise ZeroDivisionError
    assert (cudnn.benchmark, cudnn.deterministic) == before
