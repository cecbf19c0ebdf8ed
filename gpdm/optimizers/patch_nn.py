"""Patch nearest neighbours: GPNN's step as another way to solve a level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import wrap, wrap_adjoint
from ..canvas import Canvas
from ..errors import OptionError
from ..images import size_of
from ..losses.base import Objective, OutputState, by_region, check_single
from ..options import Options, option
from ..patches.nearest import SEARCH_HELP, SEARCHES, all_patches, import_faiss, least_distances, nearest, search_bytes
from ..pyramid import Level, check_level
from ..references import Reference, reference_patch_weights
from .base import Iterate, LevelProblem, Step


@dataclass(frozen=True, kw_only=True)
class PatchNN(Options):
    """Replaces every patch by its nearest patch of the reference, again and again, and averages where they overlap.

    The loss is not minimised then; what is reported as loss is the mean squared difference of the patches to those that replace them.
    Canvas border, reference weights and regions are honoured: a patch of weight 0 is never taken, and one with twice the weight is
    preferred up to twice the squared difference.

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

    @property
    def average(self) -> float:
        """0: the last image is the result."""
        return 0.0

    def check(self, loss: Any, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if a level is smaller than a patch, `GPDMError` if faiss is asked for and not installed. `loss` is
        not used."""
        del loss
        for level in levels:
            check_level(level, self.patch_size)
        if self.search == "faiss":
            import_faiss()

    def memory(self, loss: Any, level: Level) -> tuple[int, int]:
        """Returns how many bytes one step takes, no less and no more: the patches of both sides twice, with up to four channels, and
        a block of distances."""
        del loss
        needed = search_bytes(self.patch_size, level.reference_pixels + level.pixels)
        return needed, needed

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """Returns the step limit of each level."""
        return (self.num_steps,) * len(levels)

    def rates(self, num_steps: int) -> Tensor:
        """Returns nothing for each step, (num_steps, 0): all are alike."""
        return torch.zeros(num_steps, 0, dtype=torch.float64)

    def objectives(self, problem: LevelProblem, images: Sequence[Tensor]) -> list[Objective]:
        """Returns the search for nearest patches, the same for all outputs."""
        return [NearestPatches(self, problem.references, problem.canvas)] * len(images)

    def step_of(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
        """Returns the step of one output: it moves toward the mean of the nearest patches."""
        del problem, objective

        def step(given: tuple[Votes, Tensor]) -> Tensor:
            votes, _ = given
            image.lerp_(votes.image, self.step)
            return votes.distance

        return step

    def has_converged(self, iterate: Iterate) -> bool:
        """Returns whether no patch has changed in the last step."""
        return self.step == 1 and iterate.state.remembered.unchanged

    def diverged(self) -> OptionError:
        """Returns the error for an image that became infinite or NaN, which means of finite patches cannot."""
        return OptionError("step", self.step, "the images became infinite")


@dataclass(frozen=True)
class Votes:
    """What the nearest patches of an image say."""

    image: Tensor
    """Their mean where they overlap, (1, C, H, W)."""
    distance: Tensor
    """Mean squared difference of the image's patches to them, a scalar."""
    index: Tensor
    """Which patch of its group each patch has, (patches,)."""
    unchanged: bool
    """Whether these are the same patches as in the step before."""


class NearestPatches:
    """The objective of `PatchNN`: half the mean squared difference to the votes, which are found anew in every step."""

    backend = "torch"
    capturable = False

    def __init__(self, options: PatchNN, references: Sequence[Reference], canvas: Canvas) -> None:
        self.options, self.canvas = options, canvas
        groups = by_region(references, canvas)
        self.keys, self.factors = zip(*(self._keys(group) for group, _, _ in groups), strict=True)
        rows, columns = (side - options.patch_size + 1 for side in canvas.padded_size(options.patch_size))
        self.group = torch.zeros(rows * columns, dtype=torch.int64, device=references[0].image.device)
        if len(groups) > 1:  # a patch belongs to the region that has most of it
            shares = [own.patch_weights(options.patch_size) for _, own, _ in groups]
            self.group = torch.stack([each for each in shares if each is not None]).argmax(0).flatten()

    def _keys(self, references: Sequence[Reference]) -> tuple[Tensor, Tensor | None]:
        """Returns the patches that may be taken, a row each, and by what their squared distances are divided."""
        keys = all_patches([each.image for each in references], self.options.patch_size)
        weights = reference_patch_weights(references, self.options.patch_size)
        if weights is None:
            return keys, None
        flat = torch.cat([each.flatten() for each in weights])
        return keys[flat > 0], flat[flat > 0]

    def sample(self, image: Tensor, step: int, state: OutputState) -> Votes:
        """See `Objective`; nothing is random here."""
        del step
        check_single(image)
        size, border = self.options.patch_size, self.canvas.border
        wrapped = wrap(image, size, border)
        queries = all_patches([wrapped], size)
        patches, index = torch.empty_like(queries), torch.empty_like(self.group)
        distance = torch.empty_like(queries[:, 0])
        for group, (keys, weights) in enumerate(zip(self.keys, self.factors, strict=True)):
            own = self.group == group
            if own.any():
                index[own], distance[own] = self._nearest(queries[own], keys, weights)
                patches[own] = keys[index[own]]
        before: Votes | None = state.remembered
        unchanged = before is not None and torch.equal(index, before.index)
        image = vote(patches, size_of(wrapped), size, border)
        state.remembered = Votes(image, distance.mean(), index, unchanged)
        return state.remembered

    def _nearest(self, queries: Tensor, keys: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns the key of each query, and the mean squared difference to it."""
        factors = 1 / (self.options.alpha + least_distances(queries, keys, self.options.search))
        chosen = nearest(queries, keys, self.options.search, factors if weights is None else factors / weights)
        return chosen.index, chosen.distance

    def evaluate(self, image: Tensor, sample: Votes, into: Tensor) -> Tensor:
        """See `Objective`."""
        into.add_(image - sample.image)
        return sample.distance


def vote(patches: Tensor, size: tuple[int, int], patch_size: int, border: str = "free") -> Tensor:
    """Returns the image in which each pixel is the mean of the patches that cover it.

    Arguments:
        patches: Patches, (n, C p^2), one for every place of the patch grid.
        size: Height and width of the image with the padding of `borders.wrap`.
        patch_size: Side of the patches.
        border: One of `borders.BORDERS`.

    Returns:
        The image (1, C, H, W), without the padding.
    """
    counts = patches.new_ones(1, patch_size**2, len(patches))
    sums, covers = F.fold(patches.T[None], size, patch_size), F.fold(counts, size, patch_size)
    return wrap_adjoint(sums, patch_size, border) / wrap_adjoint(covers, patch_size, border)
