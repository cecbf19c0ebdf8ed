"""Evaluations as text, plots and maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ..images import size_of
from .copying import Sources, moved_as_one
from .drawing import GRID, INK, SERIES, Colour, font, polyline
from .metrics import HIGH, MEANINGS, PATCH_SIZES, SCALES, Evaluation

CORNERS = ((0.87, 0.24, 0.21), (0.98, 0.83, 0.25), (0.22, 0.33, 0.85), (0.27, 0.75, 0.42))
"""Colours of the reference's corners in copy maps: red top left, yellow top right, blue bottom left, green bottom
right."""
WORST = 0.2
"""Root mean squared difference, for values from 0 to 1, from which on error maps are white."""
DECIBELS = 12
"""Limit of the spectra's plot in both directions, in decibels."""


def evaluation_text(evaluations: Sequence[Evaluation], names: Sequence[str], diversity: float | None = None) -> str:
    """Returns a table of the metrics with a column for each image, followed by their descriptions.

    `diversity`, that of all images, is added if given.
    """
    found = list(evaluations[0].figures)
    columns = [
        ["", *found],
        *([name, *map(number, e.figures.values())] for name, e in zip(names, evaluations, strict=True)),
    ]
    widths = [max(map(len, column)) for column in columns]
    rows = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in zip(*columns, strict=True)
    ]
    told = [f"{name}: {MEANINGS[name]}" for name in found]
    if diversity is not None:
        rows.append(f"{'diversity'.ljust(widths[0])}  {number(diversity).rjust(widths[1])}  (of all)")
        told.append(f"diversity: {MEANINGS['diversity']}")
    return "\n".join([*map(str.rstrip, rows), "", *told])


def number(value: float) -> str:
    """Returns a value with four decimals, enough to tell metrics apart."""
    return f"{value:.4f}"


