"""The loss of GPDM as one flat set of options, those of the node GPDM SWD Loss."""

from __future__ import annotations

from dataclasses import dataclass

from ..borders import BORDER_HELP, BORDERS
from ..kernels.choose import BACKENDS
from ..options import Options, option
from ..patches.filters import KINDS, Filters
from ..patches.linear import PatchGrid
from ..transport.sorted import DISTANCES, SOLVERS
from .base import Term
from .coherence import Coherence
from .sliced import SlicedWasserstein

SMALL = 3
"""Side of the small patches, in pixels."""


@dataclass(frozen=True, kw_only=True)
class SWDLoss(Options):
    """Sliced Wasserstein distance between the patch distributions of references and output, plus coherence.

    A weighted sum of up to three terms: `SlicedWasserstein` over patches of `patch_size`, the same over 3x3 patches,
    and `Coherence`.

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1. docs/adr/0004 to 0006 describe the differences.
    """

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

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns the distance for each patch size, weighted by its fraction of the filters, and coherence."""
        small = round(self.small_patches * self.num_proj) if self.patch_size > SMALL else 0
        terms: list[tuple[float, Term]] = [
            (
                number / self.num_proj,
                SlicedWasserstein(
                    grid=PatchGrid(size, self.stride),
                    filters=Filters(self.projections, number, self.detail),
                    distance=self.distance,
                    solver=self.solver,
                    reuse=self.reuse,
                    backend=self.backend,
                ),
            )
            for number, size in ((self.num_proj - small, self.patch_size), (small, SMALL))
            if number
        ]
        if self.coherence:
            terms.append((self.coherence, Coherence(tolerance=self.coherence_tolerance, backend=self.backend)))
        return tuple(terms)
