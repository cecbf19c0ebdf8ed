"""The general node: every part of a synthesis on a socket."""

from __future__ import annotations

from ..gpdm import TASKS
from . import base, inputs


class GPDMSynthesize(base.SynthesisNode):
    ID = "GPDM_Synthesize"
    DISPLAY_NAME = "GPDM Synthesize"
    CATEGORY = "GPDM"
    DESCRIPTION = (
        "New pictures with the patches of the reference, made from coarse to fine without a model. "
        "Connect option nodes to change a setting; connect init to start from a picture such as a diffusion result."
    )
    SEARCH_ALIASES = ["gpdm", "single image generation", "patch matching", "sliced wasserstein", "texture", "reshuffle"]
    TASK = TASKS["reshuffle"]
    OUTPUT = ("num_outputs", "height", *base.SIZE_OPTIONS)

    @classmethod
    def own_sockets(cls) -> dict[str, inputs.Input]:
        return {
            "init": inputs.image(
                "Picture to start from; the size factors apply to its size. A batch makes one output from each."
            )
        }


NODES = [GPDMSynthesize]
