"""The work of the commands of matches: `gpdm match-look` and so on."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..looks import MATCHES, Lut, prepare_match, run_match
from ..looks.cube import decode_cube, encode_cube
from ..references import Reference
from .batches import Results, read_batch
from .commands import MatchCommand
from .files import save_bytes
from .flags import given_options
from .host import StepBar, parse_device
from .inputs import naming_files
from .match_flags import given_files, is_lut
from .memory import free_memory
from .pictures import read_mask
from .reading import read_bytes
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
    references = _references(options, files["reference"], device)
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
    if matched.lut is not None and options.lut is not None:
        saved.append(save_bytes(encode_cube(matched.lut), options.lut))
    return {"saved": [str(path) for path in saved], "device": str(device), "seconds": round(seconds, 3), **seeds}


def _references(options: argparse.Namespace, paths: Sequence[Path], device: torch.device) -> list[Reference] | Lut:
    """Returns the references that the command line names, or the LUT in their place."""
    if is_lut(options):
        return decode_cube(read_bytes(paths[0], free_memory()), str(paths[0]))
    return [read_reference(path, device)[0] for path in paths]
