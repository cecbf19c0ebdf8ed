"""The binned sliced Wasserstein distance: laws and known answers, with the exact one as its oracle."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gpdm.patches.filters import sample_filters
from gpdm.transport.binned import (
    bin_count,
    bin_range,
    binned_sliced_wasserstein,
    count,
    quantize_weights,
)
from gpdm.transport.sorted import sliced_wasserstein
from library.problems import Problem, picture, problems


@pytest.mark.parametrize("problem", problems(), ids=lambda problem: problem.name)
@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_known_distance_to_the_accuracy_of_a_bin(distance: str, problem: Problem) -> None:
    p, q = problem.p.double(), problem.q.double()
    # Values beyond the reference's ends fall into its last bins, so points of low weight extend the bins to all of q.
    both = torch.cat([p, q], 1)
    spread = float((both.amax(1) - both.amin(1)).max())
    ends = torch.stack([both.amin(1), both.amax(1)], 1)
    weights = torch.tensor([1.0] * p.shape[1] + [1e-9] * 2)
    value, _ = binned_sliced_wasserstein(torch.cat([p, ends], 1), q, p_weights=weights, bins=4096, distance=distance)
    width = spread / 4094
    expected, tolerance = {"l1": (problem.w1, 2 * width), "l2": (problem.w2, 4 * width * spread)}[distance]
    assert float(value) == pytest.approx(expected, abs=tolerance)


def samples(n: int, m: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Projections (6, n) and (6, m) from smooth distributions of different shape and mean."""
    p = torch.randn(6, n, generator=generator, dtype=torch.float64)
    q = torch.randn(6, m, generator=generator, dtype=torch.float64)
    q = q * (0.5 + 0.1 * q**2) + 0.2
    # Values beyond the ends of p would count as if they lay there.
    return p, q.clamp(p.amin(1, keepdim=True), p.amax(1, keepdim=True))


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize(("n", "m"), [(4000, 4000), (4000, 1500), (1500, 4000)])
def test_value_and_gradient_agree_with_sorting(distance: str, n: int, m: int, generator: torch.Generator) -> None:
    p, q = samples(n, m, generator)
    value, gradient = binned_sliced_wasserstein(p, q, distance=distance, bins=1024)
    expected, exact_gradient = sliced_wasserstein(p, q, distance=distance)
    assert float(value) == pytest.approx(float(expected), rel=0.01)
    assert F.cosine_similarity(gradient.flatten(), exact_gradient.flatten(), 0) > 0.99
    assert float(gradient.norm()) == pytest.approx(float(exact_gradient.norm()), rel=0.01)


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_weights_agree_with_sorting_and_with_repetition(distance: str, generator: torch.Generator) -> None:
    p, q = samples(900, 700, generator)
    p_times, q_times = (torch.randint(0, 4, (size,), generator=generator) for size in (900, 700))
    value, gradient = binned_sliced_wasserstein(
        p, q, distance=distance, p_weights=p_times.float(), q_weights=q_times.float(), bins=2048
    )
    expected, exact_gradient = sliced_wasserstein(p, q, distance=distance, p_weights=p_times, q_weights=q_times)
    assert float(value) == pytest.approx(float(expected), rel=0.01)
    assert F.cosine_similarity(gradient.flatten(), exact_gradient.flatten(), 0) > 0.985
    repeated, _ = sliced_wasserstein(
        p.repeat_interleave(p_times, 1), q.repeat_interleave(q_times, 1), distance=distance
    )
    assert float(expected) == pytest.approx(float(repeated), rel=1e-9)
    assert (gradient[:, q_times == 0] == 0).all(), "values without weight must have no gradient"
    again, _ = binned_sliced_wasserstein(
        p, q, distance=distance, p_weights=p_times * 0.25, q_weights=q_times * 8.0, bins=2048
    )
    assert torch.equal(again, value), "only ratios of weights matter"


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_distance_and_gradient_to_itself_are_zero(distance: str, generator: torch.Generator) -> None:
    x = torch.randn(4, 500, generator=generator)
    value, gradient = binned_sliced_wasserstein(x, x[:, torch.randperm(500, generator=generator)], distance=distance)
    assert float(value) == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("shift", [0.3, -0.3])
