"""Terms over an image and its guide, a channel that is held: they keep the layout of the image.

A patch distribution does not say where a patch is. With the blurred luminance as one more channel, a patch is used
where the output is as bright as it was around that patch.

References:
    Hertzmann et al., Image Analogies, SIGGRAPH 2001.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..borders import gaussian_blur
from ..canvas import Canvas
from ..images import LUMA, resize
from ..pyramid import Level
from ..references import Reference, check_pictures
from .base import Loss, Objective, OutputState, Term
from .parts import LossOfTerms, TermAtScales

GUIDE_BLUR = 1.5
"""Standard deviation of the blur of the guide, in pixels of the level."""


@dataclass(frozen=True)
class GuidedTerm:
    """A term whose images have one more channel, the guide: the blurred luminance of a picture, which is held.

    The guide of an output has the values of the guides of the references, in the order of brightness of its picture.
    """

    term: Term
    pictures: Tensor
    """Pictures whose layout is kept, (B, C, h, w); output i keeps that of picture i modulo B."""
    per_output = True

    @property
    def patch_size(self) -> int:
        """The value of the term."""
        return self.term.patch_size

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        """Checks the term, and that the references are pictures; see `Term.check`."""
        check_pictures(references, "the guide of layout is made of pixels")
        self.term.check(level, references)

    def active(self, level: Level) -> bool:
        """Returns whether the term is active at this level."""
        return self.term.active(level)

    def memory(self, level: Level) -> tuple[int, int]:
        """Returns the bytes of the term, and of images with one more channel than four."""
        copies = 4 * 5 * (level.reference_pixels + 2 * level.pixels)
        minimum, full_speed = self.term.memory(level)
        return minimum + copies, full_speed + copies

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> Objective:
        """Returns the objective for one level; see `Term.bind`."""
        del image
        guides = [_blurred_luminance(reference.image) for reference in references]
        joint = [
            replace(reference, image=torch.cat([reference.image, guide], 1))
            for reference, guide in zip(references, guides, strict=True)
        ]
        weights = torch.cat([reference.map().flatten() for reference in references])
        index = canvas.output % len(self.pictures)
        picture = resize(canvas.enter(self.pictures[index : index + 1]), canvas.size, canvas.border)
        luminance = _blurred_luminance(picture, canvas.border)
        guide = _with_values(luminance, torch.cat([x.flatten() for x in guides]), weights)
        return _GuidedObjective(self.term.bind(joint, canvas, memory, weight), guide)


def guided_up_to(loss: Loss, scale: float, pictures: Tensor) -> Loss:
    """Returns a loss that keeps the layout of pictures at levels up to a scale, where the finest level has scale 1.

    Arguments:
        loss: The loss.
        scale: Largest scale at which the guide holds.
        pictures: Pictures whose layout is kept, (B, C, h, w).
    """
    above = math.nextafter(scale, 2)
    terms = [(weight, TermAtScales(GuidedTerm(term, pictures), below=above)) for weight, term in loss.terms()]
    terms += [(weight, TermAtScales(term, lowest=above)) for weight, term in loss.terms()]
    return LossOfTerms(tuple(terms), loss.border)


class _GuidedObjective:
    """The objective of a term over an image and its guide."""

    def __init__(self, objective: Objective, guide: Tensor) -> None:
        self.objective, self.guide = objective, guide
        self.backend, self.capturable = objective.backend, objective.capturable

    def sample(self, image: Tensor, step: int, state: OutputState) -> Any:
        """See `Objective`."""
        return self.objective.sample(self._joint(image), step, state)

    def evaluate(self, image: Tensor, sample: Any, into: Tensor) -> Tensor:
        """See `Objective`. The gradient of the guide is dropped."""
        joint = self._joint(image)
        gradient = torch.zeros_like(joint)
        value = self.objective.evaluate(joint, sample, gradient)
        into.add_(gradient[:, : image.shape[1]])
        return value

    def _joint(self, image: Tensor) -> Tensor:
        return torch.cat([image, self.guide], 1)


def _blurred_luminance(image: Tensor, border: str = "free") -> Tensor:
    """Returns the blurred luminance of an image (1, C, H, W), (1, 1, H, W). One or two channels: that of the first."""
    grey = image[:, :1]
    if image.shape[1] >= 3:
        grey = (image[:, :3] * image.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return gaussian_blur(grey, GUIDE_BLUR, border)


def _with_values(image: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """Returns an image whose pixels, in the same order of brightness, have the distribution of other values.

    Arguments:
        image: Image, (1, 1, H, W).
        values: Values, (n,).
        weights: Weight of each value, (n,), not negative, not all 0.
    """
    rank = image.flatten().argsort().argsort().to(torch.float64).add_(0.5) / image.numel()
    ordered, order = values.sort()
    ends = weights.to(torch.float64)[order].cumsum(0)
    index = torch.searchsorted(ends / ends[-1], rank).clamp(max=len(values) - 1)
    return ordered[index].view_as(image)
