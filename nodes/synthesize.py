"""The general node: every part of a synthesis on a socket."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpdm import RECIPES, InitialGuess, OutputOptions, from_reference
from . import base, convert, inputs

RECIPE = RECIPES["reshuffle"]
OUTPUT = ("num_outputs", "height", "width_factor", "height_factor", "output_width", "output_height")


class GPDMSynthesize(base.SynthesisNode):
    ID = "GPDM_Synthesize"
    DISPLAY_NAME = "GPDM Synthesize"
    CATEGORY = "GPDM"
    DESCRIPTION = (
        "Makes new pictures whose patches have the distribution of the reference's patches, coarse to fine, without any model. "
        "Connect option nodes to change how; connect init to start from a picture, such as a diffusion result."
    )
    SEARCH_ALIASES = ["gpdm", "single image generation", "patch matching", "sliced wasserstein", "texture", "reshuffle"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "reference": inputs.image(
                    "The picture whose patches are used. The pictures of a batch make one distribution together."
                ),
                "seed": inputs.SEED,
                **inputs.widgets(OutputOptions, OUTPUT),
            },
            "optional": {
                "init": inputs.image(
                    "Picture to start from. The output takes its size (times the factors); a batch makes one output from each."
                ),
                **inputs.sockets(RECIPE["balanced"]),
                **inputs.later(),
            },
        }

    def execute(
        self,
        reference: Tensor,
        seed: int,
        init: Tensor | None = None,
        loss: Any = None,
        pyramid: Any = None,
        guess: base.Start | None = None,
        optimizer: Any = None,
        quality: str = "balanced",
        **output: Any,
    ) -> tuple[Tensor, Tensor]:
        start = _started_from(guess, init) or base.Start(RECIPE[quality].guess)
        recipe = inputs.overridden(
            RECIPE[quality],
            loss=loss,
            pyramid=pyramid,
            guess=start.guess,
            optimizer=optimizer,
            output=OutputOptions(**output),
        )
        return base.synthesized(from_reference, {"reference": reference}, recipe, seed, start.init)


def _started_from(start: base.Start | None, init: Tensor | None) -> base.Start | None:
    if init is None:
        return start
    with torch.inference_mode(False):
        return (start or base.Start(InitialGuess(source="image"))).starting_from(convert.to_core(init, "init"))


NODES = [GPDMSynthesize]
