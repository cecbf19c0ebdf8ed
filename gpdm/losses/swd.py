"""The loss of GPDM as one flat set of options, those of the node GPDM SWD Loss."""

from __future__ import annotations

from dataclasses import dataclass

from ..borders import BORDER_HELP, BORDERS
from ..errors import OptionError
from ..kernels.choose import BACKENDS
from ..options import Options, option
from ..patches.filters import FILTER_KINDS, Filters
from ..patches.occurrence import variety_option
from ..transport.sorted import DISTANCES, SOLVERS
from .base import Term
from .coherence import Coherence
from .sliced import SlicedWasserstein

SMALL_PATCH_SIZE = 3
"""Side of the small patches, in pixels."""


@dataclass(frozen=True, kw_only=True)
class SWDLoss(Options):
    """Sliced Wasserstein distance between the patch distributions of references and output, plus coherence.

    A weighted sum of up to two terms: `SlicedWasserstein` over patches of `patch_size` and of 3x3 pixels, and
    `Coherence`.

    The ground distance is the squared difference by default, which differs from the paper's Algorithm 1: it needs fewer
    steps (docs/adr/0005). The functions `sliced_wasserstein` and `binned_sliced_wasserstein` have no default.

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1. docs/adr/0004 to 0006 describe the differences.
    """

    patch_size: int = option(
        7,
        "Side of the square patches, in pixels. Higher keeps larger structures and copies more of the reference.",
        ge=1,
        le=31,
    )
    num_proj: int = option(
        28,
        "Number of random projections compared at each step. Higher matches the reference more closely and is slower.",
        ge=1,
        le=4096,
    )
    stride: int = option(
        1,
        "Distance between neighbouring patches, in pixels. Higher compares fewer patches, on a grid with a new "
        "random offset at each step.",
        ge=1,
        le=31,
        advanced=True,
    )
    distance: str = option(
        "l2",
        "Difference between projected patches: l2 is squared and needs fewer steps; l1 is absolute, as in the paper.",
        choices=DISTANCES,
        advanced=True,
    )
    projections: str = option(
        "factored",
        "Sampling of the projections: independent, as in the paper; orthonormal covers the patch space more "
        "evenly. factored has the same distribution as independent at a third of the cost.",
        choices=FILTER_KINDS,
        advanced=True,
    )
    solver: str = option(
        "histogram",
        "histogram compares distribution functions on fine bins, without sorting, and is faster, most of all for "
        "large pictures. exact sorts the projections, as in the paper.",
        choices=SOLVERS,
        advanced=True,
    )
    reuse: int = option(
        1,
        "Average number of steps that share one set of projections, with solver histogram. Higher is faster but "
        "less accurate; 1 samples a new set at each step.",
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
        "Fraction of the projections that ignore colour and measure structure (their filters have zero mean). "
        "Higher emphasises structure; the paper uses 0.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    coherence: float = option(
        0.005,
        "Weight of the coherence term, which moves patches unlike any in the reference towards the nearest one, "
        "at levels where the reference's shorter side is 64 px or more. Higher removes speckle and blur but "
        "copies more; 0 (as in the paper) turns it off and is faster.",
        ge=0.0,
        le=100.0,
        step=0.001,
    )
    coherence_tolerance: float = option(
        0.018,
        "The coherence term ignores a patch whose mean squared difference (pixel values from -1 to 1) from its nearest "
        "reference patch is at most this, at levels of 64 pixels; at larger levels less, in proportion to 1 / side. "
        "Higher copies less but leaves more speckle and crinkles.",
        ge=0.0,
        le=4.0,
        step=0.001,
    )

    small_patches: float = option(
        0.4,
        "Fraction of the projections that compare 3x3 patches, if patch_size is above 3. Higher keeps the size of "
        "objects at the border; the paper uses 0.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )

    backend: str = option(
        "auto",
        "auto uses Triton on an NVIDIA GPU if possible, else PyTorch; torch always uses PyTorch; triton raises an "
        "error if it is unavailable. The pictures of the two are similar, not identical.",
        choices=BACKENDS,
        advanced=True,
    )
    variety: float = variety_option()

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns the distance, over patches of both sizes, and coherence.

        Raises:
            OptionError: `variety` is above 0 without the term that it belongs to.
        """
        if self.variety and not self.coherence:
            raise OptionError(
                "variety", self.variety, "it belongs to coherence, which is 0", "raise coherence, or set variety to 0"
            )
        small = round(self.small_patches * self.num_proj) if self.patch_size > SMALL_PATCH_SIZE else 0
        distance = SlicedWasserstein(
            filters=tuple(
                Filters(self.projections, number, self.detail, size)
                for number, size in ((self.num_proj - small, self.patch_size), (small, SMALL_PATCH_SIZE))
                if number
            ),
            stride=self.stride,
            distance=self.distance,
            solver=self.solver,
            reuse=self.reuse,
            backend=self.backend,
        )
        if not self.coherence:
            return ((1.0, distance),)
        coherence = Coherence(tolerance=self.coherence_tolerance, variety=self.variety, backend=self.backend)
        return (1.0, distance), (self.coherence, coherence)
