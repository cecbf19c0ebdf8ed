"""Option nodes: each makes one frozen option object for the sockets of the synthesising nodes."""

from __future__ import annotations

from typing import Any

import torch

from ..gpdm import BidirectionalLoss, CombinedLoss, InitialGuess, Optimizer, PatchNN, PyramidSchedule, SWDLoss, describe
from . import base, convert, inputs


class OptionNode:
    """Base of the option nodes."""

    FUNCTION = "execute"
    CATEGORY = "GPDM/options"
    OPTIONS: type
    FIRST: tuple[str, ...]
    """Options of the first version. Those that came later are optional inputs, so that files saved before still run."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        later = [spec.name for spec in describe(cls.OPTIONS) if spec.name not in cls.FIRST]
        return {
            "required": inputs.widgets(cls.OPTIONS, cls.FIRST),
            "optional": {**cls.sockets(), **inputs.widgets(cls.OPTIONS, later)},
        }

    @classmethod
    def sockets(cls) -> dict[str, inputs.Input]:
        """Sockets of its own."""
        return {}


class GPDMSWDLoss(OptionNode):
    ID = "GPDM_SWDLoss"
    DISPLAY_NAME = "GPDM SWD Loss"
    DESCRIPTION = (
        "The sliced Wasserstein distance between patch distributions: which patches are compared, and how closely."
    )
    SEARCH_ALIASES = ["sliced wasserstein", "patch loss", "patch distribution", "swd"]
    RETURN_TYPES = ("GPDM_LOSS",)
    RETURN_NAMES = ("loss",)
    OUTPUT_TOOLTIPS = ("For the loss socket of GPDM Synthesize and the task nodes.",)

    OPTIONS = SWDLoss
    FIRST = ("patch_size", "num_proj", "stride", "distance", "projections")

    def execute(self, **options: Any) -> tuple[SWDLoss]:
        return (SWDLoss(**options),)


class GPDMPyramidSchedule(OptionNode):
    ID = "GPDM_PyramidSchedule"
    DISPLAY_NAME = "GPDM Pyramid Schedule"
    DESCRIPTION = "From which size, and in which steps, the picture is built. coarse_dim is the main control of how far results depart from the reference."
    SEARCH_ALIASES = ["coarse to fine", "multi scale", "scales", "levels"]
    RETURN_TYPES = ("GPDM_PYRAMID",)
    RETURN_NAMES = ("pyramid",)
    OUTPUT_TOOLTIPS = ("For the pyramid socket of GPDM Synthesize and the task nodes.",)

    OPTIONS = PyramidSchedule
    FIRST = ("coarse_dim", "pyr_factor")

    def execute(self, **options: Any) -> tuple[PyramidSchedule]:
        return (PyramidSchedule(**options),)


class GPDMInitialGuess(OptionNode):
    ID = "GPDM_InitialGuess"
    DISPLAY_NAME = "GPDM Initial Guess"
    DESCRIPTION = "What synthesis starts from: noise, the stretched or blurred reference, or any picture such as a diffusion result (connect it to init and choose source image)."
    SEARCH_ALIASES = ["init", "start image", "noise", "img2img", "diffusion init"]
    RETURN_TYPES = ("GPDM_GUESS",)
    RETURN_NAMES = ("guess",)
    OUTPUT_TOOLTIPS = ("For the guess socket of GPDM Synthesize and the task nodes.",)

    OPTIONS = InitialGuess
    FIRST = ("source", "noise_sigma", "image_noise_sigma", "blur")

    @classmethod
    def sockets(cls) -> dict[str, inputs.Input]:
        return {"init": inputs.image("The picture of source image. A batch makes one output from each.")}

    def execute(self, init: torch.Tensor | None = None, **options: Any) -> tuple[base.Start]:
        with torch.inference_mode(False):
            return (base.Start(InitialGuess(**options), None if init is None else convert.to_core(init, "init")),)


class GPDMOptimizer(OptionNode):
    ID = "GPDM_Optimizer"
    DISPLAY_NAME = "GPDM Optimizer"
    DESCRIPTION = "How each pyramid level is descended, and when it counts as converged. num_steps is the main control of the time it takes."
    SEARCH_ALIASES = ["adam", "sgd", "steps", "learning rate", "convergence"]
    RETURN_TYPES = ("GPDM_OPTIMIZER",)
    RETURN_NAMES = ("optimizer",)
    OUTPUT_TOOLTIPS = ("For the optimizer socket of GPDM Synthesize and the task nodes.",)

    OPTIONS = Optimizer
    FIRST = ("method", "lr", "num_steps", "tolerance", "window")

    def execute(self, **options: Any) -> tuple[Optimizer]:
        return (Optimizer(**options),)


class GPDMPatchNN(OptionNode):
    ID = "GPDM_PatchNN"
    DISPLAY_NAME = "GPDM Patch Nearest Neighbours"
    DESCRIPTION = (
        "The step of GPNN in place of a descent: every patch becomes the nearest one of the reference, where they overlap they are averaged. Sharp, and copies "
        "large pieces. Behind a finished picture, with step below 1, it draws it toward real patches."
    )
    SEARCH_ALIASES = ["gpnn", "nearest neighbours", "patchmatch", "drop the gan", "sharpen"]
    RETURN_TYPES = ("GPDM_OPTIMIZER",)
    RETURN_NAMES = ("optimizer",)
    OUTPUT_TOOLTIPS = (
        "For the optimizer socket of GPDM Synthesize and the task nodes. The loss socket has no effect then.",
    )

    OPTIONS = PatchNN
    FIRST = ("patch_size", "alpha", "num_steps", "step", "search")

    def execute(self, **options: Any) -> tuple[PatchNN]:
        return (PatchNN(**options),)


class GPDMBidirectionalLoss(OptionNode):
    ID = "GPDM_BidirectionalLoss"
    DISPLAY_NAME = "GPDM Bidirectional Loss"
    DESCRIPTION = (
        "Bidirectional similarity in place of the patch distribution: each patch shall have a near one in the other picture, both ways. For comparison, and for "
        "summaries of small pictures; its time grows with the square of the number of pixels."
    )
    SEARCH_ALIASES = ["bidirectional similarity", "coherence", "completeness", "summary", "simakov"]
    RETURN_TYPES = ("GPDM_LOSS",)
    RETURN_NAMES = ("loss",)
    OUTPUT_TOOLTIPS = ("For the loss socket of GPDM Synthesize and the task nodes.",)

    OPTIONS = BidirectionalLoss
    FIRST = ("patch_size", "completeness", "every", "search", "border")

    def execute(self, **options: Any) -> tuple[BidirectionalLoss]:
        return (BidirectionalLoss(**options),)


class GPDMCombineLosses(OptionNode):
    ID = "GPDM_CombineLosses"
    DISPLAY_NAME = "GPDM Combine Losses"
    DESCRIPTION = "Two losses as one: the first, plus the second times a weight. For several patch sizes at once, say, or a little bidirectional similarity."
    SEARCH_ALIASES = ["sum of losses", "weighted loss", "several patch sizes", "mix"]
    RETURN_TYPES = ("GPDM_LOSS",)
    RETURN_NAMES = ("loss",)
    OUTPUT_TOOLTIPS = ("For the loss socket of GPDM Synthesize and the task nodes.",)

    OPTIONS = CombinedLoss
    FIRST = ("weight",)

    @classmethod
    def sockets(cls) -> dict[str, inputs.Input]:
        return {
            "first": ("GPDM_LOSS", {"tooltip": "The loss that counts once. Must be connected."}),
            "second": ("GPDM_LOSS", {"tooltip": "The loss that counts weight times. Must be connected."}),
        }

    def execute(self, first: Any = None, second: Any = None, **options: Any) -> tuple[CombinedLoss]:
        return (CombinedLoss(first=first, second=second, **options),)


NODES = [
    GPDMSWDLoss,
    GPDMPyramidSchedule,
    GPDMInitialGuess,
    GPDMOptimizer,
    GPDMPatchNN,
    GPDMBidirectionalLoss,
    GPDMCombineLosses,
]
