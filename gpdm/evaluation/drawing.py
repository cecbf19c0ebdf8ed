"""Plots with Pillow alone, because ComfyUI has no plotting library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]

TEXT_COLOUR, GRID_COLOUR = (40, 44, 52), (225, 228, 232)
LINE_COLOUR, PALE_LINE_COLOUR = (31, 99, 190), (168, 198, 236)
SERIES_COLOURS = (LINE_COLOUR, (214, 94, 26), (22, 133, 88), (155, 61, 170), (196, 40, 70), (120, 104, 20))
"""Colours of the compared images."""


@dataclass(frozen=True)
class Axes:
    """A rectangle of a plot with a linear scale in each direction."""

    draw: ImageDraw.ImageDraw
    box: tuple[int, int, int, int]
    """Left, top, right and bottom, in pixels."""
    x_range: tuple[float, float]
    """Values at the left and at the right."""
    y_range: tuple[float, float]
    """Values at the bottom and at the top."""

    def x(self, value: float) -> float:
        """Returns the position of a value on the horizontal axis, in pixels."""
        left, _, right, _ = self.box
        low, high = self.x_range
        return left + (right - left) * (value - low) / (high - low)

    def y(self, value: float) -> float:
        """Returns the position of a value on the vertical axis, in pixels. Values out of range are at the ends."""
        _, top, _, bottom = self.box
        low, high = self.y_range
        return bottom - (bottom - top) * (min(max(value, low), high) - low) / (high - low)

    def polyline(self, points: Sequence[tuple[float, float]], colour: Colour, width: int) -> None:
        """Draws a line through points (x, y), or a dot if there is only one."""
        pixels = [(self.x(x), self.y(y)) for x, y in points]
        if len(pixels) == 1:
            (x, y), r = pixels[0], width
            self.draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)
        else:
            self.draw.line(pixels, fill=colour, width=width, joint="curve")

    def bar(self, x: float, value: float, width: float, colour: Colour) -> None:
        """Draws a bar from the bottom to `value`, of a width in pixels, to the right of `x`."""
        left = self.x(x)
        self.draw.rectangle([left, self.y(value), left + width, self.box[3]], fill=colour)

    def horizontal_line(self, y: float, label: str, colour: Colour = GRID_COLOUR) -> None:
        """Draws a line across the plot at a value, with a label at its left."""
        left, _, right, _ = self.box
        self.draw.line([(left, self.y(y)), (right, self.y(y))], fill=colour)
        self.draw.text((left - 6, self.y(y)), label, fill=TEXT_COLOUR, font=font(12), anchor="rm")

    def x_label(self, x: float, label: str, offset: int = 6, colour: Colour = TEXT_COLOUR) -> None:
        """Writes a label below the plot, centred at a value, `offset` pixels from the plot."""
        self.draw.text((self.x(x), self.box[3] + offset), label, fill=colour, font=font(12), anchor="ma")


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Returns Pillow's default font in a size in pixels."""
    return ImageFont.load_default(size)
