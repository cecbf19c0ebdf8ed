"""The protocols of a loss: a weighted sum of terms. A term bound to one pyramid level is an objective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor

from ..canvas import Canvas
from ..errors import OptionError
from ..images import resize
from ..pyramid import Level
from ..references import Reference, masked_at, sizes_of


@dataclass
class OutputState:
    """The state of one output at one level: its generator, and what an objective keeps from step to step."""

    generator: Generator
    """A CPU generator, so that random numbers are the same on every device."""
    remembered: Any = None
    """State of the objective; None at the beginning of a level. Only the objective reads and writes it."""
    parts: dict[int, OutputState] = field(default_factory=dict)
    """The states of the parts of a sum, by index; all share the generator."""

    def part(self, index: int) -> OutputState:
        """Returns the state of one part of a sum."""
        if index not in self.parts:
            self.parts[index] = OutputState(self.generator)
        return self.parts[index]


class Objective(Protocol):
    """A term bound to one level, multiplied by its weight in the loss.

    A step has two parts, `sample` on the host and `evaluate` on the device. The second does the same work at every
    step, so that it can be captured as a CUDA graph.
    """

    backend: str
    """The backend in use, "torch" or "triton"."""
    capturable: bool
    """Whether `evaluate` can be captured: for samples of one shape it does the same work, and it never copies a value
    from the device to the host."""

    def sample(self, image: Tensor, step: int, state: OutputState) -> Any:
        """Does the host's part of a step: samples random numbers, and repeats a patch search when it is due.

        Arguments:
            image: Image, (1, C, H, W).
            step: Index of the step at this level, from 0. Values shared by all outputs depend only on `step`.
            state: State of the output to which the image belongs. Random values of one output come from its generator.

        Returns:
            A sample: tensors inside tuples and dataclasses.

        Raises:
            ImageError: `image` is a batch of several.
        """
        ...

    def evaluate(self, image: Tensor, sample: Any, into: Tensor) -> Tensor:
        """Adds the gradient with respect to `image` (1, C, H, W) to `into`, of that shape; returns the value, a scalar.

        The value is a mean over patches or pixels, so that it does not depend on the size of the image.
        """
        ...


class Term(Protocol):
    """A summand of a loss, as a frozen description that is not yet bound to images."""

    @property
    def per_output(self) -> bool:
        """True if every output needs its own objective, because the term depends on its image at the level's start."""
        ...

    @property
    def patch_size(self) -> int:
        """Side of the patches without which the term cannot work, in pixels; 1 if it works at every size."""
        ...

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Checks that the term can be bound to a level. It is called for all levels before any work begins.

        Arguments:
            level: The level.
            references: The references of one region, resized to the level if one of them has a map of weights.

        Raises:
            GPDMError: The term cannot work at this level, or no patch of the references has a weight above 0 there.
        """
        ...

    def active(self, level: Level) -> bool:
        """Returns whether the term is active at this level. An inactive term is not bound."""
        ...

    def memory(self, level: Level) -> tuple[int, int]:
        """Returns the bytes that one step needs besides the images: the minimum, and the amount for full speed."""
        ...

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> Objective:
        """Returns the objective for one level.

        Arguments:
            references: The references at this level, all of one region.
            canvas: The canvas of this level.
            memory: Bytes that a step may use. Below the full-speed amount it is slower, with the same result.
            weight: Factor of value and gradient.
            image: The image with which the output enters the level, (1, C, H, W), if the term is `per_output`.
        """
        ...


@runtime_checkable
class Loss(Protocol):
    """A weighted sum of terms. The socket type GPDM_LOSS carries it."""

    @property
    def border(self) -> str:
        """The border that the loss sets on a canvas whose own border is free; one of `borders.BORDERS`."""
        ...

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns the terms and their weights.

        Raises:
            OptionError: A part of the loss is missing, or its parts are incompatible.
        """
        ...


def check_loss(loss: Loss, levels: Sequence[Level], references: Sequence[Reference] = ()) -> None:
    """Checks that all terms of a loss can be bound to all levels.

    Arguments:
        loss: The loss.
        levels: All levels.
        references: The references at full size.

    Raises:
        GPDMError: A term cannot work at one of the levels, or no patch there has a weight above 0.
    """
    for level in levels:
        groups = [group for _, group in region_groups(masked_at(references, level.scale))]
        for group in groups or [[]]:  # without references the sizes of the level are checked all the same
            for _, term in loss.terms():
                term.check(level, group)


def loss_memory(loss: Loss, level: Level) -> tuple[int, int]:
    """Returns the bytes that one step needs: the minimum, and the amount for full speed.

    They are sums over the active terms, since every term keeps its own buffers.
    """
    needs = [term.memory(level) for _, term in loss.terms() if term.active(level)]
    return sum(minimum for minimum, _ in needs), sum(full for _, full in needs)


def is_per_output(loss: Loss) -> bool:
    """Returns whether every output needs its own objective."""
    return any(term.per_output for _, term in loss.terms())


