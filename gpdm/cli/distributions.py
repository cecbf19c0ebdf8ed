"""The work of `gpdm distribution`."""

from __future__ import annotations

import argparse
import time
from typing import Any

from ..distributions.file import decode_distribution, encode_distribution
from ..distributions.stored import PatchDistribution
from ..losses.measure import DistributionOptions
from ..options import describe
from ..references import ReferenceOptions
from ..tasks import picture_distribution
from .files import save_bytes
from .flags import given_options
from .host import parse_device
from .inputs import by_reference, naming_files, read_map
from .memory import free_memory
from .reading import read_bytes
from .reference_files import read_reference


def run_distribution_command(options: argparse.Namespace) -> dict[str, Any]:
    """Does what `gpdm distribution` asks for, and returns a report.

    Arguments:
        options: The command line, which `check_flags` has checked.

    Raises:
        GPDMError: A file cannot be used; nothing is written then.
    """
    return _show(options) if options.action == "show" else _save(options)


def _save(options: argparse.Namespace) -> dict[str, Any]:
    device, started = parse_device(options.device), time.perf_counter()
    masks, weights = (by_reference(options, name, len(options.images)) for name in ("mask", "weight"))
    default = ReferenceOptions().weight
    with naming_files({"pictures": options.images}):
        references = [
            read_reference(path, device, read_map(mask, device), default if weight is None else weight)[0]
            for path, mask, weight in zip(options.images, masks, weights, strict=True)
        ]
        chosen = DistributionOptions(**given_options(options, describe(DistributionOptions)))
        names = [path.name for path in options.images] if options.names else []
        distribution = picture_distribution(references, chosen, names)
    save_bytes(encode_distribution(distribution), options.out)
    seconds = round(time.perf_counter() - started, 3)
    return {"saved": [str(options.out)], **_about(distribution), "device": str(device), "seconds": seconds}


def _show(options: argparse.Namespace) -> dict[str, Any]:
    distribution = decode_distribution(read_bytes(options.file, free_memory()), str(options.file))
    about = _about(distribution)
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in about.items() if value != []]
    return {"file": str(options.file), **about, "text": "\n".join(lines)}


def _about(distribution: PatchDistribution) -> dict[str, Any]:
    """Returns what a file holds, by name."""
    height, width = distribution.size
    return {
        "size": f"{width}x{height}",
        "channels": distribution.channels,
        "pixels": distribution.pixels,
        "patch_sizes": distribution.patch_sizes,
        "scales": [round(level.scale, 3) for level in distribution.levels],
        "names": list(distribution.names),
    }
