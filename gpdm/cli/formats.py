"""Formats of files by their first bytes, for messages about files that Pillow cannot read."""

from __future__ import annotations

SIGNATURES = {
    b"\x89PNG": "a PNG",
    b"\xff\xd8\xff": "a JPEG",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"II+\0": "a TIFF",
    b"MM\0+": "a TIFF",
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"\0\0\0\x0cjP  ": "a JPEG 2000",
    b"\xff\x4f\xff\x51": "a JPEG 2000",
    b"v/1\x01": "an OpenEXR",
    b"#?RADIANCE": "a Radiance HDR",
    b"#?RGBE": "a Radiance HDR",
    b"8BPS": "a Photoshop",
    b"%PDF": "a PDF",
    b"<svg": "an SVG",
    b"<?xml": "an XML or SVG",
}
"""Name of a format by the first bytes of its files."""

BRANDS = {b"avif": "an AVIF", b"avis": "an AVIF", b"heic": "an HEIC", b"heix": "an HEIC", b"mif1": "an HEIF"}
"""Name of a format by the brand that follows the bytes "ftyp"."""


def format_of(data: bytes) -> str | None:
    """Returns the format that the beginning of a file names, with its article: "a TIFF"."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "a WebP"
    if data[4:8] == b"ftyp":
        return BRANDS.get(data[8:12])
    return next((name for start, name in SIGNATURES.items() if data.startswith(start)), None)
