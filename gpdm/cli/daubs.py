"""The work of `gpdm daub`."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..tasks import daub
from .batches import Results, numbered, read_batch
from .files import save_image
from .flags import given_options
from .host import parse_device
from .inputs import naming_files
from .targets import check_target


def run_daub_command(options: argparse.Namespace) -> dict[str, Any]:
    """Writes the daub of a picture, and its palette if that is asked for, and returns a report.

    Arguments:
        options: The command line, which `check_flags` has checked.

    Raises:
        GPDMError: The picture cannot be used, or a file not be written; nothing is written then.
    """
    device, started = parse_device(options.device), time.perf_counter()
    batch = read_batch([options.image], device)
    with naming_files({"picture": [options.image]}):
        images = batch.joined()
        results = Results.checked(options.out, len(images), images.shape[1], batch, options.bits)
        targets = numbered(options.palette_out, len(images))
        for target in targets:
            check_target(target, 3)
        made = daub(images, **given_options(options, options.commands.daub))
    saved = results.save(made.images)
    saved += [save_image(each, path) for each, path in zip(made.palettes.split(1), targets, strict=False)]
    seconds = round(time.perf_counter() - started, 3)
    return {"saved": [str(path) for path in saved], "device": str(device), "seconds": seconds}
