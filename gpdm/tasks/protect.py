"""Keeping an object of the reference whole, in an output of another size or aspect ratio."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..canvas import Keep
from ..errors import ImageError
from ..images import Size, resize, scaled, size_of, smooth_fill
from .output import Work

WEIGHT = 1e-3
"""Weight of patches of what is kept. It is not 0, since at coarse levels every patch may touch it."""
MARGIN = 3
"""Width of the rim around an object that the start does not show, in pixels, so that no trace of it is stretched."""


def has_aspect_ratio(image: Size, size: Size) -> bool:
    """Returns whether an image of a size, height and width, only has to be scaled down to fit an output of `size`."""
    factor = size[0] / image[0]
    return factor <= 1 and abs(scaled(image, factor)[1] - size[1]) <= 1


def protected(work: Work, mask: Tensor) -> tuple[Work, Keep]:
    """Returns the work with an object that is not stretched, and the object as pixels to keep.

    What the mask covers is moved in proportion, as one piece; at a border of the picture it stays at that border. Its
    patches hardly count in the first reference, and not in the output, so that nothing else becomes like it. The
    output starts from the rest of the picture, stretched, with the object in it.

    Arguments:
        work: References without regions, and the size of the output.
        mask: Which pixels of the first reference are kept, (1, 1, h, w) of any size, at least 0.5.

    Raises:
        ImageError: A reference has a region, the mask covers all of the picture, or the object is larger than the
            output.
    """
    first, size = work.references[0], work.size
    if any(reference.region is not None for reference in work.references):
        raise ImageError(
            "an output of another shape cannot keep a part where references have regions; leave out the regions, or give "
            "the picture with the kept pixels (keep_image of GPDM Canvas, --keep-picture)"
        )
    kept = resize(mask.to(first.image), size_of(first.image)) >= 0.5
    if bool(kept.all()):
        raise ImageError("the keep mask covers the entire picture; leave a part uncovered, which may change")
    source, target = _placed(kept, size)
    image = first.image.new_zeros(1, first.image.shape[1], *size)
    where = image.new_zeros(1, 1, *size)
    image[..., target[0], target[1]] = first.image[..., source[0], source[1]]
    where[..., target[0], target[1]] = kept[..., source[0], source[1]].to(where)
    rim = torch.nn.functional.max_pool2d(kept.to(where), 2 * MARGIN + 1, 1, MARGIN)
    stretched = resize(smooth_fill(first.image, ((rim == 0) & (first.map() > 0)).to(where)), size)
    references = [replace(first, weight=first.map() * (1 - (1 - WEIGHT) * kept.to(where))), *work.references[1:]]
    references = [replace(reference, region=1 - where) for reference in references]
    return Work(references, size, start=torch.where(where > 0, image, stretched)), Keep(image, where)


def _placed(kept: Tensor, size: Size) -> tuple[list[slice], list[slice]]:
    """Returns rows and columns of the box around what is kept, in the picture and in an output of `size`."""
    source, target = [], []
    for axis, new in enumerate(size):
        old = kept.shape[axis + 2]
        inside = kept[0, 0].any(1 - axis).nonzero()[:, 0]
        start, end = (0, 0) if len(inside) == 0 else (int(inside[0]), int(inside[-1]) + 1)
        length = end - start
        if length > new:
            name = ("high", "wide")[axis]
            raise ImageError(
                f"the kept part is {length} pixels {name} and the output {new}; make the output larger, or keep less"
            )
        at = min(max(round((start + end) / 2 * new / old - length / 2), 0), new - length)
        at = 0 if start == 0 else new - length if end == old else at
        source.append(slice(start, end))
        target.append(slice(at, at + length))
    return source, target
