"""Options of the sliced Wasserstein distance between patch distributions, and what they say of its filters."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator

from ..images import Size
from ..kernels.choose import BACKENDS
from ..options import Options, option
from ..patches.filters import KINDS, FilterBank, draw_filters
from ..patches.linear import BORDER_HELP, BORDERS
from ..transport.sorted import DISTANCES, SOLVERS

SMALL = 3
"""Side of the small patches, in pixels."""


@dataclass(frozen=True, kw_only=True)
class SWDOptions(Options):
    """What a sliced Wasserstein distance between patch distributions is made of."""

    patch_size: int = option(7, "Side of the square patches, in pixels.", ge=1, le=31)
    num_proj: int = option(
        64,
        "Random projections compared at each step. More are slower and follow the distribution closer.",
        ge=1,
        le=4096,
    )
    stride: int = option(
        1,
        "Distance between neighbouring patches, in pixels. Above 1 the patch grid is shifted at random at each step, so that no pixel is left out.",
        ge=1,
        le=31,
    )
    distance: str = option(
        "l2",
        "Ground distance between projected patches: l1 is the paper's, every patch pulls alike; l2, squared, pulls harder the farther there is to go, and arrives in fewer steps.",
        choices=DISTANCES,
    )
    projections: str = option(
        "factored",
        "independent draws each projection on its own, as the paper; orthonormal draws mutually orthogonal ones, which cover the patch space more evenly; "
        "factored draws each as uniformly as an independent one, but they share columns, which takes a third of the work.",
        choices=KINDS,
    )
    solver: str = option(
        "histogram",
        "histogram compares distribution functions on fine bins, without a sort, many times faster. exact sorts, as the paper.",
        choices=SOLVERS,
    )
    reuse: int = option(
        1,
        "Solver histogram: how many times a projection is used on average. The reference's side of it is computed once. 1 draws fresh ones at each step.",
        ge=1,
        le=64,
    )
    border: str = option(
        "free",
        BORDER_HELP,
        choices=BORDERS,
    )
    detail: float = option(
        0.5,
        "Share of the projections that are blind to colour, and so see structure, which others hardly do. 0 is the paper's.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    coherence: float = option(
        0.005,
        "How hard patches that are like none of the reference's are drawn toward the nearest one, at levels of 64 pixels and more. Takes away speckle and "
        "softness; much of it copies. 0 is the paper's, and faster.",
        ge=0.0,
        le=100.0,
        step=0.001,
    )
    coherence_tolerance: float = option(
        0.01,
        "Patches nearer than this to one of the reference's are left as they are: a mean squared difference, pixel values going from -1 to 1. More "
        "copies less and leaves more roughness.",
        ge=0.0,
        le=4.0,
        step=0.001,
    )

    small_patches: float = option(
        0.4,
        f"Share of the projections that look at patches of {SMALL}x{SMALL} pixels instead, if patch_size is larger. What lies near the border is in few large "
        "patches, and grows or shrinks unseen; small ones see it. 0 is the paper's.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )

    backend: str = option(
        "auto",
        "auto does the work with Triton on an NVIDIA GPU where that is installed, and with plain PyTorch elsewhere. triton stops with the reason if it cannot "
        "be used. torch never uses it. Both make the same kind of picture, not the same bits.",
        choices=BACKENDS,
    )

    def draw(
        self, number: int, channels: int, generator: Generator, sets: int = 1, device: torch.device | None = None
    ) -> FilterBank:
        """`number` filters of each of `sets` sets; those blind to colour come last."""
        detail = round(self.detail * number) if self.patch_size > 1 else 0  # a pixel has no structure
        return draw_filters(self.projections, number, channels, self.patch_size, generator, sets, detail, device)

    def shift(self, size: Size, generator: Generator) -> tuple[int, int]:
        """Where the patch grid begins: at random within one stride, so that strided patches cover every pixel in the long run."""
        room = [min(self.stride, side - self.patch_size + 1) for side in size]
        if max(room) == 1:
            return 0, 0
        return tuple(int(torch.randint(r, (1,), generator=generator)) for r in room)  # type: ignore[return-value]
