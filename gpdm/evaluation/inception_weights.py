"""Inception weights from files that the user names; nothing is downloaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import GPDMError
from .sifid import WEIGHTS_HINT, Inception, load_inception

SUFFIXES = (".pth", ".pt", ".safetensors")


def load_inception_file(path: Path | str) -> Inception:
    """Returns the network for `sifid`, with weights from a file.

    Arguments:
        path: A state dict of Inception-v3 as written by PyTorch (.pth, .pt) or safetensors.

    Raises:
        GPDMError: The file does not exist, its suffix is not one of `SUFFIXES`, it cannot be read, or it holds other
            weights.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise GPDMError(
            f"cannot read weights from {path}: its name must end in one of {', '.join(SUFFIXES)}; {WEIGHTS_HINT}"
        )
    if not path.is_file():
        raise GPDMError(f"there is no file {path}; check the path, and {WEIGHTS_HINT}")
    state = _read(path)
    if not isinstance(state, Mapping):
        raise GPDMError(f"{path} holds {type(state).__name__} and not a state dict; {WEIGHTS_HINT}")
    try:
        return load_inception(state)
    except GPDMError as error:
        raise GPDMError(f"{path} does not hold the expected Inception-v3 weights: {error}") from None


def _read(path: Path) -> Any:
    try:
        if path.suffix.lower() != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True)
        return importlib.import_module("safetensors.torch").load_file(path)
    except ImportError:
        raise GPDMError(
            f"{path} needs the package safetensors, which is not installed; install it or use .pth"
        ) from None
    except Exception:
        # A damaged file can raise many kinds of errors. PyTorch's messages are left out, because they suggest
        # weights_only=False, which can run code in the file.
        raise GPDMError(f"{path} is not a readable state dict; {WEIGHTS_HINT}") from None
