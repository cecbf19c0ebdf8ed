"""Writing picture files, which appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..errors import GPDMError
from ..pictures.deep import encode_png
from ..pictures.pil import to_integers, to_pil

OPAQUE = {".jpg", ".jpeg", ".bmp"}
WRITABLE = {".png", ".webp", ".tif", ".tiff", *OPAQUE}


def check_target(path: Path, channels: int, bits: int = 8) -> None:
    """Raises `GPDMError` if a picture of `channels` channels could not be written to `path`. Called before the work.

    Arguments:
        path: The file to write.
        channels: From 1, grey, to 4, RGBA.
        bits: Bits per channel, 8 or 16.
    """
    if path.suffix.lower() not in WRITABLE:
        raise GPDMError(f"cannot write {path}: its name must end in one of {', '.join(sorted(WRITABLE))}")
    if channels in (2, 4) and path.suffix.lower() in OPAQUE:
        raise GPDMError(f"cannot write {path}: {path.suffix} has no transparency and the output has; use .png")
    if bits == 16 and path.suffix.lower() != ".png":
        raise GPDMError(f"cannot write {path} with 16 bits per channel; use .png, or --bits 8")
    if path.is_dir():
        raise GPDMError(f"cannot write {path}: it is a folder; give the name of a file")
    _check_folder(_end_of_link(path).parent)


def make_folder(folder: Path) -> Path:
    """Returns `folder`, which exists then and is writable.

    Raises:
        GPDMError: The folder cannot be made or written to.
    """
    _check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GPDMError(f"cannot make the folder {folder}: {error.strerror}; choose another with --out or -o") from None
    return folder


def _check_folder(folder: Path) -> None:
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


def _end_of_link(path: Path) -> Path:
    """Returns the file that a symbolic link leads to; `path` itself if it is none."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def indexed(path: Path, index: int, count: int) -> Path:
    """Returns `path` for a single picture, else with an index from 1 before the suffix (out_1.png, out_2.png ...)."""
    return path if count == 1 else path.with_name(f"{path.stem}_{index + 1:0{len(str(count))}d}{path.suffix}")


def save_image(image: Tensor, path: Path, bits: int = 8) -> Path:
    """Writes a tensor (1, C, H, W) in [-1, 1] as a picture with 8 bits per channel, or as a PNG file with 16."""
    if bits == 8:
        return save_picture(to_pil(image), path)
    return save_bytes(encode_png(to_integers(image, 65535).astype(np.uint16), {}), path)


def save_bytes(data: bytes, path: Path) -> Path:
    """Writes the content of a file."""
    return _write(path, lambda part: part.write_bytes(data))


def save_picture(picture: Image.Image, path: Path, **options: Any) -> Path:
    """Writes a picture in the format that the suffix of `path` names."""
    quality = {"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg", ".webp") else {}
    return _write(
        path,
        lambda part: picture.save(
            part, format=Image.registered_extensions()[path.suffix.lower()], **quality, **options
        ),
    )


def _write(path: Path, write: Callable[[Path], object]) -> Path:
    target = _end_of_link(path)
    make_folder(target.parent)
    part: Path | None = None
    try:
        # Shortened, because a name may be as long as the file system allows.
        handle, name = tempfile.mkstemp(prefix=f".{path.stem[:40]}-", suffix=path.suffix, dir=target.parent)
        os.close(handle)
        part = Path(name)
        write(part)
        # mkstemp makes private files; a result has the permissions of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        part.replace(target)
    except (OSError, ValueError) as error:
        raise OSError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)
    return path
