"""The sliced Wasserstein distance between patch distributions as a term, for one or several patch sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from ..canvas import Canvas
from ..kernels.workspace import MIN_STRIP_ROWS, PROJECTION_BYTES, STRIP_PROJECTIONS
from ..patches.filters import Filters
from ..pyramid import Level, check_level
from ..references import Reference, check_patches, check_pictures
from .base import Objective, SumObjective, level_of
from .reference_cdfs import CountingLimits
from .stored_cdfs import check_distributions
from .swd_binned import BinnedObjective
from .swd_sorted import SortedObjective


@dataclass(frozen=True, kw_only=True)
class SlicedWasserstein:
    """The sliced Wasserstein distance between the patches of the references and of the output (Algorithm 1).

    Its value is the mean over random filters, of one or several patch sizes, of the Wasserstein distance between the
    projections of all patches.
    """

    filters: tuple[Filters, ...] = (Filters(),)
    """The distributions of the random filters, one for each patch size."""
    stride: int = 1
    """Distance between neighbouring patches, in pixels."""
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
    """Limits of what is counted and computed at a time. Solver "histogram" only."""
    per_output = False

    @property
    def patch_size(self) -> int:
        """Side of the largest patches, in pixels."""
        return max(each.patch_size for each in self.filters)

    @property
    def number(self) -> int:
        """Number of filters of all sizes together."""
        return sum(each.number for each in self.filters)

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Raises `OptionError` if the level, or what the weights leave of the references, is smaller than a patch."""
        check_level(level, self.patch_size)
        if self.solver == "exact":
            check_pictures(references, "solver exact sorts those of the reference")
        check_distributions(references, [each.patch_size for each in self.filters])
        for each in self.filters:
            check_patches(references, each.patch_size)

    def active(self, level: Level) -> bool:
        """Returns True: the term takes part at every level."""
        del level
        return True

    def memory(self, level: Level) -> tuple[int, int]:
        """Returns the bytes that one step needs besides the images: the minimum, and the amount for full speed."""
        reference_pixels, output_pixels = level.reference_pixels, level.pixels
        if self.solver == "exact":
            filter_bytes = self._bytes_per_filter(reference_pixels, output_pixels)
            return filter_bytes, filter_bytes * max(each.number for each in self.filters)
        limits, number = self.limits, min(self.number, self.limits.set_filters)
        rows = MIN_STRIP_ROWS * level.size[1] * number
        strip = min(max(STRIP_PROJECTIONS, rows), output_pixels * number)
        counted = min(2 * limits.reference_patches, reference_pixels) * number
        patches = output_pixels // self.stride**2
        # Where all patches are counted, their bins are kept for the backprojection.
        kept = 4 * patches * number if patches < 2 * limits.output_patches else 0
        needed = PROJECTION_BYTES * max(strip, counted, min(limits.joint_projections, counted * limits.sets_per_sample))
        return needed, needed + kept

    def _bytes_per_filter(self, n: int, m: int) -> int:
        """Returns the bytes that one filter takes with the solver "exact", for `n` reference and `m` output pixels.

        They hold float32 projections and their sorted copies of both, for the output also the order (int64) and the
        gradient; and for each matched pair of values four float32 numbers (partner, difference, cost, derivative) and
        two products.
        """
        pairs = m if n == m else n + 2 * m
        return max((8 * n + 20 * m + 24 * pairs) // self.stride**2, 1)

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
            parts = [
                SortedObjective(
                    each, self.stride, self.distance, references, canvas, chunk, weight * each.number / self.number
                )
                for each in self.filters
            ]
            return parts[0] if len(parts) == 1 else SumObjective(parts)
        return BinnedObjective(
            self.filters,
            self.stride,
            self.distance,
            self.reuse,
            self.backend,
            references,
            canvas,
            memory - minimum,
            weight,
            self.limits,
        )
