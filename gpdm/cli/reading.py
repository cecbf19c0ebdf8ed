"""Reading files whole, with one clear line for a file that cannot be read."""

from __future__ import annotations

import stat
from pathlib import Path

from ..errors import ImageError


def check_file(path: Path) -> int:
    """Returns the bytes that a picture file has.

    Raises:
        ImageError: There is no such file, it is empty, or it is a folder, a pipe or a device.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(f"{path} is a folder; give the name of a picture file")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{path} is a pipe or a device; save the picture to a file first")
    except FileNotFoundError:
        raise ImageError(f"there is no file {path}; check the path") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}; check the path") from None
    if not status.st_size:
        raise ImageError(f"{path} is empty; save the picture again")
    return status.st_size


def read_bytes(path: Path, memory: int | None) -> bytes:
    """Returns the content of a picture file.

    Arguments:
        path: The file.
        memory: Bytes of memory that reading may take; None: no limit.

    Raises:
        ImageError: As in `check_file`, or it may not be read or does not fit in the memory.
    """
    size = check_file(path)
    if memory is not None and size > memory:
        raise ImageError(f"{path} has {size / 2**20:.0f} MiB, which do not fit in the memory")
    try:
        return path.read_bytes()
    except MemoryError:
        raise ImageError(f"{path} does not fit in the memory; make it smaller") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}; check the path") from None
