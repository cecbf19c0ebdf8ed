"""Metrics of results, none of which a loss contains. Each has blind spots, so they are read together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..borders import BORDERS
from ..errors import ImageError, OptionError
from ..images import check_alike, check_image, resize, scaled, size_of
from ..patches.filters import FilterBank, sample_filters
from ..patches.linear import patch_grid, project
from ..patches.nearest import SEARCHES, all_patches, import_faiss, mutual
from ..references import Reference, as_references, reference_patch_weights
from ..transport.sorted import sliced_wasserstein
from .copying import Sources, copied_share, largest_region
from .seams import ratio, seam_gradients, seam_ratio

PATCH_SIZES, SCALES = (3, 5, 7, 11), (1.0, 0.5, 0.25)
"""Patch sizes, in pixels, and image scales over which the held-out distances are averaged."""
PATCH = 7
"""Side of the patches of the nearest-patch metrics, in pixels."""
HELD_OUT_SEED = 2**63 - 1
"""Seed of the held-out filters. Runs use other seeds: those of the outputs, and 0 for the shared filters."""
HELD_OUT_FILTERS = 128
BORDER = 3
"""Width of the border region, in pixels."""
UNIT = 0.25
"""Factor from squared differences of values from -1 to 1 (core) to those of values from 0 to 1 (metrics)."""
WINDOW = 64
"""Side of the windows of the spectra, in pixels."""
HIGH = 0.25
"""Lowest frequency of the metric high frequencies, in cycles per pixel; the highest is 0.5."""


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one image against its references."""

    figures: Mapping[str, float]
    """Values by name; `MEANINGS` describes them."""
    cells: Mapping[str, float]
    """The held-out distances whose means the first two values are, by kind, patch size and scale."""
    sources: Sources
    """Sources of the image's patches."""
    errors: Tensor
    """Difference of each pixel to those of the nearest reference patches that cover it, (H, W): a mean square, for
    values from 0 to 1."""
    spectra: tuple[Tensor, Tensor, Tensor]
    """Frequencies in cycles per pixel, and the power of the reference and of the image at them, (F,) each."""

    def with_figure(self, name: str, value: float) -> Evaluation:
        """Returns a copy with one more value."""
        return replace(self, figures={**self.figures, name: value})


MEANINGS = {
    "held-out distance": "sliced Wasserstein distance over filters that no run has seen, as a share of the reference's spread: 0 the same, 1 a flat picture",
    "detail distance": "the same over filters of mean zero: blind to colour, sees structure and sharpness",
    "coherence": "mean squared difference of each patch to the nearest of the reference, for values from 0 to 1: 0 if nothing was made up",
    "completeness": "the same the other way round: 0 if nothing of the reference is missing",
    "high frequencies": "power above a quarter of the sampling rate against the reference, in decibels: below 0 soft, above 0 noisy",
    "border": f"coherence of the outer {BORDER} pixels over that of the inside: above 1 the border is worse",
    "seam": "coherence across the opposite borders over that of the inside, for pictures that tile: above 1 patches there are unlike the reference's",
    "seam gradient x": "mean step from the right border to the left over the median step between columns: 1 no seam, above 1 the seam is an edge",
    "seam rank x": "share of the columns whose step is smaller than that one: about 0.5 without a seam, 1 if it is the largest of all",
    "seam gradient y": "mean step from the lower border to the upper over the median step between rows: 1 no seam, above 1 the seam is an edge",
    "seam rank y": "share of the rows whose step is smaller than that one: about 0.5 without a seam, 1 if it is the largest of all",
    "copied": "share of the patches that moved as one with all their neighbours: 1 for a copy, less where the reference repeats itself",
    "largest verbatim region": "the largest piece that moved as one and is the same, as a share of the picture: 1 for a copy, likewise",
    "SIFID": "distance of the statistics of Inception features: 0 for the same; only comparable with the same weights",
    "diversity": "deviation of each pixel over the pictures, as a share of the reference's contrast: 0 if all are the same",
}
"""Descriptions of the metrics, by name."""


Images = Tensor | Reference | Sequence[Tensor | Reference]


