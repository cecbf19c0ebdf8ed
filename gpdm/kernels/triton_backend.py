"""The backend in Triton's kernels. In plain PyTorch: torch_backend.py."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..patches.filters import FilterBank
from ..transport.binned import WEIGHT_UNIT, Bins, accumulator_dtype
from .backend import Stride, Subsample
from .triton_compare import compare
from .triton_count import project_and_count
from .triton_gradient import backproject


@dataclass(frozen=True)
class TritonProjectedReference:
    """See `backend.ProjectedReference`."""

    filters: Tensor
    """The filters themselves, (K, C, p, p)."""
    bins: Bins
    cdf_p: Tensor


class TritonBackend:
    """Counts are whole numbers, and every sum of the gradient has one order: the same bits every time on the same device."""

    def count(self, image: Tensor, bank: FilterBank, bins: Bins, stride: Stride, weights: Tensor | None) -> Tensor:
        """See `Backend`."""
        return project_and_count(image, bank.filters(), bins, stride, weights).to(accumulator_dtype(image.device))

    def prepare(self, bank: FilterBank, bins: Bins, cdf_p: Tensor, stride: int) -> list[TritonProjectedReference]:
        """See `Backend`."""
        del stride
        parts = zip(bank.filters().chunk(bank.sets), bins.chunk(bank.sets), cdf_p.chunk(bank.sets), strict=True)
        return [TritonProjectedReference(*part) for part in parts]

    def evaluate(
        self,
        image: Tensor,
        reference: TritonProjectedReference,
        distance: str,
        stride: int,
        subsample: Subsample,
        weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """See `Backend`."""
        counted, spacing = subsample.of(image, stride)
        counts = project_and_count(counted, reference.filters, reference.bins, spacing, weights)
        value, gradients = compare(reference.cdf_p, counts, reference.bins, distance)
        factor = None if weights is None else (weights / WEIGHT_UNIT).to(gradients)
        return value, backproject(image, reference.filters, reference.bins, gradients, (stride, stride), factor)
