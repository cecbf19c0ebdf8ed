"""The match that gives pictures the colours of references: sliced optimal transport of single pixels, smoothed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import OptionError
from ..images import resize, scaled, size_of
from ..options import Options, option
from ..pictures.forms import grey
from ..references import Reference
from ..synthesis import StepInfo
from ..tasks.colours import with_colours_of
from .base import Match, Matched, MatchExample, MatchInput
from .guided import guided_coefficients
from .lut import SIDE, Lut, fitted_changes

FIT_PIXELS = 2**18
"""Number of pixels, of all pictures and of all references, to which colours are fitted at most."""


@dataclass(frozen=True, kw_only=True)
class LookOptions(Options):
    """Options of `match_look`."""

    strength: float = option(
        1.0,
        "Fraction of the change of colours that is made. 0 leaves the pictures as they are.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    luminance: str = option(
        "match",
        "match changes brightness and colour; keep leaves the brightness of every pixel as it is.",
        choices=("match", "keep"),
    )
    smoothing: float = option(
        0.01,
        "Radius within which the change of colours is smoothed, relative to the shorter side. Higher keeps more of the "
        "picture's structure and is less close to the reference's colours; 0 changes equal colours equally, as a LUT does.",
        ge=0.0,
        le=0.5,
        step=0.005,
    )
    edges: float = option(
        0.2,
        "Contrast in a window, relative to that of the pictures, above which the change of colours follows the edges of "
        "the picture. Higher smooths more.",
        ge=0.001,
        le=4.0,
        step=0.01,
        advanced=True,
    )
    every: int = option(
        1,
        "Distance of the pictures of a batch from which the change of colours is found; all of them get it. Higher is faster "
        "for long clips.",
        ge=1,
        le=10000,
        advanced=True,
    )


def match_look(entry: MatchInput, options: LookOptions) -> Matched:
    """Returns pictures with the colours of the references or of a LUT, and the LUT of this change."""
    lut = _fitted(entry, options) if entry.lut is None else entry.lut
    weight = torch.ones_like(entry.images[:, :1]) if entry.weight is None else entry.weight
    eps = (options.edges * _contrast(entry.images, weight)) ** 2
    pairs = zip(entry.images.split(1), weight.split(1), strict=True)
    return Matched(torch.cat([_with_lut(*pair, lut, options, eps) for pair in pairs]), lut.blended(options.strength))


def _contrast(images: Tensor, weight: Tensor) -> float:
    """Returns the standard deviation of a channel of pictures (B, C, H, W), the mean of all channels, at least 0.01.

    Pixels count by their weight, (B, 1, H, W).
    """
    fraction = weight / weight.sum()
    mean = (fraction * images).sum((0, 2, 3), keepdim=True)
    variance = (fraction * (images - mean).square()).sum((0, 2, 3))
    return max(float(variance.sqrt().mean()), 0.01)


def _with_lut(image: Tensor, weight: Tensor, lut: Lut, options: LookOptions, eps: float) -> Tensor:
    """Returns a picture (1, 1 or 3, H, W) with the colours of a LUT, whose change is smoothed (`guided_coefficients`).

    The smoothing is computed in a small copy of a large picture. `weight` is as in `MatchInput`, and
    `eps` as in `guided_coefficients`.
    """
    size = size_of(image)
    if not options.smoothing:
        return changed(image, options.strength * (lut.apply(image) - image), options.luminance)
    small_size = scaled(size, min((FIT_PIXELS / (size[0] * size[1])) ** 0.5, 1.0))
    small, small_weight = resize(image, small_size), resize(weight, small_size)
    change = options.strength * (lut.apply(small) - small)
    radius = max(round(options.smoothing * min(small_size)), 1)
    factors, offsets = (resize(x, size) for x in guided_coefficients(small, change, radius, eps, small_weight))
    return changed(image, factors * image + offsets, options.luminance)


def changed(images: Tensor, change: Tensor, luminance: str) -> Tensor:
    """Returns images (B, C, H, W) plus a change, in [-1, 1], with other brightness ("match") or the same ("keep").

    With the same brightness the change of a pixel is made smaller until it fits the range.
    """
    if luminance == "match":
        return (images + change).clamp(-1, 1)
    change = change - grey(change)
    room = torch.where(change > 0, 1 - images, 1 + images) / change.abs().clamp(min=1e-6)
    return images + change * room.amin(1, keepdim=True).clamp(0, 1)


def _fitted(entry: MatchInput, options: LookOptions) -> Lut:
    """Returns the LUT that gives the pictures, taken together, the distribution of the references' colours."""
    images = entry.images[:: options.every]
    height, width = size_of(images)
    size = scaled((height, width), min((FIT_PIXELS / (len(images) * height * width)) ** 0.5, 1.0))
    stacked = _stacked(resize(images, size))
    weight = None if entry.weight is None else _stacked(resize(entry.weight[:: options.every], size))
    if weight is not None and not bool(weight.any()):
        raise OptionError("every", options.every, "the mask covers nothing of the pictures that it leaves; lower it")
    pixels = sum(x.image.shape[-2] * x.image.shape[-1] for x in entry.references)
    scale = min((FIT_PIXELS / pixels) ** 0.5, 1.0)
    on_step = entry.on_step

    def report(info: StepInfo) -> None:
        if on_step is not None:  # the first picture, of those stacked
            on_step(0.9 * info.done, info.image[:, :, : size[0]])

    result = with_colours_of(
        [_in_region(x if scale == 1 else x.at(scale), weight) for x in entry.references], stacked, entry.seed, report
    )
    change = changed(stacked, result - stacked, options.luminance) - stacked
    weights = torch.ones_like(stacked[:, :1]) if weight is None else weight
    colours, changes, weights = (
        x.expand(-1, channels, -1, -1).permute(0, 2, 3, 1).reshape(-1, channels)
        for x, channels in (((stacked + 1) / 2, 3), (change / 2, 3), (weights, 1))
    )
    table = fitted_changes(colours, changes, weights)
    own, table = (_as_image(x) for x in (Lut.identity().table.to(table), table))
    mapped = changed(own * 2 - 1, table * 2, options.luminance)
    return Lut(((mapped[0] + 1) / 2).movedim(0, -1).reshape(*[SIDE] * 3, 3).float().cpu(), title="GPDM Match Look")


