"""How much memory a synthesis takes, planned before it begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .errors import OptionError
from .images import scaled
from .pyramid import Level

LevelBytes = Callable[[Level], tuple[int, int]]
"""How many bytes a step takes at a level besides the images: at least, and at best speed (`LevelSolver.memory`)."""

CPU_WORKING_BYTES = 3 * 2**27
"""What a step may take on a CPU if no limit is given: more would not make it faster."""


@dataclass(frozen=True)
class LevelMemory:
    """What one level takes, in bytes."""

    pictures: int
    """References, outputs, and for each output what the optimiser remembers."""
    least: int
    """What a step needs besides."""
    best: int
    """What a step can use besides, to be as fast as it can."""
    working: int
    """What a step is given: between `least` and `best`."""


def plan(
    level_bytes: LevelBytes, levels: Sequence[Level], channels: int, outputs: int, limit: int | None
) -> tuple[LevelMemory, ...]:
    """What every level takes, and what its steps may use.

    Arguments:
        level_bytes: Of the optimizer.
        levels: The levels, coarse to fine.
        channels: Channels of the pictures.
        outputs: Pictures made at once.
        limit: Bytes that may be in use at once; None sets no limit to pictures, and `CPU_WORKING_BYTES` to a step.

    Raises:
        OptionError: A level does not fit; the message names the size that would.
    """
    plans = []
    for level in levels:
        pictures, (least, best) = _needs(level_bytes, level, channels, outputs)
        room = max(least, CPU_WORKING_BYTES) if limit is None else limit - pictures
        working = min(best, room)
        plans.append(LevelMemory(pictures, least, best, working))
    if limit is not None and any(level.working < level.least for level in plans):
        needed = max(level.pictures + level.least for level in plans)
        raise OptionError(
            "memory",
            f"{limit / 2**20:.0f} MiB",
            f"{outputs} picture(s) of {levels[-1].size[1]}x{levels[-1].size[0]} need at least {math.ceil(needed / 2**20)} MiB",
            _advice(level_bytes, levels[-1], channels, outputs, limit),
        )
    return tuple(plans)


def _needs(level_bytes: LevelBytes, level: Level, channels: int, outputs: int) -> tuple[int, tuple[int, int]]:
    return picture_bytes(level.pixels, level.reference_pixels, channels, outputs), level_bytes(level)


def picture_bytes(output_pixels: int, reference_pixels: int, channels: int, outputs: int) -> int:
    """What the pictures of a level take besides the work of a step, in bytes.

    In float32: of each output the image and two moments; while one is worked on its gradient, a scaled copy and a wrapped one;
    of the references two copies, one of them in the layout of convolutions.
    """
    return 4 * channels * (output_pixels * (3 * outputs + 3) + 2 * reference_pixels)


def _advice(level_bytes: LevelBytes, level: Level, channels: int, outputs: int, limit: int) -> str:
    """The largest share of the size that fits, in words."""

    def fits(outputs: int, share: float) -> bool:
        references = tuple(scaled(size, share) for size in level.reference_sizes)
        smaller = Level(level.index, level.scale * share, scaled(level.size, share), references)
        pictures, (least, _) = _needs(level_bytes, smaller, channels, outputs)
        return pictures + least <= limit

    if outputs > 1 and fits(1, 1.0):
        return "make fewer pictures at once"
    share = next((percent / 100 for percent in range(99, 0, -1) if fits(outputs, percent / 100)), None)
    if share is None:
        return "no size fits; give it more memory"
    height, width = scaled(level.size, share)
    return f"{width}x{height} would fit; make the picture smaller, or give it more memory"


def device_limit(device: torch.device) -> int | None:
    """Four fifths of what the device has free, in bytes; None on a CPU, whose memory the system shares out."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # ours already, and unused
    return (free + held) * 4 // 5
