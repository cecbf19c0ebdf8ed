"""Whether the kernels do what their oracle does, on this device: small problems, once, before they are used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from ..transport.binned import Bins
from . import reference, triton_kernels

SMALL = ((9, 14, 5, 7),)
LARGE = ((40, 150, 38, 7), (40, 150, 26, 3))
"""Height, width, filters and patch size. The large ones are cut and compiled as large pictures are with the usual options; the
interpreter would take too long for them, and compiles nothing."""


def disagreement(device: torch.device) -> str | None:
    """In what the kernels and their oracle differ, in words; None if they agree.

    All numbers are small multiples of 1/8, whose products and sums are exact in any order and in TF32: counts and gradients must be
    the same to the bit. The oracle's are worked out on the CPU, since a GPU's convolutions may take ways that are not exact.
    """
    wrong: list[str] = []
    for problem in SMALL + (LARGE if device.type == "cuda" else ()):
        expected, found = _results(reference, torch.device("cpu"), *problem), _results(triton_kernels, device, *problem)
        wrong += [
            name
            for name, tensors in expected.items()
            if not all(_agree(a, b) for a, b in zip(tensors, found[name], strict=True))
        ]
    return f"Triton's {', '.join(dict.fromkeys(wrong))} and PyTorch do not agree on {device}" if wrong else None


def _results(
    kernels: Any, device: torch.device, height: int, width: int, number: int, patch: int
) -> dict[str, tuple[Tensor, ...]]:
    """What every function of `kernels` makes of the same numbers."""
    generator = Generator().manual_seed(0)

    def eighths(most: int, *shape: int) -> Tensor:
        return (torch.randint(-most, most + 1, shape, generator=generator) / 8).to(device)

    image, filters = eighths(8, 1, 3, height, width), eighths(4, number, 3, patch, patch)
    bin_gradients, low = eighths(8, number, 64), torch.full((number,), -4.0, device=device)
    bins = Bins(low, torch.full_like(low, 0.125), 64)
    cdf_p = torch.linspace(0, 1, 64).square().expand(number, 64).contiguous().to(device)
    counts = torch.randint(0, 99, (number, 64), generator=generator).to(device)
    moved, first, second = image.clone(), torch.zeros_like(image), torch.zeros_like(image)
    summed = image.flip(2)
    kernels.adam(moved, image.flip(2), first, second, torch.tensor([0.03, 0.5], device=device), 100.0, (0.9, 0.9))
    return {
        "project_and_count": (kernels.project_and_count(image, filters, bins),),
        "backproject": (kernels.backproject(image, filters, bins, bin_gradients),),
        "compare": kernels.compare(cdf_p, counts, bins, "l2"),
        "weighted_mse": (kernels.weighted_mse(image, image.flip(3), image[:, :1].abs(), summed, 0.5), summed),
        "adam": (moved, first, second),
    }


def _agree(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.float(), b.float().cpu(), rtol=1e-4, atol=1e-5)