def evaluate(reference: Images, image: Tensor, *, search: str = "exact", tiles: str = "free") -> Evaluation:
    """Returns all metrics of `image`.

    Arguments:
        reference: One or several references: images (B, C, h, w) in [-1, 1], `Reference`s, or a list of either. Weights
            apply to distances, coherence and completeness; spectra are those of the entire images.
        image: The image to evaluate, (1, C, H, W) in [-1, 1], of any size.
        search: Search for nearest patches, one of `SEARCHES`.
        tiles: Border along which the image is meant to tile, one of `BORDERS`. If it is not free, the metrics include
            seams.

    Raises:
        ImageError: An image is unusable, differs from the reference in channels or device, or is too small for the
            largest patch at the smallest scale.
        OptionError: `search` or `tiles` is unknown, or a reference has a region.
        GPDMError: faiss is chosen and not installed.
    """
    references = check_pair(reference, image)
    for name, value, known in (("search", search, SEARCHES), ("tiles", tiles, BORDERS)):
        if value not in known:
            raise OptionError(name, value, f"it must be one of {', '.join(known)}")
    if search == "faiss":
        import_faiss()
    image, images = image.to(references[0].image), [each.image for each in references]
    with torch.no_grad():
        cells = {
            f"{kind} {patch_size}x{patch_size} at {scale:g}": held_out(references, image, patch_size, scale, kind)
            for kind in ("all", "detail")
            for scale in SCALES
            for patch_size in PATCH_SIZES
        }
        sources, completeness, errors = _match(references, image, search)
        found = spectra(images, image)
        figures = {
            "held-out distance": _mean(cells, "all"),
            "detail distance": _mean(cells, "detail"),
            "coherence": float(sources.distance.mean()),
            "completeness": completeness,
            "high frequencies": _high(*found),
            "border": border_ratio(errors),
        }
        if tiles != "free":
            figures["seam"] = seam_ratio(references, image, tiles, search)
            figures |= seam_gradients(image, tiles)
        figures |= {"copied": copied_share(sources), "largest verbatim region": largest_region(sources)}
        return Evaluation(figures, cells, sources, errors, found)


def check_pair(reference: Images, image: Tensor) -> list[Reference]:
    """Returns the references, one image each, in float32 or wider.

    Raises the errors of `evaluate` that concern images and references.
    """
    references = as_references(reference)
    check_alike(check_image(image, "image"), "image", references[0].image, "reference")
    if any(each.region is not None for each in references):
        raise OptionError(
            "region", "given", "a picture is judged against whole references", "judge each part against its own"
        )
    if len(image) != 1:
        raise ImageError(f"image is a batch of {len(image)} pictures; evaluate them one by one")
    needed = round(max(PATCH_SIZES) / min(SCALES))
    for name, picture in [("image", image), *(("reference", each.image) for each in references)]:
        if min(size_of(picture)) < needed:
            height, width = size_of(picture)
            raise ImageError(f"{name} is {width}x{height}; {needed} pixels on the smaller side are needed to judge it")
    return [
        replace(each, image=each.image.to(torch.promote_types(each.image.dtype, torch.float32))) for each in references
    ]


def _mean(cells: Mapping[str, float], kind: str) -> float:
    chosen = [value for name, value in cells.items() if name.startswith(kind)]
    return sum(chosen) / len(chosen)


def held_out(
    references: Sequence[Tensor | Reference], image: Tensor, patch_size: int, scale: float, kind: str = "all"
) -> float:
    """Returns the exact sliced W1 distance of all patches over held-out filters, relative to the reference's spread.

    There are `HELD_OUT_FILTERS` filters that no run uses. The spread is the mean absolute deviation of the reference's
    projections from their mean, so that 0 means the same patches, and 1 about one flat colour.

    Arguments:
        references: One or several, (1, C, h, w) each.
        image: (1, C, H, W).
        patch_size: Side of the patches, in pixels.
        scale: Factor by which all images are resized first.
        kind: "all" or "detail", whose filters have mean zero in each channel.
    """
    own = [each.at(scale) for each in as_references(references)]
    image = resize(image, scaled(size_of(image), scale))
    generator = Generator().manual_seed(HELD_OUT_SEED)
    bank = sample_filters("independent", HELD_OUT_FILTERS, image.shape[1], patch_size, generator)
    if kind == "detail":
        # Not rounded to a grid as those of runs: a change of average colour must leave the metric unchanged.
        filters = bank.filters()
        filters = filters - filters.mean((2, 3), keepdim=True)
        bank = FilterBank.of(filters / filters.flatten(1).norm(dim=1)[:, None, None, None])
    bank = bank.to(image)
    p = torch.cat([project(each.image, bank).flatten(0, 1) for each in own]).T.contiguous()
    q = project(image, bank).flatten(0, 1).T.contiguous()
    weights = reference_patch_weights(own, patch_size)
    if weights is None:
        distance, spread = sliced_wasserstein(p, q, distance="l1")[0], (p - p.mean(1, keepdim=True)).abs().mean()
    else:
        shares = torch.cat([each.flatten() for each in weights])
        distance, shares = sliced_wasserstein(p, q, distance="l1", p_weights=shares)[0], shares / shares.sum()
        spread = ((p - (p * shares).sum(1, keepdim=True)).abs() * shares).sum(1).mean()
    # A flat reference has no spread; the distance of any other image is then very large.
    return float(distance / spread.clamp(min=1e-6))


