"""Objectives of the SWD loss: value, gradient, weights, borders, strides, subsampling, and limits of memory."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from gpdm import (
    BidirectionalLoss,
    Canvas,
    ImageError,
    Level,
    Loss,
    Objective,
    OptionError,
    OutputState,
    Reference,
    SWDLoss,
    as_references,
    synthesize,
    value_and_gradient,
)
from gpdm.borders import wraps
from gpdm.images import size_of
from gpdm.kernels import torch_backend
from gpdm.kernels.backend import Subsample
from gpdm.kernels.workspace import retry_with_less_memory, strip_threads
from gpdm.losses import reference_cdfs
from gpdm.losses.base import SumObjective, loss_memory
from gpdm.losses.bidirectional import BidirectionalObjective
from gpdm.losses.coherence import CoherenceObjective
from gpdm.losses.swd import SMALL_PATCH_SIZE
from gpdm.losses.swd_binned import POOL_SIZE, BinnedObjective
from gpdm.losses.swd_sorted import SortedObjective
from gpdm.optimizers.newton import hessian_diagonal
from gpdm.patches.filters import sample_filters
from gpdm.transport import binned
from library.problems import evaluated, objective_of, picture
from library.terms import with_limits

ONE_SIZE = {"small_patches": 0.0}
PAPER = {"solver": "exact", "projections": "independent", "distance": "l1", "detail": 0.0, "coherence": 0.0, **ONE_SIZE}


def memory_of(loss: Loss, reference: tuple[int, int], output: tuple[int, int]) -> tuple[int, int]:
    """Bytes that one step takes for a reference and an output of these sizes: the minimum, and for full speed."""
    return loss_memory(loss, Level(0, 1.0, output, (reference,)))


def algorithm_1(reference: torch.Tensor, image: torch.Tensor, filters: torch.Tensor, squared: bool) -> torch.Tensor:
    """Lines 3 to 7 of the paper's Algorithm 1 as printed, for images of equal size; differentiable."""
    loss = torch.zeros(())
    for w in filters:
        p = F.conv2d(reference, w[None]).flatten()
        q = F.conv2d(image, w[None]).flatten()
        difference = p.sort().values - q.sort().values
        loss = loss + (difference**2 if squared else difference.abs()).mean() / len(filters)
    return loss


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("projections", ["independent", "orthonormal", "factored"])
def test_exact_value_and_gradient_agree_with_algorithm_1(distance: str, projections: str) -> None:
    reference, image = picture(seed=1), picture(seed=2)
    loss = SWDLoss(solver="exact", distance=distance, projections=projections, num_proj=8, patch_size=5, **ONE_SIZE)
    value, gradient = evaluated(objective_of(loss, [reference], (32, 40)), image, seed=5)
    filters = sample_filters(projections, 8, 3, 5, torch.Generator().manual_seed(5), detail=4).filters()
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
    weight: torch.Tensor | None = None,
):
    """Value and gradient of both solvers, histogram first, with the same filters."""
    results = []
    for solver in ("histogram", "exact"):
        # The binned objective samples filters with seed 0, and so does the exact one here, one set at a time.
        loss = with_limits(SWDLoss(solver=solver, reuse=1, **ONE_SIZE, **options), bins=2048, sets_per_sample=1)
        results.append(evaluated(objective_of(loss, [reference], size_of(image), weight=weight), image, seed=0))
    return results


@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
@pytest.mark.parametrize(("distance", "projections"), [("l1", "factored"), ("l1", "independent"), ("l2", "factored")])
def test_histograms_agree_with_sorting(distance: str, projections: str, border: str) -> None:
    options = {"distance": distance, "projections": projections, "border": border, "num_proj": 32}
    reference, image = picture(60, 70, seed=1), picture(50, 64, seed=2)
    (value, gradient), (expected, exact_gradient) = with_same_filters(options, reference, image)
    # Output values beyond the reference's ends count as if they lay there, which lowers the value a little.
    assert float(expected) * 0.9 < float(value) < float(expected) * 1.005
    assert F.cosine_similarity(gradient.flatten(), exact_gradient.flatten(), 0) > 0.99
    assert float(gradient.norm()) == pytest.approx(float(exact_gradient.norm()), rel=0.04)


@pytest.mark.parametrize("channels", [1, 4, 7])
def test_histograms_with_any_number_of_channels(channels: int) -> None:
    reference, image = picture(40, 50, channels, seed=1), picture(40, 50, channels, seed=2)
    (value, gradient), (expected, exact_gradient) = with_same_filters({"num_proj": 16}, reference, image)
    # Output values beyond the reference's ends count as if they lay there, which lowers the value a little.
    assert float(expected) * 0.9 < float(value) < float(expected) * 1.005
    assert F.cosine_similarity(gradient.flatten(), exact_gradient.flatten(), 0) > 0.99


