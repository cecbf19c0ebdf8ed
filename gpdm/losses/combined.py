"""Two losses as one: several patch sizes at once, say, or the patch distribution with a little bidirectional similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..errors import OptionError
from ..images import Size
from ..options import Options, option
from ..pyramid import Level
from .objectives import Objective, SumObjective
from .swd import Loss


@dataclass(frozen=True, kw_only=True)
class CombinedLoss(Options):
    """The first loss, plus the second times a weight."""

    weight: float = option(
        1.0,
        "What the second loss counts against the first. Both are mean squared differences of patches, in one way or another.",
        ge=0.0,
        le=1000.0,
        step=0.1,
    )
    first: Loss | None = None
    second: Loss | None = None

    def _parts(self) -> tuple[Loss, Loss]:
        if self.first is None or self.second is None:
            name = "first" if self.first is None else "second"
            raise OptionError(name, None, "no loss is connected", f"connect one to {name}")
        return self.first, self.second

    @property
    def has_curvature(self) -> bool:
        """Whether both have one."""
        return all(part.has_curvature for part in self._parts())

    def check(self, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if a loss is missing or cannot work at these levels."""
        for part in self._parts():
            part.check(levels)

    def working_bytes(self, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        """The sums of both, since each keeps its buffers."""
        first, second = (part.working_bytes(reference_pixels, output_pixels) for part in self._parts())
        return first[0] + second[0], first[1] + second[1]

    def bind(self, references: Sequence[Tensor], size: Size, memory: int = 2**30) -> Objective:
        """The sum of both objectives; each gets half of the memory. See `Loss`."""
        first, second = (part.bind(references, size, memory // 2) for part in self._parts())
        return SumObjective(((1.0, first), (self.weight, second)))
