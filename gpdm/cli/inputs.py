"""The pictures and masks that the command line of a task names."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..canvas import Keep
from ..errors import GPDMError
from ..references import Images, Reference, ReferenceOptions
from ..tasks import TASKS, Task
from .pictures import read_mask, read_picture
from .reference_files import read_reference
from .task_flags import NONE, given_files


@dataclass(frozen=True)
class Inputs:
    """The pictures and masks of one run, on its device."""

    references: list[Reference]
    """One for each file; the frames of an animation are a batch."""
    start: Tensor | None
    """The picture that the task starts from, (B, C, h, w); each frame of an animation makes one output."""
    init: Tensor | None
    """The picture of --init, likewise."""
    keep: Keep | Tensor | None
    bits: int
    """Bits per channel: 16 if a reference has 16."""
    files: Mapping[str, Sequence[Path]]
    """The files by the name of the argument or flag."""

    @classmethod
    def without_start(
        cls,
        options: argparse.Namespace,
        read: Sequence[tuple[Reference, int]],
        device: torch.device,
        files: Mapping[str, Sequence[Path]],
    ) -> Inputs:
        """Returns the inputs of a command that takes references and --init alone.

        Arguments:
            options: The command line.
            read: The references and their bits per channel, from `read_reference`.
            device: The device of the run.
            files: The files by the name of the argument or flag.
        """
        references, depths = zip(*read, strict=True)
        return cls(list(references), None, _images(options.init, device), None, max(depths), files)

    def pictures(self, task: Task) -> list[Images]:
        """Returns what is given for each of `task.pictures`."""
        start = self.start
        return [start if picture.start and start is not None else self.references for picture in task.pictures]


def read_inputs(options: argparse.Namespace, device: torch.device) -> Inputs:
    """Reads the files that the command line of a task names.

    Raises:
        GPDMError: A file cannot be used. The message names the file.
    """
    task = TASKS[options.task.task]
    paths: list[Path] = getattr(options, task.reference.name)
    references, bits = _references(options, paths, device)
    return Inputs(
        references=references,
        start=None if task.start is None else _images(getattr(options, task.start.name), device),
        init=_images(getattr(options, "init", None), device),
        keep=_keep(options, device),
        bits=bits,
        files=given_files(options),
    )


@contextmanager
def naming_files(files: Mapping[str, Sequence[Path]]) -> Iterator[None]:
    """Adds the names of the files to an error of the library, which knows the pictures only, unless it has them all."""
    try:
        yield
    except GPDMError as error:
        if not all(str(path) in str(error) for paths in files.values() for path in paths):
            error.args = (f"{error} ({listed(files)})",)
        raise


def listed(files: Mapping[str, Sequence[Path]]) -> str:
    """Returns the names of files by role: "style: a.png, b.png; content: c.jpg"."""
    return "; ".join(f"{name}: {', '.join(map(str, paths))}" for name, paths in files.items() if paths)


def _images(path: Path | None, device: torch.device) -> Tensor | None:
    return None if path is None else read_picture(path).images.to(device)


def _references(
    options: argparse.Namespace, paths: Sequence[Path], device: torch.device
) -> tuple[list[Reference], int]:
    """Returns the references with the masks, weights and regions of the command line, by the order of the files.

    The bits per channel are 16 if one of them has 16, else 8.
    """
    masks, regions, weights = (by_reference(options, name, len(paths)) for name in ("mask", "region", "weight"))
    default = ReferenceOptions().weight
    references, depths = [], []
    for path, mask, region, weight in zip(paths, masks, regions, weights, strict=True):
        with naming_files({options.task.reference.name: [path], "mask": [] if mask in (None, NONE) else [mask]}):
            chosen = default if weight is None else ReferenceOptions(weight=weight).weight
            reference, bits = read_reference(path, device, read_map(mask, device), chosen, read_map(region, device))
            references.append(reference)
            depths.append(bits)
    return references, max(depths)


def read_map(path: Path | None, device: torch.device) -> Tensor | None:
    """Returns the mask in a file, (1, 1, H, W) with values from 0 to 1; None for no file, or `NONE`."""
    return None if path is None or path == NONE else read_mask(path).to(device)


def by_reference(options: argparse.Namespace, name: str, count: int) -> list[Any]:
    """Returns the values of a repeated flag for each of `count` references; None where it is not given."""
    given = getattr(options, name)
    return [*given, *[None] * (count - len(given))]


def _keep(options: argparse.Namespace, device: torch.device) -> Keep | Tensor | None:
    if options.keep is None:
        return None
    mask = read_mask(options.keep).to(device)
    if not bool(mask.any()):
        raise GPDMError(f"{options.keep} keeps nothing; paint the pixels to keep white, or make them transparent")
    if options.keep_picture is None:
        return mask
    return Keep(read_picture(options.keep_picture).first().images.to(device), mask)
