"""Patch nearest neighbours, the step of GPNN, as a level solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..borders import wrap
from ..canvas import Canvas
from ..errors import OptionError
from ..images import check_single, size_of
from ..losses.base import Objective, OutputState, by_region, level_of
from ..options import Options, option
from ..patches.nearest import (
    SEARCHES,
    all_patches,
    import_faiss,
    least_distances,
    nearest,
    search_bytes,
    squared_distance,
)
from ..patches.occurrence import Matches, Occurrence, search_in_parts, variety_option
from ..patches.store import PatchStore
from ..pyramid import Level, check_level
from ..references import Reference, check_patches, check_pictures, masked_at, reference_patch_weights
from .approximate_nn import ApproximatePatches, approximate_bytes, is_large
from .base import Iterate, LevelProblem, Step
from .votes import Votes, region_of_patches, vote

APPROXIMATE = "approximate"
PATCH_SEARCH_HELP = (
    "exact compares all pairs of patches; faiss, from the package faiss-cpu, only likely ones. approximate compares all "
    "pairs at small levels only; at large ones it carries matches from step to step, and alpha has no effect."
)


@dataclass(frozen=True, kw_only=True)
class PatchNN(Options):
    """Repeatedly replaces every patch by its nearest reference patch, and averages the patches where they overlap.

    The loss is not used. The reported loss is the mean squared difference of the patches to their nearest reference
    patches. Canvas border, reference weights and regions apply: a patch of weight 0 is never used, and
    doubling a patch's weight halves its effective squared difference.

    References:
        Granot et al., Drop the GAN: In Defense of Patches Nearest Neighbors as Single Image Generative Models, CVPR
        2022. Deviation: except with search "approximate", patches are searched in the reference of the level itself,
        not in a blurred one at the first step.
    """

    patch_size: int = option(
        7,
        "Side of the square patches, in pixels. Higher keeps larger structures and copies larger pieces of the "
        "reference.",
        ge=1,
        le=31,
    )
    alpha: float = option(
        0.005,
        "Preference for reference patches still missing from the output: lower prefers them more, above 10 hardly "
        "at all. The unit is mean squared difference of pixel values from -1 to 1.",
        ge=1e-6,
        le=1000.0,
        step=0.001,
    )
    num_steps: int = option(
        10,
        "Maximum number of steps at each level. Higher is slower; a level ends early when no patch changes any more.",
        ge=1,
        le=1000,
    )
    step: float = option(
        1.0,
        "Fraction by which each step moves the picture towards the averaged patches. 1 replaces it; lower is "
        "gradual, and no level ends early.",
        ge=0.01,
        le=1.0,
        step=0.05,
    )
    search: str = option(
        "exact",
        PATCH_SEARCH_HELP,
        choices=(*SEARCHES, APPROXIMATE),
        advanced=True,
    )
    variety: float = variety_option()

    @property
    def averaged_fraction(self) -> float:
        """0: images are not averaged."""
        return 0.0

    def check(self, loss: Any, levels: Sequence[Level], references: Sequence[Reference] = ()) -> None:
        """Raises `OptionError` if a level is smaller than a patch, `GPDMError` if faiss is chosen and not installed.

        `loss` is not used.
        """
        del loss
        check_pictures(references, "patch nearest neighbours (quality draft) use nothing else")
        for level in levels:
            check_level(level, self.patch_size)
            check_patches(masked_at(references, level.scale), self.patch_size)
        if self.search == "faiss":
            import_faiss()

    def largest_patch(self, loss: Any) -> int:
        """Returns `patch_size`. `loss` is not used."""
        del loss
        return self.patch_size

    def memory(self, loss: Any, level: Level) -> tuple[int, int]:
        """Returns the bytes of one step. The minimum is also the amount for full speed.

        They hold two copies of the patches of output and references, with up to four channels, and a block of
        distances; or those of the approximate search.
        """
        del loss
        if self.search == APPROXIMATE and is_large(level):
            needed = approximate_bytes(self.patch_size, level)
            return needed, needed
        needed = search_bytes(self.patch_size, level.reference_pixels + level.pixels)
        return needed, needed

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """Returns the step limit of each level."""
        return (self.num_steps,) * len(levels)

    def rates(self, num_steps: int) -> Tensor:
        """Returns an empty tensor, (num_steps, 0), because all steps are alike."""
        return torch.zeros(num_steps, 0, dtype=torch.float64)

    def objectives(self, problem: LevelProblem, images: Sequence[Tensor]) -> list[Objective]:
        """Returns the search for nearest patches, which all outputs share."""
        references, canvas = problem.references, problem.canvas
        if self.search == APPROXIMATE and is_large(level_of(references, canvas)):
            return [ApproximatePatches(self.patch_size, references, canvas, problem.factor, self.variety)] * len(images)
        return [NearestPatches(self, references, canvas)] * len(images)

    def step_of(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
        """Returns the step of one output, which moves the image toward the overlapping mean of its nearest patches."""
        del problem, objective

        def step(inputs: tuple[Votes, Tensor]) -> Tensor:
            votes, _ = inputs
            image.lerp_(votes.image, self.step)
            return votes.distance

        return step

    def has_converged(self, iterate: Iterate) -> bool:
        """Returns whether the last step left the nearest patch of every patch unchanged. False if `step` is not 1."""
        return self.step == 1 and iterate.state.remembered.unchanged

    def divergence_error(self) -> OptionError:
        """Returns the error to raise for infinite or NaN values, which averages of finite patches do not have."""
        return OptionError.saying("the images have infinite or NaN values; check the reference and init")


class NearestPatches:
    """The objective of `PatchNN`, with a new search in every step.

    The value is the mean squared difference of the patches to their nearest patches. The gradient is the difference of
    the image to the votes.
    """

    backend = "torch"
    capturable = False

    def __init__(self, options: PatchNN, references: Sequence[Reference], canvas: Canvas) -> None:
        self.options, self.canvas = options, canvas
        groups = by_region(references, canvas)
        self.stores = [self._store(group) for group, _, _ in groups]
        self.keys, self.factors = zip(*(self._keys(group) for group, _, _ in groups), strict=True)
        canvases, device = [region_canvas for _, region_canvas, _ in groups], references[0].image.device
        self.group = region_of_patches(canvases, options.patch_size, device).flatten()

    def _keys(self, references: Sequence[Reference]) -> tuple[Tensor, Tensor | None]:
        """Returns the patches with a weight above 0, one per row, and their weights, which divide squared distances."""
        keys = all_patches([x.image for x in references], self.options.patch_size)
        weights = reference_patch_weights(references, self.options.patch_size)
        if weights is None:
            return keys, None
        flat = torch.cat([x.flatten() for x in weights])
        return keys[flat > 0], flat[flat > 0]

    def _store(self, references: Sequence[Reference]) -> PatchStore:
        """Returns the patches, by whose positions uses are counted."""
        weights = reference_patch_weights(references, self.options.patch_size)
        return PatchStore([x.image for x in references], self.options.patch_size, weights)

    def sample(self, image: Tensor, step: int, state: OutputState) -> Votes:
        """See `Objective.sample`; nothing is random here."""
        del step
        check_single(image)
        size, border = self.options.patch_size, self.canvas.border
        wrapped = wrap(image, size, border)
        queries = all_patches([wrapped], size)
        patches, index = torch.empty_like(queries), torch.empty_like(self.group)
        last: Votes | None = state.remembered
        for group, keys in enumerate(self.keys):
            in_group = self.group == group
            if in_group.any():
                before = None if last is None else last.index[in_group]
                index[in_group] = self._nearest(queries[in_group], group, before)
                patches[in_group] = keys[index[in_group]]
        distance = squared_distance(queries, patches)
        unchanged = last is not None and torch.equal(index, last.index)
        image = vote(patches, size_of(wrapped), size, border)
        state.remembered = Votes(image, distance.mean(), index, unchanged)
        return state.remembered

    def _nearest(self, queries: Tensor, group: int, last: Tensor | None) -> Tensor:
        """Returns the index of the key of each query, (n,), in one region, where `last` are those of the last step."""
        keys, weights, store = self.keys[group], self.factors[group], self.stores[group]
        search = "faiss" if self.options.search == "faiss" else "exact"
        factors = 1 / (self.options.alpha + least_distances(queries, keys, search))
        factors = factors if weights is None else factors / weights
        if not self.options.variety:
            return nearest(queries, keys, search, factors).index
        first = store.allowed.nonzero()[:, 0]  # the first pixel of each key, in their order

        def search_part(part: slice, penalty: Tensor | None) -> Matches:
            found = nearest(queries[part], keys, search, factors, None if penalty is None else penalty[first])
            return Matches(first[found.index], found.distance * factors[found.index])

        occurrence = Occurrence(store, len(queries), 1.0)
        last = None if last is None else first[last]
        matches = search_in_parts(search_part, occurrence, self.options.variety, last)
        return torch.searchsorted(first, matches.first)

    def evaluate(self, image: Tensor, sample: Votes, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        into.add_(image - sample.image)
        return sample.distance
