"""The grain of a picture: what its flat parts have beside their smooth colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import gaussian_blur
from ..errors import GPDMError
from ..images import resize_known, scaled, size_of
from ..references import Reference
from .flat import LEVEL, brightness, flat_parts

SMOOTHING = 6.0
"""Standard deviation of the window in which flat parts are taken as planes, in pixels. What is coarser is no grain."""
KNOTS = 33
"""Number of brightnesses, from -1 to 1, at which the standard deviation of the grain is held."""
LARGEST_LAG = 16
"""Largest distance of two pixels whose covariance counts, in pixels."""
FINE_BINS = 256
BANDWIDTHS = ((0.06, 1.0), (0.15, 1e-2), (0.5, 1e-4), (3.0, 1e-6))
"""Standard deviation in brightness and weight of the kernels that average the variance. The wide ones decide only where
the flat parts have few pixels of that brightness."""
LEAST_PIXELS, FEW_PIXELS = 256, 4096
"""Number of flat pixels without which there is an error, and a note."""
GAP = 16
"""Number of rows between two pictures, so that no covariance is taken across them."""
FAINT = 0.6 * LEVEL
"""Standard deviation below which grain is hardly more than the rounding to 256 levels."""


@dataclass(frozen=True)
class Grain:
    """The grain of a picture: a stationary texture, and by how much it is multiplied at each brightness."""

    texture: Tensor
    """Residual of the flat parts divided by its standard deviation at their brightness, (1, C, H, W); 0 elsewhere."""
    flat: Tensor
    """The flat parts, bool, (1, 1, H, W)."""
    deviation: Tensor
    """Standard deviation of each channel at `KNOTS` brightnesses from -1 to 1, (C, KNOTS)."""
    smoothing: float = SMOOTHING
    """Standard deviation of the window whose planes the texture lacks, in pixels."""

    @classmethod
    def of(cls, references: Sequence[Reference], name: str = "the reference") -> Grain:
        """Returns the grain that pictures have together.

        Arguments:
            references: Pictures (1, 1 or 3, h, w) in [-1, 1] of any sizes. Pixels with weight 0 do not count, and
                others count alike.
            name: What they are called in messages.

        Raises:
            GPDMError: They have no flat parts.
        """
        flats = [flat_parts(x.image, x.map() > 0) for x in references]
        pixels = sum(int(flat.sum()) for flat in flats)
        if pixels < LEAST_PIXELS:
            raise GPDMError(
                f"{name} has {pixels} flat pixels with grain and at least {LEAST_PIXELS} are needed; give a picture, or "
                "a larger part of it, with smooth areas such as sky or wall that are neither black, white nor denoised"
            )
        parts = [flat_residual(x.image, flat) for x, flat in zip(references, flats, strict=True)]
        residual, smooth, flat = (_stacked(maps) for maps in ([a for a, _ in parts], [b for _, b in parts], flats))
        luma = brightness(smooth)
        deviation = _deviation(residual, luma, flat)
        texture = residual / at_brightness(deviation, luma).clamp(min=1e-6)
        return cls(torch.where(flat, texture, 0), flat, deviation)

    @property
    def note(self) -> str | None:
        """A line that says why the grain may not be well known; None if it is."""
        pixels, strength = int(self.flat.sum()), float(self.deviation.square().mean().sqrt())
        if pixels < FEW_PIXELS:
            return (
                f"the reference has only {pixels} flat pixels; with less than {FEW_PIXELS} its grain is a rough guess"
            )
        if strength < FAINT:
            return (
                f"the reference has hardly any grain: its standard deviation is {strength / LEVEL:.2f} of 255, and "
                "rounding alone makes .29"
            )
        return None

    def resized(self, factor: float) -> Grain:
        """Returns grain that is larger by a factor, as strong as before."""
        if factor == 1:
            return self
        size = scaled(size_of(self.texture), factor)
        texture, fraction = resize_known(self.texture, self.flat.to(self.texture), size)
        flat = fraction > 1 - 1e-3
        if int(flat.sum()) < LEAST_PIXELS:
            raise GPDMError(
                f"the flat parts of the reference have {int(flat.sum())} pixels at size {factor:g} and at least "
                f"{LEAST_PIXELS} are needed; raise size, or give a larger reference"
            )
        values = texture[flat.expand_as(texture)].view(texture.shape[1], -1)
        spread = values.square().mean(1).sqrt().clamp(min=1e-6)[:, None, None]
        return replace(self, texture=torch.where(flat, texture / spread, 0), flat=flat, smoothing=SMOOTHING * factor)


def _stacked(maps: Sequence[Tensor]) -> Tensor:
    """Returns maps (1, C, h, w) one below the other, with 0 between them and beside the narrow ones."""
    width = max(x.shape[3] for x in maps)
    return torch.cat([F.pad(x, (0, width - x.shape[3], 0, GAP)) for x in maps], 2) if len(maps) > 1 else maps[0]


def flat_residual(image: Tensor, flat: Tensor) -> tuple[Tensor, Tensor]:
    """Returns an image less its plane through the flat pixels nearby, 0 outside the flat parts, and the planes' values.

    The planes are weighted least squares. They take no pixel from the other side of an edge, since edges are not flat.

    Arguments:
        image: Image, (1, C, H, W).
        flat: The flat parts, bool, (1, 1, H, W).
    """
    known, values = flat.double(), image.double() * flat
    weight = gaussian_blur(known, SMOOTHING).clamp(min=1e-6)

    def mean(products: Tensor) -> Tensor:
        return gaussian_blur(products, SMOOTHING) / weight

    height, width = size_of(image)
    rows = torch.arange(height, dtype=known.dtype, device=known.device)[:, None].expand_as(known)
    columns = torch.arange(width, dtype=known.dtype, device=known.device).expand_as(known)
    mean_row, mean_column, mean_value = mean(rows * known), mean(columns * known), mean(values)
    ridge = 0.05 * SMOOTHING**2  # for flat parts that are no wider than a line
    across = mean(rows.square() * known) - mean_row.square() + ridge
    along = mean(columns.square() * known) - mean_column.square() + ridge
    both = mean(rows * columns * known) - mean_row * mean_column
    down, right = (mean(x * values) - y * mean_value for x, y in ((rows, mean_row), (columns, mean_column)))
    determinant = across * along - both.square()
    slope_down, slope_right = ((along * down - both * right), (across * right - both * down))
    planes = mean_value + (slope_down * (rows - mean_row) + slope_right * (columns - mean_column)) / determinant
    smooth = planes.to(image)
    return (image - smooth) * flat, smooth


def at_brightness(deviation: Tensor, luma: Tensor) -> Tensor:
    """Returns values at knots (C, KNOTS) interpolated at a brightness (1, 1, H, W), (1, C, H, W)."""
    place = (luma.clamp(-1, 1) + 1) / 2 * (KNOTS - 1)
    index = place.long().clamp(max=KNOTS - 2)
    fraction = place - index
    return torch.cat([row[index] * (1 - fraction) + row[index + 1] * fraction for row in deviation], 1)


def _deviation(residual: Tensor, luma: Tensor, flat: Tensor) -> Tensor:
    """Returns the standard deviation of a residual (1, C, H, W) over its flat parts, by brightness, (C, KNOTS)."""
    squares = residual.square()[0].flatten(1)[:, flat.flatten()].double()
    index = ((luma[flat].clamp(-1, 1) + 1) / 2 * (FINE_BINS - 1)).round().long()
    counts = squares.new_zeros(FINE_BINS).index_add_(0, index, torch.ones_like(squares[0]))
    sums = squares.new_zeros(len(squares), FINE_BINS).index_add_(1, index, squares)
    knots, centres = (torch.linspace(-1, 1, n, dtype=sums.dtype, device=sums.device) for n in (KNOTS, FINE_BINS))
    kernel = sums.new_zeros(KNOTS, FINE_BINS)
    for width, weight in BANDWIDTHS:
        kernel += weight * torch.exp(-0.5 * ((knots[:, None] - centres) / width).square())
    return ((sums @ kernel.T) / (kernel @ counts)).sqrt().to(residual)


def covariance(texture: Tensor, flat: Tensor) -> Tensor:
    """Returns the covariances of all channels at all lags up to `LARGEST_LAG`, (C, C, 2 L + 1, 2 L + 1).

    Each is the mean over the pairs of pixels of which both are flat.

    Arguments:
        texture: Image of mean 0, (1, C, H, W), 0 where it is not flat.
        flat: bool, (1, 1, H, W).
    """
    size = tuple(side + LARGEST_LAG for side in size_of(texture))  # without a pair across the border
    spectrum = torch.fft.rfft2(texture[0].double(), s=size)
    pairs = torch.fft.irfft2(torch.fft.rfft2(flat[0, 0].double(), s=size).abs().square(), s=size)
    products = torch.fft.irfft2(spectrum[:, None] * spectrum[None].conj(), s=size)
    lags = torch.arange(-LARGEST_LAG, LARGEST_LAG + 1, device=texture.device)
    rows, columns = lags[:, None] % size[0], lags % size[1]
    return (products / pairs.round().clamp(min=1))[..., rows, columns]
