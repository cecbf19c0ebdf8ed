"""The instruments: nothing is wrong with the same picture, and each fault moves the figure made for it by what it should."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import Reference, from_pil
from gpdm.borders import gaussian_blur
from gpdm.errors import GPDMError, ImageError, OptionError
from gpdm.evaluation import metrics
from gpdm.evaluation.metrics import (
    BORDER,
    HIGH,
    MEANINGS,
    PATCH,
    PATCH_SIZES,
    SCALES,
    Evaluation,
    _high,
    border_ratio,
    diversity,
    evaluate,
    held_out,
    spectra,
)
from gpdm.evaluation.seams import seam_gradients, seam_ratio
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
    """A cosine from left to right, so many cycles a picture, which goes on when it is mirrored."""
    x = torch.arange(side) / (side - 1)
    return torch.cos(2 * math.pi * cycles * x).expand(1, 1, side, side)


def periodic(side: int = 48, seed: int = 0) -> Tensor:
    """Goes on at the opposite border: waves with whole numbers of cycles, of many directions."""
    g = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(*[torch.arange(side, dtype=torch.float64) / side] * 2, indexing="ij")
    picture = torch.zeros(1, 3, side, side, dtype=torch.float64)
    for _ in range(40):
        down, right = torch.randint(-11, 12, (2,), generator=g).tolist()
        phases = 2 * math.pi * torch.rand(3, 1, 1, generator=g, dtype=torch.float64)
        picture += 0.1 * torch.sin(2 * math.pi * (down * y + right * x) + phases)
    return picture.float()


def high_frequencies(references: list[Tensor], image: Tensor) -> float:
    return _high(*spectra(references, image))


def assert_same(result: Evaluation) -> None:
    figures = dict(result.figures)
    assert figures.pop("completeness") == pytest.approx(0, abs=1e-6)  # float32, and not worked out anew
    nothing = {"held-out distance", "detail distance", "coherence", "high frequencies"}
    assert figures == {name: 0.0 if name in nothing else 1.0 for name in figures}
    assert not any(result.cells.values())
    assert not result.errors.any()
    assert torch.equal(result.spectra[1], result.spectra[2])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_nothing_is_wrong_with_the_same_picture(channels: int) -> None:
    picture = textured(48, 56, channels=channels)
    result = evaluate(picture, picture)
    assert_same(result)
    assert result.figures.keys() <= MEANINGS.keys()


@pytest.mark.parametrize("name", ["cat", "wood"])
def test_nothing_is_wrong_with_the_same_photograph(name: str) -> None:
    picture = from_pil(Image.open(INPUTS / f"{name}.jpg").crop((20, 20, 84, 84)))
    assert_same(evaluate(picture, picture))


def test_a_figure_more_leaves_the_others_and_the_evaluation_alone() -> None:
    result = evaluate(GOOD, GOOD)
    more = result.with_figure("diversity", 0.5)
    assert dict(more.figures) == {**result.figures, "diversity": 0.5}
    assert "diversity" not in result.figures
    assert more.errors is result.errors


def test_a_tiling_picture_beside_its_tiling_is_the_same_without_seam() -> None:
    picture = periodic()
    result = evaluate(picture.repeat(1, 1, 2, 2), picture, tiles="circular")
    assert result.figures["coherence"] == 0
    assert result.figures["seam"] == result.figures["border"] == result.figures["copied"] == 1


def test_the_first_two_figures_are_means_of_their_cells() -> None:
    result = evaluate(textured(48, 48), textured(48, 48, seed=1))
    for kind, figure in (("all", "held-out distance"), ("detail", "detail distance")):
        names = [f"{kind} {p}x{p} at {scale:g}" for scale in SCALES for p in PATCH_SIZES]
        assert result.figures[figure] == pytest.approx(sum(result.cells[name] for name in names) / len(names))
    assert len(result.cells) == 2 * len(SCALES) * len(PATCH_SIZES)


def test_cells_are_at_the_patch_size_and_scale_in_their_names() -> None:
    reference, picture = textured(48, 64), textured(56, 48, seed=1)
    cells = evaluate(reference, picture).cells
    assert cells["detail 5x5 at 1"] == held_out([reference], picture, 5, 1.0, "detail")
    smaller = [resize(reference, (24, 32))], resize(picture, (28, 24))
    assert cells["all 3x3 at 0.5"] == held_out(*smaller, 3, 1.0)
    assert len(set(cells.values())) == len(cells)


@pytest.mark.parametrize("patch_size", PATCH_SIZES)
@pytest.mark.parametrize("kind", ["all", "detail"])
@pytest.mark.parametrize("contrast", [0.0, 0.5, 1.5])
def test_distance_of_another_contrast_is_the_change_of_the_contrast(
    contrast: float, kind: str, patch_size: int
) -> None:
    """Projections shrink towards those of the mean colour: the distance is |1 - contrast| of their spread."""
    reference = periodic()
    mean = reference.mean((2, 3), keepdim=True)
    distance = held_out([reference], mean + contrast * (reference - mean), patch_size, 1.0, kind)
    assert distance == pytest.approx(abs(1 - contrast), rel=0.01)


def test_distance_of_a_flat_picture_is_one_for_a_reference_of_any_contrast_and_colour() -> None:
    reference = 0.1 * periodic() + torch.tensor([0.5, -0.2, 0.1])[:, None, None]
    flat = reference.mean((2, 3), keepdim=True).expand_as(reference)
    for kind in ("all", "detail"):
        assert held_out([reference], flat, 7, 1.0, kind) == pytest.approx(1, rel=0.01)


def test_a_shift_of_colour_moves_all_but_the_detail_distance() -> None:
    reference = textured()
    shifted = reference + torch.tensor([0.3, -0.1, 0.2])[:, None, None]
    figures = evaluate(reference, shifted).figures
    assert figures["held-out distance"] > 0.3
    assert figures["detail distance"] == pytest.approx(0, abs=1e-5)
    assert figures["coherence"] > 0.005
    assert figures["high frequencies"] == pytest.approx(0, abs=1e-3)


def test_where_the_patches_are_does_not_count_for_the_distances() -> None:
    reference = periodic()
    rolled = reference.roll((17, 9), (2, 3))
    for kind in ("all", "detail"):
        assert held_out([reference], rolled, 7, 1.0, kind) < 0.05 < held_out([reference], rolled.flip(1), 7, 1.0, kind)


def test_held_out_filters_are_always_the_same_and_leave_the_generator_alone() -> None:
    reference, picture = textured(48, 48), textured(48, 48, seed=1)
    before = torch.get_rng_state()
    once = held_out([reference], picture, 5, 1.0)
    torch.rand(1)
    assert held_out([reference], picture, 5, 1.0) == once
    torch.set_rng_state(before)
    held_out([reference], picture, 5, 1.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_held_out_distance_to_several_references_is_to_all_their_patches() -> None:
    one, two = textured(48, 48), textured(56, 44, seed=1) + 0.3
    pieces = torch.cat([one, one + 2], 3)  # whatever lies across the middle counts little
    assert held_out([one, one], one, 3, 1.0) == pytest.approx(0, abs=1e-6)
    assert held_out([one, one + 2], pieces, 3, 1.0) < 0.05 < held_out([one], pieces, 3, 1.0)
    assert held_out([one, two], one, 3, 1.0) == pytest.approx(held_out([two, one], one, 3, 1.0), rel=1e-5)


def test_a_blurred_picture_is_soft() -> None:
    reference = textured()
    figures = evaluate(reference, gaussian_blur(reference, 1.0)).figures
    assert figures["high frequencies"] < -10
    assert figures["detail distance"] > 0.2
    assert figures["held-out distance"] < 0.8 * figures["detail distance"]


def test_blur_takes_from_the_spectrum_what_its_transfer_function_says() -> None:
    """A Gaussian of deviation s leaves exp(-(2 pi s f)^2) of the power at frequency f."""
    reference, sigma = noise(96, 96, 0), 0.6
    y, x = (torch.fft.fftfreq(96, dtype=torch.float64) for _ in range(2))
    transfer = torch.exp(-2 * (math.pi * sigma) ** 2 * (y[:, None].square() + x.square()))
    blurred = torch.fft.ifft2(torch.fft.fft2(reference.double()) * transfer).real.float()
    frequencies, theirs, own = spectra([reference], blurred)
    expected = -10 * math.log10(math.e) * (2 * math.pi * sigma * frequencies) ** 2
    rings = frequencies > 0.1
    assert torch.allclose((10 * torch.log10(own / theirs))[rings], expected[rings].double(), atol=0.7)
    high = float(expected[frequencies > HIGH].mean())
    assert high_frequencies([reference], blurred) == pytest.approx(high, abs=0.2)


def test_our_blur_takes_what_its_kernel_says() -> None:
    """The Fourier transform of the taps, and its mean over all directions."""
    reference, sigma = noise(96, 96, 1), 0.8
    taps = torch.arange(-3, 4, dtype=torch.float64)
    kernel = torch.exp(-taps.square() / (2 * sigma**2))
    f = torch.fft.fftfreq(96, dtype=torch.float64)
    transfer = (torch.cos(2 * math.pi * f[:, None] * taps) * kernel / kernel.sum()).sum(1).square()
    power = torch.outer(transfer, transfer)
    radius = (f[:, None].square() + f.square()).sqrt()
    frequencies, _, _ = spectra([reference], reference)
    ring = (radius / frequencies[0]).round()
    means = [power[ring == k + 1].mean() for k in range(len(frequencies)) if frequencies[k] > HIGH]
    expected = float(10 * torch.log10(torch.stack(means)).mean())
    # A window leaks from a frequency to the next, which fills a steep fall a little: 0.4 dB of 16.
    assert high_frequencies([reference], gaussian_blur(reference, sigma)) == pytest.approx(expected, abs=0.5)


@pytest.mark.parametrize("size", [(48, 48), (45, 83), (96, 64)])
def test_spectrum_of_white_noise_is_its_variance(size: tuple[int, int]) -> None:
    frequencies, theirs, own = spectra([noise(96, 96, 0), 2 * noise(70, 50, 1)], 0.5 * noise(*size, 2))
    rings = frequencies > 0.2
    assert float(theirs[rings].mean()) == pytest.approx((1 + 4) / 2, rel=0.05)
    assert float(own[rings].mean()) == pytest.approx(0.25, rel=0.05)
    assert high_frequencies([noise(96, 96, 0)], 0.5 * noise(*size, 2)) == pytest.approx(-6.02, abs=0.3)


@pytest.mark.parametrize("cycles", [4, 13, 25, 29])
def test_spectrum_of_a_wave_is_at_its_frequency(cycles: int) -> None:
    frequencies, theirs, own = spectra([wave(9).mT], wave(cycles) + 5)
    assert float(frequencies[own.argmax()]) == cycles / 64
    assert float(frequencies[theirs.argmax()]) == 9 / 64


def test_only_frequencies_above_a_quarter_count_as_high() -> None:
    reference = textured(65, 65, channels=1)
    assert high_frequencies([reference], reference + 0.5 * wave(14)) == pytest.approx(0, abs=0.02)
    assert high_frequencies([reference], reference + 0.5 * wave(18)) > 0.5
    assert high_frequencies([reference], reference + 0.5 * wave(31)) > 0.5


@pytest.mark.parametrize("corner", [(0, 0), (0, 112), (96, 40)])
def test_detail_counts_the_same_wherever_it_lies(corner: tuple[int, int]) -> None:
    """A texture on even ground, in the middle and at the border."""
    size, piece = (128, 160), textured(32, 48)
    pictures = []
    for row, column in ((48, 56), corner):
        picture = torch.zeros(1, 3, *size)
        picture[..., row : row + 32, column : column + 48] = piece
        pictures.append(picture)
    assert high_frequencies(pictures[:1], pictures[1]) == pytest.approx(0, abs=0.5)


def test_unlike_borders_are_not_taken_for_high_frequencies() -> None:
    reference = textured(channels=1)
    ramp = torch.linspace(-1, 1, 64).expand_as(reference)
    assert high_frequencies([reference], reference + ramp) == pytest.approx(0, abs=0.02)


def test_the_mean_colour_is_not_in_the_spectrum() -> None:
    reference = textured()
    _, theirs, own = spectra([reference], reference + 3)
    assert torch.allclose(theirs, own, rtol=1e-3, atol=1e-6)


def test_spectra_have_power_at_every_frequency_and_size() -> None:
    """A ring without any frequency of the picture in it would read as no power there."""
    for height, width in ((44, 44), (48, 48), (45, 90), (44, 300)):
        _, theirs, own = spectra([noise(height, width, 0)], noise(64, 96, 1))
        assert (theirs > 0).all() and (own > 0).all()


def test_a_flat_picture_is_very_soft_but_finite() -> None:
    assert -150 < high_frequencies([textured()], torch.zeros(1, 3, 64, 64)) < -60


def test_a_noisy_picture_is_noisy() -> None:
    reference, sigma = textured(72, 72), 0.1
    figures = evaluate(reference, reference + sigma * noise(72, 72, 99)).figures
    variance = (sigma / 2) ** 2  # in units of values from 0 to 1
    assert figures["coherence"] == pytest.approx(variance, rel=0.03)
    assert figures["completeness"] == pytest.approx(variance, rel=0.03)
    assert figures["high frequencies"] > 0.3
    assert figures["border"] == pytest.approx(1, abs=0.1)
    assert figures["copied"] > 0.99
    assert figures["largest verbatim region"] == 0


def test_shuffled_tiles_are_near_in_distribution_and_copied() -> None:
    reference = textured(72, 72)
    tiles = [tile for row in reference.split(24, 2) for tile in row.split(24, 3)]
    order = (4, 8, 3, 6, 1, 5, 2, 0, 7)
    shuffled = torch.cat([torch.cat([tiles[i] for i in order[j : j + 3]], 3) for j in (0, 3, 6)], 2)
    figures = evaluate(reference, shuffled).figures
    assert figures["held-out distance"] < 0.2
    assert figures["detail distance"] < 0.2
    assert 0.55 < figures["copied"] < 0.9
    assert figures["largest verbatim region"] == pytest.approx((24 - PATCH + 1) ** 2 / (72 - PATCH + 1) ** 2)


def test_a_rolled_copy_is_copied_and_moved_by_the_roll() -> None:
    reference = textured()
    result = evaluate(reference, reference.roll(20, 3))
    rows = columns = 64 - PATCH + 1
    assert result.figures["copied"] >= (columns - PATCH - 1) / columns
    assert result.figures["largest verbatim region"] == pytest.approx((columns - 20) / columns)
    offsets = result.sources.offsets()
    assert torch.equal(offsets[:, 20:], torch.tensor([0, 0, 20]).expand(rows, columns - 20, 3))
    assert torch.equal(offsets[:, : 20 - PATCH + 1], torch.tensor([0, 0, -44]).expand(rows, 20 - PATCH + 1, 3))


def test_half_of_the_reference_missing_is_incomplete_and_half_made_up_incoherent() -> None:
    half, other = textured(64, 48), textured(64, 48, seed=1)
    whole = torch.cat([half, other], 3)
    missing, made_up = evaluate(whole, half).figures, evaluate(half, whole).figures
    assert missing["coherence"] == 0
    assert missing["completeness"] > 0.005
    assert made_up["completeness"] == pytest.approx(0, abs=1e-6)
    assert made_up["coherence"] == pytest.approx(missing["completeness"], rel=1e-3)


def test_one_changed_pixel_is_found_where_it_is() -> None:
    reference = textured(48, 52)
    image = reference.clone()
    image[0, 1, 20, 30] += 0.4
    result = evaluate(reference, image)
    changed = torch.zeros(48, 52)
    changed[20, 30] = 0.2**2 / 3  # values from 0 to 1, the mean of three channels
    assert torch.allclose(result.errors, changed, atol=1e-8)
    patches = (48 - PATCH + 1) * (52 - PATCH + 1)
    assert result.figures["coherence"] == pytest.approx(0.2**2 / 3 / patches, rel=1e-4)
    inside = torch.zeros_like(result.sources.distance)
    inside[20 - PATCH + 1 : 21, 30 - PATCH + 1 : 31] = 0.2**2 / (3 * PATCH**2)
    assert torch.allclose(result.sources.distance, inside, atol=1e-8)


def test_border_tells_noise_outside_from_noise_inside() -> None:
    reference = textured(72, 72)
    outside = torch.ones(72, 72)
    outside[BORDER:-BORDER, BORDER:-BORDER] = 0
    grain = 0.2 * noise(72, 72, 99)
    assert evaluate(reference, reference + grain * outside).figures["border"] > 50
    assert evaluate(reference, reference + grain * (1 - outside)).figures["border"] < 0.02


def test_border_is_three_pixels_wide_on_all_sides() -> None:
    errors = torch.zeros(20, 30)
    assert border_ratio(errors) == 1
    errors[3:-3, 3:-3] = 2.0
    assert border_ratio(errors) == 0
    errors[:3] = errors[-3:] = errors[:, :3] = errors[:, -3:] = 5.0
    assert border_ratio(errors) == pytest.approx(2.5)
    errors[3:-3, 3:-3] = 0
    assert border_ratio(errors) > 1e6


@pytest.mark.parametrize("tiles", ["circular", "circular x", "circular y"])
def test_a_seam_shows_only_if_the_picture_does_not_tile(tiles: str) -> None:
    tiling = periodic()
    grain = 0.05 * noise(48, 48, 99)  # errors everywhere, so that there is something to compare
    reference = tiling.repeat(1, 1, 2, 2)
    assert seam_ratio([reference], tiling + grain, tiles) == pytest.approx(1, abs=0.1)
    torn = reference[..., :44, :44]
    assert seam_ratio([reference], torn + grain[..., :44, :44], tiles) > 3
    assert seam_ratio([reference], torn, tiles) > 1000


def test_a_seam_is_looked_for_only_where_the_picture_is_to_tile() -> None:
    reference = periodic().repeat(1, 1, 2, 2)
    upright = reference[..., :48, :44]  # goes on downwards, and not to the right
    assert seam_ratio([reference], upright, "circular y") == 1
    assert seam_ratio([reference], upright, "circular x") > 1000
    assert seam_ratio([reference.mT], upright.mT, "circular y") > 1000
    assert seam_ratio([reference.mT], upright.mT, "circular x") == 1


def test_seam_compares_the_strip_across_the_border_with_the_picture() -> None:
    reference, image = textured(48, 60), textured(52, 44, seed=1)
    strip = torch.cat([image[..., 1 - PATCH :], image[..., : PATCH - 1]], 3)  # all patches in it lie across
    keys = all_patches([reference], PATCH)
    across, inside = (nearest(all_patches([x], PATCH), keys).distance.mean() for x in (strip, image))
    assert seam_ratio([reference], image, "circular x") == pytest.approx(float(across / inside), rel=1e-5)
    assert seam_ratio([reference.mT], image.mT, "circular y") == pytest.approx(float(across / inside), rel=1e-5)


def test_seam_is_among_the_figures_if_the_picture_is_to_tile() -> None:
    reference = textured(48, 48)
    assert "seam" not in evaluate(reference, reference).figures
    figures = evaluate(reference, reference, tiles="circular x").figures
    assert figures["seam"] == seam_ratio([reference], reference, "circular x") > 1000


@pytest.mark.parametrize("tiles", ["circular", "circular x", "circular y"])
def test_the_step_across_borders_is_as_any_other_if_the_picture_tiles(tiles: str) -> None:
    smooth = gaussian_blur(periodic(), 2.0, "circular")
    found = seam_gradients(smooth, tiles)
    names = {"circular": "xy", "circular x": "x", "circular y": "y"}[tiles]
    assert found.keys() == {f"seam {kind} {name}" for kind in ("gradient", "rank") for name in names}
    assert all(0.5 < found[f"seam gradient {name}"] < 2 for name in names)
    torn = seam_gradients(smooth[..., :44, :44], tiles)
    assert all(torn[f"seam gradient {name}"] > 2 and torn[f"seam rank {name}"] == 1 for name in names)


def test_the_step_across_borders_is_told_beside_the_median_and_among_all() -> None:
    """Columns 0, 1, 3, 6, 10: steps of 1, 2, 3 and 4 between them, and one of 10 across the borders."""
    image = torch.tensor([0.0, 1.0, 3.0, 6.0, 10.0]).expand(1, 3, 4, 5)
    assert seam_gradients(image, "circular x") == {"seam gradient x": 10 / 2, "seam rank x": 1.0}
    assert seam_gradients(image.mT, "circular y") == {"seam gradient y": 10 / 2, "seam rank y": 1.0}
    assert seam_gradients(image.mT, "circular x") == {"seam gradient x": 1.0, "seam rank x": 0.0}
    assert seam_gradients(image, "free") == {}


def test_what_counts_of_a_reference_is_what_a_picture_is_judged_against() -> None:
    """A part of weight 0 is as if it were not there."""
    kept, other = textured(64, 48), textured(64, 48, seed=1)
    weight = torch.ones(64, 96)
    weight[:, 48:] = 0
    masked = Reference(torch.cat([kept, other], 3), weight)
    image = textured(48, 48, seed=2)
    found, expected = evaluate(masked, image), evaluate(kept, image)
    assert found.figures["coherence"] == pytest.approx(expected.figures["coherence"], rel=1e-5)
    assert found.figures["completeness"] == pytest.approx(expected.figures["completeness"], rel=1e-5)
    assert found.cells["all 7x7 at 1"] == pytest.approx(expected.cells["all 7x7 at 1"], rel=1e-3)
    assert evaluate(kept, other).figures["coherence"] == pytest.approx(evaluate(masked, other).figures["coherence"])


def test_several_references_of_different_sizes() -> None:
    references = [textured(50, 61), textured(45, 48, seed=1), textured(64, 44, seed=2)]
    result = evaluate(references, references[1])
    assert (result.sources.reference == 1).all()
    assert not result.sources.offsets()[..., 1:].any()
    assert result.figures["coherence"] == 0
    assert result.figures["completeness"] > 0.005
    assert result.figures["copied"] == result.figures["largest verbatim region"] == 1
    batch = torch.cat([textured(48, 48), textured(48, 48, seed=1)])
    assert (evaluate(batch, batch[1:]).sources.reference == 1).all()


def test_precision_of_the_picture_is_that_of_the_reference() -> None:
    reference = textured(48, 48)
    assert evaluate(reference.half(), reference.half()).figures["coherence"] == 0
    assert evaluate(reference.double(), reference).errors.dtype == torch.float64


def test_faiss_sees_the_same_as_exact_search() -> None:
    reference = textured()
    image = reference.roll(20, 3) + 0.02 * noise(64, 64, 99)
    try:
        import faiss  # noqa: F401  # pyright: ignore
    except ImportError:
        with pytest.raises(GPDMError, match="pip install faiss-cpu"):
            evaluate(reference, image, search="faiss")
        return
    result, exact = (evaluate(reference, image, search=search, tiles="circular") for search in ("faiss", "exact"))
    assert result.figures == pytest.approx(exact.figures, rel=0.05)
    assert float((result.sources.column == exact.sources.column).double().mean()) > 0.9


def test_with_faiss_nothing_is_searched_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(queries: Tensor, *_: object) -> Tensor:
        return torch.zeros(len(queries), dtype=torch.int64)

    def exact(*_: object) -> None:
        raise AssertionError("searched exactly")

    monkeypatch.setitem(sys.modules, "faiss", ModuleType("faiss"))
    monkeypatch.setattr("gpdm.patches.nearest._faiss_nearest", first)
    monkeypatch.setattr("gpdm.patches.nearest._blocks", exact)
    result = evaluate(GOOD, GOOD, search="faiss", tiles="circular")
    assert not result.sources.row.any()
    assert not result.sources.column.any()


def test_diversity_is_the_deviation_over_pictures() -> None:
    reference = textured()
    same = reference.expand(4, -1, -1, -1)
    assert diversity(reference, same) == 0
    steps = torch.tensor([-1.0, 1.0, -1.0, 1.0])[:, None, None, None] * float(reference.mean(1).std(correction=0))
    assert diversity(reference, same + steps) == pytest.approx(1, rel=1e-5)
    assert diversity(3 * reference, same + steps) == pytest.approx(1 / 3, rel=1e-5)
    assert diversity(reference, same + 2 * steps) == pytest.approx(2, rel=1e-5)


def test_diversity_is_of_the_brightness() -> None:
    reference = textured()
    colours = torch.tensor([[0.3, -0.3, 0.0], [-0.1, 0.0, 0.1]])[:, :, None, None]
    assert diversity(reference, reference + colours) == pytest.approx(0, abs=1e-6)


def test_diversity_of_independent_noise_is_that_of_its_pixels() -> None:
    pictures = noise(48, 48, 0, 1).expand(1, 3, -1, -1) * 0.5
    many = torch.randn(50, 1, 48, 48, generator=torch.Generator().manual_seed(1)).expand(-1, 3, -1, -1)
    assert diversity(pictures, many) == pytest.approx(2 * math.sqrt(1 - 1 / 50), rel=0.03)


def test_diversity_of_one_picture_is_refused() -> None:
    with pytest.raises(ImageError, match=r"1 picture.*two.*more"):
        diversity(textured(), textured())


REFUSED = {
    "a batch": (GOOD, GOOD.repeat(2, 1, 1, 1), r"image is a batch of 2 .*one by one"),
    "a small picture": (GOOD, textured(60, 43), r"image is 43x60; 44 pixels"),
    "a small reference": (textured(43, 60), GOOD, r"reference is 60x43; 44 pixels"),
    "a small second reference": ([GOOD, textured(43, 60)], GOOD, r"reference.* is 60x43; 44 pixels"),
    "grey beside colours": (GOOD, GOOD[:, :1], r"image has 1 channels and reference has 3; convert"),
    "no batch dimension": (GOOD, GOOD[0], r"image has shape \(3, 48, 48\); it must be \(B, C, H, W\)"),
    "no number": (GOOD, GOOD / 0, r"image contains NaN"),
    "no reference": ([], GOOD, r"reference is an empty list; give at least one"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unusable_pictures_are_refused(case: str) -> None:
    reference, image, message = REFUSED[case]
    with pytest.raises(ImageError, match=message):
        evaluate(reference, image)


def test_pictures_just_large_enough_are_judged() -> None:
    smallest = textured(44, 44)
    assert_same(evaluate(smallest, smallest))


@pytest.mark.parametrize("search", ["fast", ""])
def test_unknown_search_is_refused(search: str) -> None:
    with pytest.raises(OptionError, match=rf"search = '{search}' is not allowed: it must be one of exact, faiss"):
        evaluate(GOOD, GOOD, search=search)


def test_unknown_tiles_are_refused() -> None:
    with pytest.raises(
        OptionError, match=r"tiles = 'round' is not allowed: it must be one of free, circular, circular x"
    ):
        evaluate(GOOD, GOOD, tiles="round")


def test_missing_faiss_is_told_before_any_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def long_work(*_: object) -> float:
        raise AssertionError("work began")

    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    monkeypatch.setattr(metrics, "held_out", long_work)
    with pytest.raises(GPDMError, match="pip install faiss-cpu"):
        evaluate(GOOD, GOOD, search="faiss")
