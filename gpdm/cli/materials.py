"""The work of the commands for materials: `gpdm material` and so on."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import GPDMError
from ..materials import MATERIALS, Material, MaterialOptions, MaterialResult, MaterialTask, run_material
from ..pictures.forms import split_alpha
from ..synthesis import StepInfo
from ..tasks import Task
from .commands import MaterialCommand
from .files import save_image
from .flags import given_options
from .host import StepBar, parse_device
from .inputs import naming_files
from .material_flags import given_files, given_maps
from .pictures import PictureFile, read_mask, read_picture
from .targets import check_target, indexed
from .tasks import recipe_of


def run_material_command(options: argparse.Namespace) -> dict[str, Any]:
    """Runs what the command line names with the maps of a material, writes the new maps, and returns a report.

    Arguments:
        options: The command line, which `check_flags` has checked.

    Raises:
        GPDMError: A flag or a map cannot be used; nothing has been computed or written then.
    """
    command: MaterialCommand = options.material
    task = MATERIALS[command.material]
    device = parse_device(options.device)
    settings = _settings(options, task, command)
    files = {name: read_picture(path).first() for name, path in given_maps(options).items()}
    mask = None if command.mask_help is None else read_mask(options.mask).to(device)
    with naming_files(given_files(options)), StepBar(command.name) as bar:
        material = _material(files, getattr(options, "mask", None), device)
        count = given_options(options, command.options["output"]).get("num_outputs", 1)
        bits = {name: options.bits or file.bits for name, file in files.items()}
        targets = _targets(options.out, material, bits, count, given_files(options))
        start = time.perf_counter()
        result = run_material(
            task,
            material,
            mask=mask,
            seed=options.seed,
            options=MaterialOptions(**given_options(options, command.options["material"])),
            on_step=lambda info, *_: bar.show(info.done if isinstance(info, StepInfo) else info),
            **settings,
        )
        seconds = time.perf_counter() - start
    saved = [str(path) for path in _saved(result, targets, bits)]
    return {
        "saved": saved,
        "device": str(device),
        "seed": options.seed,
        "seconds": round(seconds, 3),
        "normals": result.normals,
    }


def _settings(options: argparse.Namespace, task: MaterialTask, command: MaterialCommand) -> dict[str, Any]:
    """Returns the settings of the run besides those of all materials, as arguments of `run_material`."""
    if isinstance(task.record, Task):
        parts = {part: specs for part, specs in command.options.items() if part != "material"}
        return {"recipe": recipe_of(options, task.record, parts)}
    return {k: v for part in ("output", "edit") for k, v in given_options(options, command.options[part]).items()}


def _material(files: Mapping[str, PictureFile], mask: Path | None, device: torch.device) -> Material:
    """Returns the maps in files. The transparency of a base color that is also the mask is no part of it."""
    maps = {name: file.images.to(device) for name, file in files.items()}
    base = files.get("base_color")
    if base is not None and mask is not None and mask.samefile(base.path):
        maps["base_color"] = split_alpha(maps["base_color"])[0]
    return Material(maps)


def _targets(
    folder: Path, material: Material, bits: Mapping[str, int], count: int, given: Mapping[str, list[Path]]
) -> dict[str, list[Path]]:
    """Returns the files of each map and of the preview.

    Raises:
        GPDMError: A file cannot be written, or is one of the given maps.
    """
    targets = {
        name: [indexed(folder / f"{name}.png", i, count) for i in range(count)] for name in (*material.maps, "preview")
    }
    for name, paths in targets.items():
        for path in paths:
            check_target(path, 3, bits.get(name, 8))
            for other in (file for files in given.values() for file in files):
                if path.exists() and path.samefile(other):
                    raise GPDMError(f"{path} is a given map and would be overwritten; choose another folder with -o")
    return targets


def _saved(result: MaterialResult, targets: Mapping[str, list[Path]], bits: Mapping[str, int]) -> list[Path]:
    """Writes the maps and the preview of each output, and returns the files."""
    images = {**result.material.maps, "preview": result.preview}
    return [
        save_image(image, path, bits.get(name, 8))
        for name, paths in targets.items()
        for image, path in zip(images[name].split(1), paths, strict=True)
    ]
