"""Filters that are blind to colour: what they are, and that they are filters as any other."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm import SlicedWasserstein, SWDLoss
from gpdm.patches.filters import GRID, KINDS, FilterBank, draw_filters
from gpdm.patches.linear import patch_grid, project, project_adjoint
from library.problems import evaluated, objective_of, picture

CASES = [(1, 5, 6, 4), (3, 7, 9, 4), (4, 4, 5, 5), (3, 5, 80, 1), (3, 2, 5, 2)]
"""Channels, patch size, number of filters, and how many of them are blind to colour."""


def draw(kind: str, case: tuple[int, int, int, int], sets: int = 3, blind: bool = True) -> FilterBank:
    channels, patch_size, number, detail = case
    generator = Generator().manual_seed(5)
    return draw_filters(kind, number, channels, patch_size, generator, sets, detail if blind else 0)


def parts(filters: Tensor, detail: int, sets: int = 3) -> tuple[Tensor, Tensor]:
    """The first filters of each set, and the last `detail` ones."""
    each = filters.unflatten(0, (sets, -1))
    return each[:, :-detail], each[:, -detail:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_the_last_filters_are_blind_to_colour_and_of_unit_length(kind: str, case: tuple[int, int, int, int]) -> None:
    bank = draw(kind, case)
    assert (len(bank), bank.sets, bank.patch_size) == (3 * case[2], 3, case[1])
    _, last = parts(bank.filters(), case[3])
    assert last.shape == (3, case[3], case[0], case[1], case[1])
    assert last.mean((3, 4)).abs().max() <= GRID  # half of it by rounding the numbers, half by rounding their mean
    assert torch.allclose(last.flatten(2).norm(dim=2), torch.ones(3, case[3]), atol=1e-3)
    assert ((bank.rows / GRID) % 1 == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES)
def test_the_first_filters_are_those_sampled_without_detail(kind: str, case: tuple[int, int, int, int]) -> None:
    bank, plain = draw(kind, case), draw(kind, case, blind=False)
    first, _ = parts(bank.rows, case[3])
    expected, _ = parts(plain.rows, case[3])
    shared = plain.rows.shape[1]
    assert torch.equal(first[:, :, :shared], expected)
    assert not first[:, :, shared:].any()
    columns, expected = (x.columns.unflatten(0, (3, -1)) for x in (bank, plain))
    assert torch.equal(columns[:, :shared], expected)
    a, b = (parts(x.filters(), case[3])[0] for x in (bank, plain))
    assert torch.allclose(a, b, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_filters_are_the_others_without_their_mean(kind: str) -> None:
    """Projected onto the filters of mean zero, which keeps them uniform there."""
    case = (3, 5, 8, 3)
    (_, last), (_, plain) = (parts(draw(kind, case, blind=blind).filters(), 3) for blind in (True, False))
    centred = plain - plain.mean((3, 4), keepdim=True)
    expected = centred / centred.flatten(2).norm(dim=2)[..., None, None, None]
    assert torch.allclose(last, expected, atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_another_colour_changes_only_what_the_first_filters_see(kind: str, channels: int) -> None:
    image, bank = picture(12, 15, channels), draw(kind, (channels, 5, 16, 4), 1)
    colour = torch.tensor([0.5, -1.0, 0.7, 0.3])[:channels, None, None]
    moved = (project(image + colour, bank) - project(image, bank)).abs().amax((0, 1))
    assert moved[-4:].max() < channels * 25 * GRID
    assert moved[:-4].mean() > 10 * moved[-4:].mean()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sets", [1, 2])
def test_projecting_is_a_convolution_with_the_filters(kind: str, stride: int, sets: int) -> None:
    image, bank = picture(13, 16), draw(kind, (3, 5, 6, 4), sets)
    expected = F.conv2d(image, bank.filters(), stride=stride)[0].permute(1, 2, 0)
    if sets == 1:
        assert torch.allclose(project(image, bank, stride), expected, atol=1e-5)
    each = torch.cat([project(image, part, stride) for part in bank.each()], 2)
    assert torch.allclose(each, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [1, 3])
def test_adjoint(kind: str, stride: int, generator: Generator) -> None:
    image = picture(12, 17).double()
    bank = draw(kind, (3, 5, 6, 4), 1).to(image)
    there = project(image, bank, stride)
    values = torch.randn(there.shape, generator=generator, dtype=torch.float64)
    back = project_adjoint(values, bank, (12, 17), stride)
    assert float((there * values).sum()) == pytest.approx(float((image * back).sum()), rel=1e-10)


def test_a_bank_of_any_filters_has_them_as_they_are(generator: Generator) -> None:
    filters, image = torch.randn(4, 3, 5, 5, generator=generator), picture(9, 11)
    bank = FilterBank.of(filters)
    assert (len(bank), bank.sets, bank.patch_size) == (4, 1, 5)
    assert torch.equal(bank.filters(), filters)
    projected = project(image, bank)
    assert projected.shape[:2] == patch_grid((9, 11), 5, 1)
    assert torch.allclose(projected, F.conv2d(image, filters)[0].permute(1, 2, 0), atol=1e-4)
    assert FilterBank.of(filters.double()).columns.dtype == torch.float64


@pytest.mark.parametrize("kind", KINDS)
def test_without_their_mean_filters_are_uniform(kind: str) -> None:
    """The second moment of the uniform distribution on a sphere of D dimensions is 1 / D in each; here D lacks the means."""
    flat = parts(draw_filters(kind, 12, 2, 3, Generator().manual_seed(0), 2000, 6).filters(), 6, 2000)[1].flatten(0, 1)
    second = flat.flatten(1).T @ flat.flatten(1) / len(flat)
    away = torch.block_diag(*[torch.eye(9) - 1 / 9] * 2)
    assert torch.allclose(second * 16, away, atol=0.06)


def sampled(loss: SWDLoss, number: int, sets: int = 1) -> Tensor:
    """Filters of a loss's first term, (sets number, 3, p, p)."""
    _, term = loss.terms()[0]
    assert isinstance(term, SlicedWasserstein)
    return term.filters.sample(number, 3, term.grid.size, Generator().manual_seed(0), sets).filters()


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.5, 5), (0.25, 2), (1.0, 10)])
def test_the_share_of_detail_is_that_of_the_option(share: float, expected: int) -> None:
    filters = sampled(SWDLoss(detail=share), 10, 2)
    blind = filters.mean((2, 3)).abs().amax(1) <= GRID
    assert torch.equal(blind.view(2, 10).sum(1), torch.tensor([expected] * 2))
    assert blind.view(2, 10)[:, 10 - expected :].all()


def test_a_patch_of_one_pixel_has_no_structure() -> None:
    filters = sampled(SWDLoss(detail=1.0, patch_size=1), 6)
    assert torch.allclose(filters.flatten(1).norm(dim=1), torch.ones(6), atol=1e-3)


def test_blind_to_colour_the_distance_to_another_colour_is_nothing() -> None:
    reference = picture(24, 26)
    moved = reference + torch.tensor([0.5, -0.4, 0.3])[:, None, None]
    values = []
    for share in (1.0, 0.0):
        objective = objective_of(SWDLoss(solver="exact", detail=share, num_proj=16), reference, (24, 26))
        values.append(float(evaluated(objective, moved)[0]))
    assert math.sqrt(values[0]) < 0.02 * math.sqrt(values[1])
