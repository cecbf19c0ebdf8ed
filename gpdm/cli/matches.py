"""The work of the commands of matches: `gpdm match-look` and so on."""

from __future__ import annotations

import argparse
import logging
import time
from typing import Any

from ..looks import MATCHES, prepare_match, run_match
from .batches import Results, read_batch
from .commands import MatchCommand
from .flags import given_options
from .host import StepBar, parse_device
from .inputs import naming_files
from .match_flags import given_files
from .pictures import read_mask
from .reference_files import read_reference


def run_match_command(options: argparse.Namespace) -> dict[str, Any]:
    """Runs the match that the command line names, writes its pictures, and returns a report.

    Arguments:
        options: The command line, which `check_flags` has checked.

    Raises:
        GPDMError: A flag or a picture cannot be used; nothing has been computed or written then.
    """
    command: MatchCommand = options.match
    device, files = parse_device(options.device), given_files(options)
    references = [read_reference(path, device)[0] for path in files["reference"]]
    batch = read_batch(files["image"], device)
    mask = None if options.mask is None else read_mask(options.mask).to(device)
    with naming_files(files), StepBar(command.name) as bar:
        prepared = prepare_match(references, batch.joined())
        results = Results.checked(options.out, len(prepared.images), prepared.given.shape[1], batch, options.bits)
        if prepared.note:
            logging.getLogger("gpdm").warning("%s", prepared.note)
        start = time.perf_counter()
        seeds = {"seed": options.seed} if command.is_random else {}
        matched = run_match(
            MATCHES[command.match],
            prepared,
            mask,
            on_step=lambda done, _: bar.show(done),
            **seeds,
            **given_options(options, command.options),
        )
        seconds = time.perf_counter() - start
        if matched.note:
            logging.getLogger("gpdm").warning("%s", matched.note)
    saved = results.save(matched.images)
    return {"saved": [str(path) for path in saved], "device": str(device), "seconds": round(seconds, 3), **seeds}
