"""Objectives: what a loss is at one pyramid level. Here the one that sorts; the fast one is in `histogram_objective`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol, TypeGuard

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..images import Size, size_of
from ..kernels.workspace import with_less_on_failure
from ..patches.linear import patch_count, project, project_adjoint, wrap, wrap_adjoint, wrapped_size
from ..transport.sorted import quantile_coupling, sliced_wasserstein
from .swd_options import SWDOptions


class Objective(Protocol):
    """A loss bound to the references of one level."""

    def advance(self) -> None:
        """Called before every step: draws what all outputs share."""
        ...

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """The value, a scalar, and the gradient, with the shape (1, C, H, W) of `image`.

        What is random for this output alone is drawn from `generator`, a CPU generator. The value is a mean over patches, so
        that it does not depend on the size of the image.
        """
        ...

    def curvature(self) -> Tensor:
        """The second derivative with respect to each pixel, in a shape that goes with the image's. The method newton asks for
        it, once, and only of a loss that says it has one."""
        ...


class Repeatable(Objective, Protocol):
    """An objective in two halves: what the host draws, and what the device does with it, which is the same work every time."""

    @property
    def repeatable(self) -> bool:
        """Whether it is so; a sum is if all its parts are."""
        ...

    @property
    def backend(self) -> str:
        """What does the work, "torch" or "triton"."""
        ...

    def draw(self, image: Tensor, generator: Generator) -> Any:
        """What `__call__` draws, as tensors inside tuples and dataclasses."""
        ...

    def evaluate(self, image: Tensor, drawn: Any) -> tuple[Tensor, Tensor]:
        """What `__call__` returns for this draw. It may not ask a device for a number."""
        ...


def is_repeatable(objective: Objective) -> bool:
    """Whether its evaluations can be recorded and replayed."""
    return _in_halves(objective) and objective.repeatable


def backend_of(objective: Objective) -> str:
    """What does its work: of one without halves plain PyTorch, as far as is known."""
    return objective.backend if _in_halves(objective) else "torch"


def draw(objective: Objective, image: Tensor, generator: Generator) -> Any:
    """The first half of `objective(image, generator)`: of one without halves, no more than the generator."""
    return objective.draw(image, generator) if _in_halves(objective) else generator


def evaluate(objective: Objective, image: Tensor, drawn: Any) -> tuple[Tensor, Tensor]:
    """The second half."""
    return objective.evaluate(image, drawn) if _in_halves(objective) else objective(image, drawn)


def _in_halves(objective: Objective) -> TypeGuard[Repeatable]:
    # Asking a protocol takes longer than the launch of a recorded step.
    return hasattr(objective, "evaluate")


@dataclass(frozen=True)
class PatchWeights:
    """A weight for every patch of the unstrided patch grids, not negative; only ratios matter."""

    references: tuple[Tensor, ...] | None = None
    """One (rows, columns) tensor for each reference; None weighs all patches alike."""
    output: Tensor | None = None
    """(rows, columns) of the output's patches; None weighs all alike."""


@dataclass(frozen=True)
class SumObjective:
    """The sum of objectives, each times its weight."""

    parts: tuple[tuple[float, Objective], ...]

    def advance(self) -> None:
        """See `Objective`."""
        for _, part in self.parts:
            part.advance()

    def curvature(self) -> Tensor:
        """See `Objective`."""
        return reduce(torch.add, (weight * part.curvature() for weight, part in self.parts))

    @property
    def repeatable(self) -> bool:
        """See `Repeatable`."""
        return all(is_repeatable(part) for _, part in self.parts)

    @property
    def backend(self) -> str:
        """See `Repeatable`."""
        return "triton" if "triton" in [backend_of(part) for _, part in self.parts] else "torch"

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        return self.evaluate(image, self.draw(image, generator))

    def draw(self, image: Tensor, generator: Generator) -> tuple[Any, ...]:
        """See `Repeatable`."""
        return tuple(draw(part, image, generator) for _, part in self.parts)

    def evaluate(self, image: Tensor, drawn: tuple[Any, ...]) -> tuple[Tensor, Tensor]:
        """See `Repeatable`."""
        (weight, part), *others = self.parts
        value, gradient = evaluate(part, image, drawn[0])
        value, gradient = weight * value, weight * gradient
        for (weight, part), own_draw in zip(others, drawn[1:], strict=True):
            own, slope = evaluate(part, image, own_draw)
            value, gradient = value + weight * own, gradient.add_(slope, alpha=weight)
        return value, gradient


