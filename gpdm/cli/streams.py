"""Standard streams that another program closed, as `gpdm ... | head` does, or that cannot be written to."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress


def exit_code(command: Callable[[], int]) -> int:
    """Returns the exit code of a command; 2 if its output cannot be written.

    A reader that has closed the other end of a pipe wants no more, so there is nothing to say.
    """
    if sys.stderr is None:  # closed, as by 2>&-; progress bars need one
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        try:
            return command()
        finally:
            # Otherwise the interpreter does it at the end, and shows a traceback.
            print(end="", flush=True)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            with suppress(OSError):  # it may be the error stream that cannot be written to
                print(f"gpdm: the output cannot be written: {error.strerror}", file=sys.stderr, flush=True)
        _discard_output()
        return 2


def _discard_output() -> None:
    """Leads both streams nowhere, because what is left in their buffers is written at the end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
