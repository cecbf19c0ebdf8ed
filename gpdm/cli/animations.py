"""Writing animations: WebP, GIF and APNG files, and numbered PNG files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from ..pictures.pil import to_pil
from .animation_names import frame_files, is_numbered
from .files import save_image, save_picture

PALETTE_PIXELS = 2**18
"""Number of pixels of all frames from which the palette of a GIF is made."""
COLOURS = 255
"""Colours of a palette; the last entry stands for transparency."""


def save_animation(images: Tensor, path: Path, fps: float, bits: int = 8) -> list[Path]:
    """Writes frames (N, C, H, W) in [-1, 1] to a file that repeats for ever, or to numbered files, and returns these.

    Arguments:
        images: The frames.
        path: A name that `check_animation` takes.
        fps: Frames per second, which numbered files do not have.
        bits: Bits per channel of numbered files.
    """
    frames = images.split(1)
    if is_numbered(path):
        files = frame_files(path, len(frames))
        return [save_image(frame, file, bits) for frame, file in zip(frames, files, strict=True)]
    suffix = path.suffix.lower()
    if suffix == ".gif":
        return [_save_gif([to_pil(frame) for frame in frames], path, fps)]
    mode = "RGBA" if images.shape[1] in (2, 4) else "RGB"
    first, *others = [to_pil(frame).convert(mode) for frame in frames]
    # Unless each frame is stored whole, libwebp makes transparent pixels of lossy frames opaque.
    more = {"kmin": 0, "kmax": 1} if suffix == ".webp" and mode == "RGBA" else {}
    return [save_picture(first, path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0, **more)]


def _save_gif(frames: Sequence[Image.Image], path: Path, fps: float) -> Path:
    """Writes a GIF file. All frames have one palette, and one pattern of dithering, so that what is still stays so."""
    hundredths = round(100 / fps)
    if abs(100 / hundredths / fps - 1) > 0.01:
        logging.getLogger("gpdm").warning(
            "%s has %.4g frames per second, not %g: a GIF counts hundredths of a second", path, 100 / hundredths, fps
        )
    alphas = [frame.getchannel("A") for frame in frames] if "A" in frames[0].getbands() else []
    colours = [frame.convert("RGB") for frame in frames]
    palette = common_palette(colours)
    spread = dither_spread(colours[0], palette)
    results = [dithered(frame, palette, spread) for frame in colours]
    for frame, alpha in zip(results, alphas, strict=False):
        frame.paste(COLOURS, mask=alpha.point([255 if value < 128 else 0 for value in range(256)]))
    more = {"transparency": COLOURS, "disposal": 2} if alphas else {}
    first, *others = results
    return save_picture(
        first, path, save_all=True, append_images=others, duration=10 * hundredths, loop=0, optimize=False, **more
    )


def common_palette(frames: Sequence[Image.Image]) -> Image.Image:
    """Returns a picture whose palette has `COLOURS` colours of RGB frames."""
    pixels = np.concatenate([np.asarray(frame).reshape(-1, 3) for frame in frames])
    sampled = pixels[:: max(len(pixels) // PALETTE_PIXELS, 1)]
    return Image.fromarray(sampled[None]).quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=1)


def dither_spread(frame: Image.Image, palette: Image.Image) -> float:
    """Returns half of the typical distance between neighbouring colours of a palette in one channel, from 0 to 255."""
    nearest = frame.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")
    error = np.asarray(frame).astype(np.float32) - np.asarray(nearest)
    # Errors of rounding to steps of a length have a mean square of a twelfth of its square.
    return float(np.sqrt(12 * np.square(error).mean())) / 2


def dithered(frame: Image.Image, palette: Image.Image, spread: float) -> Image.Image:
    """Returns an RGB frame in the colours of a palette, with ordered dithering by thresholds `spread` apart.

    The thresholds depend on the position alone. Dithering by diffusion of errors would change everywhere from frame to
    frame, and flicker.
    """
    values = np.asarray(frame).astype(np.float32)
    tiled = np.tile(thresholds(3), (frame.height // 8 + 1, frame.width // 8 + 1))[: frame.height, : frame.width, None]
    values = np.clip(np.rint(values + spread * tiled), 0, 255).astype(np.uint8)
    return Image.fromarray(values).quantize(palette=palette, dither=Image.Dither.NONE)


def thresholds(order: int) -> np.ndarray:
    """Returns Bayer's matrix of threshold values from -1/2 to 1/2, (2^order, 2^order), with mean 0."""
    matrix = np.zeros((1, 1))
    for _ in range(order):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return (matrix + 0.5) / matrix.size - 0.5
