"""Option nodes: each makes one frozen option object for a socket of the nodes that make pictures."""

from __future__ import annotations

from typing import Any

import torch

from ..gpdm import (
    BidirectionalLoss,
    CombinedLoss,
    InitialGuess,
    Optimizer,
    PatchDenoiser,
    PatchNN,
    PyramidSchedule,
    SWDLoss,
    describe,
)
from . import base, convert, inputs


class OptionNode:
    """Base of the option nodes."""

    FUNCTION = "execute"
    CATEGORY = "GPDM/options"
    OPTIONS: Any
    """Class of the options."""
    FIRST: tuple[str, ...]
    """Options of the first version. Those that came later are optional inputs, so that files saved before still run."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        later = [spec.name for spec in describe(cls.OPTIONS) if spec.name not in cls.FIRST]
        return {
            "required": inputs.widgets(cls.OPTIONS, cls.FIRST),
            "optional": {**cls.own_sockets(), **inputs.widgets(cls.OPTIONS, later)},
        }

    @classmethod
    def own_sockets(cls) -> dict[str, inputs.Input]:
        """Returns the sockets of a node that takes more than options."""
        return {}

    def execute(self, **options: Any) -> tuple[Any]:
        return (self.OPTIONS(**options),)


class LossNode(OptionNode):
    """Base of the nodes that make a loss."""

    RETURN_TYPES = ("GPDM_LOSS",)
    RETURN_NAMES = ("loss",)
    OUTPUT_TOOLTIPS = ("The loss, for GPDM Synthesize, a task node or GPDM Combine Losses.",)


class OptimizerNode(OptionNode):
    """Base of the nodes that make an optimizer."""

    RETURN_TYPES = ("GPDM_OPTIMIZER",)
    RETURN_NAMES = ("optimizer",)
    OUTPUT_TOOLTIPS = ("The optimizer, for GPDM Synthesize or a task node.",)


class GPDMSWDLoss(LossNode):
    ID = "GPDM_SWDLoss"
    DISPLAY_NAME = "GPDM SWD Loss"
    DESCRIPTION = (
        "Sliced Wasserstein distance between the patches of output and reference, plus a coherence term. "
        "The options set the patch sizes, the projections and the weight of coherence."
    )
    SEARCH_ALIASES = ["sliced wasserstein", "patch loss", "patch distribution", "swd"]
    OPTIONS = SWDLoss
    FIRST = ("patch_size", "num_proj", "stride", "distance", "projections")


class GPDMPyramidSchedule(OptionNode):
    ID = "GPDM_PyramidSchedule"
    DISPLAY_NAME = "GPDM Pyramid Schedule"
    DESCRIPTION = (
        "The sizes at which the picture is made, from coarse to fine. coarse_dim sets how new the layout is; each task "
        "has its own default, which this node replaces."
    )
    SEARCH_ALIASES = ["coarse to fine", "multi scale", "scales", "levels", "variety", "coarse_dim"]
    RETURN_TYPES = ("GPDM_PYRAMID",)
    RETURN_NAMES = ("pyramid",)
    OUTPUT_TOOLTIPS = ("The schedule, for GPDM Synthesize or a task node.",)
    OPTIONS = PyramidSchedule
    FIRST = ("coarse_dim", "pyr_factor")


class GPDMInitialGuess(OptionNode):
    ID = "GPDM_InitialGuess"
    DISPLAY_NAME = "GPDM Initial Guess"
    DESCRIPTION = (
        "The initial image: noise, the stretched reference, or a picture such as a diffusion result. "
        "To start from a picture, connect it to init here or on GPDM Synthesize, not both, and set source to image."
    )
    SEARCH_ALIASES = ["init", "start image", "noise", "img2img", "diffusion init"]
    RETURN_TYPES = ("GPDM_GUESS",)
    RETURN_NAMES = ("guess",)
    OUTPUT_TOOLTIPS = ("The guess, for GPDM Synthesize or a task node.",)
    OPTIONS = InitialGuess
    FIRST = ("source", "noise_sigma", "image_noise_sigma", "blur")

    @classmethod
    def own_sockets(cls) -> dict[str, inputs.Input]:
        return {
            "init": inputs.image("Picture to start from; it needs source image. A batch makes one output from each.")
        }

    def execute(self, init: torch.Tensor | None = None, **options: Any) -> tuple[base.Start]:
        with torch.inference_mode(False):
            return (base.Start(InitialGuess(**options), None if init is None else convert.to_core(init, "init")),)


class GPDMOptimizer(OptimizerNode):
    ID = "GPDM_Optimizer"
    DISPLAY_NAME = "GPDM Optimizer"
    DESCRIPTION = "The gradient method and its steps. num_steps and fine_steps decide how long a run takes."
    SEARCH_ALIASES = ["adam", "sgd", "steps", "learning rate", "convergence", "speed"]
    OPTIONS = Optimizer
    FIRST = ("method", "lr", "num_steps", "tolerance", "window")


class GPDMPatchNN(OptimizerNode):
    ID = "GPDM_PatchNN"
    DISPLAY_NAME = "GPDM Patch Nearest Neighbours"
    DESCRIPTION = (
        "The method of GPNN (Granot et al., 2022) in place of a gradient method: each patch becomes its nearest "
        "reference patch, and overlaps are averaged. Results are sharp but copy large pieces."
    )
    SEARCH_ALIASES = ["gpnn", "nearest neighbours", "patchmatch", "drop the gan", "sharpen"]
    OUTPUT_TOOLTIPS = (
        "The optimizer, for GPDM Synthesize or a task node. With this optimizer, a connected loss has no effect.",
    )
    OPTIONS = PatchNN
    FIRST = ("patch_size", "alpha", "num_steps", "step", "search")


class GPDMPatchDenoiser(OptimizerNode):
    ID = "GPDM_PatchDenoiser"
    DISPLAY_NAME = "GPDM Patch Denoiser"
    DESCRIPTION = (
        "Diffusion without a network (Efficient-SID) in place of a gradient method: noise becomes a picture, each patch "
        "by a mean of reference patches. Results are sharp but copy large pieces and may leave much out; set GPDM Pyramid "
        "Schedule to coarse_dim 26, pyr_factor 0.5 and fine_factor 0.5."
    )
    SEARCH_ALIASES = ["efficient-sid", "diffusion", "single image diffusion", "sindiffusion", "ddim", "variety"]
    OUTPUT_TOOLTIPS = (
        "The optimizer, for GPDM Synthesize or a task node. With this optimizer, a connected loss has no effect.",
    )
    OPTIONS = PatchDenoiser
    FIRST = ("num_steps", "eta", "patch_size", "neighbours", "search", "start_noise", "window", "sigma_min")


class GPDMBidirectionalLoss(LossNode):
    ID = "GPDM_BidirectionalLoss"
    DISPLAY_NAME = "GPDM Bidirectional Loss"
    DESCRIPTION = (
        "Bidirectional similarity in place of the sliced Wasserstein distance: each output patch gets a close reference "
        "patch, and vice versa. It suits small pictures, because time grows with the square of the number of pixels."
    )
    SEARCH_ALIASES = ["bidirectional similarity", "coherence", "completeness", "summary", "simakov"]
    OPTIONS = BidirectionalLoss
    FIRST = ("patch_size", "completeness", "every", "search", "border")


class GPDMCombineLosses(LossNode):
    ID = "GPDM_CombineLosses"
    DISPLAY_NAME = "GPDM Combine Losses"
    DESCRIPTION = "The first loss plus weight times the second, for example to match patches of two sizes at once."
    SEARCH_ALIASES = ["sum of losses", "weighted loss", "several patch sizes", "mix"]
    OPTIONS = CombinedLoss
    FIRST = ("weight",)

    @classmethod
    def own_sockets(cls) -> dict[str, inputs.Input]:
        return {
            "first": ("GPDM_LOSS", {"tooltip": "First loss (required), with weight 1."}),
            "second": ("GPDM_LOSS", {"tooltip": "Second loss (required), multiplied by weight."}),
        }


NODES = [
    GPDMSWDLoss,
    GPDMPyramidSchedule,
    GPDMInitialGuess,
    GPDMOptimizer,
    GPDMPatchNN,
    GPDMPatchDenoiser,
    GPDMBidirectionalLoss,
    GPDMCombineLosses,
]
