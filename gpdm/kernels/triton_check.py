"""Whether the kernels do what their oracle does, on this device: a small problem, once, before they are used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from ..histograms import Bins
from . import reference, triton_kernels


def disagreement(device: torch.device) -> str | None:
    """In what the kernels and their oracle differ, in words; None if they agree.

    All numbers are small multiples of 1/8, whose products and sums are exact in any order and in TF32: counts and gradients must be
    the same to the bit.
    """
    generator = Generator().manual_seed(0)

    def eighths(most: int, *shape: int) -> Tensor:
        return (torch.randint(-most, most + 1, shape, generator=generator) / 8).to(device)

    image, filters, slopes = eighths(8, 1, 3, 9, 14), eighths(4, 5, 3, 7, 7), eighths(8, 5, 64)
    low = torch.full((5,), -4.0, device=device)
    bins = Bins(low, torch.full_like(low, 0.125), 64)
    function = torch.linspace(0, 1, 64, device=device).square().expand(5, 64).contiguous()
    counts = reference.project_and_count(image, filters, bins)
    first, second, rates = torch.zeros_like(image), torch.zeros_like(image), torch.tensor([0.03, 0.5], device=device)

    def results(kernels: Any) -> dict[str, tuple[Tensor, ...]]:
        moved, moments = image.clone(), (first.clone(), second.clone())
        kernels.adam(moved, image.flip(2), *moments, rates, 100.0, (0.9, 0.9))
        return {
            "project_and_count": (kernels.project_and_count(image, filters, bins),),
            "look_up_and_carry_back": (kernels.look_up_and_carry_back(image, filters, bins, slopes),),
            "compare": kernels.compare(function, counts, bins, "l2"),
            "pull": kernels.pull(image, image.flip(3), image[:, :1].abs(), image.flip(2), 0.5),
            "adam": (moved, *moments),
        }

    expected, found = results(reference), results(triton_kernels)
    wrong = [
        name
        for name, tensors in expected.items()
        if not all(_agree(a, b) for a, b in zip(tensors, found[name], strict=True))
    ]
    return f"Triton's {', '.join(wrong)} and PyTorch do not agree on {device}" if wrong else None


def _agree(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.float(), b.float(), rtol=1e-4, atol=1e-5)
