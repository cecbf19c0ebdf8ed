"""Nodes that give a value or show one."""

from __future__ import annotations

import json
import sys
from typing import Any

from torch import Tensor

from .base import ANY, IMAGE, SIDE, StandIn, integer, number


class _Value(StandIn):
    """One value, for several inputs of other nodes."""

    def execute(self, value: Any) -> tuple[Any]:
        return (value,)


class PrimitiveInt(_Value):
    """A whole number, with the control widget that seeds have."""

    REQUIRED = {"value": integer(0, -sys.maxsize, sys.maxsize, control_after_generate=True)}
    RETURN_TYPES = ("INT",)


class PrimitiveFloat(_Value):
    """A number."""

    REQUIRED = {"value": number(0.0, -sys.maxsize, sys.maxsize)}
    RETURN_TYPES = ("FLOAT",)


class PrimitiveString(_Value):
    """A line of text."""

    REQUIRED = {"value": ("STRING", {"default": ""})}
    RETURN_TYPES = ("STRING",)


class PrimitiveStringMultiline(_Value):
    """Several lines of text."""

    REQUIRED = {"value": ("STRING", {"default": "", "multiline": True})}
    RETURN_TYPES = ("STRING",)


class PrimitiveBoolean(_Value):
    """A truth value."""

    REQUIRED = {"value": ("BOOLEAN", {"default": False})}
    RETURN_TYPES = ("BOOLEAN",)


class GetImageSize(StandIn):
    """Width, height and number of the pictures in a batch."""

    REQUIRED = {"image": IMAGE}
    RETURN_TYPES = ("INT", "INT", "INT")

    def execute(self, image: Tensor) -> tuple[int, int, int]:
        return image.shape[2], image.shape[1], image.shape[0]


class PrimitiveBoundingBox(StandIn):
    """A rectangle."""

    REQUIRED = {
        "x": integer(0, 0, SIDE),
        "y": integer(0, 0, SIDE),
        "width": integer(512, 1, SIDE),
        "height": integer(512, 1, SIDE),
    }
    RETURN_TYPES = ("BOUNDING_BOX",)

    def execute(self, **box: int) -> tuple[dict[str, int]]:
        return (box,)


class ComfySwitchNode(StandIn):
    """One of two inputs (If/Else Switch)."""

    REQUIRED = {"switch": ("BOOLEAN", {"default": False}), "on_false": ANY, "on_true": ANY}
    RETURN_TYPES = ("*",)

    def execute(self, switch: bool, on_false: Any, on_true: Any) -> tuple[Any]:
        return (on_true if switch else on_false,)


class PreviewAny(StandIn):
    """Shows a value as text (Preview as Text), and passes the text on."""

    REQUIRED = {"source": ANY}
    RETURN_TYPES = ("STRING",)
    OUTPUT_NODE = True

    def execute(self, source: Any) -> tuple[str]:
        text = _as_text(source)
        self.session.texts.append((self.title, text))
        return (text,)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, (str, int, float)):
        return str(value)
    try:
        return json.dumps(value, indent=4, ensure_ascii=False)
    except (TypeError, ValueError):  # no JSON, such as a picture or a model
        return str(value)
