"""Nodes for 3-D LUTs: applying one, and .cube files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpdm import CUBE_SUFFIX, MATCHES, LookOptions, Lut, decode_cube, encode_cube
from . import host, inputs, matches
from .files import FileLoader

SHOWN = ("strength", "smoothing", "luminance", "edges")
"""Options of Match Look that apply to a LUT."""


class GPDMApplyLut:
    ID = "GPDM_ApplyLUT"
    DISPLAY_NAME = "GPDM Apply LUT"
    CATEGORY = "GPDM/looks"
    DESCRIPTION = "Changes the colours of pictures by a LUT from GPDM Match Look or GPDM Load LUT. All frames of a clip change equally."
    SEARCH_ALIASES = ["lut", "cube", "color grading", "colour correction", "look", "film emulation"]
    FUNCTION = "execute"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("images",)
    OUTPUT_TOOLTIPS = ("The changed pictures, as one batch.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "images": inputs.image("Pictures to change, each on its own."),
                "lut": ("GPDM_LUT", {"tooltip": "LUT from GPDM Match Look or GPDM Load LUT."}),
                # Without smoothing a LUT does here what it does in other programs.
                **inputs.widgets(LookOptions(smoothing=0.0), SHOWN),
            },
            "optional": {"mask": inputs.mask(MATCHES["match_look"].mask_help)},
        }

    def execute(self, images: Tensor, lut: Lut, mask: Tensor | None = None, **options: Any) -> tuple[Tensor]:
        with torch.inference_mode(False):
            results, _ = matches.run(MATCHES["match_look"], lut, images, mask, **options)
        return (results,)


class GPDMSaveLut:
    ID = "GPDM_SaveLUT"
    DISPLAY_NAME = "GPDM Save LUT"
    CATEGORY = "GPDM/looks"
    DESCRIPTION = "Saves a LUT as a .cube file, which programs for photographs and video read."
    SEARCH_ALIASES = ["cube", "export lut", "color grading", "resolve", "premiere", "look"]
    FUNCTION = "execute"
    OUTPUT_NODE = True
    RETURN_TYPES = ("GPDM_LUT", "STRING")
    RETURN_NAMES = ("lut", "path")
    OUTPUT_TOOLTIPS = ("The LUT, as it was given.", "The path of the file.")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        prefix = {"default": "gpdm/look", "tooltip": "Beginning of the name, in the output folder of ComfyUI."}
        return {
            "required": {
                "lut": ("GPDM_LUT", {"tooltip": "LUT from GPDM Match Look or GPDM Load LUT."}),
                "filename_prefix": ("STRING", prefix),
            }
        }

    def execute(self, lut: Lut, filename_prefix: str) -> tuple[Lut, str]:
        here = host.current()
        path = here.save_file(encode_cube(lut), filename_prefix, CUBE_SUFFIX)
        here.say(f"saved {path}")
        return lut, path


class GPDMLoadLut(FileLoader):
    ID = "GPDM_LoadLUT"
    DISPLAY_NAME = "GPDM Load LUT"
    CATEGORY = "GPDM/looks"
    DESCRIPTION = "Loads a 3-D LUT from a .cube file, of GPDM Save LUT or of another program."
    SEARCH_ALIASES = ["cube", "import lut", "color grading", "film emulation", "look"]
    FUNCTION = "execute"
    RETURN_TYPES = ("GPDM_LUT",)
    RETURN_NAMES = ("lut",)
    OUTPUT_TOOLTIPS = ("The LUT, for GPDM Apply LUT.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        tooltip = "File with a 3-D LUT, in the input or output folder of ComfyUI. Press R in the editor after a new file has been saved."
        return {"required": {"file": inputs.file(host.current().files(CUBE_SUFFIX), tooltip)}}

    def execute(self, file: str) -> tuple[Lut]:
        path, data = host.current().read_file(file)
        return (decode_cube(data, path),)


NODES = [GPDMApplyLut, GPDMSaveLut, GPDMLoadLut]
