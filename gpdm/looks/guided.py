"""Smoothing a map where a picture is smooth, and keeping its edges where the picture has some.

The map is, in every window, the picture times a factor plus an offset; factors and offsets are averaged over windows
(K. He, J. Sun and X. Tang, Guided Image Filtering, ECCV 2010). Both are smooth, so that they can be computed in a small
copy and applied at full size (K. He and J. Sun, Fast Guided Filter, 2015).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import avg_pool2d


def guided_coefficients(
    guide: Tensor, values: Tensor, radius: int, eps: float, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns factors and offsets, (B, C, H, W) each, so that `factors * guide + offsets` is `values` smoothed.

    Each channel of the values is guided by the same channel of the guide.

    Arguments:
        guide: Pictures, (B, C, H, W).
        values: Maps to smooth, (B, C, H, W).
        radius: A window has 2 * radius + 1 pixels on a side.
        eps: Variance of the guide in a window above which its edges are kept, positive.
        weight: How much each pixel counts, (B, 1, H, W), not negative.
    """
    total = box_sum(weight, radius).clamp(min=1e-6)

    def mean(image: Tensor) -> Tensor:
        return box_sum(weight * image, radius) / total

    mean_guide, mean_values = mean(guide), mean(values)
    variance = (mean(guide * guide) - mean_guide.square()).clamp(min=0)
    factors = (mean(guide * values) - mean_guide * mean_values) / (variance + eps)
    return mean(factors), mean(mean_values - factors * mean_guide)


def box_sum(image: Tensor, radius: int) -> Tensor:
    """Returns the sum over the window of 2 * radius + 1 pixels on a side around each pixel, (B, C, H, W).

    Pixels beyond the border count as 0.
    """
    side = 2 * radius + 1
    for window, padding in (((side, 1), (radius, 0)), ((1, side), (0, radius))):
        image = avg_pool2d(image, window, 1, padding) * side
    return image
