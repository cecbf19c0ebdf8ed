"""The node that makes frames of one picture, of which the last leads back to the first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpdm import LOOP, Level, LoopOptions, Optimizer, SWDLoss, loop, picture_bytes, prepare_edit
from . import convert, host, inputs


class GPDMLoop:
    ID = LOOP.node_id
    DISPLAY_NAME = f"GPDM {LOOP.title}"
    DESCRIPTION = LOOP.summary
    SEARCH_ALIASES = list(LOOP.aliases)
    EDIT = LOOP
    FUNCTION = "execute"
    CATEGORY = "GPDM/edits"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("frames",)
    OUTPUT_TOOLTIPS = (
        "All frames as one batch, for example for Save Animated WEBP. The last leads back to the first.",
    )
    COMMAND = "gpdm loop IMAGE -o OUT.webp --frames 24 --fps 12"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": inputs.image(LOOP.image_help),
                "seed": inputs.SEED,
                **inputs.widgets(LOOP.options),
            },
            "optional": {"mask": inputs.mask(LOOP.mask_help or "")},
        }

    def execute(self, image: Tensor, seed: int, mask: Tensor | None = None, **options: Any) -> tuple[Tensor]:
        here = host.current()
        # ComfyUI runs nodes under inference mode, in which nothing can be optimised by gradients of autograd.
        with torch.inference_mode(False):
            device = here.device()
            prepared = prepare_edit(convert.to_core(image.to(device), "image"))
            moving = None if mask is None else convert.to_map(mask, "mask").to(device)
            if moving is not None and not bool(moving.any()):
                moving = None
            chosen = LoopOptions(**options)
            if not chosen.memory:
                here.make_room(required_bytes(prepared.image, chosen.frames))
            result = loop(prepared.image, moving, seed=seed, on_step=host.Reporter(here).report, **options)
            made = convert.from_core(result.images)
            return (
                here.intermediate(convert.with_unchanged(made, image, result.masks[:, 0].repeat(chosen.frames, 1, 1))),
            )


def required_bytes(image: Tensor, frames: int) -> int:
    """Returns what a loop may take at full speed: all frames, their starts, and one step."""
    size = (image.shape[-2], image.shape[-1])
    level = Level(0, 1.0, size, (size,))
    starts = 4 * image.shape[1] * level.pixels * frames
    pictures = picture_bytes(level.pixels, level.reference_pixels, image.shape[1], frames)
    return pictures + starts + Optimizer().memory(SWDLoss(coherence=0.0), level)[1]


NODES = [GPDMLoop]
