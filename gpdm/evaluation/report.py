"""Evaluations as text and plots."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from .drawing import SERIES_COLOURS, TEXT_COLOUR, Axes, Colour, font
from .metrics import DESCRIPTIONS, PATCH_SIZES, SCALES, Evaluation
from .spectrum import HIGH_FREQUENCY, decibels

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
