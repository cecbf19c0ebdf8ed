"""Pictures, filters and bins on which every sum is exact, whatever its order and on tensor cores too: kernels and oracle must agree to the bit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gpdm.transport.binned import Bins

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Case:
    image: Tensor
    filters: Tensor
    bins: Bins
    bin_gradients: Tensor
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
    """All numbers are small multiples of 1/8."""
    generator = Generator().manual_seed(seed)

    def eighths(most: int, *shape: int) -> Tensor:
        return (torch.randint(-most, most + 1, shape, generator=generator) / 8).to(DEVICE)

    low = torch.full((number,), -4.0, device=DEVICE)
    grid = ((height - patch) // stride[0] + 1, (width - patch) // stride[1] + 1)
    return Case(
        image=eighths(8, 1, channels, height, width),
        filters=eighths(4, number, channels, patch, patch),
        bins=Bins(low, torch.full_like(low, 0.25), 32),  # some patches lie beyond
        bin_gradients=eighths(8, number, 32),
        weights=torch.randint(0, 4, grid, generator=generator).double().to(DEVICE),
    )
