"""Encoders of picture files for tests, of kinds that Pillow cannot write, and the values that are read back."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from gpdm.cli.pictures import read_picture

PNG_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Colour type of a PNG file by the number of channels."""


def png_file(
    width: int, height: int, bits: int, kind: int, lines: bytes, *chunks: tuple[bytes, bytes], interlaced: bool = False
) -> bytes:
    """A PNG file with these lines of pixels, each after the byte of its filter; other chunks stand before them."""
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    every = [(b"IHDR", header), *chunks, *([(b"IDAT", zlib.compress(lines))] if lines else []), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in every
    )


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row and the steps of both, of the seven passes of an interlaced PNG file."""


def png(values: np.ndarray, transparent: tuple[int, ...] = (), profile: bytes = b"", exif: bytes = b"") -> bytes:
    """A PNG file of 16-bit values (H, W, C), with one transparent colour."""
    height, width, channels = values.shape
    chunks = [(b"iCCP", b"profile\0\0" + zlib.compress(profile))] if profile else []
    chunks += [(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))] if transparent else []
    chunks += [(b"eXIf", exif)] if exif else []
    return png_file(width, height, 16, PNG_TYPES[channels], png_lines(values), *chunks)


def interlaced_png(values: np.ndarray) -> bytes:
    """A PNG file of 16-bit values (H, W, C) whose pixels come in seven passes."""
    parts = [values[top::down, left::right] for left, top, right, down in ADAM7]
    lines = b"".join(png_lines(part) for part in parts if part.size)
    return png_file(values.shape[1], values.shape[0], 16, PNG_TYPES[values.shape[2]], lines, interlaced=True)


def png_lines(values: np.ndarray) -> bytes:
    rows = np.ascontiguousarray(values).astype(">u2").reshape(len(values), -1).view(np.uint8)
    return np.concatenate([np.zeros((len(values), 1), np.uint8), rows], axis=1).tobytes()


def tiff(
    values: np.ndarray,
    order: str = "<",
    packed: bool = False,
    planes: bool = False,
    profile: bytes = b"",
    alpha: int = 2,
    white_is_zero: bool = False,
    orientation: int = 1,
    start: int = 8,
) -> bytes:
    """A TIFF file of values (H, W, C) of type uint16, uint32, int16, int32 or float32.

    `order` is that of the bytes, `packed` compresses, `planes` stores the channels one after the other, and `alpha` says
    what a last channel beyond grey or RGB is: 1 for alpha that colours are multiplied by, 2 for independent alpha. `start` is where the data begin in the file.
    """
    height, width, channels = values.shape
    stored = values.astype(values.dtype.newbyteorder(order))
    strips = [stored[..., i].tobytes() for i in range(channels)] if planes else [stored.tobytes()]
    strips = [zlib.compress(strip) for strip in strips] if packed else strips
    data, offsets = b"", []
    for strip in strips:
        offsets.append(start + len(data))
        data += strip + b"\0" * (len(strip) % 2)
    colours = 3 if channels >= 3 else 1
    numbers: dict[int, tuple[str, list[int]]] = {
        256: ("I", [width]),
        257: ("I", [height]),
        258: ("H", [values.itemsize * 8] * channels),
        259: ("H", [8 if packed else 1]),
        262: ("H", [2 if colours == 3 else int(not white_is_zero)]),
        273: ("I", offsets),
        274: ("H", [orientation]),
        277: ("H", [channels]),
        278: ("I", [height]),
        279: ("I", [len(strip) for strip in strips]),
        284: ("H", [2 if planes else 1]),
        **({338: ("H", [alpha])} if channels > colours else {}),
        339: ("H", [{"u": 1, "i": 2, "f": 3}[values.dtype.kind]] * channels),
        **({34675: ("B", list(profile))} if profile else {}),
    }
    entries = b""
    for tag, (letter, items) in numbers.items():
        raw = struct.pack(f"{order}{len(items)}{letter}", *items)
        if len(raw) > 4:
            position, data = start + len(data), data + raw + b"\0" * (len(raw) % 2)
            raw = struct.pack(f"{order}I", position)
        kind = {"B": 7, "H": 3, "I": 4}[letter]
        entries += struct.pack(f"{order}HHI", tag, kind, len(items)) + raw.ljust(4, b"\0")
    header = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", start + len(data))
    return header + data + struct.pack(f"{order}H", len(numbers)) + entries + bytes(4)


def tiff_pages(first: np.ndarray, second: np.ndarray) -> bytes:
    """A TIFF file of two pages."""
    page = tiff(first)
    more = tiff(second, start=len(page))
    return page[:-4] + more[4:8] + more[8:]


def values(name: str) -> np.ndarray:
    """The picture in a file, (H, W, C), from 0 to 255."""
    return (read_picture(Path(name)).frames[0].permute(1, 2, 0).double().numpy() * 255).round()
