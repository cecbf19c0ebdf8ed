"""Nodes for the two kinds of data: references, and the canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..gpdm import (
    TILES,
    GPDMError,
    Keep,
    OptionError,
    OutputOptions,
    Reference,
    ReferenceOptions,
    masked_reference,
    repeated,
)
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


class GPDMRepeatTile:
    ID = "GPDM_RepeatTile"
    DISPLAY_NAME = "GPDM Repeat Tile"
    CATEGORY = "GPDM"
    DESCRIPTION = (
        "Copies of a tile beside each other, as they join: straight, with columns or rows moved by half, or mirrored."
    )
    SEARCH_ALIASES = ["tile", "pattern", "wallpaper", "half drop", "brick", "seamless", "2x2", "preview"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("images",)
    OUTPUT_TOOLTIPS = ("The copies of each picture, as one picture.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        kinds = [name for name in TILES if name not in ("none", "x", "y")]
        how = (
            "The way in which copies join, as it was set where the tile was made. both is for straight copies, also for "
            "tiles of x or y alone."
        )
        number = {"default": 2, "min": 1, "max": 16}
        return {
            "required": {
                "images": inputs.image("The tiles. Each picture of a batch is repeated by itself."),
                "tile": (kinds, {"default": "both", "tooltip": how}),
                "columns": ("INT", number | {"tooltip": "Number of copies from left to right."}),
                "rows": ("INT", number | {"tooltip": "Number of copies from top to bottom."}),
            }
        }

    def execute(self, images: Tensor, tile: str, columns: int, rows: int) -> tuple[Tensor]:
        height, width = images.shape[1:3]
        length, side = {"half drop": (height, "height"), "brick": (width, "width")}.get(tile, (0, ""))
        if length % 2:
            reason = f"copies are moved by half the {side}, which must be even, and the picture is {width}x{height}"
            raise OptionError("tile", tile, reason, "crop the picture by a pixel, or choose both")
        four = repeated(images.movedim(-1, 1), TILES[tile])
        copies = four.repeat(1, 1, -(-rows // 2), -(-columns // 2))[..., : rows * height, : columns * width]
        return (copies.movedim(1, -1).contiguous(),)


NODES = [GPDMReference, GPDMCanvas, GPDMRepeatTile]