def _match(references: Sequence[Reference], image: Tensor, search: str) -> tuple[Sources, float, Tensor]:
    images = [each.image for each in references]
    queries, keys = all_patches([image], PATCH), all_patches(images, PATCH)
    index, shares = torch.arange(len(keys), device=keys.device), keys.new_full((len(keys),), 1 / len(keys))
    weights = reference_patch_weights(references, PATCH)
    if weights is not None:
        flat = torch.cat([each.flatten() for each in weights])
        index = flat.nonzero()[:, 0]
        keys, shares = keys[index], flat[index] / flat.sum()
    found, backwards = mutual(queries, keys, search)
    grid = patch_grid(size_of(image), PATCH, 1)
    sources = Sources.of(index[found.index], UNIT * found.distance, grid, images, PATCH)
    squares = UNIT * (queries - keys[found.index]).square().T[None]
    covered = torch.ones_like(squares)
    fold = partial(F.fold, output_size=size_of(image), kernel_size=PATCH)
    completeness = float(backwards.mean() if weights is None else (backwards * shares).sum())
    return sources, UNIT * completeness, (fold(squares) / fold(covered))[0].mean(0)


def border_ratio(errors: Tensor) -> float:
    """Returns the mean of the outer `BORDER` pixels of `errors` (H, W) over that of the others; 1 if both are 0."""
    inside = errors[BORDER:-BORDER, BORDER:-BORDER]
    outer = (errors.sum() - inside.sum()) / (errors.numel() - inside.numel())
    return ratio(float(outer), float(inside.mean()))


def spectra(references: Sequence[Tensor], image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns frequencies and radial power spectra of references and image; see `Evaluation.spectra`.

    They are averaged over rings, channels, references and windows, by Welch's method (The use of fast Fourier transform
    for the estimation of power spectra, 1967). Hann windows suppress the jump between opposite sides. Many small
    windows cover pixels near the border, which one window over the entire image would almost ignore.
    """
    # No larger than the smallest image, and a multiple of 4: at a step of a quarter the windows weight all pixels
    # equally.
    side = min(WINDOW, *(min(size_of(each)) for each in (*references, image))) // 4 * 4
    frequencies = torch.arange(1, side // 2 + 1) / side
    powers = torch.stack([_rings(each, side) for each in references])
    return frequencies, powers.mean(0), _rings(image, side)


def _rings(image: Tensor, side: int) -> Tensor:
    step, image = side // 4, image.cpu().double()  # not every GPU has float64
    # Windows are centred on the image and see it mirrored beyond its borders, so that the squared weights of each pixel
    # have the same sum over all windows.
    before = (side - step) // 2
    beyond = [round((length - 1) / step) * step - step + side - before - length for length in size_of(image)]
    picture = F.pad(image, (before, beyond[1], before, beyond[0]), mode="reflect")[0]
    rows = picture.unfold(1, side, step).unfold(2, side, step)
    window = torch.outer(*(torch.hann_window(side, dtype=torch.float64),) * 2)
    power = torch.zeros(side, side, dtype=torch.float64)
    for row in rows.unbind(1):  # all windows at once would take 16 times the memory of the picture
        centred = row - (row * window).sum((2, 3), keepdim=True) / window.sum()
        power += torch.fft.fft2(centred * window).abs().square().mean((0, 1))
    power /= rows.shape[1] * window.square().sum()
    along = torch.fft.fftfreq(side, dtype=torch.float64)
    ring = ((along[:, None].square() + along.square()).sqrt() * side).round().long().flatten()
    sums, counts = (
        torch.zeros(side, dtype=torch.float64).index_add_(0, ring, each.flatten())
        for each in (power, torch.ones_like(power))
    )
    return (sums / counts.clamp(min=1))[1 : side // 2 + 1]


def _high(frequencies: Tensor, theirs: Tensor, own: Tensor) -> float:
    high = (frequencies > HIGH) & (theirs > 0)
    least = 1e-12  # 120 dB below an image of contrast 1, so that a flat image has a finite value
    return float((10 * torch.log10((own + least) / (theirs + least)))[high].mean()) if high.any() else 0.0


def diversity(reference: Tensor, images: Tensor) -> float:
    """Returns how much images differ (Shaham et al., SinGAN, ICCV 2019, section 4); 0 if all are the same.

    It is the standard deviation of each pixel's brightness over the images, averaged over pixels, divided by the
    standard deviation of the reference's brightness.

    Arguments:
        reference: (1, C, h, w).
        images: The images, (N, C, H, W).

    Raises:
        ImageError: There are fewer than two.
    """
    if len(images) < 2:
        raise ImageError(f"images has {len(images)} picture; diversity needs two or more; give more outputs")
    deviation = images.cpu().double().mean(1).std(0, correction=0).mean()
    return float(deviation / reference.cpu().double().mean(1).std(correction=0).clamp(min=1e-6))
