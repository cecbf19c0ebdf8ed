"""Frames of a picture file as one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..pictures.forms import Form, split_alpha
from ..pictures.pil import unit_image


def stacked(frames: Sequence[np.ndarray]) -> Tensor:
    """Returns frames (H, W, C) of one size as a float32 tensor (N, C, H, W) in [0, 1]. They may differ in channels."""
    alike = _alike([unit_image(values) for values in frames])
    return alike[0] if len(alike) == 1 else torch.cat(alike)


def _alike(frames: list[Tensor]) -> list[Tensor]:
    """Returns frames (1, C, H, W) in [0, 1] with the same channels: colour and alpha, if any of them has it."""
    form = Form.of(frames)
    result = []
    for frame in frames:
        if frame.shape[1] == form.channels:  # a large picture is not copied
            result.append(frame)
            continue
        colours, alpha = split_alpha(frame)
        parts = [colours.expand(-1, 3, -1, -1) if form.colour else colours]
        if form.alpha:
            parts.append(torch.ones_like(colours[:, :1]) if alpha is None else alpha)
        result.append(torch.cat(parts, dim=1))
    return result
