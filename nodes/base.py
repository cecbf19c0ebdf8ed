"""What all synthesising nodes share: into the core, run, back out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..gpdm import InitialGuess, Recipe, Synthesis, loss_curve, picture_bytes
from . import convert, host

Run = Callable[..., Synthesis]


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


def synthesized(run: Run, images: dict[str, Tensor], recipe: Recipe, seed: int) -> tuple[Tensor, Tensor]:
    """Calls `run` with IMAGEs brought to the core's form and device; returns the outputs and the loss curve as IMAGEs.

    Arguments:
        run: A task of the core; it gets one tensor for each entry of `images`, in their order.
        images: IMAGEs by name.
        recipe: The options.
        seed: The seed.
    """
    here = host.current()
    # ComfyUI runs nodes under inference mode, in which nothing can be optimised by gradients of autograd.
    with torch.inference_mode(False):
        device = here.device()
        tensors = [convert.to_core(image.to(device), name) for name, image in images.items()]
        recipe = replace(recipe, guess=_on_device(recipe.guess, device))
        if not recipe.output.memory:
            here.make_room(_required_bytes(tensors, recipe))
        result = run(*tensors, recipe=recipe, seed=seed, on_step=host.Reporter(here))
        return here.intermediate(convert.from_core(result.images)), here.intermediate(
            convert.from_picture(loss_curve(result))
        )


def _required_bytes(tensors: list[Tensor], recipe: Recipe) -> int:
    sizes = [(image.shape[-2], image.shape[-1]) for image in tensors]
    if recipe.guess.image is not None:
        sizes.append((recipe.guess.image.shape[-2], recipe.guess.image.shape[-1]))
    output = max(math.prod(recipe.output.size(size)) for size in sizes)
    references = max(image.shape[0] * image.shape[2] * image.shape[3] for image in tensors)
    pictures = picture_bytes(output, references, tensors[0].shape[1], recipe.output.num_outputs)
    return pictures + recipe.optimizer.working_bytes(recipe.loss, references, output)[1]


def _on_device(guess: InitialGuess, device: torch.device) -> InitialGuess:
    return guess if guess.image is None else replace(guess, image=guess.image.to(device))
