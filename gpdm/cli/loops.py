"""The work of the command `gpdm loop`."""

from __future__ import annotations

import argparse
import logging
import time
from typing import Any

from ..edits import LOOP, loop
from .animation_names import is_numbered
from .animations import save_animation
from .edit_inputs import read_edit_inputs
from .flags import given_options
from .host import StepBar, parse_device
from .inputs import naming_files


def run_loop_command(options: argparse.Namespace) -> dict[str, Any]:
    """Makes the loop that the command line names, writes its frames, and returns a report.

    Arguments:
        options: The command line, which `loop_flags.check_flags` has checked.

    Raises:
        GPDMError: A flag or a picture cannot be used; nothing has been computed or written then.
    """
    device = parse_device(options.device)
    inputs = read_edit_inputs(options, device)
    bits = inputs.batch.bits if is_numbered(options.out) else 8
    if bits < inputs.batch.bits:
        logging.getLogger("gpdm").warning(
            "%s is written with 8 bits per channel and the picture has 16; numbered .png files keep them", options.out
        )
    with naming_files(inputs.files), StepBar(LOOP.command) as bar:
        start = time.perf_counter()
        result = loop(
            inputs.image,
            inputs.mask,
            seed=options.seed,
            on_step=lambda done, _: bar.show(done),
            **given_options(options, options.loop.options),
        )
        seconds = time.perf_counter() - start
    saved = save_animation(result.images, options.out, options.fps, bits)
    return {
        "saved": [str(path) for path in saved],
        "device": str(device),
        "seed": options.seed,
        "seconds": round(seconds, 3),
        "frames": len(result.images),
        "fps": options.fps,
    }
