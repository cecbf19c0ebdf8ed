"""Patches of images by the index of their first pixel.

Images are stored with channels last: a row of a patch is then contiguous, and reading a patch copies p rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import size_of


class PatchStore:
    """All patches of one or more images. A patch is named by the index of its first pixel, its upper left corner.

    The images are stacked from top to bottom and padded to one width, so that the patch `rows` further down and
    `columns` further to the right has an index that is `rows` * `width` + `columns` higher.

    Arguments:
        images: Images, (1, C, h, w) each.
        patch_size: Side of the patches, in pixels; no image is smaller.
        weights: Weight of every patch of each image, (rows, columns), or a mask, bool. A patch of weight 0 is not
            allowed. None: all patches are allowed, with weight 1.
    """

    def __init__(self, images: Sequence[Tensor], patch_size: int, weights: Sequence[Tensor] | None = None) -> None:
        self.patch_size, self.width = patch_size, max(size_of(image)[1] for image in images)
        padded = [self._padded(image) for image in images]
        stacked = padded[0] if len(padded) == 1 else torch.cat(padded, 2)
        pixels = stacked[0].permute(1, 2, 0).contiguous()  # without a copy if the image is channels last
        self.channels = pixels.shape[2]
        self.pixels = pixels.view(-1, self.channels)
        """All pixels of the stacked images, (pixels, C)."""
        length = pixels.shape[0] * self.width - patch_size + 1
        self.pixel_rows = pixels.view(-1).as_strided((length, patch_size * self.channels), (self.channels, 1))
        """The row of a patch that begins at each pixel, a view, (pixels - p + 1, p C)."""
        self.row_starts = torch.arange(patch_size, device=pixels.device) * self.width
        self.sizes, self.given_weights = [size_of(image) for image in images], weights

    def _padded(self, image: Tensor) -> Tensor:
        missing = self.width - size_of(image)[1]
        return F.pad(image, (0, missing)) if missing else image

    @cached_property
    def allowed(self) -> Tensor:
        """A mask of the pixels at which an allowed patch begins, (pixels,)."""
        masks = None if self.given_weights is None else [weight > 0 for weight in self.given_weights]
        return self._by_first_pixel(masks, torch.bool)

    @cached_property
    def weights(self) -> Tensor | None:
        """The weight of the patch that begins at each pixel, (pixels,); None if all weights are 0 or 1."""
        given = self.given_weights
        return None if given is None or given[0].dtype == torch.bool else self._by_first_pixel(given, given[0].dtype)

    def _by_first_pixel(self, values: Sequence[Tensor] | None, dtype: torch.dtype) -> Tensor:
        """Returns values of the patches of each image, (rows, columns), at their first pixels; by default 1."""
        result = torch.zeros(
            sum(rows for rows, _ in self.sizes), self.width, dtype=dtype, device=self.row_starts.device
        )
        margin, top = self.patch_size - 1, 0
        for number, (rows, columns) in enumerate(self.sizes):
            result[top : top + rows - margin, : columns - margin] = 1 if values is None else values[number]
            top += rows
        return result.flatten()

    @cached_property
    def number(self) -> int:
        """The number of allowed patches."""
        return int(self.allowed.sum())

    def read(self, first: Tensor) -> Tensor:
        """Returns the patches at these indices, (n,): (n, p p C), in the order row, column, channel."""
        rows = (first[:, None] + self.row_starts).flatten()
        return self.pixel_rows.index_select(0, rows).view(len(first), -1)

    def is_allowed(self, first: Tensor) -> Tensor:
        """Returns which indices, which may lie outside the images, are those of allowed patches, bool."""
        last = len(self.allowed) - 1
        return self.allowed[first.clamp(0, last)] & (first >= 0) & (first <= last)
