"""Nodes for the two kinds of data: references, and the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..gpdm import GPDMError, Keep, OutputOptions, Reference, ReferenceOptions, masked_reference
from . import base, convert, inputs


class GPDMReference:
    ID = "GPDM_Reference"
    DISPLAY_NAME = "GPDM Reference"
    CATEGORY = "GPDM"
    DESCRIPTION = (
        "A reference picture with an optional mask, weight and region of the output. "
        "Chain several through references, and connect the last one to GPDM Synthesize or a task node."
    )
    SEARCH_ALIASES = ["mask", "region", "weight", "several references", "mix", "exclude", "multiple images"]
    FUNCTION = "execute"
    RETURN_TYPES = ("GPDM_REFERENCES",)
    RETURN_NAMES = ("references",)
    OUTPUT_TOOLTIPS = (
        "All references of the chain up to this node, for GPDM Synthesize, a task node or the next GPDM Reference.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "image": inputs.image("Picture whose patches are used. Each picture of a batch is a reference."),
                **inputs.widgets(ReferenceOptions),
            },
            "optional": {
                "mask": inputs.mask(
                    "Part of the picture to leave out, as painted in the mask editor. An empty mask leaves nothing out."
                ),
                "region": inputs.mask(
                    "Part of the output that uses this reference, as painted in the mask editor; it is scaled to the output. "
                    "A reference without a region fills the area outside all regions."
                ),
                "references": inputs.references(
                    "References from other GPDM Reference nodes, to which this one is added."
                ),
            },
        }

    def execute(
        self,
        image: Tensor,
        mask: Tensor | None = None,
        region: Tensor | None = None,
        references: Sequence[Reference] = (),
        **options: Any,
    ) -> tuple[tuple[Reference, ...]]:
        with torch.inference_mode(False):
            where = None if region is None else convert.to_region(region)
            reference = masked_reference(
                convert.to_core(image, "image"),
                None if mask is None else convert.to_map(mask, "mask"),
                ReferenceOptions(**options).weight,
                where,
            )
        return ((*references, reference),)


class GPDMCanvas:
    ID = "GPDM_Canvas"
    DISPLAY_NAME = "GPDM Canvas"
    CATEGORY = "GPDM"
    DESCRIPTION = "Constraints on the output: tiling, symmetry, and pixels that stay exactly as they are."
    SEARCH_ALIASES = ["tileable", "seamless", "mirror", "kaleidoscope", "keep", "protect", "lock pixels"]
    FUNCTION = "execute"
    RETURN_TYPES = ("GPDM_CANVAS",)
    RETURN_NAMES = ("canvas",)
    OUTPUT_TOOLTIPS = ("The canvas, for GPDM Synthesize or a task node.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": inputs.widgets(OutputOptions, ("tile", "symmetry")),
            "optional": {
                "keep_mask": inputs.mask(
                    "Pixels that stay exactly as they are, as painted in the mask editor; an empty mask keeps nothing. In an output "
                    "of another shape, as Retarget makes, they are moved and not stretched."
                ),
                "keep_image": inputs.image(
                    "Picture that supplies the kept pixels; by default the start picture, or else the reference. It must "
                    "have the output's aspect ratio and at least its size."
                ),
            },
        }

    def execute(
        self, tile: str, symmetry: str, keep_mask: Tensor | None = None, keep_image: Tensor | None = None
    ) -> tuple[base.CanvasSettings]:
        options = OutputOptions(tile=tile, symmetry=symmetry)
        if keep_image is not None and keep_mask is None:
            raise GPDMError("keep_image is connected and keep_mask is not; connect a mask of the pixels to keep")
        keep: Keep | Tensor | None = None
        with torch.inference_mode(False):
            if keep_mask is not None:
                mask = convert.to_map(keep_mask, "keep_mask")
                if len(mask) != 1:
                    raise GPDMError(f"keep_mask is a batch of {len(mask)} masks; connect one")
                keep = mask if bool(mask.any()) else None
            if keep_image is not None and keep is not None:
                keep = Keep(convert.to_core(keep_image, "keep_image"), keep)
        return (base.CanvasSettings(options.tile, options.symmetry, keep),)


NODES = [GPDMReference, GPDMCanvas]
