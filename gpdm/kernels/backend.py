"""The interface of a backend, which evaluates sliced Wasserstein distances of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..patches.filters import FilterBank
from ..transport.binned import Bins

Stride = tuple[int, int]
"""Rows and columns, or pixels down and right, from one patch to the next."""


@dataclass(frozen=True)
class Subsample:
    """A strided subsample of a patch grid."""

    offset: tuple[int, int] = (0, 0)
    """Row and column of the first patch, in the grid."""
    stride: tuple[int, int] = (1, 1)
    """Rows and columns of the grid from one patch to the next."""

    def apply(self, image: Tensor, stride: int) -> tuple[Tensor, Stride]:
        """Returns the image (1, C, H, W) from the first patch on, and the stride of the subsample in pixels.

        `stride` is that of the grid, in pixels.
        """
        row, column = (index * stride for index in self.offset)
        return image[..., row:, column:], (self.stride[0] * stride, self.stride[1] * stride)


ALL_PATCHES = Subsample()
"""The subsample with all patches."""


class ProjectedReference(Protocol):
    """A set of filters in the backend's own form, with the CDFs of the reference's projections onto them."""

    @property
    def cdf_p(self) -> Tensor:
        """F_P at the bin centres, (K, B)."""
        ...


class Backend(Protocol):
    """An implementation of the computations of a step.

    Images are (1, C, H, W). Weights, (rows, columns) of the patch grid, are whole numbers from `quantize_weights`; None
    weights all patches equally.
    """

    def count(self, image: Tensor, bank: FilterBank, bins: Bins, stride: Stride, weights: Tensor | None) -> Tensor:
        """Returns the number of patches, or the sum of their weights, in each bin: (K, B), of `accumulator_dtype`."""
        ...

    def prepare(self, bank: FilterBank, bins: Bins, cdf_p: Tensor, stride: int) -> list[Any]:
        """Returns a `ProjectedReference` for each set of the bank, for repeated use with patches at this stride."""
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

        Arguments:
            image: Image, (1, C, H, W).
            reference: A `ProjectedReference` of this backend.
            distance: "l1" or "l2".
            stride: Distance between neighbouring patches, in pixels.
            subsample: The patches that are counted. Bin gradients are computed from these, and apply to all patches.
            weights: Weights of the patches, or None.

        Returns:
            The distance, mean over the filters of `reference`, a scalar; and the gradient, (1, C, H, W), not yet
            normalised: the sum over filters and patches of the filter times the gradient of the patch's bin, times the
            patch's weight over `WEIGHT_UNIT`, if there are weights.
        """
        ...
