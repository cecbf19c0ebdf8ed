"""The loss as an objective: value, gradient, weights, borders, stride, and that dividing the work changes nothing."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gpdm import OptionError, SWDLoss
from gpdm.images import size_of
from gpdm.kernels import torch_backend as passes
from gpdm.kernels import workspace
from gpdm.kernels.workspace import with_less_on_failure
from gpdm.losses import reference_cdfs as reference_sides
from gpdm.losses import swd_binned as histogram_objective
from gpdm.losses.objectives import Objective, PatchWeights, SumObjective
from gpdm.losses.swd_binned import HistogramObjective
from gpdm.losses.swd_options import SMALL
from gpdm.patches.filters import draw_filters
from gpdm.transport import binned as histograms
from library.problems import picture

LARGE = {"small_patches": 0.0}
PAPER = {"solver": "exact", "projections": "independent", "distance": "l1", "detail": 0.0, "coherence": 0.0, **LARGE}


def step(objective: Objective, image: torch.Tensor, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    objective.advance()
    return objective(image, torch.Generator().manual_seed(seed))


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
    value, gradient = step(loss.bind([reference], (32, 40)), image, seed=5)
    filters = draw_filters(projections, 8, 3, 5, torch.Generator().manual_seed(5), detail=4).filters()
    leaf = image.clone().requires_grad_()
    expected = algorithm_1(reference, leaf, filters, distance == "l2")
    expected.backward()
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert leaf.grad is not None
    assert torch.allclose(gradient, leaf.grad, rtol=1e-3, atol=1e-7)


def with_same_filters(options: dict, reference: torch.Tensor, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch):
    """(value, gradient) of both methods for one and the same draw of filters."""
    results = []
    for solver in ("histogram", "exact"):
        monkeypatch.setattr(reference_sides, "bin_count", lambda values, distance: 2048)
        monkeypatch.setattr(reference_sides, "DRAWN", 1)
        loss = SWDLoss(solver=solver, reuse=1, **LARGE, **options)
        # The pool draws from a generator with seed 0, and so does the exact objective here, one set at a time.
        results.append(step(loss.bind([reference], size_of(image)), image, seed=0))
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
    value, gradient = step(loss.bind([reference], (30, 30)), image)
    few = [step(SWDLoss(num_proj=100, reuse=1).bind([reference], (30, 30)), image)]
    assert float(value) == pytest.approx(float(few[0][0]), rel=0.2)
    assert F.cosine_similarity(gradient.flatten(), few[0][1].flatten(), 0) > 0.8


@pytest.mark.parametrize("border", ["free", "circular x"])
@pytest.mark.parametrize("stride", [1, 2])
def test_memory_changes_no_bit(border: str, stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Held or computed twice, in one piece or in many: the same picture."""
    reference, image = picture(70, 90, seed=1), picture(64, 80, seed=2)
    loss = SWDLoss(num_proj=64, stride=stride, border=border, distance="l1", coherence=0.0, **LARGE)
    value, gradient = step(loss.bind([reference], (64, 80)), image)
    tight = loss.bind([reference], (64, 80), loss.working_bytes(70 * 90, 64 * 80)[0])
    assert tight.workspace.keep_bytes == 0  # type: ignore[attr-defined]
    assert torch.equal(step(tight, image)[1], gradient)
    for block in (2**16, 2**14):
        monkeypatch.setattr(workspace, "BLOCK_VALUES", block)
        in_strips = step(loss.bind([reference], (64, 80)), image)
        assert torch.equal(in_strips[0], value)
        assert torch.equal(in_strips[1], gradient)


