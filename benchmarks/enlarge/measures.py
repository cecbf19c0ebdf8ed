"""Measures of an enlarged picture against what it was scaled down from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gpdm.borders import gaussian_blur
from gpdm.evaluation.metrics import held_out
from gpdm.pictures.forms import grey

SSIM_SIGMA, SSIM_CONSTANTS = 1.5, ((0.01 * 2) ** 2, (0.03 * 2) ** 2)
"""Standard deviation of the window in pixels, and constants for values from -1 to 1 (Wang et al., 2004)."""
LOWEST_FREQUENCY = 0.25
"""Lowest of the high frequencies, in cycles per pixel."""


def measured(image: Tensor, truth: Tensor) -> dict[str, float]:
    """Returns the measures of an image (1, 3, H, W) in [-1, 1].

    psnr (dB) and ssim: of luminance. high_frequencies (dB): power of luminance above a quarter of the sampling rate,
    relative to the truth. detail: held-out distance of the detail of 5x5 patches to those of the truth.
    """
    given, true = grey(image), grey(truth)
    return {
        "psnr": 10 * math.log10(4 / float((given - true).square().mean())),
        "ssim": ssim(given, true),
        "high_frequencies": 10 * math.log10(_high_power(given) / _high_power(true)),
        "detail": held_out([truth], image, 5, 1.0, "detail"),
    }


def ssim(image: Tensor, truth: Tensor) -> float:
    """Returns the mean structural similarity of grey images (1, 1, H, W) in [-1, 1]."""

    def mean(x: Tensor) -> Tensor:
        return gaussian_blur(x, SSIM_SIGMA, "free")

    a, b = mean(image), mean(truth)
    var_a, var_b, cov = mean(image**2) - a**2, mean(truth**2) - b**2, mean(image * truth) - a * b
    c1, c2 = SSIM_CONSTANTS
    return float(((2 * a * b + c1) * (2 * cov + c2) / ((a**2 + b**2 + c1) * (var_a + var_b + c2))).mean())


def _high_power(image: Tensor) -> float:
    """Returns the power of a grey image (1, 1, H, W) at high frequencies, under a Hann window."""
    windows = [torch.hann_window(n, periodic=False).to(image) for n in image.shape[2:]]
    spectrum = torch.fft.fft2((image - image.mean())[0, 0] * windows[0][:, None] * windows[1])
    y, x = (torch.fft.fftfreq(n).to(image) for n in image.shape[2:])
    return float(spectrum.abs().square()[(y[:, None] ** 2 + x**2).sqrt() > LOWEST_FREQUENCY].sum())
