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

from ..pictures.deep import encode_png
from ..pictures.pil import to_integers, to_pil
from .targets import end_of_link, make_folder


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
    target = end_of_link(path)
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
