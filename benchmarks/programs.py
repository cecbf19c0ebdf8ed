"""Programs that results are compared with, and the processor time of a method."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image
from torch import Tensor

import gpdm

T = TypeVar("T")


class NotInstalled(Exception):
    """A method that this machine lacks."""


def run_gmic(command: str, *images: Tensor) -> Tensor:
    """Returns the first picture that a G'MIC command makes, (1, 3, H, W) in [-1, 1] with 8 bits.

    Raises:
        NotInstalled: The program gmic is missing.
        CalledProcessError: It fails.
    """
    if shutil.which("gmic") is None:
        raise NotInstalled("it needs the program gmic (https://gmic.eu)")
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / f"{i}.png" for i in range(len(images))]
        for image, file in zip(images, files, strict=True):
            gpdm.to_pil(image).save(file)
        output = Path(name) / "output.png"
        words = ["gmic", *map(str, files), *command.split(), "-o[0]", str(output)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        subprocess.run(words, check=True, capture_output=True, env=environment)
        with Image.open(output) as picture:
            return gpdm.from_pil(picture.convert("RGB"))


def timed(function: Callable[[], T]) -> tuple[T, float]:
    """Returns an output, and the seconds of processor time that it took, with those of programs that were run."""
    started = processor_time()
    output = function()
    return output, processor_time() - started


def processor_time() -> float:
    """Returns the seconds of processor time of this process and of the programs that it has run."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
