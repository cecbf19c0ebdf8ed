"""Newton's method with a diagonal Hessian: each step is the gradient divided by the Hessian diagonal.

No learning rate is needed. The Hessian diagonal is known for the squared sliced Wasserstein distance and for coherence.
Other terms are refused, so that no term has to implement the diagonal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import wrap_adjoint_
from ..canvas import Canvas
from ..errors import OptionError
from ..losses.base import Loss, Term, by_region, level_of
from ..losses.coherence import Coherence
from ..losses.sliced import SlicedWasserstein
from ..references import Reference


def check_newton(loss: Loss) -> None:
    """Raises `OptionError` if the Hessian diagonal of a term is not known."""
    if not all(_is_known(term) for _, term in loss.terms()):
        raise OptionError(
            "method",
            "newton",
            "it needs a loss whose second derivative is known, such as the distance l2 by itself",
            "choose the distance l2, or connect a GPDM Optimizer with method adam",
        )


def _is_known(term: Term) -> bool:
    return isinstance(term, Coherence) or (isinstance(term, SlicedWasserstein) and term.distance == "l2")


def hessian_diagonal(loss: Loss, references: Sequence[Reference], canvas: Canvas) -> Tensor:
    """Returns the Hessian diagonal of a loss at one level, the same for all channels, (1, 1, H, W), positive.

    For the squared sliced Wasserstein distance it is twice the fraction of patches that cover a pixel, divided by the
    dimension C p^2 of a patch, because the mean square of an element of a random unit filter is 1 / (C p^2). For
    coherence it is an upper bound, the value of fully attracted pixels.

    References:
        Rabin et al., Wasserstein Barycenter and its Application to Texture Mixing, SSVM 2011, section 3.3.
    """
    like = references[0].image
    total = like.new_zeros(1, 1, *canvas.size)
    for group, region_canvas, fraction in by_region(references, canvas):
        for weight, term in loss.terms():
            if term.active(level_of(group, region_canvas)):
                total = total + weight * fraction * _diagonal(term, region_canvas, like)
    # Pixels without weight have gradient 0 and stay unchanged; the minimum prevents 0 / 0.
    return total.clamp(min=1e-12 / math.prod(canvas.size))


def _diagonal(term: Term, canvas: Canvas, like: Tensor) -> Tensor:
    """Returns the Hessian diagonal of one term, (1, 1, H, W) or (1, 1, 1, 1), with dtype and device of `like`."""
    channels = like.shape[1]
    if isinstance(term, SlicedWasserstein):
        total = like.new_zeros(1, 1, *canvas.size)
        for filters in term.filters:
            fraction = filters.number / (term.number * channels * filters.patch_size**2)
            total = total + 2 * fraction * _covered(filters.patch_size, canvas, like)
        return total
    if not isinstance(term, Coherence):
        raise TypeError(f"the second derivative of {term} is not known; check_newton refuses it")
    if canvas.weight is None:
        return torch.full_like(like[:, :1, :1, :1], 2 / (channels * math.prod(canvas.size)))
    return canvas.weight * (2 / (channels * float(canvas.weight.cpu().double().sum())))


def _covered(patch_size: int, canvas: Canvas, like: Tensor) -> Tensor:
    """Returns the fraction of the patches that cover each pixel, by weight, (1, 1, H, W)."""
    weights = canvas.patch_weights(patch_size)
    if weights is None:
        height, width = canvas.padded_size(patch_size)
        weights = like.new_ones(height - patch_size + 1, width - patch_size + 1)
    # The sum of the weights of the patches that cover a pixel is p^2 times an average pooling. With a stride this is
    # the mean over the random offsets of the grid.
    padded = F.pad(weights / weights.sum(), (patch_size - 1,) * 4)[None, None]
    pooled = F.avg_pool2d(padded, patch_size, 1) * patch_size**2
    return wrap_adjoint_(pooled, patch_size, canvas.border).to(like)
