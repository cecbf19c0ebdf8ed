"""Timing of whole commands in processes of their own: `gpdm`, and G'MIC."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import gpdm

from ..common import ROOT, Size, load_image

GMIC = "G'MIC"
SHORT = 15.0
"""Seconds up to which a time is measured twice, and the smaller taken."""


def command_seconds(arguments: Sequence[object], threads: int) -> float:
    """Returns the seconds of a command of `gpdm`, the start of its process included."""
    return _seconds([sys.executable, "-m", "gpdm.cli.main", *arguments], threads)


def gmic_seconds(sample: Path, size: Size, threads: int) -> float | None:
    """Returns the seconds of G'MIC's synthesis of a texture of this size; None if it is not installed."""
    if shutil.which("gmic") is None:
        print("G'MIC is left out: gmic is not on the PATH", file=sys.stderr)
        return None
    arguments = ["syntexturize_matchpatch", f"{size[1]},{size[0]}", "output", sample.with_name("gmic.png")]
    return fastest(lambda: _seconds(["gmic", sample, *arguments], threads))


def fastest(measure: Callable[[], float]) -> float:
    """Returns the smaller of two measured times, or one time if it is long."""
    first = measure()
    return min(first, measure()) if first < SHORT else first


@contextmanager
def image_file(path: Path, size: Size) -> Iterator[Path]:
    """Writes an image at exactly `size` into a new folder, which is deleted afterwards, and yields its file."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "image.png"
        gpdm.to_pil(load_image(path, size)).save(file)
        yield file


def _seconds(command: Sequence[object], threads: int) -> float:
    """Returns the seconds of a command.

    Raises:
        SystemExit: It failed.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    environment |= {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive", "PYTHONPATH": str(ROOT)}
    started = time.perf_counter()
    answer = subprocess.run([str(each) for each in command], env=environment, capture_output=True, text=True)
    if answer.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed: {answer.stderr[-400:]}")
    return time.perf_counter() - started