def bind(
    loss: Loss, references: Sequence[Reference], canvas: Canvas, memory: int = 2**30, image: Tensor | None = None
) -> Objective:
    """Returns the objective of a loss for one level: the sum over regions and terms.

    Each term gets its minimum of `memory`, and a proportional part of the remaining memory.

    Arguments:
        loss: The loss.
        references: The references at this level; they may have several regions.
        canvas, memory, image: As in `Term.bind`.

    Raises:
        OptionError: No pixel has both a region and a canvas weight above 0.
    """
    active, needs = [], []
    for group, region_canvas, fraction in by_region(references, canvas):
        level = level_of(group, region_canvas)
        for weight, term in loss.terms():
            if term.active(level):
                active.append((weight * fraction, term, group, region_canvas))
                needs.append(term.memory(level))
    total_minimum, total_full = sum(need[0] for need in needs), sum(need[1] for need in needs)
    spare = memory - total_minimum
    parts = []
    for (weight, term, group, region_canvas), (minimum, full) in zip(active, needs, strict=True):
        term_memory = minimum + spare * (full - minimum) // max(total_full - total_minimum, 1)
        parts.append(term.bind(group, region_canvas, term_memory, weight, image))
    return parts[0] if len(parts) == 1 else SumObjective(parts)


def level_of(references: Sequence[Reference], canvas: Canvas) -> Level:
    """Returns the level to which these references and this canvas belong, with index 0."""
    return Level(0, canvas.scale, canvas.size, tuple(sizes_of(references)))


def by_region(references: Sequence[Reference], canvas: Canvas) -> list[tuple[list[Reference], Canvas, float]]:
    """Groups references by their region of the output. References without a region apply where no region does.

    Returns:
        For each region: its references, with `region` None; the canvas, with the region multiplied into its weight; and
        the region's fraction of the output, which is the weight of the group's loss. Without regions one group with
        fraction 1.

    Raises:
        OptionError: No pixel has both a region and a canvas weight above 0.
    """
    if canvas.weight is not None and not bool((canvas.weight > 0).any()):
        raise OptionError.saying("the output weight is 0 everywhere; give a map with values above 0")
    if all(reference.region is None for reference in references):
        return [(list(references), canvas, 1.0)]
    groups = region_groups(references)
    maps = [region if region is None else resize(region, canvas.size, canvas.border) for region, _ in groups]
    covered = torch.stack([region for region in maps if region is not None]).sum(0)
    weights = [(1 - covered).clamp(min=0) if region is None else region for region in maps]
    if canvas.weight is not None:
        weights = [weight * canvas.weight for weight in weights]
    sums = [float(weight.cpu().double().sum()) for weight in weights]
    if sum(sums) == 0:
        raise OptionError.saying(
            "no region overlaps the output area with weight above 0; give region maps with values above 0 there"
        )
    return [
        (group, replace(canvas, weight=weight), weight_sum / sum(sums))
        for (_, group), weight, weight_sum in zip(groups, weights, sums, strict=True)
        if weight_sum > 0
    ]


def count_regions(references: Sequence[Reference]) -> int:
    """Returns the maximum number of groups that `by_region` returns."""
    return len(region_groups(references))


def region_groups(references: Sequence[Reference]) -> list[tuple[Tensor | None, list[Reference]]]:
    """Returns the regions, each with its references, whose own `region` is None."""
    groups: list[tuple[Tensor | None, list[Reference]]] = []
    for reference in references:
        everywhere = replace(reference, region=None)
        same = next((group for region, group in groups if _equal(region, reference.region)), None)
        if same is None:
            groups.append((reference.region, [everywhere]))
        else:
            same.append(everywhere)
    return groups


def _equal(a: Tensor | None, b: Tensor | None) -> bool:
    return a is b or (a is not None and b is not None and torch.equal(a, b))


class SumObjective:
    """The sum of objectives of one level."""

    def __init__(self, parts: Sequence[Objective]) -> None:
        self.parts = tuple(parts)
        self.capturable = all(part.capturable for part in self.parts)
        self.backend = "triton" if "triton" in [part.backend for part in self.parts] else "torch"

    def sample(self, image: Tensor, step: int, state: OutputState) -> tuple[Any, ...]:
        """See `Objective`."""
        samples = []
        for index, part in enumerate(self.parts):
            samples.append(part.sample(image, step, state.part(index)))
        return tuple(samples)

    def evaluate(self, image: Tensor, sample: tuple[Any, ...], into: Tensor) -> Tensor:
        """See `Objective`."""
        value = image.new_zeros(())
        for part, part_sample in zip(self.parts, sample, strict=True):
            value = value + part.evaluate(image, part_sample, into)
        return value


def value_and_gradient(
    objective: Objective, image: Tensor, step: int = 0, state: OutputState | None = None
) -> tuple[Tensor, Tensor]:
    """Returns the value, a scalar, and the gradient, (1, C, H, W), of an objective for one image.

    Without a `state` random numbers come from a generator with seed 0.
    """
    state = state or OutputState(Generator().manual_seed(0))
    into = torch.zeros_like(image)
    return objective.evaluate(image, objective.sample(image, step, state), into), into
