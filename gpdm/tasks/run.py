"""One function that runs any task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..canvas import Canvas, Keep
from ..errors import GPDMError, ImageError, OptionError
from ..images import Size, Units, check_alike, check_image, resize, size_of
from ..losses.swd import SWDLoss
from ..options import describe
from ..references import Images, as_references, check_pictures
from ..synthesis import OnStep, Synthesis, synthesize
from .base import Picture, Recipe, Task
from .output import TILES, Work
from .protect import has_aspect_ratio, protected


def run_task(
    task: Task,
    *pictures: Images,
    quality: str | None = None,
    recipe: Recipe | None = None,
    references: Images | None = None,
    init: Tensor | None = None,
    keep: Keep | Tensor | None = None,
    seed: int = 0,
    constraint: Callable[[Tensor, Canvas], None] | None = None,
    value_range: tuple[float, float] | Units | None = (-1.0, 1.0),
    on_step: OnStep | None = None,
    **options: Any,
) -> Synthesis:
    """Returns the outputs of a task.

    Arguments:
        task: One of `TASKS`.
        pictures: One argument for each of `task.pictures`, in that order. References are images (B, C, h, w) in
            [-1, 1], `Reference`s, or a list of either. A start picture is a tensor (B, C, h, w); each entry makes one
            output.
        quality: One of `QUALITIES`, if no recipe is given; by default that of the task.
        recipe: All settings.
        references: References whose patches are used in place of those of the reference picture. That picture still
            sets the size, and supplies kept pixels if nothing else does.
        init: Images to start from, (B, C, h, w), for a task without a start picture.
        keep: Pixels to keep. A mask of any size, (H, W) or (1, 1, H, W), keeps pixels of the start, or else of the
            reference, where it is at least 0.5. In an output of another aspect ratio, or a larger one, what it covers
            is moved as one piece (`protect.protected`). A `Keep` also gives the image, which needs the output's aspect
            ratio and is scaled down to it.
        seed, constraint, value_range, on_step: As in `synthesize`.
        options: Fields of `OutputOptions` and of the task's own options, in place of the recipe's.

    Raises:
        GPDMError: The number of pictures is wrong, `init` is given to a task with a start picture, or the loss tiles in
            other directions.
        OptionError: An option is unknown or has a value that is not allowed; or as in `synthesize`.
        ImageError: A picture cannot be used, or what is kept has another shape than the output; or as in `synthesize`.
    """
    by_name = task.named(pictures)
    if recipe is None:
        recipe = task.recipe(quality) if init is None else task.recipe(quality).from_image()
    recipe = _with_options(recipe, options)
    if task.start is not None:
        init = _start(task, task.start, by_name[task.start.name], init, recipe)
    given = as_references(by_name[task.reference.name])
    used = given if references is None else as_references(references)
    if init is not None:
        name = "init" if task.start is None else task.start.name
        check_alike(check_image(init, name), name, used[0].image, task.reference.name)
    if any(reference.distribution is not None for reference in used):
        recipe = _without_patches(recipe)
        if isinstance(keep, Tensor) and init is None:
            check_pictures(given, "keep keeps pixels of the reference")
    work = Work(used, size_of(given[0].image), init)
    border = _border(recipe)
    kept_image = given[0].image if init is None else init
    work = task.prepare(work, recipe.output)
    if task.adapt is not None:
        work = task.adapt(work, recipe)
    _check_regions(work)
    if work.keep is not None and keep is not None:
        raise GPDMError(f"{task.name} keeps pixels of its pictures; leave out keep")
    guess = recipe.guess
    moves = work.init is None and references is None and not has_aspect_ratio(size_of(kept_image), work.size)
    if moves and isinstance(keep, Tensor) and bool(keep.any()):
        work, keep = protected(work, check_image(keep[None, None] if keep.dim() == 2 else keep, "the keep mask"))
    if work.start is not None and guess.source == "reference":
        guess, work = replace(guess, source="image"), replace(work, init=work.start)
    return synthesize(
        work.references,
        init=work.init,
        size=work.size,
        num_outputs=recipe.output.num_outputs,
        seed=seed,
        loss=work.loss or recipe.loss,
        pyramid=recipe.pyramid,
        guess=guess,
        optimizer=recipe.optimizer,
        memory=recipe.output.memory * 2**20 or None,
        border=border,
        symmetry=recipe.output.symmetry,
        keep=work.keep if keep is None else _fitted(keep, kept_image, work.size, border),
        constraint=constraint,
        value_range=value_range,
        on_step=on_step,
    )


def as_function(task: Task) -> Callable[..., Synthesis]:
    """Returns the function that runs `task`, with the record's texts as its documentation."""

    def run(*pictures: Images, **settings: Any) -> Synthesis:
        return run_task(task, *pictures, **settings)

    run.__name__ = run.__qualname__ = task.name
    kind = {False: "Images (B, C, h, w) in [-1, 1], `Reference`s, or a list of either.", True: "A tensor (B, C, h, w)."}
    pictures = "\n".join(f"    {each.name}: {each.help} {kind[each.start]}" for each in task.pictures)
    run.__doc__ = (
        f"Returns the outputs of the task {task.name}. {task.summary}\n\nArguments:\n{pictures}\n"
        "    settings: The keyword arguments of `run_task`.\n\nRaises:\n    GPDMError: As in `run_task`."
    )
    return run


