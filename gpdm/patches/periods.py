"""The vectors by which a regular texture repeats, from the peaks of its autocorrelation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import OptionError
from ..images import resize, size_of

LONGER_SIDE = 256
"""Longer side at which periods are searched, in pixels."""
LEAST_STRENGTH = 0.3
"""Least strength of a lattice. Those of irregular pictures were at most 0.23 (benchmarks/regular.py)."""
LEAST_PERIOD = 3
"""Shortest period that is searched, in pixels."""
AS_STRONG = 0.8
"""Fraction of the greatest strength from which a peak counts as one of the lattice."""
LEAST_SINE = 0.4
"""Least sine of the angle between the two generators of a lattice."""


@dataclass(frozen=True)
class Periods:
    """Two vectors by which a texture repeats, the generators of its lattice."""

    vectors: Tensor
    """Rows and columns of both, float64 on the CPU, (2, 2), the shorter first; in pixels."""
    strength: float
    """Correlation of the texture with itself shifted by them, the lower one, relative to the least correlation on the
    way: 1 if it repeats exactly, about 0 if it does not."""

    @property
    def shortest(self) -> float:
        """Length of the shorter vector, in pixels."""
        return float(self.vectors[0].norm())

    def scaled(self, factor: float) -> Periods:
        """Returns the periods of the texture at another size."""
        return Periods(self.vectors * factor, self.strength)

    def closing(self, tiles: Tensor, wraps: tuple[bool, bool]) -> Periods:
        """Returns the nearest periods with which a picture continues across borders that wrap.

        The way to the next tile is then a whole combination of both vectors.

        Arguments:
            tiles: Rows and columns to the tile below, and to the tile to the right, float64, (2, 2).
            wraps: Whether there is one, vertically and horizontally.
        """
        numbers = tiles @ self.vectors.inverse()
        rounded = torch.where(torch.tensor(wraps)[:, None], numbers.round(), numbers)
        if abs(float(torch.linalg.det(rounded))) < 0.5:
            return self
        return Periods(rounded.inverse() @ tiles, self.strength)


def periods_of(image: Tensor, weight: Tensor | None = None) -> Periods | None:
    """Returns the periods of a texture; None if its autocorrelation has no two peaks.

    Arguments:
        image: (1, C, h, w).
        weight: Weight of its pixels, (1, 1, h, w), of which those of weight 0 do not count. None: all count.
    """
    factor = min(1.0, LONGER_SIDE / max(size_of(image)))
    size = (round(size_of(image)[0] * factor), round(size_of(image)[1] * factor))
    known = torch.ones_like(image[:, :1]) if weight is None else (weight > 0).to(image)
    if factor < 1:
        image, known = resize(image, size), (resize(known, size) > 0.99).to(image)
    correlation = autocorrelation(image, known)
    peaks = _peaks(correlation)
    strengths = torch.tensor([_strength(correlation, peak) for peak in peaks], dtype=torch.float64)
    strong = peaks[strengths >= AS_STRONG * strengths.max()].double() if len(peaks) else peaks.double()
    strong = strong[strong.norm(dim=1).argsort(stable=True)]
    second = next((other for other in strong[1:] if _sine(strong[0], other) >= LEAST_SINE), None)
    if second is None:
        return None
    vectors = _refined(correlation, _reduced(torch.stack([strong[0], second])))
    vectors = vectors[vectors.norm(dim=1).argsort(stable=True)]
    strength = min(_strength(correlation, vector.round().long()) for vector in vectors)
    return Periods(vectors / factor, max(strength, 0.0))


def check_periods(image: Tensor, weight: Tensor | None = None) -> Periods:
    """Returns the periods of a texture; raises `OptionError` if it is no regular one. Arguments as in `periods_of`."""
    periods = periods_of(image, weight)
    if periods is None or periods.strength < LEAST_STRENGTH:
        measured = "none" if periods is None else f"{periods.strength:.2f}"
        raise OptionError.saying(
            f"the reference has no lattice: it repeats with a strength of {measured}, and source lattice needs "
            f"{LEAST_STRENGTH:g} (1 is exact); choose source noise, or give a picture with at least two rows and two "
            "columns of a pattern seen from the front"
        )
    return periods


def autocorrelation(image: Tensor, known: Tensor) -> Tensor:
    """Returns the correlation of an image with itself shifted, float64 on the CPU, (2 a + 1, 2 b + 1).

    Shifts are from -a to a rows and from -b to b columns, half the size; (a, b) is no shift. Each value is over the
    overlap alone, relative to the energy of both parts. Slow changes across the image do not count.

    Arguments:
        image: (1, C, h, w).
        known: 1 for pixels that count and 0 for others, (1, 1, h, w).
    """
    mask, x = known[0, 0].cpu().double(), image[0].cpu().double()
    mean = (x * mask).sum((1, 2), keepdim=True) / mask.sum().clamp(min=1)
    x = (x - mean) * mask
    x = (x - resize(resize(x[None], (3, 3)), size_of(image))[0]) * mask
    height, width = mask.shape
    padded = (2 * height, 2 * width)
    image_series, mask_series = torch.fft.rfft2(x, s=padded), torch.fft.rfft2(mask, s=padded)
    energy_series = torch.fft.rfft2(x.square().sum(0), s=padded)
    products = torch.fft.irfft2(image_series.abs().square().sum(0), s=padded)
    energy = torch.fft.irfft2(energy_series.conj() * mask_series, s=padded).clamp(min=0)
    other = torch.fft.irfft2(mask_series.conj() * energy_series, s=padded).clamp(min=0)
    least = 1e-9 * float(energy[0, 0]) + 1e-12
    correlation = products / (energy * other).sqrt().clamp(min=least)
    rows, columns = torch.arange(-(height // 2), height // 2 + 1), torch.arange(-(width // 2), width // 2 + 1)
    return correlation[rows % padded[0]][:, columns % padded[1]]


def _peaks(correlation: Tensor) -> Tensor:
    """Returns the shifts of local maxima of an autocorrelation, one of each opposite pair, (n, 2), int64."""
    highest = F.max_pool2d(correlation[None, None], 5, 1, 2)[0, 0]
    centre = torch.tensor([side // 2 for side in correlation.shape])
    shifts = (correlation == highest).nonzero() - centre
    forward = (shifts[:, 0] > 0) | ((shifts[:, 0] == 0) & (shifts[:, 1] > 0))
    inside = (shifts.abs() < centre - 1).all(1)
    return shifts[forward & inside & (shifts.double().norm(dim=1) >= LEAST_PERIOD)]


def _at(correlation: Tensor, shifts: Tensor) -> Tensor:
    """Returns the correlation at shifts (n, 2), which are rounded."""
    rows, columns = (shifts.round().long() + torch.tensor([side // 2 for side in correlation.shape])).T
    return correlation[rows.clamp(0, correlation.shape[0] - 1), columns.clamp(0, correlation.shape[1] - 1)]


def correlation_near(correlation: Tensor, shifts: Tensor) -> Tensor:
    """Returns the highest correlation within one pixel of each shift, (n,).

    Arguments:
        correlation: As `autocorrelation` returns it.
        shifts: Rows and columns, (n, 2).
    """
    around = torch.cartesian_prod(*[torch.arange(-1, 2)] * 2)
    return torch.stack([_at(correlation, shifts.round() + offset) for offset in around]).amax(0)


def _strength(correlation: Tensor, shift: Tensor) -> float:
    """Returns the correlation at a shift relative to the least on the straight way to it; 0 without a drop."""
    steps = max(int(shift.abs().max()), 1)
    way = _at(correlation, torch.linspace(0, 1, steps + 1, dtype=torch.float64)[:, None] * shift)
    least = float(way.min())
    return 0.0 if least > 0.9 else (float(way[-1]) - least) / (1 - least)


def _sine(a: Tensor, b: Tensor) -> float:
    """Returns the sine of the angle between two vectors, not negative."""
    return abs(float(a[0] * b[1] - a[1] * b[0])) / float(a.norm() * b.norm())


def _reduced(vectors: Tensor) -> Tensor:
    """Returns the shortest generators of the same lattice, the shorter first (Gauss's reduction), (2, 2)."""
    first, second = vectors
    while True:
        if second.norm() < first.norm():
            first, second = second, first
        number = (first @ second / first.square().sum()).round()
        if number == 0:
            return torch.stack([first, second])
        second = second - number * first


def _refined(correlation: Tensor, vectors: Tensor) -> Tensor:
    """Returns the generators that fit the peaks at their multiples best, by least squares, (2, 2).

    A peak that is a few periods away gives the period to a fraction of a pixel.
    """
    centre = torch.tensor([side // 2 for side in correlation.shape])
    for reach in (1, 2, 4):
        numbers = torch.cartesian_prod(*[torch.arange(-reach, reach + 1)] * 2).double()
        numbers = numbers[numbers.abs().sum(1) > 0]
        expected = numbers @ vectors
        inside = (expected.abs() < centre - 3).all(1)
        if int(inside.sum()) < 2:
            return vectors
        found = torch.stack([_highest_near(correlation, shift) for shift in expected[inside]])
        fitted = torch.linalg.lstsq(numbers[inside], found).solution
        if torch.linalg.det(fitted).abs() < 1:
            return vectors
        vectors = fitted
    return vectors


def _highest_near(correlation: Tensor, shift: Tensor) -> Tensor:
    """Returns the shift of the highest correlation within two pixels of another, to a fraction of a pixel, (2,)."""
    offsets = torch.cartesian_prod(*[torch.arange(-2, 3)] * 2)
    around = shift.round().long() + offsets
    best = around[_at(correlation, around).argmax()].double()
    result = best.clone()
    for axis in (0, 1):  # the top of the parabola through three values
        unit = torch.zeros(2, dtype=torch.float64)
        unit[axis] = 1
        before, here, after = _at(correlation, torch.stack([best - unit, best, best + unit])).tolist()
        bend = before - 2 * here + after
        if bend < 0:
            result[axis] += max(min((before - after) / (2 * bend), 0.5), -0.5)
    return result