def test_the_gradient_of_a_translation_has_one_sign(shift: float, generator: torch.Generator) -> None:
    x = torch.randn(2, 500, generator=generator)
    _, gradient = binned_sliced_wasserstein(x, x + shift, distance="l1", bins=1024)
    assert ((gradient * shift) >= 0).all()
    assert float((gradient != 0).double().mean()) > 0.98
    assert float(gradient.abs().max()) == pytest.approx(1 / (2 * 500))


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_values_beyond_the_reference_have_a_gradient_away_from_it(distance: str, generator: torch.Generator) -> None:
    """A descent step moves them back."""
    p = torch.rand(3, 300, generator=generator)
    q = torch.cat([p[:, :280], torch.full((3, 10), 40.0), torch.full((3, 10), -40.0)], 1)
    _, gradient = binned_sliced_wasserstein(p, q, distance=distance)
    assert (gradient[:, 280:290] > 0).all()
    assert (gradient[:, 290:] < 0).all()


def test_a_constant_reference_has_finite_value_and_gradient() -> None:
    p, q = torch.zeros(2, 50), torch.linspace(-1, 1, 40).expand(2, 40)
    value, gradient = binned_sliced_wasserstein(p, q, distance="l1")
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert (gradient[:, -1] > 0).all() and (gradient[:, 0] < 0).all()


@pytest.mark.parametrize(("bins", "cosine"), [(512, 0.995), (1024, 0.998)])
def test_value_and_gradient_of_image_patches_agree_with_sorting(
    bins: int, cosine: float, generator: torch.Generator
) -> None:
    bank = sample_filters("independent", 32, 3, 7, generator)
    p, q = (bank.project(picture(96, 128, seed=seed)).flatten(0, 1).T.contiguous() for seed in (1, 2))
    expected, exact_gradient = sliced_wasserstein(p, q, distance="l1")
    value, gradient = binned_sliced_wasserstein(p, q, distance="l1", bins=bins)
    assert F.cosine_similarity(gradient.flatten(), exact_gradient.flatten(), 0) > cosine
    assert float(value) == pytest.approx(float(expected), rel=0.005)


def test_indices_of_bins() -> None:
    bins = bin_range(torch.tensor([0.0, -1.0]), torch.tensor([8.0, 1.0]), 10)
    values = torch.tensor([[0.0, -1.0], [7.9, 0.999], [-99.0, 99.0], [4.1, 0.001]])
    assert bins.index(values).tolist() == [[1, 11], [8, 18], [0, 19], [5, 15]]


@pytest.mark.parametrize("rows", [1, 7, 12, 2**15])
def test_counts(rows: int, generator: torch.Generator) -> None:
    index = (torch.randint(0, 5, (rows, 3), generator=generator) + torch.arange(3) * 5).int()
    expected = torch.zeros(15, dtype=torch.int64).scatter_add_(0, index.long().flatten(), torch.ones(3 * rows).long())
    assert torch.equal(count(index, 15), expected)
    weights = quantize_weights(torch.rand(rows, generator=generator))[:, None].expand(-1, 3)
    sums = torch.zeros(15, dtype=torch.float64).scatter_add_(0, index.long().flatten(), weights.flatten())
    assert torch.equal(count(index, 15, weights), sums)


@pytest.mark.parametrize(
    ("values", "l1", "l2"),
    [
        (1, 128, 128),
        (100, 128, 128),
        (4000, 128, 128),
        (4096, 256, 256),
        (8192, 512, 512),
        (16384, 1024, 512),
        (10**7, 1024, 512),
    ],
)
def test_number_of_bins(values: int, l1: int, l2: int) -> None:
    assert bin_count(values, "l1") == l1
    assert bin_count(values, "l2") == l2