@pytest.mark.parametrize("small_patches", [0.005, 0.995])
def test_a_single_filter_of_one_size_among_many_is_used(small_patches: float) -> None:
    loss = SWDLoss(num_proj=150, small_patches=small_patches, coherence=0.0)
    value, gradient = evaluated(objective_of(loss, [picture(30, 30, seed=1)], (30, 30)), picture(30, 30, seed=2))
    assert value > 0
    assert (gradient != 0).all()


def test_many_filters_are_used_in_several_banks() -> None:
    reference, image = picture(30, 30, seed=1), picture(30, 30, seed=2)
    (many, gradient), (few, few_gradient) = (
        evaluated(objective_of(SWDLoss(num_proj=number, reuse=1), [reference], (30, 30)), image)
        for number in (300, 100)
    )
    assert float(many) == pytest.approx(float(few), rel=0.2)
    assert F.cosine_similarity(gradient.flatten(), few_gradient.flatten(), 0) > 0.8


@pytest.mark.parametrize("border", ["free", "circular x"])
@pytest.mark.parametrize("stride", [1, 2])
def test_bins_that_are_computed_twice_give_the_same_bits(border: str, stride: int) -> None:
    reference, image = picture(70, 90, seed=1), picture(64, 80, seed=2)
    loss = SWDLoss(num_proj=64, stride=stride, border=border, distance="l1", coherence=0.0, **ONE_SIZE)
    value, gradient = evaluated(objective_of(loss, [reference], (64, 80)), image)
    objective = objective_of(loss, [reference], (64, 80), memory_of(loss, (70, 90), (64, 80))[0])
    assert isinstance(objective, BinnedObjective)
    assert objective.workspace.keep_bytes == 0
    low_memory_value, low_memory_gradient = evaluated(objective, image)
    assert torch.equal(low_memory_value, value)
    assert torch.equal(low_memory_gradient, gradient)


