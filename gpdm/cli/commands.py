"""The commands of tasks, edits and matches and the options with a flag, read from a table, which needs no torch.

`tools/make_tables.py` writes commands.json from the records of these and the classes of the options.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..options import OptionSpec

TYPES = {kind.__name__: kind for kind in (int, float, str)}
"""Types of options by the name that the table has."""


@dataclass(frozen=True)
class PictureArgument:
    """One picture of a task (`tasks.Picture`)."""

    name: str
    help: str
    start: bool


@dataclass(frozen=True)
class TaskCommand:
    """The command of one task."""

    task: str
    """Name of the task."""
    name: str
    summary: str
    pictures: tuple[PictureArgument, ...]
    options: Mapping[str, tuple[OptionSpec, ...]]
    """Options with a flag, by the part of the recipe, with the defaults of this task."""
    weight: OptionSpec
    """Weight of a reference, whose flag is repeated for each."""
    quality: str
    """The quality that it has unless another one is chosen."""

    @property
    def reference(self) -> PictureArgument:
        """The picture that gives the patches."""
        return next(picture for picture in self.pictures if not picture.start)

    @property
    def has_start(self) -> bool:
        """True if the output starts from one of the pictures."""
        return any(picture.start for picture in self.pictures)


@dataclass(frozen=True)
class EditCommand:
    """The command of one edit."""

    edit: str
    """Key of the edit in `edits.EDITS`."""
    name: str
    summary: str
    image_help: str
    mask_help: str | None
    """Text on the mask; None: the edit takes none."""
    mask_is_optional: bool
    """Whether the mask may be left out."""
    original_help: str | None
    """Text on the picture before a change, from which the mask can be found; None: the edit takes none."""
    takes_references: bool
    """Whether patches of other pictures can be used, and a part of the picture can be excluded."""
    preview_help: str | None
    """What the preview shows; None: there is none."""
    options: tuple[OptionSpec, ...]
    num_outputs: OptionSpec

    @property
    def takes_several(self) -> bool:
        """True if several pictures of one size are edited at once, such as maps of one material."""
        return any(spec.name == "batch" for spec in self.options)


@dataclass(frozen=True)
class MatchCommand:
    """The command of one match."""

    match: str
    """Key of the match in `looks.MATCHES`."""
    name: str
    summary: str
    reference_help: str
    image_help: str
    mask_help: str
    is_random: bool
    """Whether the result depends on a seed."""
    lut_help: str | None
    """What the LUT does; None: there is none."""
    options: tuple[OptionSpec, ...]


@dataclass(frozen=True)
class MaterialCommand:
    """The command of a task or edit of materials."""

    material: str
    """Key of the record in `materials.MATERIALS`."""
    name: str
    summary: str
    maps: Mapping[str, str]
    """Text on each map, by its name."""
    mask_help: str | None
    """Text on the mask; None: it takes none."""
    has_quality: bool
    """Whether it has a quality, as tasks have."""
    options: Mapping[str, tuple[OptionSpec, ...]]
    """Options with a flag, by the part of a task's recipe, "edit" for those of an edit, and "material"."""


@dataclass(frozen=True)
class Commands:
    """All commands that are made from the library."""

    tasks: tuple[TaskCommand, ...]
    regions: TaskCommand
    mix: TaskCommand
    collage: TaskCommand
    edits: tuple[EditCommand, ...]
    loop: EditCommand
    matches: tuple[MatchCommand, ...]
    materials: tuple[MaterialCommand, ...]
    qualities: tuple[str, ...]
    default_quality: str
    evaluation: tuple[OptionSpec, ...]
    """Options of an evaluation."""
    weight: OptionSpec
    """Weight of a reference."""
    distribution: tuple[OptionSpec, ...]
    """Options of a saved distribution."""
    daub: tuple[OptionSpec, ...]
    """Options of a daub."""


def read_commands() -> Commands:
    """Returns the content of the table."""
    table = json.loads(Path(__file__).with_name("commands.json").read_text(encoding="utf-8"))
    parts = {part: {spec.name: spec for spec in _specs(rows)} for part, rows in table["options"].items()}
    (weight,) = _specs(table["reference"])
    return Commands(
        tuple(_task(row, parts, weight) for row in table["tasks"]),
        _task(table["regions"], parts, weight),
        _task(table["mix"], parts, weight),
        _task(table["collage"], parts, weight),
        tuple(_edit(row, parts["output"]["num_outputs"]) for row in table["edits"]),
        _edit(table["loop"], parts["output"]["num_outputs"]),
        tuple(MatchCommand(**{**row, "options": _specs(row["options"])}) for row in table["matches"]),
        tuple(_material(row, table["maps"], parts) for row in table["materials"]),
        tuple(table["qualities"]),
        table["default_quality"],
        _specs(table["evaluation"]),
        weight,
        _specs(table["distribution"]),
        _specs(table["daub"]),
    )


def _task(row: Mapping[str, Any], parts: Mapping[str, Mapping[str, OptionSpec]], weight: OptionSpec) -> TaskCommand:
    options = _with_defaults(parts, row["defaults"])
    return TaskCommand(
        row["task"],
        row["name"],
        row["summary"],
        tuple(PictureArgument(**picture) for picture in row["pictures"]),
        {"own": _specs(row["own"]), **options} if row["own"] else options,
        weight,
        row["quality"],
    )


def _edit(row: Mapping[str, Any], num_outputs: OptionSpec) -> EditCommand:
    return EditCommand(**{**row, "options": _specs(row["options"])}, num_outputs=num_outputs)


def _material(
    row: Mapping[str, Any], maps: Mapping[str, str], parts: Mapping[str, Mapping[str, OptionSpec]]
) -> MaterialCommand:
    options = {**_with_defaults(parts, row["defaults"]), "edit": _specs(row["options"])}
    return MaterialCommand(
        row["material"],
        row["name"],
        row["summary"],
        maps,
        row["mask_help"],
        row["has_quality"],
        {part: specs for part, specs in options.items() if specs},
    )


def _with_defaults(
    parts: Mapping[str, Mapping[str, OptionSpec]], defaults: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[OptionSpec, ...]]:
    """Returns options by part, with these defaults."""
    return {
        part: tuple(replace(parts[part][name], default=default) for name, default in values.items())
        for part, values in defaults.items()
    }


def _specs(rows: list[dict[str, Any]]) -> tuple[OptionSpec, ...]:
    return tuple(OptionSpec(**{**row, "type": TYPES[row["type"]], "choices": tuple(row["choices"])}) for row in rows)
