"""Synthesis: checks of the arguments, results, and reproducibility by seed."""

from __future__ import annotations

import math

import pytest
import torch

from gpdm import (
    GPDMError,
    ImageError,
    InitialGuess,
    Optimizer,
    OptionError,
    PyramidSchedule,
    StepInfo,
    SWDLoss,
    synthesize,
)
from gpdm.optimizers.runs import Run, select_start
from library.problems import evaluated, objective_of, picture

QUICK = {
    "optimizer": Optimizer(num_steps=4, fine_steps=0),
    "loss": SWDLoss(num_proj=4),
    "pyramid": PyramidSchedule(pyr_factor=0.7),
}
STEPS = {"optimizer": Optimizer(num_steps=80, fine_steps=0), "pyramid": PyramidSchedule(pyr_factor=0.7)}


def test_the_result_has_images_losses_and_stopping_reasons() -> None:
    result = synthesize(picture(30, 40), num_outputs=2, **QUICK)
    assert result.images.shape == (2, 3, 30, 40)
    assert result.images.abs().max() <= 1
    assert len(result.losses) == len(result.stops) == len(result.levels)
    assert all(losses.shape == (2, 4) and losses.isfinite().all() for losses in result.losses)
    assert all(stops == ("step limit", "step limit") for stops in result.stops)
    assert result.seconds > 0


def test_losses_after_convergence_are_nan() -> None:
    optimizer = Optimizer(num_steps=40, fine_steps=0, window=4)
    result = synthesize(picture(22, 22), num_outputs=3, **(QUICK | {"optimizer": optimizer}))
    for losses, stops in zip(result.losses, result.stops, strict=True):
        for row, stop in zip(losses, stops, strict=True):
            steps = int(row.isfinite().sum())
            assert row[:steps].isfinite().all() and row[steps:].isnan().all()
            assert steps == 40 if stop == "step limit" else steps % 2 == 0


def test_the_distance_to_the_reference_falls() -> None:
    reference = picture(32, 32)
    objective = objective_of(SWDLoss(num_proj=128, solver="exact", projections="independent"), reference, (32, 32))

    def distance(image: torch.Tensor) -> float:
        return float(evaluated(objective, image, seed=99)[0])

    result = synthesize(reference, seed=1, optimizer=Optimizer(num_steps=100))
    assert distance(result.images) < 0.15 * distance(torch.zeros_like(reference))
    assert (result.images - reference).abs().mean() > 0.1, "the result is a copy"


@pytest.mark.slow
def test_the_final_distance_is_about_that_of_algorithm_1() -> None:
    """Histograms and shared filters against sorting and fresh filters, as in the paper, with equal steps."""
    reference = picture(40, 40, seed=7)
    objective = objective_of(SWDLoss(num_proj=256, solver="exact", projections="independent"), reference, (40, 40))
    distances = [
        float(evaluated(objective, synthesize(reference, seed=seed, loss=loss, **STEPS).images, seed=99)[0])
        for loss in (SWDLoss(), SWDLoss(solver="exact", projections="independent"))
        for seed in (1, 2)
    ]
    assert sum(distances[:2]) < 1.3 * sum(distances[2:])


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"loss": SWDLoss(num_proj=4, solver="exact")},
        {"loss": SWDLoss(num_proj=4, reuse=2)},
        {"guess": InitialGuess(starts=2)},
    ],
    ids=["histogram", "exact", "reuse", "starts"],
)
def test_output_i_equals_a_single_run_with_seed_plus_i(more: dict) -> None:
    """The reference implementation starts every output from the same noise (defect 7)."""
    options = QUICK | more
    together = synthesize(picture(24, 24), num_outputs=3, seed=10, **options).images
    for i in range(3):
        assert torch.equal(together[i : i + 1], synthesize(picture(24, 24), seed=10 + i, **options).images)
    assert (together[0] - together[1]).abs().mean() > 0.05


