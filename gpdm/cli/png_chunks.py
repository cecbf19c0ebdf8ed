"""PNG files before Pillow opens them: what their pixels need is checked, and what they do not need is left out.

Pillow refuses a whole picture for one long or damaged text in it. Editors of workflows store long ones.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import numpy as np

from ..errors import ImageError

NEEDED = {b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
"""Chunks beside the critical ones that say how the picture looks: transparency, orientation, and animation."""

LARGEST_PROFILE, LARGEST_EXIF = 2**28, 2**20
"""Largest size of a colour profile, and of EXIF data stored as a text, in bytes."""

COMPRESSION_LIMIT = 1032
"""Bytes that one byte of compressed data holds at most (the format Deflate)."""

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Number of channels by the colour type of a PNG file."""


SRGB_GAMMA, SRGB_PRIMARIES = 45455, (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
"""Contents of the chunks gAMA and cHRM for sRGB: the exponent and chromaticities, times 100000."""


def needed_chunks(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Returns a PNG file without what its pixels do not need, and what is wrong with the rest, one sentence each.

    Raises:
        ImageError: It has data for less than a tenth of the pixels that its header promises, so decoding it would take
            time and memory for nothing.
    """
    parts: list[bytes | memoryview] = [data[:8]]
    notices: list[str] = []
    colours: dict[bytes, bytes] = {}
    position, stored = 8, 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        chunk = memoryview(data)[position : position + 12 + size]
        content, position = chunk[8 : 8 + size], position + len(chunk)
        stored += len(content) if kind == b"IDAT" else 0
        if kind == b"iCCP":
            colours[kind] = b""
            problem = _profile_problem(content)
            notices += [problem] if problem else []
            parts += [] if problem else [chunk]
        elif kind in (b"cICP", b"sRGB", b"gAMA", b"cHRM"):
            colours.setdefault(kind, bytes(content[:32]))
        elif kind in NEEDED or kind[:1].isupper() or _has_orientation(kind, content):
            parts.append(chunk)
    _check_size(data, stored)
    other = _chunk_of_other_colours(colours)
    notices += [f"its chunk {other} says that its colours are not sRGB; they are used as they are"] if other else []
    return b"".join(parts), tuple(notices)


def _check_size(data: bytes, stored: int) -> None:
    if len(data) < 26:
        return
    width, height, bits, kind = struct.unpack_from(">IIBB", data, 16)
    needed = height * (width * bits * CHANNELS.get(kind, 1) // 8)
    if needed > 10 * COMPRESSION_LIMIT * stored:
        raise ImageError(
            f"its {stored} bytes of pixel data cannot hold {width}x{height} pixels; it is damaged, save it again"
        )


def _chunk_of_other_colours(chunks: Mapping[bytes, bytes]) -> str | None:
    """Returns the name of the chunk that says that the colours are of another space than sRGB, if no profile says it.

    The first of cICP, iCCP, sRGB, and the pair gAMA and cHRM counts, by the PNG standard.
    """
    if b"cICP" in chunks:  # primaries of BT.709, and the curve of sRGB or of BT.709, which is shown like it
        return None if chunks[b"cICP"][:2] in (b"\1\x0d", b"\1\1") else "cICP"
    if b"iCCP" in chunks or b"sRGB" in chunks:
        return None
    gamma, primaries = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    if len(gamma) == 4 and abs(int.from_bytes(gamma, "big") - SRGB_GAMMA) > 4000:
        return "gAMA"
    if len(primaries) == 32 and np.abs(np.frombuffer(primaries, ">u4") - np.array(SRGB_PRIMARIES)).max() > 1000:
        return "cHRM"
    return None


def _profile_problem(content: memoryview) -> str | None:
    """Returns what is wrong with the content of a chunk iCCP: a name, the compression method 0, and a profile."""
    _, _, rest = bytes(content).partition(b"\0")
    problem = "its colour profile is damaged" if rest[:1] != b"\0" else _inflation_problem(rest[1:], LARGEST_PROFILE)
    return problem and f"{problem}; its colours are used as they are"


def _inflation_problem(data: bytes, limit: int) -> str | None:
    stream = zlib.decompressobj()
    try:
        stream.decompress(data, limit)
    except zlib.error:
        return "its colour profile is damaged"
    return f"its colour profile is larger than {limit >> 20} MiB" if stream.unconsumed_tail else None


def _has_orientation(kind: bytes, content: memoryview) -> bool:
    """Returns whether a text is one in which Pillow looks for the orientation of the picture."""
    keyword, _, rest = bytes(content[:100]).partition(b"\0")
    if kind == b"iTXt":
        return keyword == b"XML:com.adobe.xmp" and rest[:2] == b"\0\0"  # not compressed
    if keyword != b"Raw profile type exif" or len(content) > LARGEST_EXIF:
        return False
    start = len(keyword) + 2
    return kind == b"tEXt" or (rest[:1] == b"\0" and _inflation_problem(bytes(content[start:]), LARGEST_EXIF) is None)