def evaluation_plot(evaluations: Sequence[Evaluation], names: Sequence[str], width: int = 960) -> Image.Image:
    """Plots spectra, held-out distances and metrics.

    Left: the power of each image relative to the reference, by frequency. Right: the held-out distances by patch size
    and scale, over all filters and over those of mean zero. Below: the table of the metrics.

    Arguments:
        evaluations: Evaluations; up to six have different colours.
        names: Their names.
        width: Width of the plot, in pixels.

    Returns:
        An RGB picture.
    """
    rows = len(evaluations[0].figures)
    table_top, line = 330, 20
    picture = Image.new("RGB", (width, table_top + line * (rows + 2)), "white")
    draw = ImageDraw.Draw(picture)
    colours = [SERIES[i % len(SERIES)] for i in range(len(evaluations))]
    _spectra(draw, (60, 40, width // 2 - 20, 290), evaluations, colours)
    _distances(draw, (width // 2 + 50, 40, width - 20, 290), evaluations, colours)
    column = min(150, (width - 260) // len(evaluations))
    for i, (name, evaluation, colour) in enumerate(zip(names, evaluations, colours, strict=True)):
        x = 250 + column * (i + 1)
        draw.text((x, table_top), name[: column // 8], fill=colour, font=font(13), anchor="ra")
        for row, value in enumerate(evaluation.figures.values()):
            draw.text((x, table_top + line * (row + 1)), number(value), fill=INK, font=font(13), anchor="ra")
    for row, name in enumerate(evaluations[0].figures):
        draw.text((20, table_top + line * (row + 1)), name, fill=INK, font=font(13))
    return picture


Box = tuple[int, int, int, int]


def _spectra(draw: ImageDraw.ImageDraw, box: Box, evaluations: Sequence[Evaluation], colours: Sequence[Colour]) -> None:
    left, top, right, bottom = box

    def at(frequency: float, decibels: float) -> tuple[float, float]:
        height = min(max(decibels, -DECIBELS), DECIBELS) / DECIBELS
        return left + (right - left) * frequency * 2, (top + bottom) / 2 - height * (bottom - top) / 2

    draw.text((left, 12), "power against the reference, dB, by cycles per pixel", fill=INK, font=font(14))
    draw.rectangle([at(HIGH, DECIBELS), at(0.5, -DECIBELS)], fill=(246, 247, 249))
    for tick in range(-DECIBELS, DECIBELS + 1, 6):
        draw.line([at(0, tick), at(0.5, tick)], fill=INK if tick == 0 else GRID)
        draw.text((left - 6, at(0, tick)[1]), f"{tick:+d}" if tick else "0", fill=INK, font=font(12), anchor="rm")
    for tick in (0.0, 0.125, 0.25, 0.375, 0.5):
        draw.text((at(tick, 0)[0], bottom + 6), f"{tick:g}", fill=INK, font=font(12), anchor="ma")
    for evaluation, colour in zip(evaluations, colours, strict=True):
        frequencies, theirs, own = evaluation.spectra
        decibels = 10 * torch.log10((own + 1e-12) / (theirs + 1e-12))
        polyline(draw, [at(f, d) for f, d in zip(frequencies.tolist(), decibels.tolist(), strict=True)], colour, 2)


def _distances(
    draw: ImageDraw.ImageDraw, box: Box, evaluations: Sequence[Evaluation], colours: Sequence[Colour]
) -> None:
    left, top, right, bottom = box
    highest = max(max(e.cells.values()) for e in evaluations) or 1.0
    draw.text((left, 12), "held-out distance by patch size and scale; pale: detail", fill=INK, font=font(14))
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - top)
        draw.line([(left, y), (right, y)], fill=GRID)
        draw.text((left - 6, y), f"{share * highest:.3f}", fill=INK, font=font(12), anchor="rm")
    groups = [(scale, patch) for scale in SCALES for patch in PATCH_SIZES]
    step = (right - left) / len(groups)
    for i, (scale, patch) in enumerate(groups):
        bar = step * 0.8 / (2 * len(evaluations))
        for j, (evaluation, colour) in enumerate(zip(evaluations, colours, strict=True)):
            for k, kind in enumerate(("all", "detail")):
                value = evaluation.cells[f"{kind} {patch}x{patch} at {scale:g}"] / highest
                x = left + i * step + (2 * j + k) * bar
                fill = colour if kind == "all" else tuple((c + 2 * 255) // 3 for c in colour)
                draw.rectangle([x, bottom - value * (bottom - top), x + max(bar - 1, 1), bottom], fill=fill)
        draw.text((left + (i + 0.4) * step, bottom + 6), str(patch), fill=INK, font=font(12), anchor="ma")
    for i, scale in enumerate(SCALES):
        middle = left + (i + 0.5) * step * len(PATCH_SIZES) - 0.1 * step
        draw.text((middle, bottom + 20), f"scale {scale:g}", fill=INK, font=font(12), anchor="ma")


def copy_map(sources: Sources, references: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Returns a map of the patches' sources: (1, 3, H, W) of `size`, in [-1, 1].

    The colour is the position of the nearest reference patch (`copy_map_key`), bright where a patch has the offset of
    its neighbours, dark elsewhere. A smooth gradient is a copied region, dark speckle is new.
    """
    widths = torch.tensor([0, *(size_of(x)[1] for x in references)], device=sources.column.device).cumsum(0)
    # Each patch is shown at its centre; the border repeats the outermost patches.
    spare = [side - own for side, own in zip(size, sources.row.shape, strict=True)]
    before = [each // 2 for each in spare]
    across = (sources.column + before[1] + widths[sources.reference]) / max(int(widths[-1]) - 1, 1)
    down = (sources.row + before[0]) / max(max(size_of(x)[0] for x in references) - 1, 1)
    colours = _palette(down.float(), across.float())
    colours = torch.where(moved_as_one(sources), colours, colours * 0.35)[None]
    padding = (before[1], spare[1] - before[1], before[0], spare[0] - before[0])
    return F.pad(colours, padding, mode="replicate") * 2 - 1


def copy_map_key(references: Sequence[Tensor]) -> Tensor:
    """Returns the references side by side in the colours of their positions in copy maps: (1, 3, h, w) in [-1, 1]."""
    height, width = max(size_of(x)[0] for x in references), sum(size_of(x)[1] for x in references)
    grey = [x[:, : 3 if x.shape[1] > 2 else 1].mean(1, keepdim=True).float() for x in references]
    picture = torch.cat([F.pad(x, (0, 0, 0, height - size_of(x)[0]), value=1.0) for x in grey], dim=3)
    down, across = (torch.linspace(0, 1, side, device=picture.device) for side in (height, width))
    colours = _palette(down[:, None].expand(height, width), across.expand(height, width))
    return (colours * (picture / 2 + 0.5).mul(0.8).add(0.2)) * 2 - 1


def error_map(evaluation: Evaluation) -> Tensor:
    """Returns a map of the difference of each pixel to the nearest reference patches, (1, 3, H, W) in [-1, 1].

    Black is no difference, then red, yellow, and white from `WORST` on.
    """
    share = (evaluation.errors.sqrt() / WORST).clamp(0, 1).float()
    return torch.stack([(share * 3 - i).clamp(0, 1) for i in range(3)])[None] * 2 - 1


def evaluation_maps(evaluation: Evaluation, references: Sequence[Tensor], image: Tensor) -> Tensor:
    """Returns the image, its copy map, the key to it and its error map side by side, (1, 3, h, w) in [-1, 1].

    Lower parts are padded with white.
    """
    parts = [
        _as_rgb(image),
        copy_map(evaluation.sources, references, size_of(image)),
        copy_map_key(references),
        error_map(evaluation),
    ]
    height = max(size_of(part)[0] for part in parts)
    gap = max(height // 64, 2)
    padded = [F.pad(part.to(image), (0, gap, 0, height - size_of(part)[0]), value=1.0) for part in parts]
    return torch.cat(padded, dim=3)[..., :-gap]


def _as_rgb(image: Tensor) -> Tensor:
    return image[:, :3] if image.shape[1] > 2 else image[:, :1].expand(-1, 3, -1, -1)


def _palette(down: Tensor, across: Tensor) -> Tensor:
    """Returns the colours, (3, ...) in [0, 1], of positions from 0 to 1 on both axes."""
    red, yellow, blue, green = (down.new_tensor(corner).view(3, *(1 for _ in down.shape)) for corner in CORNERS)
    return (red * (1 - across) + yellow * across) * (1 - down) + (blue * (1 - across) + green * across) * down
