"""Writes the tables from which the terminal makes its flags and checks workflow files before it loads torch.

python tools/make_tables.py            write gpdm/cli/commands.json and gpdm/cli/nodes.json
python tools/make_tables.py --check    write nothing; exit 1 if one is out of date
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from gpdm import (
    COLLAGE,
    DEFAULT_QUALITY,
    EDITS,
    LOOP,
    MAPS,
    MATCHES,
    MATERIALS,
    MIX,
    QUALITIES,
    REGIONS,
    SIZE_OPTIONS,
    TASKS,
    DaubOptions,
    DistributionOptions,
    Edit,
    EvaluationOptions,
    Match,
    MaterialOptions,
    MaterialTask,
    Recipe,
    ReferenceOptions,
    Task,
    describe,
)
from gpdm.cli.definitions import table_row
from gpdm.cli.pack import load_pack
from gpdm.cli.standins import DISPLAY_NAMES, STAND_INS

FOLDER = Path(__file__).resolve().parent.parent / "gpdm" / "cli"
PARTS = ("output", "pyramid", "guess", "optimizer", "loss")
START_OPTIONS = ("source", "noise_sigma")
"""Options of the guess that have no effect where the task gives the start."""


def option_rows(options: Any) -> list[dict[str, Any]]:
    return [{**dataclasses.asdict(spec), "type": spec.type.__name__} for spec in describe(options)]


def task_row(task: Task) -> dict[str, Any]:
    """Returns the row of a task, with the defaults of the options for which it has flags."""
    hidden = (() if task.resizes else SIZE_OPTIONS) + (START_OPTIONS if task.start else ())
    return {
        "task": task.name,
        "name": task.command,
        "summary": task.summary,
        "quality": task.quality,
        "pictures": [dataclasses.asdict(picture) for picture in task.pictures],
        "defaults": {
            part: {
                spec.name: spec.default for spec in describe(getattr(task.settings, part)) if spec.name not in hidden
            }
            for part in PARTS
        },
        "own": [] if task.settings.own is None else option_rows(task.settings.own),
    }


def edit_row(edit: Edit) -> dict[str, Any]:
    """Returns the row of an edit."""
    return {
        "edit": edit.name,
        "name": edit.command,
        "summary": edit.summary,
        "image_help": edit.image_help,
        "mask_help": edit.mask_help,
        "mask_is_optional": edit.mask_is_optional,
        "original_help": edit.original_help,
        "takes_references": edit.takes_references,
        "preview_help": None if edit.preview is None else edit.preview.help,
        "options": option_rows(edit.options),
    }


def match_row(match: Match) -> dict[str, Any]:
    """Returns the row of a match."""
    return {
        "match": match.name,
        "name": match.command,
        "summary": match.summary,
        "reference_help": match.reference_help,
        "image_help": match.image_help,
        "mask_help": match.mask_help,
        "is_random": match.is_random,
        "lut_help": match.lut_help,
        "options": option_rows(match.options),
    }


def material_row(material: MaterialTask) -> dict[str, Any]:
    """Returns the row of a task or edit of materials, without the options that make no sense for maps."""
    record = material.record
    is_task = isinstance(record, Task)
    defaults = task_row(record)["defaults"] if is_task else {"output": {"num_outputs": 1}}
    return {
        "material": material.name,
        "name": material.command,
        "summary": material.summary,
        "mask_help": material.mask_help,
        "has_quality": is_task,
        "defaults": {
            **{
                part: {name: value for name, value in values.items() if name not in material.hidden}
                for part, values in defaults.items()
            },
            "material": {spec.name: spec.default for spec in describe(MaterialOptions)},
        },
        "options": [] if is_task else [x for x in option_rows(record.options) if x["name"] not in material.hidden],
    }


def commands() -> str:
    """Returns the text of commands.json."""
    table = {
        "options": {
            **{part: option_rows(type(getattr(Recipe(), part))) for part in PARTS},
            "material": option_rows(MaterialOptions),
        },
        "tasks": [task_row(task) for task in TASKS.values()],
        "regions": task_row(REGIONS),
        "mix": task_row(MIX),
        "collage": task_row(COLLAGE),
        "edits": [edit_row(edit) for edit in EDITS.values()],
        "loop": edit_row(LOOP),
        "matches": [match_row(match) for match in MATCHES.values()],
        "maps": {kind.name: kind.help for kind in MAPS.values()},
        "materials": [material_row(material) for material in MATERIALS.values()],
        "qualities": list(QUALITIES),
        "default_quality": DEFAULT_QUALITY,
        "reference": option_rows(ReferenceOptions),
        "evaluation": option_rows(EvaluationOptions),
        "distribution": option_rows(DistributionOptions),
        "daub": option_rows(DaubOptions),
    }
    return json.dumps(table, indent=1, allow_nan=False) + "\n"


def without_tooltips(value: Any) -> Any:
    """Returns inputs without the texts that no check needs."""
    if isinstance(value, dict):
        return {key: without_tooltips(inner) for key, inner in value.items() if key != "tooltip"}
    return [without_tooltips(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def nodes() -> str:
    """Returns the text of nodes.json, with one line for each node."""
    pack = load_pack()
    names = DISPLAY_NAMES | pack.NODE_DISPLAY_NAME_MAPPINGS
    rows = {name: table_row(node) for name, node in {**STAND_INS, **pack.NODE_CLASS_MAPPINGS}.items()}
    lines = [
        f" {json.dumps(name)}: {json.dumps({'display_name': names[name], **without_tooltips(row)}, allow_nan=False)}"
        for name, row in rows.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes commands.json and nodes.json.")
    parser.add_argument("--check", action="store_true", help="Write nothing; exit 1 if a file differs.")
    check = parser.parse_args().check
    tables = {FOLDER / "commands.json": commands(), FOLDER / "nodes.json": nodes()}
    stale = [path for path, text in tables.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if not check:
        for path in stale:
            path.write_text(tables[path], encoding="utf-8")
    elif stale:
        print(
            f"out of date: {', '.join(path.name for path in stale)}; run python tools/make_tables.py", file=sys.stderr
        )
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