@pytest.mark.parametrize("border", ["free", "circular x"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("strip", [2**16, 2**14])
def test_strips_change_the_result_only_by_rounding(strip: int, border: str, stride: int) -> None:
    reference, image = picture(70, 90, seed=1), picture(64, 80, seed=2)
    loss = SWDLoss(num_proj=64, stride=stride, border=border, distance="l1", coherence=0.0, **ONE_SIZE)
    value, gradient = evaluated(objective_of(loss, [reference], (64, 80)), image)
    in_strips = evaluated(in_strips_of(strip, objective_of(loss, [reference], (64, 80))), image)
    assert torch.equal(in_strips[0], value)
    assert torch.allclose(in_strips[1], gradient, rtol=0, atol=1e-5 * float(gradient.abs().max()))


def in_strips_of(projections: int, objective: Objective) -> Objective:
    """The objective with strips of this number of projections."""
    assert isinstance(objective, BinnedObjective)
    objective.workspace.strip_projections = projections
    return objective


def test_chunks_of_sorted_projections_change_the_result_only_by_rounding() -> None:
    reference, image = picture(seed=1), picture(seed=2)
    loss = SWDLoss(num_proj=7, **PAPER)
    expected, expected_gradient = evaluated(objective_of(loss, [reference], (32, 40)), image)
    objective = objective_of(loss, [reference], (32, 40), 3 * memory_of(loss, (32, 40), (32, 40))[0])
    assert isinstance(objective, SortedObjective)
    assert objective.chunk == 3
    value, gradient = evaluated(objective, image)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert torch.allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("options", [{}, PAPER])
def test_after_running_out_of_memory_the_result_is_the_same(
    options: dict, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reference, image = picture(40, 40, seed=1), picture(40, 40, seed=2)
    loss = SWDLoss(num_proj=8, **options)
    monkeypatch.setattr(torch_backend, "MATRIX_PATCHES", 0)
    expected = evaluated(objective_of(loss, [reference], (40, 40)), image)
    failures = iter([True, True])
    real = F.conv2d

    def failing_conv2d(*arguments, **more):
        if next(failures, False):
            raise torch.OutOfMemoryError("out of memory")
        return real(*arguments, **more)

    objective = objective_of(loss, [reference], (40, 40))
    with caplog.at_level("WARNING"):
        monkeypatch.setattr(F, "conv2d", failing_conv2d)
        value, gradient = evaluated(objective, image)
    assert [record.name for record in caplog.records] == ["gpdm.kernels.workspace"] * 2
    assert "out of memory" in caplog.text
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-6)
    assert torch.allclose(gradient, expected[1], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("message", "match"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes", "allocate"),
        ("shapes differ", "shapes differ"),
    ],
    ids=["memory", "other"],
)
def test_errors_are_raised_if_memory_cannot_be_reduced_or_is_not_the_cause(message: str, match: str) -> None:
    reductions = iter(["halves", "halves", None])

    def failing() -> None:
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match=match):
        retry_with_less_memory(failing, lambda: next(reductions))
    assert len(list(reductions)) == (0 if match == "allocate" else 3)


POINTS = SWDLoss(patch_size=1, num_proj=16, reuse=1)
"""A loss on patches of one pixel, whose weights are those of the pixels."""


def of_points(references: list[torch.Tensor | Reference], weight: float | None = None):
    """Value and gradient of `POINTS` for one image, whose pixels have the given weight."""
    weights = None if weight is None else torch.full((1, 1, 20, 30), weight)
    return evaluated(objective_of(POINTS, references, (20, 30), weight=weights), picture(20, 30, seed=2))


REFERENCE, LEFT = picture(20, 40, seed=1), torch.zeros(20, 40)
LEFT[:, :20] = 1
"""A reference, and a map that is 1 in its left half."""


def test_a_weight_of_0_excludes_a_patch() -> None:
    value, gradient = of_points([Reference(REFERENCE, LEFT)])
    expected, expected_gradient = of_points([REFERENCE[..., :20]])
    assert float(value) == pytest.approx(float(expected), rel=0.03)
    assert F.cosine_similarity(gradient.flatten(), expected_gradient.flatten(), 0) > 0.98


def test_equal_weights_have_no_effect() -> None:
    value, gradient = of_points([Reference(REFERENCE, LEFT * 0 + 5)], weight=0.3)
    expected, expected_gradient = of_points([REFERENCE])
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert torch.allclose(gradient, expected_gradient, rtol=1e-3, atol=1e-7)


def test_a_weight_of_2_counts_a_patch_twice() -> None:
    value, expected = of_points([Reference(REFERENCE, LEFT + 1)])[0], of_points([REFERENCE, REFERENCE[..., :20]])[0]
    assert float(value) == pytest.approx(float(expected), rel=0.03)


@pytest.mark.parametrize("solver", ["histogram", "exact"])
def test_only_patches_that_touch_a_pixel_of_output_weight_have_a_gradient(solver: str) -> None:
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
@pytest.mark.parametrize("weighted", ["reference", "output", "both"])
def test_both_solvers_agree_with_weights(
    weighted: str, distance: str, projections: str, patch_size: int, border: str
) -> None:
    options = {"distance": distance, "projections": projections, "border": border, "num_proj": 32}
    reference, image = picture(60, 70, seed=1), picture(50, 64, seed=2)
    g = torch.Generator().manual_seed(3)
    reference_weight, output_weight = torch.rand(60, 70, generator=g) + 0.1, torch.rand(1, 1, 50, 64, generator=g)
    reference_weight[:, :25], reference_weight[:, 50:] = 0, 3 * reference_weight[:, 50:]
    output_weight[..., :30, :] = 0
    (value, gradient), (expected, exact_gradient) = with_same_filters(
        options | {"patch_size": patch_size},
        reference if weighted == "output" else Reference(reference, reference_weight),
        image,
        None if weighted == "reference" else output_weight,
    )
    _, (_, unweighted) = with_same_filters(options | {"patch_size": patch_size}, reference, image)
    # Output values beyond the reference's ends count as if they lay there, which lowers the value a little.
    assert float(expected) * 0.92 < float(value) < float(expected) * 1.005
    assert F.cosine_similarity(gradient.flatten(), exact_gradient.flatten(), 0) > 0.97
    assert float(gradient.norm()) == pytest.approx(float(exact_gradient.norm()), rel=0.06)
    assert F.cosine_similarity(exact_gradient.flatten(), unweighted.flatten(), 0) < 0.99, "the weights have an effect"


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["exact", "histogram"])
def test_weights_with_a_stride(solver: str) -> None:
    """The mean gradient over random offsets of a strided grid is the weighted gradient of all patches."""
    reference, image = picture(40, 50, seed=1), picture(40, 50, seed=2)
    g = torch.Generator().manual_seed(3)
    weighted, output = (
        Reference(reference, torch.rand(40, 50, generator=g) + 0.1),
        torch.rand(1, 1, 40, 50, generator=g),
    )
    output[..., :20] *= 0.1

    def mean_gradient(stride: int, steps: int) -> torch.Tensor:
        loss = SWDLoss(solver=solver, stride=stride, num_proj=256, coherence=0.0, **ONE_SIZE)
        objective = objective_of(loss, [weighted], (40, 50), weight=output)
        return torch.stack([evaluated(objective, image, seed=i)[1] for i in range(steps)]).mean(0)

    assert F.cosine_similarity(mean_gradient(2, 16).flatten(), mean_gradient(1, 16).flatten(), 0) > 0.98