def _as_image(table: Tensor) -> Tensor:
    """Returns the colours of a table, (N, N, N, 3), as an image (1, 3, N, N * N)."""
    return table.flatten(1, 2).movedim(-1, 0)[None]


def _stacked(images: Tensor) -> Tensor:
    """Returns images (B, C, H, W) one below the other, (1, C, B * H, W): with patches of one pixel nothing crosses."""
    return images.movedim(1, 0).flatten(1, 2)[None]


def _in_region(reference: Reference, region: Tensor | None) -> Reference:
    return replace(reference, region=region)


MATCHES = (
    Match(
        name="match_look",
        title="Match Look",
        command="match-look",
        summary="Gives pictures the colours of a reference, and keeps what they show. All frames of a clip change in the same way.",
        advice="Lower strength for a part of the effect. Raise smoothing, to 0.06 for example, if smooth areas such as skies break into patches of colour; 0 comes "
        "closest to the colours of the reference. Set luminance to keep to change the colours alone. The output lut is the same look for other pictures.",
        reference_help="Picture with the colours to match.",
        image_help="Pictures to change. A batch is one clip, whose frames all change in the same way.",
        mask_help="Part of the pictures that changes, as painted in the mask editor; soft values change a pixel in part. "
        "Without a mask everything changes.",
        options=LookOptions,
        apply=match_look,
        is_random=False,
        lut_help="The change of colours as a table, without smoothing, for GPDM Apply LUT and GPDM Save LUT.",
        aliases=(
            "gpdm",
            "color match",
            "colour transfer",
            "color grading",
            "lut",
            "white balance",
            "reinhard",
            "histogram match",
        ),
        example=MatchExample(
            reference="starry_night.jpg",
            image="canyon.jpg",
            values={},
            note="The canyon in the colours of the painting: its shades go from dark blue to light yellow.",
        ),
    ),
)
"""The match of this file."""
