"""Laws and known answers of the exact sliced Wasserstein distance."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpdm.transport.sorted import quantile_coupling, sliced_wasserstein, sort_rows, sort_values
from library.problems import Problem, problems


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_known_distance(distance: str, problem: Problem) -> None:
    value, _ = sliced_wasserstein(problem.p, problem.q.to(problem.p.dtype), distance=distance)
    assert float(value) == pytest.approx(problem.w1 if distance == "l1" else problem.w2, abs=1e-6)


@given(n=st.integers(1, 60), m=st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_coupling_has_uniform_marginals(n: int, m: int) -> None:
    coupling = quantile_coupling(n, m, dtype=torch.float64)
    plan = torch.zeros(n, m, dtype=torch.float64)
    for j in range(m):
        plan[:, j].index_add_(0, coupling.rank[j], coupling.weight[j])
    assert torch.allclose(plan.sum(0), torch.full((m,), 1 / m, dtype=torch.float64))
    assert torch.allclose(plan.sum(1), torch.full((n,), 1 / n, dtype=torch.float64))


@pytest.mark.parametrize("distance", ["l1", "l2"])
@given(n=st.integers(1, 24), m=st.integers(1, 24), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_any_counts_agree_with_repetition_to_a_common_count(distance: str, n: int, m: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    p, q = torch.randn(2, n, generator=g, dtype=torch.float64), torch.randn(2, m, generator=g, dtype=torch.float64)
    common = math.lcm(n, m)
    value, _ = sliced_wasserstein(p, q, distance=distance)
    repeated, _ = sliced_wasserstein(p.repeat(1, common // n), q.repeat(1, common // m), distance=distance)
    assert float(value) == pytest.approx(float(repeated), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_symmetric(distance: str, generator: torch.Generator) -> None:
    p, q = torch.randn(3, 17, generator=generator), torch.randn(3, 29, generator=generator)
    value, swapped = sliced_wasserstein(p, q, distance=distance)[0], sliced_wasserstein(q, p, distance=distance)[0]
    assert float(value) == pytest.approx(float(swapped), rel=1e-5)


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 13), (13, 20), (7, 21)])
@pytest.mark.parametrize(("k", "position"), [(0, 0.0), (1, 0.5), (2, 1.0)])
def test_gradient_against_finite_differences(
    k: int, position: float, distance: str, n: int, m: int, generator: torch.Generator
) -> None:
    p = torch.randn(3, n, generator=generator, dtype=torch.float64)
    q = torch.randn(3, m, generator=generator, dtype=torch.float64)
    _, gradient = sliced_wasserstein(p, q, distance=distance)
    step, j = 1e-7, min(int(position * m), m - 1)
    moved = q.clone()
    moved[k, j] += step
    up = sliced_wasserstein(p, moved, distance=distance)[0]
    moved[k, j] -= 2 * step
    down = sliced_wasserstein(p, moved, distance=distance)[0]
    assert float(gradient[k, j]) == pytest.approx(float(up - down) / (2 * step), rel=1e-4, abs=1e-8)


def test_equal_distributions_of_different_size_have_distance_zero() -> None:
    """The authors' implementation repeats a random subset of the smaller set, and its distance is not zero."""
    x = torch.randn(4, 50, generator=torch.Generator().manual_seed(3))
    value, _ = sliced_wasserstein(x.repeat(1, 2), x.repeat(1, 5), distance="l1")
    assert float(value) == 0.0


def test_the_gradient_of_a_translation_is_the_same_for_every_point() -> None:
    x = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    value, gradient = sliced_wasserstein(x, x + 1, distance="l1")
    assert float(value) == pytest.approx(1.0, rel=1e-6)
    assert torch.allclose(gradient, torch.full_like(gradient, 1 / (2 * 50)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sorting_is_stable_for_values_of_both_signs(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(5, 300, generator=g, dtype=dtype).mul(3).round().div(3)  # many equal values, both signs
    values, order = sort_rows(x)
    expected, expected_order = torch.sort(x, dim=1, stable=True)
    assert torch.equal(values, expected)
    assert torch.equal(sort_values(x), expected)
    # -0.0 sorts before 0.0 here and as equal in torch, so the order is compared without zeros.
    assert torch.equal(order[values != 0], expected_order[values != 0])
