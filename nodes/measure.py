"""Nodes that judge pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpdm import (
    BORDERS,
    SEARCHES,
    diversity,
    evaluate,
    evaluation_maps,
    evaluation_plot,
    evaluation_text,
    load_inception_file,
    sifid,
)
from . import convert, host, inputs


class GPDMEvaluate:
    ID = "GPDM_Evaluate"
    DISPLAY_NAME = "GPDM Evaluate"
    CATEGORY = "GPDM/measure"
    DESCRIPTION = (
        "How near pictures come to the reference, how much of it they copy, how sharp and how varied they are: measurements that no synthesis "
        "minimises. Works on any pictures, not only on those made here."
    )
    SEARCH_ALIASES = ["metrics", "quality", "compare", "coherence", "completeness", "copy map", "diversity", "sifid"]
    RETURN_TYPES = ("STRING", "IMAGE", "IMAGE")
    RETURN_NAMES = ("figures", "plot", "maps")
    OUTPUT_TOOLTIPS = (
        "The figures as text, one column for each picture, and what they mean. Connect Preview as Text.",
        "The figures as a picture, with the sharpness by frequency and the distances by patch size and scale behind them.",
        "For each picture: itself; its copy map (coloured by where each patch comes from, bright where patches moved as one, dark where they are put "
        "together anew); the key to these colours over the reference; and where it is unlike the reference (bright).",
    )
    FUNCTION = "execute"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "reference": inputs.image("What the pictures are compared with. The pictures of a batch count as one."),
                "images": inputs.image(
                    "The pictures to judge, in any size. With two or more their diversity is measured too."
                ),
                "tiles": (
                    list(BORDERS),
                    {
                        "default": "free",
                        "tooltip": "Across which borders the pictures are meant to go on: then the seam is measured. free: none.",
                    },
                ),
                "search": (
                    list(SEARCHES),
                    {
                        "default": "exact",
                        "tooltip": "How nearest patches are found. exact takes time with the square of the number of pixels; faiss is for pictures of 500 "
                        "pixels and more, needs the package faiss-cpu, and may miss a few.",
                    },
                ),
                "inception_weights": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "Path of a file with weights of Inception-v3 (.pth, .safetensors), for the figure SIFID. Empty: it is left out. Nothing "
                        "is downloaded.",
                    },
                ),
                "names": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "What to call the pictures of the batch in text and plot, with commas between. Empty: picture 1, picture 2 ...",
                    },
                ),
            }
        }

    def execute(
        self, reference: Tensor, images: Tensor, tiles: str, search: str, inception_weights: str, names: str
    ) -> tuple[str, Tensor, Tensor]:
        here = host.current()
        with torch.inference_mode(False):
            references = convert.to_core(reference.to(here.device()), "reference")
            pictures = convert.to_core(images.to(here.device()), "images").split(1)
            network = load_inception_file(inception_weights.strip()) if inception_weights.strip() else None
            bar, found = here.progress(len(pictures)), []
            for number, picture in enumerate(pictures):
                here.check_cancelled()
                evaluation = evaluate(references, picture, search=search, tiles=tiles)
                if network is not None:
                    evaluation = evaluation.with_figure("SIFID", sifid(network, references[:1], picture))
                found.append(evaluation)
                bar.update(number + 1, None)
            varied = diversity(references[:1], torch.cat(pictures)) if len(pictures) > 1 else None
            given = [name.strip() for name in names.split(",") if name.strip()]
            titles = [*given[: len(found)], *(f"picture {i + 1}" for i in range(len(given), len(found)))]
            maps = [evaluation_maps(each, references.split(1), own) for each, own in zip(found, pictures, strict=True)]
            return (
                evaluation_text(found, titles, varied),
                here.intermediate(convert.from_picture(evaluation_plot(found, titles))),
                here.intermediate(convert.from_core(torch.cat(maps))),
            )


NODES = [GPDMEvaluate]
