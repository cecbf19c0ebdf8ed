"""The work of the commands of edits: `gpdm inpaint`, `gpdm outpaint` and so on."""

from __future__ import annotations

import argparse
import logging
import time
from typing import Any

from ..edits import EDITS, Edits, run_edit
from .batches import Results, numbered
from .commands import EditCommand
from .edit_inputs import read_edit_inputs
from .files import save_image
from .flags import given_options
from .host import StepBar, parse_device
from .inputs import naming_files
from .targets import check_target


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
        results = Results.checked(options.out, count, inputs.image.shape[1], inputs.batch, options.bits)
        mask_targets = numbered(options.mask_out, count)
        preview_targets = numbered(getattr(options, "preview_out", None), count)
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
            **(given := given_options(options, command.options)),
        )
        seconds = time.perf_counter() - start
    saved = results.save(result.images)
    if mask_targets:
        # Maps of one material share a mask.
        masks = (result.masks * 2 - 1).repeat_interleave(len(result.images) // len(result.masks), 0).split(1)
        saved += [save_image(mask, target) for mask, target in zip(masks, mask_targets, strict=True)]
    if edit.preview is not None and preview_targets:
        previews = edit.preview.show(result.images, edit.options(**given)).split(1)
        saved += [save_image(image, target) for image, target in zip(previews, preview_targets, strict=True)]
    return {"saved": [str(path) for path in saved], "device": str(device), **_summary(result, options.seed, seconds)}


def _summary(result: Edits, seed: int, seconds: float) -> dict[str, Any]:
    """Returns the report of an edit; `changed` is the fraction of each output that may differ from the picture."""
    return {
        "seed": seed,
        "seconds": round(seconds, 3),
        "changed": [round(fraction, 6) for fraction in result.masks.mean((1, 2, 3)).tolist()],
        "metrics": [{name: round(value, 4) for name, value in each.items()} for each in result.metrics],
    }
