"""The memory plan of a synthesis, made before any work begins."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .errors import OptionError
from .images import scaled
from .pyramid import Level

LevelBytes = Callable[[Level], tuple[int, int]]
"""A function of a level: the bytes that one step needs besides the images, the minimum and the amount for full speed
(`LevelSolver.memory`)."""

CPU_WORKING_BYTES = 3 * 2**27
"""Bytes that a step may use on a CPU without a limit. More does not make it faster."""


@dataclass(frozen=True)
class LevelMemory:
    """The memory of one level, in bytes."""

    pictures: int
    """References, outputs, and the optimizer's state of each output."""
    least: int
    """Minimum that one step needs besides."""
    best: int
    """Amount that one step uses besides for full speed."""
    working: int
    """Amount that one step may use: from `least` to `best`."""


def plan(
    level_bytes: LevelBytes, levels: Sequence[Level], channels: int, outputs: int, limit: int | None
) -> tuple[LevelMemory, ...]:
    """Returns the memory of every level.

    Arguments:
        level_bytes: Needs of a step of the optimizer.
        levels: The levels, coarse to fine.
        channels: Channels of the images.
        outputs: Number of outputs, which are all in memory at once.
        limit: Bytes that may be in use at once. None: no limit for images, and `CPU_WORKING_BYTES` for a step.

    Raises:
        OptionError: A level does not fit; the message names a size that would.
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
    """Returns the bytes of a level's images, without the work of a step.

    All are float32. Per output: the image and two moments. For the output in work: its gradient, a scaled copy and a
    padded copy. Per reference: two copies, one of them in channels-last layout.
    """
    return 4 * channels * (output_pixels * (3 * outputs + 3) + 2 * reference_pixels)


def _advice(level_bytes: LevelBytes, level: Level, channels: int, outputs: int, limit: int) -> str:
    """Returns, as text, the largest size of the output that fits, relative to the planned one in steps of 1 %."""

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
    """Returns four fifths of the free memory of a GPU, in bytes; None for other devices."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # cached by PyTorch, unused
    return (free + held) * 4 // 5
