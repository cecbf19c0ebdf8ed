"""Outputs of stand-ins, and small pictures and masks to give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gpdm.cli.standins import STAND_INS, Session


def made(kind: str, session: Session | None = None, **inputs: Any) -> Any:
    """Returns the outputs of a stand-in."""
    return STAND_INS[kind](session or Session((), Path())).execute(**inputs)  # type: ignore[attr-defined]


def grey(rows: list[list[float]]) -> Tensor:
    """A picture (1, H, W, 3) with these values in all channels."""
    return torch.tensor(rows)[None, ..., None].repeat(1, 1, 1, 3)


def mask(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows)[None]


ROWS = [[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]]
