"""Multi-scale synthesis: all checks, then one loop over the pyramid levels (GPDM, section 3)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import groupby
from numbers import Real

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .canvas import Canvas, Keep
from .errors import OptionError, described
from .guess import InitialGuess, count_outputs, select_start, selection_level_of
from .images import Size, Units, check_size, size_of
from .losses.base import Loss, count_regions, is_per_output
from .losses.combined import own_references
from .losses.swd import SWDLoss
from .memory import PROCESS_BYTES, LevelMemory, device_limit, plan
from .optimizers.base import LevelProblem, LevelSolver, OnRunStep, Stop, solve_level
from .optimizers.cuda_graphs import current_device
from .optimizers.gradient import Optimizer
from .optimizers.runs import Run
from .optimizers.threads import threads_for
from .options import check_int
from .pyramid import Level, PyramidSchedule, at_scales, grid_offsets
from .references import Images, Reference, as_references, distributions_of, sizes_of


@dataclass(frozen=True)
class StepInfo:
    """The state of a run after one step, for callbacks. Indices start at 0."""

    output: int
    """Index of the output; several starts of an output have the same."""
    outputs: int
    level: int
    levels: int
    step: int
    steps: int
    """The step limit of the level; it may converge earlier."""
    done: float
    """Estimated fraction of the work done, in (0, 1], by pixels times steps. The value jumps if a level converges."""
    working_image: Tensor
    """The current image in working units, (1, C, H, W), not yet clamped: roughly in [-1, 1], suitable for previews. The
    next step changes it in place."""
    loss_tensor: Tensor
    """The loss of this step, a scalar on the device of the image."""
    units: Units | None = None
    """The working units; None if they are those of the references."""

    @cached_property
    def image(self) -> Tensor:
        """The current image in the units of the references, (1, C, H, W), not clamped. The next step may change it."""
        return self.working_image if self.units is None else self.units.leave(self.working_image)

    @cached_property
    def loss(self) -> float:
        """The loss of this step as a number. Reading it waits until a GPU has finished its queue."""
        return float(self.loss_tensor)


@dataclass(frozen=True)
class Synthesis:
    """The result of `synthesize`."""

    images: Tensor
    """The outputs, (N, C, H, W), with dtype and device of the references, clamped to `value_range`."""
    losses: tuple[Tensor, ...]
    """For each level the loss of every step, (N, steps), float64 on the CPU; NaN after an output has converged."""
    stops: tuple[tuple[Stop, ...], ...]
    """For each level and output the stopping reason: "converged" or "step limit"."""
    levels: tuple[Level, ...]
    """The levels, coarse to fine."""
    plan: tuple[LevelMemory, ...]
    """The memory planned for each level."""
    seconds: float
    """Wall-clock time of the whole call."""


OnStep = Callable[[StepInfo], None]


def synthesize(
    reference: Images,
    *,
    init: Tensor | None = None,
    size: Size | None = None,
    num_outputs: int = 1,
    seed: int = 0,
    loss: Loss | None = None,
    pyramid: PyramidSchedule | None = None,
    guess: InitialGuess | None = None,
    optimizer: LevelSolver | None = None,
    border: str = "free",
    symmetry: str = "none",
    keep: Keep | None = None,
    constraint: Callable[[Tensor, Canvas], None] | None = None,
    value_range: tuple[float, float] | Units | None = (-1.0, 1.0),
    memory: int | None = None,
    on_step: OnStep | None = None,
) -> Synthesis:
    """Returns new images whose patches have the distribution of the references' patches.

    Arguments:
        reference: Images (B, C, H, W) in [-1, 1] with any number of channels, a `Reference`, or a list of either, of
            any sizes. Images of one region form one distribution. The run uses their device and dtype (half precision
            is computed in float32).
        init: Images to start from, (B, C, h, w), for a guess with source "image", which is the default with init.
        size: Height and width of the output; by default those of `keep`, else of `init`, else of the first reference.
        num_outputs: Number of outputs. Output i is the image of a single run with seed + i.
        seed: Any integer, modulo 2**64. It determines the initial noise and the random choices of the loss. The filters
            of `SWDLoss` depend on the seed with solver "exact"; with "histogram" they do not.
        loss, pyramid, guess, optimizer: The settings; by default those of `SWDLoss`, `PyramidSchedule`, `InitialGuess`
            and `Optimizer`.
        border: Directions in which the output tiles: one of `borders.BORDERS`. "free" uses `loss.border`.
        symmetry: One of `canvas.SYMMETRIES`.
        keep: Pixels of the output that keep given values, bit for bit.
        constraint: An additional projection of the images of all outputs; see `Canvas.constraint`.
        value_range: Range of the data, to which images are clamped at the end of each level; (-1, 1) for pictures.
            None: data without a range, of which each channel is normalised (`Units.of`). Units: those of such data.
        memory: Bytes that may be in use at once, including the images and on a CPU the process itself. By default four
            fifths of a GPU's free memory, and no limit on a CPU. A lower limit is slower and gives the same result.
        on_step: Callback after every step. An exception that it raises stops the run.

    Returns:
        The outputs, with losses, stopping reasons and the memory plan.

    Raises:
        OptionError: An option does not fit the images, the memory does not suffice, or the optimisation diverges.
        ImageError: An image is unusable or does not fit the others. Options and images are checked before any work;
            errors of a backend and of regions, and divergence, occur during the run.

    References:
        Elnekave and Weiss, Generating Natural Images with Direct Patch Distributions Matching, ECCV 2022, section 3.
    """
    started = time.perf_counter()
    _check_arguments(loss, pyramid, guess, optimizer, keep, value_range, on_step)
    loss = SWDLoss() if loss is None else loss
    pyramid = PyramidSchedule() if pyramid is None else pyramid
    optimizer = Optimizer() if optimizer is None else optimizer
    references = as_references(reference)
    like = references[0].image
    guess = guess or InitialGuess(source="noise" if init is None else "image")
    guess.check(init, references[0])
    outputs = count_outputs(check_int("num_outputs", num_outputs, 1), init)
    seed = check_int("seed", seed)
    if size is None:
        size = size_of(keep.image if keep is not None else like if init is None else init)
    canvas = Canvas(
        size=check_size(size),
        border=loss.border if border == "free" else border,
        symmetry=symmetry,
        keep=keep,
        constraint=constraint,
        value_range=None if isinstance(value_range, Units) else value_range,
    ).check(like)
    levels = pyramid.levels(sizes_of(references), canvas.size, optimizer.largest_patch(loss))
    for distribution in distributions_of(references, value_range)[:1]:
        levels = at_scales(levels, distribution.scales)
    optimizer.check(loss, levels, references)
    limit = device_limit(like.device) if memory is None else check_int("memory", memory, 1)
    objectives = count_regions(references) * (outputs * guess.starts if is_per_output(loss) else 1)
    plans = plan(
        partial(_memory, optimizer, loss, objectives),
        levels,
        like.shape[1],
        outputs,
        limit,
        partial(_other_bytes, references, canvas),
    )
    steps = optimizer.steps(levels)
    selection_level = selection_level_of(levels) if guess.starts > 1 else -1

    with torch.no_grad(), current_device(like.device):
        dtype = torch.promote_types(like.dtype, torch.float32)
        units = Units.of([(x.image, x.map()) for x in (*references, *own_references(loss, like))], value_range)

        def enter(image: Tensor) -> Tensor:
            return image.to(dtype) if units is None else units.enter(image.to(dtype))

        working = [replace(x, image=enter(x.image)) for x in references]
        canvas = canvas.in_working_units(enter, None if units is None else units.constant)
        init = None if init is None else enter(init)
        coarsest = canvas.at(levels[0].scale)
        runs = [
            Run(output, generator, guess.make(working, coarsest, output, generator, init))
            for output in range(outputs)
            for generator in guess.generators(seed + output)
        ]
        offsets = grid_offsets(len(levels))
        for level, level_plan, num_steps in zip(levels, plans, steps, strict=True):
            factor = levels[max(level.index - 1, 0)].scale / level.scale
            outputs_of_runs = [run.output for run in runs]
            problem = LevelProblem.at(level.scale, working, canvas, loss, level_plan.working, factor, outputs_of_runs)
            with threads_for(max(level.pixels, level.reference_pixels), like.device):
                results = solve_level(
                    optimizer,
                    problem,
                    [run.enlarge(level.size, canvas.border, offsets[level.index]) for run in runs],
                    [run.generator for run in runs],
                    num_steps,
                    _reporter(on_step, runs, outputs, level, levels, steps, units),
                )
            for run in runs:
                run.finish(problem.canvas, results.pop(0))
            del problem  # so that two levels are never in memory
            if level.index == selection_level:
                groups = [list(group) for _, group in groupby(runs, key=lambda run: run.output)]
                runs = [group[select_start([run.final_loss() for run in group])] for group in groups]
        images = runs[0].image if len(runs) == 1 else torch.cat([run.image for run in runs])
        images = (images if units is None else units.leave(images)).to(like.dtype)
        if keep is not None:
            images = keep.restore(images)
    return Synthesis(
        images=images,
        losses=tuple(_loss_table([run.losses[level.index] for run in runs]) for level in levels),
        stops=tuple(tuple(run.stops[level.index] for run in runs) for level in levels),
        levels=levels,
        plan=plans,
        seconds=time.perf_counter() - started,
    )


def _memory(optimizer: LevelSolver, loss: Loss, objectives: int, level: Level) -> tuple[int, int]:
    """Returns the bytes of a step with a number of objectives, each with buffers: the minimum, and for full speed."""
    minimum, full_speed = optimizer.memory(loss, level)
    return objectives * minimum, objectives * full_speed


def _other_bytes(references: Sequence[Reference], canvas: Canvas, level: Level) -> int:
    """Returns the bytes in memory at a level besides images and steps.

    They are those of the process, on a CPU; of masks and regions, of what is kept, and of copies of the image for a
    symmetry. A reference with a map of weights has a masked copy, and for each patch size the weights of all patches.
    """
    channels, regions = references[0].image.shape[1], count_regions(references)
    weights = {None if isinstance(x.weight, Tensor) else x.weight for x in references}
    weighted = len(weights) > 1 or None in weights
    reference_maps = (channels + 8) * weighted
    output_maps = 2 * channels * (canvas.symmetry != "none") + 2 * (channels + 1) * (canvas.keep is not None)
    output_maps += 7 * regions * any(x.region is not None for x in references)
    process = PROCESS_BYTES if references[0].image.device.type == "cpu" else 0
    return process + 4 * (reference_maps * level.reference_pixels + output_maps * level.pixels)


def _check_arguments(*arguments: object) -> None:
    loss, pyramid, guess, optimizer, keep, value_range, on_step = arguments
    for name, argument, kind, example, call in (
        ("loss", loss, Loss, "an SWDLoss or another Loss", "SWDLoss()"),
        ("pyramid", pyramid, PyramidSchedule, "a PyramidSchedule", "PyramidSchedule()"),
        ("guess", guess, InitialGuess, "an InitialGuess", "InitialGuess()"),
        ("optimizer", optimizer, LevelSolver, "an Optimizer or another LevelSolver", "Optimizer()"),
        ("keep", keep, Keep, "a Keep", "Keep(image, mask)"),
    ):
        if argument is not None and (isinstance(argument, type) or not isinstance(argument, kind)):
            given = f"the class {argument.__name__}" if isinstance(argument, type) else described(argument)
            raise OptionError.saying(f"{name} must be {example}, not {given}; write {call}")
    if on_step is not None and not callable(on_step):
        raise OptionError("on_step", on_step, "it must be a function of a StepInfo")
    if not isinstance(value_range, Units | None) and not (
        isinstance(value_range, tuple)
        and len(value_range) == 2
        and all(isinstance(end, Real) and math.isfinite(end) for end in value_range)
        and value_range[0] < value_range[1]
    ):
        raise OptionError("value_range", value_range, "it must be (lowest, highest), two finite numbers, or None")


def _reporter(
    on_step: OnStep | None,
    runs: Sequence[Run],
    outputs: int,
    level: Level,
    levels: Sequence[Level],
    steps: Sequence[int],
    units: Units | None,
) -> OnRunStep:
    """Returns the callback of the level loop, which reports each step of each run to `on_step`."""
    if on_step is None:
        return lambda run, step, loss, image: None
    work = [math.prod(level.size) * number for level, number in zip(levels, steps, strict=True)]
    before, level_work, limit = sum(work[: level.index]), work[level.index], steps[level.index]

    def report(run: int, step: int, loss: Tensor, image: Tensor) -> None:
        done = (before + level_work * (step + (run + 1) / len(runs)) / limit) / sum(work)
        on_step(StepInfo(runs[run].output, outputs, level.index, len(levels), step, limit, done, image, loss, units))

    return report


def _loss_table(rows: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(rows), batch_first=True, padding_value=float("nan"))