@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_patches_of_a_large_weighted_reference_are_sampled_by_weight(distance: str) -> None:
    reference, image = picture(120, 150, seed=1), picture(60, 70, seed=2)
    weight = torch.ones(120, 150)
    weight[:, :75], weight[:33] = 0.2, 0
    loss = SWDLoss(num_proj=32, patch_size=5, distance=distance, coherence=0.0, **ONE_SIZE)
    value, gradient = evaluated(objective_of(loss, [Reference(reference, weight)], (60, 70)), image)
    sampling = objective_of(with_limits(loss, reference_patches=1500), [Reference(reference, weight)], (60, 70))
    sampled, sampled_gradient = evaluated(sampling, image)
    assert sampled != value
    assert float(sampled) == pytest.approx(float(value), rel=0.05)
    assert F.cosine_similarity(sampled_gradient.flatten(), gradient.flatten(), 0) > 0.98


@pytest.mark.parametrize("solver", ["exact", "histogram"])
def test_value_and_gradient_are_means_over_the_projections_of_both_patch_sizes(solver: str) -> None:
    reference, image = picture(seed=1), picture(seed=2)
    # One set a batch, and bins of one number, so that the filters are the same together and alone.
    limits = {"sets_per_sample": 1, "bins": 128}
    loss = with_limits(SWDLoss(solver=solver, num_proj=10, small_patches=0.3), **limits)
    objective = objective_of(loss, [reference], (32, 40))
    parts = [
        objective_of(
            with_limits(SWDLoss(solver=solver, num_proj=number, patch_size=size, **ONE_SIZE), **limits),
            [reference],
            (32, 40),
        )
        for number, size in ((7, 7), (3, SMALL_PATCH_SIZE))
    ]
    generator = torch.Generator().manual_seed(3)
    results = [value_and_gradient(part, image, 0, OutputState(generator)) for part in parts]
    value, gradient = evaluated(objective, image, seed=3)
    assert float(value) == pytest.approx(0.7 * float(results[0][0]) + 0.3 * float(results[1][0]), rel=1e-5)
    expected = 0.7 * results[0][1] + 0.3 * results[1][1]
    assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(("small_patches", "patch_size"), [(1.0, 3), (0.0, 7)])
@pytest.mark.parametrize("other", [3, 7])
def test_small_patches_0_and_1_compare_patches_of_one_size(small_patches: float, patch_size: int, other: int) -> None:
    reference, image = picture(seed=1), picture(seed=2)
    loss, plain = SWDLoss(num_proj=6, small_patches=small_patches), SWDLoss(num_proj=6, patch_size=other, **ONE_SIZE)
    value, gradient = evaluated(objective_of(loss, [reference], (32, 40)), image)
    plain_value, plain_gradient = evaluated(objective_of(plain, [reference], (32, 40)), image)
    equal = torch.equal(plain_gradient, gradient) and torch.equal(plain_value, value)
    assert equal == (other == patch_size)


@pytest.mark.parametrize("size", [1, 2, SMALL_PATCH_SIZE])
def test_patches_up_to_3x3_have_no_second_size(size: int) -> None:
    objective = objective_of(SWDLoss(patch_size=size), [picture()], (32, 40))
    assert isinstance(objective, BinnedObjective)
    assert objective.number == SWDLoss().num_proj


@pytest.mark.parametrize(
    ("row", "column", "covers"), [(0, 0, (1, 1)), (0, 20, (7, 3)), (20, 20, (49, 9))], ids=["corner", "edge", "inside"]
)
def test_small_patches_weigh_the_border_more(row: int, column: int, covers: tuple[int, int]) -> None:
    """`covers` are the numbers of 7x7 and 3x3 patches that cover a pixel."""
    height, width, fraction = 40, 50, 0.25
    loss, canvas = SWDLoss(num_proj=8, small_patches=fraction), Canvas(size=(height, width))
    diagonal = hessian_diagonal(loss, as_references(picture()), canvas)[0, 0]
    large, small = (
        covered / (size**2 * (height - size + 1) * (width - size + 1))
        for covered, size in zip(covers, (7, 3), strict=True)
    )
    expected = 2 / 3 * ((1 - fraction) * large + fraction * small)
    assert float(diagonal[row, column]) == pytest.approx(expected, rel=1e-5)


