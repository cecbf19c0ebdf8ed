"""Coherence beside another objective: what is drawn, where to, how hard, and what is left alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm import Optimizer, PatchWeights, PyramidSchedule, SWDLoss, synthesize
from gpdm.guess import gaussian_blur
from gpdm.images import size_of
from gpdm.losses import coherence
from gpdm.losses.coherence import EVERY, LEAST_SIDE, PATCH, CoherentObjective, Pull
from gpdm.losses.objectives import ExactObjective
from gpdm.losses.swd_binned import HistogramObjective
from gpdm.patches.linear import patch_grid, wrap, wrap_adjoint
from gpdm.patches.nearest import all_patches, nearest
from gpdm.patches.search import PatchSearch
from library.problems import picture


class Nothing:
    """An objective that does not mind."""

    curved = 0.0

    def __init__(self) -> None:
        self.advances = 0

    def advance(self) -> None:
        self.advances += 1

    def curvature(self) -> Tensor:
        return torch.full((1, 1, 24, 27), self.curved)

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        del generator
        return image.new_zeros(()), torch.zeros_like(image)


class Bowl(Nothing):
    """Wants zeros."""

    curved = 0.25

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        del generator
        return image.square().mean(), 2 * image / image.numel()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def noise(like: Tensor, sigma: float, seed: int = 9) -> Tensor:
    return sigma * torch.randn(like.shape, generator=seeded(seed)).to(like)


def bound(
    references: list[Tensor],
    inner: Any = None,
    *,
    weights: PatchWeights | None = None,
    strength: float = 1.0,
    tolerance: float = 0.005,
    **more: Any,
) -> CoherentObjective:
    options = SWDLoss(coherence=strength, coherence_tolerance=tolerance, **more)
    return CoherentObjective(inner or Nothing(), options, references, weights)


def pull_of(objective: CoherentObjective, image: Tensor, seed: int = 0) -> Pull:
    generator = seeded(seed)
    objective(image, generator)
    return objective.pulls[generator]


@pytest.fixture
def every_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    """All patches are looked up, so that nothing is random."""
    monkeypatch.setattr(coherence, "SPACING", 1)


def brute(
    references: list[Tensor],
    image: Tensor,
    border: str = "free",
    tolerance: float = 0.005,
    keys: Tensor | None = None,
    queries: Tensor | None = None,
) -> Pull:
    """The pull of all patches, by comparing all pairs; `keys` and `queries` leave some out."""
    wrapped = wrap(image, PATCH, border)
    rows, columns = patch_grid(size_of(wrapped), PATCH, 1)
    own, theirs = all_patches([wrapped], PATCH), all_patches(references, PATCH)
    theirs = theirs if keys is None else theirs[keys]
    pairs = torch.cdist(own.double(), theirs.double(), compute_mode="donot_use_mm_for_euclid_dist")
    distance, best = (pairs.square() / own.shape[1]).float().min(1)
    weight = (1 - tolerance / distance.clamp(min=1e-12)).clamp(min=0).view(rows, columns)
    if border in ("free", "circular x"):
        weight[0] = weight[-1] = 1
    if border in ("free", "circular y"):
        weight[:, 0] = weight[:, -1] = 1
    weight, count = weight.flatten(), torch.ones(rows * columns)
    if queries is not None:
        weight, count = weight * queries, count * queries
    area = (PATCH**2, 1)
    sums, totals, counts = (
        wrap_adjoint(F.fold(x[None], size_of(wrapped), PATCH), PATCH, border)
        for x in ((weight[:, None] * theirs[best]).T, weight.expand(area[0], -1), count.to(own).expand(area[0], -1))
    )
    return Pull(sums / totals.clamp(min=1e-12), totals / counts.clamp(min=1))


def assert_same(found: Pull, expected: Pull) -> None:
    assert torch.allclose(found.weight, expected.weight, atol=1e-4)
    assert torch.allclose(found.target * found.weight, expected.target * expected.weight, atol=1e-4)


REFERENCE, IMAGE = picture(23, 26, seed=1), picture(24, 27, seed=2)
BORDERS = ["free", "circular", "circular x", "circular y"]


@pytest.mark.usefixtures("every_patch")
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_the_pull_is_the_weighted_mean_of_the_nearest_patches(border: str, tolerance: float) -> None:
    references = [REFERENCE, picture(15, 31, seed=3)]
    found = pull_of(bound(references, border=border, tolerance=tolerance), IMAGE)
    expected = brute(references, IMAGE, border, tolerance)
    assert found.target.shape == IMAGE.shape
    assert found.weight.shape == (1, 1, 24, 27)
    assert_same(found, expected)
    assert tolerance > 0 or torch.allclose(found.weight, torch.ones(1))


@pytest.mark.usefixtures("every_patch")
@pytest.mark.parametrize("border", BORDERS[1:])
def test_where_a_picture_goes_on_at_the_other_side_it_has_no_border(border: str) -> None:
    """The pull of a rolled picture is the rolled pull."""
    shifts = {"circular": (5, -8), "circular x": (0, 9), "circular y": (10, 0)}[border]
    objective = bound([REFERENCE], border=border, tolerance=0.1)
    still, rolled = pull_of(objective, IMAGE), pull_of(objective, IMAGE.roll(shifts, (2, 3)), 1)
    assert_same(rolled, Pull(*(x.roll(shifts, (2, 3)) for x in (still.target, still.weight))))


@pytest.mark.parametrize(
    ("border", "rows", "columns"),
    [
        ("free", True, True),
        ("circular", False, False),
        ("circular x", True, False),
        ("circular y", False, True),
    ],
)
def test_what_is_near_enough_is_drawn_at_the_border_only(border: str, rows: bool, columns: bool) -> None:
    tile = picture(24, 27, seed=1)
    image = tile + noise(tile, 0.03)
    pull = pull_of(bound([tile.repeat(1, 1, 2, 2)], border=border, tolerance=0.005), image)
    weight = pull.weight[0, 0]
    assert not weight[PATCH:-PATCH, PATCH:-PATCH].any()
    assert bool(weight[[0, -1]].min() > 0) is rows
    assert bool(weight[:, [0, -1]].min() > 0) is columns
    assert bool(weight.any()) is (rows or columns)


def test_less_tolerance_draws_harder() -> None:
    image = REFERENCE + noise(REFERENCE, 0.2)
    weights = [pull_of(bound([REFERENCE], tolerance=t), image).weight for t in (0.0, 0.01, 0.02, 4.0)]
    inside = [float(weight[..., PATCH:-PATCH, PATCH:-PATCH].mean()) for weight in weights]
    assert inside[0] == 1
    assert inside[0] > inside[1] > inside[2] > inside[3] == 0


@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_value_and_gradient_are_those_of_the_sum(strength: float) -> None:
    reference, image = REFERENCE.double(), IMAGE.double()
    objective, generator = bound([reference], Bowl(), strength=strength), seeded()
    value, gradient = objective(image, generator)
    pull = objective.pulls[generator]
    expected = image.square().mean() + strength * (pull.weight * (image - pull.target) ** 2).mean()
    assert float(value) == pytest.approx(float(expected), rel=1e-9)
    for seed in range(3):
        way = noise(image, 1.0, seed)
        values = [float(objective(image + step * way, generator)[0]) for step in (-0.5, 0.5)]
        # A quadratic function between two searches: differences are exact.
        assert values[1] - values[0] == pytest.approx(float((gradient * way).sum()), rel=1e-9)
    assert objective.pulls[generator] is pull


def test_the_reference_itself_is_not_drawn() -> None:
    for image in (REFERENCE, REFERENCE[..., 2:, 3:]):
        value, gradient = bound([REFERENCE], Bowl())(image, seeded())
        expected, slope = Bowl()(image, seeded())
        assert float(value) == pytest.approx(float(expected), rel=1e-6)
        assert torch.allclose(gradient, slope, atol=1e-9)


def test_it_is_left_out_where_it_has_no_effect_and_where_the_layout_is_found() -> None:
    def kind(*sizes: tuple[int, int], size: tuple[int, int] = (70, 70), **options: Any) -> type:
        return type(SWDLoss(num_proj=2, small_patches=0.0, **options).bind([picture(*each) for each in sizes], size))

    assert kind((64, 80)) is CoherentObjective
    assert kind((64, 80), solver="exact") is CoherentObjective
    assert kind((64, 80), coherence=0.0) is HistogramObjective
    assert kind((64, 80), coherence=0.0, solver="exact") is ExactObjective
    assert kind((63, 80)) is HistogramObjective
    assert kind((80, 63)) is HistogramObjective
    assert kind((64, 80), (80, 63)) is HistogramObjective
    assert kind((64, 80), size=(7, 70)) is CoherentObjective
    assert kind((64, 80), size=(6, 70), patch_size=3) is HistogramObjective
    assert LEAST_SIDE == 64


def test_the_sum_has_the_value_of_the_other_objective_and_what_the_pull_adds() -> None:
    reference, image = picture(64, 66, seed=1), picture(64, 66, seed=2)
    loss = SWDLoss(num_proj=4, coherence=0.7)
    objective, plain = (each.bind([reference], (64, 66)) for each in (loss, SWDLoss(num_proj=4, coherence=0.0)))
    generator = seeded()
    results = []
    for each in (objective, plain):
        each.advance()
        results.append(each(image, generator))
    assert isinstance(objective, CoherentObjective)
    pull = objective.pulls[generator]
    away = image - pull.target
    assert float(results[0][0] - results[1][0]) == pytest.approx(0.7 * float((pull.weight * away**2).mean()), rel=1e-3)
    expected = results[1][1] + 2 * 0.7 * pull.weight * away / image.numel()
    assert torch.allclose(results[0][1], expected, rtol=1e-4, atol=1e-9)


def test_both_advance_together() -> None:
    inner = Nothing()
    objective = bound([REFERENCE], inner)
    for _ in range(3):
        objective.advance()
    assert inner.advances == 3


def roughness(image: Tensor, reference: Tensor) -> float:
    return float(nearest(all_patches([image], PATCH), all_patches([reference], PATCH)).distance.mean())


@pytest.mark.parametrize("border", ["free", "circular"])
def test_drawn_alone_a_noisy_picture_becomes_coherent(border: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coherence, "EVERY", 3)
    tile = picture(24, 27, seed=1)
    reference = tile.repeat(1, 1, 2, 2)
    image = tile + noise(tile, 0.3)
    before, outer = roughness(image, reference), roughness(image[..., :PATCH, :], reference)
    objective, generator = bound([reference], border=border, tolerance=0.001), seeded()
    for _ in range(15):
        image = image - 0.3 * image.numel() * objective(image, generator)[1]
    assert roughness(image, reference) < 0.1 * before
    assert roughness(image[..., :PATCH, :], reference) < 0.1 * outer


def test_every_output_has_its_own_pull() -> None:
    images = [IMAGE, picture(24, 27, seed=3)]
    alone = []
    for number, image in enumerate(images):
        objective, generator = bound([REFERENCE]), seeded(number)
        alone.append([objective(image + 0.01 * i, generator) for i in range(3)])
    for order in ((0, 1), (1, 0)):
        objective, generators = bound([REFERENCE]), [seeded(0), seeded(1)]
        for i in range(3):
            for number in order:
                value, gradient = objective(images[number] + 0.01 * i, generators[number])
                assert torch.equal(value, alone[number][i][0])
                assert torch.equal(gradient, alone[number][i][1])


def test_patches_are_looked_up_at_the_first_step_and_then_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Tensor] = []
    search = PatchSearch.places

    def places(self: PatchSearch, image: Tensor, row: Tensor, column: Tensor) -> Any:
        searched.append(image)
        return search(self, image, row, column)

    monkeypatch.setattr(PatchSearch, "places", places)
    objective, first, second = bound([REFERENCE]), seeded(0), seeded(1)
    for i in range(2 * EVERY + 1):
        objective(IMAGE + i, first)
        assert len(searched) == 1 + i // EVERY
        assert torch.equal(searched[-1], IMAGE + i // EVERY * EVERY)
    objective(IMAGE, second)
    assert len(searched) == 4


@pytest.mark.parametrize("grid", [(18, 21), (1, 30), (2, 3), (19, 20)])
def test_enough_patches_are_looked_up_and_others_each_time(grid: tuple[int, int]) -> None:
    objective, generator = bound([REFERENCE]), seeded()
    height, width = (side + PATCH - 1 for side in grid)
    seen = set()
    for _ in range(10):
        chosen = objective._chosen(grid, generator, torch.device("cpu"))
        seen |= set(zip(chosen.row.tolist(), chosen.column.tolist(), strict=True))
        covers = torch.zeros(height, width)
        for row, column in zip(chosen.row, chosen.column, strict=True):
            covers[row : row + PATCH, column : column + PATCH] += 1
        assert covers.min() >= 1
        if min(grid) > 4:
            assert covers[3:-3, 3:-3].min() >= 4
            assert len(chosen.row) < grid[0] * grid[1] / 4
    for _ in range(100):
        chosen = objective._chosen(grid, generator, torch.device("cpu"))
        seen |= set(zip(chosen.row.tolist(), chosen.column.tolist(), strict=True))
    assert len(seen) == grid[0] * grid[1]


@pytest.mark.usefixtures("every_patch")
def test_references_that_are_masked_are_not_used() -> None:
    left, right = picture(23, 26, seed=1), picture(23, 26, seed=2)
    grids = [torch.zeros(patch_grid(size_of(x), PATCH, 1)) for x in (left, right)]
    grids[0][:, :9] = 0.5
    grids[1][3] = 2.0
    found = pull_of(bound([left, right], weights=PatchWeights(tuple(grids))), right)
    allowed = torch.cat([mask.flatten() for mask in grids]) > 0
    assert_same(found, brute([left, right], right, keys=allowed))
    only = pull_of(bound([left[..., : 9 + PATCH - 1]]), right)
    grids[1][3] = 0.0
    assert_same(pull_of(bound([left, right], weights=PatchWeights(tuple(grids))), right), only)


@pytest.mark.usefixtures("every_patch")
def test_outputs_that_are_masked_are_not_drawn() -> None:
    mass = torch.zeros(18, 21)
    mass[:, 12:] = 0.1
    found = pull_of(bound([REFERENCE], weights=PatchWeights(output=mass)), IMAGE)
    assert not found.weight[..., :12].any()
    assert found.weight[..., 12:].min() > 0
    assert_same(found, brute([REFERENCE], IMAGE, queries=mass.flatten() > 0))
    value, gradient = bound([REFERENCE], weights=PatchWeights(output=mass * 0))(IMAGE, seeded())
    assert float(value) == 0
    assert not gradient.any()


def test_weights_of_other_patches_are_not_those_that_are_drawn() -> None:
    weights = PatchWeights((torch.zeros(21, 24),), torch.zeros(22, 25))
    found, expected = (pull_of(bound([REFERENCE], weights=w, patch_size=3), IMAGE) for w in (weights, None))
    assert torch.equal(found.target, expected.target)
    assert torch.equal(found.weight, expected.weight)


def test_a_level_with_weights_has_them_in_its_pull() -> None:
    reference, mass = picture(64, 66, seed=1), torch.zeros(58, 60)
    mass[:, 30:] = 1
    loss = SWDLoss(num_proj=2)
    objective = loss.bind([reference], (64, 66), weights=PatchWeights((mass,), mass))
    objective.advance()
    assert isinstance(objective, CoherentObjective)
    assert objective.search.allowed is not None
    assert len(objective.search.allowed) == 58 * 30
    assert not pull_of(objective, picture(64, 66, seed=2)).weight[..., :30].any()


def test_the_curvature_is_that_of_a_pull_at_its_hardest() -> None:
    objective = bound([REFERENCE], Bowl(), strength=0.6, tolerance=0.0)
    curvature = objective.curvature()
    assert curvature.shape == (1, 1, 24, 27)
    assert torch.allclose(curvature, torch.full_like(curvature, 0.25 + 2 * 0.6 / IMAGE.numel()))
    alone, generator = bound([REFERENCE], strength=0.6, tolerance=0.0), seeded()
    _, gradient = alone(IMAGE, generator)
    assert torch.allclose(IMAGE - gradient / alone.curvature(), alone.pulls[generator].target, atol=1e-4)


PYRAMID = PyramidSchedule(coarse_dim=64)


def test_newton_goes_with_it() -> None:
    reference = picture(64, 66, seed=1)
    loss, optimizer = SWDLoss(num_proj=8, coherence=0.05), Optimizer(method="newton", num_steps=8)
    result = synthesize(reference, loss=loss, optimizer=optimizer, pyramid=PYRAMID)
    assert result.losses[0][0, -1] < 0.5 * result.losses[0][0, 0]


@pytest.mark.parametrize("border", ["free", "circular"])
def test_a_seed_is_the_same_picture_alone_and_with_others(border: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coherence, "EVERY", 2)
    reference = picture(64, 66, seed=1)

    def run(seed: int, number: int = 1, strength: float = 0.1) -> Tensor:
        loss = SWDLoss(num_proj=2, coherence=strength, border=border)
        optimizer = Optimizer(num_steps=4)
        return synthesize(
            reference, seed=seed, num_outputs=number, loss=loss, optimizer=optimizer, pyramid=PYRAMID
        ).images

    both = run(3, 2)
    assert torch.equal(both, torch.cat([run(3), run(4)]))
    assert torch.equal(both[:1], run(3))
    assert not torch.equal(both[:1], run(3, strength=0.0))


def test_pictures_may_lie_in_memory_as_they_like() -> None:
    start = picture(66, 64, seed=2).mT
    pyramid, optimizer = PyramidSchedule(coarse_dim=64), Optimizer(num_steps=2)
    loss = SWDLoss(num_proj=2, coherence=1.0)
    found, expected = (
        synthesize(picture(64, 66), init=init, loss=loss, pyramid=pyramid, optimizer=optimizer).images
        for init in (start, start.contiguous())
    )
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_soft_picture_is_drawn_to_sharp_patches() -> None:
    """What it is for: blurring takes power away, and the pull gives it back."""
    soft = gaussian_blur(REFERENCE, 1.0)
    target = pull_of(bound([REFERENCE], tolerance=0.0), soft).target
    assert target.diff(dim=3).square().mean() > 1.3 * soft.diff(dim=3).square().mean()
