"""Bidirectional similarity as a loss, an alternative to the sliced Wasserstein distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import BORDER_HELP, BORDERS, wrap, wrap_adjoint_
from ..canvas import Canvas
from ..images import check_single, size_of
from ..options import Options, option
from ..patches.nearest import SEARCH_HELP, SEARCHES, all_patches, import_faiss, nearest, search_bytes
from ..pyramid import Level, check_level
from ..references import Reference, check_patches, check_pictures, reference_patch_weights
from ..transport.binned import accumulator_dtype
from ..transport.sorted import add_rows_
from .base import OutputState, Term


@dataclass(frozen=True, kw_only=True)
class BidirectionalLoss(Options):
    """Bidirectional similarity: coherence plus `completeness` times completeness.

    Coherence is the mean squared difference of each output patch to its nearest reference patch, completeness that of
    each reference patch to its nearest output patch. The loss has one term, itself.

    References:
        Simakov et al., Summarizing Visual Data Using Bidirectional Similarity, CVPR 2008, equation 1.
    """

    patch_size: int = option(
        7,
        "Side of the square patches, in pixels. Higher keeps larger structures and copies more of the reference.",
        ge=1,
        le=31,
    )
    completeness: float = option(
        1.0,
        "Weight of completeness (all of the reference appears in the output) relative to coherence (all of the "
        "output resembles the reference). Higher shows more of the reference; 0 uses coherence only.",
        ge=0.0,
        le=100.0,
        step=0.1,
    )
    every: int = option(
        10,
        "Steps between searches for nearest patches. Higher is faster, because searches take most of the time, "
        "but uses outdated matches for longer.",
        ge=1,
        le=10000,
        advanced=True,
    )
    search: str = option(
        "exact",
        SEARCH_HELP,
        choices=SEARCHES,
        advanced=True,
    )
    border: str = option(
        "free",
        BORDER_HELP,
        choices=BORDERS,
        advanced=True,
    )

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns this loss as its only term, with weight 1."""
        return ((1.0, self),)

    @property
    def per_output(self) -> bool:
        """False, since all outputs share an objective."""
        return False

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Checks a level; see `Term.check`.

        Raises:
            OptionError: The level, or what the weights leave of the references, is smaller than a patch.
            GPDMError: faiss is chosen and not installed.
        """
        check_level(level, self.patch_size)
        check_pictures(references, "the bidirectional loss compares patches with the nearest ones")
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

    @property
    def minimiser(self) -> Tensor:
        """The image at which the loss for these matches is least, (1, C, H, W), if every pixel has a weight."""
        return self.target / self.weight


class BidirectionalObjective:
    """The objective of a `BidirectionalLoss` at one level, for fixed nearest neighbours between two searches."""

    backend = "torch"
    capturable = False

    def __init__(
        self, options: BidirectionalLoss, references: Sequence[Reference], canvas: Canvas, weight: float
    ) -> None:
        self.options, self.canvas, self.weight = options, canvas, weight
        weights = reference_patch_weights(references, options.patch_size)
        keys = all_patches([reference.image for reference in references], options.patch_size)
        if weights is None:
            self.keys, self.key_fractions = keys, keys.new_full((len(keys),), 1 / len(keys))
        else:
            flat = torch.cat([weight.flatten() for weight in weights])
            chosen = flat > 0
            self.keys, self.key_fractions = keys[chosen], flat[chosen] / flat.sum()
        patch_weights = canvas.patch_weights(options.patch_size)
        self.query_fractions = None if patch_weights is None else (patch_weights / patch_weights.sum()).flatten()

    def sample(self, image: Tensor, step: int, state: OutputState) -> Quadratic:
        """See `Objective.sample`. The nearest patches are searched again every `BidirectionalLoss.every` steps."""
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
        """Returns the loss for the nearest neighbours of the patches of an image (1, C, H, W)."""
        p, search, completeness = self.options.patch_size, self.options.search, self.options.completeness
        keys, border = self.keys, self.canvas.border
        wrapped = wrap(image, p, border)
        patches = all_patches([wrapped], p)
        chosen = slice(None) if self.query_fractions is None else self.query_fractions.nonzero()[:, 0]
        queries = patches[chosen]
        # Coherence attracts each query to its nearest key, weighted by the query's fraction. Completeness attracts the
        # nearest query of each key to that key, weighted by `completeness` times the key's fraction.
        weights = queries.new_full((len(queries),), 1 / len(queries))
        if self.query_fractions is not None:
            weights = self.query_fractions[chosen]
        matches = keys[nearest(queries, keys, search).index]
        targets, dtype = matches * weights[:, None], accumulator_dtype(image.device)
        constant = (weights.to(dtype) * matches.to(dtype).square().sum(1)).sum()
        if completeness:
            key_weights, query = completeness * self.key_fractions, nearest(keys, queries, search).index
            add_rows_(targets, query, keys * key_weights[:, None])
            weights = add_rows_(weights.clone(), query, key_weights)
            constant = constant + (key_weights.to(dtype) * keys.to(dtype).square().sum(1)).sum()
        number, size = queries.shape[1], size_of(wrapped)
        target, weight = torch.zeros_like(patches), torch.zeros_like(patches[:, 0])
        target[chosen], weight[chosen] = targets / number, weights / number
        sums = F.fold(target.T[None], size, p)
        weight = F.fold(weight.expand(1, p**2, -1), size, p)
        sums, weight = (wrap_adjoint_(x, p, border) for x in (sums, weight))
        return Quadratic(weight, sums, constant / number)
