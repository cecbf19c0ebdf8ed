"""The session in which stand-ins run: where they find pictures, and what they write and say."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GPDMError
from .prefix import expand, first_free_number, value_text
from .targets import make_folder
from .workflow import Prompt

if TYPE_CHECKING:
    from torch import Tensor

    from .pictures import PictureFile

LONGEST_NAME = 220
"""Bytes of a name that leave room for the number and the ending, as file systems allow 255."""


@dataclass
class Session:
    """One run: the folders it reads from and writes to, what it runs, and what it made."""

    folders: tuple[Path, ...]
    """Searched in this order for pictures that are named without a folder."""
    out: Path
    metadata: dict[str, Any] = field(default_factory=dict)
    """Stored in every PNG, as ComfyUI does, so that it can be dragged into the editor."""
    prompt: Prompt = field(default_factory=Prompt)
    """Nodes of the file, for the values that a file name asks for."""
    display_names: Mapping[str, str] = field(default_factory=dict)
    """Names by type that the editor shows where a node has no title of its own."""
    started: datetime = field(default_factory=datetime.now)
    """Time that stands in file names, the same for all files of a run."""
    saved: list[Path] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    """What the nodes that show text say: title of the node and text."""
    _checked: dict[tuple[Path, bool], PictureFile] = field(default_factory=dict)
    """Pictures that a check has read and no node has used yet."""

    def find(self, name: str) -> Path:
        """Returns the file called `name`, which may end in a folder of ComfyUI: "[input]", "[output]", "[temp]"."""
        plain = name.strip().replace("\\", "/")  # saved on Windows, perhaps
        folders = self.folders
        for mark, first in (("[input]", ()), ("[output]", (self.out,)), ("[temp]", (self.out,))):
            if plain.endswith(mark):
                plain, folders = plain.removesuffix(mark).strip(), (*first, *self.folders)
        for path in (folder / plain for folder in folders):
            if path.is_file():
                return path
        if Path(plain).is_absolute():
            raise GPDMError(f"there is no file {plain}; check the path after --image")
        raise GPDMError(
            f"there is no file {plain!r} in {', '.join(map(str, folders))}; give a picture with --image FILE"
        )

    def read(self, name: str, profiles: bool = True) -> PictureFile:
        """Returns the content of the picture called `name`; `profiles` is as in `read_picture`.

        What `check` has read is handed out once, and not kept.
        """
        path = self.find(name)
        from .pictures import read_picture

        return self._checked.pop((path, profiles), None) or read_picture(path, profiles=profiles)

    def check(self, name: str, profiles: bool = True) -> None:
        """Raises `GPDMError` if the picture called `name` cannot be read."""
        self._checked[self.find(name), profiles] = self.read(name, profiles)

    def target(self, prefix: str, size: tuple[int, int] = (0, 0)) -> Path:
        """Returns the path that the names of pictures (width, height) begin with, under the folder of results.

        Raises:
            GPDMError: The prefix is empty, too long, or leads out of that folder.
        """
        where = f"filename_prefix = {prefix!r:.80} is not allowed"
        if not prefix.strip() or "\0" in prefix:
            raise GPDMError(f"{where}: it must be the beginning of a file name")
        value = partial(value_text, self.prompt, self.display_names)
        target = self.out / expand(prefix, value, self.started, size)
        if max(len(part.encode("utf-8", "replace")) for part in target.parts) > LONGEST_NAME:
            raise GPDMError(f"{where}: each name in it must have at most {LONGEST_NAME} bytes; make it shorter")
        if self.out.resolve() not in target.resolve().parents:
            raise GPDMError(f"{where}: it is outside the folder {self.out}")
        return target

    def save(self, images: Tensor, prefix: str, ending: str = "_.png", bits: int = 8) -> None:
        """Writes a batch (B, H, W, C) in [0, 1] as PREFIX_00001_.png and so on, after the highest number there is."""
        from .standins.png import write_png

        if images.shape[3] > 4:
            raise GPDMError(f"a picture with {images.shape[3]} channels cannot be saved; it must have 1 to 4")
        target = self.target(prefix, (images.shape[2], images.shape[1]))
        folder = make_folder(target.parent)
        texts = {key: json.dumps(_without_nan(value), allow_nan=False) for key, value in self.metadata.items()}
        first = first_free_number(folder, target.name)
        for index, image in enumerate(images):
            name = target.name.replace("%batch_num%", str(index))
            self.saved.append(write_png(image, folder / f"{name}_{first + index:05d}{ending}", texts, bits))

    def save_file(self, data: bytes, prefix: str, suffix: str) -> Path:
        """Writes a file as PREFIX_00001_SUFFIX and so on, after the highest number there is, and returns its path."""
        from .files import save_bytes

        target = self.target(prefix)
        number = first_free_number(make_folder(target.parent), target.name)
        self.saved.append(save_bytes(data, target.with_name(f"{target.name}_{number:05d}_{suffix}")))
        return self.saved[-1]


def _without_nan(value: Any) -> Any:
    """Returns JSON data with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
