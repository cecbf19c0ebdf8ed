"""One simple node per task. Each is useful with its defaults alone; the sockets replace parts of its recipe."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..gpdm import RECIPES, OutputOptions, reshuffle, retarget, style_transfer, texture
from . import base, inputs


class TaskNode(base.SynthesisNode):
    """Base of the task nodes: inputs and execution follow from the class attributes."""

    TASK: str
    RUN: base.Run
    IMAGES: dict[str, str]
    """Tooltips of the pictures it takes, by input name."""
    OUTPUT: tuple[str, ...]
    """Which output options have a widget."""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        recipe = RECIPES[cls.TASK]["balanced"]
        images = {name: inputs.image(tooltip) for name, tooltip in cls.IMAGES.items()}
        return {
            "required": {**images, "seed": inputs.SEED, **inputs.widgets(recipe.output, cls.OUTPUT)},
            "optional": {**inputs.sockets(recipe), **inputs.later()},
        }

    def execute(
        self,
        seed: int,
        loss: Any = None,
        pyramid: Any = None,
        guess: base.Start | None = None,
        optimizer: Any = None,
        quality: str = "balanced",
        **more: Any,
    ) -> tuple[Tensor, Tensor]:
        images = {name: more.pop(name) for name in self.IMAGES}
        start = guess or base.Start(RECIPES[self.TASK][quality].guess)
        recipe = inputs.overridden(
            RECIPES[self.TASK][quality],
            loss=loss,
            pyramid=pyramid,
            guess=start.guess,
            optimizer=optimizer,
            output=OutputOptions(**more),
        )
        return base.synthesized(type(self).RUN, images, recipe, seed, start.init)


class GPDMReshuffle(TaskNode):
    ID = "GPDM_Reshuffle"
    DISPLAY_NAME = "GPDM Reshuffle"
    DESCRIPTION = "A new picture of the same kind: the patches of the reference in a new arrangement. Connect a GPDM Pyramid Schedule with a larger coarse_dim for more variety."
    SEARCH_ALIASES = ["gpdm", "single image generation", "variation", "random sample", "singan", "gpnn"]
    TASK = "reshuffle"
    RUN = staticmethod(reshuffle)
    IMAGES = {"reference": "The picture to reshuffle. The pictures of a batch are mixed."}
    OUTPUT = ("num_outputs", "height")


class GPDMRetarget(TaskNode):
    ID = "GPDM_Retarget"
    DISPLAY_NAME = "GPDM Retarget"
    DESCRIPTION = "The reference in another format: its layout is stretched, its details keep their size and are repeated or left out."
    SEARCH_ALIASES = ["gpdm", "resize", "aspect ratio", "seam carving", "extend", "widen"]
    TASK = "retarget"
    RUN = staticmethod(retarget)
    IMAGES = {"reference": "The picture to bring to another format."}
    OUTPUT = ("num_outputs", "height", "width_factor", "height_factor", "output_width", "output_height")


class GPDMStyleTransfer(TaskNode):
    ID = "GPDM_StyleTransfer"
    DISPLAY_NAME = "GPDM Style Transfer"
    DESCRIPTION = (
        "The content picture with the texture, grain and colours of the style picture, in the size of the content."
    )
    SEARCH_ALIASES = ["gpdm", "style", "restyle", "painting", "texture transfer", "colour transfer"]
    TASK = "style_transfer"
    RUN = staticmethod(style_transfer)
    IMAGES = {
        "style": "The picture that gives texture, grain and colours. Scaled down to the content's size if it is larger.",
        "content": "The picture that gives the layout. A batch makes one output from each.",
    }
    OUTPUT = ("num_outputs", "height")


class GPDMTextureSynthesis(TaskNode):
    ID = "GPDM_TextureSynthesis"
    DISPLAY_NAME = "GPDM Texture Synthesis"
    DESCRIPTION = "A texture like the reference, of any size: by factors of the reference's size, or in pixels."
    SEARCH_ALIASES = ["gpdm", "texture", "material", "pattern", "quilting", "expand texture"]
    TASK = "texture"
    RUN = staticmethod(texture)
    IMAGES = {"reference": "A sample of the texture. The pictures of a batch are mixed."}
    OUTPUT = ("num_outputs", "height", "width_factor", "height_factor", "output_width", "output_height")


NODES = [GPDMReshuffle, GPDMRetarget, GPDMStyleTransfer, GPDMTextureSynthesis]
