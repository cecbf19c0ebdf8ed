"""The comparison of the Triton kernels with their oracle, on small problems, before their first use on a device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from ..transport.binned import Bins
from . import reference, triton_kernels

SMALL_PROBLEMS = ((9, 14, 5, 7),)
"""Height, width, number of filters and patch size of the problems for every device."""
LARGE_PROBLEMS = ((40, 150, 38, 7), (40, 150, 26, 3))
"""Further problems for GPUs, with the tiles and compiler options of large images and the default loss. Triton's
interpreter would take too long for them, and compiles nothing."""


def disagreement(device: torch.device) -> str | None:
    """Returns a sentence that names the kernels which differ from their oracle on a device; None if all agree.

    All numbers are small multiples of 1/8, whose products and sums are exact in any order and in TF32, so counts and
    gradients are equal; means and square roots are rounded, so results may differ by 1e-4. The oracle runs on the CPU,
    since the convolutions of a GPU may use algorithms that are not exact.
    """
    wrong: list[str] = []
    for problem in SMALL_PROBLEMS + (LARGE_PROBLEMS if device.type == "cuda" else ()):
        expected = _results(reference, torch.device("cpu"), *problem)
        results = _results(triton_kernels, device, *problem)
        wrong += [
            name
            for name, tensors in expected.items()
            if not all(_agree(a, b) for a, b in zip(tensors, results[name], strict=True))
        ]
    return f"Triton's {', '.join(dict.fromkeys(wrong))} and PyTorch do not agree on {device}" if wrong else None


def _results(
    kernels: Any, device: torch.device, height: int, width: int, number: int, patch: int
) -> dict[str, tuple[Tensor, ...]]:
    """Returns the results of every function of a module of kernels, for the same numbers."""
    generator = Generator().manual_seed(0)

    def eighths(largest: int, *shape: int) -> Tensor:
        return (torch.randint(-largest, largest + 1, shape, generator=generator) / 8).to(device)

    image, filters = eighths(8, 1, 3, height, width), eighths(4, number, 3, patch, patch)
    bin_gradients, low = eighths(8, number, 64), torch.full((number,), -4.0, device=device)
    bins = Bins(low, torch.full_like(low, 0.125), 64)
    cdf_p = torch.linspace(0, 1, 64).square().expand(number, 64).contiguous().to(device)
    counts = torch.randint(0, 99, (number, 64), generator=generator).to(device)
    iterate, first, second = image.clone(), torch.zeros_like(image), torch.zeros_like(image)
    into = image.flip(2)
    kernels.adam(iterate, image.flip(2), first, second, torch.tensor([0.03, 0.5], device=device), 100.0, (0.9, 0.9))
    return {
        "project_and_count": (kernels.project_and_count(image, filters, bins),),
        "backproject": (kernels.backproject(image, filters, bins, bin_gradients),),
        "compare": kernels.compare(cdf_p, counts, bins.width, "l2"),
        "weighted_mse": (kernels.weighted_mse(image, image.flip(3), image[:, :1].abs(), into, 0.5), into),
        "adam": (iterate, first, second),
    }


def _agree(a: Tensor, b: Tensor) -> bool:
    """Returns whether two tensors are equal up to rounding."""
    return torch.allclose(a.float(), b.float().cpu(), rtol=1e-4, atol=1e-5)
