"""Making an image smaller in gradual steps, so that its patches stay complete and coherent."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from ..canvas import Canvas
from ..images import Size, size_of
from ..losses.base import OutputState
from ..losses.bidirectional import BidirectionalLoss
from ..pictures.progress import OnProgress
from ..references import Reference
from .seams import without_seams

STEP = 0.05
"""Fraction by which a side becomes shorter in one step, about."""
VOTES, LAST_VOTES = 1, 15
"""Votes after each step, and after the last one."""
START_NOISE = 0.05
"""Standard deviation of the noise that is added to the start, so that seeds differ."""
SEAM_COST = 0.05
"""Cost of a pixel of a seam for each unit of weight above the smallest, for pixels from -1 to 1."""


def gradual_sizes(size: Size, target: Size) -> list[Size]:
    """Returns the sizes through which an image goes from `size` to `target`, without the first and with the last.

    Both sides become shorter by the same number of equal factors, of `STEP` or a little less for the side that shrinks
    more. Sizes that rounding makes equal to the one before are left out.
    """
    factors = [new / old for old, new in zip(size, target, strict=True)]
    number = max(math.ceil(math.log(min(factors)) / math.log(1 - STEP) - 1e-9), 1)
    sizes = [size]
    for i in range(1, number + 1):
        height, width = (round(old * factor ** (i / number)) for old, factor in zip(size, factors, strict=True))
        if (height, width) != sizes[-1]:
            sizes.append((height, width))
    return sizes[1:]


def shrunk(
    reference: Reference, size: Size, loss: BidirectionalLoss, seed: int, on_step: OnProgress | None = None
) -> Tensor:
    """Returns an image of a smaller size whose patches are those of a reference, as many of them as there is room for.

    Each small step removes seams. Then all patches vote for the pixels: those of the image for their nearest reference
    patches, those of the reference for themselves at their nearest place in the image. The mean of the votes is the
    minimum of the loss for these matches.

    Arguments:
        reference: Image and weights of its pixels. A patch of higher weight votes more, and seams avoid
            it.
        size: Height and width of the result, each at least that of a patch and at most that of the reference.
        loss: Patch size, and weight of completeness.
        seed: Seed of the noise in the start.
        on_step: Callback after each vote.

    References:
        Simakov et al., Summarizing Visual Data Using Bidirectional Similarity, CVPR 2008, sections 3 and 4.
        Deviation: there each step scales the image, which makes objects narrower that have room (docs/adr/0026).
    """
    sizes = gradual_sizes(size_of(reference.image), size) or [size]
    counts = [VOTES] * (len(sizes) - 1) + [LAST_VOTES]
    generator, done = Generator().manual_seed(seed % 2**64), 0
    noise = torch.randn(reference.image.shape, generator=generator).to(reference.image)
    image, weight = reference.image + START_NOISE * noise, reference.map()
    cost = SEAM_COST * (weight - weight.amin())
    for each, count in zip(sizes, counts, strict=True):
        image, cost = without_seams(image, cost, each)
        objective = loss.bind([reference], Canvas(size=each), memory=0)
        for _ in range(count):
            image = objective.sample(image, 0, OutputState(generator)).minimiser
            done += 1
            if on_step is not None:
                on_step(done / sum(counts), image)
    return image
