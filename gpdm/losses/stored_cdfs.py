"""CDFs of saved patch distributions, in place of those of a reference's patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from ..distributions.stored import PatchDistribution, PatchQuantiles, fixed_filters, mixed_cdf
from ..errors import OptionError
from ..images import size_of
from ..kernels.backend import Backend
from ..patches.filters import Filters
from ..patches.linear import FilterBank
from ..references import Reference, check_pictures
from ..transport.binned import Bins, bin_count, bin_range


def check_distributions(references: Sequence[Reference], patch_sizes: Sequence[int]) -> None:
    """Checks that saved distributions among the references hold patches of these sides.

    Raises:
        OptionError: They do not, or pictures and saved distributions form one distribution together.
    """
    stored = [reference.distribution for reference in references if reference.distribution is not None]
    if not stored:
        return
    if len(stored) < len(references):
        check_pictures(references, "one of the references is a picture")
    for distribution in stored:
        for patch_size in patch_sizes:
            if patch_size not in distribution.patch_sizes:
                sizes = ", ".join(map(str, distribution.patch_sizes))
                raise OptionError(
                    "patch_size",
                    patch_size,
                    f"the saved distribution has patches of {sizes} pixels",
                    "choose one of these",
                )


class StoredCDFs:
    """Chooses sets of filters among those of saved distributions, and computes the CDFs of their mixture.

    Set i is the same in every run. Until all filters have been used, none is used twice.

    Arguments:
        groups: The filters of a set in groups that are evaluated together. Of each patch size their number and the
            fraction of those with mean zero count; their kind does not.
        distance: "l1" or "l2"; it sets the number of bins.
        references: References at this level, all of them saved distributions.
        backend: The backend in whose form the CDFs are returned.
        bins: Number of bins of each direction; None: `transport.binned.bin_count`.
        pool: Number of consecutive sets that are in use at a time.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Filters, ...]],
        distance: str,
        references: Sequence[Reference],
        backend: Backend,
        bins: int | None,
        pool: int,
    ) -> None:
        self.groups, self.backend, self.like, self.pool = groups, backend, references[0].image, pool
        self.weights, self.distributions = _weighted(references)
        self.bins = bins or bin_count(self.like.shape[2] * self.like.shape[3], distance)
        self.sets: dict[int, tuple[Any, ...]] = {}

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Returns a set of filters with their CDFs, as groups of filters in the backend's own form."""
        if index not in self.sets:
            for old in sorted(self.sets)[: len(self.sets) + 1 - self.pool]:
                del self.sets[old]
            self.sets[index] = tuple(self._group(index, number) for number in range(len(self.groups)))
        return self.sets[index]

    def _group(self, index: int, number: int) -> Any:
        """Returns one group of the filters of a set, with their CDFs."""
        banks, bins, cdfs = [], [], []
        for each in self.groups[number]:
            stored = [distribution.quantiles(each.patch_size) for distribution in self.distributions]
            total = min(map(len, stored))
            chosen = _choice(each, total, index * len(self.groups) + number)
            bank = fixed_filters(total, self.like.shape[1], each.patch_size)[chosen]
            grid, cdf = self._cdfs(stored, chosen)
            banks.append(FilterBank.of(bank).to(self.like))
            bins.append(grid)
            cdfs.append(cdf)
        return self.backend.from_cdfs(banks, bins, torch.cat(cdfs))

    def _cdfs(self, stored: Sequence[PatchQuantiles], chosen: Tensor) -> tuple[Bins, Tensor]:
        """Returns bins for the chosen filters, and the CDF of the mixture at their centres, (k, B)."""
        quantiles = [each.at(chosen) for each in stored]
        low = torch.stack([each[:, 0] for each in quantiles]).amin(0)
        high = torch.stack([each[:, -1] for each in quantiles]).amax(0)
        margin = (high - low) / 16  # for patches of the output
        grid = bin_range(low - margin, high + margin, self.bins)
        centres = grid.low[:, None] + (torch.arange(self.bins) + 0.5) * grid.width[:, None]
        cdf = mixed_cdf(quantiles, self.weights, centres)
        return Bins(grid.low.to(self.like), grid.width.to(self.like), grid.number), cdf.to(self.like)


def _weighted(references: Sequence[Reference]) -> tuple[list[float], list[PatchDistribution]]:
    """Returns the distributions with a weight above 0, and their shares.

    A distribution counts as one picture of its size, however many pictures it was made of.
    """
    weights, distributions = [], []
    for reference in references:
        assert reference.distribution is not None
        assert not isinstance(reference.weight, Tensor)
        if reference.weight > 0:
            weights.append(reference.weight * math.prod(size_of(reference.image)))
            distributions.append(reference.distribution)
    return weights, distributions


def _choice(filters: Filters, total: int, index: int) -> Tensor:
    """Returns the indices of the filters of one set: those with mean zero come last, as in `Filters.sample`."""
    detail = round(filters.detail * filters.number) if filters.patch_size > 1 else 0
    half = total // 2 if filters.patch_size > 1 else total
    plain = _without_replacement(half, filters.number - detail, index)
    return torch.cat([plain, half + _without_replacement(total - half, detail, index)])


def _without_replacement(total: int, number: int, index: int) -> Tensor:
    """Returns set `index` of `number` indices below `total`, all of which are used in turn, in random order."""
    start, chosen = index * number, []
    while len(chosen) < number:
        turn, first = divmod(start + len(chosen), total)
        order = torch.randperm(total, generator=Generator().manual_seed(turn))
        chosen += order[first : first + number - len(chosen)].tolist()
    return torch.tensor(chosen, dtype=torch.int64)
