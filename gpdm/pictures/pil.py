"""Conversion between pictures of Pillow and images of the core."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..errors import ImageError


def from_pil(picture: Image.Image) -> Tensor:
    """Returns a picture as a (1, C, H, W) float32 tensor in [-1, 1] on the CPU.

    C is 1 for grey, 2 for grey+alpha, 3 for RGB and 4 for RGBA. The EXIF orientation is applied and transparency
    becomes a channel. 16-bit grey keeps its precision.

    Raises:
        ImageError: The mode cannot be read (floating-point TIFF or 32-bit grey, for example).
    """
    picture = ImageOps.exif_transpose(picture)
    is_16_bit = picture.mode == "I" or picture.mode.startswith("I;16")
    if is_16_bit and ("transparency" in picture.info or np.asarray(picture).max() > 65535):
        kind = "16-bit grey with a transparent colour" if "transparency" in picture.info else "32-bit grey"
        raise ImageError(f"{kind} cannot be read; convert the picture to 8-bit grey")
    if picture.mode == "PA" or "transparency" in picture.info:
        # A transparent colour or palette entry becomes an alpha channel.
        picture = picture.convert("LA" if picture.mode == "L" else "RGBA")
    elif picture.mode in ("1", "P", "CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    elif is_16_bit:
        return _to_tensor(np.asarray(picture).astype(np.float32) / 65535)
    if picture.mode not in ("L", "LA", "RGB", "RGBA"):
        raise ImageError(f"mode {picture.mode} cannot be read; convert the picture to 8-bit RGB")
    return _to_tensor(np.asarray(picture).astype(np.float32) / 255)


def _to_tensor(pixels: np.ndarray) -> Tensor:
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None] * 2 - 1


def to_pil(image: Tensor) -> Image.Image:
    """Returns a (1, C, H, W) or (C, H, W) tensor in [-1, 1] as an 8-bit picture of mode L, LA, RGB or RGBA.

    Values outside the range are clipped.

    Raises:
        ImageError: The tensor is a batch of several images or has more than four channels.
    """
    image = image[None] if image.dim() == 3 else image
    if image.dim() != 4 or image.shape[0] != 1 or image.shape[1] > 4:
        raise ImageError(f"an image of shape {tuple(image.shape)} cannot be a picture; expected (1, 1..4, H, W)")
    pixels = (image[0].float().clamp(-1, 1) + 1).mul(127.5).round().to("cpu", torch.uint8).permute(1, 2, 0).numpy()
    return Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
