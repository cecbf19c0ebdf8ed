"""Texts in pictures: the text chunks of PNG, and the EXIF tags in which ComfyUI stores them in WebP and JPEG."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator

from ...errors import GPDMError
from ...pictures import PNG_SIGNATURE

BEGINNINGS = (PNG_SIGNATURE, b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
"""First bytes of the pictures that people have; no JSON begins like one of them."""
LONGEST = 2**28
"""Most bytes of a text after it is unpacked."""
KEYS = ("workflow", "prompt")


def is_picture(data: bytes) -> bool:
    """Returns True if the content of a file begins like a picture, or, as AVIF does, like a film."""
    return data.startswith(BEGINNINGS) or data[4:8] == b"ftyp"


def picture_texts(data: bytes, name: str) -> dict[str, str]:
    """Returns the texts called workflow and prompt that a picture carries; `name` is its name in messages.

    Raises:
        GPDMError: A text is too long once it is unpacked.
    """
    texts: dict[str, str] = {}
    for key, text in _png_texts(data, name) if data.startswith(PNG_SIGNATURE) else _exif_texts(data):
        if key.lower() in KEYS:
            texts.setdefault(key.lower(), text)
    return texts


def _png_texts(data: bytes, name: str) -> Iterator[tuple[str, str]]:
    """Yields the texts of a PNG file, also of one that is cut off or whose checksums are wrong.

    Those of ComfyUI's Save Animated PNG stand in chunks called comf.
    """
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        chunk = data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind not in (b"tEXt", b"zTXt", b"iTXt", b"comf") or b"\0" not in chunk:
            continue
        key, rest = chunk.split(b"\0", 1)
        packed = kind == b"zTXt"
        if kind == b"zTXt":
            rest = rest[1:]
        elif kind == b"iTXt":
            packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
            rest = parts[-1]
        yield key.decode("latin-1"), _text(_unpacked(rest, name) if packed else rest)


def _unpacked(data: bytes, name: str) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, LONGEST)
    except zlib.error as error:
        raise GPDMError(f"a text in {name} is damaged ({error}); write the picture again") from None
    if unpacker.unconsumed_tail:
        raise GPDMError(f"a text in {name} is longer than {LONGEST} bytes; it is no workflow")
    return text


def _exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Yields the EXIF tags that begin with a key and a colon. A picture that cannot be opened has none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of a damaged or a very large picture: its pixels are not needed.
            with Image.open(io.BytesIO(data)) as picture:
                tags = list(picture.getexif().values())
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        KeyError,
        TypeError,
        Image.DecompressionBombError,
    ):
        return
    for value in tags:
        if isinstance(value, (str, bytes)):
            # Pillow decodes tags as Latin-1, which any bytes are.
            text = _text(value.encode("latin-1", "replace") if isinstance(value, str) else value)
            key, colon, rest = text.strip("\0").partition(":")
            if colon:
                yield key, rest


def _text(data: bytes) -> str:
    """Returns bytes as UTF-8, or, as the PNG format says, as Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