def test_chunks_of_sorted_projections_change_nothing_but_rounding() -> None:
    reference, image = picture(seed=1), picture(seed=2)
    loss = SWDLoss(num_proj=7, **PAPER)
    whole = step(loss.bind([reference], (32, 40)), image)
    objective = loss.bind([reference], (32, 40), 3 * loss.working_bytes(32 * 40, 32 * 40)[0])
    assert objective.chunk == 3  # type: ignore[attr-defined]
    value, gradient = step(objective, image)
    assert float(value) == pytest.approx(float(whole[0]), rel=1e-5)
    assert torch.allclose(gradient, whole[1], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("options", [{}, PAPER])
def test_running_out_of_memory_costs_time_and_nothing_else(
    options: dict, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reference, image = picture(40, 40, seed=1), picture(40, 40, seed=2)
    loss = SWDLoss(num_proj=8, **options)
    expected = step(loss.bind([reference], (40, 40)), image)
    failures = iter([True, True])
    real = F.conv2d

    def scarce(*arguments, **more):
        if next(failures, False):
            raise torch.OutOfMemoryError("not today")
        return real(*arguments, **more)

    objective = loss.bind([reference], (40, 40))
    with caplog.at_level("WARNING"):
        monkeypatch.setattr(F, "conv2d", scarce)
        value, gradient = step(objective, image)
    assert [record.name for record in caplog.records] == ["gpdm.kernels.workspace"] * 2
    assert "out of memory" in caplog.text
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-6)
    assert torch.allclose(gradient, expected[1], rtol=1e-4, atol=1e-8)


def test_other_errors_and_memory_that_never_suffices_go_on() -> None:
    def out() -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    def other() -> None:
        raise RuntimeError("shapes differ")

    shrinks = iter(["halves", "halves", None])
    with pytest.raises(RuntimeError, match="allocate"):
        with_less_on_failure(out, lambda: next(shrinks))
    with pytest.raises(RuntimeError, match="shapes differ"):
        with_less_on_failure(other, lambda: "halves")


def test_weights_leave_out_and_count_again() -> None:
    """A weight of zero leaves a patch out, equal weights change nothing, and twice the weight is the patch twice."""
    reference, image = picture(20, 40, seed=1), picture(20, 30, seed=2)
    loss = SWDLoss(patch_size=1, num_proj=16, reuse=1)
    left = torch.zeros(20, 40)
    left[:, :20] = 1
    half = step(loss.bind([reference[..., :20]], (20, 30)), image)
    weighted = step(loss.bind([reference], (20, 30), weights=PatchWeights((left,))), image)
    assert float(weighted[0]) == pytest.approx(float(half[0]), rel=0.03)
    assert F.cosine_similarity(weighted[1].flatten(), half[1].flatten(), 0) > 0.98
    plain = step(loss.bind([reference], (20, 30)), image)
    even = step(
        loss.bind([reference], (20, 30), weights=PatchWeights((left * 0 + 5,), torch.full((20, 30), 0.3))), image
    )
    assert torch.equal(even[0], plain[0])
    assert torch.allclose(even[1], plain[1], rtol=1e-5, atol=1e-9)
    twice = step(loss.bind([reference, reference[..., :20]], (20, 30)), image)
    boosted = step(loss.bind([reference], (20, 30), weights=PatchWeights((left + 1,))), image)
    assert float(boosted[0]) == pytest.approx(float(twice[0]), rel=0.03)


def test_output_weights_pull_only_where_they_are_not_zero() -> None:
    reference, image = picture(30, 30, seed=1), picture(30, 40, seed=2)
    right = torch.zeros(24, 34)
    right[:, 20:] = 1
    _, gradient = step(SWDLoss().bind([reference], (30, 40), weights=PatchWeights(output=right)), image)
    assert (gradient[..., :20] == 0).all()
    assert (gradient[..., 20:] != 0).any()


@pytest.mark.parametrize("solver", ["exact", "histogram"])
def test_projections_of_two_patch_sizes_count_alike(solver: str) -> None:
    """Value and gradient are the means over all projections, of whichever size."""
    reference, image = picture(seed=1), picture(seed=2)
    whole = SWDLoss(solver=solver, num_proj=10, small_patches=0.3).bind([reference], (32, 40))
    parts = [
        SWDLoss(solver=solver, num_proj=number, patch_size=size, **LARGE).bind([reference], (32, 40))
        for number, size in ((7, 7), (3, SMALL))
    ]
    generator, results = torch.Generator().manual_seed(3), []
    for part in parts:
        part.advance()
        results.append(part(image, generator))
    value, gradient = step(whole, image, seed=3)
    assert float(value) == pytest.approx(0.7 * float(results[0][0]) + 0.3 * float(results[1][0]), rel=1e-5)
    assert torch.allclose(gradient, 0.7 * results[0][1] + 0.3 * results[1][1], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(("options", "sizes"), [({"small_patches": 1.0}, [3]), ({"small_patches": 0.0}, [7])])
def test_one_patch_size_alone(options: dict, sizes: list[int]) -> None:
    reference, image = picture(seed=1), picture(seed=2)
    value, gradient = step(SWDLoss(num_proj=6, **options).bind([reference], (32, 40)), image)
    for other in (3, 7):
        plain = step(SWDLoss(num_proj=6, patch_size=other, **LARGE).bind([reference], (32, 40)), image)
        assert (torch.equal(plain[1], gradient) and torch.equal(plain[0], value)) == (other in sizes)


def test_no_smaller_patches_where_patches_are_small() -> None:
    for size in (1, 2, SMALL):
        objective = SWDLoss(patch_size=size).bind([picture()], (32, 40))
        assert isinstance(objective, HistogramObjective)
        assert objective.options.num_proj == SWDLoss().num_proj


def test_small_patches_see_the_border() -> None:
    """A corner pixel is in one patch of 7x7 as in one of 3x3, but those of 3x3 hold fewer others."""
    height, width, share = 40, 50, 0.25
    curvature = SWDLoss(num_proj=8, small_patches=share).bind([picture()], (height, width)).curvature()[0, 0]
    for row, column, covers in ((0, 0, (1, 1)), (0, 20, (7, 3)), (20, 20, (49, 9))):
        each = [
            covered / (size**2 * (height - size + 1) * (width - size + 1))
            for covered, size in zip(covers, (7, 3), strict=True)
        ]
        expected = 2 / 3 * ((1 - share) * each[0] + share * each[1])
        assert float(curvature[row, column]) == pytest.approx(expected, rel=1e-5)


def test_weights_of_small_patches_follow_from_those_of_large_ones() -> None:
    """What is in no large patch that counts does not count; where all count alike, all small ones do."""
    loss = SWDLoss(num_proj=4, small_patches=1.0, detail=0.0)
    reference, image = picture(30, 40, seed=1), picture(30, 40, seed=2)
    even = PatchWeights((torch.full((24, 34), 0.3),), torch.full((24, 34), 7.0))
    plain = step(loss.bind([reference], (30, 40)), image)
    weighted = step(loss.bind([reference], (30, 40), weights=even), image)
    assert torch.allclose(plain[1], weighted[1], rtol=1e-4, atol=1e-9)
    left = torch.zeros(24, 34)
    left[:, :14] = 1  # patches of 7x7 that end before column 20
    changed = reference.clone()
    changed[..., 20:] = 0.9
    of_left = [
        step(loss.bind([each], (30, 40), weights=PatchWeights((left,))), image)[0] for each in (reference, changed)
    ]
    # The bins span what does not count, too.
    assert float(of_left[0]) == pytest.approx(float(of_left[1]), rel=0.01)
    assert float(step(loss.bind([changed], (30, 40)), image)[0]) > 1.5 * float(of_left[1])


def test_what_is_asked_for_two_sizes_is_the_sum_and_is_shared_out() -> None:
    loss = SWDLoss(num_proj=64, small_patches=0.25, coherence=0.0)
    parts = [SWDLoss(num_proj=number, patch_size=size, coherence=0.0, **LARGE) for number, size in ((48, 7), (16, 3))]
    needs = [part.working_bytes(5000, 6000) for part in parts]
    assert loss.working_bytes(5000, 6000) == tuple(map(sum, zip(*needs, strict=True)))
    for allowed in (loss.working_bytes(5000, 6000)[0], loss.working_bytes(5000, 6000)[1]):
        objective = loss.bind([picture(50, 100)], (60, 100), allowed)
        assert isinstance(objective, SumObjective)
        held = [part.workspace.keep_bytes for _, part in objective.parts]  # type: ignore[attr-defined]
        wanted = [best - least for least, best in needs]
        assert held == ([0, 0] if allowed == loss.working_bytes(5000, 6000)[0] else wanted)


def sampled(
    options: dict, image: torch.Tensor, weights: PatchWeights | None = None, memory_bytes: int = 2**30, seed: int = 0
):
    loss = SWDLoss(num_proj=24, coherence=0.0, **LARGE, **options)
    return step(loss.bind([picture(80, 90, seed=1)], size_of(image), memory_bytes, weights), image, seed)


@pytest.mark.parametrize("options", [{}, {"border": "circular"}, {"stride": 2}], ids=str)
def test_of_a_large_output_a_sample_of_the_patches_is_counted(options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(90, 100, seed=2)
    whole = [sampled(options, image, seed=seed) for seed in range(4)]
    monkeypatch.setattr(histogram_objective, "COUNTED_PATCHES", 300 if "stride" in options else 600)
    several = [sampled(options, image, seed=seed) for seed in range(4)]
    assert len({float(v) for v, _ in several}) > 1, "the place from which every few are taken is random"
    for (value, gradient), (v, slope) in zip(whole, several, strict=True):
        assert float(v) == pytest.approx(float(value), rel=0.2)
        assert float(v) != float(value)
        assert F.cosine_similarity(slope.flatten(), gradient.flatten(), 0) > 0.95
        assert torch.equal(slope == 0, gradient == 0), "all patches are drawn, counted or not"
    if "stride" not in options:
        mean = sum(slope for _, slope in several) / 4
        assert F.cosine_similarity(mean.flatten(), whole[0][1].flatten(), 0) > 0.985
    assert torch.equal(sampled(options, image, seed=3)[1], several[3][1])


def test_a_sample_is_one_of_the_patches_of_the_grid() -> None:
    image = torch.arange(20 * 30).reshape(1, 1, 20, 30)
    part, step = passes.Sample(corner=(1, 2), spacing=(3, 4)).of(image, stride=2)
    assert step == (6, 8)
    assert torch.equal(part, image[..., 2:, 4:])
    grid = image[..., ::2, ::2]
    assert set(part[..., :: step[0], :: step[1]].flatten().tolist()) <= set(grid.flatten().tolist())


def test_a_sample_is_not_taken_where_few_patches_may_be_all_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    image, weights = picture(90, 100, seed=2), torch.zeros(84, 94)
    weights[41, 47] = 1
    expected = sampled({}, image, PatchWeights(output=weights))
    monkeypatch.setattr(histogram_objective, "COUNTED_PATCHES", 100)
    assert torch.equal(sampled({}, image, PatchWeights(output=weights))[1], expected[1])


def test_memory_changes_no_bit_of_a_sampled_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram_objective, "COUNTED_PATCHES", 600)
    image = picture(90, 100, seed=2)
    value, gradient = sampled({"distance": "l1"}, image)
    for block in (2**16, 2**13):
        monkeypatch.setattr(workspace, "BLOCK_VALUES", block)
        less = sampled({"distance": "l1"}, image, memory_bytes=2**25)
        assert torch.equal(less[0], value) and torch.equal(less[1], gradient)


@pytest.mark.parametrize(("border", "axis"), [("circular", 0), ("circular", 1), ("circular x", 1), ("circular y", 0)])
@pytest.mark.parametrize("small", [0.0, 1.0])
def test_where_a_picture_wraps_its_weights_do_too(border: str, axis: int, small: float) -> None:
    """Rolled by some pixels, picture and weights have the gradient that they had, rolled."""
    image, generator = picture(20, 24, seed=1), torch.Generator().manual_seed(0)
    wraps = (20 if border != "circular x" else 14, 24 if border != "circular y" else 18)
    weights = torch.rand(wraps, generator=generator)
    loss = SWDLoss(num_proj=4, border=border, small_patches=small, coherence=0.0)

    def gradient(image: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        objective = loss.bind([picture(30, 30, seed=2)], (20, 24), weights=PatchWeights(output=weights))
        return step(objective, image)[1]

    expected = gradient(image, weights).roll(5, 2 + axis)
    assert torch.allclose(gradient(image.roll(5, 2 + axis), weights.roll(5, axis)), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
def test_one_patch_that_counts_draws_its_own_pixels(border: str) -> None:
    weights = torch.zeros(
        20 if border in ("circular", "circular y") else 14, 24 if border in ("circular", "circular x") else 18
    )
    weights[5, 8] = 1
    loss = SWDLoss(num_proj=16, border=border, small_patches=1.0, coherence=0.0)
    objective = loss.bind([picture(30, 30, seed=2)], (20, 24), weights=PatchWeights(output=weights))
    drawn = (step(objective, picture(20, 24, seed=1))[1] != 0).any(1)[0]
    assert drawn[5:12, 8:15].all()
    drawn[5:12, 8:15] = False
    assert not drawn.any()


def test_weights_with_sorting_are_refused() -> None:
    with pytest.raises(OptionError, match="histogram"):
        SWDLoss(**PAPER).bind([picture()], (32, 40), weights=PatchWeights(output=torch.ones(26, 34)))


@pytest.mark.parametrize("options", [{}, PAPER])
def test_two_references_make_one_distribution(options: dict) -> None:
    image = picture(20, 20, seed=3)
    objective = SWDLoss(patch_size=1, num_proj=4, **options).bind([image[..., :8], image[..., 8:]], (20, 20))
    assert float(step(objective, image)[0]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("options", [{}, PAPER])
def test_stride_is_used_and_leaves_no_pixel_out(options: dict) -> None:
    image, reference = picture(21, 24, seed=1), picture(21, 24, seed=2)
    objective = SWDLoss(stride=5, num_proj=2, **options).bind([reference], (21, 24))
    generator = torch.Generator().manual_seed(0)
    objective.advance()
    single = objective(image, generator)[1]
    assert (single == 0).all(1).any(), "a strided step should not reach every pixel"
    reached = sum((objective(image, generator)[1].abs() for _ in range(200)), torch.zeros_like(image))
    assert (reached > 0).all()


def test_stride_one_draws_nothing_but_filters() -> None:
    generator = torch.Generator().manual_seed(4)
    SWDLoss(num_proj=3, **PAPER).bind([picture()], (32, 40))(picture(), generator)
    alone = torch.Generator().manual_seed(4)
    draw_filters("independent", 3, 3, 7, alone)
    assert torch.equal(generator.get_state(), alone.get_state())


def test_strided_value_of_flat_images_is_known() -> None:
    """Every projection of a flat image is its value times the sum of the filter, wherever the grid begins."""
    flat, other = torch.full((1, 1, 20, 23), 0.2), torch.full((1, 1, 17, 19), 0.7)
    objective = SWDLoss(stride=4, num_proj=6, patch_size=3, **PAPER).bind([other], (20, 23))
    value, _ = step(objective, flat, seed=8)
    filters = draw_filters("independent", 6, 1, 3, torch.Generator().manual_seed(8)).filters()
    assert float(value) == pytest.approx(0.5 * float(filters.sum((1, 2, 3)).abs().mean()), rel=1e-5)


def test_devices_without_float64_lose_nothing_to_speak_of(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, image = picture(40, 50, seed=1), picture(40, 50, seed=2)
    weights = PatchWeights((torch.rand(34, 44, generator=torch.Generator().manual_seed(0)),))
    expected = step(SWDLoss().bind([reference], (40, 50), weights=weights), image)
    for module in (histograms, passes, reference_sides):
        monkeypatch.setattr(module, "wide", lambda device: torch.float32)
    value, gradient = step(SWDLoss().bind([reference], (40, 50), weights=weights), image)
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-3)
    assert F.cosine_similarity(gradient.flatten(), expected[1].flatten(), 0) > 0.999


def test_a_large_reference_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, image = picture(120, 150, seed=1), picture(60, 70, seed=2)
    loss = SWDLoss(num_proj=32, patch_size=3, coherence=0.0)
    whole = step(loss.bind([reference], (60, 70)), image)
    monkeypatch.setattr(reference_sides, "REFERENCE_PATCHES", 1500)
    objective = loss.bind([reference], (60, 70))
    assert objective.sides.sample == (3, 3)  # type: ignore[attr-defined]
    few = step(objective, image)
    assert few[0] != whole[0]
    assert float(few[0]) == pytest.approx(float(whole[0]), rel=0.05)
    assert F.cosine_similarity(few[1].flatten(), whole[1].flatten(), 0) > 0.99


@pytest.mark.parametrize(
    ("share", "expected"), [(0, (1, 1)), (1, (1, 1)), (2, (2, 1)), (3, (2, 1)), (4, (2, 2)), (6, (3, 2)), (9, (3, 3))]
)
def test_patches_are_taken_in_the_share_asked_for(share: int, expected: tuple[int, int]) -> None:
    assert reference_sides.spacing(share) == expected


@pytest.mark.parametrize("side", [21, 42, 100])
def test_buffers_stay_within_the_plan(side: int) -> None:
    """Also at small levels, where several sets are worked off together."""
    loss = SWDLoss(coherence=0.0, **LARGE)
    objective = loss.bind([picture(side, side)], (side, side))
    assert isinstance(objective, HistogramObjective)
    step(objective, picture(side, side, seed=2))
    held = sum(buffer.nbytes for buffer in objective.workspace.buffers.values())
    assert 0 < held <= loss.working_bytes(side**2, side**2)[1]


def test_the_pool_is_refreshed_and_each_set_used_as_often_as_asked() -> None:
    for reuse, expected in ((1, 40), (2, 2 + 19), (4, 4 + 9)):
        objective = SWDLoss(num_proj=4, reuse=reuse, **LARGE).bind([picture()], (32, 40))
        assert isinstance(objective, HistogramObjective)
        drawn, fresh = [], objective.fresh
        objective.fresh = (drawn.append(sides) or sides for sides in fresh)
        values = [float(step(objective, picture(seed=2), seed=s)[0]) for s in range(40)]
        assert len(drawn) == expected
        assert len(set(values)) > 8


def test_a_set_is_the_same_whether_worked_off_alone_or_with_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the last digits: how many are worked off together follows from the sizes alone."""
    reference = picture(40, 50, seed=1)
    several, alone = ([], [])
    for sides, values in ((several, 2**19), (alone, 1)):
        monkeypatch.setattr(reference_sides, "TOGETHER_VALUES", values)
        objective = SWDLoss(num_proj=5, **LARGE).bind([reference], (32, 40))
        assert isinstance(objective, HistogramObjective)
        sides += [next(objective.fresh)[0] for _ in range(11)]
    for a, b in zip(several, alone, strict=True):
        assert torch.allclose(a.scaled.filters(), b.scaled.filters(), rtol=1e-4, atol=1e-4)
        assert torch.allclose(a.bins.offset, b.bins.offset, rtol=1e-4)
        assert (a.function - b.function).abs().mean() < 1e-3
        assert torch.equal(a.adjoint.along, b.adjoint.along)
    assert len({float(side.bins.low[0]) for side in several}) == 11


@pytest.mark.parametrize("options", [LARGE, PAPER])
def test_shrinking_comes_to_an_end(options: dict) -> None:
    objective = SWDLoss(**options).bind([picture()], (32, 40))
    shrink = objective.workspace.shrink if isinstance(objective, HistogramObjective) else objective._shrink  # type: ignore[attr-defined]
    words = [shrink() for _ in range(30)]
    assert words[0] is not None and words[1] != words[0]
    assert words[-1] is None
