"""16 bits per channel: reading colours, of which Pillow keeps 8 bits, and writing PNG files, which it cannot."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from PIL.ImageFile import ImageFile

from . import PNG_SIGNATURE
from .pil import upright
from .tiff import BITS_PER_SAMPLE, check_tiff, in_planes, tags_of

NATIVE = "L" if sys.byteorder == "little" else "B"


def is_deep(picture: ImageFile, data: bytes) -> bool:
    """Returns whether an open picture has more than 8 bits per channel in its file.

    Arguments:
        picture: The picture, not loaded yet.
        data: The file.
    """
    if picture.format == "TIFF":
        return max(tags_of(picture).get(BITS_PER_SAMPLE, (1,))) > 8
    if picture.format == "JPEG2000" and picture.mode != "I;16":
        return _byte_after(data, b"\xff\x4f\xff\x51", 38) & 127 > 7  # the first channel's depth - 1, in the segment SIZ
    if picture.format == "AVIF":
        return _byte_after(data, b"av1C", 2) & 64 > 0  # the flag high_bitdepth in the codec's configuration
    if picture.format == "PPM":
        arguments: Any = picture.tile[0][3]  # the raw mode and the largest value, unless values are raw bytes
        return picture.mode == "I" or (isinstance(arguments, tuple) and arguments[1] > 255)
    return picture.mode == "F" or picture.mode.startswith("I") or any(";16" in _raw_mode(tile) for tile in picture.tile)


def deep_pixels(open_picture: Callable[[], ImageFile]) -> np.ndarray | None:
    """Returns the values of a picture with 16 bits per colour as uint16, (H, W, C), EXIF orientation applied.

    Pillow's decoders keep one byte of each value; the raw mode of the data says which one. So the picture is decoded
    twice, for the first byte and for the second.

    Arguments:
        open_picture: Opens the picture anew, without loading it.

    Returns:
        The values, or None if Pillow cannot decode the picture in this way.

    Raises:
        ImageError: Pillow cannot decode the picture correctly in any way.
    """
    picture = open_picture()
    check_tiff(picture)
    if in_planes(picture):
        return None
    raw = {_raw_mode(tile) for tile in picture.tile}
    if raw == {"LA;16B"}:
        # Two values of 16 bits are as long as four of 8 bits.
        picture, bytes_ = _decoded(open_picture(), "RGBA")
        first, second = bytes_[..., 0::2], bytes_[..., 1::2]
    elif len(raw) == 1 and (mode := next(iter(raw))[:-1].replace("a", "A")) in ("RGB;16", "RGBA;16"):
        _, first = _decoded(open_picture(), mode + "B")
        picture, second = _decoded(open_picture(), mode + "L")
    else:
        return None
    order = next(iter(raw))[-1].replace("N", NATIVE)
    high, low = (first, second) if order == "B" else (second, first)
    values = high.astype(np.uint16) * 256 + low
    transparent = picture.info.get("transparency")
    if transparent is not None and values.shape[2] == 3:
        opaque = (values != np.array(transparent, dtype=np.uint16)).any(axis=2, keepdims=True)
        values = np.concatenate([values, opaque * np.uint16(65535)], axis=2)
    return upright(_straight(values) if "RGBa" in next(iter(raw)) else values, picture)


def encode_png(values: np.ndarray, texts: Mapping[str, str]) -> bytes:
    """Returns a PNG file of values (H, W, C), uint16: grey, grey+alpha, RGB or RGBA with 16 bits per channel.

    Arguments:
        values: The picture.
        texts: What is stored with it, by keyword, both in ASCII.
    """
    height, width, channels = values.shape
    lines = values.astype(">u2").reshape(height, -1).view(np.uint8)
    above = np.zeros_like(lines)
    above[1:] = lines[:-1]
    # Filter 2 of the PNG standard: the difference from the line above, modulo 256.
    filtered = np.concatenate([np.full((height, 1), 2, np.uint8), lines - above], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    stored = [(b"tEXt", f"{key}\0{text}".encode("ascii")) for key, text in texts.items()]
    chunks = ((b"IHDR", header), *stored, (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b""))
    return PNG_SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _byte_after(data: bytes, mark: bytes, offset: int) -> int:
    """Returns one byte at an offset after the first occurrence of a mark; 0 if there is none."""
    start = data.find(mark)
    position = start + len(mark) + offset
    return data[position] if start >= 0 and position < len(data) else 0


def _raw_mode(tile: tuple) -> str:
    """Returns the raw mode of a tile: (decoder, box, offset, arguments), where it is the arguments or their first."""
    arguments = tile[3]
    raw = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return raw if isinstance(raw, str) else ""


def _with_raw_mode(tile: Any, raw: str) -> Any:
    parts = (*tile[:3], (raw, *tile[3][1:]) if isinstance(tile[3], tuple) else raw)
    return parts if type(tile) is tuple else type(tile)(*parts)  # a named tuple since Pillow 11


def _decoded(picture: ImageFile, raw: str) -> tuple[ImageFile, np.ndarray]:
    """Returns an open picture, decoded with another raw mode, and its bytes, (H, W, C)."""
    picture.tile = [_with_raw_mode(tile, raw) for tile in picture.tile]
    picture.load()
    return picture, np.asarray(picture)


def _straight(values: np.ndarray) -> np.ndarray:
    """Returns RGBA values whose colours are multiplied by alpha with these colours as they were before."""
    alpha = values[..., 3:].astype(np.float64)
    colours = np.round(values[..., :3] * (65535 / np.maximum(alpha, 1))).clip(0, 65535)
    return np.concatenate([colours.astype(np.uint16), values[..., 3:]], axis=2)
