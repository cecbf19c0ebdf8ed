"""Projection of patches as a linear map, its adjoint, and the filters."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gpdm.borders import BORDERS, padded_size, wrap, wrap_adjoint_
from gpdm.patches.filters import FILTER_KINDS, sample_filters
from gpdm.patches.linear import FilterBank, LinearMap, MatrixFilters, patch_count
from library.problems import picture


@pytest.mark.parametrize("kind", FILTER_KINDS)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("channels", "patch_size"), [(1, 1), (3, 7), (4, 4)])
def test_project_is_the_inner_product_with_each_patch(
    kind: str, channels: int, patch_size: int, stride: int, generator: torch.Generator
) -> None:
    image = picture(11, 14, channels)
    bank = sample_filters(kind, 5, channels, patch_size, generator)
    patches = F.unfold(image, patch_size, stride=stride)[0]  # (C p p, N)
    assert patches.shape[1] == patch_count((11, 14), patch_size, stride)
    bias = torch.randn(5, generator=generator)
    expected = (bank.filters().flatten(1) @ patches).T + bias
    for filters in linear_maps(bank.to(image)):
        assert torch.allclose(filters.project(image, (stride, stride), bias).flatten(0, 1), expected, atol=1e-5)


@pytest.mark.parametrize("linear_map", [FilterBank, MatrixFilters])
@pytest.mark.parametrize("kind", FILTER_KINDS)
@pytest.mark.parametrize(
    ("patch_size", "stride"), [(5, (1, 1)), (5, (2, 2)), (7, (3, 2)), (4, (4, 4)), (3, (5, 5)), (1, (1, 1))]
)
def test_adjoint(
    linear_map: type, kind: str, patch_size: int, stride: tuple[int, int], generator: torch.Generator
) -> None:
    image = picture(12, 17).double()
    bank = sample_filters(kind, 4, 3, patch_size, generator).to(image)
    filters = bank if linear_map is FilterBank else MatrixFilters.of(bank)
    projections = filters.project(image, stride)
    values = torch.randn(projections.shape, generator=generator, dtype=torch.float64)
    adjoint = filters.adjoint(values, (12, 17), stride)
    assert adjoint.shape == image.shape
    assert float((projections * values).sum()) == pytest.approx(float((image * adjoint).sum()), rel=1e-10)


@pytest.mark.parametrize("part", [(slice(0, 9), slice(3, 17)), (slice(2, 12), slice(0, 9))])
def test_patches_of_a_part_of_an_image_are_projected_as_of_a_copy(
    part: tuple[slice, slice], generator: torch.Generator
) -> None:
    bank = sample_filters("factored", 4, 3, 5, generator)
    image = picture(12, 17)[..., part[0], part[1]]
    for filters in linear_maps(bank):
        assert torch.equal(filters.project(image), filters.project(image.clone(memory_format=torch.contiguous_format)))


def linear_maps(bank: FilterBank) -> list[LinearMap]:
    return [bank, MatrixFilters.of(bank)]


@pytest.mark.parametrize(("size", "expected"), [((6, 100), 0), ((7, 7), 1)])
def test_patch_count_of_small_images(size: tuple[int, int], expected: int) -> None:
    assert patch_count(size, 7, 1) == expected


@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
def test_wrap_continues_the_image_from_the_opposite_side(border: str) -> None:
    image = picture(9, 11)
    wrapped = wrap(image, 4, border)
    assert (wrapped.shape[2], wrapped.shape[3]) == padded_size((9, 11), 4, border)
    tiled = image.repeat(1, 1, 2, 2)
    assert torch.equal(wrapped, tiled[..., : wrapped.shape[2], : wrapped.shape[3]])
    expected = {"free": (9, 11), "circular": (12, 14), "circular x": (9, 14), "circular y": (12, 11)}
    assert wrapped.shape[2:] == expected[border]


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("size", [(9, 11), (4, 5)])
def test_wrap_adjoint(border: str, size: tuple[int, int], generator: torch.Generator) -> None:
    image = picture(*size).double()
    wrapped = wrap(image, 5, border)
    values = torch.randn(wrapped.shape, generator=generator, dtype=torch.float64)
    adjoint = wrap_adjoint_(values.clone(), 5, border)
    assert float((wrapped * values).sum()) == pytest.approx(float((image * adjoint).sum()), rel=1e-10)


@pytest.mark.parametrize("kind", FILTER_KINDS)
def test_filters_have_unit_length_and_depend_on_the_seed(kind: str) -> None:
    def filters(seed: int) -> torch.Tensor:
        return sample_filters(kind, 40, 3, 3, torch.Generator().manual_seed(seed)).filters()

    assert filters(1).shape == (40, 3, 3, 3)
    assert torch.allclose(filters(1).flatten(1).norm(dim=1), torch.ones(40), atol=1e-3)
    assert torch.equal(filters(1), filters(1))
    assert not torch.equal(filters(1), filters(2))


@pytest.mark.parametrize("kind", FILTER_KINDS)
def test_every_kind_of_filter_is_uniform_on_the_sphere(kind: str) -> None:
    """The second moment of that distribution in D dimensions is 1 / D, the fourth 3 / (D (D + 2))."""
    dimension = 2 * 5 * 5
    flat = torch.cat(
        [sample_filters(kind, 25, 2, 5, torch.Generator().manual_seed(seed)).filters() for seed in range(800)]
    ).flatten(1)
    second = flat.T @ flat / len(flat)
    assert torch.allclose(second * dimension, torch.eye(dimension), atol=0.06)
    fourth = (flat**4).mean(0) * dimension * (dimension + 2) / 3
    assert (fourth - 1).abs().max() < 0.12
    assert flat.mean(0).abs().max() < 0.01  # a QR without the sign correction points into one half space


def test_singular_values_of_factored_filters_are_those_of_independent_ones() -> None:
    """Moments of single entries are the same even if shared columns change the filters as matrices."""

    def spectrum(kind: str) -> torch.Tensor:
        banks = [sample_filters(kind, 20, 3, 5, torch.Generator().manual_seed(seed)) for seed in range(100)]
        filters = torch.cat([bank.filters() for bank in banks])
        return torch.linalg.svdvals(filters.flatten(1, 2)).mean(0)

    assert torch.allclose(spectrum("factored"), spectrum("independent"), rtol=0.02)


@pytest.mark.parametrize("block", [slice(0, 27), slice(27, 54), slice(54, 60)])
def test_blocks_of_orthonormal_filters_are_orthonormal(block: slice) -> None:
    filters = sample_filters("orthonormal", 60, 3, 3, torch.Generator().manual_seed(0)).filters().flatten(1)[block]
    assert torch.allclose(filters @ filters.T, torch.eye(block.stop - block.start), atol=2e-3)
