"""Multi-scale synthesis: check everything, then one loop over levels (GPDM, section 3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import torch
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from .errors import OptionError
from .guess import InitialGuess
from .images import Size, as_references, resize, size_of
from .losses import Loss, SWDLoss
from .optimizers import Optimizer, Stop
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
    image: Tensor
    """The current image, (1, C, H, W), not yet clamped. It changes with the next step: clone it to keep it."""
    loss_tensor: Tensor
    """The loss of this step, a scalar on the device of the image."""

    @cached_property
    def loss(self) -> float:
        """The loss of this step as a number. Reading it makes a GPU finish its queue, so read it seldom there."""
        return float(self.loss_tensor)

    @property
    def done(self) -> float:
        """Share of all steps that lies behind, in (0, 1]; it jumps ahead when a level converges early."""
        return (self.step + 1 + self.steps * (self.level + self.levels * self.output)) / (
            self.steps * self.levels * self.outputs
        )


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
    seconds: float
    """Wall-clock time of the whole call."""


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
    optimizer: Optimizer | None = None,
    value_range: tuple[float, float] | None = (-1.0, 1.0),
    on_step: Callable[[StepInfo], None] | None = None,
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
        on_step: Called after every step; what it raises stops the run and reaches the caller.

    Returns:
        The outputs and how they came about.

    Raises:
        OptionError: An option does not fit the images (a level smaller than the patch, say).
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
    loss.check(levels)
    seed = _whole("seed", seed)

    dtype = references[0].dtype
    working = [image.to(torch.promote_types(dtype, torch.float32)) for image in references]
    images: list[Tensor] = []
    runs: list[list[tuple[Tensor, Stop]]] = []
    for item in range(outputs):
        generator = Generator().manual_seed((seed + item) % 2**64)
        image = guess.make(working, levels[0], item, generator)
        runs.append([])
        for level in levels:
            level_references = [resize(x, s) for x, s in zip(working, level.reference_sizes, strict=True)]
            report = _reporter(on_step, item, outputs, level, levels, optimizer)
            descent = optimizer.descend(
                resize(image, level.size), loss.bind(level_references, level.size), generator, report
            )
            image = descent.image if value_range is None else descent.image.clamp(*value_range)
            runs[-1].append((descent.losses, descent.stop))
        images.append(image.to(dtype))
    by_level = list(zip(*runs, strict=True))
    return Synthesis(
        images=torch.cat(images),
        losses=tuple(_loss_table([losses for losses, _ in row]) for row in by_level),
        stops=tuple(tuple(stop for _, stop in row) for row in by_level),
        levels=levels,
        seconds=time.perf_counter() - started,
    )


def _check_parts(
    loss: object, pyramid: object, guess: object, optimizer: object, value_range: object, on_step: object
) -> None:
    for name, part, kind in (
        ("pyramid", pyramid, PyramidSchedule),
        ("guess", guess, InitialGuess),
        ("optimizer", optimizer, Optimizer),
    ):
        if part is not None and not isinstance(part, kind):
            raise OptionError(name, part, f"it must be a {kind.__name__}")
    if loss is not None and not (hasattr(loss, "bind") and hasattr(loss, "check")):
        raise OptionError("loss", loss, "it must be an SWDLoss or another object with check and bind")
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


def _checked_size(size: Size) -> Size:
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise OptionError("size", size, "it must be (height, width)")
    return _whole("height of size", size[0], 1), _whole("width of size", size[1], 1)


def _reporter(
    on_step: Callable[[StepInfo], None] | None,
    item: int,
    outputs: int,
    level: Level,
    levels: Sequence[Level],
    optimizer: Optimizer,
) -> Callable[[int, Tensor, Tensor], None]:
    def report(step: int, loss: Tensor, image: Tensor) -> None:
        if on_step is not None:
            on_step(StepInfo(item, outputs, level.index, len(levels), step, optimizer.num_steps, image, loss))

    return report


def _loss_table(rows: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(rows), batch_first=True, padding_value=float("nan"))
