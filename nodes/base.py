"""Base of the nodes that make pictures: sockets and widgets of a task's record, and the way to the core and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..gpdm import (
    GPDMError,
    InitialGuess,
    Keep,
    Level,
    OutputOptions,
    Prepared,
    Recipe,
    Reference,
    Synthesis,
    SynthesisState,
    Task,
    loss_curve,
    picture_bytes,
    prepare_pictures,
    run_task,
)
from . import convert, host, inputs


@dataclass(frozen=True)
class Start:
    """Payload of the socket GPDM_GUESS: a guess, and the picture of its source "image" in the core's form."""

    guess: InitialGuess
    init: Tensor | None = None

    def starting_from(self, image: Tensor) -> Start:
        """Returns this start with another picture; raises `GPDMError` if it has one already."""
        if self.init is not None:
            raise GPDMError("init is connected here and on GPDM Initial Guess; disconnect one")
        return Start(self.guess, image)


@dataclass(frozen=True)
class CanvasSettings:
    """Payload of the socket GPDM_CANVAS: tiling, symmetry, and what is kept, in the core's form."""

    tile: str
    symmetry: str
    keep: Keep | Tensor | None = None

    def applied(self, output: OutputOptions) -> OutputOptions:
        """Returns `output` with these settings; raises `GPDMError` if its `tile` is another one."""
        if "none" not in (self.tile, output.tile) and self.tile != output.tile:
            raise GPDMError(
                f"tile is {output.tile!r} on this node and {self.tile!r} on GPDM Canvas; set one of them to none"
            )
        return replace(output, tile=output.tile if self.tile == "none" else self.tile, symmetry=self.symmetry)

    def kept_on(self, device: torch.device) -> Keep | Tensor | None:
        """Returns what is kept, on a device."""
        if isinstance(self.keep, Keep):
            return Keep(self.keep.image.to(device), self.keep.mask.to(device))
        return None if self.keep is None else self.keep.to(device)


@dataclass(frozen=True)
class Paused:
    """Payload of the socket GPDM_STATE: a run that stopped after a level, and the form of its pictures."""

    state: SynthesisState | None
    """None if the run finished."""
    prepared: Prepared


class SynthesisNode:
    """Base of the nodes that make pictures. Inputs and execution follow from the record of a task."""

    TASK: Task
    OUTPUT: tuple[str, ...]
    """Output options with a widget of their own, in the order that saved files have."""

    RETURN_TYPES = ("IMAGE", "IMAGE", "GPDM_STATE")
    RETURN_NAMES = ("images", "loss_curve", "state")
    OUTPUT_TOOLTIPS = (
        "The new pictures, as one batch. If the run stopped (stop_after), each of their pixels is a square.",
        "Plot of the loss at every step, from the coarsest level to the finest. If the curve still falls at the end of a level, that level needs more steps.",
        "The run, for GPDM Resume, if stop_after of GPDM Pyramid Schedule stopped it.",
    )
    FUNCTION = "execute"
    CATEGORY = "GPDM/tasks"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        recipe = cls.TASK.recipe()
        return {
            "required": {
                **{picture.name: inputs.image(picture.help) for picture in cls.TASK.pictures},
                "seed": inputs.SEED,
                **inputs.widgets(recipe.output, cls.OUTPUT),
            },
            "optional": {
                **cls.own_sockets(),
                **inputs.part_sockets(cls.TASK),
                **inputs.later(cls.TASK),
                **({} if recipe.own is None else inputs.widgets(recipe.own)),
            },
        }

    @classmethod
    def own_sockets(cls) -> dict[str, inputs.Input]:
        """Returns further optional sockets of a node."""
        return {}

    def execute(
        self,
        seed: int,
        init: Tensor | None = None,
        loss: Any = None,
        pyramid: Any = None,
        guess: Start | None = None,
        optimizer: Any = None,
        quality: str | None = None,
        references: Sequence[Reference] = (),
        canvas: CanvasSettings | None = None,
        **more: Any,
    ) -> tuple[Tensor, Tensor, Paused]:
        images = {picture.name: more.pop(picture.name) for picture in self.TASK.pictures}
        preset = self.TASK.recipe(quality)
        own = None if preset.own is None else inputs.taken(preset.own, more)
        output = OutputOptions(**more)
        start = _start(guess, init) or Start(preset.guess)
        recipe = inputs.overridden(
            preset,
            loss=loss,
            pyramid=pyramid,
            guess=start.guess,
            optimizer=optimizer,
            output=output if canvas is None else canvas.applied(output),
            own=own,
        )
        return _run(self.TASK, images, recipe, seed, start.init, references, canvas)


