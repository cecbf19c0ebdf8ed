"""Metrics of results. Each misses some faults, so that all are needed."""

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
from ..options import Options, option
from ..patches.filters import sample_filters
from ..patches.linear import FilterBank, patch_grid
from ..patches.nearest import SEARCH_HELP, SEARCHES, all_patches, import_faiss, mutual
from ..references import Images, Reference, as_references, check_pictures, reference_patch_weights
from ..transport.sorted import sliced_wasserstein
from .copying import PATCH_SIZE, Sources, copied_fraction, largest_region
from .lines import LINE_STEP, line_continuity
from .occurrence import use_scores
from .seams import ratio, seam_gradients, seam_ratio
from .spectrum import high_frequencies, spectra

PATCH_SIZES, SCALES = (3, 5, 7, 11), (1.0, 0.5, 0.25)
"""Patch sizes, in pixels, and image scales over which the held-out distances are averaged."""
HELD_OUT_SEED = 2**63 - 1
"""Seed of the held-out filters. Runs use other seeds: those of the outputs, and 0 for the shared filters."""
HELD_OUT_FILTERS = 128
BORDER_WIDTH = 3
"""Width of the border region, in pixels."""
UNIT_RANGE = 0.25
"""Factor from squared differences of values from -1 to 1 (core) to those of values from 0 to 1 (metrics)."""


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(Options):
    """Settings of an evaluation."""

    tiles: str = option(
        "free",
        "Directions in which the pictures should tile, where the seam is measured: circular both, circular x left "
        "to right, circular y top to bottom. free measures no seam.",
        choices=BORDERS,
    )
    search: str = option("exact", SEARCH_HELP, choices=SEARCHES, advanced=True)


@dataclass(frozen=True)
class Evaluation:
    """The metrics of one image against its references."""

    scores: Mapping[str, float]
    """The metrics, by name; see `DESCRIPTIONS`."""
    per_scale: Mapping[str, float]
    """The held-out distances by kind, patch size and scale, whose means are the first two scores."""
    sources: Sources
    """Sources of the image's patches."""
    errors: Tensor
    """Mean squared difference of each pixel to those of the nearest reference patches that cover it, (H, W), for values
    from 0 to 1."""
    spectra: tuple[Tensor, Tensor, Tensor]
    """Frequencies in cycles per pixel, and the power of the references and of the image at them, (F,) each."""

    def with_score(self, name: str, value: float) -> Evaluation:
        """Returns a copy with one more score."""
        return replace(self, scores={**self.scores, name: value})


DESCRIPTIONS = {
    "held-out distance": "sliced Wasserstein distance to the reference over filters that no synthesis uses, relative "
    "to the reference's spread: 0 is equal, 1 is a flat picture",
    "detail distance": "held-out distance over filters of mean zero, which ignore colour and respond to structure and "
    "sharpness",
    "coherence": "coherence error, the mean squared difference between each patch and its nearest reference patch (pixel "
    "values from 0 to 1): 0 if every patch exists in the reference",
    "completeness": "mean squared difference between each reference patch and the nearest patch of the picture: 0 if "
    "nothing of the reference is missing",
    "high frequencies": "power at frequencies above a quarter of the sampling rate, in decibels relative to the reference: "
    "below 0 is softer, above 0 is noisier",
    "border": f"coherence error of the outer {BORDER_WIDTH} pixels divided by that of the interior: above 1 the border "
    "is worse",
    "seam": "coherence error of the patches across the borders divided by that of the others: above 1 patches there "
    "resemble the reference less",
    "seam gradient x": "mean difference between the right and the left border, divided by the median difference between "
    "neighbouring columns: about 1 without a seam, higher for an edge",
    "seam rank x": "fraction of column differences below the difference across the border: about 0.5 without a seam, 1 "
    "if that across the border is the largest",
    "seam gradient y": "mean difference between the lower and the upper border, divided by the median difference between "
    "neighbouring rows: about 1 without a seam, higher for an edge",
    "seam rank y": "fraction of row differences below the difference across the border: about 0.5 without a seam, 1 if "
    "that across the border is the largest",
    "copied": "fraction of patches copied together with all four neighbours, from one place of the reference: 1 for a "
    "copy, lower if the reference has repeated patches",
    "largest verbatim region": "largest connected region copied from one place without change, as a fraction of the "
    "picture: 1 for a copy, lower if the reference has repeated patches",
    "line continuity": f"correlation of lines with themselves {LINE_STEP} pixels further along, minus that in the "
    "reference: below 0 hairs, wires and blades of grass are broken or bent; blur raises it",
    "unused": "fraction of the reference's pixels that no patch of the picture comes from: 0 if all are used, higher if "
    "parts are left out; of equal patches one is taken",
    "most used": "largest number of patches of the picture that come from one pixel of the reference, relative to even "
    "use: 1 for a copy, higher for repeats; of equal patches one is taken",
    "SIFID": "Frechet distance between Inception features: 0 is equal; comparable only with the same weights",
    "diversity": "standard deviation of each pixel over the pictures, relative to the reference's contrast: 0 if all "
    "are equal",
}
"""Descriptions of the metrics, by name."""


