"""What a backend does: the passes over an image that one evaluation of a sliced Wasserstein distance takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..patches.filters import FilterBank
from ..transport.binned import Bins

Stride = tuple[int, int]
"""Rows and columns from one patch to the next."""


@dataclass(frozen=True)
class Subsample:
    """A strided subsample of a patch grid."""

    offset: tuple[int, int] = (0, 0)
    """Row and column of the first patch."""
    stride: tuple[int, int] = (1, 1)
    """Rows and columns of the grid from one patch to the next."""

    def of(self, image: Tensor, stride: int) -> tuple[Tensor, Stride]:
        """Returns the image from the first of these patches on, and the pixels from one to the next, for a grid with this stride."""
        row, column = (place * stride for place in self.offset)
        return image[..., row:, column:], (self.stride[0] * stride, self.stride[1] * stride)


ALL = Subsample()
"""All patches."""


class ProjectedReference(Protocol):
    """A set of filters in the form that a backend wants, and the CDFs of the reference's projections onto them."""

    @property
    def cdf_p(self) -> Tensor:
        """F_P at the centres of the bins, (K, B)."""
        ...


class Backend(Protocol):
    """A way to do the work of a step. Images are (1, C, H, W), float32. Weights, (rows, columns) of the patch grid, are whole
    numbers as `quantize_weights` gives them; None counts all patches alike."""

    def count(self, image: Tensor, bank: FilterBank, bins: Bins, stride: Stride, weights: Tensor | None) -> Tensor:
        """Returns how many patches, or how much of their weight, lies in each bin: (K, B), of `accumulator_dtype`."""
        ...

    def prepare(self, bank: FilterBank, bins: Bins, cdf_p: Tensor, stride: int) -> list[Any]:
        """Returns a `ProjectedReference` for each set of the bank, to be used many times for patches with this stride."""
        ...

    def evaluate(
        self,
        image: Tensor,
        reference: Any,
        distance: str,
        stride: int,
        subsample: Subsample,
        weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Returns the distance of an image's patches to the reference, and its gradient.

        Returns:
            The distance, mean over the filters of `reference`, a scalar; and the sum over filters and patches of the gradient of the
            patch's bin times the filter, (1, C, H, W), with weights times these in units of `WEIGHT_UNIT`. The gradients of bins
            follow from the patches of `subsample`, and apply to all patches.
        """
        ...
