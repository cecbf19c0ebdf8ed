"""Daubs: a picture in few flat colours, to paint on and give to Paint, and its palette."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..borders import gaussian_blur
from ..images import check_image, reduced, size_of
from ..options import Options, option
from ..patches.inverted_lists import cluster, nearest_centroids
from ..pictures.forms import HIDDEN, check_visible, filled, split_alpha

SAMPLE_SIDE = 256
"""Longer side of the copy from which colours are computed, in pixels."""
ENOUGH_STEPS = 30
"""Steps of k-means after which colours hardly change."""
SWATCH = 64
"""Side of a swatch of a palette, in pixels."""


@dataclass(frozen=True, kw_only=True)
class DaubOptions(Options):
    """Settings of a daub."""

    colours: int = option(
        6, "Number of flat colours. Higher keeps smaller and rarer things, and is more to paint with.", ge=2, le=32
    )
    blur: float = option(
        0.015,
        "Standard deviation of a blur before the colours are found, as a fraction of the shorter side. Higher gives fewer "
        "and larger areas.",
        ge=0.0,
        le=0.2,
        step=0.005,
    )


@dataclass(frozen=True)
class Daub:
    """Pictures in flat colours, and their palettes."""

    images: Tensor
    """The daubs, of the size and channels of the pictures, (B, C, H, W)."""
    colours: Tensor
    """The colours of each, those of larger areas first, (B, number, C without alpha). A picture with fewer colours has
    its first one again in place of those that are missing."""

    @property
    def palettes(self) -> Tensor:
        """The colours as square swatches in a row, (B, C, 64, 64 * number)."""
        swatches = self.colours.movedim(1, 2)[:, :, None]
        return swatches.repeat_interleave(SWATCH, 3).repeat(1, 1, SWATCH, 1)


def daub(image: Tensor, **options: float) -> Daub:
    """Returns pictures in few flat colours, which k-means finds in a blurred copy. Nothing is random.

    Arguments:
        image: Pictures, (B, C, H, W) in [-1, 1], each with colours of its own. Transparent pixels do not count, and
            alpha stays as it is.
        options: Fields of `DaubOptions`.

    Raises:
        ImageError: `image` is no image, or one that is transparent everywhere.
        OptionError: An option has a value that is not allowed.
    """
    chosen = DaubOptions(**options)  # type: ignore[arg-type]
    made = [_daub_of(picture, chosen) for picture in check_image(image, "image").split(1)]
    return Daub(torch.cat([each.images for each in made]), torch.cat([each.colours for each in made]))


def _daub_of(picture: Tensor, options: DaubOptions) -> Daub:
    """Returns the daub of one picture (1, C, H, W)."""
    check_visible(picture, "image")
    colours, alpha = split_alpha(picture)
    visible = torch.ones_like(colours[:, :1]) if alpha is None else (alpha >= HIDDEN).to(picture)
    if not bool(visible.all()):
        colours = filled(colours, visible)
    size = size_of(colours)
    smooth = gaussian_blur(colours, options.blur * min(size))
    factor = min(SAMPLE_SIDE / max(size), 1.0)
    small = (max(round(size[0] * factor), 1), max(round(size[1] * factor), 1))
    sample = _points(reduced(smooth, small))[_points(reduced(visible, small))[:, 0] >= 0.5]
    palette = cluster(sample, _starts(sample, options.colours), ENOUGH_STEPS)
    nearest = nearest_centroids(_points(smooth), palette, 1)[:, 0]
    areas = nearest[_points(visible)[:, 0] > 0].bincount(minlength=len(palette))
    palette = palette[areas.argsort(descending=True, stable=True)]
    palette = torch.cat([palette, palette[:1].expand(options.colours - len(palette), -1)])
    nearest = nearest_centroids(_points(smooth), palette, 1)[:, 0]
    flat = palette[nearest].T.reshape(colours.shape)
    return Daub(flat if alpha is None else torch.cat([flat, alpha], 1), palette[None])


def _points(image: Tensor) -> Tensor:
    """Returns the colours of the pixels of an image (1, C, H, W), (H * W, C)."""
    return image[0].flatten(1).T


def _starts(points: Tensor, number: int) -> Tensor:
    """Returns centroids to start from, (number, d), or fewer for points of fewer colours.

    The cluster with the largest sum of squares is split across its longest axis, again and again.
    """
    clusters = [points]
    while len(clusters) < number:
        spreads = [float((each - each.mean(0)).square().sum()) for each in clusters]
        widest = max(range(len(clusters)), key=spreads.__getitem__)
        centred = clusters[widest] - clusters[widest].mean(0)
        covariance = centred.double().T @ centred.double()
        place = centred @ torch.linalg.eigh(covariance).eigenvectors[:, -1].to(points)
        parts = clusters[widest][place > 0], clusters[widest][place <= 0]
        if not all(len(part) for part in parts):
            break
        clusters[widest : widest + 1] = parts
    return torch.stack([each.mean(0) for each in clusters])
