"""ComfyUI inputs, generated from the core's options, so that no default or help text is written twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from ..gpdm import QUALITIES, OptionSpec, OutputOptions, Recipe, describe

Input = tuple[Any, dict[str, Any]]

SEED: Input = (
    "INT",
    {
        "default": 0,
        "min": 0,
        "max": 0xFFFFFFFFFFFFFFFF,
        "control_after_generate": True,
        "tooltip": "Which of the possible pictures is made. The same seed with the same inputs makes the same picture.",
    },
)

QUALITY: Input = (
    list(QUALITIES),
    {
        "default": "balanced",
        "tooltip": "fast for a look; balanced as near to the reference as the published method on average, several times faster; best longer than that; "
        "paper exactly the published method, with its sort. A connected option node replaces its part.",
    },
)


def image(tooltip: str) -> Input:
    """An IMAGE socket."""
    return ("IMAGE", {"tooltip": tooltip})


def widgets(options: Any, names: Iterable[str] | None = None) -> dict[str, Input]:
    """Widgets for the options of a class or object (whose values are then the defaults), or for those named, in that order."""
    specs = {spec.name: spec for spec in describe(options)}
    return {name: _widget(specs[name]) for name in (specs if names is None else names)}


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


def sockets(recipe: Recipe) -> dict[str, Input]:
    """The four optional option sockets. Their tooltips say what holds when nothing is connected and quality is balanced."""
    kinds = {"loss": "GPDM_LOSS", "pyramid": "GPDM_PYRAMID", "guess": "GPDM_GUESS", "optimizer": "GPDM_OPTIMIZER"}
    makers = {
        "loss": "GPDM SWD Loss",
        "pyramid": "GPDM Pyramid Schedule",
        "guess": "GPDM Initial Guess",
        "optimizer": "GPDM Optimizer",
    }
    return {
        name: (
            kind,
            {
                "tooltip": f"From {makers[name]}. Not connected, with quality balanced: {_values(getattr(recipe, name))}."
            },
        )
        for name, kind in kinds.items()
    }


def later() -> dict[str, Input]:
    """Widgets that came after the first saved files: they stand behind all others, and a file may lack them."""
    return {"quality": QUALITY, **widgets(OutputOptions, ["memory"])}


def _values(options: Any) -> str:
    return ", ".join(f"{spec.name} {spec.default}" for spec in describe(options))


def overridden(recipe: Recipe, **parts: Any) -> Recipe:
    """`recipe` with the connected parts (those that are not None) in place of its own."""
    own = {field.name: getattr(recipe, field.name) for field in fields(recipe)}
    return Recipe(**(own | {name: part for name, part in parts.items() if part is not None}))
