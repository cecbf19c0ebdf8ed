"""Distributions on the line with known distances, and small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from gpdm import Canvas, Loss, Objective, OutputState, Reference, as_references, bind, value_and_gradient


@dataclass(frozen=True)
class Problem:
    """Two sets of projections (K, n) and (K, m), their W1 distance and squared W2 distance, each the mean over K."""

    name: str
    p: Tensor
    q: Tensor
    w1: float
    w2: float


def problems() -> list[Problem]:
    """Every one has an answer that needs no sorting to know."""
    g = torch.Generator().manual_seed(1)
    x = torch.randn(5, 40, generator=g, dtype=torch.float64)
    shuffled = x[:, torch.randperm(40, generator=g)]
    ramp = (torch.arange(30, dtype=torch.float64) + 0.5)[None] / 30
    return [
        Problem("same set in another order", x, shuffled, 0.0, 0.0),
        Problem("translated", x, shuffled + 0.75, 0.75, 0.5625),
        Problem("every point twice", x, torch.cat([shuffled, x], 1), 0.0, 0.0),
        Problem("every point three times, fewer in the output", torch.cat([x, shuffled, x], 1), x, 0.0, 0.0),
        Problem("two points against three", torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 0.5, 1.0]]), 1 / 6, 1 / 12),
        Problem(
            "one point against a ramp",
            torch.tensor([[0.5]], dtype=torch.float64),
            ramp,
            0.25,
            float(((ramp - 0.5) ** 2).mean()),
        ),
        Problem("opposite directions of two rows", torch.zeros(2, 4), torch.tensor([[1.0] * 4, [-3.0] * 4]), 2.0, 5.0),
    ]


def picture(height: int = 32, width: int = 40, channels: int = 3, seed: int = 0) -> Tensor:
    """A picture (1, C, H, W) in [-1, 1] with smooth areas, edges and fine grain."""
    g = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 5, 6, generator=g) * 2 - 1
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    edges = torch.nn.functional.interpolate(
        torch.rand(1, channels, 4, 4, generator=g).round() - 0.5, size=(height, width)
    )
    return (0.6 * smooth + 0.5 * edges + 0.05 * torch.randn(1, channels, height, width, generator=g)).clamp(-1, 1)


def grainy(height: int = 32, width: int = 40, channels: int = 3, seed: int = 0) -> Tensor:
    """A smooth dark picture (1, C, H, W) with grain and without edges."""
    g = torch.Generator().manual_seed(seed)
    ramp = torch.linspace(-0.7, -0.2, width).expand(1, channels, height, width)
    return ramp + 0.05 * torch.randn(1, channels, height, width, generator=g)


def objective_of(
    loss: Loss,
    references: Tensor | Reference | Sequence[Tensor | Reference],
    size: tuple[int, int],
    memory: int = 2**30,
    weight: Tensor | None = None,
) -> Objective:
    """The objective of a loss at one level, for outputs of `size` with the loss's border and pixels of this weight (1, 1, H, W)."""
    return bind(loss, as_references(references), Canvas(size=size, border=loss.border, weight=weight), memory)


def evaluated(objective: Objective, image: Tensor, seed: int = 0, step: int = 0) -> tuple[Tensor, Tensor]:
    """Value and gradient of an objective for one image, with random numbers of this seed."""
    return value_and_gradient(objective, image, step, OutputState(Generator().manual_seed(seed)))
