"""Flags of the command line, made from option descriptions, and those that all commands have."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import GPDMError
from ..options import OptionSpec
from .parser import file_path

LARGEST_SEED = 2**64 - 1
DEVICES = ("cpu", "cuda", "mps", "xpu")


def seed(text: str) -> int:
    """Returns the number of `--seed`, the same for every command.

    Raises:
        argparse.ArgumentTypeError: The text is no whole number from 0 to `LARGEST_SEED`, the range of ComfyUI's seeds.
    """
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(
            f"seed = {text[:40]} is not allowed: it must be a whole number from 0 to {LARGEST_SEED}"
        )
    return number


def add_common(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that all commands have."""
    parser.add_argument(
        "--device",
        default="auto",
        help="Device: auto (the first CUDA device, or else cpu; the default), cpu, cuda, cuda:1, mps or xpu.",
    )
    parser.add_argument("--json", action="store_true", help="Print the result as JSON.")


def add_output(parser: argparse.ArgumentParser, deep: str) -> None:
    """Adds the flags of commands that make pictures from a seed: the file, its bits per channel, and the seed.

    Arguments are those of `add_file`.
    """
    add_file(parser, deep)
    add_seed(parser)


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Adds the flag of the seed."""
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        help="Random seed (default 0). The same seed and inputs give the same picture on the same device.",
    )


def add_file(parser: argparse.ArgumentParser, deep: str) -> None:
    """Adds the flags of the file to write, and of its bits per channel.

    Arguments:
        parser: The parser of the command.
        deep: The picture whose depth the file gets, in words, for the help page.
    """
    parser.add_argument(
        "-o",
        "--out",
        type=file_path,
        required=True,
        metavar="OUT",
        help="File to write; several outputs get numbered names.",
    )
    add_bits(parser, deep)


def add_bits(parser: argparse.ArgumentParser, deep: str) -> None:
    """Adds the flag of the bits per channel; see `add_file`."""
    parser.add_argument(
        "--bits",
        type=int,
        choices=(8, 16),
        default=None,
        help=f"Bits per channel of the file; 16 for .png only (default 16 if {deep} has 16 and the file is .png, else 8).",
    )


def check_device(name: str) -> None:
    """Raises `GPDMError` if no device can be called `name`, wherever the command runs."""
    if name != "auto" and name.split(":")[0] not in DEVICES:
        raise GPDMError(f"device {name!r} is not known; use auto or one of {', '.join(DEVICES)}")


def add_flag(group: Any, spec: OptionSpec) -> None:
    """Adds the flag of an option. It is None if it is not given, so that other defaults can apply."""
    flag = "--" + spec.name.replace("_", "-")
    if spec.choices:
        text = f"{spec.help} (default {spec.default})".replace("%", "%%")
        group.add_argument(flag, choices=spec.choices, default=None, help=text)
    else:
        text = f"{spec.help} ({spec.allowed}; default {spec.default})".replace("%", "%%")
        group.add_argument(flag, type=spec.type, default=None, metavar=spec.type.__name__.upper(), help=text)


def given_options(options: argparse.Namespace, specs: tuple[OptionSpec, ...]) -> dict[str, Any]:
    """Returns the values of the flags that are given, by option name.

    Raises:
        OptionError: A value is out of range.
    """
    values = {spec: getattr(options, spec.name, None) for spec in specs}
    return {spec.name: spec.check(value) for spec, value in values.items() if value is not None}


def named_files(options: argparse.Namespace, names: Iterable[str]) -> dict[str, list[Path]]:
    """Returns the files of some arguments and flags by their name as it is typed; those not given are left out."""
    given = {name.replace("_", "-"): getattr(options, name, None) for name in names}
    return {name: x if isinstance(x, list) else [x] for name, x in given.items() if x is not None}
