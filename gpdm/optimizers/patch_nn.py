"""Patch nearest neighbours: GPNN's step as another way to descend a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..images import Size, size_of
from ..options import Options, option
from ..patches.nearest import SEARCH_HELP, SEARCHES, all_patches, import_faiss, least_distances, nearest, search_bytes
from ..pyramid import Level, check_levels
from .base import Descent, OnStep, Problem


@dataclass(frozen=True, kw_only=True)
class PatchNN(Options):
    """Replaces every patch by its nearest patch of the reference, again and again, and averages where they overlap.

    A level has no loss to descend then; what is reported as loss is the mean squared difference of the patches to those that
    replace them.

    References:
        Granot et al., Drop the GAN: In Defense of Patches Nearest Neighbors as Single Image Generative Models, CVPR 2022.
        Deviation: patches are looked for in the reference of the level itself, not in a blurred one at a level's first step.
    """

    patch_size: int = option(7, "Side of the square patches, in pixels.", ge=1, le=31)
    alpha: float = option(
        0.005,
        "Completeness: reference patches that are far from all of the output are preferred, the more the smaller it is. In squared differences of "
        "pixel values from -1 to 1. 10 or more: no preference.",
        ge=1e-6,
        le=1000.0,
        step=0.001,
    )
    num_steps: int = option(10, "Steps at each level, fewer if no patch changes any more.", ge=1, le=1000)
    step: float = option(
        1.0,
        "How far a step goes: 1 puts the averaged patches in place of the picture, 0.5 goes half the way.",
        ge=0.01,
        le=1.0,
        step=0.05,
    )
    search: str = option(
        "exact",
        SEARCH_HELP,
        choices=SEARCHES,
    )

    def check(self, loss: Any, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if a level is smaller than a patch, `GPDMError` if faiss is asked for and not installed. There is
        no use for `loss`."""
        del loss
        check_levels(levels, self.patch_size)
        if self.search == "faiss":
            import_faiss()

    def working_bytes(self, loss: Any, reference_pixels: int, output_pixels: int) -> tuple[int, int]:
        """How much memory one step takes, in bytes: the patches of both sides twice, with up to four channels, and a block of
        distances. There is no less and no more."""
        del loss
        needed = search_bytes(self.patch_size, reference_pixels + output_pixels)
        return needed, needed

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """The step limit of each level."""
        return (self.num_steps,) * len(levels)

    def descend(
        self,
        images: Sequence[Tensor],
        problem: Problem,
        generators: Sequence[Generator],
        num_steps: int,
        on_step: OnStep,
    ) -> list[Descent]:
        """See `Optimizer.descend`; nothing is random here, and a level has converged when no patch changes any more."""
        del generators
        keys = all_patches(problem.references, self.patch_size)
        losses: list[list[Tensor]] = [[] for _ in images]
        chosen: list[Tensor | None] = [None] * len(images)
        converged = [False] * len(images)
        for step in range(num_steps):
            for number, image in enumerate(images):
                if converged[number]:
                    continue
                index, coherence = self._choose(all_patches([image], self.patch_size), keys)
                image.lerp_(vote(keys[index], size_of(image), self.patch_size), self.step)
                losses[number].append(coherence)
                on_step(number, step, coherence, image)
                before, chosen[number] = chosen[number], index
                converged[number] = self.step == 1 and before is not None and torch.equal(index, before)
        return [
            Descent(image, torch.stack(own).cpu().double(), "converged" if done else "step limit")
            for image, own, done in zip(images, losses, converged, strict=True)
        ]

    def _choose(self, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """The key of each query, and the mean squared difference to it."""
        missing = least_distances(queries, keys, self.search)
        chosen = nearest(queries, keys, self.search, 1 / (self.alpha + missing))
        return chosen.index, chosen.distance.mean()


def vote(patches: Tensor, size: Size, patch_size: int, given: Tensor | None = None) -> Tensor:
    """The picture (1, C, H, W) of `size` in which each pixel is the mean of what the patches that cover it say.

    Arguments:
        patches: (n, C p^2), one for every place of the patch grid, or for those that are `given`.
        given: (rows x columns,), bool: the places that have a patch. Every pixel must be covered by one.
    """
    if given is not None:
        everywhere = patches.new_zeros(len(given), patches.shape[1])
        everywhere[given] = patches
        patches = everywhere
    counts = patches.new_ones(1, patch_size**2, len(patches))
    if given is not None:
        counts = counts * given
    return F.fold(patches.T[None], size, patch_size) / F.fold(counts, size, patch_size)