def _start(start: Start | None, init: Tensor | None) -> Start | None:
    if init is None:
        return start
    with torch.inference_mode(False):
        return (start or Start(InitialGuess(source="image"))).starting_from(convert.to_core(init, "init"))


def _run(
    task: Task,
    images: dict[str, Tensor],
    recipe: Recipe,
    seed: int,
    init: Tensor | None,
    references: Sequence[Reference],
    canvas: CanvasSettings | None,
) -> tuple[Tensor, Tensor, Paused]:
    """Returns the outputs and the loss curve of a task as IMAGEs, and its state.

    Arguments:
        task, recipe, seed: As in `run_task`.
        images: IMAGEs by name, in the order of the task's pictures.
        init: Picture to start from, in the core's form.
        references: References in place of the picture that gives the patches.
        canvas: What the socket canvas carries.
    """
    here = host.current()
    # ComfyUI runs nodes under inference mode, in which nothing can be optimised by gradients of autograd.
    with torch.inference_mode(False):
        device = here.device()
        pictures = [convert.to_core(image.to(device), name) for name, image in images.items()]
        given = [convert.moved(reference, device) for reference in references]
        init = None if init is None else init.to(device)
        keep = None if canvas is None else canvas.kept_on(device)
        prepared = prepare_pictures(task, *pictures, references=given or None, init=init, keep=keep)
        if not recipe.output.memory:
            here.make_room(required_bytes(pictures, given, init, recipe, prepared.form.channels))
        if prepared.note:
            here.say(prepared.note)
        result = run_task(
            task, *prepared.pictures, recipe=recipe, seed=seed, on_step=host.Reporter(here), **prepared.more
        )
        return outputs_of(here, prepared, result)


def outputs_of(here: host.Host, prepared: Prepared, result: Synthesis) -> tuple[Tensor, Tensor, Paused]:
    """Returns the outputs of a node for a result of `run_task` or `resume`."""
    finished, last = prepared.finish(result), result.levels[-1]
    if result.state is not None:
        levels = len(result.state.problem.levels)
        here.say(f"stopped after level {last.index + 1} of {levels}, at {last.size[1]}x{last.size[0]} pixels")
    curve = here.intermediate(convert.from_picture(loss_curve(finished)))
    return here.intermediate(convert.from_core(finished.images)), curve, Paused(result.state, prepared)


def required_bytes(
    pictures: Sequence[Tensor], references: Sequence[Reference], init: Tensor | None, recipe: Recipe, channels: int
) -> int:
    """Returns what the finest level may take at full speed. The output is as large as the largest picture makes it.

    `channels` is the number of channels in the run, which is 1 for pictures that are grey.
    """
    given = [*pictures, *(reference.image for reference in references)]
    sizes = [(image.shape[-2], image.shape[-1]) for image in given for _ in range(len(image))]
    starts = [] if init is None else [(init.shape[-2], init.shape[-1])]
    output = max((recipe.output.size(size) for size in (*sizes, *starts)), key=lambda size: size[0] * size[1])
    level = Level(0, 1.0, output, tuple(sizes))
    return (
        picture_bytes(level.pixels, level.reference_pixels, channels, recipe.output.num_outputs)
        + recipe.optimizer.memory(recipe.loss, level)[1]
    )
