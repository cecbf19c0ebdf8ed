"""Whether the kernels do what their oracle does, on this device: a small problem, once, before they are used."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator

from ..histograms import bin_range
from . import reference, triton_adam, triton_compare, triton_count, triton_gradient, triton_pull

MOST_MOVED, LEAST_COSINE = 0.02, 0.999
"""TF32 moves a projection by some thousandth of its size: a few patches fall into the next bin."""


def disagreement(device: torch.device) -> str | None:
    """In what the kernels and their oracle differ, in words; None if they agree."""
    generator = Generator().manual_seed(0)
    image = (torch.rand(1, 3, 11, 21, generator=generator) * 2 - 1).to(device)
    filters = F.normalize(torch.randn(11, 3 * 49, generator=generator)).reshape(11, 3, 7, 7).to(device)
    projections = F.conv2d(image, filters)[0].flatten(1)
    bins = bin_range(projections.amin(1), projections.amax(1), 64)
    function = torch.linspace(0, 1, 64, device=device).square().expand(11, 64).contiguous()

    counts = reference.project_and_count(image, filters, bins)
    moved = (triton_count.project_and_count(image, filters, bins) - counts).abs().sum() / counts.sum()
    expected, slopes = reference.compare(function, counts, bins, "l2")
    value, found = triton_compare.compare(function, counts, bins, "l2")
    gradient = reference.look_up_and_carry_back(image, filters, bins, slopes)
    carried = triton_gradient.look_up_and_carry_back(image, filters, bins, slopes)
    pictures = []
    for module in (reference, triton_adam):
        state = [image.clone(), torch.zeros_like(image), torch.zeros_like(image)]
        module.adam(state[0], gradient.clone(), *state[1:], torch.tensor([0.03, 0.5], device=device), 100.0, (0.9, 0.9))
        pictures.append(state[0])
    near = (image, image.flip(3), image[:, :1].abs())
    pulls = [module.pull(*near, gradient.clone(), 0.5) for module in (reference, triton_pull)]
    # Written so that NaN does not pass.
    checks = {
        "project_and_count": float(moved) < MOST_MOVED,
        "compare": torch.allclose(found, slopes, rtol=1e-3, atol=1e-4) and abs(float(value / expected) - 1) < 1e-3,
        "look_up_and_carry_back": _cosine(carried, gradient) > LEAST_COSINE
        and abs(float(carried.norm() / gradient.norm()) - 1) < 0.01,
        "pull": all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(*pulls, strict=True)),
        "adam": torch.allclose(*pictures, rtol=1e-4, atol=1e-5),
    }
    wrong = [name for name, agrees in checks.items() if not agrees]
    return f"Triton's {', '.join(wrong)} and PyTorch do not agree on {device}" if wrong else None


def _cosine(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(F.cosine_similarity(a.flatten(), b.flatten(), dim=0))
