"""The posterior mean of noisy patches whose clean versions are reference patches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from .inverted_lists import BLOCK_PATCHES, InvertedLists
from .search import PROBES
from .store import PatchStore

MAX_PAIRS = 2**23
"""Number of pairs of noisy and reference patches up to which all are compared, unless all always are."""
PAIRS_AT_ONCE = 2**22
"""Number of pairs that are compared at a time on a CPU."""
GPU_PAIRS_FACTOR = 16
"""Factor of `PAIRS_AT_ONCE` on a GPU, for fewer launches."""


def posterior_bytes(patch_size: int, patches: int, reference_pixels: int, neighbours: int, exact: bool) -> int:
    """Returns the bytes that the posterior means of so many noisy patches take at a time, with up to four channels."""
    patch = 4 * 4 * patch_size**2
    if exact:
        return patch * (reference_pixels + 4 * patches) + 3 * 4 * PAIRS_AT_ONCE
    return 24 * reference_pixels + patch * (BLOCK_PATCHES + (2 * neighbours + 4) * patches) + 3 * 4 * PAIRS_AT_ONCE


class PosteriorMean:
    """The posterior mean of patches with Gaussian noise, if each is one of the reference patches.

    For a noisy patch x = alpha y + sigma e with standard normal noise e, it is the mean of all reference patches y
    with weights proportional to their own weight times exp(-|x - alpha y|^2 / (2 sigma^2)).

    Arguments:
        references: Images, (1, C, h, w) each.
        patch_size: Side of the patches, in pixels.
        weights: Weight of every patch of each reference, (rows, columns). A patch of weight 0 is not used. None: all
            weights are 1.
        neighbours: Number of nearest reference patches over which the mean is taken, among those of the nearest
            inverted lists; 0 takes it over all.

    References:
        Qiu et al., Efficient and Training-Free Single-Image Diffusion Models, CVPR 2026: the closed-form denoiser.
    """

    def __init__(
        self, references: Sequence[Tensor], patch_size: int, weights: Sequence[Tensor] | None, neighbours: int
    ) -> None:
        self.store, self.neighbours = PatchStore(references, patch_size, weights), neighbours
        self.first = self.store.allowed.nonzero()[:, 0]
        on_gpu = references[0].device.type == "cuda"
        self.pairs_at_once = PAIRS_AT_ONCE * (GPU_PAIRS_FACTOR if on_gpu else 1)

    @cached_property
    def mean(self) -> Tensor:
        """Weighted mean of all reference patches, (p p C,): the posterior mean of noise alone."""
        total, weight = self.store.read(self.first[:1])[0].double() * 0, 0.0
        for part in self.first.split(BLOCK_PATCHES):
            patches = self.store.read(part).double()
            weights = patches.new_ones(len(part)) if self.store.weights is None else self.store.weights[part].double()
            total, weight = total + weights @ patches, weight + float(weights.sum())
        return (total / weight).to(self.store.pixels)

    @cached_property
    def _log_weights(self) -> Tensor | None:
        """Logarithm of the weight of every usable patch, (N,); None if all weights are equal."""
        return None if self.store.weights is None else self.store.weights[self.first].log()

    @cached_property
    def _keys(self) -> tuple[Tensor, Tensor]:
        """All usable patches minus their mean, (N, D), and half their squared norms, (N,)."""
        keys = self.store.read(self.first).sub_(self.mean)
        return keys, keys.square().sum(1).div_(2)

    @cached_property
    def _lists(self) -> InvertedLists:
        return InvertedLists(self.store, self.first, round(math.sqrt(len(self.first))))

    def of(self, patches: Tensor, alpha: float, sigma: float) -> Tensor:
        """Returns the posterior means of noisy patches (n, D), of the same shape.

        Arguments:
            patches: Noisy patches, elements in the order of `PatchStore.read`.
            alpha: Factor of the clean patch, from 0 to 1.
            sigma: Standard deviation of the noise, above 0.
        """
        if alpha == 0:  # noise says nothing
            return self.mean.expand(len(patches), -1)
        if self.neighbours:
            return self._of_nearest(patches, alpha, sigma)
        rows = max(self.pairs_at_once // len(self.first), 1)
        return torch.cat([self._of_all(part, alpha, sigma) for part in patches.split(rows)])

    def _of_all(self, patches: Tensor, alpha: float, sigma: float) -> Tensor:
        """Returns the mean over all reference patches.

        The squared norm of the noisy patch is the same for all of them, and is left out.
        """
        keys, norms = self._keys
        # Centred patches have small norms, which reduces rounding errors.
        logits = (patches - alpha * self.mean) @ keys.T
        logits.sub_(norms, alpha=alpha).mul_(alpha / sigma**2)
        if self._log_weights is not None:
            logits.add_(self._log_weights)
        return torch.addmm(self.mean, logits.softmax(1), keys)

    def _of_nearest(self, patches: Tensor, alpha: float, sigma: float) -> Tensor:
        """Returns the mean over the nearest reference patches."""
        # The lists hold clean patches: |x - alpha y| is least where |x / alpha - y| is.
        first, is_found = self._lists.several(patches / alpha, PROBES, self.neighbours)
        found = self.store.read(first.flatten()).view(*first.shape, -1)
        logits = (patches[:, None] - alpha * found).square_().sum(2).mul_(-0.5 / sigma**2)
        if self.store.weights is not None:
            logits.add_(self.store.weights[first].log())
        logits.masked_fill_(~is_found, -torch.inf)
        return (logits.softmax(1)[:, None] @ found)[:, 0]
