"""Coherence: which patches are attracted, to which target, with which weight, and which are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm import (
    Canvas,
    Coherence,
    Optimizer,
    OutputState,
    PyramidSchedule,
    Reference,
    SWDLoss,
    as_references,
    bind,
    synthesize,
    value_and_gradient,
)
from gpdm.borders import BORDERS, continues, gaussian_blur, patch_weights, wrap, wrap_adjoint_
from gpdm.images import size_of
from gpdm.losses.base import SumObjective
from gpdm.losses.coherence import COHERENCE_PATCH, CoherenceObjective, CoherenceTarget
from gpdm.losses.swd_binned import BinnedObjective
from gpdm.losses.swd_sorted import SortedObjective
from gpdm.optimizers.newton import hessian_diagonal
from gpdm.patches.lattice import Lattice
from gpdm.patches.linear import patch_grid
from gpdm.patches.nearest import all_patches, nearest
from gpdm.patches.search import Matches, PatchSearch
from library.problems import evaluated, objective_of, picture
from library.terms import TermsLoss, with_coherence

P = COHERENCE_PATCH


@dataclass
class QuadraticObjective:
    """The mean square of an image as an objective, which records the arguments of `sample`."""

    samples: list[tuple[int, OutputState]] = field(default_factory=list)
    backend = "torch"
    capturable = True

    def sample(self, image: Tensor, step: int, state: OutputState) -> None:
        del image
        self.samples.append((step, state))

    def evaluate(self, image: Tensor, sample: None, into: Tensor) -> Tensor:
        del sample
        into.add_(image, alpha=2 / image.numel())
        return image.square().mean()


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def noise(like: Tensor, sigma: float, seed: int = 9) -> Tensor:
    return sigma * torch.randn(like.shape, generator=seeded(seed)).to(like)


def state_of(seed: int = 0) -> OutputState:
    return OutputState(seeded(seed))


def bound(
    references: Sequence[Tensor | Reference],
    *,
    size: tuple[int, int] = (24, 27),
    border: str = "free",
    weight: Tensor | None = None,
    strength: float = 1.0,
    tolerance: float = 0.005,
    **fields: int,
) -> CoherenceObjective:
    """The objective of coherence alone, for outputs of `size` with pixels of this weight."""
    canvas = Canvas(size=size, border=border, weight=weight)
    return Coherence(tolerance=tolerance, **fields).bind(as_references(references), canvas, 2**30, strength)


def target_of(objective: CoherenceObjective, image: Tensor, seed: int = 0) -> CoherenceTarget:
    return objective.sample(image, 0, state_of(seed))


ALL_PATCHES = {"spacing": 1}
"""All patches are looked up, so that the target is not random."""


def brute(
    references: list[Tensor],
    image: Tensor,
    border: str = "free",
    tolerance: float = 0.005,
    keys: Tensor | None = None,
    queries: Tensor | None = None,
) -> CoherenceTarget:
    """The target of all patches, by comparing all pairs; `keys` and `queries` are masks of the patches to use."""
    wrapped = wrap(image, P, border)
    rows, columns = patch_grid(size_of(wrapped), P, 1)
    query_patches, key_patches = all_patches([wrapped], P), all_patches(references, P)
    key_patches = key_patches if keys is None else key_patches[keys]
    pairs = torch.cdist(query_patches.double(), key_patches.double(), compute_mode="donot_use_mm_for_euclid_dist")
    distance, best = (pairs.square() / query_patches.shape[1]).float().min(1)
    weight = (1 - tolerance / distance.clamp(min=1e-12)).clamp(min=0).view(rows, columns)
    if border in ("free", "circular x"):
        weight[0] = weight[-1] = 1
    if border in ("free", "circular y"):
        weight[:, 0] = weight[:, -1] = 1
    weight, count = weight.flatten(), torch.ones(rows * columns)
    if queries is not None:
        weight, count = weight * queries, count * queries
    sums, totals, counts = (
        wrap_adjoint_(F.fold(x[None], size_of(wrapped), P), P, border)
        for x in (
            (weight[:, None] * key_patches[best]).T,
            weight.expand(P**2, -1),
            count.to(weight).expand(P**2, -1),
        )
    )
    return CoherenceTarget(sums / totals.clamp(min=1e-12), totals / counts.clamp(min=1))


def assert_same(found: CoherenceTarget, expected: CoherenceTarget) -> None:
    assert torch.allclose(found.weight, expected.weight, atol=1e-4)
    assert torch.allclose(found.target * found.weight, expected.target * expected.weight, atol=1e-4)


REFERENCE, IMAGE = picture(23, 26, seed=1), picture(24, 27, seed=2)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([(64, 90)], 0.02), ([(50, 64)], 0.02), ([(128, 200)], 0.01), ([(256, 256), (300, 160)], 0.008)],
)
def test_the_tolerance_falls_with_the_shorter_side_of_the_smallest_reference(
    sizes: list[tuple[int, int]], expected: float
) -> None:
    references = [picture(*size) for size in sizes]
    assert bound(references, tolerance=0.02, min_side=64).tolerance == pytest.approx(expected)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("tolerance", [0.0, 0.1])
def test_the_target_is_the_weighted_mean_of_the_nearest_patches(border: str, tolerance: float) -> None:
    references = [REFERENCE, picture(15, 31, seed=3)]
    found = target_of(bound(references, border=border, tolerance=tolerance, **ALL_PATCHES), IMAGE)
    expected = brute(references, IMAGE, border, tolerance)
    assert found.target.shape == IMAGE.shape
    assert found.weight.shape == (1, 1, 24, 27)
    assert_same(found, expected)
    assert tolerance > 0 or torch.allclose(found.weight, torch.ones(1))


@pytest.mark.parametrize(
    ("border", "shifts"),
    [
        ("circular", (5, -8)),
        ("circular x", (0, 9)),
        ("circular y", (10, 0)),
        ("half drop", (5, 0)),
        ("brick", (0, -8)),
    ],
)
def test_the_target_of_a_rolled_image_is_the_rolled_target_where_it_wraps(border: str, shifts: tuple) -> None:
    objective = bound([REFERENCE], border=border, tolerance=0.1, **ALL_PATCHES)
    original, rolled = target_of(objective, IMAGE), target_of(objective, IMAGE.roll(shifts, (2, 3)), 1)
    assert_same(rolled, CoherenceTarget(*(x.roll(shifts, (2, 3)) for x in (original.target, original.weight))))


@pytest.mark.parametrize(
    ("border", "rows", "columns"),
    [
        ("free", True, True),
        ("circular", False, False),
        ("circular x", True, False),
        ("circular y", False, True),
    ],
)
def test_patches_within_the_tolerance_are_attracted_only_at_free_borders(
    border: str, rows: bool, columns: bool
) -> None:
    tile = picture(24, 27, seed=1)
    image = tile + noise(tile, 0.03)
    weight = target_of(bound([tile.repeat(1, 1, 2, 2)], border=border, tolerance=0.005), image).weight[0, 0]
    assert not weight[P:-P, P:-P].any()
    assert bool(weight[[0, -1]].min() > 0) is rows
    assert bool(weight[:, [0, -1]].min() > 0) is columns
    assert bool(weight.any()) is (rows or columns)


def test_less_tolerance_gives_higher_weights() -> None:
    image = REFERENCE + noise(REFERENCE, 0.2)
    weights = [
        target_of(bound([REFERENCE], size=size_of(image), tolerance=t), image).weight for t in (0.0, 0.01, 0.02, 4.0)
    ]
    inside = [float(weight[..., P:-P, P:-P].mean()) for weight in weights]
    assert inside[0] == 1
    assert inside[0] > inside[1] > inside[2] > inside[3] == 0


@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_value_and_gradient_in_a_sum(strength: float) -> None:
    reference, image = REFERENCE.double(), IMAGE.double()
    objective, state = SumObjective([QuadraticObjective(), bound([reference], strength=strength)]), state_of()
    target = objective.sample(image, 0, state)[1]
    value, gradient = value_and_gradient(objective, image, 1, state)
    expected = image.square().mean() + strength * (target.weight * (image - target.target) ** 2).mean()
    assert float(value) == pytest.approx(float(expected), rel=1e-9)
    for seed in range(3):
        direction = noise(image, 1.0, seed)
        values = [float(value_and_gradient(objective, image + step * direction, 2, state)[0]) for step in (-0.5, 0.5)]
        # The function is quadratic between two searches, so that central differences are exact.
        assert values[1] - values[0] == pytest.approx(float((gradient * direction).sum()), rel=1e-9)
    assert objective.sample(image, 3, state)[1] is target


@pytest.mark.parametrize("border", ["free", "circular"])
def test_value_and_gradient_are_means_weighted_by_the_output(border: str) -> None:
    image, weight = IMAGE.double(), torch.rand(1, 1, 24, 27, generator=seeded(), dtype=torch.float64)
    objective, state = bound([REFERENCE.double()], strength=0.7, border=border, weight=weight), state_of()
    leaf, target = image.clone().requires_grad_(), objective.sample(image, 0, state)
    plain = target_of(bound([REFERENCE.double()], border=border), image)
    assert torch.allclose(target.weight, plain.weight * weight)
    expected = 0.7 * (plain.weight * weight * (leaf - plain.target) ** 2).sum() / (3 * weight.sum())
    expected.backward()
    value, gradient = value_and_gradient(objective, image, 1, state)
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-9)
    assert leaf.grad is not None
    assert torch.allclose(gradient, leaf.grad)


@pytest.mark.parametrize("image", [REFERENCE, REFERENCE[..., 2:, 3:]], ids=["reference", "crop"])
def test_the_reference_itself_is_not_attracted(image: Tensor) -> None:
    objective = SumObjective([QuadraticObjective(), bound([REFERENCE], size=size_of(image))])
    value, gradient = evaluated(objective, image)
    expected, expected_gradient = evaluated(QuadraticObjective(), image)
    assert float(value) == pytest.approx(float(expected), rel=1e-6)
    assert torch.allclose(gradient, expected_gradient, atol=1e-9)


@pytest.mark.parametrize(
    ("sizes", "size", "options", "distance", "attracts"),
    [
        ([(64, 80)], (70, 70), {}, BinnedObjective, True),
        ([(64, 80)], (70, 70), {"solver": "exact"}, SortedObjective, True),
        ([(64, 80)], (70, 70), {"coherence": 0.0}, BinnedObjective, False),
        ([(64, 80)], (70, 70), {"coherence": 0.0, "solver": "exact"}, SortedObjective, False),
        ([(63, 80)], (70, 70), {}, BinnedObjective, False),
        ([(80, 63)], (70, 70), {}, BinnedObjective, False),
        ([(64, 80), (80, 63)], (70, 70), {}, BinnedObjective, False),
        ([(64, 80)], (7, 70), {}, BinnedObjective, True),
        ([(64, 80)], (6, 70), {"patch_size": 3}, BinnedObjective, False),
    ],
)
def test_coherence_is_bound_only_with_a_weight_and_at_large_levels(
    sizes: list[tuple[int, int]], size: tuple[int, int], options: dict, distance: type, attracts: bool
) -> None:
    loss = SWDLoss(num_proj=2, small_patches=0.0, **options)
    objective = objective_of(loss, [picture(*reference_size) for reference_size in sizes], size)
    parts = objective.parts if isinstance(objective, SumObjective) else (objective,)
    assert [type(part) for part in parts] == [distance] + [CoherenceObjective] * attracts


def test_coherence_adds_to_the_value_and_gradient_of_the_distance() -> None:
    reference, image = picture(64, 66, seed=1), picture(64, 66, seed=2)
    loss = SWDLoss(num_proj=4, coherence=0.7)
    objective = objective_of(loss, [reference], (64, 66))
    plain = objective_of(SWDLoss(num_proj=4, coherence=0.0), [reference], (64, 66))
    assert isinstance(objective, SumObjective)
    assert isinstance(objective.parts[-1], CoherenceObjective)
    target = objective.sample(image, 0, state_of())[-1]
    (value, gradient), (distance, distance_gradient) = evaluated(objective, image), evaluated(plain, image)
    difference = image - target.target
    added = 0.7 * float((target.weight * difference**2).mean())
    assert float(value - distance) == pytest.approx(added, rel=1e-3)
    expected = distance_gradient + 2 * 0.7 * target.weight * difference / image.numel()
    assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-9)


def test_the_parts_of_a_sum_are_sampled_at_the_same_step_with_their_own_states() -> None:
    first, second = QuadraticObjective(), QuadraticObjective()
    objective, state = SumObjective([first, bound([REFERENCE]), second]), state_of()
    for step in range(3):
        objective.sample(IMAGE, step, state)
    for part in (first, second):
        assert [step for step, _ in part.samples] == [0, 1, 2]
        part_state = part.samples[0][1]
        assert part_state.generator is state.generator
        assert all(other is part_state for _, other in part.samples)
    assert first.samples[0][1] is not second.samples[0][1]
    assert state.part(1).remembered is not None


def roughness(image: Tensor, reference: Tensor) -> float:
    return float(nearest(all_patches([image], P), all_patches([reference], P)).distance.mean())


@pytest.mark.parametrize("border", ["free", "circular"])
def test_descent_on_coherence_alone_makes_a_noisy_image_coherent(border: str) -> None:
    tile = picture(24, 27, seed=1)
    reference = tile.repeat(1, 1, 2, 2)
    image = tile + noise(tile, 0.3)
    before, outer = roughness(image, reference), roughness(image[..., :P, :], reference)
    objective, state = bound([reference], border=border, tolerance=0.001, search_every=3), state_of()
    for step in range(15):
        image = image - 0.3 * image.numel() * value_and_gradient(objective, image, step, state)[1]
    assert roughness(image, reference) < 0.1 * before
    assert roughness(image[..., :P, :], reference) < 0.1 * outer


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_every_output_has_its_own_target(order: tuple[int, int]) -> None:
    images = [IMAGE, picture(24, 27, seed=3)]
    alone = []
    for number, image in enumerate(images):
        objective, state = bound([REFERENCE]), state_of(number)
        alone.append([value_and_gradient(objective, image + 0.01 * i, i, state) for i in range(3)])
    objective, states = bound([REFERENCE]), [state_of(0), state_of(1)]
    for i in range(3):
        for number in order:
            value, gradient = value_and_gradient(objective, images[number] + 0.01 * i, i, states[number])
            assert torch.equal(value, alone[number][i][0])
            assert torch.equal(gradient, alone[number][i][1])


def test_patches_are_searched_at_the_first_step_and_then_every_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Tensor] = []
    search = PatchSearch.nearest

    def nearest(self: PatchSearch, image: Tensor, lattice: Lattice, last: Tensor | None) -> Matches:
        searched.append(image)
        return search(self, image, lattice, last)

    monkeypatch.setattr(PatchSearch, "nearest", nearest)
    objective, first, second = bound([REFERENCE]), state_of(0), state_of(1)
    every = Coherence().search_every
    for i in range(2 * every + 1):
        objective.sample(IMAGE + i, i, first)
        assert len(searched) == 1 + i // every
        assert torch.equal(searched[-1], IMAGE + i // every * every)
    objective.sample(IMAGE, 0, second)
    assert len(searched) == 4
    objective.sample(IMAGE, 0, first)  # an earlier step than that of the last search
    assert len(searched) == 5


@pytest.mark.parametrize(
    ("grid", "border"),
    [
        *(((18, 21), border) for border in BORDERS),
        *(((19, 20), border) for border in BORDERS),
        ((1, 30), "free"),
        ((1, 30), "circular x"),
        ((2, 3), "free"),
    ],
)
def test_the_looked_up_patches_cover_every_pixel_and_change_at_every_search(grid: tuple[int, int], border: str) -> None:
    height, width = (
        number + (P - 1) * (not is_tiled) for number, is_tiled in zip(grid, continues(border), strict=True)
    )
    objective, generator = bound([REFERENCE], border=border), seeded()
    seen = set()
    for _ in range(10):
        corners = objective._lattice(grid, generator, torch.device("cpu")).corners()
        seen |= set(zip(*(x.tolist() for x in corners), strict=True))
        covers = torch.zeros(height, width)
        for row, column in zip(*corners, strict=True):
            rows, columns = torch.arange(P) + row, torch.arange(P) + column
            if border == "mirrored":
                rows, columns = rows - P // 2, columns - P // 2
                rows = torch.where(rows < 0, -1 - rows, torch.where(rows < height, rows, 2 * height - 1 - rows))
                columns = torch.where(columns < 0, -1 - columns, columns)
                columns = torch.where(columns < width, columns, 2 * width - 1 - columns)
            rows, columns = rows % height, columns % width
            covers[rows[:, None], columns] += 1
        assert covers.min() >= 1
        if min(grid) > 4:
            # Across a border that wraps two rows may be further apart.
            assert border != "free" or covers[3:-3, 3:-3].min() >= 4
            assert len(corners[0]) < grid[0] * grid[1] / 4
    for _ in range(100):
        corners = objective._lattice(grid, generator, torch.device("cpu")).corners()
        seen |= set(zip(*(x.tolist() for x in corners), strict=True))
    assert len(seen) == grid[0] * grid[1]


def test_masked_reference_patches_are_not_used() -> None:
    left, right = picture(23, 26, seed=1), picture(23, 26, seed=2)
    maps = [torch.zeros(size_of(x)) for x in (left, right)]
    maps[0][:, : 9 + P - 1] = 0.5
    maps[1][3 : 3 + P] = 2.0
    allowed = [torch.zeros(patch_grid(size_of(x), P, 1), dtype=torch.bool) for x in (left, right)]
    allowed[0][:, :9] = True
    allowed[1][3] = True

    def target(*references: Tensor | Reference) -> CoherenceTarget:
        return target_of(bound(references, size=(23, 26), **ALL_PATCHES), right)

    masked = Reference(left, maps[0])
    expected = brute([left, right], right, keys=torch.cat([mask.flatten() for mask in allowed]))
    assert_same(target(masked, Reference(right, maps[1])), expected)
    only_left = target(left[..., : 9 + P - 1])
    assert_same(target(masked, Reference(right, 0.0)), only_left)
    assert_same(target(masked, Reference(right, maps[1] * 0)), only_left)


@pytest.mark.parametrize("border", BORDERS)
def test_masked_output_pixels_are_not_attracted(border: str) -> None:
    weight = torch.zeros(1, 1, 24, 27)
    weight[..., 12:] = 0.1
    objective = bound([REFERENCE], border=border, weight=weight, **ALL_PATCHES)
    found = target_of(objective, IMAGE)
    assert not found.weight[..., :12].any()
    queries = (patch_weights(weight, P, border) > 0).flatten()
    expected = brute([REFERENCE], IMAGE, border, queries=queries)
    assert_same(found, CoherenceTarget(expected.target, expected.weight * weight))
    if border == "free":
        assert found.weight[..., 12:].min() > 0
    _, gradient = evaluated(objective, IMAGE)
    assert not gradient[..., :12].any()


@pytest.mark.parametrize("patch_size", [3, 7])
def test_weights_apply_with_any_patch_size_of_the_distance(patch_size: int) -> None:
    reference, image = picture(64, 66, seed=1), picture(64, 66, seed=2)
    weight, output = torch.ones(64, 66), torch.ones(1, 1, 64, 66)
    weight[:, 40:], output[..., :20] = 0, 0
    loss = SWDLoss(num_proj=2, patch_size=patch_size, coherence_tolerance=0.005)
    objective = objective_of(loss, [Reference(reference, weight)], (64, 66), weight=output)
    assert isinstance(objective, SumObjective)
    part = objective.parts[-1]
    assert isinstance(part, CoherenceObjective)
    found = target_of(part, image)
    expected = target_of(bound([Reference(reference, weight)], size=(64, 66), weight=output), image)
    assert torch.equal(found.target, expected.target)
    assert torch.equal(found.weight, expected.weight)


def test_weights_of_a_level_apply_to_coherence() -> None:
    weight = torch.zeros(64, 66)
    weight[:, 30:] = 1
    reference = Reference(picture(64, 66, seed=1), weight)
    objective = objective_of(SWDLoss(num_proj=2), [reference], (64, 66), weight=weight[None, None])
    assert isinstance(objective, SumObjective)
    part = objective.parts[-1]
    assert isinstance(part, CoherenceObjective)
    assert part.search.store.number == 58 * 30
    assert not target_of(part, picture(64, 66, seed=2)).weight[..., :30].any()


@pytest.mark.parametrize("weighted", [False, True])
def test_the_hessian_diagonal_is_that_of_weight_1_for_every_pixel(weighted: bool) -> None:
    references, image = as_references(picture(64, 66, seed=1)), picture(64, 66, seed=2)
    weight = torch.rand(1, 1, 64, 66, generator=seeded()) + 0.5 if weighted else None
    canvas, loss = Canvas(size=(64, 66), weight=weight), TermsLoss(((0.6, Coherence(tolerance=0.0)),))
    diagonal = hessian_diagonal(loss, references, canvas)
    assert diagonal.shape == (1, 1, 64, 66)
    relative = torch.ones(1, 1, 64, 66) if weight is None else weight / weight.mean()
    assert torch.allclose(diagonal, 2 * 0.6 / image.numel() * relative)
    objective, state = bind(loss, references, canvas), state_of()
    _, gradient = value_and_gradient(objective, image, 0, state)
    target = objective.sample(image, 1, state).target
    assert torch.allclose(image - gradient / diagonal, target, atol=1e-4)


def test_the_hessian_diagonal_adds_to_that_of_the_distance() -> None:
    references, canvas = as_references(picture(64, 66, seed=1)), Canvas(size=(64, 66))
    both, plain = (hessian_diagonal(SWDLoss(coherence=weight), references, canvas) for weight in (0.6, 0.0))
    assert torch.allclose(both - plain, torch.full_like(plain, 2 * 0.6 / (3 * 64 * 66)), rtol=1e-3)


PYRAMID = PyramidSchedule(coarse_dim=64)


def test_newton_minimises_a_loss_with_coherence() -> None:
    reference = picture(64, 66, seed=1)
    loss, optimizer = SWDLoss(num_proj=8, coherence=0.05), Optimizer(method="newton", num_steps=8)
    result = synthesize(reference, loss=loss, optimizer=optimizer, pyramid=PYRAMID)
    assert result.losses[0][0, -1] < 0.5 * result.losses[0][0, 0]


@pytest.mark.parametrize("border", ["free", "circular"])
def test_the_result_of_a_seed_does_not_depend_on_the_batch_size(border: str) -> None:
    reference = picture(64, 66, seed=1)

    def run(seed: int, number: int = 1, strength: float = 0.1) -> Tensor:
        loss = with_coherence(SWDLoss(num_proj=2, coherence=strength, border=border), search_every=2)
        optimizer = Optimizer(num_steps=4)
        return synthesize(
            reference, seed=seed, num_outputs=number, loss=loss, optimizer=optimizer, pyramid=PYRAMID
        ).images

    both = run(3, 2)
    assert torch.equal(both, torch.cat([run(3), run(4)]))
    assert torch.equal(both[:1], run(3))
    assert not torch.equal(both[:1], run(3, strength=0.0))


def test_the_memory_layout_of_images_has_no_effect() -> None:
    start = picture(66, 64, seed=2).mT
    pyramid, optimizer = PyramidSchedule(coarse_dim=64), Optimizer(num_steps=2)
    loss = SWDLoss(num_proj=2, coherence=1.0)
    found, expected = (
        synthesize(picture(64, 66), init=init, loss=loss, pyramid=pyramid, optimizer=optimizer).images
        for init in (start, start.contiguous())
    )
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_blurred_image_is_attracted_to_sharp_patches() -> None:
    """Blur reduces the power of high frequencies, and coherence restores it."""
    soft = gaussian_blur(REFERENCE, 1.0)
    target = target_of(bound([REFERENCE], tolerance=0.0), soft).target
    assert target.diff(dim=3).square().mean() > 1.3 * soft.diff(dim=3).square().mean()
