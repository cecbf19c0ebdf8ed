"""Helpers of the plots, with Pillow alone, since ComfyUI has no plotting library."""

from __future__ import annotations

from PIL import ImageDraw, ImageFont

Colour = tuple[int, int, int]

INK, GRID = (40, 44, 52), (225, 228, 232)
LINE, FAINT = (31, 99, 190), (168, 198, 236)
SERIES = (LINE, (214, 94, 26), (22, 133, 88), (155, 61, 170), (196, 40, 70), (120, 104, 20))
"""Colours of the compared images."""


def polyline(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], colour: Colour, width: int) -> None:
    """Draws a line through `points`, or a dot if there is only one."""
    if len(points) == 1:
        (x, y), r = points[0], width
        draw.ellipse([x - r, y - r, x + r, y + r], fill=colour)
    else:
        draw.line(points, fill=colour, width=width, joint="curve")


def font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    """Returns Pillow's default font in this size."""
    return ImageFont.load_default(size)