SMALL_ONLY = SWDLoss(num_proj=4, small_patches=1.0, detail=0.0)


def test_equal_weights_have_no_effect_on_small_patches() -> None:
    reference, image = picture(30, 40, seed=1), picture(30, 40, seed=2)
    _, gradient = evaluated(objective_of(SMALL_ONLY, [reference], (30, 40)), image)
    equal, weight = Reference(reference, torch.full((30, 40), 0.3)), torch.full((1, 1, 30, 40), 7.0)
    _, weighted = evaluated(objective_of(SMALL_ONLY, [equal], (30, 40), weight=weight), image)
    assert torch.allclose(gradient, weighted, rtol=1e-4, atol=1e-9)


def test_small_patches_that_touch_a_pixel_of_weight_0_do_not_count() -> None:
    reference, image, left = picture(30, 40, seed=1), picture(30, 40, seed=2), torch.zeros(30, 40)
    left[:, :20] = 1
    changed = reference.clone()
    changed[..., 20:] = 0.9
    value, other = (
        float(evaluated(objective_of(SMALL_ONLY, [Reference(x, left)], (30, 40)), image)[0])
        for x in (reference, changed)
    )
    # The range of the bins includes pixels of weight 0.
    assert value == pytest.approx(other, rel=0.01)
    assert float(evaluated(objective_of(SMALL_ONLY, [changed], (30, 40)), image)[0]) > 1.5 * other


@pytest.mark.parametrize("full", [False, True])
def test_memory_above_the_minimum_keeps_bins(full: bool) -> None:
    loss, sizes = SWDLoss(num_proj=64, small_patches=0.25, coherence=0.0), ((50, 100), (60, 100))
    minimum, full_speed = memory_of(loss, *sizes)
    objective = objective_of(loss, [picture(50, 100)], (60, 100), full_speed if full else minimum)
    assert isinstance(objective, BinnedObjective)
    assert objective.workspace.keeps(48 * 54 * 94 + 16 * 58 * 98) == full


LARGE_IMAGE = picture(90, 100, seed=2)


def subsampling(
    output_patches: int, memory: int = 2**30, weight: torch.Tensor | None = None, **options: object
) -> Objective:
    """An objective for `LARGE_IMAGE` that counts about this number of its patches."""
    loss = SWDLoss(num_proj=24, coherence=0.0, **ONE_SIZE, **options)  # type: ignore[arg-type]
    limited = with_limits(loss, output_patches=output_patches)
    return objective_of(limited, [picture(80, 90, seed=1)], size_of(LARGE_IMAGE), memory, weight)


ALL_PATCHES = 2**18


@pytest.mark.parametrize(
    ("options", "patches"), [({}, 600), ({"border": "circular"}, 600), ({"stride": 2}, 300)], ids=str
)
def test_a_subsample_of_the_patches_of_a_large_output_is_counted(options: dict, patches: int) -> None:
    every, few = (
        [evaluated(subsampling(number, **options), LARGE_IMAGE, seed) for seed in range(4)]
        for number in (ALL_PATCHES, patches)
    )
    assert len({float(value) for value, _ in few}) > 1, "the offset of the subsample is random"
    for (value, gradient), (few_value, few_gradient) in zip(every, few, strict=True):
        assert float(few_value) == pytest.approx(float(value), rel=0.2)
        assert float(few_value) != float(value)
        assert F.cosine_similarity(few_gradient.flatten(), gradient.flatten(), 0) > 0.85
        assert torch.equal(few_gradient == 0, gradient == 0), "all patches have a gradient, counted or not"
    if "stride" not in options:
        mean = sum(gradient for _, gradient in few) / 4
        assert F.cosine_similarity(mean.flatten(), every[0][1].flatten(), 0) > 0.985
    assert torch.equal(evaluated(subsampling(patches, **options), LARGE_IMAGE, seed=3)[1], few[3][1])


def test_a_subsample_consists_of_patches_of_the_grid() -> None:
    image = torch.arange(20 * 30).reshape(1, 1, 20, 30)
    part, pixel_stride = Subsample(offset=(1, 2), stride=(3, 4)).apply(image, stride=2)
    assert pixel_stride == (6, 8)
    assert torch.equal(part, image[..., 2:, 4:])
    grid = image[..., ::2, ::2]
    assert set(part[..., :: pixel_stride[0], :: pixel_stride[1]].flatten().tolist()) <= set(grid.flatten().tolist())


