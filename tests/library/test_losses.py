"""The loss as an objective: value, gradient, weights, borders, stride, and that dividing the work changes nothing."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gpdm import (
    BidirectionalLoss,
    Canvas,
    ImageError,
    Level,
    Loss,
    OutputState,
    Reference,
    SWDLoss,
    as_references,
    value_and_gradient,
)
from gpdm.borders import wraps
from gpdm.images import size_of
from gpdm.kernels import workspace
from gpdm.kernels.backend import Subsample
from gpdm.kernels.workspace import retry_with_less_memory
from gpdm.losses import reference_cdfs, swd_binned
from gpdm.losses.base import Sum, loss_memory
from gpdm.losses.bidirectional import BidirectionalObjective
from gpdm.losses.coherence import CoherenceObjective
from gpdm.losses.swd import SMALL
from gpdm.losses.swd_binned import BinnedObjective
from gpdm.losses.swd_sorted import SortedObjective
from gpdm.optimizers.newton import hessian_diagonal
from gpdm.patches.filters import draw_filters
from gpdm.transport import binned
from library.problems import evaluated, objective_of, picture

LARGE = {"small_patches": 0.0}
PAPER = {"solver": "exact", "projections": "independent", "distance": "l1", "detail": 0.0, "coherence": 0.0, **LARGE}


def memory_of(loss: Loss, reference: tuple[int, int], output: tuple[int, int]) -> tuple[int, int]:
    """Bytes that one step takes, at least and at best speed, for one reference and an output of these sizes."""
    return loss_memory(loss, Level(0, 1.0, output, (reference,)))


def algorithm_1(reference: torch.Tensor, image: torch.Tensor, filters: torch.Tensor, squared: bool) -> torch.Tensor:
    """Lines 3 to 7 of the paper's Algorithm 1, as they are printed, for images of equal size; differentiable."""
    loss = torch.zeros(())
    for w in filters:
        p = F.conv2d(reference, w[None]).flatten()
        q = F.conv2d(image, w[None]).flatten()
        difference = p.sort().values - q.sort().values
        loss = loss + (difference**2 if squared else difference.abs()).mean() / len(filters)
    return loss


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("projections", ["independent", "orthonormal", "factored"])
def test_exact_value_and_gradient_are_those_of_algorithm_1(distance: str, projections: str) -> None:
    reference, image = picture(seed=1), picture(seed=2)
    loss = SWDLoss(solver="exact", distance=distance, projections=projections, num_proj=8, patch_size=5, **LARGE)
    value, gradient = evaluated(objective_of(loss, [reference], (32, 40)), image, seed=5)
    filters = draw_filters(projections, 8, 3, 5, torch.Generator().manual_seed(5), detail=4).filters()
    leaf = image.clone().requires_grad_()
    expected = algorithm_1(reference, leaf, filters, distance == "l2")
    expected.backward()
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert leaf.grad is not None
    assert torch.allclose(gradient, leaf.grad, rtol=1e-3, atol=1e-7)


def with_same_filters(
    options: dict,
    reference: torch.Tensor | Reference,
    image: torch.Tensor,
    monkeypatch: pytest.MonkeyPatch,
    weight: torch.Tensor | None = None,
):
    """(value, gradient) of both solvers with the same filters."""
    results = []
    for solver in ("histogram", "exact"):
        monkeypatch.setattr(reference_cdfs, "bin_count", lambda values, distance: 2048)
        monkeypatch.setattr(reference_cdfs, "SETS_PER_SAMPLE", 1)
        loss = SWDLoss(solver=solver, reuse=1, **LARGE, **options)
        # The binned objective samples filters with seed 0, and so does the exact one here, one set at a time.
        results.append(evaluated(objective_of(loss, [reference], size_of(image), weight=weight), image, seed=0))
    return results


@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
@pytest.mark.parametrize(("distance", "projections"), [("l1", "factored"), ("l1", "independent"), ("l2", "factored")])
def test_histograms_agree_with_sorting(
    distance: str, projections: str, border: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"distance": distance, "projections": projections, "border": border, "num_proj": 32}
    reference, image = picture(60, 70, seed=1), picture(50, 64, seed=2)
    (value, gradient), (expected, slope) = with_same_filters(options, reference, image, monkeypatch)
    # Output values beyond the reference's ends count as if they lay there, so the value is a little lower.
    assert float(expected) * 0.9 < float(value) < float(expected) * 1.005
    assert F.cosine_similarity(gradient.flatten(), slope.flatten(), 0) > 0.99
    assert float(gradient.norm()) == pytest.approx(float(slope.norm()), rel=0.04)


