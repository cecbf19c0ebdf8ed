"""Losses made of others: weighted sums, losses with their own references, weights that depend on the output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ..canvas import Canvas
from ..errors import GPDMError, OptionError
from ..images import check_alike, scaled
from ..options import Options, option
from ..pyramid import Level
from ..references import Images, Reference, as_references, masked_at, sizes_of
from .base import Loss, Objective, SumObjective, Term, by_region, count_regions
from .parts import TermAtScales


@dataclass(frozen=True, kw_only=True)
class CombinedLoss(Options):
    """The sum of the first loss and `weight` times the second."""

    weight: float = option(
        1.0,
        "Weight of the second loss; the first has weight 1. Higher follows the second loss more.",
        ge=0.0,
        le=1000.0,
        step=0.1,
    )
    first: Loss | None = None
    second: Loss | None = None

    def _losses(self) -> tuple[Loss, Loss]:
        """Returns both losses; raises `OptionError` if one is missing."""
        if self.first is None or self.second is None:
            name = "first" if self.first is None else "second"
            raise OptionError.saying(f"CombinedLoss (GPDM Combine Losses) has no {name} loss; connect one to {name}")
        return self.first, self.second

    @property
    def border(self) -> str:
        """The border that both losses set, or the only one that is not free.

        Raises:
            GPDMError: The losses set different borders.
            OptionError: One of the losses is missing.
        """
        borders = {loss.border for loss in self._losses()} - {"free"}
        if len(borders) > 1:
            raise GPDMError(
                f"the combined losses set different borders ({' and '.join(sorted(borders))}); choose the same in both"
            )
        return borders.pop() if borders else "free"

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns the terms of both losses; raises `OptionError` if one is missing."""
        first, second = self._losses()
        return (*first.terms(), *((self.weight * weight, term) for weight, term in second.terms()))


@dataclass(frozen=True)
class LossOn:
    """A loss with its own references in place of those of the synthesis.

    A barycentre of two images is the minimum of the sum of two such losses. The references keep their size relative to
    the output: at half the output's size they are resized by one half. Their regions say where they apply.
    """

    loss: Loss
    references: Sequence[Reference]
    """References of one image each, as `references.as_references` returns them."""

    @classmethod
    def of(cls, loss: Loss, reference: Images) -> LossOn:
        """Returns the loss with images or references as its references; raises the errors of `as_references`."""
        return cls(loss, as_references(reference))

    @property
    def border(self) -> str:
        """The border of the loss."""
        return self.loss.border

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns the terms of the loss, each bound to these references."""
        return tuple((weight, _TermOn(term, self.references)) for weight, term in self.loss.terms())


@dataclass(frozen=True)
class _TermOn:
    """A term with its own references."""

    term: Term
    references: Sequence[Reference]

    @property
    def per_output(self) -> bool:
        return self.term.per_output

    @property
    def patch_size(self) -> int:
        return self.term.patch_size

    def _at(self, level: Level) -> Level:
        """Returns the level with the sizes of these references."""
        sizes = tuple(scaled(size, level.scale) for size in sizes_of(self.references))
        return replace(level, reference_sizes=sizes)

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        self.term.check(self._at(level), masked_at(self.references, level.scale))

    def active(self, level: Level) -> bool:
        return self.term.active(self._at(level))

    def memory(self, level: Level) -> tuple[int, int]:
        own = self._at(level)
        copies = 2 * 4 * own.reference_pixels * self.references[0].image.shape[1]  # one of them channels last
        regions = count_regions(self.references)
        minimum, full_speed = self.term.memory(own)
        return regions * minimum + copies, regions * full_speed + copies

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> Objective:
        resized = []
        for reference in self.references:
            entered = replace(reference, image=canvas.enter(reference.image))
            resized.append(entered.at(canvas.scale, canvas.border))
        groups = by_region(resized, canvas)
        parts = [
            self.term.bind(group, region_canvas, memory // len(groups), weight * fraction, image)
            for group, region_canvas, fraction in groups
        ]
        return parts[0] if len(parts) == 1 else SumObjective(parts)


def own_references(loss: Loss, like: Tensor) -> list[Reference]:
    """Returns the references that terms of a loss have in place of those of the synthesis.

    Arguments:
        loss: The loss.
        like: A reference of the synthesis, (1, C, H, W).

    Raises:
        ImageError: A reference of the loss has other channels or another device than `like`.
    """
    references = [reference for _, term in loss.terms() for reference in _references_of(term)]
    for reference in references:
        check_alike(reference.image, "a reference of the loss", like, "reference")
    return references


def _references_of(term: Term) -> Sequence[Reference]:
    if isinstance(term, (_FollowingTerm, TermAtScales)):
        return _references_of(term.term)
    return term.references if isinstance(term, _TermOn) else ()


Reweigh = Callable[[Sequence[Reference], Canvas, Tensor], Sequence[Reference]]
"""A function that returns the references of a level with other weights. Its arguments are the references, the canvas of
the level, and the image (1, C, H, W) with which an output enters it."""


@dataclass(frozen=True)
class FollowingLoss:
    """A loss whose reference weights depend on each output's own image.

    `reweigh` computes them at the beginning of every level, so every output has its own objective.
    """

    loss: Loss
    reweigh: Reweigh

    @property
    def border(self) -> str:
        """The border of the loss."""
        return self.loss.border

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns the terms of the loss, each with reference weights that depend on the output."""
        return tuple((weight, _FollowingTerm(term, self.reweigh)) for weight, term in self.loss.terms())


@dataclass(frozen=True)
class _FollowingTerm:
    """A term whose reference weights depend on the output's image."""

    term: Term
    reweigh: Reweigh
    per_output = True

    @property
    def patch_size(self) -> int:
        return self.term.patch_size

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        self.term.check(level, references)

    def active(self, level: Level) -> bool:
        return self.term.active(level)

    def memory(self, level: Level) -> tuple[int, int]:
        return self.term.memory(level)

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> Objective:
        if image is None:
            raise GPDMError("FollowingLoss needs the output's image; pass image= to bind")
        return self.term.bind(self.reweigh(references, canvas, image), canvas, memory, weight, image)
