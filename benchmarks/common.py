"""Shared parts of the benchmarks: images, exponents, and rows of results with their provenance."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import gpdm

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
IMAGES = sorted(
    path for folder in (ROOT / "workflows" / "inputs", ROOT / "benchmarks" / "inputs") for path in folder.glob("*.jpg")
)
"""The twelve test images."""
SHIPPED_IMAGES = [path for path in IMAGES if path.parent.parent.name == "workflows"]
DEFAULT_IMAGE = ROOT / "workflows" / "inputs" / "pavilion.jpg"

Size = tuple[int, int]
"""Height and width, in pixels."""


def load_image(path: Path, size: Size, device: str = "cpu") -> Tensor:
    """Returns the image at exactly `size`, (1, 3, H, W) in [-1, 1]."""
    image = Image.open(path).convert("RGB").resize((size[1], size[0]), Image.Resampling.LANCZOS)
    return gpdm.from_pil(image).to(device)


def scaled_size(path: Path, pixels: int, side: Callable[[Size], int]) -> Size:
    """Returns the size at which `side` of the image has so many pixels, or its own size if it has fewer.

    Arguments:
        path: The image file.
        pixels: Length of the side.
        side: Which side: `min`, `max` or another function of (height, width).
    """
    with Image.open(path) as image:
        size = (image.height, image.width)
    scale = min(1.0, pixels / side(size))
    return round(size[0] * scale), round(size[1] * scale)


class Rows:
    """The JSON rows of one run, in a file that is complete after each row.

    Rows of the file with the same "label" are replaced by those of this run; others stay.
    """

    def __init__(self, path: Path, common: Mapping[str, object]) -> None:
        self.path, self.common = path, common
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.lines = [line for line in lines if json.loads(line).get("label") != common.get("label")]

    def add(self, what: str, **row: object) -> None:
        """Prints a row and writes it to the file, with the fields that are common to all rows."""
        print(json.dumps({"what": what, **row}), flush=True)
        self.lines.append(json.dumps({"what": what, **row, **self.common}))
        partial = self.path.with_name(self.path.name + ".part")
        partial.write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        partial.replace(self.path)


def read_rows(*files: Path) -> list[dict[str, Any]]:
    """Returns the rows of the files that exist."""
    return [json.loads(line) for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]


def exponent(points: Mapping[int, float]) -> float | None:
    """Returns the power of the number of pixels with which a time grows; None for fewer than two sizes.

    Arguments:
        points: Time by side of a square image, in pixels.
    """
    if len(points) < 2:
        return None
    side, time = np.log(np.array(sorted(points.items()))).T
    return float(np.polyfit(2 * side, time, 1)[0])


def provenance(device: str) -> dict[str, object]:
    """Returns the machine, the versions and the commit of a run."""
    gpu = device.startswith("cuda")
    return {
        "device": torch.cuda.get_device_name() if gpu else processor(),
        "gpu": gpu,
        "torch": torch.__version__,
        "gpdm": gpdm.__version__,
        "commit": commit(),
    }


def processor() -> str:
    """Returns the name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """Returns the short hash of the checked-out commit, with "+" if tracked files differ from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.strip() + ("+" if changes.stdout.strip() else "")