def test_an_output_that_converges_early_does_not_change_the_others() -> None:
    options = QUICK | {
        "optimizer": Optimizer(num_steps=40, fine_steps=0, window=2),
        "guess": InitialGuess(noise_sigma=1.5),
    }
    together = synthesize(picture(22, 22), num_outputs=4, **options)
    steps = together.losses[-1].isfinite().sum(1)
    assert steps.min() < steps.max(), "all outputs converged at the same step"
    for i in range(4):
        assert torch.equal(together.images[i : i + 1], synthesize(picture(22, 22), seed=i, **options).images)


def test_without_noise_the_seed_chooses_among_the_reused_filters() -> None:
    """All outputs share a pool of filters; the choice at each step is that of the output's generator."""
    init = picture(24, 24, seed=1)
    options = QUICK | {"optimizer": Optimizer(num_steps=20), "loss": SWDLoss(num_proj=4, reuse=2)}
    assert not torch.equal(*(synthesize(picture(24, 24), init=init, seed=seed, **options).images for seed in (0, 1)))


def test_one_of_several_starts_is_continued() -> None:
    reference = picture(44, 44)
    options = {"optimizer": Optimizer(num_steps=15, fine_steps=0), "loss": SWDLoss(num_proj=16)}
    levels: list[int] = []
    result = synthesize(reference, guess=InitialGuess(starts=3), on_step=lambda i: levels.append(i.level), **options)
    steps = [levels.count(level.index) for level in result.levels]
    before = [level for level in result.levels if level.scale <= 2 * result.levels[0].scale]
    assert steps == [45] * len(before) + [15] * (len(result.levels) - len(before))
    assert [losses.shape for losses in result.losses] == [(1, 15)] * len(result.levels)


@pytest.mark.parametrize(
    ("losses", "chosen"), [((10.0, 2.5, 1.0), 1), ((2.9, 1.0), 0), ((3.1, 1.0), 1), ((1.0, 0.9), 0), ((5.0, 5.0), 0)]
)
def test_the_first_start_within_three_times_the_lowest_loss_is_selected(losses: tuple[float, ...], chosen: int) -> None:
    """The lowest loss is often that of a copy; a much higher one lacks a part of the reference."""
    runs = [Run(0, torch.Generator(), picture(8, 8), [torch.full((8,), loss)]) for loss in losses]
    assert select_start([run.final_loss() for run in runs]) == chosen


def test_seeds_are_modulo_2_64() -> None:
    assert torch.equal(
        synthesize(picture(24, 24), num_outputs=2, seed=2**64 - 1, **QUICK).images[1:],
        synthesize(picture(24, 24), seed=0, **QUICK).images,
    )


def test_global_random_state_and_inputs_are_unchanged() -> None:
    torch.manual_seed(123)
    state = torch.get_rng_state()
    reference = picture(24, 24)
    before = reference.clone()
    first = synthesize(reference, seed=3, **QUICK).images
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(reference, before)
    torch.rand(5)
    assert torch.equal(first, synthesize(reference, seed=3, **QUICK).images)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_follows_the_reference(dtype: torch.dtype) -> None:
    result = synthesize(picture(22, 22).to(dtype), **QUICK)
    assert result.images.dtype == dtype
    assert result.images.isfinite().all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_any_number_of_channels(channels: int) -> None:
    assert synthesize(picture(22, 22, channels), **QUICK).images.shape == (1, channels, 22, 22)


def test_without_a_value_range_images_are_not_clamped() -> None:
    latents = 8 * picture(22, 22, 4)
    assert synthesize(latents, value_range=None, **QUICK).images.abs().max() > 1


@pytest.mark.parametrize("value_range", [None, (0.0, 255.0)])
def test_the_result_does_not_depend_on_the_units_of_the_data(value_range: tuple[float, float] | None) -> None:
    """An affine map of the reference maps the result in the same way, to rounding."""
    reference = picture(22, 22)
    expected = synthesize(reference, value_range=value_range and (-1.0, 1.0), **QUICK).images
    result = synthesize((reference + 1) * 127.5, value_range=value_range, **QUICK).images
    # Adam makes a step of full length also where a gradient is only rounding.
    assert float((result / 127.5 - 1 - expected).abs().mean()) < 1e-3


