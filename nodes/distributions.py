"""Nodes that save and load patch distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..gpdm import (
    DISTRIBUTION_SUFFIX,
    DistributionOptions,
    Reference,
    ReferenceOptions,
    decode_distribution,
    encode_distribution,
    masked_reference,
    picture_distribution,
)
from . import convert, host, inputs
from .files import FileLoader


class GPDMSaveDistribution:
    ID = "GPDM_SaveDistribution"
    DISPLAY_NAME = "GPDM Save Distribution"
    CATEGORY = "GPDM"
    DESCRIPTION = (
        "Saves the patch distribution of pictures as a small file, from which the pictures cannot be read. "
        "The file has the same size for one picture as for a hundred, and GPDM Load Distribution makes it a reference."
    )
    SEARCH_ALIASES = ["look", "style file", "share a look", "statistics", "quantiles", "safetensors"]
    FUNCTION = "execute"
    OUTPUT_NODE = True
    RETURN_TYPES = ("GPDM_REFERENCES", "STRING")
    RETURN_NAMES = ("references", "path")
    OUTPUT_TOOLTIPS = (
        "The saved distribution as a reference, for the socket references of a task node.",
        "The path of the file.",
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "images": inputs.image("Pictures whose patches form one distribution; larger ones count more."),
                "filename_prefix": (
                    "STRING",
                    {"default": "gpdm/look", "tooltip": "Beginning of the name, in the output folder of ComfyUI."},
                ),
                **inputs.widgets(DistributionOptions),
            },
            "optional": {
                "mask": inputs.mask("Part of the pictures to leave out. An empty mask leaves nothing out."),
                "references": inputs.references("Further pictures, from GPDM Reference, with their weights and masks."),
            },
        }

    def execute(
        self,
        images: Tensor,
        filename_prefix: str,
        mask: Tensor | None = None,
        references: Sequence[Reference] = (),
        **options: Any,
    ) -> tuple[tuple[Reference, ...], str]:
        here = host.current()
        with torch.inference_mode(False):
            device = here.device()
            masks = None if mask is None else convert.to_map(mask, "mask").to(device)
            own = masked_reference(convert.to_core(images.to(device), "images"), masks)
            pictures = [own, *(convert.moved(reference, device) for reference in references)]
            distribution = picture_distribution(pictures, DistributionOptions(**options))
            path = here.save_file(encode_distribution(distribution), filename_prefix, DISTRIBUTION_SUFFIX)
        here.say(f"saved {path}")
        return (Reference.of_distribution(distribution),), path


class GPDMLoadDistribution(FileLoader):
    ID = "GPDM_LoadDistribution"
    DISPLAY_NAME = "GPDM Load Distribution"
    CATEGORY = "GPDM"
    DESCRIPTION = "Loads a saved patch distribution as a reference, in place of the pictures that it was made of."
    SEARCH_ALIASES = ["look", "style file", "statistics", "quantiles", "safetensors"]
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
                "file": inputs.file(
                    host.current().files(DISTRIBUTION_SUFFIX),
                    "File from GPDM Save Distribution, in the input or output folder of ComfyUI. Press R in the editor after "
                    "a new file has been saved.",
                ),
                **inputs.widgets(ReferenceOptions),
            },
            "optional": {
                "region": inputs.mask("Part of the output that uses this reference; see GPDM Reference."),
                "references": inputs.references(
                    "References from other nodes, to which this one is added. They are saved distributions too, or have "
                    "other regions."
                ),
            },
        }

    def execute(
        self, file: str, region: Tensor | None = None, references: Sequence[Reference] = (), **options: Any
    ) -> tuple[tuple[Reference, ...]]:
        with torch.inference_mode(False):
            path, data = host.current().read_file(file)
            where = None if region is None else convert.to_region(region)
            reference = Reference.of_distribution(
                decode_distribution(data, path), ReferenceOptions(**options).weight, where
            )
        return ((*references, reference),)


NODES = [GPDMSaveDistribution, GPDMLoadDistribution]
