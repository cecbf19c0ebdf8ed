"""The pictures and masks that the command line of an edit names."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..edits.difference import pasted_part
from ..errors import GPDMError, ImageError
from ..pictures.forms import Form, check_picture, check_visible, differ, has_alpha, kinds_of, split_alpha
from ..references import Reference, masked_reference
from .batches import Batch, read_batch
from .edit_flags import given_files
from .inputs import naming_files
from .pictures import read_mask, read_picture


@dataclass(frozen=True)
class EditInputs:
    """The pictures and masks of one edit, on its device."""

    batch: Batch
    """The picture as the files have it."""
    image: Tensor
    """The picture, (B, C, h, w), without an opaque alpha channel; each frame of an animation makes one output."""
    mask: Tensor | None
    """Mask, (1, 1, h, w), or (B, 1, h, w) if it is found from the picture before a change; None for an edit without
    one."""
    references: list[Reference]
    """Other pictures whose patches are used, with the channels of the picture; frames of an animation are a batch."""
    exclude: Tensor | None
    """Mask of the part of the picture whose patches are not used, (1, 1, h, w)."""
    note: str | None
    """A line that says how the pictures differ in channels and what is done about it; None if they do not."""
    files: Mapping[str, Sequence[Path]]
    """The files by the name of the argument or flag."""

    def count(self, num_outputs: int) -> int:
        """Returns the number of outputs: `num_outputs`, or one for each frame of an animation.

        Raises:
            GPDMError: There are several frames, and `num_outputs` is neither 1 nor their number.
        """
        frames = len(self.image)
        if frames > 1 and num_outputs not in (1, frames):
            raise GPDMError(
                f"there are {frames} pictures or frames, each of which makes one output; leave out --num-outputs"
            )
        return max(frames, num_outputs)


def read_edit_inputs(options: argparse.Namespace, device: torch.device) -> EditInputs:
    """Reads the files that the command line of an edit names.

    Raises:
        GPDMError: A file cannot be used. The message names the file.
    """
    files = given_files(options)
    batch, path = read_batch(files["image"], device), files["image"][0]
    if any(mask.samefile(path) for mask in files.get("mask", ())):
        batch = replace(batch, named=[(str(path), _without_own_mask(batch.named[0][1], path))])
    others = [(str(other), _picture(other, device)) for other in files.get("reference", ())]
    originals = [(str(other), _picture(other, device)) for other in files.get("original", ())]
    named = [*batch.named, *originals, *others]
    for name, each in named:
        check_visible(each, name)
    form = Form.of([image for _, image in batch.named])
    return EditInputs(
        batch=batch,
        image=batch.joined(),
        mask=_pasted(batch.named[0][1], originals[0][1], files) if originals else _mask(files.get("mask", ()), device),
        references=[_in_form(name, other, form) for name, other in others],
        exclude=_mask(files.get("source-mask", ()), device),
        note=f"{kinds_of(named)}; all are used as {form.kind}" if differ(named) else None,
        files=files,
    )


def _picture(path: Path, device: torch.device) -> Tensor:
    return check_picture(read_picture(path).images.to(device), str(path))


def _mask(paths: Sequence[Path], device: torch.device) -> Tensor | None:
    return read_mask(paths[0]).to(device) if paths else None


def _pasted(image: Tensor, original: Tensor, files: Mapping[str, Sequence[Path]]) -> Tensor:
    """Returns the mask of what differs between a picture and its original, with the files in the messages."""
    with naming_files({name: files[name] for name in ("image", "original")}):
        return pasted_part(image, original)


def _without_own_mask(image: Tensor, path: Path) -> Tensor:
    """Returns the colours of a picture whose transparency is the mask, as the mask editor saves it."""
    if not has_alpha(image):
        raise ImageError(
            f"{path} is both picture and mask, and nothing in it is transparent; give another file as the mask"
        )
    return split_alpha(image)[0]


def _in_form(name: str, image: Tensor, form: Form) -> Reference:
    """Returns a reference with the channels of a form. Without alpha in it, transparent pixels are left out."""
    _, alpha = split_alpha(image)
    entered = form.leave(form.enter(image))
    try:
        return masked_reference(entered, None if form.alpha or alpha is None else (1 - alpha) / 2)
    except ImageError:
        raise ImageError(
            f"{name} has no pixel that is at least half opaque; give a picture with visible pixels"
        ) from None
