"""PNG files of one picture (H, W, C) in [0, 1], with text in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ...pictures.deep import encode_png
from ..files import save_bytes, save_picture


def write_png(image: Tensor, path: Path, texts: Mapping[str, str], bits: int) -> Path:
    """Writes a PNG file with 8 or 16 bits per channel, and returns its path."""
    if bits == 16:
        return save_bytes(encode_png(_integers(image, 65535).astype(np.uint16), texts), path)
    values = _integers(image, 255).astype(np.uint8)
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    picture = Image.fromarray(values.squeeze(2) if values.shape[2] == 1 else values)
    return save_picture(picture, path, pnginfo=info, compress_level=4)


def _integers(image: Tensor, maximum: int) -> np.ndarray:
    return (image.float().clamp(0, 1) * maximum).round().int().cpu().numpy()
