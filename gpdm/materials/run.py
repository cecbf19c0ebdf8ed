"""One function that runs any task or edit on the maps of a material."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..borders import repeated
from ..edits import Edit, Edits, run_edit
from ..edits.tile import BORDERS_OF_AXES, TileOptions
from ..errors import OptionError
from ..synthesis import Synthesis
from ..tasks import DEFAULT_QUALITY, TILES, Recipe, Task, run_task
from .agreement import agreeing_height
from .base import MaterialOptions, MaterialTask
from .lighting import lit
from .material import Material
from .normals import Relief, mean_angle, renormalised
from .stack import EDIT_SPREAD, TASK_SPREAD, Stack

EXPLAINED = 0.25
"""Mean angle between given normals and those of the height, relative to their mean tilt, up to which the height
explains the normals."""


@dataclass(frozen=True)
class MaterialResult:
    """The results of a run with a material."""

    material: Material
    """The new maps, each a batch of the outputs."""
    masks: Tensor | None
    """1 where the maps may differ from the given ones, else 0, (N, 1, H, W); None for new maps."""
    preview: Tensor
    """The material lit, (N, 3, h, w) in [-1, 1]."""
    normals: str | None
    """How its normals were made, one of the values of the option but "auto"; None: it has none."""
    run: Synthesis | Edits
    """The run with all channels."""


def run_material(
    task: MaterialTask,
    material: Material,
    *,
    mask: Tensor | None = None,
    options: MaterialOptions | None = None,
    quality: str = DEFAULT_QUALITY,
    recipe: Recipe | None = None,
    seed: int = 0,
    on_step: Callable[..., None] | None = None,
    **settings: Any,
) -> MaterialResult:
    """Returns the results of a task or edit of all maps of a material.

    All maps are one image with many channels. Each map counts the same, whatever its range and number of channels; one
    with a single value comes back with it.

    Arguments:
        task: One of `MATERIALS`.
        material: The maps. For texture a batch is several references; for edits each is edited by itself.
        mask: As in `run_edit`, for an edit with a mask.
        options: The options of all runs with materials.
        quality, recipe: As in `run_task`, for a task.
        seed: Any integer.
        on_step: As in `run_task` or `run_edit`.
        settings: Output options of a task, in place of the recipe's; or further arguments of `run_edit`.

    Raises:
        GPDMError: As in `run_task` or `run_edit`; or a map is missing that `options.normals` needs.
    """
    options = options or MaterialOptions()
    if options.normals in ("from_height", "agree") and not {"normal", "height"} <= set(material.maps):
        raise OptionError("normals", options.normals, "it needs a normal and a height map", "give both, or choose auto")
    if isinstance(task.record, Task):
        recipe = task.record.recipe(quality) if recipe is None else recipe
        recipe = replace(recipe, output=replace(recipe.output, **settings))
        if recipe.pyramid.stop_after:
            raise OptionError(
                "stop_after",
                recipe.pyramid.stop_after,
                "maps of a material cannot be painted on in a run",
                "set it to 0",
            )
        return _synthesized(task.record, material, options, recipe, on_step, seed)
    return _edited(task.record, material, mask, options, on_step, {"seed": seed, **settings})


def _synthesized(
    task: Task, material: Material, options: MaterialOptions, recipe: Recipe, on_step: Any, seed: int
) -> MaterialResult:
    if "normal" in material.maps:
        _check_normals(recipe)
    # Scaled down here, since the tilt of a height map depends on the size of its pixels.
    material = material.at(recipe.output.shrinking(material.size))
    stack = Stack.of(material, TASK_SPREAD)
    run = run_task(task, stack.image, recipe=recipe, value_range=stack.units, on_step=on_step, seed=seed)
    border = TILES[recipe.output.tile]
    border = recipe.loss.border if border == "free" else border
    return _finished(stack.split(run.images), run, material, options, border, None)


def _check_normals(recipe: Recipe) -> None:
    """Raises `OptionError` if maps would be mirrored or rotated, which turns surfaces but not normals."""
    hint = "leave out the normal map and make it from the new height, or choose "
    border = TILES[recipe.output.tile]
    if "mirrored" in (border, recipe.loss.border):
        name, value = ("tile", recipe.output.tile) if border == "mirrored" else ("border", recipe.loss.border)
        raise OptionError(name, value, "normals of a mirrored surface point elsewhere", hint + "both or half drop")
    if recipe.output.symmetry != "none":
        reason = "normals of a rotated or mirrored surface point elsewhere"
        raise OptionError("symmetry", recipe.output.symmetry, reason, hint + "none")


def _edited(
    edit: Edit,
    material: Material,
    mask: Tensor | None,
    options: MaterialOptions,
    on_step: Any,
    settings: Mapping[str, Any],
) -> MaterialResult:
    stack = Stack.of(material, EDIT_SPREAD)
    run = run_edit(edit, stack.image, mask, units=stack.units, on_step=on_step, **settings)
    tiles = edit.options is TileOptions
    border = BORDERS_OF_AXES[settings.get("axes", TileOptions.axes)] if tiles else "free"
    return _finished(stack.split(run.images), run, material, options, border, run.masks)


def _finished(
    maps: dict[str, Tensor],
    run: Synthesis | Edits,
    given: Material,
    options: MaterialOptions,
    border: str,
    masks: Tensor | None,
) -> MaterialResult:
    """Returns the result with unit normals, and with the pixels of the given maps, bit for bit, where masks are 0.

    Arguments:
        maps: The new maps.
        run: The run that made them.
        given: The material that they were made from.
        options: The options.
        border: Border of the new maps: one of `borders.BORDERS`.
        masks: Where they may differ from the given ones; None: everywhere.
    """
    maps, made = _kept(maps, given, masks), None
    y_is_up = options.green != "directx"
    if "normal" in maps:
        made = "renormalise"
        if "height" in maps:
            normals, height = renormalised(given.maps["normal"]), given.maps["height"]
            relief = Relief.of(normals, height)
            y_is_up = relief.y_is_up if options.green == "auto" else y_is_up
            made = _how(options, normals, relief.normals(height))
            if made == "agree":
                maps["height"] = agreeing_height(maps["height"], renormalised(maps["normal"]), relief, normals, border)
                maps = _kept(maps, given, masks)
            if made != "renormalise":
                maps["normal"] = relief.normals(maps["height"], border)
        maps["normal"] = renormalised(maps["normal"])
    material = Material(_kept(maps, given, masks))
    preview = lit(material, y_is_up=y_is_up, border=border)
    if options.preview == "two by two":
        preview = repeated(preview, border)
    return MaterialResult(material, masks, preview, made, run)


def _kept(maps: Mapping[str, Tensor], given: Material, masks: Tensor | None) -> dict[str, Tensor]:
    """Returns maps with the pixels of the given ones where masks (N, 1, H, W) are 0; None: nowhere."""
    if masks is None:
        return dict(maps)
    return {
        name: torch.where(masks > 0, image, given.maps[name][[i % len(given.maps[name]) for i in range(len(masks))]])
        for name, image in maps.items()
    }


def _how(options: MaterialOptions, normals: Tensor, computed: Tensor) -> str:
    """Returns how normals are made, for given unit normals and those of the given height."""
    if options.normals != "auto":
        return options.normals
    flat = normals.new_tensor([0.0, 0.0, 1.0])[:, None, None].expand_as(normals)
    explained = mean_angle(normals, computed) <= EXPLAINED * mean_angle(normals, flat)
    return "agree" if explained else "renormalise"
