"""Metrics: their values for equal images, and the effect of each fault on the metric that measures it."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import Reference, from_pil
from gpdm.borders import gaussian_blur
from gpdm.errors import GPDMError, ImageError, OptionError
from gpdm.evaluation import metrics
from gpdm.evaluation.copying import PATCH_SIZE
from gpdm.evaluation.metrics import (
    BORDER_WIDTH,
    DESCRIPTIONS,
    PATCH_SIZES,
    SCALES,
    Evaluation,
    border_ratio,
    diversity,
    evaluate,
    held_out,
)
from gpdm.evaluation.seams import seam_gradients, seam_ratio
from gpdm.evaluation.spectrum import HIGH_FREQUENCY, high_frequencies, spectra
from gpdm.images import resize
from gpdm.patches.nearest import all_patches, nearest

INPUTS = Path(__file__).resolve().parents[2] / "workflows" / "inputs"


def noise(height: int, width: int, seed: int, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def textured(height: int = 64, width: int = 64, seed: int = 0, channels: int = 3) -> Tensor:
    """Noise of several grain sizes, about half as strong as fits into [-1, 1]."""
    grains = [gaussian_blur(noise(height, width, 10 * seed + i, channels), sigma) for i, sigma in enumerate((0, 1, 3))]
    return sum((grain / grain.std() for grain in grains), torch.zeros(())) * 0.15


GOOD = textured(48, 48)


def wave(cycles: float, side: int = 65) -> Tensor:
    """A cosine from left to right with a number of cycles, which continues when it is mirrored."""
    x = torch.arange(side) / (side - 1)
    return torch.cos(2 * math.pi * cycles * x).expand(1, 1, side, side)


def periodic(side: int = 48, seed: int = 0) -> Tensor:
    """An image that tiles: waves with whole numbers of cycles in many directions."""
    g = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(*[torch.arange(side, dtype=torch.float64) / side] * 2, indexing="ij")
    image = torch.zeros(1, 3, side, side, dtype=torch.float64)
    for _ in range(40):
        down, right = torch.randint(-11, 12, (2,), generator=g).tolist()
        phases = 2 * math.pi * torch.rand(3, 1, 1, generator=g, dtype=torch.float64)
        image += 0.1 * torch.sin(2 * math.pi * (down * y + right * x) + phases)
    return image.float()


def high_frequencies_of(references: list[Tensor], image: Tensor) -> float:
    return high_frequencies(*spectra(references, image))


def assert_no_faults(result: Evaluation) -> None:
    """Checks the evaluation of an image against itself."""
    scores = dict(result.scores)
    assert scores.pop("completeness") == pytest.approx(0, abs=1e-6)  # rounded in float32
    zero = {"held-out distance", "detail distance", "coherence", "high frequencies", "line continuity", "unused"}
    assert scores == {name: 0.0 if name in zero else 1.0 for name in scores}
    assert not any(result.per_scale.values())
    assert not result.errors.any()
    assert torch.equal(result.spectra[1], result.spectra[2])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_an_image_has_no_faults_against_itself(channels: int) -> None:
    image = textured(48, 56, channels=channels)
    result = evaluate(image, image)
    assert_no_faults(result)
    assert result.scores.keys() <= DESCRIPTIONS.keys()


@pytest.mark.parametrize("name", ["cat", "wood"])
def test_a_photograph_has_no_faults_against_itself(name: str) -> None:
    image = from_pil(Image.open(INPUTS / f"{name}.jpg").crop((20, 20, 84, 84)))
    assert_no_faults(evaluate(image, image))


def test_with_score_returns_a_copy_with_one_more_score() -> None:
    result = evaluate(GOOD, GOOD)
    more = result.with_score("diversity", 0.5)
    assert dict(more.scores) == {**result.scores, "diversity": 0.5}
    assert "diversity" not in result.scores
    assert more.errors is result.errors


def test_an_image_that_tiles_has_no_seam_against_its_tiling() -> None:
    image = periodic()
    result = evaluate(image.repeat(1, 1, 2, 2), image, tiles="circular")
    assert result.scores["coherence"] == 0
    assert result.scores["seam"] == result.scores["border"] == result.scores["copied"] == 1


@pytest.mark.parametrize(("kind", "score"), [("all", "held-out distance"), ("detail", "detail distance")])
def test_the_distances_are_means_over_patch_sizes_and_scales(kind: str, score: str) -> None:
    result = evaluate(textured(48, 48), textured(48, 48, seed=1))
    names = [f"{kind} {p}x{p} at {scale:g}" for scale in SCALES for p in PATCH_SIZES]
    assert result.scores[score] == pytest.approx(sum(result.per_scale[name] for name in names) / len(names))
    assert len(result.per_scale) == 2 * len(SCALES) * len(PATCH_SIZES)


def test_distances_per_scale_are_at_the_patch_size_and_scale_in_their_names() -> None:
    reference, image = textured(48, 64), textured(56, 48, seed=1)
    per_scale = evaluate(reference, image).per_scale
    assert per_scale["detail 5x5 at 1"] == held_out([reference], image, 5, 1.0, "detail")
    smaller = [resize(reference, (24, 32))], resize(image, (28, 24))
    assert per_scale["all 3x3 at 0.5"] == held_out(*smaller, 3, 1.0)
    assert len(set(per_scale.values())) == len(per_scale)


@pytest.mark.parametrize("patch_size", PATCH_SIZES)
@pytest.mark.parametrize("kind", ["all", "detail"])
@pytest.mark.parametrize("contrast", [0.0, 0.5, 1.5])
def test_the_distance_of_another_contrast_is_its_difference(contrast: float, kind: str, patch_size: int) -> None:
    """The contrast scales projections about their mean, so that the distance is |1 - contrast| times their spread."""
    reference = periodic()
    mean = reference.mean((2, 3), keepdim=True)
    distance = held_out([reference], mean + contrast * (reference - mean), patch_size, 1.0, kind)
    assert distance == pytest.approx(abs(1 - contrast), rel=0.01)


@pytest.mark.parametrize("kind", ["all", "detail"])
def test_the_distance_of_a_flat_image_is_1_for_a_reference_of_any_contrast_and_colour(kind: str) -> None:
    reference = 0.1 * periodic() + torch.tensor([0.5, -0.2, 0.1])[:, None, None]
    flat = reference.mean((2, 3), keepdim=True).expand_as(reference)
    assert held_out([reference], flat, 7, 1.0, kind) == pytest.approx(1, rel=0.01)


def test_a_shift_of_colour_does_not_change_the_detail_distance() -> None:
    reference = textured()
    shifted = reference + torch.tensor([0.3, -0.1, 0.2])[:, None, None]
    scores = evaluate(reference, shifted).scores
    assert scores["held-out distance"] > 0.3
    assert scores["detail distance"] == pytest.approx(0, abs=1e-5)
    assert scores["coherence"] > 0.005
    assert scores["high frequencies"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("kind", ["all", "detail"])
def test_the_distances_do_not_depend_on_the_positions_of_patches(kind: str) -> None:
    reference = periodic()
    rolled = reference.roll((17, 9), (2, 3))
    assert held_out([reference], rolled, 7, 1.0, kind) < 0.05 < held_out([reference], rolled.flip(1), 7, 1.0, kind)


def test_held_out_filters_are_fixed_and_do_not_change_the_global_random_state() -> None:
    reference, image = textured(48, 48), textured(48, 48, seed=1)
    before = torch.get_rng_state()
    once = held_out([reference], image, 5, 1.0)
    torch.rand(1)
    assert held_out([reference], image, 5, 1.0) == once
    torch.set_rng_state(before)
    held_out([reference], image, 5, 1.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_distance_to_several_references_is_that_to_all_their_patches() -> None:
    one, two = textured(48, 48), textured(56, 44, seed=1) + 0.3
    pieces = torch.cat([one, one + 2], 3)  # only few patches lie across the middle
    assert held_out([one, one], one, 3, 1.0) == pytest.approx(0, abs=1e-6)
    assert held_out([one, one + 2], pieces, 3, 1.0) < 0.05 < held_out([one], pieces, 3, 1.0)
    assert held_out([one, two], one, 3, 1.0) == pytest.approx(held_out([two, one], one, 3, 1.0), rel=1e-5)


def test_a_blurred_image_has_less_high_frequencies() -> None:
    reference = textured()
    scores = evaluate(reference, gaussian_blur(reference, 1.0)).scores
    assert scores["high frequencies"] < -10
    assert scores["detail distance"] > 0.2
    assert scores["held-out distance"] < 0.8 * scores["detail distance"]


def test_a_blur_multiplies_the_spectrum_by_its_transfer_function() -> None:
    """A Gaussian of deviation s leaves exp(-(2 pi s f)^2) of the power at frequency f."""
    reference, sigma = noise(96, 96, 0), 0.6
    y, x = (torch.fft.fftfreq(96, dtype=torch.float64) for _ in range(2))
    transfer = torch.exp(-2 * (math.pi * sigma) ** 2 * (y[:, None].square() + x.square()))
    blurred = torch.fft.ifft2(torch.fft.fft2(reference.double()) * transfer).real.float()
    frequencies, reference_power, image_power = spectra([reference], blurred)
    expected = -10 * math.log10(math.e) * (2 * math.pi * sigma * frequencies) ** 2
    rings = frequencies > 0.1
    assert torch.allclose((10 * torch.log10(image_power / reference_power))[rings], expected[rings].double(), atol=0.7)
    high = float(expected[frequencies > HIGH_FREQUENCY].mean())
    assert high_frequencies_of([reference], blurred) == pytest.approx(high, abs=0.2)


def test_gaussian_blur_multiplies_the_spectrum_by_that_of_its_kernel() -> None:
    """The Fourier transform of the kernel, averaged over all directions."""
    reference, sigma = noise(96, 96, 1), 0.8
    taps = torch.arange(-3, 4, dtype=torch.float64)
    kernel = torch.exp(-taps.square() / (2 * sigma**2))
    f = torch.fft.fftfreq(96, dtype=torch.float64)
    transfer = (torch.cos(2 * math.pi * f[:, None] * taps) * kernel / kernel.sum()).sum(1).square()
    power = torch.outer(transfer, transfer)
    radius = (f[:, None].square() + f.square()).sqrt()
    frequencies, _, _ = spectra([reference], reference)
    ring = (radius / frequencies[0]).round()
    means = [power[ring == k + 1].mean() for k in range(len(frequencies)) if frequencies[k] > HIGH_FREQUENCY]
    expected = float(10 * torch.log10(torch.stack(means)).mean())
    # The window leaks power to neighbouring frequencies, 0.4 dB of 16 where the spectrum falls steeply.
    assert high_frequencies_of([reference], gaussian_blur(reference, sigma)) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("size", [(48, 48), (45, 83), (96, 64)])
def test_the_spectrum_of_white_noise_is_its_variance(size: tuple[int, int]) -> None:
    frequencies, reference_power, image_power = spectra([noise(96, 96, 0), 2 * noise(70, 50, 1)], 0.5 * noise(*size, 2))
    rings = frequencies > 0.2
    assert float(reference_power[rings].mean()) == pytest.approx((1 + 4) / 2, rel=0.05)
    assert float(image_power[rings].mean()) == pytest.approx(0.25, rel=0.05)
    assert high_frequencies_of([noise(96, 96, 0)], 0.5 * noise(*size, 2)) == pytest.approx(-6.02, abs=0.3)


@pytest.mark.parametrize("cycles", [4, 13, 25, 29])
def test_the_spectrum_of_a_wave_is_at_its_frequency(cycles: int) -> None:
    frequencies, reference_power, image_power = spectra([wave(9).mT], wave(cycles) + 5)
    assert float(frequencies[image_power.argmax()]) == cycles / 64
    assert float(frequencies[reference_power.argmax()]) == 9 / 64


def test_a_wave_below_a_quarter_of_the_sampling_rate_is_no_high_frequency() -> None:
    reference = textured(65, 65, channels=1)
    assert high_frequencies_of([reference], reference + 0.5 * wave(14)) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("cycles", [18, 31])
def test_a_wave_above_a_quarter_of_the_sampling_rate_is_a_high_frequency(cycles: int) -> None:
    reference = textured(65, 65, channels=1)
    assert high_frequencies_of([reference], reference + 0.5 * wave(cycles)) > 0.5


@pytest.mark.parametrize("corner", [(0, 0), (0, 112), (96, 40)])
def test_high_frequencies_do_not_depend_on_the_position_of_a_texture(corner: tuple[int, int]) -> None:
    """A texture on a flat image, in the middle and at the border."""
    size, piece = (128, 160), textured(32, 48)
    images = []
    for row, column in ((48, 56), corner):
        image = torch.zeros(1, 3, *size)
        image[..., row : row + 32, column : column + 48] = piece
        images.append(image)
    assert high_frequencies_of(images[:1], images[1]) == pytest.approx(0, abs=0.5)


def test_a_difference_between_opposite_borders_is_no_high_frequency() -> None:
    reference = textured(channels=1)
    ramp = torch.linspace(-1, 1, 64).expand_as(reference)
    assert high_frequencies_of([reference], reference + ramp) == pytest.approx(0, abs=0.02)


def test_the_mean_colour_is_not_in_the_spectrum() -> None:
    reference = textured()
    _, reference_power, image_power = spectra([reference], reference + 3)
    assert torch.allclose(reference_power, image_power, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [(44, 44), (48, 48), (45, 90), (44, 300)])
def test_spectra_of_noise_have_power_at_every_frequency(size: tuple[int, int]) -> None:
    """A ring that contains no frequency of the transform would have power 0."""
    _, reference_power, image_power = spectra([noise(*size, 0)], noise(64, 96, 1))
    assert (reference_power > 0).all() and (image_power > 0).all()


def test_high_frequencies_of_a_flat_image_are_low_but_finite() -> None:
    assert -150 < high_frequencies_of([textured()], torch.zeros(1, 3, 64, 64)) < -60


def test_noise_raises_coherence_completeness_and_high_frequencies() -> None:
    reference, sigma = textured(72, 72), 0.1
    scores = evaluate(reference, reference + sigma * noise(72, 72, 99)).scores
    variance = (sigma / 2) ** 2  # in units of values from 0 to 1
    assert scores["coherence"] == pytest.approx(variance, rel=0.03)
    assert scores["completeness"] == pytest.approx(variance, rel=0.03)
    assert scores["high frequencies"] > 0.3
    assert scores["border"] == pytest.approx(1, abs=0.1)
    assert scores["copied"] > 0.99
    assert scores["largest verbatim region"] == 0


def test_shuffled_tiles_have_a_small_distance_and_are_copied() -> None:
    reference = textured(72, 72)
    tiles = [tile for row in reference.split(24, 2) for tile in row.split(24, 3)]
    order = (4, 8, 3, 6, 1, 5, 2, 0, 7)
    shuffled = torch.cat([torch.cat([tiles[i] for i in order[j : j + 3]], 3) for j in (0, 3, 6)], 2)
    scores = evaluate(reference, shuffled).scores
    assert scores["held-out distance"] < 0.2
    assert scores["detail distance"] < 0.2
    assert 0.55 < scores["copied"] < 0.9
    assert scores["largest verbatim region"] == pytest.approx((24 - PATCH_SIZE + 1) ** 2 / (72 - PATCH_SIZE + 1) ** 2)


def test_a_rolled_copy_is_copied_with_the_offset_of_the_roll() -> None:
    reference = textured()
    result = evaluate(reference, reference.roll(20, 3))
    rows = columns = 64 - PATCH_SIZE + 1
    assert result.scores["copied"] >= (columns - PATCH_SIZE - 1) / columns
    assert result.scores["largest verbatim region"] == pytest.approx((columns - 20) / columns)
    offsets = result.sources.offsets()
    assert torch.equal(offsets[:, 20:], torch.tensor([0, 0, 20]).expand(rows, columns - 20, 3))
    assert torch.equal(
        offsets[:, : 20 - PATCH_SIZE + 1], torch.tensor([0, 0, -44]).expand(rows, 20 - PATCH_SIZE + 1, 3)
    )


def test_a_missing_half_raises_completeness_and_an_invented_half_coherence() -> None:
    half, other = textured(64, 48), textured(64, 48, seed=1)
    both = torch.cat([half, other], 3)
    missing, invented = evaluate(both, half).scores, evaluate(half, both).scores
    assert missing["coherence"] == 0
    assert missing["completeness"] > 0.005
    assert invented["completeness"] == pytest.approx(0, abs=1e-6)
    assert invented["coherence"] == pytest.approx(missing["completeness"], rel=1e-3)


def test_errors_are_at_the_position_of_a_changed_pixel() -> None:
    reference = textured(48, 52)
    image = reference.clone()
    image[0, 1, 20, 30] += 0.4
    result = evaluate(reference, image)
    changed = torch.zeros(48, 52)
    changed[20, 30] = 0.2**2 / 3  # values from 0 to 1, the mean of three channels
    assert torch.allclose(result.errors, changed, atol=1e-8)
    patches = (48 - PATCH_SIZE + 1) * (52 - PATCH_SIZE + 1)
    assert result.scores["coherence"] == pytest.approx(0.2**2 / 3 / patches, rel=1e-4)
    inside = torch.zeros_like(result.sources.distance)
    inside[20 - PATCH_SIZE + 1 : 21, 30 - PATCH_SIZE + 1 : 31] = 0.2**2 / (3 * PATCH_SIZE**2)
    assert torch.allclose(result.sources.distance, inside, atol=1e-8)


def test_border_is_high_for_noise_at_the_border_and_low_for_noise_inside() -> None:
    reference = textured(72, 72)
    outside = torch.ones(72, 72)
    outside[BORDER_WIDTH:-BORDER_WIDTH, BORDER_WIDTH:-BORDER_WIDTH] = 0
    grain = 0.2 * noise(72, 72, 99)
    assert evaluate(reference, reference + grain * outside).scores["border"] > 50
    assert evaluate(reference, reference + grain * (1 - outside)).scores["border"] < 0.02


def test_the_border_is_three_pixels_wide_on_all_sides() -> None:
    errors = torch.zeros(20, 30)
    assert border_ratio(errors) == 1
    errors[3:-3, 3:-3] = 2.0
    assert border_ratio(errors) == 0
    errors[:3] = errors[-3:] = errors[:, :3] = errors[:, -3:] = 5.0
    assert border_ratio(errors) == pytest.approx(2.5)
    errors[3:-3, 3:-3] = 0
    assert border_ratio(errors) > 1e6


@pytest.mark.parametrize("tiles", ["circular", "circular x", "circular y"])
def test_the_seam_ratio_is_high_only_if_the_image_does_not_tile(tiles: str) -> None:
    tiling = periodic()
    grain = 0.05 * noise(48, 48, 99)  # so that errors inside are not 0
    reference = tiling.repeat(1, 1, 2, 2)
    assert seam_ratio([reference], tiling + grain, tiles) == pytest.approx(1, abs=0.1)
    torn = reference[..., :44, :44]
    assert seam_ratio([reference], torn + grain[..., :44, :44], tiles) > 3
    assert seam_ratio([reference], torn, tiles) > 1000


def test_the_seam_is_measured_only_in_the_given_direction() -> None:
    reference = periodic().repeat(1, 1, 2, 2)
    image = reference[..., :48, :44]  # tiles vertically only
    assert seam_ratio([reference], image, "circular y") == 1
    assert seam_ratio([reference], image, "circular x") > 1000
    assert seam_ratio([reference.mT], image.mT, "circular y") > 1000
    assert seam_ratio([reference.mT], image.mT, "circular x") == 1


def test_the_seam_ratio_compares_patches_across_the_border_with_those_inside() -> None:
    reference, image = textured(48, 60), textured(52, 44, seed=1)
    strip = torch.cat([image[..., 1 - PATCH_SIZE :], image[..., : PATCH_SIZE - 1]], 3)  # its patches cross the border
    keys = all_patches([reference], PATCH_SIZE)
    across, inside = (nearest(all_patches([x], PATCH_SIZE), keys).distance.mean() for x in (strip, image))
    assert seam_ratio([reference], image, "circular x") == pytest.approx(float(across / inside), rel=1e-5)
    assert seam_ratio([reference.mT], image.mT, "circular y") == pytest.approx(float(across / inside), rel=1e-5)


def test_the_scores_include_the_seam_if_the_image_is_meant_to_tile() -> None:
    reference = textured(48, 48)
    assert "seam" not in evaluate(reference, reference).scores
    scores = evaluate(reference, reference, tiles="circular x").scores
    assert scores["seam"] == seam_ratio([reference], reference, "circular x") > 1000


@pytest.mark.parametrize("tiles", ["circular", "circular x", "circular y"])
def test_the_step_across_borders_is_normal_if_the_image_tiles(tiles: str) -> None:
    smooth = gaussian_blur(periodic(), 2.0, "circular")
    scores = seam_gradients(smooth, tiles)
    names = {"circular": "xy", "circular x": "x", "circular y": "y"}[tiles]
    assert scores.keys() == {f"seam {kind} {name}" for kind in ("gradient", "rank") for name in names}
    assert all(0.5 < scores[f"seam gradient {name}"] < 2 for name in names)
    torn = seam_gradients(smooth[..., :44, :44], tiles)
    assert all(torn[f"seam gradient {name}"] > 2 and torn[f"seam rank {name}"] == 1 for name in names)


def test_seam_gradient_and_rank_of_known_steps() -> None:
    """Columns 0, 1, 3, 6, 10: steps of 1, 2, 3 and 4 between them, and one of 10 across the borders."""
    image = torch.tensor([0.0, 1.0, 3.0, 6.0, 10.0]).expand(1, 3, 4, 5)
    assert seam_gradients(image, "circular x") == {"seam gradient x": 10 / 2, "seam rank x": 1.0}
    assert seam_gradients(image.mT, "circular y") == {"seam gradient y": 10 / 2, "seam rank y": 1.0}
    assert seam_gradients(image.mT, "circular x") == {"seam gradient x": 1.0, "seam rank x": 0.0}
    assert seam_gradients(image, "free") == {}


@pytest.mark.slow
def test_pixels_of_weight_0_do_not_change_the_scores() -> None:
    kept, other = textured(64, 48), textured(64, 48, seed=1)
    weight = torch.ones(64, 96)
    weight[:, 48:] = 0
    masked = Reference(torch.cat([kept, other], 3), weight)
    image = textured(48, 48, seed=2)
    result, expected = evaluate(masked, image), evaluate(kept, image)
    assert result.scores["coherence"] == pytest.approx(expected.scores["coherence"], rel=1e-5)
    assert result.scores["completeness"] == pytest.approx(expected.scores["completeness"], rel=1e-5)
    assert result.per_scale["all 7x7 at 1"] == pytest.approx(expected.per_scale["all 7x7 at 1"], rel=1e-3)
    assert evaluate(kept, other).scores["coherence"] == pytest.approx(evaluate(masked, other).scores["coherence"])


def test_several_references_of_different_sizes() -> None:
    references = [textured(50, 61), textured(45, 48, seed=1), textured(64, 44, seed=2)]
    result = evaluate(references, references[1])
    assert (result.sources.reference == 1).all()
    assert not result.sources.offsets()[..., 1:].any()
    assert result.scores["coherence"] == 0
    assert result.scores["completeness"] > 0.005
    assert result.scores["copied"] == result.scores["largest verbatim region"] == 1
    batch = torch.cat([textured(48, 48), textured(48, 48, seed=1)])
    assert (evaluate(batch, batch[1:]).sources.reference == 1).all()


def test_the_precision_is_that_of_the_reference() -> None:
    reference = textured(48, 48)
    assert evaluate(reference.half(), reference.half()).scores["coherence"] == 0
    assert evaluate(reference.double(), reference).errors.dtype == torch.float64


def test_scores_with_faiss_are_close_to_those_of_the_exact_search() -> None:
    reference = textured()
    image = reference.roll(20, 3) + 0.02 * noise(64, 64, 99)
    try:
        import faiss  # noqa: F401  # pyright: ignore
    except ImportError:
        with pytest.raises(GPDMError, match="pip install faiss-cpu"):
            evaluate(reference, image, search="faiss")
        return
    result, exact = (evaluate(reference, image, search=search, tiles="circular") for search in ("faiss", "exact"))
    assert result.scores == pytest.approx(exact.scores, rel=0.05)
    assert float((result.sources.column == exact.sources.column).double().mean()) > 0.9


def test_with_faiss_the_exact_search_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(queries: Tensor, *_: object) -> Tensor:
        return torch.zeros(len(queries), dtype=torch.int64)

    def exact(*_: object) -> None:
        raise AssertionError("searched exactly")

    monkeypatch.setitem(sys.modules, "faiss", ModuleType("faiss"))
    monkeypatch.setattr("gpdm.patches.nearest._faiss_nearest", first)
    monkeypatch.setattr("gpdm.patches.nearest._chunks", exact)
    result = evaluate(GOOD, GOOD, search="faiss", tiles="circular")
    assert not result.sources.row.any()
    assert not result.sources.column.any()


def test_diversity_is_the_deviation_over_the_images() -> None:
    reference = textured()
    same = reference.expand(4, -1, -1, -1)
    assert diversity(reference, same) == 0
    steps = torch.tensor([-1.0, 1.0, -1.0, 1.0])[:, None, None, None] * float(reference.mean(1).std(correction=0))
    assert diversity(reference, same + steps) == pytest.approx(1, rel=1e-5)
    assert diversity(3 * reference, same + steps) == pytest.approx(1 / 3, rel=1e-5)
    assert diversity(reference, same + 2 * steps) == pytest.approx(2, rel=1e-5)


def test_diversity_ignores_hue() -> None:
    reference = textured()
    colours = torch.tensor([[0.3, -0.3, 0.0], [-0.1, 0.0, 0.1]])[:, :, None, None]
    assert diversity(reference, reference + colours) == pytest.approx(0, abs=1e-6)


def test_diversity_of_independent_noise_is_that_of_its_pixels() -> None:
    reference = noise(48, 48, 0, 1).expand(1, 3, -1, -1) * 0.5
    many = torch.randn(50, 1, 48, 48, generator=torch.Generator().manual_seed(1)).expand(-1, 3, -1, -1)
    assert diversity(reference, many) == pytest.approx(2 * math.sqrt(1 - 1 / 50), rel=0.03)


def test_diversity_of_one_image_is_refused() -> None:
    with pytest.raises(ImageError, match=r"1 picture.*two.*more"):
        diversity(textured(), textured())


@pytest.mark.parametrize(
    ("reference", "image", "message"),
    [
        (GOOD, GOOD.repeat(2, 1, 1, 1), r"image is a batch of 2 .*one by one"),
        (GOOD, textured(60, 43), r"image is 43x60 pixels; evaluation needs at least 44 on the shorter side"),
        (textured(43, 60), GOOD, r"reference is 60x43 pixels; evaluation needs at least 44"),
        ([GOOD, textured(43, 60)], GOOD, r"reference.* is 60x43 pixels; evaluation needs at least 44"),
        (GOOD, GOOD[:, :1], r"image has 1 channel \(grey\) and reference has 3 channels \(RGB\); convert"),
        (GOOD, GOOD[0], r"image has shape \(3, 48, 48\); it must be \(B, C, H, W\)"),
        (GOOD, GOOD / 0, r"image contains NaN"),
        ([], GOOD, r"reference is an empty list; give at least one"),
    ],
    ids=[
        "batch",
        "small image",
        "small reference",
        "small second reference",
        "other channels",
        "no batch dimension",
        "not finite",
        "no reference",
    ],
)
def test_unusable_images_are_refused(reference: Any, image: Tensor, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        evaluate(reference, image)


def test_a_reference_with_a_region_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^reference has a region, which evaluation cannot use; crop"):
        evaluate(Reference(GOOD, region=torch.ones(48, 48)), GOOD)


def test_images_of_the_minimum_size_are_evaluated() -> None:
    smallest = textured(44, 44)
    assert_no_faults(evaluate(smallest, smallest))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("search", "fast", "exact, faiss"),
        ("search", "", "exact, faiss"),
        ("tiles", "round", "free, circular, circular x"),
    ],
)
def test_unknown_options_are_refused(name: str, value: str, allowed: str) -> None:
    with pytest.raises(OptionError, match=f"{name} = '{value}' is not allowed: it must be one of {allowed}"):
        evaluate(GOOD, GOOD, **{name: value})


def test_missing_faiss_is_an_error_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> float:
        raise AssertionError("work began")

    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    monkeypatch.setattr(metrics, "held_out", fail)
    with pytest.raises(GPDMError, match="pip install faiss-cpu"):
        evaluate(GOOD, GOOD, search="faiss")
