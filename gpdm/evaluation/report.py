"""Evaluations as text, plots and maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ..images import size_of
from .copying import Sources, same_offset_as_neighbours
from .drawing import SERIES_COLOURS, TEXT_COLOUR, Axes, Colour, font
from .metrics import DESCRIPTIONS, PATCH_SIZES, SCALES, Evaluation
from .spectrum import HIGH_FREQUENCY, decibels

CORNER_COLOURS = ((0.87, 0.24, 0.21), (0.98, 0.83, 0.25), (0.22, 0.33, 0.85), (0.27, 0.75, 0.42))
"""Colours of the reference's corners in copy maps: red top left, yellow top right, blue bottom left, green bottom
right."""
MAX_ERROR = 0.2
"""Root mean squared difference, for values from 0 to 1, from which on error maps are white."""
MAX_DECIBELS = 12
"""Limit of the plot of spectra in both directions, in decibels."""


def evaluation_text(evaluations: Sequence[Evaluation], names: Sequence[str], diversity: float | None = None) -> str:
    """Returns a table of the scores with a column for each image, followed by the descriptions of the metrics.

    Arguments:
        evaluations: Evaluations with the same metrics.
        names: The name of each image.
        diversity: The diversity of all images, or None.
    """
    metrics = list(evaluations[0].scores)
    columns = [
        ["", *metrics],
        *([name, *map(number, x.scores.values())] for name, x in zip(names, evaluations, strict=True)),
    ]
    widths = [max(map(len, column)) for column in columns]
    rows = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in zip(*columns, strict=True)
    ]
    descriptions = [f"{name}: {DESCRIPTIONS[name]}" for name in metrics]
    if diversity is not None:
        rows.append(f"{'diversity'.ljust(widths[0])}  {number(diversity).rjust(widths[1])}  (of all)")
        descriptions.append(f"diversity: {DESCRIPTIONS['diversity']}")
    return "\n".join([*map(str.rstrip, rows), "", *descriptions])


def number(value: float) -> str:
    """Returns a score as text, with four decimals."""
    return f"{value:.4f}"


def evaluation_plot(evaluations: Sequence[Evaluation], names: Sequence[str], width: int = 960) -> Image.Image:
    """Plots spectra, held-out distances and scores.

    Left: the power of each image relative to the reference, by frequency. Right: the held-out distances by patch size
    and scale, over all filters and over those of mean zero. Below: the table of the scores.

    Arguments:
        evaluations: Evaluations; up to six have different colours.
        names: The name of each image.
        width: Width of the plot, in pixels.

    Returns:
        An RGB picture.
    """
    rows = len(evaluations[0].scores)
    table_top, line = 330, 20
    picture = Image.new("RGB", (width, table_top + line * (rows + 2)), "white")
    draw = ImageDraw.Draw(picture)
    colours = [SERIES_COLOURS[i % len(SERIES_COLOURS)] for i in range(len(evaluations))]
    _draw_spectra(spectra_axes(draw, width), evaluations, colours)
    _draw_distances(distance_axes(draw, width, evaluations), evaluations, colours)
    column = min(150, (width - 260) // len(evaluations))
    for i, (name, evaluation, colour) in enumerate(zip(names, evaluations, colours, strict=True)):
        x = 250 + column * (i + 1)
        draw.text((x, table_top), name[: column // 8], fill=colour, font=font(13), anchor="ra")
        for row, value in enumerate(evaluation.scores.values()):
            draw.text((x, table_top + line * (row + 1)), number(value), fill=TEXT_COLOUR, font=font(13), anchor="ra")
    for row, name in enumerate(evaluations[0].scores):
        draw.text((20, table_top + line * (row + 1)), name, fill=TEXT_COLOUR, font=font(13))
    return picture


def spectra_axes(draw: ImageDraw.ImageDraw, width: int) -> Axes:
    """Returns the axes of the spectra in a plot of this width: cycles per pixel, and decibels."""
    return Axes(draw, (60, 40, width // 2 - 20, 290), (0, 0.5), (-MAX_DECIBELS, MAX_DECIBELS))


def _draw_spectra(axes: Axes, evaluations: Sequence[Evaluation], colours: Sequence[Colour]) -> None:
    left, top, right, bottom = axes.box
    title = "power relative to the reference, dB, by cycles per pixel"
    axes.draw.text((left, 12), title, fill=TEXT_COLOUR, font=font(14))
    axes.draw.rectangle([axes.x(HIGH_FREQUENCY), top, right, bottom], fill=(246, 247, 249))
    for tick in range(-MAX_DECIBELS, MAX_DECIBELS + 1, 6):
        if tick:
            axes.horizontal_line(tick, f"{tick:+d}")
        else:
            axes.horizontal_line(0, "0", TEXT_COLOUR)
    for tick in (0.0, 0.125, 0.25, 0.375, 0.5):
        axes.x_label(tick, f"{tick:g}")
    for evaluation, colour in zip(evaluations, colours, strict=True):
        frequencies, reference_power, image_power = evaluation.spectra
        levels = decibels(reference_power, image_power)
        axes.polyline(list(zip(frequencies.tolist(), levels.tolist(), strict=True)), colour, 2)


def distance_axes(draw: ImageDraw.ImageDraw, width: int, evaluations: Sequence[Evaluation]) -> Axes:
    """Returns the axes of the held-out distances in a plot of this width: groups of bars, and distances."""
    highest = max(max(x.per_scale.values()) for x in evaluations) or 1.0
    return Axes(draw, (width // 2 + 50, 40, width - 20, 290), (0, len(SCALES) * len(PATCH_SIZES)), (0, highest))


def _draw_distances(axes: Axes, evaluations: Sequence[Evaluation], colours: Sequence[Colour]) -> None:
    title = "held-out distance by patch size and scale; pale: detail"
    axes.draw.text((axes.box[0], 12), title, fill=TEXT_COLOUR, font=font(14))
    for fraction in (0.0, 0.5, 1.0):
        value = fraction * axes.y_range[1]
        axes.horizontal_line(value, f"{value:.3f}")
    spacing = 0.8 / (2 * len(evaluations))  # the bars of a group take 0.8 of its width
    bar_width = max(axes.x(spacing) - axes.x(0) - 1, 1)
    for i, (scale, patch_size) in enumerate((scale, size) for scale in SCALES for size in PATCH_SIZES):
        for j, (evaluation, colour) in enumerate(zip(evaluations, colours, strict=True)):
            for k, (kind, fill) in enumerate((("all", colour), ("detail", pale(colour)))):
                value = evaluation.per_scale[f"{kind} {patch_size}x{patch_size} at {scale:g}"]
                axes.bar(i + (2 * j + k) * spacing, value, bar_width, fill)
        axes.x_label(i + 0.4, str(patch_size))
    for i, scale in enumerate(SCALES):
        axes.x_label((i + 0.5) * len(PATCH_SIZES) - 0.1, f"scale {scale:g}", 20)


def pale(colour: Colour) -> Colour:
    """Returns a colour mixed with two parts of white."""
    red, green, blue = colour
    return (red + 2 * 255) // 3, (green + 2 * 255) // 3, (blue + 2 * 255) // 3


def copy_map(sources: Sources, references: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Returns a map of the patches' sources, (1, 3, H, W) of `size` in [-1, 1].

    The colour is that of the position of the nearest reference patch (`copy_map_key`). It is bright where a patch has
    the same offset as its neighbours, and dark elsewhere: smooth gradients are copied regions.

    Arguments:
        sources: Sources of the patches of an image.
        references: The references, (1, C, h, w) each.
        size: Height and width of the image.
    """
    widths = torch.tensor([0, *(size_of(x)[1] for x in references)], device=sources.column.device).cumsum(0)
    # Each patch is shown at its centre; the border repeats the outermost patches.
    missing = [length - number for length, number in zip(size, sources.row.shape, strict=True)]
    before = [pixels // 2 for pixels in missing]
    across = (sources.column + before[1] + widths[sources.reference]) / max(int(widths[-1]) - 1, 1)
    down = (sources.row + before[0]) / max(max(size_of(x)[0] for x in references) - 1, 1)
    colours = _palette(down.float(), across.float())
    colours = torch.where(same_offset_as_neighbours(sources), colours, colours * 0.35)[None]
    padding = (before[1], missing[1] - before[1], before[0], missing[0] - before[0])
    return F.pad(colours, padding, mode="replicate") * 2 - 1


def copy_map_key(references: Sequence[Tensor]) -> Tensor:
    """Returns the references side by side, in the colours of their positions in copy maps, (1, 3, h, w) in [-1, 1]."""
    height, width = max(size_of(x)[0] for x in references), sum(size_of(x)[1] for x in references)
    grey = [x[:, : 3 if x.shape[1] > 2 else 1].mean(1, keepdim=True).float() for x in references]
    joined = torch.cat([F.pad(x, (0, 0, 0, height - size_of(x)[0]), value=1.0) for x in grey], dim=3)
    down, across = (torch.linspace(0, 1, length, device=joined.device) for length in (height, width))
    colours = _palette(down[:, None].expand(height, width), across.expand(height, width))
    return (colours * (joined / 2 + 0.5).mul(0.8).add(0.2)) * 2 - 1


def error_map(evaluation: Evaluation) -> Tensor:
    """Returns a map of the difference of each pixel to the nearest reference patches, (1, 3, H, W) in [-1, 1].

    It goes from black (no difference) over red and yellow to white (`MAX_ERROR` and more).
    """
    error = (evaluation.errors.sqrt() / MAX_ERROR).clamp(0, 1).float()
    return torch.stack([(error * 3 - i).clamp(0, 1) for i in range(3)])[None] * 2 - 1


def evaluation_maps(evaluation: Evaluation, references: Sequence[Tensor], image: Tensor) -> Tensor:
    """Returns the image, its copy map, the key to it and its error map side by side, (1, 3, h, w) in [-1, 1].

    Those of lower height are padded with white.
    """
    maps = [
        _as_rgb(image),
        copy_map(evaluation.sources, references, size_of(image)),
        copy_map_key(references),
        error_map(evaluation),
    ]
    height = max(size_of(x)[0] for x in maps)
    gap = max(height // 64, 2)
    padded = [F.pad(x.to(image), (0, gap, 0, height - size_of(x)[0]), value=1.0) for x in maps]
    return torch.cat(padded, dim=3)[..., :-gap]


def _as_rgb(image: Tensor) -> Tensor:
    return image[:, :3] if image.shape[1] > 2 else image[:, :1].expand(-1, 3, -1, -1)


def _palette(down: Tensor, across: Tensor) -> Tensor:
    """Returns the colours, (3, ...) in [0, 1], of positions from 0 to 1 on both axes."""
    red, yellow, blue, green = (down.new_tensor(colour).view(3, *(1 for _ in down.shape)) for colour in CORNER_COLOURS)
    return (red * (1 - across) + yellow * across) * (1 - down) + (blue * (1 - across) + green * across) * down
