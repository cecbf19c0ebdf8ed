"""Shares of several references in the output, everywhere or along an axis, as a mixture and as a barycentre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import OptionError
from ..images import Size, size_of
from ..losses.base import Loss, Term
from ..losses.coherence import Coherence
from ..losses.combined import LossOn
from ..losses.parts import LossOfTerms
from ..references import Reference

BANDS = 2
"""Number of bands of a mixture along an axis for each reference."""


@dataclass(frozen=True)
class Shares:
    """References, and the share that each has in the output."""

    references: Sequence[Reference]
    """References whose share is above 0."""
    maps: Tensor
    """Shares, (references, 1, 1, H, W), float64, with sum 1 at each pixel; H = W = 1: they are the same everywhere."""
    windows: Tensor
    """Parts of the output, (windows, 1, 1, H, W), float64, with sum 1 at each pixel. Each has its own mixture."""

    @classmethod
    def of(cls, references: Sequence[Reference], size: Size, axis: int | None) -> Shares:
        """Returns shares in proportion to the weights of the references, whatever their number of pixels.

        Arguments:
            references: References of one image each. The largest value of a map of weights counts.
            size: Height and width of the output.
            axis: Axis along which the first reference goes over into the last, with the others evenly spaced between: 0
                from top to bottom, 1 from left to right. None: the shares are the same everywhere.

        Raises:
            OptionError: No reference has a weight above 0.
        """
        weights = [float(reference.map().amax()) for reference in references]
        used = [reference for reference, weight in zip(references, weights, strict=True) if weight > 0]
        if not used:
            raise OptionError.saying("all pictures of the mix have weight 0; give at least one a weight above 0")
        shares = torch.tensor([weight for weight in weights if weight > 0], dtype=torch.float64)[:, None]
        one = torch.ones(1, 1, 1, 1, 1, dtype=torch.float64)
        if axis is None or len(used) == 1:
            return cls(used, (shares / shares.sum()).view(-1, 1, 1, 1, 1) * one, one)
        shares = shares * _hats(len(used), size[axis])
        maps, windows = (
            lines.view(-1, 1, 1, *((size[0], 1) if axis == 0 else (1, size[1]))).expand(-1, 1, 1, *size)
            for lines in (shares / shares.sum(0), _hats(BANDS * len(used), size[axis]))
        )
        return cls(used, maps, windows)

    def mixture(self) -> list[Reference]:
        """Returns references whose patches together have these shares.

        Along an axis each window has a mixture of its own. If each reference had a region of its own instead, its shape
        would be given, and not found by the patches at its border.
        """
        if len(self.windows) == 1:
            return [self._weighted(reference, share) for reference, share in self._pairs(self.maps)]
        references = []
        for window in self.windows:
            shares = (self.maps * window).sum((3, 4), keepdim=True) / window.sum()
            references += [
                replace(self._weighted(reference, share), region=window.to(reference.image))
                for reference, share in self._pairs(shares)
            ]
        return references

    def blend(self, loss: Loss) -> tuple[tuple[float, Term], ...]:
        """Returns terms whose minimum is the barycentre of the references: the distances to each, by their shares.

        Coherence has no part in it, since it attracts patches to those of single references.
        """
        distances = LossOfTerms(tuple(each for each in loss.terms() if not isinstance(each[1], Coherence)))
        terms: list[tuple[float, Term]] = []
        for reference, share in self._pairs(self.maps):
            region = None if len(self.windows) == 1 else share.to(reference.image)
            one = LossOn(distances, [replace(reference, weight=_ones(reference), region=region)])
            terms += [(float(share.mean()) * weight, term) for weight, term in one.terms()]
        return tuple(terms)

    def _pairs(self, shares: Tensor) -> list[tuple[Reference, Tensor]]:
        return [
            (reference, share)
            for reference, share in zip(self.references, shares, strict=True)
            if bool((share > 0).any())
        ]

    @staticmethod
    def _weighted(reference: Reference, share: Tensor) -> Reference:
        """Returns a reference whose pixels together have the weight `share`."""
        weights = _ones(reference)
        if isinstance(weights, Tensor):
            return replace(reference, weight=weights * (float(share) / float(weights.sum())))
        height, width = size_of(reference.image)
        return replace(reference, weight=float(share) / (height * width))


def _ones(reference: Reference) -> Tensor | float:
    """Returns the weight of a reference, scaled so that its largest value is 1."""
    weight = reference.weight
    return weight / weight.amax() if isinstance(weight, Tensor) else 1.0


def _hats(number: int, length: int) -> Tensor:
    """Returns evenly spaced hat functions along a line, the first and the last at its ends: (number, length)."""
    place = (torch.arange(length, dtype=torch.float64) + 0.5) / length * (number - 1)
    return (1 - (place - torch.arange(number, dtype=torch.float64)[:, None]).abs()).clamp(min=0)