def test_weighted_outputs_are_not_subsampled() -> None:
    """Only a few patches may have a weight above 0."""
    weight = torch.zeros(1, 1, 90, 100)
    weight[..., 44, 50] = 1
    every, few = (evaluated(subsampling(number, weight=weight), LARGE_IMAGE)[1] for number in (ALL_PATCHES, 100))
    assert torch.equal(few, every)


@pytest.mark.parametrize("strip", [2**16, 2**13])
def test_strips_of_a_subsample_change_the_result_only_by_rounding(strip: int) -> None:
    value, gradient = evaluated(subsampling(600, distance="l1"), LARGE_IMAGE)
    in_strips = evaluated(in_strips_of(strip, subsampling(600, memory=2**25, distance="l1")), LARGE_IMAGE)
    assert torch.equal(in_strips[0], value)
    assert torch.allclose(in_strips[1], gradient, rtol=0, atol=1e-5 * float(gradient.abs().max()))


@pytest.mark.parametrize(("border", "axis"), [("circular", 2), ("circular", 3), ("circular x", 3), ("circular y", 2)])
@pytest.mark.parametrize("small", [0.0, 1.0])
@pytest.mark.parametrize("solver", ["histogram", "exact"])
def test_weights_wrap_with_the_image(border: str, axis: int, small: float, solver: str) -> None:
    """The gradient of a rolled image with rolled weights is the rolled gradient."""
    image, weight = picture(20, 24, seed=1), torch.rand(1, 1, 20, 24, generator=torch.Generator().manual_seed(0))
    loss = SWDLoss(num_proj=4, border=border, small_patches=small, solver=solver, coherence=0.0)

    def gradient(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return evaluated(objective_of(loss, [picture(30, 30, seed=2)], (20, 24), weight=weight), image)[1]

    expected = gradient(image, weight).roll(5, axis)
    assert torch.allclose(gradient(image.roll(5, axis), weight.roll(5, axis)), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
@pytest.mark.parametrize("pixel", [(7, 10), (0, 1), (19, 23)])
@pytest.mark.parametrize("solver", ["histogram", "exact"])
def test_a_single_weighted_pixel_gives_all_patches_that_contain_it_a_gradient(
    border: str, pixel: tuple[int, int], solver: str
) -> None:
    weight = torch.zeros(1, 1, 20, 24)
    weight[(..., *pixel)] = 1
    loss = SWDLoss(num_proj=16, border=border, small_patches=1.0, solver=solver, coherence=0.0)
    objective = objective_of(loss, [picture(30, 30, seed=2)], (20, 24), weight=weight)
    gradient = evaluated(objective, picture(20, 24, seed=1))[1].abs().amax(1)[0]
    covered = gradient > (1e-9 * gradient.max() if solver == "exact" else 0)
    masks = []
    for index, length, is_wrapped in zip(pixel, (20, 24), wraps(border), strict=True):
        mask = torch.zeros(length, dtype=torch.bool)
        for start in range(index - SMALL_PATCH_SIZE + 1, index + 1):
            if is_wrapped or 0 <= start <= length - SMALL_PATCH_SIZE:
                mask[torch.arange(start, start + SMALL_PATCH_SIZE) % length] = True
        masks.append(mask)
    assert torch.equal(covered, masks[0][:, None] & masks[1])


@pytest.mark.parametrize("options", [{}, PAPER])
def test_two_references_form_one_distribution(options: dict) -> None:
    image = picture(20, 20, seed=3)
    objective = objective_of(SWDLoss(patch_size=1, num_proj=4, **options), [image[..., :8], image[..., 8:]], (20, 20))
    assert float(evaluated(objective, image)[0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("options", [{}, PAPER])
def test_strided_patches_reach_every_pixel_over_many_steps(options: dict) -> None:
    image, reference = picture(21, 24, seed=1), picture(21, 24, seed=2)
    objective = objective_of(SWDLoss(stride=5, num_proj=2, **options), [reference], (21, 24))
    state = OutputState(torch.Generator().manual_seed(0))
    single = value_and_gradient(objective, image, 0, state)[1]
    assert (single == 0).all(1).any(), "a strided step should not reach every pixel"
    reached = sum(
        (value_and_gradient(objective, image, 0, state)[1].abs() for _ in range(200)), torch.zeros_like(image)
    )
    assert (reached > 0).all()


def test_stride_1_samples_only_filters() -> None:
    generator = torch.Generator().manual_seed(4)
    objective_of(SWDLoss(num_proj=3, **PAPER), [picture()], (32, 40)).sample(picture(), 0, OutputState(generator))
    expected = torch.Generator().manual_seed(4)
    sample_filters("independent", 3, 3, 7, expected)
    assert torch.equal(generator.get_state(), expected.get_state())


def test_strided_value_of_constant_images() -> None:
    """Every projection of a constant image is its value times the sum of the filter, at any offset of the grid."""
    flat, other = torch.full((1, 1, 20, 23), 0.2), torch.full((1, 1, 17, 19), 0.7)
    objective = objective_of(SWDLoss(stride=4, num_proj=6, patch_size=3, **PAPER), [other], (20, 23))
    value, _ = evaluated(objective, flat, seed=8)
    filters = sample_filters("independent", 6, 1, 3, torch.Generator().manual_seed(8)).filters()
    assert float(value) == pytest.approx(0.5 * float(filters.sum((1, 2, 3)).abs().mean()), rel=1e-5)


def test_devices_without_float64_give_nearly_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, image = picture(40, 50, seed=1), picture(40, 50, seed=2)
    weighted = Reference(reference, torch.rand(40, 50, generator=torch.Generator().manual_seed(0)))
    expected = evaluated(objective_of(SWDLoss(), [weighted], (40, 50)), image)
    monkeypatch.setattr(binned, "accumulator_dtype", lambda device: torch.float32)
    value, gradient = evaluated(objective_of(SWDLoss(), [weighted], (40, 50)), image)
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-3)
    assert F.cosine_similarity(gradient.flatten(), expected[1].flatten(), 0) > 0.999


def test_a_large_reference_is_subsampled_on_a_strided_grid() -> None:
    reference, image = picture(120, 150, seed=1), picture(60, 70, seed=2)
    loss = SWDLoss(num_proj=32, patch_size=3, coherence=0.0)
    value, gradient = evaluated(objective_of(loss, [reference], (60, 70)), image)
    objective = objective_of(with_limits(loss, reference_patches=1500), [reference], (60, 70))
    assert isinstance(objective, BinnedObjective)
    assert objective.cdfs.samplers[0].stride == (3, 3)
    few_value, few_gradient = evaluated(objective, image)
    assert few_value != value
    assert float(few_value) == pytest.approx(float(value), rel=0.05)
    assert F.cosine_similarity(few_gradient.flatten(), gradient.flatten(), 0) > 0.99


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0, (1, 1)), (1, (1, 1)), (2, (2, 1)), (3, (2, 1)), (4, (2, 2)), (6, (3, 2)), (9, (3, 3))]
)
def test_strides_of_a_subsample(ratio: int, expected: tuple[int, int]) -> None:
    assert reference_cdfs.subsample_stride(ratio) == expected


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("keep", [True, False])
def test_the_number_of_threads_changes_nothing(threads: int, keep: bool) -> None:
    reference, image, loss = picture(120, 150, seed=1), picture(130, 140, seed=2), SWDLoss(coherence=0.0)
    expected = evaluated(objective_of(loss, [reference], (130, 140)), image)
    token = strip_threads.set(threads)
    try:
        memory = 2**30 if keep else memory_of(loss, (120, 150), (130, 140))[0]
        objective = in_strips_of(2**18, objective_of(loss, [reference], (130, 140), memory))
    finally:
        strip_threads.reset(token)
    for result, wanted in zip(evaluated(objective, image), expected, strict=True):
        assert torch.equal(result, wanted)


