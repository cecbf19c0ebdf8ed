"""The choice of a backend: plain PyTorch, which runs everywhere, or Triton kernels."""

from __future__ import annotations

import functools
import importlib
import logging
from typing import Any

import torch

from ..errors import OptionError
from .workspace import Workspace

BACKENDS: tuple[str, ...] = ("auto", "torch", "triton")
"""Choices of a backend; "auto" is "triton" where that works, and otherwise "torch"."""
MIN_CAPABILITY = (8, 0)
"""Minimum compute capability: the first with TF32 on tensor cores."""
INDEX_LIMIT = 2**31
"""Number of elements of an image (pixels times channels) from which 32-bit indices overflow."""


def choose(backend: str, device: torch.device, elements: int = 0, dtype: torch.dtype = torch.float32) -> str:
    """Returns the backend to use, "torch" or "triton".

    With "auto" on a GPU where Triton does not work, the reason is logged once.

    Arguments:
        backend: One of `BACKENDS`.
        device: Device of the images.
        elements: Number of elements of the largest image (pixels times channels).
        dtype: Type of the images.

    Raises:
        OptionError: "triton" is chosen and cannot be used; the message gives the reason.
    """
    if backend == "torch" or (backend == "auto" and device.type != "cuda"):
        return "torch"
    reason = why_not_triton(device)
    if reason is None and elements >= INDEX_LIMIT:
        reason = f"Triton's kernels index an image with 32 bits, and {elements} elements are too many"
    if reason is None and dtype != torch.float32:
        reason = f"Triton's kernels take float32, and the image is {dtype}"
    if reason is None:
        return "triton"
    if backend == "triton":
        raise OptionError(
            "backend", backend, reason, "choose backend auto or torch, whose images are similar, not identical"
        )
    log_once(f"GPDM: plain PyTorch is used on {device}, because {reason}.")
    return "torch"


def make_backend(name: str, workspace: Workspace, patches: int) -> Any:
    """Returns the `backend.Backend` of this name, "torch" or "triton". Triton is imported only when it is used.

    Arguments:
        name: "torch" or "triton".
        workspace: Strips and threads.
        patches: Number of patches of the largest image.
    """
    if name == "triton":
        return importlib.import_module(".triton_backend", __package__).TritonBackend()
    return importlib.import_module(".torch_backend", __package__).TorchBackend(workspace, patches)


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
    if not is_interpreted():
        if device.type != "cuda" or torch.version.hip:
            where = "an AMD GPU" if torch.version.hip else device
            return f"Triton's kernels are written for NVIDIA GPUs, and the image is on {where}"
        capability = torch.cuda.get_device_capability(device)
        if capability < MIN_CAPABILITY:
            needed, found = (".".join(map(str, version)) for version in (MIN_CAPABILITY, capability))
            name = torch.cuda.get_device_name(device)
            return f"Triton's kernels need compute capability {needed}, and {name} has {found}"
        logging.getLogger(__name__).info(
            "GPDM: Triton compiles each kernel once, at its first use; that takes some seconds."
        )
    try:
        return importlib.import_module(".triton_check", __package__).disagreement(device)
    except Exception as error:  # any error of a compiler or driver is the reason
        return (
            f"Triton's kernels do not run here ({type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]})"
        )


def is_interpreted() -> bool:
    """Returns whether Triton interprets kernels (TRITON_INTERPRET=1), as in tests on machines without a GPU."""
    try:
        triton: Any = importlib.import_module("triton")
    except ImportError:
        return False
    knobs = getattr(triton, "knobs", None)  # older versions have none
    return bool(knobs.runtime.interpret) if knobs else False


@functools.cache
def log_once(message: str, level: int = logging.WARNING) -> None:
    """Logs a message, once per process."""
    logging.getLogger(__name__).log(level, message)
