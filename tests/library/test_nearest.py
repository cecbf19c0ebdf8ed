"""Nearest patches: the exact search with any block size, and faiss, against brute force in float64."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor

from gpdm.errors import GPDMError
from gpdm.patches.nearest import (
    BLOCK_SIZE,
    Nearest,
    all_patches,
    least_distances,
    mutual,
    nearest,
    squared_distance,
)
from library.problems import picture

SIZES = [(1, 1), (1, 12), (23, 1), (7, 5), (8, 11), (23, 31)]
"""Numbers of queries and keys."""
SMALL_BLOCKS = (7, 5)
"""Queries and keys that are compared at a time; most of `SIZES` are not multiples of them."""


def points(n: int, m: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(100 * n + m)
    return torch.rand(n, 6, generator=g, dtype=dtype) + 0.5, torch.rand(m, 6, generator=g, dtype=dtype) + 0.5


def brute(queries: Tensor, keys: Tensor) -> Tensor:
    """Mean squared difference of all pairs, float64."""
    return (queries.double()[:, None] - keys.double()).square().mean(2)


def with_faiss(queries: Tensor, keys: Tensor, factors: Tensor | None = None) -> Nearest | None:
    """The result of faiss. Where faiss is not installed the error is tested instead, and the result is None."""
    if find_spec("faiss") is None:
        with pytest.raises(GPDMError, match="pip install faiss-cpu"):
            nearest(queries, keys, "faiss", factors)
        return None
    return nearest(queries, keys, "faiss", factors)


def test_patches_are_numbered_row_by_row_and_image_by_image() -> None:
    images = [picture(9, 8), picture(7, 11, seed=1)]
    patches = all_patches(images, 4)
    expected = [
        image[0, :, y : y + 4, x : x + 4].flatten()
        for image in images
        for y in range(image.shape[2] - 3)
        for x in range(image.shape[3] - 3)
    ]
    assert torch.equal(patches, torch.stack(expected))


def test_distance_is_a_mean_and_exactly_zero_for_equal_rows() -> None:
    a = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4]])
    assert squared_distance(a, a + torch.tensor([[0.0, 0.0, 0.0, 6.0], [0.0] * 4])).tolist() == [9.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_nearest_agrees_with_brute_force(n: int, m: int, dtype: torch.dtype) -> None:
    queries, keys = points(n, m, dtype)
    distance, index = brute(queries, keys).min(1)
    found = nearest(queries, keys, block_size=SMALL_BLOCKS)
    assert torch.equal(found.index, index)
    assert torch.allclose(found.distance.double(), distance, rtol=1e-5)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_factors_change_the_choice_but_not_the_distance(n: int, m: int) -> None:
    queries, keys = points(n, m)
    factors = torch.rand(m, generator=torch.Generator().manual_seed(m), dtype=torch.float64) * 3 + 0.1
    distances = brute(queries, keys)
    index = (distances * factors).argmin(1)
    found = nearest(queries, keys, factors=factors, block_size=SMALL_BLOCKS)
    assert torch.equal(found.index, index)
    assert torch.allclose(found.distance, distances.gather(1, index[:, None])[:, 0])
    if m > 20:
        assert not torch.equal(index, distances.argmin(1))  # the factors have an effect


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_mutual_is_nearest_in_both_directions(n: int, m: int) -> None:
    queries, keys = points(n, m)
    found, key_distance = mutual(queries, keys, block_size=SMALL_BLOCKS)
    of_queries, of_keys = (nearest(a, b, block_size=SMALL_BLOCKS) for a, b in ((queries, keys), (keys, queries)))
    assert torch.equal(found.index, of_queries.index)
    assert torch.equal(found.distance, of_queries.distance)
    assert key_distance.shape == (m,)
    assert torch.allclose(key_distance, of_keys.distance)
    assert torch.allclose(key_distance, brute(queries, keys).amin(0))
    assert torch.equal(least_distances(queries, keys, block_size=SMALL_BLOCKS), key_distance)


def test_every_patch_of_an_image_finds_itself_with_blocks_of_the_default_size() -> None:
    patches = all_patches([picture(34, 40)], 5)
    assert len(patches) > 2 * BLOCK_SIZE[0]
    found, key_distance = mutual(patches, patches)
    assert torch.equal(found.index, torch.arange(len(patches)))
    assert not found.distance.any()
    assert 0 <= float(key_distance.min()) <= float(key_distance.max()) < 1e-6


def test_a_common_offset_does_not_change_the_distances() -> None:
    """|q|^2 - 2 q k + |k|^2 in float32 would lose these differences among squares of a million."""
    queries, keys = points(60, 70, torch.float32)
    keys = keys * 0.1 + 1000
    queries = keys[torch.arange(60)] + (queries - 1) * 1e-3
    found, key_distance = mutual(queries, keys)
    assert torch.equal(found.index, brute(queries, keys).argmin(1))
    assert torch.allclose(key_distance.double(), brute(queries, keys).amin(0), rtol=0.02, atol=1e-8)


def test_arguments_are_not_changed() -> None:
    queries, keys = points(9, 9)
    factors = torch.full((9,), 2.0, dtype=torch.float64)
    copies = queries.clone(), keys.clone(), factors.clone()
    nearest(queries, keys, factors=factors)
    mutual(queries, keys)
    assert all(torch.equal(a, b) for a, b in zip(copies, (queries, keys, factors), strict=True))


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_faiss_with_few_keys_is_exact(n: int, m: int) -> None:
    queries, keys = points(n, m)
    if found := with_faiss(queries, keys):
        exact = nearest(queries, keys)
        assert torch.equal(found.index, exact.index)
        assert torch.equal(found.distance, exact.distance)
        key_distance = mutual(queries, keys)[1]
        assert torch.allclose(mutual(queries, keys, "faiss")[1], key_distance)
        assert torch.allclose(least_distances(queries, keys, "faiss"), key_distance)


@pytest.mark.parametrize(("n", "m"), SIZES)
def test_faiss_with_factors_chooses_among_the_nearest_ten(n: int, m: int) -> None:
    queries, keys = points(n, m)
    factors = torch.rand(m, generator=torch.Generator().manual_seed(m), dtype=torch.float64) * 3 + 0.1
    if found := with_faiss(queries, keys, factors):
        distances = brute(queries, keys)
        ten = distances.topk(min(10, m), largest=False).indices
        best = (distances.gather(1, ten) * factors[ten]).argmin(1, keepdim=True)
        assert torch.equal(found.index, ten.gather(1, best)[:, 0])
        assert torch.equal(found.distance, squared_distance(queries, keys[found.index]))


@pytest.mark.parametrize("with_factors", [False, True])
def test_faiss_with_many_keys_finds_nearly_all_neighbours(with_factors: bool) -> None:
    g = torch.Generator().manual_seed(2)
    keys = torch.rand(6000, 27, generator=g)
    queries = keys[torch.randperm(6000, generator=g)[:400]] + 0.02 * torch.randn(400, 27, generator=g)
    factors = torch.rand(6000, generator=g) + 0.5 if with_factors else None
    if found := with_faiss(queries, keys, factors):
        exact = nearest(queries, keys, factors=factors)
        assert float((found.index == exact.index).double().mean()) >= 0.9
        assert torch.equal(found.distance, squared_distance(queries, keys[found.index]))


def test_faiss_is_deterministic() -> None:
    queries, keys = all_patches([picture(20, 20)], 5), all_patches([picture(50, 50, seed=1)], 5)
    if found := with_faiss(queries, keys):
        assert torch.equal(found.index, nearest(queries, keys, "faiss").index)


@pytest.mark.parametrize("search", [nearest, mutual, least_distances])
def test_without_faiss_the_error_names_the_remedy(
    search: Callable[[Tensor, Tensor, str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    queries, keys = points(3, 4)
    with pytest.raises(
        GPDMError, match=r"search faiss .* not installed; pip install faiss-cpu, or choose search exact"
    ):
        search(queries, keys, "faiss")
