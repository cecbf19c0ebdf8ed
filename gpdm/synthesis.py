"""Multi-scale synthesis: all checks, then one loop over the pyramid levels (GPDM, section 3)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .canvas import Canvas, Keep
from .errors import OptionError, described
from .guess import InitialGuess, count_outputs
from .images import Size, Units, check_size, size_of
from .losses.base import Loss, count_regions, is_per_output
from .losses.combined import own_references
from .losses.swd import SWDLoss
from .memory import PROCESS_BYTES, LevelMemory, device_limit, plan
from .optimizers.base import LevelSolver, Stop
from .optimizers.cuda_graphs import current_device
from .optimizers.gradient import Optimizer
from .optimizers.levels import SynthesisProblem, SynthesisState
from .optimizers.progress import OnStep, reporter
from .optimizers.progress import StepInfo as StepInfo
from .optimizers.runs import Run
from .options import check_int
from .pyramid import Level, PyramidSchedule, at_scales
from .references import Images, Reference, as_references, distributions_of, sizes_of


@dataclass(frozen=True)
class Synthesis:
    """The result of `synthesize`."""

    images: Tensor
    """The outputs, (N, C, H, W), with dtype and device of the references, clamped to `value_range`; of the size of the
    last level that is done."""
    losses: tuple[Tensor, ...]
    """For each level the loss of every step, (N, steps), float64 on the CPU; NaN after an output has converged."""
    stops: tuple[tuple[Stop, ...], ...]
    """For each level and output the stopping reason: "converged" or "step limit"."""
    levels: tuple[Level, ...]
    """The levels that are done, coarse to fine."""
    plan: tuple[LevelMemory, ...]
    """The memory planned for each level."""
    seconds: float
    """Wall-clock time of the whole call."""
    state: SynthesisState | None = None
    """What `resume` continues, if the run stopped after a level (`PyramidSchedule.stop_after`); None if it finished."""


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
    with torch.no_grad(), current_device(like.device):
        dtype = torch.promote_types(like.dtype, torch.float32)
        units = Units.of([(x.image, x.map()) for x in (*references, *own_references(loss, like))], value_range)

        def enter(image: Tensor) -> Tensor:
            return image.to(dtype) if units is None else units.enter(image.to(dtype))

        problem = SynthesisProblem(
            references=[replace(x, image=enter(x.image)) for x in references],
            canvas=canvas.in_working_units(enter, None if units is None else units.constant),
            loss=loss,
            optimizer=optimizer,
            levels=levels,
            plan=plans,
            like=like,
            units=units,
            keep=keep,
        )
        init = None if init is None else enter(init)
        coarsest = problem.canvas.at(levels[0].scale)
        runs = [
            Run(output, generator, guess.make(problem.references, coarsest, output, generator, init))
            for output in range(outputs)
            for generator in guess.generators(seed + output)
        ]
    result = resume(SynthesisState(problem, tuple(runs), 0), stop_after=pyramid.stop_after, on_step=on_step)
    return replace(result, seconds=time.perf_counter() - started)


def resume(
    state: SynthesisState, painted: Tensor | None = None, *, stop_after: int = 0, on_step: OnStep | None = None
) -> Synthesis:
    """Returns the result of a synthesis that goes on from a state, which stays as it is.

    Without a painted picture the images are those of a run that did not stop, bit for bit.

    Arguments:
        state: `Synthesis.state` of a run that stopped.
        painted: Pictures in place of the state's images; see `SynthesisState.painted`.
        stop_after: Number of levels after which the run stops again; 0: it runs all.
        on_step: As in `synthesize`; `StepInfo.done` is the fraction of the work from the state on.

    Raises:
        OptionError: `stop_after` is no level that comes later; or as in `synthesize`.
        ImageError: The painted picture does not fit the state.
    """
    started, problem = time.perf_counter(), state.problem
    last = state.stop_level(check_int("stop_after", stop_after, 0))
    with torch.no_grad(), current_device(problem.like.device):
        state = state if painted is None else state.painted(painted)
        runs = [run.copy() for run in state.runs]
        for index in range(state.next_level, last):
            report = reporter(on_step, runs, problem, index, range(state.next_level, last))
            runs = problem.solve(index, runs, report)
        finished, levels = last == len(problem.levels), problem.levels[:last]
        images = problem.result(runs, finished=finished)
    return Synthesis(
        images=images,
        losses=tuple(_loss_table([run.losses[level.index] for run in runs]) for level in levels),
        stops=tuple(tuple(run.stops[level.index] for run in runs) for level in levels),
        levels=levels,
        plan=problem.plan[:last],
        seconds=time.perf_counter() - started,
        state=None if finished else SynthesisState(problem, tuple(runs), last),
    )


def _memory(optimizer: LevelSolver, loss: Loss, objectives: int, level: Level) -> tuple[int, int]:
    """Returns the bytes of a step with a number of objectives, each with buffers: the minimum, and for full speed."""
    minimum, full_speed = optimizer.memory(loss, level)
    return objectives * minimum, objectives * full_speed


def _other_bytes(references: Sequence[Reference], canvas: Canvas, level: Level) -> int:
    """Returns the bytes in memory at a level besides images and steps.

    They are those of the process, on a CPU; of masks and regions, of what is kept, and of copies of the image and
    positions for a symmetry. A reference with a map of weights has a masked copy, and for each patch size the weights
    of all patches.
    """
    channels, regions = references[0].image.shape[1], count_regions(references)
    weights = {None if isinstance(x.weight, Tensor) else x.weight for x in references}
    weighted = len(weights) > 1 or None in weights
    reference_maps = (channels + 8) * weighted
    output_maps = canvas.symmetric.held(channels) + 2 * (channels + 1) * (canvas.keep is not None)
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


def _loss_table(rows: Sequence[Tensor]) -> Tensor:
    return pad_sequence(list(rows), batch_first=True, padding_value=float("nan"))
