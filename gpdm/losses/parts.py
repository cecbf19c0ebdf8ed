"""Losses put together from single terms, and terms that are active at some levels only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..canvas import Canvas
from ..pyramid import Level
from ..references import Reference
from .base import Objective, Term


@dataclass(frozen=True)
class LossOfTerms:
    """A loss that is given by its terms."""

    weighted: tuple[tuple[float, Term], ...]
    """The terms and their weights."""
    border: str = "free"
    """One of `borders.BORDERS`; see `Loss.border`."""

    def terms(self) -> tuple[tuple[float, Term], ...]:
        """Returns the terms and their weights."""
        return self.weighted


@dataclass(frozen=True)
class TermAtScales:
    """A term that is active at levels of some scales only, where the finest level has scale 1."""

    term: Term
    lowest: float = 0.0
    """Lowest scale at which the term is active."""
    below: float = math.inf
    """Scale from which the term is inactive."""

    @property
    def per_output(self) -> bool:
        """The value of the term."""
        return self.term.per_output

    @property
    def patch_size(self) -> int:
        """The value of the term."""
        return self.term.patch_size

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Checks the term at levels where it is active; see `Term.check`."""
        if self.active(level):
            self.term.check(level, references)

    def active(self, level: Level) -> bool:
        """Returns whether the scale of the level is one of these, and the term is active there."""
        return self.lowest <= level.scale < self.below and self.term.active(level)

    def memory(self, level: Level) -> tuple[int, int]:
        """Returns the bytes that the term needs."""
        return self.term.memory(level)

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> Objective:
        """Returns the objective of the term; see `Term.bind`."""
        return self.term.bind(references, canvas, memory, weight, image)
