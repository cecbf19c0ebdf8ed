"""Motions that end where they begin: points on a circle, smooth fields of displacement, and a low-pass in time."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..borders import gaussian_blur, interpolate, wraps
from ..canvas import Canvas
from ..images import Size, scaled

FIELD_SIDE = 80
"""Shorter side of the grid on which fields are made, in pixels. It is the same for all pictures, so that a motion
does not depend on the resolution."""
MARGIN = 3
"""Pixels around an image that bicubic interpolation may need besides the displacement."""


def angles(frames: int) -> Tensor:
    """Returns the angle of each frame on the circle, (frames,), float64 from 0 to below 2 pi."""
    return torch.arange(frames, dtype=torch.float64) * (2 * math.pi / frames)


def on_circle(first: Tensor, second: Tensor, frames: int) -> Tensor:
    """Returns cos(t) first + sin(t) second for the angle t of each frame, (frames, C, H, W).

    Arguments:
        first, second: Images of one size, (1, C, H, W).
        frames: Number of frames.
    """
    t = angles(frames).to(first)[:, None, None, None]
    return t.cos() * first + t.sin() * second


def low_pass(frames: int, harmonics: int) -> Callable[[Tensor, Canvas], None]:
    """Returns a projection of the images of all frames on 1, cos t, sin t ... cos(h t), sin(h t), in place.

    With at most 2 h + 1 frames nothing is left out.
    """
    t = angles(frames)
    waves = [torch.ones_like(t), *(f(k * t) for k in range(1, harmonics + 1) for f in (torch.cos, torch.sin))]
    basis = torch.stack(waves, 1)
    projection = basis @ torch.linalg.pinv(basis)

    def project_(images: Tensor, canvas: Canvas) -> None:
        del canvas
        images.copy_((projection.to(images) @ images.flatten(1)).reshape(images.shape))

    return project_


def smooth_field(size: Size, blur: float, border: str, generator: Generator) -> Tensor:
    """Returns a random smooth field of displacements (1, 2, H, W), x and y, each with a root mean square of 1.

    Arguments:
        size: Height and width of the image.
        blur: Standard deviation of the Gaussian blur of white noise, in pixels of the grid of `FIELD_SIDE`.
        border: One of `borders.BORDERS`; across borders that wrap the field is periodic.
        generator: CPU generator.
    """
    grid = scaled(size, FIELD_SIDE / min(size))
    # Beyond free borders there is more noise, since a repeated outermost pixel would be stronger than others.
    rows, columns = (0 if circular else math.ceil(3 * blur) for circular in wraps(border))
    noise = torch.randn(1, 2, grid[0] + 2 * rows, grid[1] + 2 * columns, generator=generator)
    field = gaussian_blur(noise, blur, border)[..., rows : rows + grid[0], columns : columns + grid[1]]
    field = interpolate(field, size, border)
    return field / field.square().mean((2, 3), keepdim=True).sqrt()


def inside(displacement: Tensor, width: float, border: str) -> Tensor:
    """Returns displacements that fade towards free borders across them, so that hardly any leads out of the image.

    Arguments:
        displacement: In x and y, in pixels, (1, 2, H, W).
        width: Distance from a free border at which they have their full length, in pixels.
        border: One of `borders.BORDERS`.
    """
    displacement = displacement.clone()
    for axis, circular in enumerate(wraps(border)):
        if not circular:
            length = displacement.shape[2 + axis]
            position = torch.arange(length, dtype=displacement.dtype, device=displacement.device)
            fraction = (torch.minimum(position, length - 1 - position) / max(width, 1e-6)).clamp(max=1)
            displacement[:, 1 - axis] *= fraction[:, None] if axis == 0 else fraction
    return displacement


def warped(image: Tensor, displacement: Tensor, border: str) -> Tensor:
    """Returns an image whose pixels are taken at displaced positions, by bicubic interpolation.

    Beyond free borders the image is mirrored.

    Arguments:
        image: (1, C, H, W).
        displacement: Displacement of each pixel in x and y, in pixels, (1, 2, H, W).
        border: One of `borders.BORDERS`.
    """
    height, width = image.shape[2:]
    margin = min(math.ceil(float(displacement.abs().max())) + MARGIN, height - 1, width - 1)
    for axis, circular in enumerate(wraps(border)):
        padding = (0, 0, margin, margin) if axis == 0 else (margin, margin, 0, 0)
        image = F.pad(image, padding, mode="circular" if circular else "reflect")
    rows = torch.arange(height, dtype=image.dtype, device=image.device)[:, None] + displacement[0, 1] + margin
    columns = torch.arange(width, dtype=image.dtype, device=image.device) + displacement[0, 0] + margin
    # Pixel centres are at half-integer positions, from -1 to 1 over the padded image.
    x, y = (2 * columns + 1) / image.shape[3] - 1, (2 * rows + 1) / image.shape[2] - 1
    grid = torch.stack([x, y], 2)[None]
    return F.grid_sample(image, grid, mode="bicubic", padding_mode="border", align_corners=False)
