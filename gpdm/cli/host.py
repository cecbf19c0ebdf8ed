"""The terminal as host of the nodes: a device and a progress bar. Ctrl-C cancels."""

from __future__ import annotations

import logging
import sys
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..errors import GPDMError
from ..synthesis import StepInfo
from .flags import check_device
from .memory import free_memory
from .reading import read_bytes
from .session import Session


def parse_device(name: str) -> torch.device:
    """Returns the device called `name`; "auto" is the first CUDA device, or the CPU if there is none.

    Raises:
        GPDMError: The device does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    check_device(name)
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0][:100]
        raise GPDMError(f"device {name!r} cannot be used here ({reason}); use --device cpu") from None
    return device


class Bar:
    """A tqdm bar on the standard error stream."""

    def __init__(self, total: int, label: str) -> None:
        self.bar = tqdm(total=total, desc=label, unit="step", file=sys.stderr, disable=None, leave=False)

    def update(self, step: int, preview: Any = None) -> None:
        """Moves the bar to `step`; the terminal shows no previews."""
        del preview
        self.bar.update(step - self.bar.n)

    def close(self) -> None:
        """Removes the bar from the screen."""
        self.bar.close()


class Nothing:
    """The value of an output that there is none of: nodes behind it do not run."""


class TerminalHost:
    """The host of nodes that run in the terminal (protocol: nodes/host.py)."""

    def __init__(self, device: torch.device, session: Session | None = None) -> None:
        self._device, self._session = device, session
        self.label = "GPDM"
        self._bar: Bar | None = None

    def device(self) -> torch.device:
        return self._device

    def make_room(self, required: int) -> None:
        """Does nothing, since nothing else is on the device."""
        del required

    def intermediate(self, image: Tensor) -> Tensor:
        return image.cpu()

    def nothing(self) -> Nothing:
        return Nothing()

    def check_cancelled(self) -> None:
        """Does nothing, since Ctrl-C raises KeyboardInterrupt by itself."""

    def say(self, text: str) -> None:
        """Logs the text with the label of the node."""
        logging.getLogger("gpdm").warning("%s: %s", self.label, text)

    def progress(self, total: int) -> Bar:
        self._bar = Bar(total, self.label)
        return self._bar

    def files(self, suffix: str) -> None:
        """Returns None: a workflow file may name any file next to it."""
        del suffix

    def read_file(self, name: str) -> tuple[str, bytes]:
        path = self._files().find(name)
        return str(path), read_bytes(path, free_memory())

    def save_file(self, data: bytes, prefix: str, suffix: str) -> str:
        return str(self._files().save_file(data, prefix, suffix))

    def _files(self) -> Session:
        if self._session is None:
            raise GPDMError("there are no folders for files here; run the node in a workflow")
        return self._session

    def node_done(self) -> None:
        """Removes the node's bar from the screen. Levels may converge early, so it need not have reached its end."""
        if self._bar is not None:
            self._bar.close()


class StepBar:
    """An `on_step` of a task that moves a bar, and removes it from the screen at the end of a `with` block."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.bar: Bar | None = None

    def __enter__(self) -> StepBar:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, info: StepInfo) -> None:
        self.show(info.done)

    def show(self, done: float) -> None:
        """Moves the bar to a fraction of the work, from 0 to 1."""
        self.bar = self.bar or Bar(1000, self.label)
        self.bar.update(round(done * 1000))
