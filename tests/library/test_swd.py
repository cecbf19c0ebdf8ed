"""Laws and known answers of the sliced Wasserstein distance."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gpdm.transport.sorted import quantile_coupling, sliced_wasserstein, sort_rows, sort_values
from library.problems import Problem, problems


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
def test_known_distance(problem: Problem) -> None:
    w1, _ = sliced_wasserstein(problem.p, problem.q.to(problem.p.dtype), distance="l1")
    w2, _ = sliced_wasserstein(problem.p, problem.q.to(problem.p.dtype), distance="l2")
    assert float(w1) == pytest.approx(problem.w1, abs=1e-6)
    assert float(w2) == pytest.approx(problem.w2, abs=1e-6)


@given(n=st.integers(1, 60), m=st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_coupling_has_uniform_marginals(n: int, m: int) -> None:
    coupling = quantile_coupling(n, m, dtype=torch.float64)
    plan = torch.zeros(n, m, dtype=torch.float64)
    for j in range(m):
        plan[:, j].index_add_(0, coupling.rank[j], coupling.weight[j])
    assert torch.allclose(plan.sum(0), torch.full((m,), 1 / m, dtype=torch.float64))
    assert torch.allclose(plan.sum(1), torch.full((n,), 1 / n, dtype=torch.float64))


@given(n=st.integers(1, 24), m=st.integers(1, 24), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_any_counts_agree_with_repetition_to_a_common_count(n: int, m: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    p, q = torch.randn(2, n, generator=g, dtype=torch.float64), torch.randn(2, m, generator=g, dtype=torch.float64)
    common = math.lcm(n, m)
    for distance in ("l1", "l2"):
        value, _ = sliced_wasserstein(p, q, distance=distance)
        repeated, _ = sliced_wasserstein(p.repeat(1, common // n), q.repeat(1, common // m), distance=distance)
        assert float(value) == pytest.approx(float(repeated), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_symmetric(distance: str, generator: torch.Generator) -> None:
    p, q = torch.randn(3, 17, generator=generator), torch.randn(3, 29, generator=generator)
    there, back = sliced_wasserstein(p, q, distance=distance)[0], sliced_wasserstein(q, p, distance=distance)[0]
    assert float(there) == pytest.approx(float(back), rel=1e-5)


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 13), (13, 20), (7, 21)])
def test_gradient_against_finite_differences(distance: str, n: int, m: int, generator: torch.Generator) -> None:
    p = torch.randn(3, n, generator=generator, dtype=torch.float64)
    q = torch.randn(3, m, generator=generator, dtype=torch.float64)
    _, gradient = sliced_wasserstein(p, q, distance=distance)
    step = 1e-7
    for k, j in [(0, 0), (1, m // 2), (2, m - 1)]:
        moved = q.clone()
        moved[k, j] += step
        up = sliced_wasserstein(p, moved, distance=distance)[0]
        moved[k, j] -= 2 * step
        down = sliced_wasserstein(p, moved, distance=distance)[0]
        assert float(gradient[k, j]) == pytest.approx(float(up - down) / (2 * step), rel=1e-4, abs=1e-8)


def test_a_perfect_output_of_another_size_is_not_charged() -> None:
    """The reference implementation repeats a random subset of the smaller set and charges this (facts: defect 5)."""
    x = torch.randn(4, 100, generator=torch.Generator().manual_seed(3))
    perfect = torch.cat([x, x, x[:, :50]], 1)
    unequal, _ = sliced_wasserstein(x[:, :50].repeat(1, 2), perfect[:, 200:].repeat(1, 5))
    assert float(unequal) == 0.0


def test_translation_moves_every_point_the_same_way() -> None:
    x = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
    value, gradient = sliced_wasserstein(x, x + 1)
    assert float(value) == pytest.approx(1.0, rel=1e-6)
    assert torch.allclose(gradient, torch.full_like(gradient, 1 / (2 * 50)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sorting_is_stable_and_handles_signs(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(5, 300, generator=g, dtype=dtype).mul(3).round().div(3)  # many equal values, both signs
    values, order = sort_rows(x)
    expected, expected_order = torch.sort(x, dim=1, stable=True)
    assert torch.equal(values, expected)
    assert torch.equal(sort_values(x), expected)
    # -0.0 sorts before 0.0 here and equal to it in torch, so the order is compared without zeros
    assert torch.equal(order[values != 0], expected_order[values != 0])
