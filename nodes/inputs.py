"""ComfyUI inputs, generated from the core's options, so that no default or help text is written twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from ..gpdm import DEFAULT_QUALITY, QUALITIES, Options, OptionSpec, OutputOptions, Recipe, Task, describe

Input = tuple[Any, dict[str, Any]]

SEED: Input = (
    "INT",
    {
        "default": 0,
        "min": 0,
        "max": 0xFFFFFFFFFFFFFFFF,
        "control_after_generate": True,
        "tooltip": "Random seed. The same seed and inputs give the same picture on the same device.",
    },
)

QUALITY: Input = (
    list(QUALITIES),
    {
        "default": DEFAULT_QUALITY,
        "tooltip": "Preset: draft, in seconds by patch nearest neighbours, which copy more; fast; balanced; best, with more levels and steps; "
        "paper, with the published settings; denoiser, diffusion by patches, sharp and copying like draft. "
        "A connected option node replaces its part of the preset.",
    },
)


def image(tooltip: str) -> Input:
    """Returns an IMAGE socket."""
    return ("IMAGE", {"tooltip": tooltip})


def mask(tooltip: str) -> Input:
    """Returns a MASK socket."""
    return ("MASK", {"tooltip": tooltip})


def file(names: list[str] | None, tooltip: str) -> Input:
    """Returns a choice of files; without a list of their names, only a running ComfyUI knows them."""
    return ("COMBO" if names is None else names, {"tooltip": tooltip})


def references(tooltip: str) -> Input:
    """Returns a socket for chained references."""
    return ("GPDM_REFERENCES", {"tooltip": tooltip})


def widgets(options: Any, names: Iterable[str] | None = None) -> dict[str, Input]:
    """Returns widgets for the options of a class or an object, or for those named, in that order.

    The values of an object are the defaults.
    """
    specs = {spec.name: spec for spec in describe(options)}
    return {name: _widget(specs[name]) for name in (specs if names is None else names)}


LATER = ("variety",)
"""Options of edits that are newer than the other inputs of their nodes. Their widgets come last, since saved files hold
the values of widgets by position."""


def edit_widgets(options: Any, later: bool) -> dict[str, Input]:
    """Returns widgets for the options of an edit that are among `LATER`, or for the others."""
    return widgets(options, [spec.name for spec in describe(options) if (spec.name in LATER) == later])


def _widget(spec: OptionSpec) -> Input:
    more: dict[str, Any] = {"default": spec.default, "tooltip": spec.help}
    if spec.advanced:
        more["advanced"] = True
    if spec.choices:
        return (list(spec.choices), more)
    more |= {"min": spec.ge, "max": spec.le}
    if spec.type is float:
        # "round" keeps a typed value from being rounded to the step, which is only for the arrows.
        more |= {"step": spec.step or 0.01, "round": 0.000001}
    return ("INT" if spec.type is int else "FLOAT", more)


def taken(options: Options, values: dict[str, Any]) -> Options:
    """Returns options with the values that have their names, which are removed from `values`."""
    return type(options)(**{spec.name: values.pop(spec.name, spec.default) for spec in describe(options)})


def num_outputs() -> Input:
    """Returns the widget for the number of results of an edit."""
    ((kind, options),) = widgets(OutputOptions, ["num_outputs"]).values()
    tooltip = (
        "Number of results of one picture; result i (from 0) equals a single run with seed + i. A batch of pictures "
        "gives one result of each; then use 1 or the size of the batch."
    )
    return (kind, {**options, "tooltip": tooltip})


def part_sockets(task: Task) -> dict[str, Input]:
    """Returns the four sockets for parts of the recipe of a task.

    Their tooltips name the values that hold if nothing is connected.
    """
    recipe = task.recipe()
    makers = {
        "loss": ("GPDM_LOSS", "GPDM SWD Loss"),
        "pyramid": ("GPDM_PYRAMID", "GPDM Pyramid Schedule"),
        "guess": ("GPDM_GUESS", "GPDM Initial Guess"),
        "optimizer": ("GPDM_OPTIMIZER", "GPDM Optimizer"),
    }
    return {
        name: (
            kind,
            {
                "tooltip": f"{name.capitalize()}, for example from {maker}. Default at quality {task.quality}: {_values(getattr(recipe, name))}."
            },
        )
        for name, (kind, maker) in makers.items()
    }


def later(task: Task) -> dict[str, Input]:
    """Returns the inputs that came after the first saved files.

    They come last, and a file may lack them.
    """
    return {
        "quality": (QUALITY[0], {**QUALITY[1], "default": task.quality}),
        **widgets(OutputOptions, ["memory", "tile"]),
        "references": references(
            f"References from GPDM Reference, used in place of the patches of the picture at {task.reference.name}."
            + (f" Without a start picture, {task.reference.name} still sets the size." if task.start is None else "")
        ),
        "canvas": ("GPDM_CANVAS", {"tooltip": "Tiling, symmetry and pixels to keep, from GPDM Canvas."}),
    }


def _values(options: Any) -> str:
    return ", ".join(f"{spec.name} {spec.default}" for spec in describe(options) if not spec.advanced)


def overridden(recipe: Recipe, **parts: Any) -> Recipe:
    """Returns `recipe` with the connected parts, those that are not None, in place of its own."""
    own = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    return Recipe(**(own | {name: part for name, part in parts.items() if part is not None}))
