"""Scaling down with a named filter, and the enlarged images that become a given image under it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import Size, size_of
from ..pictures.forms import has_alpha

Downscaling = Literal["bicubic", "area"]
DOWNSCALINGS: tuple[str, ...] = get_args(Downscaling)
"""bicubic: the antialiased filter of Pillow's Image.resize, with a = -0.5. area: the mean of the pixels that each new
pixel covers, as ComfyUI's nodes have it."""
GREY_LEVEL = 1 / 127.5
"""One of 255 grey levels."""
FITTING_STEPS = 40
"""Maximum number of steps of `Consistency.fitted`."""
CLOSE = 0.2 * GREY_LEVEL
"""Largest deviation at which these steps end."""
ROUNDING_STEPS, ROUNDING_MARGIN = 10, 0.35 * GREY_LEVEL
"""Maximum number of steps against deviations that rounding to 8 bits causes, and what these steps leave of them."""


def rounded(image: Tensor) -> Tensor:
    """Returns an image in [-1, 1] rounded to 8 bits."""
    return ((image + 1) / GREY_LEVEL).round() * GREY_LEVEL - 1


def bicubic(image: Tensor, size: Size) -> Tensor:
    """Returns an image (B, C, H, W) at `size`, by bicubic interpolation with antialiasing."""
    if size_of(image) == tuple(size):
        return image
    return F.interpolate(image, tuple(size), mode="bicubic", align_corners=False, antialias=True)


def scaled_down(image: Tensor, size: Size, method: str) -> Tensor:
    """Returns an image (B, C, H, W) scaled down to `size` with one of `DOWNSCALINGS`."""
    return bicubic(image, size) if method == "bicubic" else F.interpolate(image, tuple(size), mode="area")


@dataclass(frozen=True)
class Consistency:
    """The images of a larger size that become a given image when they are scaled down.

    Scaling down is A H B^T with one matrix for each axis. With U and V, those of bicubic enlargement, H becomes the
    given image L after adding P (L - A H B^T) Q^T, where P = U (A U)^-1 and Q = V (B V)^-1. The change is as smooth as
    an enlarged image. With the pseudoinverses of A and B it would be smaller, and blocky if A and B are means.
    """

    given: Tensor
    """The given image L, (1, C, h, w)."""
    method: str
    """One of `DOWNSCALINGS`."""
    rows: Tensor
    """The matrix P, (H, h)."""
    columns: Tensor
    """The matrix Q^T, (w, W)."""

    @classmethod
    def of(cls, given: Tensor, size: Size, method: str) -> Consistency:
        """Returns the images of `size`, at least that of `given`, (1, C, h, w)."""
        rows, columns = (
            _smooth_inverse(length, large, method).to(given) for length, large in zip(size_of(given), size, strict=True)
        )
        return cls(given, method, rows, columns.T.contiguous())

    def deviation(self, image: Tensor) -> Tensor:
        """Returns the given image minus an image (N, C, H, W) scaled down, (N, C, h, w)."""
        return self.given - scaled_down(image, size_of(self.given), self.method)

    def project_(self, image: Tensor) -> Tensor:
        """Changes images (N, C, H, W) in place to ones that become the given image, and returns them."""
        return image.add_(self.rows @ self.deviation(image) @ self.columns)

    def fitted(self, image: Tensor) -> Tensor:
        """Returns an image (1, C, H, W) that becomes the given one as nearly as possible within the range of values.

        The range is [-1, 1], or that of the given image if it is wider, and colours do not exceed alpha, by which they
        are multiplied. The squared deviation is minimised by projected gradient descent with Nesterov's momentum
        (Beck and Teboulle, A Fast Iterative Shrinkage-Thresholding Algorithm, 2009), in which bicubic enlargement takes
        the place of the adjoint. At last, deviations above half a grey level that rounding to 8 bits would cause are
        reduced.
        """
        size, limits = size_of(image), (min(-1.0, float(self.given.amin())), max(1.0, float(self.given.amax())))
        image, momentum = _clamp_(self.project_(image.clone()), *limits), 1.0
        ahead = image
        for _ in range(FITTING_STEPS):
            if float(self.deviation(image).abs().amax()) <= CLOSE:
                break
            before, image = image, _clamp_(ahead + bicubic(self.deviation(ahead), size), *limits)
            last, momentum = momentum, (1 + math.sqrt(1 + 4 * momentum**2)) / 2
            ahead = image + (last - 1) / momentum * (image - before)
        for _ in range(ROUNDING_STEPS):
            deviation = self.deviation(rounded(image))
            if float(deviation.abs().amax()) <= GREY_LEVEL / 2:
                break
            excess = deviation - deviation.clamp(-ROUNDING_MARGIN, ROUNDING_MARGIN)
            image = _clamp_(image + bicubic(excess, size), *limits)
        return image


def _smooth_inverse(length: int, large: int, method: str) -> Tensor:
    """Returns a right inverse of scaling an axis from `large` to `length` pixels, (large, length), float64."""
    small, full = (torch.eye(n, dtype=torch.float64)[None, None] for n in (length, large))
    down, up = scaled_down(full, (length, large), method)[0, 0], bicubic(small, (large, length))[0, 0]
    return torch.linalg.solve((down @ up).T, up.T).T


def _clamp_(image: Tensor, lowest: float, highest: float) -> Tensor:
    image.clamp_(lowest, highest)
    if has_alpha(image):
        torch.minimum(image[:, :-1], image[:, -1:], out=image[:, :-1])
    return image