@pytest.mark.parametrize("channels", [1, 4, 7])
def test_histograms_with_any_number_of_channels(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, image = picture(40, 50, channels, seed=1), picture(40, 50, channels, seed=2)
    (value, gradient), (expected, slope) = with_same_filters({"num_proj": 16}, reference, image, monkeypatch)
    # Output values beyond the reference's ends count as if they lay there, so the value is a little lower.
    assert float(expected) * 0.9 < float(value) < float(expected) * 1.005
    assert F.cosine_similarity(gradient.flatten(), slope.flatten(), 0) > 0.99


def test_many_projections_are_taken_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, image = picture(30, 30, seed=1), picture(30, 30, seed=2)
    loss = SWDLoss(num_proj=300, reuse=1)
    value, gradient = evaluated(objective_of(loss, [reference], (30, 30)), image)
    few = [evaluated(objective_of(SWDLoss(num_proj=100, reuse=1), [reference], (30, 30)), image)]
    assert float(value) == pytest.approx(float(few[0][0]), rel=0.2)
    assert F.cosine_similarity(gradient.flatten(), few[0][1].flatten(), 0) > 0.8


@pytest.mark.parametrize("border", ["free", "circular x"])
@pytest.mark.parametrize("stride", [1, 2])
def test_memory_changes_no_bit(border: str, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held or computed twice, in one piece or in many: the same picture."""
    reference, image = picture(70, 90, seed=1), picture(64, 80, seed=2)
    loss = SWDLoss(num_proj=64, stride=stride, border=border, distance="l1", coherence=0.0, **LARGE)
    value, gradient = evaluated(objective_of(loss, [reference], (64, 80)), image)
    tight = objective_of(loss, [reference], (64, 80), memory_of(loss, (70, 90), (64, 80))[0])
    assert tight.workspace.keep_bytes == 0  # type: ignore[attr-defined]
    assert torch.equal(evaluated(tight, image)[1], gradient)
    for block in (2**16, 2**14):
        monkeypatch.setattr(workspace, "BLOCK_VALUES", block)
        in_strips = evaluated(objective_of(loss, [reference], (64, 80)), image)
        assert torch.equal(in_strips[0], value)
        assert torch.equal(in_strips[1], gradient)


def test_chunks_of_sorted_projections_change_nothing_but_rounding() -> None:
    reference, image = picture(seed=1), picture(seed=2)
    loss = SWDLoss(num_proj=7, **PAPER)
    whole = evaluated(objective_of(loss, [reference], (32, 40)), image)
    objective = objective_of(loss, [reference], (32, 40), 3 * memory_of(loss, (32, 40), (32, 40))[0])
    assert objective.chunk == 3  # type: ignore[attr-defined]
    value, gradient = evaluated(objective, image)
    assert float(value) == pytest.approx(float(whole[0]), rel=1e-5)
    assert torch.allclose(gradient, whole[1], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("options", [{}, PAPER])
def test_running_out_of_memory_costs_time_and_nothing_else(
    options: dict, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reference, image = picture(40, 40, seed=1), picture(40, 40, seed=2)
    loss = SWDLoss(num_proj=8, **options)
    expected = evaluated(objective_of(loss, [reference], (40, 40)), image)
    failures = iter([True, True])
    real = F.conv2d

    def scarce(*arguments, **more):
        if next(failures, False):
            raise torch.OutOfMemoryError("not today")
        return real(*arguments, **more)

    objective = objective_of(loss, [reference], (40, 40))
    with caplog.at_level("WARNING"):
        monkeypatch.setattr(F, "conv2d", scarce)
        value, gradient = evaluated(objective, image)
    assert [record.name for record in caplog.records] == ["gpdm.kernels.workspace"] * 2
    assert "out of memory" in caplog.text
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-6)
    assert torch.allclose(gradient, expected[1], rtol=1e-4, atol=1e-8)


def test_other_errors_and_memory_that_never_suffices_go_on() -> None:
    def out() -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    def other() -> None:
        raise RuntimeError("shapes differ")

    reductions = iter(["halves", "halves", None])
    with pytest.raises(RuntimeError, match="allocate"):
        retry_with_less_memory(out, lambda: next(reductions))
    with pytest.raises(RuntimeError, match="shapes differ"):
        retry_with_less_memory(other, lambda: "halves")


def test_weights_leave_out_and_count_again() -> None:
    """A weight of zero leaves a patch out, equal weights change nothing, and twice the weight is the patch twice."""
    reference, image = picture(20, 40, seed=1), picture(20, 30, seed=2)
    loss = SWDLoss(patch_size=1, num_proj=16, reuse=1)
    left = torch.zeros(20, 40)
    left[:, :20] = 1
    half = evaluated(objective_of(loss, [reference[..., :20]], (20, 30)), image)
    weighted = evaluated(objective_of(loss, [Reference(reference, left)], (20, 30)), image)
    assert float(weighted[0]) == pytest.approx(float(half[0]), rel=0.03)
    assert F.cosine_similarity(weighted[1].flatten(), half[1].flatten(), 0) > 0.98
    plain = evaluated(objective_of(loss, [reference], (20, 30)), image)
    alike = objective_of(loss, [Reference(reference, left * 0 + 5)], (20, 30), weight=torch.full((1, 1, 20, 30), 0.3))
    even = evaluated(alike, image)
    assert torch.equal(even[0], plain[0])
    assert torch.allclose(even[1], plain[1], rtol=1e-5, atol=1e-9)
    twice = evaluated(objective_of(loss, [reference, reference[..., :20]], (20, 30)), image)
    boosted = evaluated(objective_of(loss, [Reference(reference, left + 1)], (20, 30)), image)
    assert float(boosted[0]) == pytest.approx(float(twice[0]), rel=0.03)


@pytest.mark.parametrize("solver", ["histogram", "exact"])
def test_only_patches_that_touch_output_weight_have_a_gradient(solver: str) -> None:
    reference, image = picture(30, 30, seed=1), picture(30, 40, seed=2)
    right = torch.zeros(1, 1, 30, 40)
    right[..., 26:] = 1  # patches of 7x7 from column 20 on touch it
    _, gradient = evaluated(objective_of(SWDLoss(solver=solver), [reference], (30, 40), weight=right), image)
    assert (gradient[..., :20] == 0).all()
    assert (gradient[..., 20:] != 0).any()


@pytest.mark.parametrize("border", ["free", "circular"])
@pytest.mark.parametrize(
    ("distance", "projections", "patch_size"),
    [("l1", "factored", 7), ("l1", "independent", 5), ("l2", "factored", 7), ("l2", "orthonormal", 3)],
)
@pytest.mark.parametrize("weigh", ["reference", "output", "both"])
def test_both_solvers_take_weights_and_agree(
    weigh: str, distance: str, projections: str, patch_size: int, border: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"distance": distance, "projections": projections, "border": border, "num_proj": 32}
    reference, image = picture(60, 70, seed=1), picture(50, 64, seed=2)
    g = torch.Generator().manual_seed(3)
    of_reference, of_output = torch.rand(60, 70, generator=g) + 0.1, torch.rand(1, 1, 50, 64, generator=g)
    of_reference[:, :25], of_reference[:, 50:] = 0, 3 * of_reference[:, 50:]
    of_output[..., :30, :] = 0
    both = with_same_filters(
        options | {"patch_size": patch_size},
        reference if weigh == "output" else Reference(reference, of_reference),
        image,
        monkeypatch,
        None if weigh == "reference" else of_output,
    )
    plain = with_same_filters(options | {"patch_size": patch_size}, reference, image, monkeypatch)
    (value, gradient), (expected, slope) = both
    # Output values beyond the reference's ends count as if they lay there, so the value is a little lower.
    assert float(expected) * 0.92 < float(value) < float(expected) * 1.005
    assert F.cosine_similarity(gradient.flatten(), slope.flatten(), 0) > 0.97
    assert float(gradient.norm()) == pytest.approx(float(slope.norm()), rel=0.06)
    assert F.cosine_similarity(slope.flatten(), plain[1][1].flatten(), 0) < 0.99, "the weights make a difference"


@pytest.mark.parametrize("solver", ["exact", "histogram"])
def test_weights_hold_with_a_stride(solver: str) -> None:
    """In the mean over offsets of the grid a strided distance has the gradient of all patches, weighted."""
    reference, image = picture(40, 50, seed=1), picture(40, 50, seed=2)
    g = torch.Generator().manual_seed(3)
    weighted, output = (
        Reference(reference, torch.rand(40, 50, generator=g) + 0.1),
        torch.rand(1, 1, 40, 50, generator=g),
    )
    output[..., :20] *= 0.1

    def mean_gradient(stride: int, steps: int) -> torch.Tensor:
        loss = SWDLoss(solver=solver, stride=stride, num_proj=256, coherence=0.0, **LARGE)
        objective = objective_of(loss, [weighted], (40, 50), weight=output)
        return torch.stack([evaluated(objective, image, seed=i)[1] for i in range(steps)]).mean(0)

    assert F.cosine_similarity(mean_gradient(2, 16).flatten(), mean_gradient(1, 16).flatten(), 0) > 0.98


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_of_a_large_weighted_reference_patches_are_sampled_by_weight(
    distance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference, image = picture(120, 150, seed=1), picture(60, 70, seed=2)
    weight = torch.ones(120, 150)
    weight[:, :75], weight[:33] = 0.2, 0
    loss = SWDLoss(num_proj=32, patch_size=5, distance=distance, coherence=0.0, **LARGE)
    whole = evaluated(objective_of(loss, [Reference(reference, weight)], (60, 70)), image)
    monkeypatch.setattr(reference_cdfs, "REFERENCE_PATCHES", 1500)
    sampled = evaluated(objective_of(loss, [Reference(reference, weight)], (60, 70)), image)
    assert sampled[0] != whole[0]
    assert float(sampled[0]) == pytest.approx(float(whole[0]), rel=0.05)
    assert F.cosine_similarity(sampled[1].flatten(), whole[1].flatten(), 0) > 0.98


@pytest.mark.parametrize("solver", ["exact", "histogram"])
def test_projections_of_two_patch_sizes_count_alike(solver: str) -> None:
    """Value and gradient are the means over all projections, of whichever size."""
    reference, image = picture(seed=1), picture(seed=2)
    whole = objective_of(SWDLoss(solver=solver, num_proj=10, small_patches=0.3), [reference], (32, 40))
    parts = [
        objective_of(SWDLoss(solver=solver, num_proj=number, patch_size=size, **LARGE), [reference], (32, 40))
        for number, size in ((7, 7), (3, SMALL))
    ]
    generator = torch.Generator().manual_seed(3)
    results = [value_and_gradient(part, image, 0, OutputState(generator)) for part in parts]
    value, gradient = evaluated(whole, image, seed=3)
    assert float(value) == pytest.approx(0.7 * float(results[0][0]) + 0.3 * float(results[1][0]), rel=1e-5)
    assert torch.allclose(gradient, 0.7 * results[0][1] + 0.3 * results[1][1], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("options", "sizes"), [({"small_patches": 1.0}, [3]), ({"small_patches": 0.0}, [7])])
def test_one_patch_size_alone(options: dict, sizes: list[int]) -> None:
    reference, image = picture(seed=1), picture(seed=2)
    value, gradient = evaluated(objective_of(SWDLoss(num_proj=6, **options), [reference], (32, 40)), image)
    for other in (3, 7):
        plain = evaluated(objective_of(SWDLoss(num_proj=6, patch_size=other, **LARGE), [reference], (32, 40)), image)
        assert (torch.equal(plain[1], gradient) and torch.equal(plain[0], value)) == (other in sizes)


def test_no_smaller_patches_where_patches_are_small() -> None:
    for size in (1, 2, SMALL):
        objective = objective_of(SWDLoss(patch_size=size), [picture()], (32, 40))
        assert isinstance(objective, BinnedObjective)
        assert objective.number == SWDLoss().num_proj


def test_small_patches_see_the_border() -> None:
    """A corner pixel is in one patch of 7x7 as in one of 3x3, but those of 3x3 hold fewer others."""
    height, width, share = 40, 50, 0.25
    loss, canvas = SWDLoss(num_proj=8, small_patches=share), Canvas(size=(height, width))
    diagonal = hessian_diagonal(loss, as_references(picture()), canvas)[0, 0]
    for row, column, covers in ((0, 0, (1, 1)), (0, 20, (7, 3)), (20, 20, (49, 9))):
        each = [
            covered / (size**2 * (height - size + 1) * (width - size + 1))
            for covered, size in zip(covers, (7, 3), strict=True)
        ]
        expected = 2 / 3 * ((1 - share) * each[0] + share * each[1])
        assert float(diagonal[row, column]) == pytest.approx(expected, rel=1e-5)


def test_weights_hold_for_small_patches() -> None:
    """A patch that touches a pixel of weight 0 does not count; where all pixels count alike, all patches do."""
    loss = SWDLoss(num_proj=4, small_patches=1.0, detail=0.0)
    reference, image = picture(30, 40, seed=1), picture(30, 40, seed=2)
    plain = evaluated(objective_of(loss, [reference], (30, 40)), image)
    even = Reference(reference, torch.full((30, 40), 0.3))
    weighted = evaluated(objective_of(loss, [even], (30, 40), weight=torch.full((1, 1, 30, 40), 7.0)), image)
    assert torch.allclose(plain[1], weighted[1], rtol=1e-4, atol=1e-9)
    left = torch.zeros(30, 40)
    left[:, :20] = 1
    changed = reference.clone()
    changed[..., 20:] = 0.9
    of_left = [
        evaluated(objective_of(loss, [Reference(each, left)], (30, 40)), image)[0] for each in (reference, changed)
    ]
    # The bins span what does not count, too.
    assert float(of_left[0]) == pytest.approx(float(of_left[1]), rel=0.01)
    assert float(evaluated(objective_of(loss, [changed], (30, 40)), image)[0]) > 1.5 * float(of_left[1])


@pytest.mark.parametrize("best", [False, True])
def test_memory_for_two_sizes_is_the_sum_and_is_shared_out(best: bool) -> None:
    loss = SWDLoss(num_proj=64, small_patches=0.25, coherence=0.0)
    parts = [SWDLoss(num_proj=number, patch_size=size, coherence=0.0, **LARGE) for number, size in ((48, 7), (16, 3))]
    sizes = (50, 100), (60, 100)
    needs = [memory_of(part, *sizes) for part in parts]
    assert memory_of(loss, *sizes) == tuple(map(sum, zip(*needs, strict=True)))
    objective = objective_of(loss, [picture(50, 100)], (60, 100), memory_of(loss, *sizes)[best])
    assert isinstance(objective, Sum)
    held = [part.workspace.keep_bytes for part in objective.parts]  # type: ignore[attr-defined]
    assert held == ([most - least for least, most in needs] if best else [0, 0])


def sampled(
    options: dict, image: torch.Tensor, weight: torch.Tensor | None = None, memory_bytes: int = 2**30, seed: int = 0
):
    loss = SWDLoss(num_proj=24, coherence=0.0, **LARGE, **options)
    objective = objective_of(loss, [picture(80, 90, seed=1)], size_of(image), memory_bytes, weight)
    return evaluated(objective, image, seed)


@pytest.mark.parametrize("options", [{}, {"border": "circular"}, {"stride": 2}], ids=str)
def test_of_a_large_output_a_sample_of_the_patches_is_counted(options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(90, 100, seed=2)
    whole = [sampled(options, image, seed=seed) for seed in range(4)]
    monkeypatch.setattr(swd_binned, "COUNTED_PATCHES", 300 if "stride" in options else 600)
    several = [sampled(options, image, seed=seed) for seed in range(4)]
    assert len({float(v) for v, _ in several}) > 1, "the place from which every few are taken is random"
    for (value, gradient), (v, slope) in zip(whole, several, strict=True):
        assert float(v) == pytest.approx(float(value), rel=0.2)
        assert float(v) != float(value)
        assert F.cosine_similarity(slope.flatten(), gradient.flatten(), 0) > 0.95
        assert torch.equal(slope == 0, gradient == 0), "all patches have a gradient, counted or not"
    if "stride" not in options:
        mean = sum(slope for _, slope in several) / 4
        assert F.cosine_similarity(mean.flatten(), whole[0][1].flatten(), 0) > 0.985
    assert torch.equal(sampled(options, image, seed=3)[1], several[3][1])


def test_a_sample_is_one_of_the_patches_of_the_grid() -> None:
    image = torch.arange(20 * 30).reshape(1, 1, 20, 30)
    part, step = Subsample(offset=(1, 2), stride=(3, 4)).of(image, stride=2)
    assert step == (6, 8)
    assert torch.equal(part, image[..., 2:, 4:])
    grid = image[..., ::2, ::2]
    assert set(part[..., :: step[0], :: step[1]].flatten().tolist()) <= set(grid.flatten().tolist())


def test_a_sample_is_not_taken_where_few_patches_may_be_all_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    image, weight = picture(90, 100, seed=2), torch.zeros(1, 1, 90, 100)
    weight[..., 44, 50] = 1
    expected = sampled({}, image, weight)
    monkeypatch.setattr(swd_binned, "COUNTED_PATCHES", 100)
    assert torch.equal(sampled({}, image, weight)[1], expected[1])


def test_memory_changes_no_bit_of_a_sampled_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swd_binned, "COUNTED_PATCHES", 600)
    image = picture(90, 100, seed=2)
    value, gradient = sampled({"distance": "l1"}, image)
    for block in (2**16, 2**13):
        monkeypatch.setattr(workspace, "BLOCK_VALUES", block)
        less = sampled({"distance": "l1"}, image, memory_bytes=2**25)
        assert torch.equal(less[0], value) and torch.equal(less[1], gradient)


@pytest.mark.parametrize(("border", "axis"), [("circular", 2), ("circular", 3), ("circular x", 3), ("circular y", 2)])
@pytest.mark.parametrize("small", [0.0, 1.0])
@pytest.mark.parametrize("solver", ["histogram", "exact"])
def test_where_a_picture_wraps_its_weights_do_too(border: str, axis: int, small: float, solver: str) -> None:
    """Rolled by some pixels, picture and weights have the gradient that they had, rolled."""
    image, weight = picture(20, 24, seed=1), torch.rand(1, 1, 20, 24, generator=torch.Generator().manual_seed(0))
    loss = SWDLoss(num_proj=4, border=border, small_patches=small, solver=solver, coherence=0.0)

    def gradient(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return evaluated(objective_of(loss, [picture(30, 30, seed=2)], (20, 24), weight=weight), image)[1]

    expected = gradient(image, weight).roll(5, axis)
    assert torch.allclose(gradient(image.roll(5, axis), weight.roll(5, axis)), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
@pytest.mark.parametrize("pixel", [(7, 10), (0, 1), (19, 23)])
@pytest.mark.parametrize("solver", ["histogram", "exact"])
def test_one_pixel_that_counts_moves_the_patches_that_hold_it(border: str, pixel: tuple[int, int], solver: str) -> None:
    weight = torch.zeros(1, 1, 20, 24)
    weight[(..., *pixel)] = 1
    loss = SWDLoss(num_proj=16, border=border, small_patches=1.0, solver=solver, coherence=0.0)
    objective = objective_of(loss, [picture(30, 30, seed=2)], (20, 24), weight=weight)
    size = evaluated(objective, picture(20, 24, seed=1))[1].abs().amax(1)[0]
    moved = size > (1e-9 * size.max() if solver == "exact" else 0)
    lines = []
    for place, side, around in zip(pixel, (20, 24), wraps(border), strict=True):
        line = torch.zeros(side, dtype=torch.bool)
        for start in range(place - SMALL + 1, place + 1):
            if around or 0 <= start <= side - SMALL:
                line[torch.arange(start, start + SMALL) % side] = True
        lines.append(line)
    assert torch.equal(moved, lines[0][:, None] & lines[1])


@pytest.mark.parametrize("options", [{}, PAPER])
def test_two_references_make_one_distribution(options: dict) -> None:
    image = picture(20, 20, seed=3)
    objective = objective_of(SWDLoss(patch_size=1, num_proj=4, **options), [image[..., :8], image[..., 8:]], (20, 20))
    assert float(evaluated(objective, image)[0]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("options", [{}, PAPER])
def test_stride_is_used_and_leaves_no_pixel_out(options: dict) -> None:
    image, reference = picture(21, 24, seed=1), picture(21, 24, seed=2)
    objective = objective_of(SWDLoss(stride=5, num_proj=2, **options), [reference], (21, 24))
    state = OutputState(torch.Generator().manual_seed(0))
    single = value_and_gradient(objective, image, 0, state)[1]
    assert (single == 0).all(1).any(), "a strided step should not reach every pixel"
    reached = sum(
        (value_and_gradient(objective, image, 0, state)[1].abs() for _ in range(200)), torch.zeros_like(image)
    )
    assert (reached > 0).all()


def test_stride_one_samples_nothing_but_filters() -> None:
    generator = torch.Generator().manual_seed(4)
    objective_of(SWDLoss(num_proj=3, **PAPER), [picture()], (32, 40)).sample(picture(), 0, OutputState(generator))
    alone = torch.Generator().manual_seed(4)
    draw_filters("independent", 3, 3, 7, alone)
    assert torch.equal(generator.get_state(), alone.get_state())


def test_strided_value_of_flat_images_is_known() -> None:
    """Every projection of a flat image is its value times the sum of the filter, wherever the grid begins."""
    flat, other = torch.full((1, 1, 20, 23), 0.2), torch.full((1, 1, 17, 19), 0.7)
    objective = objective_of(SWDLoss(stride=4, num_proj=6, patch_size=3, **PAPER), [other], (20, 23))
    value, _ = evaluated(objective, flat, seed=8)
    filters = draw_filters("independent", 6, 1, 3, torch.Generator().manual_seed(8)).filters()
    assert float(value) == pytest.approx(0.5 * float(filters.sum((1, 2, 3)).abs().mean()), rel=1e-5)


def test_devices_without_float64_lose_nothing_to_speak_of(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, image = picture(40, 50, seed=1), picture(40, 50, seed=2)
    weighted = Reference(reference, torch.rand(40, 50, generator=torch.Generator().manual_seed(0)))
    expected = evaluated(objective_of(SWDLoss(), [weighted], (40, 50)), image)
    for module in (binned, reference_cdfs):
        monkeypatch.setattr(module, "accumulator_dtype", lambda device: torch.float32)
    value, gradient = evaluated(objective_of(SWDLoss(), [weighted], (40, 50)), image)
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-3)
    assert F.cosine_similarity(gradient.flatten(), expected[1].flatten(), 0) > 0.999


def test_a_large_reference_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, image = picture(120, 150, seed=1), picture(60, 70, seed=2)
    loss = SWDLoss(num_proj=32, patch_size=3, coherence=0.0)
    whole = evaluated(objective_of(loss, [reference], (60, 70)), image)
    monkeypatch.setattr(reference_cdfs, "REFERENCE_PATCHES", 1500)
    objective = objective_of(loss, [reference], (60, 70))
    assert objective.cdfs.subsample == (3, 3)  # type: ignore[attr-defined]
    few = evaluated(objective, image)
    assert few[0] != whole[0]
    assert float(few[0]) == pytest.approx(float(whole[0]), rel=0.05)
    assert F.cosine_similarity(few[1].flatten(), whole[1].flatten(), 0) > 0.99


@pytest.mark.parametrize(
    ("share", "expected"), [(0, (1, 1)), (1, (1, 1)), (2, (2, 1)), (3, (2, 1)), (4, (2, 2)), (6, (3, 2)), (9, (3, 3))]
)
def test_patches_are_taken_in_the_share_asked_for(share: int, expected: tuple[int, int]) -> None:
    assert reference_cdfs.subsample_stride(share) == expected


@pytest.mark.parametrize("side", [21, 42, 100])
def test_buffers_stay_within_the_plan(side: int) -> None:
    """Also at small levels, where several sets are worked off together."""
    loss = SWDLoss(coherence=0.0, **LARGE)
    objective = objective_of(loss, [picture(side, side)], (side, side))
    assert isinstance(objective, BinnedObjective)
    evaluated(objective, picture(side, side, seed=2))
    held = sum(buffer.nbytes for buffer in objective.workspace.buffers.values())
    assert 0 < held <= memory_of(loss, (side, side), (side, side))[1]


@pytest.mark.parametrize(("reuse", "expected"), [(1, 40), (2, 2 + 19), (4, 4 + 9)])
def test_the_pool_is_refreshed_and_each_set_used_as_often_as_asked(reuse: int, expected: int) -> None:
    objective = objective_of(SWDLoss(num_proj=4, reuse=reuse, **LARGE), [picture()], (32, 40))
    assert isinstance(objective, BinnedObjective)
    sampled, fresh = [], objective.fresh
    objective.fresh = (sampled.append(references) or references for references in fresh)
    values = [float(evaluated(objective, picture(seed=2), seed=step, step=step)[0]) for step in range(40)]
    assert len(sampled) == expected
    assert len(set(values)) > 8


@pytest.mark.parametrize("reuse", [1, 4])
@pytest.mark.parametrize("between", [2, 5, 6, 30])
def test_a_step_has_its_filters_whichever_step_was_sampled_before(reuse: int, between: int) -> None:
    image = picture(seed=2)
    loss = SWDLoss(num_proj=4, reuse=reuse, coherence=0.0, **LARGE)
    objective = objective_of(loss, [picture()], (32, 40))
    first, other, again = (evaluated(objective, image, seed=3, step=step) for step in (5, between, 5))
    anew = evaluated(objective_of(loss, [picture()], (32, 40)), image, seed=3, step=5)
    for found in (again, anew):
        assert torch.equal(found[0], first[0])
        assert torch.equal(found[1], first[1])
    if reuse == 1:  # of a pool another step may take the same set
        assert torch.equal(other[1], first[1]) == (between == 5)


def test_with_fresh_filters_every_seed_has_the_same() -> None:
    objective = objective_of(SWDLoss(num_proj=4, coherence=0.0), [picture()], (32, 40))
    gradients = [evaluated(objective, picture(seed=2), seed=seed, step=3)[1] for seed in range(3)]
    assert all(torch.equal(each, gradients[0]) for each in gradients)


def test_a_set_is_the_same_whether_worked_off_alone_or_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the last digits: how many are worked off together follows from the sizes alone."""
    reference = picture(40, 50, seed=1)
    several, alone = ([], [])
    for references, values in ((several, 2**19), (alone, 1)):
        monkeypatch.setattr(reference_cdfs, "TOGETHER_VALUES", values)
        objective = objective_of(SWDLoss(num_proj=5, **LARGE), [reference], (32, 40))
        assert isinstance(objective, BinnedObjective)
        references += [next(objective.fresh)[0] for _ in range(11)]
    for a, b in zip(several, alone, strict=True):
        assert torch.allclose(a.scaled.filters(), b.scaled.filters(), rtol=1e-4, atol=1e-4)
        assert torch.allclose(a.bins.offset, b.bins.offset, rtol=1e-4)
        assert (a.cdf_p - b.cdf_p).abs().mean() < 1e-3
        assert torch.equal(a.adjoint.along, b.adjoint.along)
    assert len({float(each.bins.low[0]) for each in several}) == 11


@pytest.mark.parametrize("options", [LARGE, PAPER])
def test_reducing_memory_comes_to_an_end(options: dict) -> None:
    objective = objective_of(SWDLoss(**options), [picture()], (32, 40))
    if isinstance(objective, BinnedObjective):
        reduce_memory = objective.workspace.reduce_memory
    else:
        assert isinstance(objective, SortedObjective)
        reduce_memory = objective._reduce_memory
    words = [reduce_memory() for _ in range(30)]
    assert words[0] is not None and words[1] != words[0]
    assert words[-1] is None


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        (SWDLoss(coherence=0.0, **LARGE), BinnedObjective),
        (SWDLoss(**PAPER), SortedObjective),
        (SWDLoss(), Sum),
        (SWDLoss(coherence=0.0), Sum),
        (SWDLoss(solver="exact"), Sum),
        (BidirectionalLoss(), BidirectionalObjective),
    ],
    ids=["binned", "sorted", "sum", "sum of distances", "sum of sorted", "bidirectional"],
)
def test_a_batch_of_two_is_refused(loss: Loss, kind: type) -> None:
    objective = objective_of(loss, [picture(64, 66)], (64, 66))
    assert isinstance(objective, kind)
    batch = picture(64, 66, seed=1).expand(2, -1, -1, -1)
    with pytest.raises(ImageError, match="batch of 2"):
        objective.sample(batch, 0, OutputState(torch.Generator()))


def test_a_batch_of_two_is_refused_by_coherence() -> None:
    objective = objective_of(SWDLoss(), [picture(64, 66)], (64, 66))
    assert isinstance(objective, Sum)
    part = objective.parts[-1]
    assert isinstance(part, CoherenceObjective)
    with pytest.raises(ImageError, match="batch of 2"):
        part.sample(picture(64, 66, seed=1).expand(2, -1, -1, -1), 0, OutputState(torch.Generator()))
