"""Reading picture files: the one way in which the terminal opens a picture."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import UnidentifiedImageError

from ..errors import ImageError
from ..pictures import PNG_SIGNATURE
from .decoding import Decoded, Decoder
from .formats import format_of
from .memory import free_memory
from .pillow import pillow
from .png_chunks import needed_chunks
from .reading import read_bytes

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger("gpdm")


@dataclass(frozen=True)
class PictureFile:
    """The content of a picture file."""

    path: Path
    frames: Tensor
    """The picture, or all frames of an animation, (N, C, H, W) in [0, 1]."""
    bits: int
    """Bits per channel: 8, or 16 if the file has more than 8."""

    @property
    def images(self) -> Tensor:
        """The frames in the core's range [-1, 1]. Raises `ImageError` with the name of the file if memory is short."""
        with _naming(self.path):
            return (self.frames * 2).sub_(1)

    def first(self) -> PictureFile:
        """Returns the first frame alone, and says so if there are more."""
        if len(self.frames) > 1:
            logger.warning("%s has %d frames; the first one is used here", self.path, len(self.frames))
        return replace(self, frames=self.frames[:1])


def read_picture(path: Path, memory: int | None = None, profiles: bool = True) -> PictureFile:
    """Returns the content of a picture file. What is wrong with a usable file is logged, with its name.

    Arguments:
        path: A file that Pillow can read.
        memory: Bytes of memory that reading may take; by default what is free.
        profiles: Whether colours are converted to sRGB by the profile in the file. A mask has none.

    Raises:
        ImageError: There is no such file, it is no readable picture, its values cannot be used, or it does not fit
            in the memory. The message names the file.
    """
    memory = free_memory() if memory is None else memory
    data, notices = read_bytes(path, memory), ()
    with _naming(path):
        if data.startswith(PNG_SIGNATURE):
            data, notices = needed_chunks(data)
        try:
            content, damage = _decode(data, memory, profiles)
        except UnidentifiedImageError:
            raise ImageError(_unidentified(data)) from None
    if damage:
        logger.warning(
            "%s is damaged (%s); it is used as far as it can be read, and a missing part is black or grey", path, damage
        )
    for notice in (*notices, *content.notices) if profiles else content.notices:
        logger.warning("%s: %s", path, notice)
    from .frames import stacked

    with _naming(path):
        return PictureFile(path, stacked(content.frames), content.bits)


def read_mask(path: Path) -> Tensor:
    """Returns the picture in a file as a mask (1, 1, H, W) with values from 0 to 1.

    Transparent pixels are 1, as the mask editor of ComfyUI saves what is painted; in a picture without transparency,
    white ones are.
    """
    from ..pictures.forms import grey, split_alpha

    colours, alpha = split_alpha(read_picture(path, profiles=False).first().frames)
    return 1 - alpha if alpha is not None and bool((alpha < 1).any()) else grey(colours)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Adds the name of a file to an error, and makes one of too little memory."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except (MemoryError, RuntimeError) as error:
        from ..kernels.workspace import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        raise ImageError(f"{path}: it does not fit in the memory; make it smaller") from None


def _decode(data: bytes, memory: int | None, profiles: bool) -> tuple[Decoded, str]:
    """Returns the content of a file, and why it is damaged; an empty text if it is not.

    Raises:
        ImageError: It cannot be used.
        UnidentifiedImageError: Pillow does not know what it is.
    """
    failure: Exception | None = None
    for truncated in (False, True):
        try:
            with pillow(truncated):
                content = Decoder(data, memory, profiles).decode()
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # Pillow raises errors of any type for a damaged file.
            failure = failure or error
        else:
            return content, "" if failure is None else _reason(failure)
    if isinstance(failure, UnidentifiedImageError):
        raise failure
    raise ImageError(f"it cannot be read as a picture: {_reason(failure)}; save it again")


def _unidentified(data: bytes) -> str:
    """Returns what a file is that Pillow does not know, and what to do with it."""
    name = format_of(data)
    if data[8:9] == b"{":  # a header of safetensors
        return (
            "it is a safetensors file and no picture; a saved distribution takes the place of references of tasks only"
        )
    if name is None:
        return "it is not a picture that Pillow can read; convert it to PNG"
    again = "save it again" if name == "a PNG" else "save it again as PNG"
    return f"it is {name} file that is cut off, damaged, or of a kind that Pillow cannot read; {again}"


def _reason(error: Exception | None) -> str:
    """Returns the text of an error of Pillow in one short line."""
    if isinstance(error, UnidentifiedImageError):
        return "its header or a check sum is wrong"
    text = " ".join(str(error).split())[:120].rstrip(". ") or type(error).__name__
    return "its data cannot be decoded" if text.removeprefix("decoder error ").strip("-").isdigit() else text
