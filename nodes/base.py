"""What all synthesising nodes share: into the core, run, back out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..gpdm import GPDMError, InitialGuess, Level, Recipe, Synthesis, loss_curve, picture_bytes
from . import convert, host

Run = Callable[..., Synthesis]


@dataclass(frozen=True)
class Start:
    """What the socket GPDM_GUESS carries: a guess, and the picture of its source "image" in the core's form."""

    guess: InitialGuess
    init: Tensor | None = None

    def starting_from(self, image: Tensor) -> Start:
        """Returns this start with another picture; raises `GPDMError` if it has one already."""
        if self.init is not None:
            raise GPDMError("two pictures to start from are given, one of them by the guess; disconnect one")
        return Start(self.guess, image)


class SynthesisNode:
    """Base of the nodes that make pictures."""

    RETURN_TYPES = ("IMAGE", "IMAGE")
    RETURN_NAMES = ("images", "loss_curve")
    OUTPUT_TOOLTIPS = (
        "The new pictures, one batch.",
        "A plot of the patch distance to the reference over all steps and pyramid levels: what went down, and where it stopped.",
    )
    FUNCTION = "execute"
    CATEGORY = "GPDM/tasks"


def synthesized(
    run: Run, images: dict[str, Tensor], recipe: Recipe, seed: int, init: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Calls `run` with IMAGEs brought to the core's form and device; returns the outputs and the loss curve as IMAGEs.

    Arguments:
        run: A task of the core; it gets one tensor for each entry of `images`, in their order.
        images: IMAGEs by name.
        recipe: The options.
        seed: The seed.
        init: Picture to start from, in the core's form.
    """
    here = host.current()
    # ComfyUI runs nodes under inference mode, in which nothing can be optimised by gradients of autograd.
    with torch.inference_mode(False):
        device = here.device()
        tensors = [convert.to_core(image.to(device), name) for name, image in images.items()]
        more: dict[str, Any] = {} if init is None else {"init": init.to(device)}
        if not recipe.output.memory:
            here.make_room(_required_bytes([*tensors, *more.values()], len(tensors), recipe))
        result = run(*tensors, recipe=recipe, seed=seed, on_step=host.Reporter(here), **more)
        return here.intermediate(convert.from_core(result.images)), here.intermediate(
            convert.from_picture(loss_curve(result))
        )


def _required_bytes(tensors: list[Tensor], inputs: int, recipe: Recipe) -> int:
    """Returns what the finest level may take at best speed. The output is as large as the largest picture makes it."""
    sizes = [(image.shape[-2], image.shape[-1]) for image in tensors]
    references = [size for image, size in zip(tensors[:inputs], sizes, strict=False) for _ in range(len(image))]
    output = max((recipe.output.size(size) for size in sizes), key=lambda size: size[0] * size[1])
    level = Level(0, 1.0, output, tuple(references))
    pictures = picture_bytes(level.pixels, level.reference_pixels, tensors[0].shape[1], recipe.output.num_outputs)
    return pictures + recipe.optimizer.memory(recipe.loss, level)[1]
