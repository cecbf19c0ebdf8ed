"""The backend with Triton kernels. The one in plain PyTorch is in torch_backend.py."""

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
    """A set of filters with the reference's CDFs, for `TritonBackend`."""

    filters: Tensor
    """The filters, (K, C, p, p)."""
    bins: Bins
    cdf_p: Tensor
    """F_P at the bin centres, (K, B)."""


class TritonBackend:
    """The computations of a step in three kernels.

    Results have the same bits in every run on one device: counts are whole numbers, and the sums of the gradient have a
    fixed order.
    """

    def count(self, image: Tensor, bank: FilterBank, bins: Bins, stride: Stride, weights: Tensor | None) -> Tensor:
        """See `Backend.count`."""
        return project_and_count(image, bank.filters(), bins, stride, weights).to(accumulator_dtype(image.device))

    def prepare(self, bank: FilterBank, bins: Bins, cdf_p: Tensor, stride: int) -> list[TritonProjectedReference]:
        """See `Backend.prepare`."""
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
        """See `Backend.evaluate`."""
        counted, pixel_stride = subsample.apply(image, stride)
        counts = project_and_count(counted, reference.filters, reference.bins, pixel_stride, weights)
        value, gradients = compare(reference.cdf_p, counts, reference.bins, distance)
        factor = None if weights is None else (weights / WEIGHT_UNIT).to(gradients)
        return value, backproject(image, reference.filters, reference.bins, gradients, (stride, stride), factor)
