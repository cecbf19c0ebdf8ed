"""Targets of results: checks of files and folders before the work, and numbered names."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..errors import GPDMError

OPAQUE = {".jpg", ".jpeg", ".bmp"}
WRITABLE = {".png", ".webp", ".tif", ".tiff", *OPAQUE}


def check_target(path: Path, channels: int, bits: int = 8) -> None:
    """Raises `GPDMError` if a picture of `channels` channels could not be written to `path`. Called before the work.

    Arguments:
        path: The file to write.
        channels: From 1, grey, to 4, RGBA.
        bits: Bits per channel, 8 or 16.
    """
    check_suffix(path)
    if channels in (2, 4) and path.suffix.lower() in OPAQUE:
        raise GPDMError(f"cannot write {path}: {path.suffix} has no transparency and the output has; use .png")
    if bits == 16 and path.suffix.lower() != ".png":
        raise GPDMError(f"cannot write {path} with 16 bits per channel; use .png, or --bits 8")
    if path.is_dir():
        raise GPDMError(f"cannot write {path}: it is a folder; give the name of a file")
    check_folder(end_of_link(path).parent)


def check_suffix(path: Path) -> None:
    """Raises `GPDMError` if the name of a picture to write does not end in one of `WRITABLE`."""
    if path.suffix.lower() not in WRITABLE:
        raise GPDMError(f"cannot write {path}: its name must end in one of {', '.join(sorted(WRITABLE))}")


def make_folder(folder: Path) -> Path:
    """Returns `folder`, which exists then and is writable.

    Raises:
        GPDMError: The folder cannot be made or written to.
    """
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GPDMError(f"cannot make the folder {folder}: {error.strerror}; choose another with --out or -o") from None
    return folder


def check_folder(folder: Path) -> None:
    """Raises `GPDMError` if no file could be written into a folder, which need not exist. Leaves nothing behind."""
    try:
        existing = next((path for path in (folder, *folder.parents) if path.exists()), folder)
        if not existing.is_dir():
            raise GPDMError(f"{existing} is a file, not a folder; choose another with --out or -o")
        # Permissions alone do not tell: a file system may be read-only, or special, as that of /sys.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise GPDMError(
            f"cannot write into the folder {folder}: {error.strerror}; choose another with --out or -o"
        ) from None


def end_of_link(path: Path) -> Path:
    """Returns the file that a symbolic link leads to; `path` itself if it is none."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def indexed(path: Path, index: int, count: int) -> Path:
    """Returns `path` for a single picture, else with an index from 1 before the suffix (out_1.png, out_2.png ...)."""
    return path if count == 1 else path.with_name(f"{path.stem}_{index + 1:0{len(str(count))}d}{path.suffix}")
