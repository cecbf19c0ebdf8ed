"""Bidirectional similarity as a loss, an alternative to the sliced Wasserstein distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import BORDER_HELP, BORDERS, wrap, wrap_adjoint
from ..canvas import Canvas
from ..images import check_single, size_of
from ..options import Options, option
from ..patches.nearest import SEARCH_HELP, SEARCHES, all_patches, import_faiss, nearest, search_bytes
from ..pyramid import Level, check_level
from ..references import Reference, check_patches, reference_patch_weights
from ..transport.binned import accumulator_dtype
from .base import OutputState, Term


@dataclass(frozen=True, kw_only=True)
class BidirectionalLoss(Options):
    """Bidirectional similarity: coherence plus `completeness` times completeness. The loss is its own only term.

    Coherence is the mean squared difference of each output patch to its nearest reference patch, completeness that of
    each reference patch to its nearest output patch.

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

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns this loss as its only term, with weight 1."""
        return ((1.0, self),)

    @property
    def per_output(self) -> bool:
        """False: all outputs share an objective."""
        return False

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Raises `OptionError` if the level or what the weights leave is smaller than a patch, `GPDMError` if faiss is missing."""
        check_level(level, self.patch_size)
        check_patches(references, self.patch_size)
        if self.search == "faiss":
            import_faiss()

    def active(self, level: Level) -> bool:
        """Returns True: the loss takes part at every level."""
        del level
        return True

    def memory(self, level: Level) -> tuple[int, int]:
        """Returns the bytes of one step; the minimum is also the amount for full speed.

        They hold two copies of the patches of output and references, with up to four channels, and a block of
        distances.
        """
        needed = search_bytes(self.patch_size, level.reference_pixels + level.pixels)
        return needed, needed

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> BidirectionalObjective:
        """Returns the objective for one level; see `Term.bind`."""
        del memory, image
        return BidirectionalObjective(self, references, canvas, weight)


@dataclass(frozen=True)
class Quadratic:
    """The loss for fixed nearest neighbours, a quadratic in the image: sum(weight x^2) - 2 sum(target x) + constant."""

    weight: Tensor
    """Sum of the weights of the matches that cover each pixel, (1, 1, H, W)."""
    target: Tensor
    """Weighted sum of the matched reference patches at each pixel, (1, C, H, W)."""
    constant: Tensor
    """Constant term, a scalar in `accumulator_dtype`: float64 where the device has it, because the three sums nearly
    cancel near the minimum."""


class BidirectionalObjective:
    """The objective of a `BidirectionalLoss` at one level, for fixed nearest neighbours between two searches."""

    backend = "torch"
    capturable = False

    def __init__(
        self, options: BidirectionalLoss, references: Sequence[Reference], canvas: Canvas, weight: float
    ) -> None:
        self.options, self.canvas, self.weight = options, canvas, weight
        weights = reference_patch_weights(references, options.patch_size)
        keys = all_patches([each.image for each in references], options.patch_size)
        if weights is None:
            self.keys, self.key_shares = keys, keys.new_full((len(keys),), 1 / len(keys))
        else:
            flat = torch.cat([each.flatten() for each in weights])
            chosen = flat > 0
            self.keys, self.key_shares = keys[chosen], flat[chosen] / flat.sum()
        own = canvas.patch_weights(options.patch_size)
        self.query_shares = None if own is None else (own / own.sum()).flatten()

    def sample(self, image: Tensor, step: int, state: OutputState) -> Quadratic:
        """See `Objective.sample`. Searches the nearest patches again every `every` steps."""
        check_single(image)
        searched, quadratic = state.remembered or (0, None)
        if quadratic is None or not searched <= step < searched + self.options.every:
            quadratic = self._search(image)
            state.remembered = step, quadratic
        return quadratic

    def evaluate(self, image: Tensor, sample: Quadratic, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        product = image.to(sample.constant.dtype) * (sample.weight * image - 2 * sample.target)
        into.add_(2 * (sample.weight * image - sample.target), alpha=self.weight)
        return self.weight * (product.sum() + sample.constant)

    def _search(self, image: Tensor) -> Quadratic:
        o, keys, border = self.options, self.keys, self.canvas.border
        wrapped = wrap(image, o.patch_size, border)
        everywhere = all_patches([wrapped], o.patch_size)
        chosen = slice(None) if self.query_shares is None else self.query_shares.nonzero()[:, 0]
        queries = everywhere[chosen]
        # Coherence attracts each query to its nearest key, weighted by the query's share. Completeness attracts the
        # nearest query of each key to that key, weighted by `completeness` times the key's share.
        weights = queries.new_full((len(queries),), 1 / len(queries))
        if self.query_shares is not None:
            weights = self.query_shares[chosen]
        found = keys[nearest(queries, keys, o.search).index]
        targets, precise = found * weights[:, None], accumulator_dtype(image.device)
        constant = (weights.to(precise) * found.to(precise).square().sum(1)).sum()
        if o.completeness:
            shares, query = o.completeness * self.key_shares, nearest(keys, queries, o.search).index
            targets.index_add_(0, query, keys * shares[:, None])
            weights = weights.index_add(0, query, shares)
            constant = constant + (shares.to(precise) * keys.to(precise).square().sum(1)).sum()
        number, size = queries.shape[1], size_of(wrapped)
        target, weight = torch.zeros_like(everywhere), torch.zeros_like(everywhere[:, 0])
        target[chosen], weight[chosen] = targets / number, weights / number
        sums = F.fold(target.T[None], size, o.patch_size)
        weight = F.fold(weight.expand(1, o.patch_size**2, -1), size, o.patch_size)
        sums, weight = (wrap_adjoint(each, o.patch_size, border) for each in (sums, weight))
        return Quadratic(weight, sums, constant / number)
