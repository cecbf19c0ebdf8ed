"""Radial power spectra, and their high frequencies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import size_of

WINDOW_SIZE = 64
"""Maximum side of the windows of a spectrum, in pixels."""
HIGH_FREQUENCY = 0.25
"""Lowest frequency of the metric high frequencies, in cycles per pixel; the highest is 0.5."""
MIN_POWER = 1e-12
"""Power that is added to spectra before their ratio, 120 dB below an image of contrast 1, so that ratios of flat images
are finite."""


def spectra(references: Sequence[Tensor], image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns frequencies in cycles per pixel, and the power of references and image at them, (F,) each.

    The power is averaged over rings, channels, references and windows, by Welch's method (The use of fast Fourier
    transform for the estimation of power spectra, 1967). Hann windows suppress the jump between opposite sides. Many
    small windows cover pixels near the border, which one window over the entire image would almost ignore.
    """
    # No larger than the smallest image, and a multiple of 4: at a step of a quarter the windows weight all pixels
    # equally.
    window = min(WINDOW_SIZE, *(min(size_of(x)) for x in (*references, image))) // 4 * 4
    frequencies = torch.arange(1, window // 2 + 1) / window
    powers = torch.stack([_ring_power(x, window) for x in references])
    return frequencies, powers.mean(0), _ring_power(image, window)


def _ring_power(image: Tensor, size: int) -> Tensor:
    """Returns the mean power of an image in each ring of frequencies, for windows of `size` pixels: (size // 2,)."""
    step, image = size // 4, image.cpu().double()  # not every GPU has float64
    # Windows are centred on the image, which is mirrored beyond its borders, so that the squared weights of each pixel
    # have the same sum over all windows.
    before = (size - step) // 2
    after = [round((length - 1) / step) * step - step + size - before - length for length in size_of(image)]
    padded = F.pad(image, (before, after[1], before, after[0]), mode="reflect")[0]
    rows = padded.unfold(1, size, step).unfold(2, size, step)
    window = torch.outer(*(torch.hann_window(size, dtype=torch.float64),) * 2)
    power = torch.zeros(size, size, dtype=torch.float64)
    for row in rows.unbind(1):  # all windows at once would take 16 times the memory of the image
        centred = row - (row * window).sum((2, 3), keepdim=True) / window.sum()
        power += torch.fft.fft2(centred * window).abs().square().mean((0, 1))
    power /= rows.shape[1] * window.square().sum()
    frequency = torch.fft.fftfreq(size, dtype=torch.float64)
    ring = ((frequency[:, None].square() + frequency.square()).sqrt() * size).round().long().flatten()
    sums, counts = (
        torch.zeros(size, dtype=torch.float64).index_add_(0, ring, x.flatten()) for x in (power, torch.ones_like(power))
    )
    return (sums / counts.clamp(min=1))[1 : size // 2 + 1]


def decibels(reference_power: Tensor, image_power: Tensor) -> Tensor:
    """Returns the power of an image relative to that of the reference, in decibels."""
    return 10 * torch.log10((image_power + MIN_POWER) / (reference_power + MIN_POWER))


def high_frequencies(frequencies: Tensor, reference_power: Tensor, image_power: Tensor) -> float:
    """Returns the mean power from `HIGH_FREQUENCY` on relative to the reference, in decibels; 0 if it has none there.

    Arguments are the values of `spectra`.
    """
    high = (frequencies > HIGH_FREQUENCY) & (reference_power > 0)
    return float(decibels(reference_power, image_power)[high].mean()) if high.any() else 0.0
