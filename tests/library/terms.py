"""Losses with other terms than their options give: other limits of counting, other fields of coherence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gpdm import Coherence, Loss, SlicedWasserstein, Term
from gpdm.losses.reference_cdfs import CountingLimits


@dataclass(frozen=True)
class TermsLoss:
    """A loss with the given weighted terms."""

    weighted_terms: tuple[tuple[float, Term], ...]
    border: str = "free"

    def terms(self) -> tuple[tuple[float, Term], ...]:
        return self.weighted_terms


def with_limits(loss: Loss, **limits: Any) -> TermsLoss:
    """Returns a loss whose distances have other `CountingLimits`."""

    def changed(term: Term) -> Term:
        return replace(term, limits=CountingLimits(**limits)) if isinstance(term, SlicedWasserstein) else term

    return TermsLoss(tuple((weight, changed(term)) for weight, term in loss.terms()), loss.border)


def with_coherence(loss: Loss, **fields: Any) -> TermsLoss:
    """Returns a loss whose coherence has other fields."""

    def changed(term: Term) -> Term:
        return replace(term, **fields) if isinstance(term, Coherence) else term

    return TermsLoss(tuple((weight, changed(term)) for weight, term in loss.terms()), loss.border)
