"""Pillow as the terminal uses it: without limits, warnings, or messages of the libraries under it."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, PngImagePlugin

from .png_chunks import LARGEST_PROFILE

_LOCK = threading.RLock()


@contextmanager
def pillow(truncated: bool) -> Iterator[None]:
    """Lets Pillow read pictures of any size inside of a `with` block, without a word; then all is as it was.

    Arguments:
        truncated: Whether files that are cut off or have wrong check sums are read.
    """
    with _LOCK, warnings.catch_warnings(), _silent_libraries():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, ImageFile.LOAD_TRUNCATED_IMAGES
        try:
            Image.MAX_IMAGE_PIXELS = None
            PngImagePlugin.MAX_TEXT_CHUNK, ImageFile.LOAD_TRUNCATED_IMAGES = LARGEST_PROFILE, truncated
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, ImageFile.LOAD_TRUNCATED_IMAGES = before


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """Discards what libraries in C write to the standard error stream: they do not know `sys.stderr`."""
    try:
        stream = os.dup(2)
    except OSError:  # the process has no such stream
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(stream, 2)
        os.close(stream)
        os.close(nowhere)
