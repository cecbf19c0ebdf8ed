"""Pictures laid out on one canvas, in rows of equal width that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil, sqrt

import torch
from torch import Tensor

from ..images import size_of
from ..references import Reference

ARRANGEMENTS = ("row", "column", "grid")


@dataclass(frozen=True)
class Layout:
    """Pictures on a canvas."""

    image: Tensor
    """The canvas, (1, C, H, W). Where pictures overlap, one fades into the other."""
    alone: Tensor
    """1 where there is one picture, and its weight is not 0, else 0, (1, 1, H, W)."""
    references: list[Reference]
    """The pictures at the scale that they have on the canvas."""


def laid_out(references: Sequence[Reference], arrangement: str, transition: float) -> Layout:
    """Returns pictures laid out in reading order.

    The pictures of a row get the height of its lowest, and rows the width of the narrowest, so that none is enlarged.

    Arguments:
        references: References of one image each.
        arrangement: One of `ARRANGEMENTS`. A grid has as many columns as rows, or one more.
        transition: Overlap of neighbours, as a fraction of the shorter side of the smallest in the row, up to 0.5.
    """
    columns = {"row": len(references), "column": 1, "grid": ceil(sqrt(len(references)))}[arrangement]
    rows = [references[i : i + columns] for i in range(0, len(references), columns)]
    width = min(_aspect(row, transition) * min(size_of(each.image)[0] for each in row) for row in rows)
    made = [_row(row, width, transition) for row in rows]
    width = min(size_of(row.image)[1] for row in made)
    overlap = _overlap([min(size_of(row.image)) for row in made], transition)
    return reduce(lambda a, b: _joined(a, b, 2, overlap), [_cropped(row, 3, width) for row in made])


def _aspect(row: Sequence[Reference], transition: float) -> float:
    """Returns the width of a row relative to its height."""
    aspects = [width / height for height, width in (size_of(each.image) for each in row)]
    return sum(aspects) - (len(row) - 1) * transition * min(1.0, *aspects)


def _row(references: Sequence[Reference], width: float, transition: float) -> Layout:
    """Returns pictures beside each other, about `width` pixels wide together."""
    height = width / _aspect(references, transition)
    sized = [reference.at(min(height / size_of(reference.image)[0], 1.0)) for reference in references]
    lowest = min(size_of(reference.image)[0] for reference in sized)
    overlap = _overlap([min(size_of(reference.image)) for reference in sized], transition)
    single = [_cropped(Layout(each.image, (each.map() > 0).to(each.image), [each]), 2, lowest) for each in sized]
    return reduce(lambda a, b: _joined(a, b, 3, overlap), single)


def _overlap(lengths: Sequence[int], transition: float) -> int:
    return max(round(transition * min(lengths)), 1)


def _cropped(layout: Layout, axis: int, length: int) -> Layout:
    """Returns a layout without the pixels beyond a length, which rounding has left."""
    image, alone = (x.narrow(axis, 0, length) for x in (layout.image, layout.alone))
    return Layout(image, alone, layout.references)


def _joined(a: Layout, b: Layout, axis: int, overlap: int) -> Layout:
    """Returns two layouts beside each other along an axis."""
    share = torch.arange(1, overlap + 1).to(a.image) / (overlap + 1)
    share = share.view([-1 if i == axis else 1 for i in range(4)])
    first, second = a.image.shape[axis] - overlap, b.image.shape[axis] - overlap
    ends = a.image.narrow(axis, first, overlap), b.image.narrow(axis, 0, overlap)
    middle = ends[0] + (ends[1] - ends[0]) * share
    image = torch.cat([a.image.narrow(axis, 0, first), middle, b.image.narrow(axis, overlap, second)], axis)
    none = torch.zeros_like(a.alone.narrow(axis, first, overlap))
    alone = torch.cat([a.alone.narrow(axis, 0, first), none, b.alone.narrow(axis, overlap, second)], axis)
    return Layout(image, alone, [*a.references, *b.references])
