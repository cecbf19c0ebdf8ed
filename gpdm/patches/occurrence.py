"""The occurrence map: how often each part of the references is used, and a search that limits repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..options import option
from .store import PatchStore

PARTS = 16
"""Number of parts in which patches are searched. The occurrence map changes between them. The parts depend on the
number of patches alone, not on memory, so that the result does not."""


def variety_option() -> Any:
    """Returns the option of the limit on repeats, for everything that searches patches."""
    return option(
        0.0,
        "Limit on repeats: a patch costs more the more often what it shows is used already, relative to even use. 0 sets "
        "no limit; higher repeats less and shows more of the reference, but patches fit less well.",
        ge=0.0,
        le=100.0,
        step=0.5,
    )


@dataclass
class Matches:
    """Reference patches that were found for n patches."""

    first: Tensor
    """Indices for `PatchStore.read`, (n,), int64."""
    distance: Tensor
    """Mean squared differences to them, divided by their weights, (n,)."""
    penalty: Tensor | None = None
    """What is added to the difference to the patch that begins at each pixel, where two are compared, (pixels,)."""

    @property
    def cost(self) -> Tensor:
        """The distance plus the penalty, which is what is compared, (n,)."""
        return self.distance if self.penalty is None else self.distance + self.penalty[self.first]


def overlap(values: Tensor, width: int, patch_size: int) -> Tensor:
    """Returns for the patch at each pixel the sum of `values` over all patches, times the pixels shared with it.

    Arguments:
        values: A value for the patch that begins at each pixel, (pixels,), such as the number of its uses.
        width: Width of the image, in pixels.
        patch_size: Side of the patches, in pixels.
    """
    return _window_sums(covering(values, width, patch_size), patch_size, 0).flatten()


def covering(values: Tensor, width: int, patch_size: int) -> Tensor:
    """Returns for each pixel the sum of `values` over the patches that cover it, (rows, width).

    Arguments:
        values: A value for the patch that begins at each pixel, (pixels,).
        width: Width of the image, in pixels.
        patch_size: Side of the patches, in pixels.
    """
    return _window_sums(values.view(-1, width), patch_size, patch_size - 1)


def _window_sums(values: Tensor, side: int, before: int) -> Tensor:
    """Returns the sums over windows that begin `before` rows and columns earlier, of the same shape."""
    after = side - 1 - before
    padded = F.pad(values[None, None], (before, after, before, after))
    return F.avg_pool2d(padded, side, 1, divisor_override=1)[0, 0]


class Occurrence:
    """The occurrence map of references: how many patches of an output use each reference patch.

    Arguments:
        store: The reference patches.
        number: Number of patches of the output that are searched.
        density: Number of them per pixel of the output.

    References:
        Kaspar et al., Self Tuning Texture Optimization, Eurographics 2015, section 4.1. Deviation: the expected use of
        a patch follows from the patches that overlap it, so that it is less at a border, and is never below one copy.
    """

    def __init__(self, store: PatchStore, number: int, density: float) -> None:
        self.store, self.number, self.density = store, number, density
        self.uses = torch.zeros(len(store.pixels), device=store.pixels.device)
        """Number of uses of the patch that begins at each pixel, (pixels,)."""

    def of(self, first: Tensor) -> Tensor:
        """Returns the number of uses of each reference patch by matches (n,), (pixels,)."""
        return first.bincount(minlength=len(self.uses)).to(self.uses)

    @cached_property
    def expected(self) -> Tensor:
        """The overlap of each reference patch with those in use, if all are used evenly, and at least once.

        An output that is smaller than the references may use a part of them once, without more cost than the others.
        """
        weights = self.store.allowed if self.store.weights is None else self.store.weights
        even = weights.to(self.uses) * (self.number / weights.sum())
        once = self.store.allowed.to(self.uses) * self.density
        return torch.maximum(self._overlap(even), self._overlap(once))

    def relative(self) -> Tensor:
        """Returns the overlap of each reference patch with those in use, relative to `expected`, (pixels,)."""
        return self._overlap(self.uses) / self.expected.clamp(min=1e-12)

    def _overlap(self, values: Tensor) -> Tensor:
        return overlap(values, self.store.width, self.store.patch_size)


def search_in_parts(
    search: Callable[[slice, Tensor | None], Matches], occurrence: Occurrence, variety: float, last: Tensor | None
) -> Matches:
    """Returns matches that limit repeats, by searching some patches after the others.

    Arguments:
        search: Function that returns the matches of a part of the patches, whose costs have a penalty for each
            reference patch, (pixels,), or None.
        occurrence: The occurrence map, which changes.
        variety: Penalty of a patch that is used as often as expected, in units of the median distance of patches
            to their nearest reference patches.
        last: Matches of a similar image, which count as uses until as large a part of the patches is searched again.
            None: there are none.
    """
    parts = [slice(start, occurrence.number, PARTS) for start in range(min(PARTS, occurrence.number))]
    sample = search(parts[0], None)
    unit = variety * sample.distance.median()
    uses_before = occurrence.uses if last is None else occurrence.of(last) * (occurrence.number / max(len(last), 1))
    first = torch.empty(occurrence.number, dtype=torch.int64, device=sample.first.device)
    distance, uses = sample.distance.new_empty(occurrence.number), torch.zeros_like(occurrence.uses)
    for number, part in enumerate(parts):
        occurrence.uses = uses_before * (1 - number / len(parts)) + uses
        found = sample if number == 0 and last is None else search(part, unit * occurrence.relative())
        first[part], distance[part] = found.first, found.distance
        uses += occurrence.of(found.first)
    occurrence.uses = uses
    return Matches(first, distance, unit * occurrence.relative())