def _start(task: Task, picture: Picture, given: Images, init: Tensor | None, recipe: Recipe) -> Tensor:
    """Returns the picture that a task starts from, and checks that nothing else asks for another start."""
    if init is not None:
        raise GPDMError(f"{task.name} starts from the {picture.name}; leave out init")
    if recipe.guess.source != "image":
        raise OptionError(
            "source", recipe.guess.source, f"{task.name} starts from the {picture.name}", "choose source image"
        )
    if not isinstance(given, Tensor):
        raise ImageError(f"{picture.name} must be a tensor of shape (B, C, H, W), not {type(given).__name__}")
    return given


def _with_options(recipe: Recipe, options: dict[str, Any]) -> Recipe:
    """Returns the recipe with options of the output and of the task, by name."""
    parts = {"output": recipe.output} if recipe.own is None else {"output": recipe.output, "own": recipe.own}
    names = {spec.name: part for part, each in parts.items() for spec in describe(each)}
    for name, value in options.items():
        if name not in names:
            raise OptionError(name, value, f"it is no option of the task; choose from {', '.join(names)}")
        part = names[name]
        recipe = replace(recipe, **{part: replace(getattr(recipe, part), **{name: value})})
    return recipe


def _without_patches(recipe: Recipe) -> Recipe:
    """Returns the recipe for saved distributions, which have no patches for the coherence term."""
    if not isinstance(recipe.loss, SWDLoss):
        return recipe
    return replace(recipe, loss=replace(recipe.loss, coherence=0.0, variety=0.0))


def _border(recipe: Recipe) -> str:
    """Returns the border of the output: that of the option `tile`, or else that of the loss."""
    border = TILES[recipe.output.tile]
    if border != "free" and recipe.loss.border not in ("free", border):
        raise GPDMError(
            f"tile is {recipe.output.tile!r} and the border of the loss is {recipe.loss.border!r}; set the border to free"
        )
    return border


def _check_regions(work: Work) -> None:
    """Raises `GPDMError` if regions leave a part of the output without a reference."""
    regions = [reference.region for reference in work.references if reference.region is not None]
    if len(regions) < len(work.references):
        return
    covered = torch.stack([resize(region, work.size) for region in regions]).sum(0)
    uncovered = int((covered <= 0).sum())
    if uncovered:
        raise GPDMError(
            f"the regions leave {uncovered} of {covered.numel()} pixels of the output without a reference; "
            "add a reference without a region, which fills the rest"
        )


def _fitted(keep: Keep | Tensor, image: Tensor, size: Size, border: str) -> Keep:
    """Returns what is kept at the size of the output.

    Arguments:
        keep: What is kept, or the mask alone.
        image: The image that a mask alone refers to, (B, C, h, w).
        size: Height and width of the output.
        border: One of `borders.BORDERS`.
    """
    keep = Keep(image, keep) if isinstance(keep, Tensor) else keep
    height, width = size_of(check_image(keep.image, "the picture with the kept pixels"))
    if len(keep.image) != 1:
        raise ImageError(f"keep has a batch of {len(keep.image)} pictures; give one")
    mask = keep.mask[None, None] if keep.mask.dim() == 2 else keep.mask
    mask = resize(check_image(mask, "the keep mask").to(keep.image), (height, width))
    if not has_aspect_ratio((height, width), size):
        raise ImageError(
            f"the picture with the kept pixels is {width}x{height} and the output is {size[1]}x{size[0]}; give one "
            "with the output's aspect ratio and at least its size (keep_image of GPDM Canvas, --keep-picture)"
        )
    return Keep(keep.image, mask).at(size, border)
