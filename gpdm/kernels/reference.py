"""The kernels in plain PyTorch: the oracle of the others, with the same names and signatures.

Letters: K filters, n patches, B bins of each direction.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import row_strips, size_of
from ..patches.linear import Stride
from ..transport.binned import BIN_GRADIENTS, Bins

ADAM_EPSILON = 1e-8
"""Adam's epsilon: added to the root mean square, so that the quotient is finite."""

STRIP_ELEMENTS = 2**20
"""Elements of an image whose intermediate results are in memory at a time."""


def project(image: Tensor, filters: Tensor, stride: Stride) -> Tensor:
    """Returns the projections of patches of `image` (1, C, H, W) onto `filters` (K, C, p, p): (K, rows, columns)."""
    return F.conv2d(image, filters, stride=stride)[0]


def bin_of(projections: Tensor, bins: Bins) -> Tensor:
    """Returns the bin of each projection (K, rows, columns), int64. Values outside fall into the first or last bin."""
    low, scale = (x[:, None, None] for x in (bins.low, 1 / bins.width))
    return ((projections - low) * scale).clamp(0, bins.number - 0.5).long()


def project_and_count(
    image: Tensor, filters: Tensor, bins: Bins, stride: Stride = (1, 1), weights: Tensor | None = None
) -> Tensor:
    """Counts the patches of an image in each bin of each direction, or sums their weights.

    Arguments:
        image: Image, (1, C, H, W), float32.
        filters: Filters, (K, C, p, p), float32.
        bins: Bins for the K directions.
        stride: Rows and columns, in pixels, from one patch to the next; the first is in the upper left corner.
        weights: Weight of each patch, (rows, columns), whole numbers from `quantize_weights`; by default 1.

    Returns:
        Counts (K, B), int64: sums of whole numbers, which do not depend on their order.
    """
    index = bin_of(project(image, filters, stride), bins).flatten(1)
    amounts = torch.ones_like(index) if weights is None else weights.long().flatten().expand(index.shape)
    return index.new_zeros(len(filters), bins.number).scatter_add_(1, index, amounts)


def compare(cdf_p: Tensor, counts: Tensor, width: Tensor, distance: str) -> tuple[Tensor, Tensor]:
    """Returns the distance of the output's counts to the reference's CDFs, and the gradient of each bin.

    See `transport.binned.w1_bin_gradients`.

    Arguments:
        cdf_p: F_P at the bin centres, (K, B), float32.
        counts: Counts or weights of the output, (K, B), int64.
        width: Width of a bin, (K,).
        distance: "l1" or "l2".

    Returns:
        The distance, mean over directions, a scalar; and the gradient of each bin, (K, B), float32.
    """
    return BIN_GRADIENTS[distance](cdf_p, counts.double(), width)


def backproject(
    image: Tensor,
    filters: Tensor,
    bins: Bins,
    bin_gradients: Tensor,
    stride: Stride = (1, 1),
    weights: Tensor | None = None,
) -> Tensor:
    """Backprojects the gradients of the patches' bins to the pixels, by the adjoint of the projection.

    Arguments:
        image, filters, bins, stride: As in `project_and_count`.
        bin_gradients: Gradient of each bin, (K, B), float32.
        weights: Factor of each patch, (rows, columns), float32; by default 1.

    Returns:
        The sum over filters and patches of bin gradient times weight times filter, (1, C, H, W), float32.
    """
    index = bin_of(project(image, filters, stride), bins)
    values = bin_gradients.gather(1, index.flatten(1)).view_as(index)
    if weights is not None:
        values = values * weights
    covered = F.conv_transpose2d(values[None], filters, stride=stride)
    (height, width), (rows, columns) = size_of(image), size_of(covered)
    return F.pad(covered, (0, width - columns, 0, height - rows))


def weighted_mse(image: Tensor, target: Tensor, weight: Tensor, into: Tensor, factor: float) -> Tensor:
    """Returns a weighted squared difference, and adds its gradient to `into`. The coherence term uses this kernel.

    Arguments:
        image, target: (1, C, H, W), float32.
        weight: Weight of each pixel, (1, 1, H, W).
        into: Gradient to which that of this term is added, (1, C, H, W); changed in place.
        factor: Factor of the sum of the weighted squared differences.

    Returns:
        The sum times the factor, a scalar.
    """
    costs = []
    for rows in row_strips(image, STRIP_ELEMENTS):
        difference = image[..., rows, :] - target[..., rows, :]
        weighted = weight[..., rows, :] * difference
        into[..., rows, :].add_(weighted, alpha=2 * factor)
        costs.append(weighted.mul_(difference).sum())
    return factor * (costs[0] if len(costs) == 1 else torch.stack(costs).sum())


def adam(
    image: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    rates: Tensor,
    factor: float,
    betas: tuple[float, float],
) -> None:
    """Does one step of Adam in place (Kingma and Ba, ICLR 2015, with both bias corrections in the rates).

    Arguments:
        image: The iterate, (B, C, H, W), float32; updated in place.
        gradient: Its gradient, of the same shape; may be overwritten.
        first, second: Running means of the gradient and of its square; updated in place.
        rates: (2,), float32, on the device, for step n, at least 1: the learning rate over 1 - beta_1^n, and the square
            root of 1 - beta_2^n.
        factor: Factor of the gradient.
        betas: Decay of both means.
    """
    rate, correction = rates.unbind()
    for rows in row_strips(image, STRIP_ELEMENTS):
        scaled = gradient[..., rows, :].mul_(factor)
        mean = first[..., rows, :].lerp_(scaled, 1 - betas[0])
        square = second[..., rows, :].mul_(betas[1]).addcmul_(scaled, scaled, value=1 - betas[1])
        denominator = torch.sqrt(square, out=scaled).div_(correction).add_(ADAM_EPSILON)
        image[..., rows, :].sub_((mean * rate).div_(denominator))
