"""Metrics of the seam of an image that is meant to tile."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..borders import continues, padding, shift_of, wrap
from ..images import size_of
from ..patches.linear import patch_grid
from ..patches.nearest import all_patches, nearest
from ..references import Reference, as_references, reference_patch_weights
from .copying import PATCH_SIZE


def seam_ratio(references: Sequence[Tensor | Reference], image: Tensor, tiles: str, search: str = "exact") -> float:
    """Returns the mean distance to the nearest reference patch of patches across the borders, over that of the others.

    The value is 1 if both are 0. An edge along the border is not detected if the reference has such edges; see
    `seam_gradients`.

    Arguments:
        references: One or several, (1, C, h, w) each.
        image: (1, C, H, W).
        tiles: Directions in which the image tiles, one of `borders.BORDERS`, not "free".
        search: One of `nearest.SEARCHES`.
    """
    references = as_references(references)
    keys, weights = (
        all_patches([x.image for x in references], PATCH_SIZE),
        reference_patch_weights(references, PATCH_SIZE),
    )
    if weights is not None:
        keys = keys[torch.cat([x.flatten() for x in weights]) > 0]
    wrapped = wrap(image, PATCH_SIZE, tiles)
    distances = nearest(all_patches([wrapped], PATCH_SIZE), keys, search).distance
    distances = distances.view(patch_grid(size_of(wrapped), PATCH_SIZE, 1))
    rows, columns = patch_grid(size_of(image), PATCH_SIZE, 1)
    (top, _), (left, _) = padding(PATCH_SIZE, tiles)
    inside = distances[top : top + rows, left : left + columns]
    across = (distances.sum() - inside.sum()) / (distances.numel() - inside.numel())
    return ratio(float(across), float(inside.mean()))


def seam_gradients(image: Tensor, tiles: str) -> dict[str, float]:
    """Compares the difference across borders with those between neighbouring columns and rows.

    Across a mirrored border there is none. There the outermost neighbours on both sides are compared with the others: 1
    if the border has as much detail as the rest.

    Arguments:
        image: (1, C, H, W).
        tiles: Directions in which the image tiles, one of `borders.BORDERS`.

    Returns:
        For each of these directions, x or y: "seam gradient", the mean absolute difference across the borders over the
        median of that between neighbours (1 if both are 0); and "seam rank", the fraction of neighbours with a smaller
        difference.
    """
    vertical, horizontal = continues(tiles)
    down, right = shift_of(tiles, size_of(image))
    scores = {}
    for name, axis, tiled, shift in (("x", 3, horizontal, down), ("y", 2, vertical, right)):
        if tiled:
            other = tuple(i for i in range(4) if i != axis)
            end = image.narrow(axis, image.shape[axis] - 1, 1).roll(-shift, 5 - axis)
            steps = torch.cat([end, image], axis).diff(dim=axis).abs().cpu().double().mean(other)
            across, inside = float(steps[0]), steps[1:]
            if tiles == "mirrored":
                across, inside = float(inside[[0, -1]].mean()), inside[1:-1]
            scores[f"seam gradient {name}"] = ratio(across, float(inside.median()))
            scores[f"seam rank {name}"] = float((inside < across).double().mean())
    return scores


def ratio(a: float, b: float) -> float:
    """Returns a / b; 1 if both are 0."""
    return 1.0 if a == b == 0 else a / max(b, 1e-12)
