"""TIFF files that Pillow would read wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image

from ..errors import ImageError

BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC, PLANES, SAMPLE_FORMAT = 258, 259, 262, 284, 339
"""Numbers of tags."""

INTEGERS = "the picture has 32-bit or signed integers, which cannot be read; save it as 16-bit grey PNG"
"""Why a picture of such numbers is refused."""


def tags_of(picture: Image.Image) -> Mapping[int, Any]:
    """Returns the tags of an open TIFF file; none if it has another format."""
    return picture.tag_v2 if picture.format == "TIFF" else {}  # type: ignore[attr-defined]


def in_planes(picture: Image.Image) -> bool:
    """Returns whether an open TIFF file stores its channels one after the other."""
    return tags_of(picture).get(PLANES) == 2


def check_tiff(picture: Image.Image) -> None:
    """Raises `ImageError` if Pillow misreads the file of an open picture; never if that is no TIFF."""
    tags = tags_of(picture)
    if 2 in tags.get(SAMPLE_FORMAT, ()):
        raise ImageError(INTEGERS)
    if not in_planes(picture) or picture.mode in ("L", "F") or picture.mode.startswith("I"):
        return
    if picture.mode == "LA":
        raise ImageError("it has grey and alpha in separate planes, which Pillow misreads; save it as PNG")
    if tags.get(COMPRESSION, 1) == 1 and max(tags.get(BITS_PER_SAMPLE, (1,))) > 8:
        raise ImageError("it has 16-bit colours in separate planes, which Pillow misreads; save it as 16-bit PNG")