def test_callbacks_get_images_in_data_units_and_in_working_units() -> None:
    infos: list[tuple[torch.Tensor, torch.Tensor]] = []
    result = synthesize(
        (picture(30, 40) + 1) * 127.5,
        value_range=(0, 255),
        guess=InitialGuess(source="reference"),
        on_step=lambda info: infos.append((info.image.clone(), info.working_image.clone())),
        **QUICK,
    )
    for image, working in infos:
        assert 0.5 < working.abs().max() < 1.3
        assert torch.allclose(image, (working + 1) * 127.5, atol=1e-3)
    assert result.images.min() >= 0
    assert 150 < result.images.max() <= 255
    assert torch.allclose(result.images, infos[-1][0].clamp(0, 255), atol=1e-3)


@pytest.mark.parametrize("constants", [{1: 0.25}, {0: -1.0, 2: 1.0}, {0: 0.5, 1: 0.5, 2: 0.5}])
@pytest.mark.parametrize("source", ["noise", "image"])
def test_a_constant_channel_stays_constant_through_every_step(constants: dict[int, float], source: str) -> None:
    reference, seen = picture(30, 34, channels=3), []
    for channel, value in constants.items():
        reference[:, channel] = value
    init = picture(30, 34, channels=3, seed=5) if source == "image" else None
    result = synthesize(
        reference,
        init=init,
        guess=InitialGuess(source=source, image_noise_sigma=0.3),
        on_step=lambda info: seen.append(info.image.clone()),
        **QUICK,
    )
    for images in (*seen, result.images):
        for channel, value in constants.items():
            assert torch.equal(images[:, channel], torch.full_like(images[:, channel], value))
    varying = [channel for channel in range(3) if channel not in constants]
    assert not varying or float(result.images[:, varying].std()) > 0.05


def test_references_of_different_sizes_and_another_output_size() -> None:
    """The reference implementation crashes on them (defect 17)."""
    result = synthesize([picture(30, 26), picture(24, 40)], size=(25, 50), **QUICK)
    assert result.images.shape == (1, 3, 25, 50)
    assert [len(level.reference_sizes) for level in result.levels] == [2] * len(result.levels)


def test_the_default_size_is_that_of_init() -> None:
    assert synthesize(picture(24, 24), init=picture(30, 36), **QUICK).images.shape[-2:] == (30, 36)
    assert synthesize(picture(24, 24), init=picture(30, 36), size=(22, 23), **QUICK).images.shape[-2:] == (22, 23)


def test_init_is_not_changed_in_place() -> None:
    init = picture(21, 21, seed=1)
    before = init.clone()
    result = synthesize(picture(21, 21), init=init, **QUICK)  # one level, of the size of init
    assert torch.equal(init, before)
    assert not torch.equal(result.images, before)


def test_an_init_batch_makes_one_output_from_each_image() -> None:
    inits = torch.cat([picture(24, 24, seed=1), picture(24, 24, seed=2)])
    result = synthesize(picture(24, 24), init=inits, seed=5, **QUICK)
    assert result.images.shape[0] == 2
    assert torch.equal(result.images[1:], synthesize(picture(24, 24), init=inits[1:], seed=6, **QUICK).images)
    with pytest.raises(ImageError, match="num_outputs 1 or 2"):
        synthesize(picture(24, 24), init=inits, num_outputs=3, **QUICK)


def test_every_level_starts_within_the_value_range() -> None:
    extremes: dict[int, float] = {}

    def on_step(info: StepInfo) -> None:
        if info.step == 0:
            extremes[info.level] = float(info.image.abs().max())

    slow = QUICK | {"optimizer": Optimizer(method="adam", lr=0.01, num_steps=4)}
    synthesize(picture(40, 40), guess=InitialGuess(noise_sigma=3.0), on_step=on_step, **slow)
    assert extremes[0] > 2
    assert all(extreme <= 1 + 2 * 0.01 for level, extreme in extremes.items() if level > 0)


