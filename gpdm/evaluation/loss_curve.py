"""The loss curve of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..synthesis import Synthesis
from .drawing import GRID_COLOUR, LINE_COLOUR, PALE_LINE_COLOUR, TEXT_COLOUR, Axes, font

TICKS = [factor * 10.0**exponent for exponent in range(-12, 7) for factor in (1, 2, 5)]
"""Values that may be marked on the axis, and its limits."""


def loss_curve(result: Synthesis, size: tuple[int, int] = (960, 480)) -> Image.Image:
    """Plots the loss of every step of a run, on a logarithmic scale, with one section for each pyramid level.

    The mean over the outputs is a dark line, single outputs are pale lines. Each section is labelled with the output
    size of its level and the final mean loss.

    Arguments:
        result: The result of `synthesize`.
        size: Width and height of the plot, in pixels.

    Returns:
        An RGB picture.
    """
    width, height = size
    left, top, right, bottom = box = (78, 46, width - 18, height - 66)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    losses = [loss for table in result.losses for loss in table.flatten().tolist() if loss > 0]
    low, high = _limits(min(losses, default=1e-3), max(losses, default=1.0))
    total = sum(table.shape[1] for table in result.losses)
    axes = Axes(draw, box, (0, max(total, 1)), (math.log10(low), math.log10(high)))
    for tick in TICKS:
        if low <= tick * 1.0001 and tick <= high * 1.0001:
            axes.horizontal_line(math.log10(tick), f"{tick:.2g}")
    first_step = 0
    label_every = math.ceil(len(result.levels) * 62 / (right - left))
    for level, table in zip(result.levels, result.losses, strict=True):
        steps = table.shape[1]
        draw.line([(axes.x(first_step), top), (axes.x(first_step), bottom)], fill=GRID_COLOUR)
        for row in table.tolist():
            axes.polyline(_log_points(first_step, row), PALE_LINE_COLOUR, 1)
        mean = _extended(table).mean(0).tolist()
        axes.polyline(_log_points(first_step, mean), LINE_COLOUR, 2)
        if level.index % label_every == 0:
            middle = first_step + steps / 2
            axes.x_label(middle, f"{level.size[1]}x{level.size[0]}", 8)
            axes.x_label(middle, f"{mean[-1]:.2g}" if mean else "", 24, LINE_COLOUR)
        first_step += steps
    draw.rectangle(box, outline=TEXT_COLOUR)
    draw.text((left, 14), "Loss at each step", fill=TEXT_COLOUR, font=font(17))
    draw.text((right, 18), f"{total} steps, {result.seconds:.1f} s", fill=TEXT_COLOUR, font=font(13), anchor="ra")
    draw.text(
        ((left + right) / 2, height - 20),
        "pyramid level (output width x height, final loss)",
        fill=TEXT_COLOUR,
        font=font(13),
        anchor="mm",
    )
    return picture


def _log_points(first_step: int, losses: Iterable[float]) -> list[tuple[float, float]]:
    """Returns the points (step, decimal logarithm of the loss) of all positive losses."""
    return [(first_step + i, math.log10(loss)) for i, loss in enumerate(losses) if loss > 0]


def _extended(table: Tensor) -> Tensor:
    """Returns losses (N, steps) with the NaN after a converged output replaced by its last loss."""
    last = table.isfinite().sum(1, keepdim=True) - 1
    return table.gather(1, torch.minimum(torch.arange(table.shape[1]).expand_as(table), last))


def _limits(low: float, high: float) -> tuple[float, float]:
    """Returns the limits of the axis: the nearest `TICKS` below and above the values."""
    below = max((tick for tick in TICKS if tick <= low), default=TICKS[0])
    return below, min((tick for tick in TICKS if tick >= high and tick > below), default=TICKS[-1])
