"""Pictures and JSON on disk. A file appears whole or not at all."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ..errors import GPDMError, ImageError
from ..pictures.pil import from_pil, to_pil

OPAQUE = {".jpg", ".jpeg", ".bmp"}
WRITABLE = {".png", ".webp", ".tif", ".tiff", *OPAQUE}


def open_picture(path: Path) -> Image.Image:
    """Returns the picture in a file, read into memory.

    Raises:
        ImageError: The file does not exist, or is not a readable picture.
    """
    try:
        # From memory, so that the frames of an animation can still be read later and no file stays open.
        picture = Image.open(io.BytesIO(path.read_bytes()))
        picture.load()
        return picture
    except FileNotFoundError:
        raise ImageError(f"there is no file {path}; check the path") from None
    except UnidentifiedImageError:
        raise ImageError(f"{path} is not a picture that Pillow can read; convert it to PNG") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be read as a picture: {error}; save it again as PNG") from None


def load_image(path: Path) -> Tensor:
    """Returns the picture in a file as a tensor (1, C, H, W) in [-1, 1]; see `from_pil`."""
    return _tensor(open_picture(path), path)


def _tensor(picture: Image.Image, path: Path) -> Tensor:
    """Returns a picture as a tensor; an error names its file."""
    try:
        return from_pil(picture)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def load_mask(path: Path) -> Tensor:
    """Returns a picture as a mask (1, 1, H, W) with values from 0 to 1.

    Transparent pixels are 1, as the mask editor of ComfyUI saves what is painted; in a picture without transparency,
    white ones are.
    """
    picture = open_picture(path)
    image = _tensor(picture, path)
    if image.shape[1] in (2, 4) and bool((image[:, -1:] < 1).any()):
        return (1 - image[:, -1:]) / 2
    return (from_pil(picture.convert("L")) + 1) / 2


def check_target(path: Path, channels: int) -> None:
    """Raises `GPDMError` if a picture of `channels` channels could not be written to `path`. Called before the work."""
    if path.suffix.lower() not in WRITABLE:
        raise GPDMError(f"cannot write {path}: its name must end in one of {', '.join(sorted(WRITABLE))}")
    if channels in (2, 4) and path.suffix.lower() in OPAQUE:
        raise GPDMError(f"cannot write {path}: {path.suffix} has no transparency and the reference has; use .png")
    if path.is_dir():
        raise GPDMError(f"cannot write {path}: it is a folder; give the name of a file")
    make_folder(path.parent)


def make_folder(folder: Path) -> Path:
    """Returns `folder`, which exists then and is writable.

    Raises:
        GPDMError: The folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        file = next((path for path in (folder, *folder.parents) if path.is_file()), folder)
        raise GPDMError(f"{file} is a file, not a folder; choose another with --out or -o") from None
    except OSError as error:
        raise GPDMError(f"cannot make the folder {folder}: {error.strerror}; choose another with --out or -o") from None
    if not os.access(folder, os.W_OK):
        raise GPDMError(f"cannot write into the folder {folder}; choose another with --out or -o")
    return folder


def indexed(path: Path, index: int, count: int) -> Path:
    """Returns `path` for a single picture, else with an index from 1 before the suffix (out_1.png, out_2.png ...)."""
    return path if count == 1 else path.with_name(f"{path.stem}_{index + 1:0{len(str(count))}d}{path.suffix}")


def save_image(image: Tensor, path: Path, **options: Any) -> Path:
    """Writes a tensor (1, C, H, W) in [-1, 1] as a picture; `options` go to Pillow."""
    return save_picture(to_pil(image), path, **options)


def save_picture(picture: Image.Image, path: Path, **options: Any) -> Path:
    """Writes a picture in the format that the suffix of `path` names."""
    quality = {"quality": 95} if path.suffix.lower() in (".jpg", ".jpeg", ".webp") else {}
    return _write(
        path,
        lambda part: picture.save(
            part, format=Image.registered_extensions()[path.suffix.lower()], **quality, **options
        ),
    )


def read_json(path: Path) -> Any:
    """Returns the content of a JSON file.

    Raises:
        GPDMError: The file does not exist or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GPDMError(f"there is no file {path}; check the path") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise GPDMError(f"{path} is not a JSON file: {error}") from None


def _write(path: Path, write: Callable[[Path], None]) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        # mkstemp makes private files; a result has the permissions of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
