"""The cases of the benchmark of looks: pairs of pictures, and a clip."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..common import load_image, scaled_size
from ..edits.cases import path_of

LONGER_SIDE = 256
"""Maximum longer side of a picture, in pixels."""
FRAMES, NOISE = 12, 0.02
"""Frames of the clip, and the standard deviation of its sensor noise, for values from -1 to 1."""
CARD = (0.35, 0.6, 0.35, 0.4)
"""Card that comes into the clip: top, left, height and width in its last position, as fractions of the picture."""
ARRIVAL = 4
"""Number of the frame in which the card begins to come in; it has arrived half way through the rest."""


@dataclass(frozen=True)
class Pair:
    """A reference and a picture that gets its colours."""

    reference: str
    image: str
    tuned: bool = False
    """Whether the defaults of smoothing and edges were chosen with it."""

    @property
    def name(self) -> str:
        return f"{self.reference} on {self.image}"

    def load(self) -> tuple[Tensor, Tensor]:
        """Returns the reference and the picture, (1, 3, H, W) each in [-1, 1]."""
        return load_picture(self.reference), load_picture(self.image)


PAIRS = [
    Pair("starry_night", "pavilion", tuned=True),
    Pair("dahlia", "canyon", tuned=True),
    Pair("canyon", "pier", tuned=True),
    Pair("coffee", "cat", tuned=True),
    Pair("pavilion", "starry_night"),
    Pair("wood", "cat"),
    Pair("pier", "dahlia"),
    Pair("cat", "coffee"),
    Pair("satellite", "rocket"),
    Pair("tissue", "wood"),
    Pair("rocket", "satellite"),
    Pair("canyon", "tissue"),
]
CLIP = Pair("starry_night", "pavilion")
"""The reference of the clip, and the picture before which its card comes in."""


def load_picture(name: str) -> Tensor:
    """Returns one of the twelve pictures with at most `LONGER_SIDE` pixels, (1, 3, H, W) in [-1, 1]."""
    path = path_of(name)
    return load_image(path, scaled_size(path, LONGER_SIDE, max))


def clip(image: Tensor) -> tuple[Tensor, Tensor]:
    """Returns frames of a static camera with sensor noise, before which a white card comes in from the right.

    Returns:
        The frames, (N, 3, H, W) in [-1, 1], and what the card never covers, bool, (1, 1, H, W).
    """
    generator = torch.Generator().manual_seed(0)
    height, width = image.shape[2:]
    top, left, rows, columns = (round(part * side) for part, side in zip(CARD, (height, width) * 2, strict=True))
    still = torch.ones(1, 1, height, width, dtype=torch.bool)
    frames = []
    for number in range(FRAMES):
        frame = image.clone()
        arrived = min(max((number - ARRIVAL + 1) / ((FRAMES - ARRIVAL) // 2), 0.0), 1.0)
        begin = width - round(arrived * (width - left))
        frame[:, :, top : top + rows, begin : begin + columns] = 1.0
        still[:, :, top : top + rows, begin : begin + columns] = False
        frames.append(frame + NOISE * torch.randn(frame.shape, generator=generator))
    return torch.cat(frames).clamp(-1, 1), still
