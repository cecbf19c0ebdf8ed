"""The node that goes on with a run that stopped after a level."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpdm import GPDMError, PyramidSchedule, resume
from . import base, convert, host, inputs


class GPDMResume:
    ID = "GPDM_Resume"
    DISPLAY_NAME = "GPDM Resume"
    CATEGORY = "GPDM"
    DESCRIPTION = (
        "Goes on with a run that stopped after a small level, from its picture as you painted on it. Without a painted "
        "picture the result is that of a run that did not stop, bit for bit."
    )
    SEARCH_ALIASES = ["continue", "go on", "paint over", "edit in between", "levels", "stop", "partial run", "state"]
    ADVICE = (
        "Set stop_after on GPDM Pyramid Schedule, run, save the picture, paint on it in the mask editor or any program, "
        "and load it at painted. Early levels set the layout and late ones details: paint large shapes after one or two "
        "levels, and small ones later. Pixels that you do not paint on stay as they were."
    )
    COMMAND = "gpdm reshuffle IMAGE -o OUT.png --stop-after 3 --painted PAINTED.png"
    FUNCTION = "execute"
    RETURN_TYPES = base.SynthesisNode.RETURN_TYPES
    RETURN_NAMES = base.SynthesisNode.RETURN_NAMES
    OUTPUT_TOOLTIPS = base.SynthesisNode.OUTPUT_TOOLTIPS

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "state": ("GPDM_STATE", {"tooltip": "State of a task node that stopped, or of GPDM Resume."}),
                **inputs.widgets(PyramidSchedule, ["stop_after"]),
            },
            "optional": {
                "painted": inputs.image(
                    "The picture of the stopped run, painted on; of its aspect ratio, and not smaller than the level. A "
                    "batch has one for each output."
                )
            },
        }

    def execute(
        self, state: base.Paused, stop_after: int, painted: Tensor | None = None
    ) -> tuple[Tensor, Tensor, base.Paused]:
        if state.state is None:
            raise GPDMError(
                "the run at state is finished; set stop_after on a GPDM Pyramid Schedule that is connected to its task node"
            )
        here, prepared = host.current(), state.prepared
        # ComfyUI runs nodes under inference mode, in which nothing can be optimised by gradients of autograd.
        with torch.inference_mode(False):
            device = state.state.problem.like.device
            picture = None
            if painted is not None:
                picture = prepared.painted(convert.to_core(painted.to(device), "painted"), state.state)
            result = resume(state.state, picture, stop_after=stop_after, on_step=host.Reporter(here))
            return base.outputs_of(here, prepared, result)


NODES = [GPDMResume]