def curvature(options: SWDOptions, size: Size, channels: int, mass: Tensor | None, like: Tensor) -> Tensor:
    """The curvature of the squared distance (1, 1, H, W): 2 / D times the share of the patches' mass that covers a pixel.

    With a stride, of one grid in the mean over its shifts. Masses (rows, columns) are those of the unstrided grid.
    """
    p = options.patch_size
    whole = wrapped_size(size, p, options.border)
    if mass is None:
        mass = like.new_ones(whole[0] - p + 1, whole[1] - p + 1)
    # The sum of the masses of the patches that cover a pixel is p x p times a mean over their places.
    around = F.pad(mass / mass.sum(), (p - 1,) * 4)[None, None]
    covered = wrap_adjoint(F.avg_pool2d(around, p, 1) * p**2, p, options.border)
    return (covered * (2 / (channels * p * p))).clamp(min=1e-12 / math.prod(size)).to(like)


class ExactObjective:
    """Draws fresh filters for each output and step, projects both sides, and sorts (Algorithm 1). The oracle."""

    def __init__(self, options: SWDOptions, references: Sequence[Tensor], size: Size, chunk: int) -> None:
        self.options, self.references, self.size, self.chunk = options, list(references), size, chunk
        self.whole = wrapped_size(size, options.patch_size, options.border)
        self.coupling = None  # with a stride the counts change with the shift of the grid
        if options.stride == 1:
            n = sum(patch_count(size_of(reference), options.patch_size, 1) for reference in references)
            m = patch_count(self.whole, options.patch_size, 1)
            self.coupling = quantile_coupling(n, m, device=references[0].device, dtype=references[0].dtype)

    def advance(self) -> None:
        """Nothing is shared."""

    def curvature(self) -> Tensor:
        """See `Objective`."""
        return curvature(self.options, self.size, self.references[0].shape[1], None, self.references[0])

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        o = self.options
        bank = o.draw(o.num_proj, image.shape[1], generator).to(image)
        rows, columns = o.shift(self.whole, generator)
        wrapped = wrap(image, o.patch_size, o.border)
        shifted = wrapped[..., rows:, columns:]
        references = [self._shifted(reference, generator) for reference in self.references]

        def evaluate() -> tuple[Tensor, Tensor]:
            value, gradient = image.new_zeros(()), torch.zeros_like(wrapped)
            for part in bank.split(self.chunk):
                p = torch.cat([_rows(project(reference, part, o.stride)) for reference in references], dim=1)
                q = project(shifted, part, o.stride)
                part_value, slope = sliced_wasserstein(p, _rows(q), distance=o.distance, coupling=self.coupling)
                share = len(part) / len(bank)
                value += share * part_value
                slope = (share * slope).T.reshape(q.shape)
                gradient[..., rows:, columns:] += project_adjoint(slope, part, size_of(shifted), o.stride)
            return value, wrap_adjoint(gradient, o.patch_size, o.border)

        return with_less_on_failure(evaluate, self._shrink)

    def _shrink(self) -> str | None:
        if self.chunk == 1:
            return None
        self.chunk = (self.chunk + 1) // 2
        return f"takes {self.chunk} projections at a time"

    def _shifted(self, reference: Tensor, generator: Generator) -> Tensor:
        rows, columns = self.options.shift(size_of(reference), generator)
        return reference[..., rows:, columns:]


def _rows(projections: Tensor) -> Tensor:
    """(rows, columns, K) -> (K, N), contiguous."""
    return projections.flatten(0, 1).T.contiguous()
