"""Metrics of the seam of an image that is meant to tile."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..borders import wrap, wraps
from ..images import size_of
from ..patches.linear import patch_grid
from ..patches.nearest import all_patches, nearest
from ..references import Reference, as_references, reference_patch_weights

PATCH = 7
"""Side of the patches, in pixels."""


def seam_ratio(references: Sequence[Tensor | Reference], image: Tensor, tiles: str, search: str = "exact") -> float:
    """Returns the mean distance to the nearest reference patch across the borders, over that inside.

    It is 1 if both are 0. A one-pixel edge along the border goes unnoticed if the reference has such edges; see
    `seam_gradients`.

    Arguments:
        references: One or several, (1, C, h, w) each.
        image: (1, C, H, W).
        tiles: One of `borders.BORDERS`, not free: in which directions the image tiles.
        search: One of `nearest.SEARCHES`.
    """
    own = as_references(references)
    keys, weights = all_patches([each.image for each in own], PATCH), reference_patch_weights(own, PATCH)
    if weights is not None:
        keys = keys[torch.cat([each.flatten() for each in weights]) > 0]
    wrapped = wrap(image, PATCH, tiles)
    found = nearest(all_patches([wrapped], PATCH), keys, search)
    distances = found.distance.view(patch_grid(size_of(wrapped), PATCH, 1))
    rows, columns = patch_grid(size_of(image), PATCH, 1)
    inside = distances[:rows, :columns]
    across = (distances.sum() - inside.sum()) / (distances.numel() - inside.numel())
    return ratio(float(across), float(inside.mean()))


def seam_gradients(image: Tensor, tiles: str) -> dict[str, float]:
    """Compares the step across opposite borders with the steps between neighbouring columns and rows.

    Arguments:
        image: (1, C, H, W).
        tiles: One of `borders.BORDERS`: in which directions the image tiles.

    Returns:
        For each of these directions, x or y: "seam gradient", the mean absolute difference across the borders over the
        median of that between neighbours (1 if both are 0); and "seam rank", the fraction of neighbours with a smaller
        difference.
    """
    vertical, horizontal = wraps(tiles)
    found = {}
    for name, axis, around in (("x", 3, horizontal), ("y", 2, vertical)):
        if around:
            other = tuple(i for i in range(4) if i != axis)
            steps = (image - image.roll(1, axis)).abs().cpu().double().mean(other)
            across, inside = float(steps[0]), steps[1:]
            found[f"seam gradient {name}"] = ratio(across, float(inside.median()))
            found[f"seam rank {name}"] = float((inside < across).double().mean())
    return found


def ratio(a: float, b: float) -> float:
    """Returns a / b; 1 if both are 0."""
    return 1.0 if a == b == 0 else a / max(b, 1e-12)
