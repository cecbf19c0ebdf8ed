"""The names of animations: which formats there are, and which files a name stands for. Needs no torch."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import GPDMError
from .targets import check_folder, end_of_link

ANIMATED = (".webp", ".gif", ".png", ".apng")
NUMBER = re.compile(r"%0?\d?d")
"""The place of the number in a name such as frame_%03d.png."""


def is_numbered(path: Path) -> bool:
    """Returns whether a name stands for one PNG file per frame: it has a place for the number, or names a folder."""
    return bool(NUMBER.search(path.name)) or not path.suffix


def check_animation(path: Path) -> None:
    """Raises `GPDMError` if no animation could be written to `path`. Called before the work; leaves nothing behind."""
    if is_numbered(path):
        if path.suffix and path.suffix.lower() != ".png":
            raise GPDMError(f"cannot write {path}: numbered frames are PNG files; end the name in .png")
        if len(NUMBER.findall(path.name)) > 1:
            raise GPDMError(f"cannot write {path}: it has more than one place for a number; leave one")
        check_folder(path.parent if path.suffix else path)
        return
    if path.suffix.lower() not in ANIMATED:
        raise GPDMError(
            f"cannot write {path}: an animation is one of {', '.join(ANIMATED)}; for numbered frames, from which a video "
            "can be made, give a folder or a name such as frame_%03d.png"
        )
    if path.is_dir():
        raise GPDMError(f"cannot write {path}: it is a folder; give the name of a file")
    check_folder(end_of_link(path).parent)


def frame_files(path: Path, count: int) -> list[Path]:
    """Returns the file of each frame for a numbered name or a folder, with numbers from 1."""
    if not path.suffix:
        digits = max(len(str(count)), 3)
        return [path / f"{number:0{digits}d}.png" for number in range(1, count + 1)]
    return [
        path.with_name(NUMBER.sub(lambda place, number=number: place.group() % number, path.name))
        for number in range(1, count + 1)
    ]
