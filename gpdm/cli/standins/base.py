"""The session in which stand-ins run, and their base class."""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ...errors import GPDMError
from ..files import make_folder, save_picture


@dataclass
class Session:
    """The folders of a run: where it finds pictures and where it writes results."""

    folders: tuple[Path, ...]
    """Searched in this order for pictures that are named without a folder."""
    out: Path
    metadata: dict[str, Any] = field(default_factory=dict)
    """Stored in every PNG, as ComfyUI does, so that it can be dragged into the editor."""
    saved: list[Path] = field(default_factory=list)

    def find(self, name: str) -> Path:
        """Returns the picture called `name`. ComfyUI may append "[input]" to it, which is ignored."""
        plain = name.removesuffix("[input]").strip().replace("\\", "/")  # saved on Windows, perhaps
        tried = [folder / plain for folder in self.folders]
        for path in tried:
            if path.is_file():
                return path
        if Path(plain).is_absolute():
            raise GPDMError(f"there is no picture {plain}; check the path after --image")
        raise GPDMError(
            f"there is no picture {plain!r} in {', '.join(str(f) for f in self.folders)}; give one with --image FILE"
        )

    def save(self, images: Tensor, prefix: str) -> None:
        """Writes a batch (B, H, W, C) in [0, 1] as PREFIX_00001_.png and so on, after the highest number there is."""
        if not prefix.strip() or "\0" in prefix:
            raise GPDMError(f"filename_prefix = {prefix!r} is not allowed: it must be the beginning of a file name")
        target = self.out / prefix
        if self.out.resolve() not in target.resolve().parents:
            raise GPDMError(f"filename_prefix = {prefix!r} is not allowed: it is outside the folder {self.out}")
        folder = make_folder(target.parent)
        taken = [p.stem[len(target.name) + 1 :].rstrip("_") for p in folder.glob(f"{glob.escape(target.name)}_*.png")]
        first = max((int(number) for number in taken if number.isdigit()), default=0) + 1
        info = PngInfo()
        for key, value in self.metadata.items():
            info.add_text(key, json.dumps(value))
        for number, image in enumerate(images, start=first):
            pixels = (image.float().clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
            picture = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
            self.saved.append(
                save_picture(picture, folder / f"{target.name}_{number:05d}_.png", pnginfo=info, compress_level=4)
            )


class StandIn:
    """Base of the stand-ins."""

    FUNCTION = "execute"
    OUTPUT_NODE = False

    def __init__(self, session: Session) -> None:
        self.session = session


def to_tensor(picture: Image.Image) -> Tensor:
    """Returns a picture as a tensor (1, H, W, C) in [0, 1]."""
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None]
