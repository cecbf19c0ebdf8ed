"""Measures of pictures with other colours."""

from __future__ import annotations

import torch
from torch import Tensor

from gpdm.evaluation.metrics import held_out
from gpdm.pictures.forms import grey


def colour_distance(reference: Tensor, image: Tensor) -> float:
    """Returns the held-out distance of single pixels: 0 for the colours of the reference, 1 for one flat colour."""
    return held_out([reference], image, 1, 1.0)


def structure(image: Tensor, given: Tensor) -> float:
    """Returns the correlation of the luminance's differences between neighbours with those of the picture as given."""
    pairs = torch.stack([_differences(image), _differences(given)])
    return float(torch.corrcoef(pairs)[0, 1])


def _differences(image: Tensor) -> Tensor:
    luminance = grey(image).double()
    return torch.cat([luminance.diff(dim=axis).flatten() for axis in (2, 3)])


def flicker(frames: Tensor, given: Tensor, still: Tensor) -> float:
    """Returns how much more the still part of a clip changes from frame to frame than its contrast explains.

    It is the mean absolute difference of neighbouring frames, without their mean, minus that of the clip as given times
    the gain of contrast: the mean absolute difference of neighbouring pixels of the mean frame, over that as given.

    Arguments:
        frames: Frames, (N, C, H, W).
        given: The frames that they were made from.
        still: Pixels before which nothing moves, bool, (1, 1, H, W).
    """
    mask = still[0, 0]
    gain = _contrast(frames.mean(0), mask) / _contrast(given.mean(0), mask)
    return _noise(frames[..., mask]) - gain * _noise(given[..., mask])


def _contrast(frame: Tensor, mask: Tensor) -> float:
    """Returns the mean absolute difference of neighbouring pixels (C, H, W) inside a mask, bool, (H, W)."""
    across = frame.diff(dim=2).abs()[:, mask[:, 1:] & mask[:, :-1]]
    down = frame.diff(dim=1).abs()[:, mask[1:] & mask[:-1]]
    return float(torch.cat([across, down], 1).mean())


def _noise(values: Tensor) -> float:
    steps = values.diff(dim=0)
    return float((steps - steps.mean((1, 2), keepdim=True)).abs().mean())


def drift(frames: Tensor, still: Tensor) -> float:
    """Returns the mean absolute change of a channel's mean from frame to frame, in the still part of a clip."""
    return float(frames[..., still[0, 0]].mean(2).diff(dim=0).abs().mean())
