"""Decoding picture files with Pillow: frames, depth, colour profiles, damage, and the memory that it takes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

from ..errors import ImageError
from ..pictures.deep import deep_pixels, is_deep
from ..pictures.icc import is_table
from ..pictures.pil import is_adobe_rgb, stored_pixels, upright
from ..pictures.profiles import is_srgb, picture_to_srgb, to_srgb

ANIMATIONS = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")
"""Formats of which all frames or pages are used. The other pictures in an MPO or ICO file are versions of the first."""

BYTES_PER_PIXEL = 36
"""Memory that reading takes per pixel: 4 bytes in Pillow, and two copies of 4 channels of float32."""


@dataclass(frozen=True)
class Decoded:
    """The content of a picture file."""

    frames: tuple[np.ndarray, ...]
    """The picture, or all frames of an animation, (H, W, C) each, in the type of `pictures.pil.pixels`."""
    bits: int
    """Bits per channel: 8, or 16 if the file has more than 8."""
    notices: tuple[str, ...]
    """What was not used as it is in the file, one sentence each."""


class Decoder:
    """Decodes one picture file from its bytes.

    Arguments:
        data: The bytes of the file.
        memory: Bytes of memory that decoding may take; None: no limit.
        profiles: Whether colours are converted to sRGB by the profile in the file.
    """

    def __init__(self, data: bytes, memory: int | None, profiles: bool) -> None:
        self.data, self.memory, self.profiles = data, memory, profiles
        self.notices: list[str] = []

    def decode(self) -> Decoded:
        """Returns the content. Raises `ImageError`, or whatever Pillow raises for a damaged file."""
        frames: list[np.ndarray] = []
        bits, count = 8, 0
        try:
            for values in self._frames():
                bits = bits if values.dtype == np.uint8 else 16
                count += 1
                if not frames or values.shape[:2] == frames[0].shape[:2]:
                    frames.append(values)
        except ImageError:
            raise
        except Exception:
            if not (frames and ImageFile.LOAD_TRUNCATED_IMAGES):
                raise
        if ImageFile.LOAD_TRUNCATED_IMAGES and all(_is_blank(frame) for frame in frames):
            raise OSError("no pixel of it can be read")
        if len(frames) < count:
            self.notices.append(
                f"{count - len(frames)} of {count} frames differ from the first in size; they are left out"
            )
        return Decoded(tuple(frames), bits, tuple(dict.fromkeys(self.notices)))

    def _open(self, index: int = 0) -> ImageFile.ImageFile:
        picture = Image.open(io.BytesIO(self.data))
        assert isinstance(picture, ImageFile.ImageFile)
        picture.seek(index)
        return picture

    def _frames(self) -> Iterator[np.ndarray]:
        """Yields the values of each frame, (H, W, C)."""
        picture = self._open()
        # The first picture of an APNG file may be one for viewers that show no animations.
        first = index = int(getattr(picture, "default_image", False))
        while True:
            try:
                picture.seek(index)
            except EOFError:
                return
            except SyntaxError:
                if picture.format != "TIFF" or index == 0:
                    raise
                self.notices.append(f"page {index + 1} is of a kind that Pillow cannot read; it is left out")
                index += 1
                continue
            self._check_memory(picture.size, index - first + 1)
            yield self._values(picture, index)
            if picture.format not in ANIMATIONS:
                return
            index += 1

    def _check_memory(self, size: tuple[int, int], count: int) -> None:
        needed = BYTES_PER_PIXEL * size[0] * size[1] * count
        if self.memory is not None and needed > self.memory:
            what = f"{size[0]}x{size[1]} pixels" + (f" times {count} or more frames" if count > 1 else "")
            raise ImageError(
                f"reading {what} needs {_mib(needed)} of memory and {_mib(self.memory)} are free; make it smaller"
            )

    def _values(self, picture: ImageFile.ImageFile, index: int) -> np.ndarray:
        """Returns the values of a frame that is open and not loaded, in sRGB, with the depth of the file."""
        profile = picture.info.get("icc_profile") if self.profiles else None
        if is_deep(picture, self.data) and picture.mode != "F" and not picture.mode.startswith("I"):
            values = deep_pixels(lambda: self._open(index)) if index == 0 or picture.format == "TIFF" else None
            if values is not None:
                return self._in_srgb(values, profile)
            self.notices.append("it has more than 8 bits per channel, of which 8 are used")
        if self.profiles and not profile and picture.format == "JPEG" and is_adobe_rgb(picture):
            self.notices.append(
                "it is Adobe RGB by its EXIF data and has no colour profile; its colours are used as they are"
            )
        if profile and picture.mode in ("CMYK", "LAB"):
            return upright(self._inks_in_srgb(picture, profile), picture)
        return self._in_srgb(upright(stored_pixels(picture), picture), profile)

    def _in_srgb(self, values: np.ndarray, profile: bytes | None) -> np.ndarray:
        try:
            if not profile or is_srgb(profile):
                return values
            if values.dtype == np.uint8 or not is_table(profile):
                return to_srgb(values, profile)
            converted = to_srgb(_eight_bits(values), profile)
            self.notices.append("its colour profile is a table, which is applied to 8 bits per channel")
            return converted
        except ImageError as error:
            self.notices.append(f"{error}; its colours are used as they are")
            return values

    def _inks_in_srgb(self, picture: Image.Image, profile: bytes) -> np.ndarray:
        try:
            return np.asarray(picture_to_srgb(picture, profile))
        except ImageError as error:
            self.notices.append(f"{error}; its colours are used as they are")
            return stored_pixels(picture)


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Returns values of 16 bits, or floating-point values in [0, 1], as uint8."""
    unit = values if values.dtype == np.float32 else values.astype(np.float32) / np.iinfo(values.dtype).max
    return (unit * 255).round().astype(np.uint8)


def _is_blank(frame: np.ndarray) -> bool:
    """Returns whether all pixels are equal, as in a picture of which no pixel was decoded."""
    return frame[..., 0].size > 1 and bool((frame == frame[:1, :1]).all())


def _mib(count: int) -> str:
    return f"{count / 2**20:.0f} MiB" if count < 10 * 2**30 else f"{count / 2**30:.0f} GiB"
