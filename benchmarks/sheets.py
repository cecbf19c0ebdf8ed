"""Contact sheets: pictures in rows."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

import gpdm

GAP = 6


def sheet_of(rows: Sequence[Sequence[Tensor]]) -> Image.Image:
    """Returns images (1, C, H, W) in rows, one below the other."""
    pictures = [[gpdm.to_pil(image) for image in row] for row in rows]
    width = max(sum(picture.width + GAP for picture in row) for row in pictures) - GAP
    height = sum(max(picture.height for picture in row) + GAP for row in pictures) - GAP
    sheet, top = Image.new("RGB", (width, height), "white"), 0
    for row in pictures:
        left = 0
        for picture in row:
            sheet.paste(picture, (left, top))
            left += picture.width + GAP
        top += max(picture.height for picture in row) + GAP
    return sheet
