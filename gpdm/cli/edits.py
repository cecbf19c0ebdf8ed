"""The work of the commands of edits: `gpdm inpaint`, `gpdm outpaint` and so on."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..edits import EDITS, Edits, run_edit
from .commands import EditCommand
from .edit_inputs import EditInputs, read_edit_inputs
from .files import save_image
from .flags import given_options
from .host import StepBar, parse_device
from .inputs import naming_files
from .targets import OPAQUE, check_target, indexed


def run_edit_command(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the edit that the command line names, writes its pictures, and returns a report.

    Arguments:
        options: The command line, which `check_flags` has checked.

    Raises:
        GPDMError: A flag or a picture cannot be used; nothing has been computed or written then.
    """
    command: EditCommand = options.edit
    edit = EDITS[command.edit]
    device = parse_device(options.device)
    inputs = read_edit_inputs(options, device)
    with naming_files(inputs.files), StepBar(command.name) as bar:
        count = inputs.count(given_options(options, (command.num_outputs,)).get("num_outputs", 1))
        targets, mask_targets = _names(options.out, count), _names(options.mask_out, count)
        preview_targets = _names(getattr(options, "preview_out", None), count)
        bits = _checked_bits(targets[0], options.bits, inputs)
        for target in mask_targets[:1]:
            check_target(target, 1)
        for target in preview_targets[:1]:
            check_target(target, inputs.image.shape[1])
        if inputs.note:
            logging.getLogger("gpdm").warning("%s", inputs.note)
        start = time.perf_counter()
        result = run_edit(
            edit,
            inputs.image,
            inputs.mask,
            references=inputs.references or None,
            exclude=inputs.exclude,
            seed=options.seed,
            num_outputs=count if len(inputs.image) == 1 else 1,
            on_step=lambda done, _: bar.show(done),
            **given_options(options, command.options),
        )
        seconds = time.perf_counter() - start
    images = _with_alpha(result.images) if _gets_alpha(options.out, inputs) else result.images
    saved = [save_image(image, target, bits) for image, target in zip(images.split(1), targets, strict=True)]
    if mask_targets:
        # Maps of one material share a mask.
        masks = (result.masks * 2 - 1).repeat_interleave(len(images) // len(result.masks), 0).split(1)
        saved += [save_image(mask, target) for mask, target in zip(masks, mask_targets, strict=True)]
    if edit.preview is not None and preview_targets:
        previews = edit.preview.show(result.images).split(1)
        saved += [save_image(image, target) for image, target in zip(previews, preview_targets, strict=True)]
    return {"saved": [str(path) for path in saved], "device": str(device), **_summary(result, options.seed, seconds)}


def _names(path: Path | None, count: int) -> list[Path]:
    return [] if path is None else [indexed(path, i, count) for i in range(count)]


def _checked_bits(target: Path, asked: int | None, inputs: EditInputs) -> int:
    """Returns the bits per channel of the file to write, and says if they are fewer than those of the picture.

    Arguments:
        target: The file.
        asked: The bits that the command line asks for; None: it does not.
        inputs: The picture.

    Raises:
        GPDMError: The file cannot hold so many bits or the channels of the output, or cannot be written.
    """
    bits = asked or (inputs.bits if target.suffix.lower() == ".png" else 8)
    check_target(target, inputs.image.shape[1] + _gets_alpha(target, inputs), bits)
    if bits < inputs.bits and asked is None:
        logging.getLogger("gpdm").warning(
            "%s is written with 8 bits per channel and the picture has 16; a .png file keeps them", target
        )
    return bits


def _gets_alpha(path: Path, inputs: EditInputs) -> bool:
    """Returns whether the file to write gets an opaque alpha channel, as the picture has."""
    return inputs.is_opaque and path.suffix.lower() not in OPAQUE


def _with_alpha(images: Tensor) -> Tensor:
    return torch.cat([images, torch.ones_like(images[:, :1])], 1)


def _summary(result: Edits, seed: int, seconds: float) -> dict[str, Any]:
    """Returns the report of an edit; `changed` is the fraction of each output that may differ from the picture."""
    return {
        "seed": seed,
        "seconds": round(seconds, 3),
        "changed": [round(fraction, 6) for fraction in result.masks.mean((1, 2, 3)).tolist()],
        "metrics": [{name: round(value, 4) for name, value in each.items()} for each in result.metrics],
    }
