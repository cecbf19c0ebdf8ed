"""The work of a step in Triton's kernels; the same in plain PyTorch: ../passes.py."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..patches.filters import FilterBank
from ..transport.binned import WEIGHT_UNIT, Bins, wide
from .torch_backend import Sample, Stride
from .triton_compare import compare
from .triton_count import project_and_count
from .triton_gradient import look_up_and_carry_back


@dataclass(frozen=True)
class TritonSide:
    """See `passes.Side`."""

    filters: Tensor
    """The filters themselves, (K, C, p, p)."""
    bins: Bins
    function: Tensor


class TritonPasses:
    """Counts are whole numbers, and every sum of the gradient has one order: the same bits every time on the same device."""

    def count(self, image: Tensor, bank: FilterBank, bins: Bins, stride: Stride, mass: Tensor | None) -> Tensor:
        """See `passes.Passes`."""
        return project_and_count(image, bank.filters(), bins, stride, mass).to(wide(image.device))

    def sides(self, bank: FilterBank, bins: Bins, function: Tensor, stride: int) -> list[TritonSide]:
        """See `passes.Passes`."""
        parts = zip(bank.filters().chunk(bank.sets), bins.chunk(bank.sets), function.chunk(bank.sets), strict=True)
        return [TritonSide(*part) for part in parts]

    def step(
        self, image: Tensor, side: TritonSide, distance: str, stride: int, sample: Sample, mass: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """See `passes.Passes`."""
        counted, spacing = sample.of(image, stride)
        counts = project_and_count(counted, side.filters, side.bins, spacing, mass)
        value, slopes = compare(side.function, counts, side.bins, distance)
        factor = None if mass is None else (mass / WEIGHT_UNIT).to(slopes)
        gradient = look_up_and_carry_back(image, side.filters, side.bins, slopes, (stride, stride), factor)
        return value, gradient
