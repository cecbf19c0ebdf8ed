"""Base class of the stand-ins, and how their inputs are written."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .session import Session

SIDE = 16384
"""Longest side of a picture in ComfyUI."""

IMAGE, MASK = ("IMAGE", {}), ("MASK", {})


def integer(default: int, low: int, high: int, **more: Any) -> tuple[str, dict[str, Any]]:
    """Returns the specification of a whole number."""
    return "INT", {"default": default, "min": low, "max": high, **more}


def number(default: float, low: float, high: float) -> tuple[str, dict[str, Any]]:
    """Returns the specification of a number."""
    return "FLOAT", {"default": default, "min": low, "max": high}


def choice(*values: str) -> tuple[list[str], dict[str, Any]]:
    """Returns the specification of a choice. The first value is the default."""
    return list(values), {"default": values[0]}


class StandIn:
    """Base of the stand-ins. The order of the inputs is ComfyUI's, because saved files list values by position."""

    REQUIRED: ClassVar[dict[str, Any]] = {}
    OPTIONAL: ClassVar[dict[str, Any]] = {}
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ()
    FUNCTION = "execute"
    OUTPUT_NODE = False

    def __init__(self, session: Session, title: str = "") -> None:
        self.session = session
        self.title = title or type(self).__name__

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": cls.REQUIRED, "optional": cls.OPTIONAL}


def to_tensor(picture: Image.Image) -> Tensor:
    """Returns a picture as a tensor (1, H, W, C) in [0, 1]; (1, H, W) for a picture in grey."""
    return torch.from_numpy(np.asarray(picture).astype(np.float32) / 255)[None]
