"""The loss curve of a run."""

from __future__ import annotations

import math

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ..synthesis import Synthesis
from .drawing import FAINT, GRID, INK, LINE, font, polyline


def loss_curve(result: Synthesis, size: tuple[int, int] = (960, 480)) -> Image.Image:
    """Plots the loss of every step of a run, on a logarithmic scale, with one section for each pyramid level.

    The mean over the outputs is a strong line, single outputs are faint ones. Each section names the output size of its
    level and the final mean loss.

    Arguments:
        result: The result of `synthesize`.
        size: Width and height of the plot, in pixels.

    Returns:
        An RGB picture.
    """
    width, height = size
    left, top, right, bottom = 78, 46, width - 18, height - 66
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    values = [v for table in result.losses for v in table.flatten().tolist() if v > 0]
    low, high = _decades(min(values, default=1e-3), max(values, default=1.0))
    total = sum(table.shape[1] for table in result.losses)

    def x_of(step: float) -> float:
        return left + (right - left) * step / max(total, 1)

    def y_of(value: float) -> float:
        share = (math.log10(max(value, low)) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return bottom - (bottom - top) * share

    for tick in _ticks(low, high):
        draw.line([(left, y_of(tick)), (right, y_of(tick))], fill=GRID)
        draw.text((left - 8, y_of(tick)), f"{tick:.2g}", fill=INK, font=font(13), anchor="rm")
    step = 0
    label_every = math.ceil(len(result.levels) * 62 / (right - left))
    for level, table in zip(result.levels, result.losses, strict=True):
        steps = table.shape[1]
        draw.line([(x_of(step), top), (x_of(step), bottom)], fill=GRID)
        for row in table.tolist():
            polyline(draw, [(x_of(step + i), y_of(v)) for i, v in enumerate(row) if v > 0], FAINT, 1)
        mean = _carried_on(table).mean(0).tolist()
        polyline(draw, [(x_of(step + i), y_of(v)) for i, v in enumerate(mean) if v > 0], LINE, 2)
        if level.index % label_every == 0:
            middle = x_of(step + steps / 2)
            draw.text((middle, bottom + 8), f"{level.size[1]}x{level.size[0]}", fill=INK, font=font(12), anchor="ma")
            draw.text((middle, bottom + 24), f"{mean[-1]:.2g}" if mean else "", fill=LINE, font=font(12), anchor="ma")
        step += steps
    draw.rectangle([left, top, right, bottom], outline=INK)
    draw.text((left, 14), "Patch distance to the reference at each step", fill=INK, font=font(17))
    draw.text((right, 18), f"{total} steps, {result.seconds:.1f} s", fill=INK, font=font(13), anchor="ra")
    draw.text(
        ((left + right) / 2, height - 20),
        "pyramid level (output width x height, final loss)",
        fill=INK,
        font=font(13),
        anchor="mm",
    )
    return picture


def _carried_on(table: Tensor) -> Tensor:
    """Returns losses (N, steps) with the NaN after a converged output replaced by its last loss."""
    last = table.isfinite().sum(1, keepdim=True) - 1
    return table.gather(1, torch.minimum(torch.arange(table.shape[1]).expand_as(table), last))


def _decades(low: float, high: float) -> tuple[float, float]:
    """Returns the limits of the axis: 1, 2 or 5 times a power of ten, below and above the values."""
    steps = [m * 10.0**e for e in range(-12, 7) for m in (1, 2, 5)]
    below = max((s for s in steps if s <= low), default=steps[0])
    return below, min((s for s in steps if s >= high and s > below), default=steps[-1])


def _ticks(low: float, high: float) -> list[float]:
    return [
        m * 10.0**e
        for e in range(-12, 7)
        for m in (1, 2, 5)
        if low <= m * 10.0**e * 1.0001 and m * 10.0**e <= high * 1.0001
    ]
