"""The choice of a backend: plain PyTorch, which runs everywhere, or kernels in Triton."""

from __future__ import annotations

import functools
import importlib
import logging
from typing import Any, Literal, get_args

import torch

from ..errors import OptionError
from .workspace import Workspace

Backend = Literal["auto", "torch", "triton"]
BACKENDS: tuple[str, ...] = get_args(Backend)
LEAST_CAPABILITY = (8, 0)
"""Minimum compute capability: the first with TF32 on tensor cores."""
MOST_NUMBERS = 2**31
"""Number of elements of an image (pixels times channels) from which on 32-bit indices overflow."""


def choose(backend: str, device: torch.device, numbers: int = 0, dtype: torch.dtype = torch.float32) -> str:
    """Returns the backend, "torch" or "triton", for images of `numbers` elements (pixels times channels).

    "auto" is Triton on a GPU where it works; otherwise the log gives the reason once.

    Raises:
        OptionError: "triton" is chosen and cannot be used; the message gives the reason.
    """
    if backend == "torch" or (backend == "auto" and device.type != "cuda"):
        return "torch"
    reason = why_not_triton(device)
    if reason is None and numbers >= MOST_NUMBERS:
        reason = f"Triton's kernels count places in a picture with 32 bits, and {numbers} numbers are too many"
    if reason is None and dtype != torch.float32:
        reason = f"Triton's kernels take float32, and the picture is {dtype}"
    if reason is None:
        return "triton"
    if backend == "triton":
        raise OptionError(
            "backend", backend, reason, "choose backend auto or torch, which make the same kind of picture"
        )
    say_once(f"GPDM: plain PyTorch does the work on {device}, since {reason}.")
    return "torch"


def make_backend(name: str, workspace: Workspace) -> Any:
    """Returns the `backend.Backend` of this name. Triton's module is imported only when it is used."""
    if name == "triton":
        return importlib.import_module(".triton_backend", __package__).TritonBackend()
    return importlib.import_module(".torch_backend", __package__).TorchBackend(workspace)


def kernels(backend: str) -> Any:
    """Returns the module with the kernels of a backend, as returned by `choose`.

    Its functions are those of `reference`; Triton's lacks the helpers `project` and `bin_of`.
    """
    return importlib.import_module(".triton_kernels" if backend == "triton" else ".reference", __package__)


@functools.cache
def why_not_triton(device: torch.device) -> str | None:
    """Returns the reason why Triton's kernels cannot be used on `device`; None if they can. Tested once per device."""
    try:
        importlib.import_module("triton")
    except ImportError as error:
        return f"Triton cannot be imported ({error}); pip install triton, on Windows triton-windows"
    if not interpreted():
        if device.type != "cuda" or torch.version.hip:
            return f"Triton's kernels are written for NVIDIA GPUs, and the picture is on {'an AMD GPU' if torch.version.hip else device}"
        capability = torch.cuda.get_device_capability(device)
        if capability < LEAST_CAPABILITY:
            return f"Triton's kernels need compute capability 8.0, and {torch.cuda.get_device_name(device)} has {'.'.join(map(str, capability))}"
        logging.getLogger(__name__).info(
            "GPDM: Triton compiles kernels at their first use, once; that takes some seconds."
        )
    try:
        return importlib.import_module(".triton_check", __package__).disagreement(device)
    except Exception as error:  # any error of a compiler or driver is the reason
        return (
            f"Triton's kernels do not run here ({type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]})"
        )


def interpreted() -> bool:
    """Returns whether Triton interprets kernels (TRITON_INTERPRET=1), as in tests on machines without a GPU."""
    try:
        triton: Any = importlib.import_module("triton")
    except ImportError:
        return False
    knobs = getattr(triton, "knobs", None)  # older versions have none
    return bool(knobs.runtime.interpret) if knobs else False


@functools.cache
def say_once(message: str, level: int = logging.WARNING) -> None:
    """Logs a message, once per process."""
    logging.getLogger(__name__).log(level, message)