@pytest.mark.parametrize(("reuse", "expected"), [(1, 40), (2, 2 + 19), (4, 4 + 9)])
def test_the_number_of_sampled_sets_follows_reuse(reuse: int, expected: int) -> None:
    objective = objective_of(SWDLoss(num_proj=4, reuse=reuse, **ONE_SIZE), [picture()], (32, 40))
    assert isinstance(objective, BinnedObjective)
    used, real = [], objective.cdfs
    objective.cdfs = RecordingCDFs(real, used)  # type: ignore[assignment]
    values = [float(evaluated(objective, picture(seed=2), seed=step, step=step)[0]) for step in range(40)]
    assert max(used) < expected, "no set is used before it is due"
    assert len(set(used)) > 0.7 * expected
    assert all(before - after < POOL_SIZE for before, after in pairwise(used)), "only the latest sets are used"
    assert len(set(values)) > 8


class RecordingCDFs:
    """Sets of filters that note which are used."""

    def __init__(self, cdfs: reference_cdfs.ReferenceCDFs, used: list[int]) -> None:
        self.cdfs, self.used, self.groups = cdfs, used, cdfs.groups

    def __getitem__(self, index: int) -> Any:
        self.used.append(index)
        return self.cdfs[index]


@pytest.mark.parametrize("reuse", [1, 4])
@pytest.mark.parametrize("between", [2, 5, 6, 30])
def test_the_filters_of_a_step_do_not_depend_on_earlier_samples(reuse: int, between: int) -> None:
    image = picture(seed=2)
    loss = SWDLoss(num_proj=4, reuse=reuse, coherence=0.0, **ONE_SIZE)
    objective = objective_of(loss, [picture()], (32, 40))
    first, other, again = (evaluated(objective, image, seed=3, step=step) for step in (5, between, 5))
    anew = evaluated(objective_of(loss, [picture()], (32, 40)), image, seed=3, step=5)
    for value, gradient in (again, anew):
        assert torch.equal(value, first[0])
        assert torch.equal(gradient, first[1])
    if reuse == 1:  # from a pool another step may take the same set
        assert torch.equal(other[1], first[1]) == (between == 5)


