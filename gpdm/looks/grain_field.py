"""Fresh grain of any size: noise with the covariance, the values and the patches of a picture's grain.

Noise of the wanted size gets the covariance of the grain by a filter, then its values by rank, then its patches by a
few steps of synthesis. No pixel is copied, so that nothing repeats.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from ..images import Size, size_of
from ..losses.swd import SWDLoss
from ..optimizers.gradient import Optimizer
from ..pictures.progress import OnProgress
from ..pyramid import PyramidSchedule
from ..references import Reference
from ..synthesis import synthesize
from .grain_model import LARGEST_LAG, Grain, covariance

FILTER_SIDE = 64
PATCH_SIZE = 5
LARGEST_GAIN = 3.0
"""Largest factor that restores the coarse part of the grain, which the subtraction of a blur has weakened."""


def grain_field(grain: Grain, size: Size, seed: int, steps: int, on_step: OnProgress | None = None) -> Tensor:
    """Returns fresh grain of standard deviation 1, (1, C, H, W).

    Arguments:
        grain: The grain of a picture.
        size: Height and width of the result.
        seed: Any integer. Every seed gives other grain.
        steps: Number of steps of synthesis; 0: only covariance and values are those of the grain.
        on_step: Callback after each step, with the fraction of the work that is done and the field.
    """
    generator = Generator().manual_seed(seed % 2**64)
    noise = torch.randn(1, grain.texture.shape[1], *size, generator=generator).to(grain.texture)
    field = with_values(filtered(noise, covariance_filter(covariance(grain.texture, grain.flat))), grain)
    if steps and min(size) >= PATCH_SIZE:
        polished = synthesize(
            Reference(grain.texture, weight=grain.flat.to(grain.texture)),
            init=field,
            seed=seed,
            loss=SWDLoss(patch_size=PATCH_SIZE, coherence=0.0),
            pyramid=PyramidSchedule(coarse_dim=4096),
            optimizer=Optimizer(method="newton", num_steps=steps),
            value_range=None,
            on_step=None if on_step is None else lambda info: on_step(info.done, info.image),
        ).images
        field = with_values(polished, grain)
    return with_coarse_part(field, grain.smoothing)


def covariance_filter(covariances: Tensor) -> Tensor:
    """Returns the filters that give white noise these covariances, (C, C, `FILTER_SIDE`, `FILTER_SIDE`).

    The first index is the channel of the result. The origin is at index 0, and filters wrap.

    References:
        Blackman and Tukey, The Measurement of Power Spectra, 1958 (the window of lags).
    """
    lags = torch.arange(-LARGEST_LAG, LARGEST_LAG + 1, dtype=covariances.dtype, device=covariances.device)
    distance = (lags[:, None].square() + lags.square()).sqrt() / (LARGEST_LAG + 1)
    window = torch.where(distance < 1, 0.5 + 0.5 * torch.cos(math.pi * distance), 0)
    channels, index = len(covariances), lags.long() % FILTER_SIDE
    padded = covariances.new_zeros(channels, channels, FILTER_SIDE, FILTER_SIDE)
    padded[..., index[:, None], index] = covariances * window
    power = torch.fft.fft2(padded).permute(2, 3, 0, 1)
    values, vectors = torch.linalg.eigh((power + power.mH) / 2)
    root = (vectors * values.clamp(min=0).sqrt()[..., None, :].to(vectors)) @ vectors.mH
    filters = torch.fft.ifft2(root.permute(2, 3, 0, 1)).real
    # One pixel has variance 1 in each channel, whatever the window took.
    return filters / filters.square().sum((1, 2, 3), keepdim=True).sqrt()


def filtered(noise: Tensor, filters: Tensor) -> Tensor:
    """Returns noise (1, C, H, W) after filters (C, C, n, n), across its borders: the result tiles."""
    height, width = size = size_of(noise)
    positions = torch.arange(FILTER_SIDE, device=noise.device)
    positions = (positions + FILTER_SIDE // 2) % FILTER_SIDE - FILTER_SIDE // 2
    index = ((positions[:, None] % height) * width + positions % width).flatten()
    spectra = torch.fft.rfft2(noise[0])
    results = []
    for row in filters.to(noise):
        total = torch.zeros_like(spectra[0])
        for kernel, spectrum in zip(row, spectra, strict=True):
            spread = noise.new_zeros(height * width).index_add_(0, index, kernel.flatten())
            total += torch.fft.rfft2(spread.view(size)) * spectrum
        results.append(torch.fft.irfft2(total, s=size))
    return torch.stack(results)[None]


def with_values(field: Tensor, grain: Grain) -> Tensor:
    """Returns a field (1, C, H, W) whose channels have the values of the grain, in the order of their ranks."""
    channels = []
    for values, texture in zip(field[0], grain.texture[0], strict=True):
        wanted = texture[grain.flat[0, 0]].sort().values
        order = values.flatten().argsort()
        position = (torch.arange(len(order), device=field.device, dtype=torch.float64) + 0.5) * (
            len(wanted) / len(order)
        )
        index = position.long().clamp(max=len(wanted) - 1)
        channels.append(torch.empty_like(values.flatten()).scatter_(0, order, wanted[index]).view_as(values))
    return torch.stack(channels)[None]


def with_coarse_part(field: Tensor, smoothing: float) -> Tensor:
    """Returns a field (1, C, H, W) with the coarse part that `flat_residual` with this smoothing takes from grain."""
    height, width = size = size_of(field)
    rows = torch.fft.fftfreq(height, device=field.device, dtype=field.dtype)[:, None]
    columns = torch.fft.rfftfreq(width, device=field.device, dtype=field.dtype)
    left = 1 - torch.exp(-2 * (math.pi * smoothing) ** 2 * (rows.square() + columns.square()))
    return torch.fft.irfft2(torch.fft.rfft2(field) / left.clamp(min=1 / LARGEST_GAIN), s=size)
