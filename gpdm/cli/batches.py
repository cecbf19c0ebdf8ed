"""Pictures that are changed as they are: reading several of one size, and writing the results in their form."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import ImageError
from ..pictures.forms import Form, check_picture
from .files import save_image
from .pictures import read_picture
from .targets import OPAQUE, check_target, indexed


@dataclass(frozen=True)
class Batch:
    """The pictures of some files, on one device."""

    named: list[tuple[str, Tensor]]
    """The pictures of each file, (B, C, h, w), with its name; an opaque alpha channel is left out."""
    is_opaque: bool
    """Whether all files have an alpha channel that is opaque everywhere, which the outputs get."""
    bits: int
    """Bits per channel: 8, or 16 if a picture has 16."""

    def joined(self) -> Tensor:
        """Returns all pictures as one batch, (B, C, h, w), with all their channels if they differ in these.

        Raises:
            ImageError: They differ in size.
        """
        name, first = self.named[0]
        for other, image in self.named[1:]:
            if image.shape[2:] != first.shape[2:]:
                sizes = [f"{x.shape[3]}x{x.shape[2]}" for x in (first, image)]
                raise ImageError(
                    f"{name} is {sizes[0]} and {other} is {sizes[1]}; give pictures of one size, or run the command for each"
                )
        images = [image for _, image in self.named]
        if all(image.shape[1] == first.shape[1] for image in images):
            return torch.cat(images)
        form = Form.of(images)
        return torch.cat([form.leave(form.enter(image)) for image in images])


def read_batch(paths: Sequence[Path], device: torch.device) -> Batch:
    """Returns the pictures of some files; each frame of an animation is one.

    Raises:
        ImageError: A file cannot be used. The message names it.
    """
    files = [(path, read_picture(path)) for path in paths]
    named = [(str(path), check_picture(file.images.to(device), str(path))) for path, file in files]
    is_opaque = all(x.shape[1] < file.frames.shape[1] for (_, x), (_, file) in zip(named, files, strict=True))
    return Batch(named, is_opaque, max(file.bits for _, file in files))


@dataclass(frozen=True)
class Results:
    """The files to which the changed pictures are written."""

    targets: list[Path]
    bits: int
    """Bits per channel of the files."""
    adds_alpha: bool
    """Whether the files get an opaque alpha channel, as the pictures have."""

    @classmethod
    def checked(cls, out: Path, count: int, channels: int, batch: Batch, asked: int | None) -> Results:
        """Returns the files to write, and says if they have fewer bits than the pictures.

        Arguments:
            out: The file that the command line names; several get numbered names.
            count: Number of results.
            channels: Channels of the results.
            batch: The pictures that were given.
            asked: The bits that the command line asks for; None: it does not.

        Raises:
            GPDMError: The file cannot hold so many bits or channels, or cannot be written.
        """
        targets = numbered(out, count)
        adds_alpha = batch.is_opaque and out.suffix.lower() not in OPAQUE
        bits = asked or (batch.bits if out.suffix.lower() == ".png" else 8)
        check_target(targets[0], channels + adds_alpha, bits)
        if bits < batch.bits and asked is None:
            logging.getLogger("gpdm").warning(
                "%s is written with 8 bits per channel and the picture has 16; a .png file keeps them", targets[0]
            )
        return cls(targets, bits, adds_alpha)

    def save(self, images: Tensor) -> list[Path]:
        """Writes pictures (N, C, H, W) in [-1, 1], and returns their files."""
        if self.adds_alpha:
            images = torch.cat([images, torch.ones_like(images[:, :1])], 1)
        return [
            save_image(image, target, self.bits) for image, target in zip(images.split(1), self.targets, strict=True)
        ]


def numbered(path: Path | None, count: int) -> list[Path]:
    """Returns the files of so many pictures (`indexed`); none if there is no file."""
    return [] if path is None else [indexed(path, i, count) for i in range(count)]
