"""All maps of a material as one image, in working units that give each map the same weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import Units
from ..pictures.forms import Form, has_alpha, is_grey
from .material import MAPS, Material

TASK_SPREAD, EDIT_SPREAD = 0.4, 0.3
"""Root mean square of the distance of a map's pixels from their mean, over all its channels, in working units. It
is that for which the tolerance of coherence is right in a task. Edits keep differences at the edge of a piece that
are large in one of the channels, of which there are many here."""
LEAST_DEVIATION = 0.04
"""Standard deviation of a channel, for values from -1 to 1, below which a map counts less: it is a nearly constant one,
whose noise would weigh as much as the other maps."""


@dataclass(frozen=True)
class Stack:
    """The channels of all maps of a material as one image."""

    image: Tensor
    """The channels, (B, C, H, W) in [-1, 1]. Colours are premultiplied by alpha, and grey ones have one channel."""
    units: Units
    """Working units, in which the maps have one spread."""
    forms: Mapping[str, Form]
    """The channels of each map, in their order."""
    colour: Mapping[str, bool]
    """Whether a map is RGB as it is given; grey with three equal channels is one channel in the image."""

    @classmethod
    def of(cls, material: Material, spread: float) -> Stack:
        """Returns the stack of a material, in whose working units each map has a spread."""
        forms = {
            name: Form(
                colour=MAPS[name].content != "number" and not _is_grey(name, image), alpha=_has_alpha(name, image)
            )
            for name, image in material.maps.items()
        }
        entered = {name: forms[name].enter(image) for name, image in material.maps.items()}
        parts = [
            part
            for name, image in entered.items()
            for part in (image.split([image.shape[1] - 1, 1], 1) if forms[name].alpha else [image])
        ]
        units = [_units_of(part, spread) for part in parts]
        return cls(
            torch.cat(list(entered.values()), 1),
            Units(
                torch.cat([x.offset for x in units], 1),
                torch.cat([x.scale for x in units], 1),
                torch.cat(
                    [torch.zeros_like(x.offset, dtype=torch.bool) if x.constant is None else x.constant for x in units],
                    1,
                ),
            ),
            forms,
            {name: image.shape[1] >= 3 for name, image in material.maps.items()},
        )

    def split(self, image: Tensor) -> dict[str, Tensor]:
        """Returns the maps in an image of these channels, (B, C, H, W), clamped to [-1, 1], as they are given."""
        parts = image.split([form.channels for form in self.forms.values()], 1)
        maps = {}
        for (name, form), part in zip(self.forms.items(), parts, strict=True):
            left = form.leave(part.clamp(-1, 1))
            if self.colour[name] and not form.colour:
                left = torch.cat([left[:, :1].expand(-1, 3, -1, -1), left[:, 1:]], 1)
            maps[name] = left.contiguous()
        return maps


def _is_grey(name: str, image: Tensor) -> bool:
    return MAPS[name].content == "colour" and is_grey(image)


def _has_alpha(name: str, image: Tensor) -> bool:
    return MAPS[name].content == "colour" and has_alpha(image)


def _units_of(part: Tensor, spread: float) -> Units:
    """Returns the units of the channels of one map, (B, C, H, W), as (1, C, 1, 1)."""
    values = part.movedim(1, 0).flatten(1).double()
    variance = values.var(1, unbiased=False)
    deviation = max(float(variance.mean().sqrt()), LEAST_DEVIATION)
    scale = spread / (deviation * math.sqrt(part.shape[1]))
    lowest, highest = values.amin(1), values.amax(1)
    constant = highest - lowest < 1e-6
    # The value itself rather than a mean, which rounding may change.
    offset = torch.where(constant, lowest, values.mean(1)).to(part)[None, :, None, None]
    return Units(offset, torch.full_like(offset, scale), constant[None, :, None, None])
