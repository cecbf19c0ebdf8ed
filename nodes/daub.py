"""The node that makes something to paint on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpdm import DaubOptions, check_picture, daub
from . import convert, host, inputs


class GPDMDaub:
    ID = "GPDM_Daub"
    DISPLAY_NAME = "GPDM Daub"
    CATEGORY = "GPDM/tasks"
    DESCRIPTION = (
        "Makes a daub of a picture, in few flat colours, and a palette of these: save both, paint on the daub with colours of the "
        "palette, and connect it to GPDM Paint with the same picture as reference."
    )
    SEARCH_ALIASES = ["posterize", "posterise", "palette", "k-means", "flat colours", "paint to image", "quantize"]
    RETURN_TYPES = ("IMAGE", "IMAGE")
    RETURN_NAMES = ("daubs", "palettes")
    OUTPUT_TOOLTIPS = (
        "The daubs, of the size of the pictures, as one batch.",
        "For each picture its colours as square swatches in a row, those of larger areas first.",
    )
    FUNCTION = "execute"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        tooltip = "Pictures; each gets a daub in colours of its own. Give the picture that will be the reference of GPDM Paint."
        return {"required": {"images": inputs.image(tooltip), **inputs.widgets(DaubOptions)}}

    def execute(self, images: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
        here = host.current()
        with torch.inference_mode(False):
            made = daub(check_picture(convert.to_core(images.to(here.device()), "images"), "images"), **options)
            return here.intermediate(convert.from_core(made.images)), here.intermediate(
                convert.from_core(made.palettes)
            )


NODES = [GPDMDaub]
