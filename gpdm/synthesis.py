"""Multi-scale synthesis: check everything, then one loop over levels (GPDM, section 3)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import groupby
from numbers import Integral

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from .errors import OptionError
from .guess import InitialGuess
from .images import Size, as_references, resize, size_of
from .losses.swd import Loss, SWDLoss
from .memory import LevelMemory, device_limit, plan
from .optimizers.base import LevelOptimizer, Problem, Stop
from .optimizers.gradient import Optimizer
from .optimizers.threads import threads_for
from .pyramid import Level, PyramidSchedule


@dataclass(frozen=True)
class StepInfo:
    """What a callback is told after each step. Counting starts at 0."""

    output: int
    outputs: int
    level: int
    levels: int
    step: int
    steps: int
    """The step limit of the level; it may converge earlier."""
    done: float
    """Share of the whole work, in pixels times steps, that lies behind, in (0, 1]; it jumps ahead when a level converges early."""
    image: Tensor
    """The current image, (1, C, H, W), not yet clamped. It changes with the next step: clone it to keep it."""
    loss_tensor: Tensor
    """The loss of this step, a scalar on the device of the image."""

    @cached_property
    def loss(self) -> float:
        """The loss of this step as a number. Reading it makes a GPU finish its queue, so read it seldom there."""
        return float(self.loss_tensor)


@dataclass(frozen=True)
class Synthesis:
    """The result of `synthesize`."""

    images: Tensor
    """The outputs, shape (N, C, H, W), with dtype and device of the reference, values clamped to the value range."""
    losses: tuple[Tensor, ...]
    """For each level the loss of every step, shape (N, steps), float64 on the CPU; NaN after an output has converged."""
    stops: tuple[tuple[Stop, ...], ...]
    """For each level and output "converged" or "step limit"."""
    levels: tuple[Level, ...]
    """The levels, coarse to fine."""
    plan: tuple[LevelMemory, ...]
    """The memory planned for each level."""
    seconds: float
    """Wall-clock time of the whole call."""


OnStep = Callable[[StepInfo], None]


@torch.no_grad()
def synthesize(
    reference: Tensor | Sequence[Tensor],
    *,
    init: Tensor | None = None,
    size: Size | None = None,
    num_outputs: int = 1,
    seed: int = 0,
    loss: Loss | None = None,
    pyramid: PyramidSchedule | None = None,
    guess: InitialGuess | None = None,
    optimizer: LevelOptimizer | None = None,
    value_range: tuple[float, float] | None = (-1.0, 1.0),
    memory: int | None = None,
    on_step: OnStep | None = None,
) -> Synthesis:
    """New images whose patches have the distribution of the reference's patches.

    Arguments:
        reference: One or several references, (B, C, H, W) in [-1, 1], or a list of such batches of different sizes.
            Together they make one distribution. Device and dtype of the work follow them; half precision is computed in
            float32 and returned in half.
        init: Picture to start from, (B, C, h, w); short for `guess=InitialGuess(source="image", image=init)`.
        size: Height and width of the output; by default those of `init`, else those of the first reference.
        num_outputs: Number of outputs. Output i is the picture of a single run with seed + i.
        seed: Any integer; taken modulo 2**64.
        loss, pyramid, guess, optimizer: What is minimised, at which sizes, from where, and how; by default `SWDLoss()`,
            `PyramidSchedule()`, `InitialGuess()` and `Optimizer()`.
        value_range: Range to which the image is clamped at the end of each level; None leaves it free.
        memory: Bytes that may be in use at once, pictures included. By default four fifths of what a GPU has free, and no
            limit on a CPU. Where steps must do with less than they could use they take longer; the result is the same.
        on_step: Called after every step; what it raises stops the run and reaches the caller.

    Returns:
        The outputs and how they came about.

    Raises:
        OptionError: An option does not fit the images (a level smaller than the patch, say), or the memory does not suffice.
        ImageError: An image is unusable or does not fit the others. Both are raised before any work begins, save one
            that only the work can show: OptionError when the descent diverges at this learning rate.

    References:
        Elnekave and Weiss, Generating Natural Images with Direct Patch Distributions Matching, ECCV 2022, section 3.
    """
    started = time.perf_counter()
    _check_parts(loss, pyramid, guess, optimizer, value_range, on_step)
    loss, pyramid, optimizer = loss or SWDLoss(), pyramid or PyramidSchedule(), optimizer or Optimizer()
    references = as_references(reference)
    if init is not None:
        guess = (guess or InitialGuess(source="image")).starting_from(init)
    guess = guess or InitialGuess()
    guess.check(references[0])
    outputs = guess.outputs(_whole("num_outputs", num_outputs, 1))
    if size is None:
        size = size_of(references[0] if guess.image is None else guess.image)
    levels = pyramid.levels([size_of(image) for image in references], _checked_size(size))
    optimizer.check(loss, levels)
    seed = _whole("seed", seed)

    if memory is not None:
        memory = _whole("memory", memory, 1)
    limit = device_limit(references[0].device) if memory is None else memory
    plans = plan(partial(optimizer.working_bytes, loss), levels, references[0].shape[1], outputs, limit)
    steps = optimizer.steps(levels)
    contest = _last_level_of_contest(levels) if guess.starts > 1 else -1

    dtype = references[0].dtype
    working = [image.to(torch.promote_types(dtype, torch.float32)) for image in references]
    with _on(references[0].device):
        runs = [
            Run(output, generator, guess.make(working, levels[0], output, generator))
            for output in range(outputs)
            for generator in guess.generators(seed + output)
        ]
        for level, level_plan, num_steps in zip(levels, plans, steps, strict=True):
            level_references = [resize(x, s) for x, s in zip(working, level.reference_sizes, strict=True)]
            pixels = max(math.prod(each) for each in (level.size, *level.reference_sizes))
            with threads_for(pixels, references[0].device):
                descents = optimizer.descend(
                    [resize(run.image, level.size) for run in runs],
                    Problem(level_references, level.size, loss, level_plan.working),
                    [run.generator for run in runs],
                    num_steps,
                    _reporter(on_step, runs, outputs, level, levels, steps),
                )
            for run, descent in zip(runs, descents, strict=True):
                run.image = descent.image if value_range is None else descent.image.clamp(*value_range)
                run.losses.append(descent.losses)
                run.stops.append(descent.stop)
            if level.index == contest:
                runs = [_near_enough(list(group)) for _, group in groupby(runs, key=lambda run: run.output)]
    return Synthesis(
        images=torch.cat([run.image for run in runs]).to(dtype),
        losses=tuple(_loss_table([run.losses[level.index] for run in runs]) for level in levels),
        stops=tuple(tuple(run.stops[level.index] for run in runs) for level in levels),
        levels=levels,
        plan=plans,
        seconds=time.perf_counter() - started,
    )


@dataclass
class Run:
    """One picture in the making."""

    output: int
    generator: Generator
    image: Tensor
    losses: list[Tensor] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)

    def final_loss(self) -> float:
        """The mean loss over the last quarter of the steps of the last level."""
        losses = self.losses[-1]
        return float(losses[-max(len(losses) // 4, 1) :].mean())


NEAR_ENOUGH = 3
"""Loss, as a multiple of the least of several starts, with which a start goes on."""


def _near_enough(runs: Sequence[Run]) -> Run:
    """The first start that ends nearly as near to the reference as the nearest. Those left behind lack a part of the reference; the
    nearest of all is often so near because it is a copy."""
    least = min(run.final_loss() for run in runs)
    return next(run for run in runs if run.final_loss() <= NEAR_ENOUGH * least)


def _last_level_of_contest(levels: Sequence[Level]) -> int:
    """Several guesses are worked out to twice the coarsest size: what is to be where is decided by then."""
    return max(level.index for level in levels if level.scale <= 2 * levels[0].scale)


def _check_parts(
    loss: object, pyramid: object, guess: object, optimizer: object, value_range: object, on_step: object
) -> None:
    for name, part, kind in (
        ("pyramid", pyramid, PyramidSchedule),
        ("guess", guess, InitialGuess),
    ):
        if part is not None and not isinstance(part, kind):
            raise OptionError(name, part, f"it must be a {kind.__name__}")
    for name, part, kind, protocol in (
        ("loss", loss, "SWDLoss", ("has_curvature", "check", "working_bytes", "bind")),
        ("optimizer", optimizer, "Optimizer", ("check", "working_bytes", "steps", "descend")),
    ):
        if part is not None and not all(hasattr(part, member) for member in protocol):
            raise OptionError(name, part, f"it must be an {kind} or another object with {', '.join(protocol)}")
    if on_step is not None and not callable(on_step):
        raise OptionError("on_step", on_step, "it must be a function of a StepInfo")
    if value_range is not None and not (
        isinstance(value_range, tuple) and len(value_range) == 2 and value_range[0] < value_range[1]
    ):
        raise OptionError("value_range", value_range, "it must be (lowest, highest) or None")


def _whole(name: str, value: object, least: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or (least is not None and value < least):
        raise OptionError(name, value, "it must be a whole number" + ("" if least is None else f" from {least} on"))
    return int(value)


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Launches and recordings go to the current CUDA device, which need not be that of the pictures."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _checked_size(size: Size) -> Size:
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise OptionError("size", size, "it must be (height, width)")
    return _whole("height of size", size[0], 1), _whole("width of size", size[1], 1)


def _reporter(
    on_step: OnStep | None,
    runs: Sequence[Run],
    outputs: int,
    level: Level,
    levels: Sequence[Level],
    steps: Sequence[int],
) -> Callable[[int, int, Tensor, Tensor], None]:
    """What the optimiser calls after each step of each run."""
    if on_step is None:
        return lambda run, step, loss, image: None
    work = [math.prod(level.size) * number for level, number in zip(levels, steps, strict=True)]
    before, now, number = sum(work[: level.index]), work[level.index], steps[level.index]

    def report(run: int, step: int, loss: Tensor, image: Tensor) -> None:
        done = (before + now * (step + (run + 1) / len(runs)) / number) / sum(work)
        on_step(StepInfo(runs[run].output, outputs, level.index, len(levels), step, number, done, image, loss))

    return report


def _loss_table(rows: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(rows), batch_first=True, padding_value=float("nan"))
