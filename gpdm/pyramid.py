"""The pyramid: the sizes of all levels, computed from options and image sizes without tensors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import OptionError
from .images import Size, scaled
from .options import Options, option

FINE_SIDE = 64
"""Shorter side of the reference, in pixels, from which levels are spaced by `fine_factor`."""


@dataclass(frozen=True)
class Level:
    """One pyramid level. References and output have the same scale, whatever their orientation."""

    index: int
    """Index from coarse to fine; 0 is the coarsest level."""
    scale: float
    """Size relative to the finest level, where it is 1."""
    size: Size
    """Height and width of the output at this level, in pixels."""
    reference_sizes: tuple[Size, ...]
    """Height and width of every reference at this level, in pixels."""

    @property
    def pixels(self) -> int:
        """Number of pixels of one output."""
        return math.prod(self.size)

    @property
    def reference_pixels(self) -> int:
        """Number of pixels of all references together."""
        return sum(math.prod(size) for size in self.reference_sizes)


@dataclass(frozen=True, kw_only=True)
class PyramidSchedule(Options):
    """The sizes of the levels, from coarse to fine."""

    coarse_dim: int = option(
        21,
        "Shorter side of the smallest reference at the coarsest level, in pixels. From noise, higher gives newer "
        "layouts and values near patch_size nearly a copy; from a picture or the stretched reference, higher "
        "keeps more of it.",
        ge=1,
        le=4096,
    )
    pyr_factor: float = option(
        0.8,
        "Side length of a level relative to the next finer one, while the shorter side of the reference is below "
        "64 px. Higher (0.85 in the paper) makes more levels and is slower; far below the default, shapes "
        "dissolve.",
        ge=0.1,
        le=0.99,
        step=0.01,
        advanced=True,
    )
    fine_factor: float = option(
        0.6,
        "Like pyr_factor, for levels where the shorter side of the reference is 64 px or more; the layout is "
        "fixed there, so levels can be further apart. Higher is slower; set it equal to pyr_factor to space all "
        "levels evenly, as in the paper.",
        ge=0.1,
        le=0.99,
        step=0.01,
        advanced=True,
    )
    stop_after: int = option(
        0,
        "Number of levels after which the run stops, counted from the coarsest. The small output can be painted on and "
        "continued (GPDM Resume); 0 runs all levels.",
        ge=0,
        le=1000,
        advanced=True,
    )

    def levels(self, reference_sizes: Sequence[Size], size: Size, patch_size: int = 1) -> tuple[Level, ...]:
        """Returns the levels from coarse to fine.

        The coarsest has exactly `coarse_dim` pixels on the shorter side of the smallest reference. It is larger if the
        shorter side of the output, a banner for example, would have less than `patch_size` pixels there and
        `coarse_dim` is no smaller than a patch. If reference or output are no larger, there is one level, at full size.

        Deviation: the reference implementation rounds down level by level and ends below `coarse_dim` (188 px with
        `coarse_dim` 21 end at 19), and it scales references by their shorter side but outputs by their height.
        """
        smallest = min(min(reference) for reference in reference_sizes)
        holds_patch = patch_size / min(size) if self.coarse_dim >= patch_size else 0.0
        coarsest = min(max(self.coarse_dim / smallest, holds_patch), 1.0)
        fine = min(max(FINE_SIDE / smallest, coarsest), 1.0) if self.fine_factor != self.pyr_factor else 1.0
        scales = [*_spaced(coarsest, fine, self.pyr_factor), *_spaced(fine, 1.0, self.fine_factor), 1.0]
        return tuple(
            Level(i, scale, scaled(size, scale), tuple(scaled(reference, scale) for reference in reference_sizes))
            for i, scale in enumerate(scales)
        )


def at_scales(levels: Sequence[Level], scales: Sequence[float]) -> tuple[Level, ...]:
    """Returns the levels, each but the finest moved to the nearest of some scales, for references known only there."""
    size, full = levels[-1].size, levels[-1].reference_sizes
    nearest = {min(scales, key=lambda scale: abs(math.log(scale / level.scale))) for level in levels[:-1]}
    moved = [*sorted(scale for scale in nearest if scale < 0.95), 1.0]
    return tuple(
        Level(i, scale, scaled(size, scale), tuple(scaled(reference, scale) for reference in full))
        for i, scale in enumerate(moved)
    )


def _spaced(low: float, high: float, factor: float) -> list[float]:
    """Returns scales from `low` to `high`, without `high`, at a constant ratio between `factor` and 1."""
    # The epsilon prevents an additional level by rounding when the ratio is an exact power of the factor.
    steps = math.ceil(math.log(low / high) / math.log(factor) - 1e-9)
    return [low * (high / low) ** (i / steps) for i in range(steps)]


def grid_offsets(levels: int) -> list[tuple[float, float]]:
    """Returns the grid offsets of the level before and of the level itself, for each of a number of levels.

    They apply along axes that wrap, in pixels of their level. They differ from level to level, so that no position, the
    border in particular, has the same alignment to the pixels of all levels. The finest level has offset 0.
    """
    golden = (math.sqrt(5) - 1) / 2
    offsets = [(index * golden) % 1 - 0.5 for index in range(1, levels)] + [0.0]
    return [(offsets[max(index - 1, 0)], offsets[index]) for index in range(levels)]


def check_level(level: Level, patch_size: int) -> None:
    """Raises `OptionError` if the output or a reference of the level is smaller than a patch."""
    smallest = min(min(size) for size in (level.size, *level.reference_sizes))
    if smallest >= patch_size:
        return
    needed = max(round(smallest / level.scale), 1)
    hint = f"use patch_size {smallest} or less, or " + (
        f"a coarse_dim of at least {-(-patch_size * min(map(min, level.reference_sizes)) // smallest)}"
        if needed >= patch_size
        else "a larger output"
        if min(level.size) == smallest < min(map(min, level.reference_sizes))
        else "a larger picture or height"
    )
    sizes = f"output {level.size[1]}x{level.size[0]}, " + ", ".join(
        f"reference {width}x{height}" for height, width in level.reference_sizes
    )
    raise OptionError.saying(
        f"a patch of {patch_size}x{patch_size} does not fit pyramid level {level.index} ({sizes}); {hint}"
    )
