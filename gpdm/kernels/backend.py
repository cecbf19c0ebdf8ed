"""The interface of a backend, which evaluates sliced Wasserstein distances of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..patches.linear import FilterBank, Stride
from ..transport.binned import Bins


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


@dataclass(frozen=True)
class ReferencePatches:
    """The patches of one size that are counted in a reference."""

    image: Tensor
    """Image, (1, C, H, W), channels last; the first patch is in its upper left corner."""
    stride: Stride = (1, 1)
    weights: Tensor | None = None
    """Weight of each patch, (rows, columns), whole numbers from `quantize_weights`; None weights all equally."""


@dataclass(frozen=True)
class OutputPatches:
    """The patches of one size of an output, at one step."""

    image: Tensor
    """Image, (1, C, H, W); the first patch is in its upper left corner."""
    into: Tensor
    """Gradient to which that of these patches is added, (1, C, H, W)."""
    subsample: Subsample = ALL_PATCHES
    """The patches that are counted. Bin gradients are computed from these, and apply to all patches."""
    weights: Tensor | None = None
    """Weight of each patch, (rows, columns), whole numbers from `quantize_weights`; None weights all equally."""


class Backend(Protocol):
    """An implementation of the computations of a step.

    The filters of one set may have several patch sizes: there is one bank of filters for each size, and K filters in
    all of them together.
    """

    def project(
        self, patches: Sequence[Sequence[ReferencePatches]], banks: Sequence[FilterBank], bins: int
    ) -> list[Any]:
        """Returns the reference's CDFs along several sets of filters, in the backend's own form, one element a set.

        Arguments:
            patches: The patches of the references, for each size.
            banks: The filters of all sets, for each size.
            bins: Number of bins of a direction, B.
        """
        ...

    def from_cdfs(self, banks: Sequence[FilterBank], bins: Sequence[Bins], cdf_p: Tensor) -> Any:
        """Returns known CDFs along one set of filters, in the backend's own form.

        Arguments:
            banks: The filters, for each size.
            bins: The bins of these filters, for each size; all have B bins.
            cdf_p: F_P at the bin centres, (K, B).
        """
        ...

    def evaluate(
        self, patches: Sequence[OutputPatches], reference: Any, distance: str, stride: int, factors: Tensor
    ) -> Tensor:
        """Adds the gradient of the distance of an output's patches to the reference to `OutputPatches.into`.

        Arguments:
            patches: The patches of the output, for each size.
            reference: An element of the result of `project`, or the result of `from_cdfs`.
            distance: "l1" or "l2".
            stride: Distance between neighbouring patches, in pixels.
            factors: Factor of the gradient of each filter, (K,).

        Returns:
            The distance, mean over the K filters, a scalar. The gradient is the sum over filters and patches of the
            filter times the gradient of the patch's bin, times the filter's factor, times the patch's weight over
            `WEIGHT_UNIT`, if there are weights.
        """
        ...
