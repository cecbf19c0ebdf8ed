"""Notices of the library in the terminal: one line each on the standard error stream."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def printed_notices() -> Iterator[None]:
    """Prints what is logged under "gpdm" inside of a `with` block, each message once. Progress bars stay whole."""
    logger = logging.getLogger("gpdm")
    handler = _Notices(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Notices(logging.Handler):
    """Handler that prints each message once, in one line."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Prints the message above the bars."""
        message = " ".join(record.getMessage().split())
        if message not in self.seen:
            from tqdm import tqdm  # here, because loading it takes long

            self.seen.add(message)
            tqdm.write(f"gpdm: {message}", file=sys.stderr)
