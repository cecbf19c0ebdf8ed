"""Pictures and masks for the commands of edits, in a working folder, and the values of pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gpdm import Edit, to_pil
from library.problems import picture

CPU = ["--device", "cpu"]
EXACT = ["--grow", "0", *CPU]
"""Flags with which the mask is the hole."""
RANDOM = np.random.default_rng(0).integers(0, 65536, (36, 40, 4)).astype(np.uint16)
RANDOM[:9, :, 3] = 0
HOLE = np.zeros((36, 40), bool)
HOLE[14:22, 16:24] = True
"""The hole of hole.png."""
KINDS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Mode of a picture by its number of channels."""


def write_files() -> None:
    """Writes in.png and other.png, pictures of 40 x 36 pixels, and masks of this size."""
    for seed, name in enumerate(("in", "other")):
        to_pil(picture(36, 40, seed=seed)).save(f"{name}.png")
    Image.fromarray(HOLE).convert("L").save("hole.png")
    painted = Image.open("in.png").convert("RGBA")
    painted.putalpha(Image.fromarray(~HOLE).convert("L"))
    painted.save("painted.png")
    for colour in ("white", "black", "red"):
        Image.new("RGB", (40, 36), colour).save(f"{colour}.png")


def command(edit: Edit, out: str = "out.png") -> list[str]:
    """The arguments of an edit of in.png."""
    flags = ["--left", "6"] if edit.name == "outpaint" else []
    return [edit.command, "in.png", *(["hole.png"] if edit.mask_help else []), "-o", out, *flags, *CPU]


def values(name: str) -> np.ndarray:
    """The picture in a file as Pillow reads it, (H, W, C)."""
    with Image.open(name) as image:
        array = np.asarray(image)
    return array if array.ndim == 3 else array[..., None]


def random_values(channels: int) -> np.ndarray:
    """Noise of 16 bits (36, 40, C), whose first rows are transparent if it has an alpha channel."""
    return RANDOM[..., 2:] if channels == 2 else RANDOM[..., :channels]