def test_callbacks_get_the_state_of_the_run_and_may_stop_it() -> None:
    infos: list[StepInfo] = []

    def stop(info: StepInfo) -> None:
        infos.append(info)
        if info.level == 1 and info.step == 2:
            raise RuntimeError("stop here")

    with pytest.raises(RuntimeError, match="stop here"):
        synthesize(picture(30, 30), on_step=stop, **QUICK)
    assert [(info.level, info.step) for info in infos] == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert infos[0].levels == 2 and infos[0].steps == 4 and infos[0].loss > 0
    assert [info.done for info in infos] == sorted(info.done for info in infos)
    work = [4 * math.prod(size) for size in ((21, 21), (30, 30))]
    assert infos[0].done == pytest.approx(work[0] / 4 / sum(work))
    assert infos[4].done == pytest.approx((work[0] + work[1] / 4) / sum(work))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"reference": picture(6, 30)}, OptionError, "larger picture"),
        ({"reference": picture()[0]}, ImageError, r"\(B, C, H, W\)"),
        ({"reference": picture().to(torch.uint8)}, ImageError, "floating-point"),
        ({"reference": picture() * float("nan")}, ImageError, "NaN"),
        ({"reference": []}, ImageError, "empty"),
        ({"reference": [picture(), picture(channels=1)]}, ImageError, "channels"),
        ({"reference": picture(), "init": picture(channels=4)}, ImageError, "init has 4 channels"),
        (
            {"reference": picture(), "init": picture(), "guess": InitialGuess()},
            OptionError,
            "^init is given and source noise would ignore it",
        ),
        (
            {"reference": picture(), "guess": InitialGuess(source="image")},
            OptionError,
            "source image needs a start picture; give init, or choose",
        ),
        ({"reference": picture(), "size": (5, 30)}, OptionError, "patch"),
        ({"reference": picture(), "size": (0, 30)}, OptionError, "size"),
        ({"reference": picture(), "num_outputs": 0}, OptionError, "num_outputs"),
        ({"reference": picture(), "num_outputs": 1.5}, OptionError, "num_outputs"),
        ({"reference": picture(), "seed": 0.5}, OptionError, "seed"),
        ({"reference": picture(), "size": 64}, OptionError, "height, width"),
        ({"reference": picture(), "optimizer": "adam"}, OptionError, "Optimizer"),
        ({"reference": picture(), "loss": 3}, OptionError, "SWDLoss"),
        (
            {"reference": picture(), "loss": object()},
            OptionError,
            r"^loss must be an SWDLoss .* not object; write SWDLoss\(\)",
        ),
        (
            {"reference": picture(), "optimizer": object()},
            OptionError,
            r"^optimizer must be .* not object; write Optimizer\(\)",
        ),
        (
            {"reference": picture(), "pyramid": object()},
            OptionError,
            r"^pyramid must be .* not object; write PyramidSchedule\(\)",
        ),
        (
            {"reference": picture(), "guess": object()},
            OptionError,
            r"^guess must be .* not object; write InitialGuess\(\)",
        ),
        ({"reference": picture(), "loss": SWDLoss}, OptionError, r"^loss must be .* not the class SWDLoss; write"),
        ({"reference": picture(), "on_step": 3}, OptionError, "on_step"),
        ({"reference": None}, ImageError, "^reference must be a tensor, a Reference or a list of these, not NoneType"),
        ({"reference": picture(), "value_range": (1, -1)}, OptionError, "value_range"),
        ({"reference": picture(), "size": (30,)}, OptionError, "height, width"),
    ],
)
def test_bad_arguments_are_refused_before_any_step(arguments: dict, error: type[GPDMError], message: str) -> None:
    def fail(info: StepInfo) -> None:
        raise AssertionError("a step was made")

    with pytest.raises(error, match=message):
        synthesize(**({"on_step": fail} | arguments))


def test_works_under_inference_mode() -> None:
    reference = picture(24, 24)
    outside = synthesize(reference, seed=2, **QUICK).images
    with torch.inference_mode():
        assert torch.equal(synthesize(reference.clone(), seed=2, **QUICK).images, outside)
