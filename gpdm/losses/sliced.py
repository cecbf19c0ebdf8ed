"""The sliced Wasserstein distance between patch distributions as a term, for one patch size and one kind of filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ..canvas import Canvas
from ..kernels.workspace import PROJECTION_BYTES, STRIP_PROJECTIONS
from ..patches.filters import Filters
from ..patches.linear import PatchGrid
from ..pyramid import Level, check_level
from ..references import Reference, check_patches
from .base import Objective, level_of
from .reference_cdfs import CountingLimits
from .swd_binned import BinnedObjective
from .swd_sorted import SortedObjective


@dataclass(frozen=True, kw_only=True)
class SlicedWasserstein:
    """The sliced Wasserstein distance between the patches of the references and of the output (Algorithm 1).

    Its value is the mean over random filters of the Wasserstein distance between the projections of all patches.
    """

    grid: PatchGrid = field(default_factory=lambda: PatchGrid(7))
    """The patches that are compared."""
    filters: Filters = field(default_factory=Filters)
    """The distribution of the random filters."""
    distance: str = "l2"
    """Ground distance: "l1" gives the W1 distance, "l2" the squared W2 distance. The default differs from the paper's
    l1, because l2 needs fewer steps (docs/adr/0005)."""
    solver: str = "histogram"
    """"histogram" compares CDFs on bins, "exact" sorts."""
    reuse: int = 1
    """Average number of times that a set of filters is used. Solver "histogram" only."""
    backend: str = "auto"
    """One of `kernels.choose.BACKENDS`. Solver "histogram" only."""
    limits: CountingLimits = field(default_factory=CountingLimits)
    """Limits of what is counted, sampled and computed at a time. Solver "histogram" only."""
    per_output = False

    @property
    def patch_size(self) -> int:
        """Side of the patches, in pixels."""
        return self.grid.size

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Raises `OptionError` if the level, or what the weights leave of the references, is smaller than a patch."""
        check_level(level, self.grid.size)
        check_patches(references, self.grid.size)

    def active(self, level: Level) -> bool:
        """Returns True: the term takes part at every level."""
        del level
        return True

    def memory(self, level: Level) -> tuple[int, int]:
        """Returns the bytes that one step needs besides the images: the minimum, and the amount for full speed."""
        reference_pixels, output_pixels = level.reference_pixels, level.pixels
        if self.solver == "exact":
            filter_bytes = self._bytes_per_filter(reference_pixels, output_pixels)
            return filter_bytes, filter_bytes * self.filters.number
        limits = self.limits
        projections = min(STRIP_PROJECTIONS, max(reference_pixels, output_pixels) * self.filters.number)
        strip = PROJECTION_BYTES * max(projections, limits.joint_projections)
        patches = output_pixels // self.grid.stride**2
        # Where all patches are counted, their bins are kept for the backprojection.
        kept = 8 * patches * min(self.filters.number, limits.bank_filters) if patches < 2 * limits.output_patches else 0
        return strip, strip + kept

    def _bytes_per_filter(self, n: int, m: int) -> int:
        """Returns the bytes that one filter takes with the solver "exact", for `n` reference and `m` output pixels.

        They hold float32 projections and their sorted copies of both, for the output also the order (int64) and the
        gradient; and for each matched pair of values four float32 numbers (partner, difference, cost, derivative) and
        two products.
        """
        pairs = m if n == m else n + 2 * m
        return max((8 * n + 20 * m + 24 * pairs) // self.grid.stride**2, 1)

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> Objective:
        """Returns the objective for one level; see `Term.bind`.

        Raises:
            OptionError: The backend cannot be used here, or no patch has a weight above 0.
        """
        del image
        minimum, _ = self.memory(level_of(references, canvas))
        if self.solver == "exact":
            chunk = max(1, memory // minimum)
            return SortedObjective(self.grid, self.filters, self.distance, references, canvas, chunk, weight)
        return BinnedObjective(
            self.grid,
            self.filters,
            self.distance,
            self.reuse,
            self.backend,
            references,
            canvas,
            memory - minimum,
            weight,
            self.limits,
        )
