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

PROCESS_BYTES = 300 * 2**20
"""Bytes of a process that has loaded PyTorch and made a step on a CPU."""

CPU_WORKING_BYTES = 3 * 2**27
"""Bytes for one step on a CPU when no limit is set; more is not faster."""


@dataclass(frozen=True)
class LevelMemory:
    """The memory of one level, in bytes."""

    images: int
    """References, outputs, the optimizer's state of each output, and what else is in memory."""
    minimum: int
    """Minimum that one step needs in addition."""
    full_speed: int
    """Amount that one step uses in addition at full speed."""
    working: int
    """Amount that one step may use: from `minimum` to `full_speed`."""


def plan(
    level_bytes: LevelBytes,
    levels: Sequence[Level],
    channels: int,
    outputs: int,
    limit: int | None,
    other_bytes: Callable[[Level], int] = lambda level: 0,
) -> tuple[LevelMemory, ...]:
    """Returns the memory of every level.

    Arguments:
        level_bytes: Bytes that one step of the optimizer needs.
        levels: The levels, coarse to fine.
        channels: Channels of the images.
        outputs: Number of outputs, which are all in memory at once.
        limit: Bytes that may be in use at once. None: no limit for images, and `CPU_WORKING_BYTES` for a step.
        other_bytes: Bytes in memory at a level besides images and steps, such as masks.

    Raises:
        OptionError: A level does not fit; the message names a size that would.
    """

    def image_bytes(level: Level, outputs: int) -> int:
        return picture_bytes(level.pixels, level.reference_pixels, channels, outputs) + other_bytes(level)

    def needed_bytes(level: Level, outputs: int) -> int:
        return image_bytes(level, outputs) + level_bytes(level)[0]

    plans = []
    for level in levels:
        images, (minimum, full_speed) = image_bytes(level, outputs), level_bytes(level)
        available = max(minimum, CPU_WORKING_BYTES) if limit is None else limit - images
        plans.append(LevelMemory(images, minimum, full_speed, min(full_speed, available)))
    if limit is not None and any(level.working < level.minimum for level in plans):
        needed = max(needed_bytes(level, outputs) for level in levels)
        pictures = "1 picture" if outputs == 1 else f"{outputs} pictures"
        raise OptionError.saying(
            f"{pictures} of {levels[-1].size[1]}x{levels[-1].size[0]} need{'s' if outputs == 1 else ''} "
            f"{math.ceil(needed / 2**20)} MiB and {limit / 2**20:.0f} MiB may be used; "
            f"{_advice(needed_bytes, levels[-1], outputs, limit)}"
        )
    return tuple(plans)


def picture_bytes(output_pixels: int, reference_pixels: int, channels: int, outputs: int) -> int:
    """Returns the bytes of a level's images, without those of a step.

    All are float32. Per output: the image and two moments. For the output of the current step: its gradient, and both
    with padding. Per reference: two copies, one of them in channels-last layout.
    """
    return 4 * channels * (output_pixels * (3 * outputs + 3) + 2 * reference_pixels)


def _advice(needed: Callable[[Level, int], int], level: Level, outputs: int, limit: int) -> str:
    """Returns advice as text: fewer outputs, or the largest size that fits, in steps of 1 % of the planned size.

    `needed` gives the bytes that a level and a number of outputs need at least.
    """

    def fits(outputs: int, scale: float) -> bool:
        references = tuple(scaled(size, scale) for size in level.reference_sizes)
        smaller = Level(level.index, level.scale * scale, scaled(level.size, scale), references)
        return needed(smaller, outputs) <= limit

    if outputs > 1 and fits(1, 1.0):
        return "raise memory, or make fewer pictures at once"
    scales = [percent / 100 for percent in range(99, 0, -1)]
    scale = next((scale for scale in scales if fits(outputs, scale)), None)
    if scale is None:
        return "raise memory, since no size fits"
    height, width = scaled(level.size, scale)
    return f"raise memory, or use {width}x{height} or less"


def device_limit(device: torch.device) -> int | None:
    """Returns four fifths of the free memory of a GPU, in bytes; None for other devices."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by PyTorch, unused
    return (free + cached) * 4 // 5
