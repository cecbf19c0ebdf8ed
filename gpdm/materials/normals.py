"""Normals of a surface: unit vectors, and those that a height map has.

Rows of an image count downwards. With the convention of OpenGL the y of a normal points up, with that of DirectX down.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import in_rows, wraps

SHORTEST = 1e-4
"""Length below which a vector has no direction; it becomes the normal of a flat surface."""
STEEPEST = 0.05
"""Smallest z of a normal whose slope is measured."""
OPERATORS = {"central": (0.0, 1.0, 0.0), "sobel": (0.25, 0.5, 0.25)}
"""Weights of three neighbouring lines in a difference, by the name of the operator."""


def renormalised(vectors: Tensor) -> Tensor:
    """Returns vectors (B, 3, H, W) with length 1."""
    length = vectors.norm(dim=1, keepdim=True)
    flat = vectors.new_tensor([0.0, 0.0, 1.0])[:, None, None]
    return torch.where(length < SHORTEST, flat, vectors / length.clamp(min=SHORTEST))


def slopes_of(normals: Tensor) -> Tensor:
    """Returns the slopes of a surface with these normals (B, 3, H, W) along x and y, (B, 2, H, W)."""
    return -normals[:, :2] / normals[:, 2:].clamp(min=STEEPEST)


def mean_angle(normals: Tensor, others: Tensor) -> float:
    """Returns the mean angle between unit vectors of two images (B, 3, H, W), in degrees."""
    # Of the chord: the arc cosine of a rounded product is wrong for small angles.
    chord = (normals.double() - others.double()).norm(dim=1)
    return float((2 * (chord / 2).clamp(max=1).asin()).rad2deg().mean())


def gradients(height: Tensor, operator: str = "central", border: str = "free") -> Tensor:
    """Returns the change of a height map (B, 1, H, W) for each pixel to the right and down, (B, 2, H, W).

    Arguments:
        height: The map.
        operator: One of `OPERATORS`.
        border: One of `borders.BORDERS`. At a border that does not wrap the last line is repeated, as if mirrored.
    """
    wraps_down, wraps_right = wraps(border)
    padded = F.pad(in_rows(height, border), (1, 1, 0, 0), mode="circular" if wraps_right else "replicate")
    padded = F.pad(padded, (0, 0, 1, 1), mode="circular" if wraps_down else "replicate")
    across = height.new_tensor(OPERATORS[operator])
    along = height.new_tensor([-0.5, 0.0, 0.5])
    kernels = torch.stack([across[:, None] * along, along[:, None] * across])[:, None]
    return F.conv2d(padded, kernels)[..., : height.shape[2], : height.shape[3]]


@dataclass(frozen=True)
class Relief:
    """The relation between the normals of a material and its height."""

    right: float
    """Slope to the right that a change of the height by 1 for each pixel makes; negative where black is high."""
    down: float
    """The same downwards, as the y of normals has it: negative with the convention of OpenGL."""
    operator: str = "central"
    """One of `OPERATORS`."""

    @classmethod
    def of(cls, normals: Tensor, height: Tensor) -> Relief:
        """Returns the relief with the tilt of given normals, and their signs, that is nearest to them.

        Arguments:
            normals: Normals, unit vectors (B, 3, H, W).
            height: Height of the same surface, (B, 1, H, W).
        """
        slope = slopes_of(normals)
        tilt = slope.double().square().mean().sqrt()
        reliefs = []
        for operator in OPERATORS:
            changes = gradients(height, operator).double()
            size = float(tilt / changes.square().mean().sqrt().clamp(min=1e-12))
            right, down = (slope * changes).sum((0, 2, 3)).tolist()
            reliefs.append(cls(-size if right < 0 else size, size if down > 0 else -size, operator))
        return min(reliefs, key=lambda relief: mean_angle(normals, relief.normals(height)))

    @classmethod
    def with_tilt(cls, height: Tensor, tilt: float) -> Relief:
        """Returns the relief, white high and y up, whose slopes have a root mean square; less if it is nearly flat."""
        size = gradients(height).double().square().mean().sqrt()
        strength = tilt / max(float(size), 1e-3)
        return cls(strength, -strength)

    def normals(self, height: Tensor, border: str = "free") -> Tensor:
        """Returns the normals of a height map (B, 1, H, W), (B, 3, H, W); see `gradients` for the border."""
        changes = gradients(height, self.operator, border)
        slope = changes * changes.new_tensor([self.right, self.down])[:, None, None]
        return renormalised(torch.cat([-slope, torch.ones_like(height)], 1))

    @property
    def y_is_up(self) -> bool:
        """True if the y of normals points up, as in OpenGL."""
        return self.right * self.down < 0