def test_without_reuse_every_seed_has_the_same_filters() -> None:
    objective = objective_of(SWDLoss(num_proj=4, coherence=0.0), [picture()], (32, 40))
    gradients = [evaluated(objective, picture(seed=2), seed=seed, step=3)[1] for seed in range(3)]
    assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)


def test_sets_computed_together_and_alone_agree() -> None:
    """They agree up to rounding. The number of sets computed together depends only on sizes."""
    reference = picture(40, 50, seed=1)
    together, alone = [], []
    for results, joint_projections in ((together, 2**19), (alone, 1)):
        loss = with_limits(SWDLoss(num_proj=5, **ONE_SIZE), joint_projections=joint_projections)
        objective = objective_of(loss, [reference], (32, 40))
        assert isinstance(objective, BinnedObjective)
        results += [objective.cdfs[index][0] for index in range(40)]
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a.filters[0].matrix, b.filters[0].matrix, rtol=1e-4, atol=1e-4)
        assert torch.allclose(a.offsets[0], b.offsets[0], rtol=1e-4)
        assert (a.cdf_p - b.cdf_p).abs().mean() < 1e-3
    assert len({float(result.width[0]) for result in together}) == 40


@pytest.mark.parametrize("options", [ONE_SIZE, PAPER])
def test_reducing_memory_ends(options: dict) -> None:
    objective = objective_of(SWDLoss(**options), [picture()], (32, 40))
    if isinstance(objective, BinnedObjective):
        reduce_memory = objective.workspace.reduce_memory
    else:
        assert isinstance(objective, SortedObjective)
        reduce_memory = objective._reduce_memory
    descriptions = [reduce_memory() for _ in range(30)]
    assert descriptions[0] is not None and descriptions[1] != descriptions[0]
    assert descriptions[-1] is None


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        (SWDLoss(coherence=0.0, **ONE_SIZE), BinnedObjective),
        (SWDLoss(**PAPER), SortedObjective),
        (SWDLoss(), SumObjective),
        (SWDLoss(coherence=0.0), BinnedObjective),
        (SWDLoss(solver="exact"), SumObjective),
        (BidirectionalLoss(), BidirectionalObjective),
    ],
    ids=["binned", "sorted", "sum", "two sizes", "sum of sorted", "bidirectional"],
)
def test_a_batch_of_two_is_refused(loss: Loss, kind: type) -> None:
    objective = objective_of(loss, [picture(64, 66)], (64, 66))
    assert isinstance(objective, kind)
    batch = picture(64, 66, seed=1).expand(2, -1, -1, -1)
    with pytest.raises(ImageError, match="batch of 2"):
        objective.sample(batch, 0, OutputState(torch.Generator()))


def test_a_batch_of_two_is_refused_by_coherence() -> None:
    objective = objective_of(SWDLoss(), [picture(64, 66)], (64, 66))
    assert isinstance(objective, SumObjective)
    part = objective.parts[-1]
    assert isinstance(part, CoherenceObjective)
    with pytest.raises(ImageError, match="batch of 2"):
        part.sample(picture(64, 66, seed=1).expand(2, -1, -1, -1), 0, OutputState(torch.Generator()))


def test_variety_without_the_coherence_term_is_refused() -> None:
    with pytest.raises(OptionError, match=r"variety = 3\.0 is not allowed: it belongs to coherence, which is 0"):
        synthesize(picture(24, 24), loss=SWDLoss(coherence=0.0, variety=3.0))
