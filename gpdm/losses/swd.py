"""The loss of GPDM as one flat set of options, those of the node GPDM SWD Loss."""

from __future__ import annotations

from dataclasses import dataclass

from ..borders import BORDER_HELP, BORDERS
from ..kernels.choose import BACKENDS
from ..options import Options, option
from ..patches.filters import FILTER_KINDS, Filters
from ..patches.linear import PatchGrid
from ..transport.sorted import DISTANCES, SOLVERS
from .base import Term
from .coherence import Coherence
from .sliced import SlicedWasserstein

SMALL_PATCH_SIZE = 3
"""Side of the small patches, in pixels."""


@dataclass(frozen=True, kw_only=True)
class SWDLoss(Options):
    """Sliced Wasserstein distance between the patch distributions of references and output, plus coherence.

    A weighted sum of up to three terms: `SlicedWasserstein` over patches of `patch_size`, the same over 3x3 patches,
    and `Coherence`.

    The ground distance is the squared difference by default, which differs from the paper's Algorithm 1: it needs fewer
    steps (docs/adr/0005). The functions `sliced_wasserstein` and `binned_sliced_wasserstein` have no default.

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1. docs/adr/0004 to 0006 describe the differences.
    """

    patch_size: int = option(
        7,
        "Side of the square patches, in pixels. Larger patches keep larger structures and copy more of the reference.",
        ge=1,
        le=31,
    )
    num_proj: int = option(
        64,
        "Number of random projections compared at each step. More follow the patch distribution of the reference more "
        "closely and are slower.",
        ge=1,
        le=4096,
    )
    stride: int = option(
        1,
        "Distance between neighbouring patches, in pixels. Above 1 fewer patches are compared, on a grid that is "
        "shifted at random at each step.",
        ge=1,
        le=31,
        advanced=True,
    )
    distance: str = option(
        "l2",
        "Ground distance between projected patches. l2 is the squared difference and needs fewer steps; l1 is the "
        "absolute difference, as in the paper.",
        choices=DISTANCES,
        advanced=True,
    )
    projections: str = option(
        "factored",
        "independent samples every filter by itself, as in the paper; orthonormal covers the patch space more evenly. "
        "factored filters are distributed like independent ones and take a third of the work.",
        choices=FILTER_KINDS,
        advanced=True,
    )
    solver: str = option(
        "histogram",
        "histogram compares distribution functions on fine bins and is many times faster. exact sorts the projections, "
        "as in the paper.",
        choices=SOLVERS,
        advanced=True,
    )
    reuse: int = option(
        1,
        "Average number of steps that use the same set of projections, with solver histogram. 1 samples a new set at "
        "each step; more computes the projections of the reference less often.",
        ge=1,
        le=64,
        advanced=True,
    )
    border: str = option(
        "free",
        BORDER_HELP,
        choices=BORDERS,
        advanced=True,
    )
    detail: float = option(
        0.5,
        "Fraction of the projections that ignore average colour and measure structure, which the others hardly do. "
        "Higher weighs structure more; 0 reproduces the paper.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    coherence: float = option(
        0.005,
        "Weight of coherence, which attracts patches without a close match to their nearest reference patch, at levels "
        "of 64 px and more. Higher removes speckle and blur but copies more; 0 reproduces the paper and is faster.",
        ge=0.0,
        le=100.0,
        step=0.001,
    )
    coherence_tolerance: float = option(
        0.01,
        "Mean squared difference up to which a patch has a close match and is not attracted, for pixel values from -1 "
        "to 1. Higher copies less and leaves more roughness.",
        ge=0.0,
        le=4.0,
        step=0.001,
    )

    small_patches: float = option(
        0.4,
        f"Fraction of the projections that compare {SMALL_PATCH_SIZE}x{SMALL_PATCH_SIZE} patches, if patch_size is "
        "larger: they keep objects at the border from growing or shrinking unnoticed. 0 reproduces the paper.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )

    backend: str = option(
        "auto",
        "auto uses Triton on an NVIDIA GPU where it works, and plain PyTorch elsewhere; torch never uses Triton, and "
        "triton stops with the reason if it cannot be used. Both make similar images, not identical ones.",
        choices=BACKENDS,
        advanced=True,
    )

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns the distance for each patch size, weighted by its fraction of the filters, and coherence."""
        small = round(self.small_patches * self.num_proj) if self.patch_size > SMALL_PATCH_SIZE else 0
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
            for number, size in ((self.num_proj - small, self.patch_size), (small, SMALL_PATCH_SIZE))
            if number
        ]
        if self.coherence:
            terms.append((self.coherence, Coherence(tolerance=self.coherence_tolerance, backend=self.backend)))
        return tuple(terms)
