"""A host that records what nodes tell it."""

from __future__ import annotations

import threading
from typing import Any

import torch

from gpdm.cli.host import TerminalHost


class RecordingHost(TerminalHost):
    """Counts what a node tells its host, and cancels when told to."""

    def __init__(self, cancel_at: int = 10**9) -> None:
        super().__init__(torch.device("cpu"))
        self.steps, self.previews, self.checks, self.cancel_at, self.rooms = [], [], 0, cancel_at, []
        self.threads: set[int] = set()

    def make_room(self, required: int) -> None:
        self.rooms.append(required)

    def check_cancelled(self) -> None:
        self.checks += 1
        if self.checks == self.cancel_at:
            raise InterruptedError

    def progress(self, total: int) -> Any:
        host = self

        class Bar:
            def update(self, step: int, preview: Any) -> None:
                host.threads.add(threading.get_ident())
                host.steps.append((step, total))
                if preview is not None:
                    host.previews.append(preview)

        return Bar()


class HalfHost(TerminalHost):
    """A host that wants pictures between nodes in half precision."""

    def intermediate(self, image: torch.Tensor) -> torch.Tensor:
        return image.half()
