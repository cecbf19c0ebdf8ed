"""Base class of the stand-ins, and how their inputs are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...errors import GPDMError
from ..definitions import from_class
from ..session import Session

SIDE = 16384
"""Longest side of a picture in ComfyUI."""

IMAGE, MASK, ANY = ("IMAGE", {}), ("MASK", {}), ("*", {})

DIMENSIONS = {"IMAGE": 4, "MASK": 3}
"""Dimensions of the tensors that these types are."""


def integer(default: int, low: int, high: int, **more: Any) -> tuple[str, dict[str, Any]]:
    """Returns the specification of a whole number."""
    return "INT", {"default": default, "min": low, "max": high, **more}


def number(default: float, low: float, high: float) -> tuple[str, dict[str, Any]]:
    """Returns the specification of a number."""
    return "FLOAT", {"default": default, "min": low, "max": high}


def choice(*values: str) -> tuple[list[str], dict[str, Any]]:
    """Returns the specification of a choice. The first value is the default."""
    return list(values), {"default": values[0]}


def inputs_of(kinds: Mapping[str, Mapping[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Returns the specification of a choice that adds inputs: for each choice, those of which a node has need."""
    return "COMFY_DYNAMICCOMBO_V3", {
        "default": next(iter(kinds)),
        "options": [{"key": key, "inputs": {"required": inputs}} for key, inputs in kinds.items()],
    }


class StandIn:
    """Base of the stand-ins. The order of the inputs is ComfyUI's, because saved files list values by position."""

    REQUIRED: ClassVar[dict[str, Any]] = {}
    OPTIONAL: ClassVar[dict[str, Any]] = {}
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ()
    FUNCTION = "run"
    OUTPUT_NODE = False

    def __init__(self, session: Session, title: str = "") -> None:
        self.session = session
        self.title = title or type(self).__name__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": cls.REQUIRED, "optional": cls.OPTIONAL}

    def run(self, **inputs: Any) -> tuple[Any, ...]:
        """Returns the outputs.

        Raises:
            GPDMError: A mask was given for a picture or the reverse, which only types that fit any input let through.
        """
        definition = from_class(type(self).__name__, type(self))
        for name, value in inputs.items():
            given = definition.input(name)
            dimensions = DIMENSIONS.get(given.type) if given else None
            if given and dimensions and not (isinstance(value, Tensor) and value.ndim == dimensions):
                raise GPDMError(
                    f"input {name} takes {given.type}, but another type was given; connect a node that gives it"
                )
        return self.execute(**inputs)

    def execute(self, *args: Any, **inputs: Any) -> tuple[Any, ...]:
        """Returns the outputs; each node has its own."""
        raise NotImplementedError


def to_tensor(picture: Image.Image) -> Tensor:
    """Returns a picture as a tensor (1, H, W, C) in [0, 1]; (1, H, W) for a picture in grey."""
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None]