def evaluate(
    reference: Images,
    image: Tensor,
    *,
    tiles: str = EvaluationOptions.tiles,
    search: str = EvaluationOptions.search,
) -> Evaluation:
    """Returns all metrics of an image.

    Arguments:
        reference: One or several references: images (B, C, h, w) in [-1, 1], `Reference`s, or a list of either. Weights
            apply to distances, coherence and completeness; spectra and lines are those of the entire images.
        image: The image to evaluate, (1, C, H, W) in [-1, 1], of any size.
        tiles, search: See `EvaluationOptions`.

    Raises:
        ImageError: An image is unusable, differs from the reference in channels or device, or is too small for the
            largest patch at the smallest scale.
        OptionError: `search` or `tiles` is unknown, or a reference has a region.
        GPDMError: faiss is chosen and not installed.
    """
    references = check_pair(reference, image)
    options = EvaluationOptions(tiles=tiles, search=search)
    if options.search == "faiss":
        import_faiss()
    image, images = image.to(references[0].image), [x.image for x in references]
    with torch.no_grad():
        per_scale = {
            f"{kind} {patch_size}x{patch_size} at {scale:g}": held_out(references, image, patch_size, scale, kind)
            for kind in ("all", "detail")
            for scale in SCALES
            for patch_size in PATCH_SIZES
        }
        sources, completeness, errors = _match(references, image, options.search)
        power = spectra(images, image)
        scores = {
            "held-out distance": _mean(per_scale, "all"),
            "detail distance": _mean(per_scale, "detail"),
            "coherence": float(sources.distance.mean()),
            "completeness": completeness,
            "high frequencies": high_frequencies(*power),
            "border": border_ratio(errors),
        }
        if options.tiles != "free":
            scores["seam"] = seam_ratio(references, image, options.tiles, options.search)
            scores |= seam_gradients(image, options.tiles)
        scores |= {"copied": copied_fraction(sources), "largest verbatim region": largest_region(sources)}
        scores["line continuity"] = line_continuity(images, image)
        scores |= use_scores(sources, images, [x.map() > 0 for x in references])
        return Evaluation(scores, per_scale, sources, errors, power)


def check_pair(reference: Images, image: Tensor) -> list[Reference]:
    """Returns the references, one image each, in float32 or wider.

    Raises the errors of `evaluate` that concern images and references.
    """
    references = as_references(reference)
    check_alike(check_image(image, "image"), "image", references[0].image, "reference")
    check_pictures(references, "an evaluation looks for the sources of patches")
    if any(x.region is not None for x in references):
        raise OptionError.saying(
            "reference has a region, which evaluation cannot use; crop and evaluate each region by itself"
        )
    if len(image) != 1:
        raise ImageError(f"image is a batch of {len(image)} pictures; evaluate them one by one")
    for name, tensor in [("image", image), *(("reference", x.image) for x in references)]:
        check_evaluable(tensor, name)
    return [replace(x, image=x.image.to(torch.promote_types(x.image.dtype, torch.float32))) for x in references]


def check_evaluable(image: Tensor, name: str) -> None:
    """Raises `ImageError` if an image (B, C, H, W) is too small for the largest patch at the smallest scale."""
    minimum, (height, width) = round(max(PATCH_SIZES) / min(SCALES)), size_of(image)
    if min(height, width) < minimum:
        raise ImageError(
            f"{name} is {width}x{height} pixels; evaluation needs at least {minimum} on the shorter side; "
            "use a larger picture"
        )


