"""The patch denoiser: posterior means against sums, schedules, what it respects, and whole runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from gpdm import (
    TASKS,
    Canvas,
    ImageError,
    Keep,
    OptionError,
    OutputState,
    PatchDenoiser,
    PyramidSchedule,
    Reference,
    SWDLoss,
    Task,
    patch_distribution,
    run_task,
    style_transfer,
    synthesize,
)
from gpdm.borders import BORDERS, patch_weights, repeated, upsample, wraps
from gpdm.images import resize
from gpdm.optimizers import denoised_patches, patch_denoiser
from gpdm.optimizers.denoised_patches import DenoisedPatches, Schedule, gaussian_window
from gpdm.patches import posterior
from gpdm.patches.inverted_lists import InvertedLists
from gpdm.patches.nearest import all_patches
from gpdm.patches.posterior import PosteriorMean
from gpdm.patches.store import PatchStore
from library.problems import picture

P = 5
REFERENCE = picture(20, 23, seed=1)
NOISY = picture(14, 16, seed=2)
WEIGHT = torch.rand(1, 1, 20, 23, generator=Generator().manual_seed(3)) + 0.1
STEPS = Schedule(num_steps=3, lowest=1e-4, highest=None, eta=0.0)


def patches(image: Tensor, p: int = P) -> Tensor:
    """All patches, one per row, with the channels last."""
    return all_patches([image], p).unflatten(1, (-1, p * p)).transpose(1, 2).flatten(1)


def expected_mean(noisy: Tensor, keys: Tensor, alpha: float, sigma: float, weights: Tensor | None = None) -> Tensor:
    """The posterior means as the formula says, in float64."""
    distance = torch.cdist(noisy.double(), alpha * keys.double()).square()
    logits = -distance / (2 * sigma**2)
    return ((logits if weights is None else logits + weights.double().log()).softmax(1) @ keys.double()).float()


def denoiser(*references: Reference, size: tuple[int, int] = (14, 16), **options: Any) -> DenoisedPatches:
    settings = {"patch_size": P, "neighbours": 0, "window": 0.5, "schedule": STEPS, "factor": 1.0} | options
    canvas = Canvas(size=size, border=settings.pop("border", "free"))
    return DenoisedPatches(references=references or (Reference(REFERENCE),), canvas=canvas, **settings)


@pytest.mark.parametrize("weights", [None, patch_weights(WEIGHT, P)], ids=["equal weights", "weights"])
@pytest.mark.parametrize(("alpha", "sigma"), [(0.0, 1.0), (0.1, 0.9), (0.6, 0.4), (0.9, 0.1)])
def test_the_posterior_mean_is_that_of_the_formula(alpha: float, sigma: float, weights: Tensor | None) -> None:
    mean = PosteriorMean([REFERENCE], P, None if weights is None else [weights], 0)
    noisy = patches(NOISY)
    expected = expected_mean(noisy, patches(REFERENCE), alpha, sigma, None if weights is None else weights.flatten())
    assert torch.allclose(mean.of(noisy, alpha, sigma), expected, atol=1e-4)


@pytest.mark.parametrize("pairs", [1, 1000])
def test_the_number_of_pairs_at_a_time_does_not_matter(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = PosteriorMean([REFERENCE], P, None, 0).of(patches(NOISY), 0.5, 0.5)
    monkeypatch.setattr(posterior, "PAIRS_AT_ONCE", pairs)
    assert torch.allclose(PosteriorMean([REFERENCE], P, None, 0).of(patches(NOISY), 0.5, 0.5), expected, atol=1e-5)


@pytest.mark.parametrize("number", [1, 4, 400])
def test_with_all_lists_the_nearest_patches_are_found(number: int) -> None:
    store = PatchStore([REFERENCE], P)
    lists = InvertedLists(store, store.allowed.nonzero()[:, 0], 9)
    index, is_found = lists.several(patches(NOISY), 9, number)
    keys = patches(REFERENCE)
    expected = torch.cdist(patches(NOISY), keys).sort(1).values[:, :number]
    found = (store.read(index.flatten()).view(*index.shape, -1) - patches(NOISY)[:, None]).norm(dim=2)
    assert is_found.sum(1).eq(min(number, len(keys))).all()
    assert torch.allclose(found[is_found], expected.flatten(), atol=1e-4)


@pytest.mark.parametrize("weights", [None, patch_weights(WEIGHT, P)], ids=["equal weights", "weights"])
def test_with_all_patches_as_neighbours_the_mean_is_that_of_the_formula(
    weights: Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posterior, "PROBES", 99)
    mean = PosteriorMean([REFERENCE], P, None if weights is None else [weights], 400)
    noisy, flat = patches(NOISY), None if weights is None else weights.flatten()
    expected = expected_mean(noisy, patches(REFERENCE), 0.3, 0.7, flat)
    assert torch.allclose(mean.of(noisy, 0.3, 0.7), expected, atol=1e-4)


def test_few_lists_with_few_patches_give_fewer() -> None:
    small = picture(P + 1, P + 1)
    mean = PosteriorMean([small], P, None, 64)
    result = mean.of(patches(NOISY), 0.5, 0.5)
    assert result.isfinite().all()
    assert mean._lists.several(patches(NOISY), 2, 64)[1].sum(1).max() <= 4


def test_with_little_noise_few_neighbours_give_the_mean_over_all() -> None:
    noisy = patches(REFERENCE) * 0.9 + 0.1 * torch.randn(304, 75, generator=Generator().manual_seed(0))
    exact, nearest = (PosteriorMean([REFERENCE], P, None, neighbours).of(noisy, 0.9, 0.1) for neighbours in (0, 5))
    same = (exact - nearest).abs().amax(1) < 1e-3
    assert float(same.float().mean()) > 0.9


def test_a_patch_of_weight_0_is_never_used() -> None:
    weight = torch.ones(1, 1, 20, 23)
    weight[..., 11:] = 0
    half = PosteriorMean([REFERENCE[..., :11]], P, None, 0).of(patches(NOISY), 0.5, 0.5)
    for neighbours in (0, 10000):
        mean = PosteriorMean([REFERENCE], P, [patch_weights(weight, P, exclude=True)], neighbours)
        mean._lists.number = 1  # so that one list holds all patches
        assert set((mean.first % 23).tolist()) == set(range(11 - P + 1))
        if neighbours == 0:
            assert torch.allclose(mean.of(patches(NOISY), 0.5, 0.5), half, atol=1e-5)


def test_a_patch_of_weight_2_counts_like_two() -> None:
    once, twice = picture(P, P, seed=8), picture(P, P, seed=9)
    weighted = PosteriorMean([once, twice], P, [torch.ones(1, 1), torch.full((1, 1), 2.0)], 0)
    repeated = PosteriorMean([once, twice, twice], P, None, 0)
    assert torch.allclose(weighted.of(patches(NOISY), 0.1, 0.9), repeated.of(patches(NOISY), 0.1, 0.9), atol=1e-5)
    assert torch.allclose(weighted.mean, repeated.mean, atol=1e-6)


@pytest.mark.parametrize("border", BORDERS)
def test_an_image_of_reference_patches_stays_at_little_noise(border: str) -> None:
    image = picture(14, 12, seed=4)
    reference = Reference(repeated(repeated(image, border)))
    estimate = denoiser(reference, size=(14, 12), border=border).denoised(image, 1.0, 0.01)
    assert torch.allclose(estimate.image, image, atol=1e-4)
    assert float(estimate.disagreement) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
def test_denoising_commutes_with_rolling_across_borders_that_wrap(border: str) -> None:
    shift = tuple(5 * circular for circular in wraps(border))
    one = denoiser(border=border)
    rolled = one.denoised(NOISY.roll(shift, (2, 3)), 0.7, 0.3).image
    assert torch.allclose(rolled, one.denoised(NOISY, 0.7, 0.3).image.roll(shift, (2, 3)), atol=1e-5)


def test_overlapping_patches_are_averaged_by_the_window() -> None:
    estimate = denoiser().denoised(NOISY, 0.7, 0.3)
    means = expected_mean(patches(NOISY), patches(REFERENCE), 0.7, 0.3).view(10, 12, P, P, 3)
    window, row, column = gaussian_window(P, 0.5)[..., 0], 7, 9
    sums, weights = torch.zeros(3), 0.0
    for i in range(P):
        for j in range(P):
            sums += window[i, j] * means[row - i, column - j, i, j]
            weights += float(window[i, j])
    assert torch.allclose(estimate.image[0, :, row, column], sums / weights, atol=1e-4)


@pytest.mark.parametrize("strip", [1, 40])
def test_the_number_of_patches_at_a_time_does_not_matter(strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = denoiser().denoised(NOISY, 0.7, 0.3)
    monkeypatch.setattr(denoised_patches, "STRIP_PATCHES", strip)
    result = denoiser().denoised(NOISY, 0.7, 0.3)
    assert torch.allclose(result.image, expected.image, atol=1e-5)
    assert float(result.disagreement) == pytest.approx(float(expected.disagreement), rel=1e-3)


def test_each_region_gets_patches_of_its_references() -> None:
    left = torch.zeros(1, 1, 14, 16)
    left[..., :8] = 1
    flat = [
        Reference(torch.full((1, 3, 8, 8), value), region=region) for value, region in ((0.5, left), (-0.5, 1 - left))
    ]
    result = denoiser(*flat).denoised(NOISY, 0.5, 0.5).image
    assert torch.allclose(result[..., : 8 - P // 2], torch.tensor(0.5), atol=1e-5)
    assert torch.allclose(result[..., 8 + P // 2 :], torch.tensor(-0.5), atol=1e-5)


@pytest.mark.parametrize("border", BORDERS)
def test_low_frequencies_are_those_of_the_level_before(border: str) -> None:
    """The sum is `coarser` where the image is smooth, and keeps what scaling down removes."""
    one, coarser = denoiser(factor=0.5, border=border), picture(14, 16, seed=6)
    smooth = upsample(resize(NOISY, (7, 8), border), (14, 16), border)
    result = one.with_low_frequencies(NOISY, coarser)
    assert torch.allclose(result - coarser, NOISY - smooth, atol=1e-6)


def test_the_schedule_is_linear_from_noise_to_the_lowest_level() -> None:
    sigmas = Schedule(num_steps=10, lowest=1e-4, highest=None, eta=0.0).sigmas(1.0)
    assert torch.allclose(torch.tensor(sigmas), 1 - torch.linspace(0, 1 - 1e-4, 10), atol=1e-6)


@pytest.mark.parametrize(
    ("image", "lowest", "highest"),
    [
        (1.5 * torch.randn(1, 3, 14, 16, generator=Generator().manual_seed(1)), 1, 1),
        (REFERENCE[..., :14, :16], 0, 1e-3),
    ],
    ids=["noise", "a part of the reference"],
)
def test_the_noise_of_an_image_is_what_patches_do_not_explain(image: Tensor, lowest: float, highest: float) -> None:
    assert lowest <= denoiser().noise_of(image) <= highest


def test_each_step_follows_the_formula_of_ddim() -> None:
    """The last estimate with the noise that it implies, at the noise of the next step."""
    one, state = denoiser(factor=0.5), OutputState(Generator().manual_seed(5))
    noise = torch.randn(NOISY.shape, generator=Generator().manual_seed(5))
    sigmas = STEPS.sigmas(1.0)
    first = one.sample(NOISY, 0, state)
    clean = one.denoised(noise, 0.0, 1.0).image
    assert torch.allclose(first.image, one.with_low_frequencies(clean, NOISY), atol=1e-6)
    noisy = (1 - sigmas[1]) * first.image + sigmas[1] * noise
    assert torch.allclose(
        one.sample(first.image, 1, state).image,
        one.with_low_frequencies(one.denoised(noisy, 1 - sigmas[1], sigmas[1]).image, NOISY),
        atol=1e-5,
    )


def test_the_last_step_keeps_its_own_low_frequencies() -> None:
    one, state = denoiser(factor=0.5), OutputState(Generator().manual_seed(5))
    image = NOISY
    for step in range(2):
        image = one.sample(image, step, state).image
    sigma = STEPS.lowest
    noisy = (1 - sigma) * image + sigma * state.remembered.noise
    assert torch.equal(one.sample(image, 2, state).image, one.denoised(noisy, 1 - sigma, sigma).image)


def test_a_batch_of_images_is_refused() -> None:
    with pytest.raises(ImageError, match="batch of 2"):
        denoiser().sample(NOISY.repeat(2, 1, 1, 1), 0, OutputState(Generator()))


OPTIONS: dict[str, Any] = {
    "optimizer": PatchDenoiser(num_steps=3, patch_size=7),
    "pyramid": PyramidSchedule(coarse_dim=12, pyr_factor=0.5),
}


def test_each_of_several_outputs_equals_a_single_run() -> None:
    result = synthesize(picture(24, 26), seed=3, num_outputs=2, **OPTIONS)
    single = [synthesize(picture(24, 26), seed=3 + i, **OPTIONS).images for i in range(2)]
    assert torch.equal(result.images, torch.cat(single))
    assert not torch.equal(single[0], single[1])
    assert [tuple(losses.shape) for losses in result.losses] == [(2, 3)] * 2
    assert {stop for stops in result.stops for stop in stops} == {"step limit"}


def test_the_loss_has_no_effect() -> None:
    images = [
        synthesize(picture(24, 26), loss=loss, **OPTIONS).images for loss in (None, SWDLoss(patch_size=31, num_proj=1))
    ]
    assert torch.equal(*images)


def test_the_number_of_threads_does_not_matter() -> None:
    before, images = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            images.append(synthesize(picture(24, 26), seed=1, **OPTIONS).images)
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(*images, atol=1e-4)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_new_noise_comes_from_the_seed(eta: float) -> None:
    options: dict[str, Any] = {**OPTIONS, "optimizer": PatchDenoiser(num_steps=3, patch_size=7, eta=eta)}
    images = [synthesize(picture(24, 26), seed=seed, **options).images for seed in (1, 1, 2)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_large_levels_use_the_nearest_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {**OPTIONS, "optimizer": PatchDenoiser(num_steps=3, patch_size=7, search="exact")}
    exact = synthesize(picture(24, 26), **options)
    approximate = synthesize(picture(24, 26), **OPTIONS)
    assert torch.equal(exact.images, approximate.images)
    monkeypatch.setattr(patch_denoiser, "MAX_PAIRS", 0)
    assert not torch.equal(synthesize(picture(24, 26), **OPTIONS).images, exact.images)


def test_kept_pixels_are_given_bit_for_bit_and_their_surroundings_fit() -> None:
    reference, mask = picture(24, 26), torch.zeros(24, 26)
    mask[8:16, 8:18] = 1
    result = synthesize(reference, keep=Keep(reference, mask), seed=1, **OPTIONS).images
    assert torch.equal(result[..., mask > 0], reference[..., mask > 0])
    without = synthesize(reference, seed=1, **OPTIONS).images
    assert not torch.allclose(result[..., mask == 0], without[..., mask == 0])


def test_a_symmetry_is_exact() -> None:
    result = synthesize(picture(24, 26), symmetry="mirror x", **OPTIONS).images
    assert torch.equal(result, result.flip(3))


@pytest.mark.parametrize(("noise", "near"), [(0.02, True), (1.0, False)])
def test_start_noise_sets_how_much_of_a_start_remains(noise: float, near: bool) -> None:
    reference = picture(24, 26)
    optimizer = PatchDenoiser(num_steps=3, patch_size=7, start_noise=noise)
    pyramid = PyramidSchedule(coarse_dim=24)
    result = synthesize(reference, init=reference.flip(3), optimizer=optimizer, pyramid=pyramid).images
    assert (float((result - reference.flip(3)).square().mean()) < 0.1) is near


def test_a_saved_distribution_is_refused_before_any_work() -> None:
    saved = Reference.of_distribution(patch_distribution(picture(24, 26)))
    with pytest.raises(OptionError, match="patch denoiser"):
        synthesize(saved, **OPTIONS)


def test_a_level_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^a patch of 31x31 does not fit pyramid level 0"):
        synthesize(picture(40, 40), optimizer=PatchDenoiser(patch_size=31))


def test_memory_is_planned() -> None:
    with pytest.raises(OptionError, match="memory"):
        synthesize(picture(), optimizer=PatchDenoiser(), memory=10**6)


@pytest.mark.parametrize(
    "options", [{"num_steps": 1}, {"eta": 1.1}, {"patch_size": 2}, {"window": 0.0}, {"search": "x"}]
)
def test_bad_options_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        PatchDenoiser(**options)


WITHOUT_LAYOUT = {name: task for name, task in TASKS.items() if name != "analogy"}
"""Tasks that work without a guide, which is a part of a loss."""


@pytest.mark.parametrize("task", WITHOUT_LAYOUT.values(), ids=list(WITHOUT_LAYOUT))
def test_tasks_have_it_as_a_quality(task: Task) -> None:
    pictures = [picture(30, 34, seed=number) for number in range(len(task.pictures))]
    result = run_task(task, *pictures, quality="denoiser")
    assert result.images.isfinite().all()
    assert {losses.shape[1] for losses in result.losses} == {10}


def test_a_style_with_a_guide_is_refused() -> None:
    with pytest.raises(Exception, match="denoiser"):
        style_transfer(picture(), picture(), quality="denoiser", layout=0.5)
