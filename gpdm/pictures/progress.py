"""Reports of progress to a callback."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

OnProgress = Callable[[float, Tensor], None]
"""A callback after each step, with the fraction of the work that is done, from 0 to 1, and the image (1, C, h, w)."""


def part_of(on_step: OnProgress | None, number: float, count: float) -> OnProgress | None:
    """Returns the callback of one of several parts of the work, for which the fraction of all work is reported.

    Arguments:
        on_step: The callback of all work.
        number: Work that comes before this part, in units of this part: its number if all parts are equal.
        count: All work, in the same units.
    """
    return None if on_step is None else lambda done, image: on_step((number + done) / count, image)
