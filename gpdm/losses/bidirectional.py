"""Bidirectional similarity as a loss: the rival of the sliced Wasserstein distance, in the same sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..images import Size, size_of
from ..options import Options, option
from ..patches.linear import BORDER_HELP, BORDERS, wrap, wrap_adjoint
from ..patches.nearest import SEARCH_HELP, SEARCHES, all_patches, import_faiss, nearest, search_bytes
from ..pyramid import Level, check_levels
from ..transport.binned import wide
from .objectives import Objective


@dataclass(frozen=True, kw_only=True)
class BidirectionalLoss(Options):
    """Mean squared difference of each output patch to the nearest reference patch (coherence), plus the same the other way round
    (completeness).

    References:
        Simakov et al., Summarizing Visual Data Using Bidirectional Similarity, CVPR 2008, equation 1.
    """

    patch_size: int = option(7, "Side of the square patches, in pixels.", ge=1, le=31)
    completeness: float = option(
        1.0,
        "Weight of completeness, that all of the reference is found in the output, against coherence, that all of the output is found in the reference.",
        ge=0.0,
        le=100.0,
        step=0.1,
    )
    every: int = option(
        10,
        "Steps between two searches for the nearest patches, which take nearly all of the time. In between patches go toward the same ones.",
        ge=1,
        le=10000,
    )
    search: str = option(
        "exact",
        SEARCH_HELP,
        choices=SEARCHES,
    )
    border: str = option(
        "free",
        BORDER_HELP,
        choices=BORDERS,
    )

    @property
    def has_curvature(self) -> bool:
        """False: it changes with every search."""
        return False

    def check(self, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if a level is smaller than a patch, `GPDMError` if faiss is asked for and not installed."""
        check_levels(levels, self.patch_size)
        if self.search == "faiss":
            import_faiss()

    def working_bytes(self, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        """How much memory one step takes, in bytes: the patches of both sides twice, with up to four channels, and a block of
        distances. There is no less and no more."""
        needed = search_bytes(self.patch_size, reference_pixels + output_pixels)
        return needed, needed

    def bind(self, references: Sequence[Tensor], size: Size, memory: int = 2**30) -> Objective:
        """The bidirectional similarity to all patches of all references together; see `Loss`."""
        del size, memory
        return BidirectionalObjective(self, references)


@dataclass(frozen=True)
class Quadratic:
    """What the loss is while patches go toward the same ones: sum(weight x^2) - 2 sum(pull x) + constant."""

    weight: Tensor
    """(1, 1, H, W)."""
    pull: Tensor
    """(1, C, H, W)."""
    constant: Tensor
    """A scalar, in float64 where the device has it, as are its sums: near the end they nearly cancel."""

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Value and gradient."""
        value = (image.to(self.constant.dtype) * (self.weight * image - 2 * self.pull)).sum() + self.constant
        return value, 2 * (self.weight * image - self.pull)


class BidirectionalObjective:
    """See `BidirectionalLoss`."""

    def __init__(self, options: BidirectionalLoss, references: Sequence[Tensor]) -> None:
        self.options = options
        self.keys = all_patches(references, options.patch_size)
        self.calls: dict[Generator, int] = {}
        self.found: dict[Generator, Quadratic] = {}

    def advance(self) -> None:
        """Nothing is drawn."""

    def curvature(self) -> Tensor:
        """There is none that lasts."""
        raise NotImplementedError

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        number = self.calls.get(generator, 0)
        if number % self.options.every == 0:
            self.found[generator] = self._search(image)
        self.calls[generator] = number + 1
        return self.found[generator](image)

    def _search(self, image: Tensor) -> Quadratic:
        o, keys = self.options, self.keys
        wrapped = wrap(image, o.patch_size, o.border)
        queries = all_patches([wrapped], o.patch_size)
        # Each query goes to its key, with weight 1 / queries, and each key pulls at its query, with completeness / keys.
        targets = keys[nearest(queries, keys, o.search).index] / len(queries)
        weights = torch.full_like(queries[:, 0], 1 / len(queries))
        precise = wide(image.device)
        constant = targets.to(precise).square().sum() * len(queries)
        if o.completeness:
            share, query = o.completeness / len(keys), nearest(keys, queries, o.search).index
            targets.index_add_(0, query, keys, alpha=share)
            weights.index_add_(0, query, torch.full_like(keys[:, 0], share))
            constant = constant + share * keys.to(precise).square().sum()
        number = queries.shape[1]
        pull = F.fold(targets.T[None] / number, size_of(wrapped), o.patch_size)
        weight = F.fold((weights / number).expand(1, o.patch_size**2, -1), size_of(wrapped), o.patch_size)
        pull, weight = (wrap_adjoint(each, o.patch_size, o.border) for each in (pull, weight))
        return Quadratic(weight, pull, constant / number)
