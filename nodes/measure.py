"""The node that evaluates pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpdm import EvaluationOptions, check_picture, in_one_form, judge, load_inception_file
from . import convert, host, inputs


class GPDMEvaluate:
    ID = "GPDM_Evaluate"
    DISPLAY_NAME = "GPDM Evaluate"
    CATEGORY = "GPDM/measure"
    DESCRIPTION = (
        "Measures how close pictures are to the reference, how much of it they copy, and how sharp and varied "
        "they are. The distances use filters that no synthesis uses, and the pictures may come from any source."
    )
    SEARCH_ALIASES = ["metrics", "quality", "compare", "coherence", "completeness", "copy map", "diversity", "sifid"]
    RETURN_TYPES = ("STRING", "IMAGE", "IMAGE", "IMAGE")
    RETURN_NAMES = ("figures", "plot", "maps", "occurrence")
    OUTPUT_TOOLTIPS = (
        "The scores as text, one column for each picture, followed by their descriptions. Connect it to Preview as Text.",
        "The scores as a picture, with plots of sharpness by frequency and of distances by patch size and scale.",
        "For each picture: the picture; its copy map (colour: source position; bright: copied with its neighbours); the "
        "colour key on the reference; and its error map (bright: unlike any reference patch).",
        "For each picture the reference, in colours of how often its parts are used: dark blue unused, pale evenly, red "
        "repeated.",
    )
    FUNCTION = "execute"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "reference": inputs.image("Picture to compare with. The pictures of a batch count as one reference."),
                "images": inputs.image(
                    "Pictures to evaluate, of any size. With two or more, diversity is measured too."
                ),
                **inputs.widgets(EvaluationOptions),
                "inception_weights": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "Path of a file with weights of Inception-v3 (.pth, .safetensors) for the score "
                        "SIFID; nothing is downloaded. Empty leaves SIFID out.",
                    },
                ),
                "names": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "Names of the pictures in text and plot, separated by commas. Empty gives picture "
                        "1, picture 2 and so on.",
                    },
                ),
            }
        }

    def execute(
        self, reference: Tensor, images: Tensor, inception_weights: str, names: str, **options: Any
    ) -> tuple[str, Tensor, Tensor, Tensor]:
        here = host.current()
        with torch.inference_mode(False):
            given = [("reference", reference), ("images", images)]
            named = [(name, check_picture(convert.to_core(x.to(here.device()), name), name)) for name, x in given]
            references, batch = in_one_form(named, here.say)
            pictures = batch.split(1)
            network = load_inception_file(inception_weights.strip()) if inception_weights.strip() else None
            bar = here.progress(len(pictures))

            def on_each(done: int) -> None:
                here.check_cancelled()
                bar.update(done, None)

            judgement = judge(references, pictures, EvaluationOptions(**options), network=network, on_each=on_each)
            titles = [name.strip() for name in names.split(",") if name.strip()][: len(pictures)]
            titles += [f"picture {i + 1}" for i in range(len(titles), len(pictures))]
            return (
                judgement.text(titles),
                here.intermediate(convert.from_picture(judgement.plot(titles))),
                here.intermediate(convert.from_core(torch.cat(judgement.maps()))),
                here.intermediate(torch.cat([convert.from_picture(x) for x in judgement.occurrence_maps()])),
            )


NODES = [GPDMEvaluate]
