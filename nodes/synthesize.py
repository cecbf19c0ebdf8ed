"""The general node: every part of a synthesis on a socket."""

from __future__ import annotations

from ..gpdm import SIZE_OPTIONS, TASKS
from . import base, inputs


class GPDMSynthesize(base.SynthesisNode):
    ID = "GPDM_Synthesize"
    DISPLAY_NAME = "GPDM Synthesize"
    CATEGORY = "GPDM"
    DESCRIPTION = (
        "Makes new pictures from the patches of the reference, from coarse to fine. "
        "Connect option nodes to change settings, or init to start from a picture such as a diffusion result."
    )
    SEARCH_ALIASES = ["gpdm", "single image generation", "patch matching", "sliced wasserstein", "texture", "reshuffle"]
    TASK = TASKS["reshuffle"]
    ADVICE = (
        "For more variety connect a GPDM Pyramid Schedule and set coarse_dim above 28. With a picture in init, a higher "
        "coarse_dim keeps more of that picture. Seeds then hardly differ, unless you also connect GPDM Initial Guess with "
        "source image and image_noise_sigma 0.05 or more."
    )
    OUTPUT = ("num_outputs", "height", *SIZE_OPTIONS)

    @classmethod
    def own_sockets(cls) -> dict[str, inputs.Input]:
        return {
            "init": inputs.image(
                "Picture to start from; the size factors apply to its size. A batch makes one output from each."
            )
        }


NODES = [GPDMSynthesize]