def _mean(per_scale: Mapping[str, float], kind: str) -> float:
    values = [value for name, value in per_scale.items() if name.startswith(kind)]
    return sum(values) / len(values)


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
    resized = [x.at(scale) for x in as_references(references)]
    image = resize(image, scaled(size_of(image), scale))
    generator = Generator().manual_seed(HELD_OUT_SEED)
    bank = sample_filters("independent", HELD_OUT_FILTERS, image.shape[1], patch_size, generator)
    if kind == "detail":
        # Not rounded as the filters of runs are, so that a change of average colour leaves the metric unchanged.
        filters = bank.filters()
        filters = filters - filters.mean((2, 3), keepdim=True)
        bank = FilterBank.of(filters / filters.flatten(1).norm(dim=1)[:, None, None, None])
    bank = bank.to(image)
    p = torch.cat([bank.project(x.image).flatten(0, 1) for x in resized]).T.contiguous()
    q = bank.project(image).flatten(0, 1).T.contiguous()
    weights = reference_patch_weights(resized, patch_size)
    if weights is None:
        distance, spread = sliced_wasserstein(p, q, distance="l1")[0], (p - p.mean(1, keepdim=True)).abs().mean()
    else:
        flat = torch.cat([x.flatten() for x in weights])
        distance, fractions = sliced_wasserstein(p, q, distance="l1", p_weights=flat)[0], flat / flat.sum()
        spread = ((p - (p * fractions).sum(1, keepdim=True)).abs() * fractions).sum(1).mean()
    # A flat reference has no spread; the distance of any other image is then very large.
    return float(distance / spread.clamp(min=1e-6))


def _match(references: Sequence[Reference], image: Tensor, search: str) -> tuple[Sources, float, Tensor]:
    """Returns the sources of the image's patches, completeness, and the errors of pixels; see `Evaluation`."""
    images = [x.image for x in references]
    queries, keys = all_patches([image], PATCH_SIZE), all_patches(images, PATCH_SIZE)
    index, fractions = torch.arange(len(keys), device=keys.device), keys.new_full((len(keys),), 1 / len(keys))
    weights = reference_patch_weights(references, PATCH_SIZE)
    if weights is not None:
        flat = torch.cat([x.flatten() for x in weights])
        index = flat.nonzero()[:, 0]
        keys, fractions = keys[index], flat[index] / flat.sum()
    nearest, key_distances = mutual(queries, keys, search)
    grid = patch_grid(size_of(image), PATCH_SIZE, 1)
    sources = Sources.of(index[nearest.index], UNIT_RANGE * nearest.distance, grid, images, PATCH_SIZE)
    squares = UNIT_RANGE * (queries - keys[nearest.index]).square().T[None]
    counts = torch.ones_like(squares)
    fold = partial(F.fold, output_size=size_of(image), kernel_size=PATCH_SIZE)
    completeness = float(key_distances.mean() if weights is None else (key_distances * fractions).sum())
    return sources, UNIT_RANGE * completeness, (fold(squares) / fold(counts))[0].mean(0)


def border_ratio(errors: Tensor) -> float:
    """Returns the mean of the outer `BORDER_WIDTH` pixels of errors (H, W) over that of the others; 1 if both are 0."""
    inside = errors[BORDER_WIDTH:-BORDER_WIDTH, BORDER_WIDTH:-BORDER_WIDTH]
    outer = (errors.sum() - inside.sum()) / (errors.numel() - inside.numel())
    return ratio(float(outer), float(inside.mean()))


def diversity(reference: Tensor, images: Tensor) -> float:
    """Returns the diversity of images (Shaham et al., SinGAN, ICCV 2019, section 4); 0 if all are equal.

    The standard deviation of each pixel's brightness over the images is averaged over pixels and divided by the
    standard deviation of the reference's brightness.

    Arguments:
        reference: (1, C, h, w).
        images: The images, (N, C, H, W).

    Raises:
        ImageError: There are fewer than two images.
    """
    if len(images) < 2:
        raise ImageError(f"images has {len(images)} picture; diversity needs two or more; give more outputs")
    deviation = images.cpu().double().mean(1).std(0, correction=0).mean()
    return float(deviation / reference.cpu().double().mean(1).std(correction=0).clamp(min=1e-6))
