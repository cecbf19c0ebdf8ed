"""Parsers of the command line that report an error in one line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn


def file_path(text: str) -> Path:
    """Returns the path that an argument names. "~" is the home folder also in quotes, where the shell leaves it.

    Raises:
        argparse.ArgumentTypeError: It is an address on the network.
    """
    if re.match("[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        raise argparse.ArgumentTypeError(f"{text} is an address on the network; save it and give the name of the file")
    try:
        return Path(text).expanduser()
    except RuntimeError:  # there is no such user
        return Path(text)


class OneLineParser(argparse.ArgumentParser):
    """Parser that reports an error in one line, without the usage text above it."""

    def error(self, message: str) -> NoReturn:
        """Prints the message and exits with code 2."""
        self.exit(2, f"gpdm: {message}; see {self.prog} --help\n")

    def parse_known_args(self, *args: Any, **named: Any) -> Any:
        """Reports unrecognized arguments, so that an error in those of a command names the command's help page."""
        options, unknown = super().parse_known_args(*args, **named)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


class CommandParser(argparse.ArgumentParser):
    """Parser of one command, whose files may stand before, between and after its flags."""

    _inner = False

    error = OneLineParser.error

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Collects the files wherever they stand; see `OneLineParser.parse_known_args` for the errors."""
        # argparse calls this method once for the flags and once for the files; a command with actions leaves both to
        # these.
        if self._inner or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._inner = True
        try:
            options, unknown = self.parse_known_intermixed_args(_without_separator(args), namespace)
        finally:
            self._inner = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


def _without_separator(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments without "--", which not all versions of argparse keep between flags and files.

    What follows it are files, also where their names begin with "-".
    """
    arguments = list(arguments)
    if "--" not in arguments:
        return arguments
    end = arguments.index("--")
    return arguments[:end] + [f"./{name}" if name.startswith("-") else name for name in arguments[end + 1 :]]
