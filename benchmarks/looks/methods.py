"""The methods that are compared: this package, Reinhard's, histograms of the channels, and G'MIC."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

import gpdm

from ..programs import run_gmic

Recolour = Callable[[Tensor, Tensor], Tensor]
"""Gives pictures, (N, 3, H, W) in [-1, 1], the colours of a reference, (1, 3, h, w); the reference comes first."""

TO_LMS = torch.tensor([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
"""Matrix from RGB to the responses of the cones, as Reinhard et al. state it."""
TO_OPPONENT = (
    torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]]) / torch.tensor([[3.0], [6.0], [2.0]]).sqrt()
)
"""Matrix from logarithms of these to lightness and two opponent colours."""


def reinhard(reference: Tensor, images: Tensor) -> Tensor:
    """Gives each picture mean and standard deviation of the reference in each channel of l alpha beta.

    References:
        Reinhard et al., Color Transfer between Images, IEEE CG&A 2001.
    """
    other, wanted = torch.std_mean(_opponent(reference), dim=(2, 3), keepdim=True, correction=0)
    results = []
    for image in images.split(1):
        own = _opponent(image)
        deviation, mean = torch.std_mean(own, dim=(2, 3), keepdim=True, correction=0)
        matched = (own - mean) * (other / deviation.clamp(min=1e-6)) + wanted
        results.append(_from_opponent(matched))
    return torch.cat(results)


def _opponent(images: Tensor) -> Tensor:
    cones = torch.einsum("ij,bjhw->bihw", TO_LMS, (images + 1) / 2)
    return torch.einsum("ij,bjhw->bihw", TO_OPPONENT, cones.clamp(min=1 / 255).log10())


def _from_opponent(values: Tensor) -> Tensor:
    cones = torch.einsum("ij,bjhw->bihw", TO_OPPONENT.inverse(), values)
    return (torch.einsum("ij,bjhw->bihw", TO_LMS.inverse(), 10**cones) * 2 - 1).clamp(-1, 1)


def histograms(reference: Tensor, images: Tensor) -> Tensor:
    """Gives each picture the distribution of the reference in each channel of RGB."""
    results = []
    for image in images.split(1):
        channels = []
        for own, other in zip(image[0], reference[0], strict=True):
            ranks = own.flatten().argsort().argsort().to(own) / max(own.numel() - 1, 1)
            levels = other.flatten().sort().values
            place = ranks * (len(levels) - 1)
            low = place.long().clamp(max=max(len(levels) - 2, 0))
            high = (low + 1).clamp(max=len(levels) - 1)
            channels.append(torch.lerp(levels[low], levels[high], place - low).view_as(own))
        results.append(torch.stack(channels)[None])
    return torch.cat(results)


def gmic_pca(reference: Tensor, images: Tensor) -> Tensor:
    """Gives each picture mean and covariance of the reference with G'MIC's transfer_pca."""
    return torch.cat([run_gmic("transfer_pca[0] [1] cut[0] 0,255 round[0]", x, reference) for x in images.split(1)])


def ours(reference: Tensor, images: Tensor) -> Tensor:
    """Returns the pictures of `gpdm.match_look`, with its defaults."""
    return gpdm.match_look(reference, images).images


def ours_apart(reference: Tensor, images: Tensor) -> Tensor:
    """Returns the pictures of `gpdm.match_look`, one by one."""
    return torch.cat([ours(reference, image) for image in images.split(1)])


def our_lut(reference: Tensor, images: Tensor) -> Tensor:
    """Returns the pictures of `gpdm.match_look` without smoothing, as by its LUT."""
    return gpdm.match_look(reference, images, smoothing=0).images


GIVEN, OURS, LUT, APART = "as given", "gpdm", "gpdm, LUT alone", "gpdm, each frame"
REINHARD, HISTOGRAMS, GMIC = "Reinhard", "histograms", "G'MIC transfer_pca"
METHODS: dict[str, Recolour] = {
    GIVEN: lambda reference, images: images,
    OURS: ours,
    LUT: our_lut,
    REINHARD: reinhard,
    HISTOGRAMS: histograms,
    GMIC: gmic_pca,
}
"""Methods for a picture, by name."""
CLIP_METHODS: dict[str, Recolour] = {**METHODS, APART: ours_apart}
"""Methods for a clip, by name."""
