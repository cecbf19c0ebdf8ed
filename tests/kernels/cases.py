"""Images, filters and bins for which every sum is exact, in any order and on tensor cores: results must be equal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gpdm.transport.binned import Bins

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Case:
    """Arguments of the kernels."""

    image: Tensor
    """(1, C, H, W)."""
    filters: Tensor
    """(K, C, p, p)."""
    bins: Bins
    bin_gradients: Tensor
    """(K, B)."""
    weights: Tensor
    """Whole numbers, (rows, columns)."""


def case(
    height: int,
    width: int,
    channels: int = 3,
    patch: int = 7,
    number: int = 5,
    stride: tuple[int, int] = (1, 1),
    seed: int = 0,
) -> Case:
    """A case in which all numbers are small multiples of 1/8."""
    generator = Generator().manual_seed(seed)

    def eighths(largest: int, *shape: int) -> Tensor:
        return (torch.randint(-largest, largest + 1, shape, generator=generator) / 8).to(DEVICE)

    low = torch.full((number,), -4.0, device=DEVICE)
    grid = ((height - patch) // stride[0] + 1, (width - patch) // stride[1] + 1)
    return Case(
        image=eighths(8, 1, channels, height, width),
        filters=eighths(4, number, channels, patch, patch),
        bins=Bins(low, torch.full_like(low, 0.25), 32),  # some projections lie outside
        bin_gradients=eighths(8, number, 32),
        weights=torch.randint(0, 4, grid, generator=generator).double().to(DEVICE),
    )
