"""Writes the help pages web/docs/<NodeId>.md and the lists of README.md from nodes and the records of tasks,
edits and matches.

python tools/make_docs.py            write them
python tools/make_docs.py --check    exit 1 if a file on disk differs
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from failures import FAILURES

from gpdm import EDITS, LOOP, MAPS, MATCHES, MATERIALS, QUALITIES, TASKS, Changes, Edit, MaterialTask, Task, describe
from gpdm.cli.pack import load_pack
from gpdm.evaluation.metrics import DESCRIPTIONS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "web" / "docs"
WIDTH = 100


def page(node: Any) -> str:
    """Returns the help page of a node."""
    groups = node.INPUT_TYPES()
    rows = [(group, name, spec) for group, table in groups.items() for name, spec in table.items()]
    common = [_input_row(*row) for row in rows if not row[2][1].get("advanced")]
    advanced = [_input_row(*row) for row in rows if row[2][1].get("advanced")]
    task, edit, match, material = (getattr(node, name, None) for name in ("TASK", "EDIT", "MATCH", "MATERIAL"))
    record = edit or match or material or task
    text = getattr(node, "ADVICE", None if record is None else record.advice)
    advice = [] if text is None else [*_wrapped(text), ""]
    lines = [
        f"# {node.DISPLAY_NAME}",
        "",
        *_wrapped(node.DESCRIPTION),
        "",
        *advice,
        "## Inputs",
        "",
        *INPUT_HEAD,
        *common,
    ]
    if advanced:
        lines += ["", "### Advanced inputs", "", "New versions of ComfyUI fold these away on the node.", ""]
        lines += [*INPUT_HEAD, *advanced]
    lines += ["", "## Outputs", "", "| output | what it is | type |", "| --- | --- | --- |"]
    for name, kind, tooltip in zip(node.RETURN_NAMES, node.RETURN_TYPES, node.OUTPUT_TOOLTIPS, strict=True):
        lines.append(f"| `{name}` | {tooltip} | {kind} |")
    if task is not None:
        lines += ["", "## Qualities", "", *_qualities(task)]
        command = (
            getattr(node, "COMMAND", _command(task))
            if node.CATEGORY == "GPDM/tasks"
            else "gpdm reshuffle REFERENCE --init PICTURE -o OUT.png    (without the size options)"
        )
        if task.name in FAILURES:
            lines += _failure(task.name, "The pictures that were given; the result")
        lines += ["", "## In the terminal", "", f"    {command}"]
    if edit is not None:
        given = (
            "What was given; the result"
            if edit.mask_help is None or edit is LOOP
            else "What was given, its mask in colour; the result"
        )
        if FAILURES[edit.name].shrunk is not None:
            given = "Enlarged with bicubic interpolation; with GPDM; what it was scaled down from"
        if edit is LOOP:
            lines += ["", "## The two motions", "", "![sway](loop_sway.webp) ![shimmer](loop_shimmer.webp)", ""]
            lines += ["Left sway, right shimmer."]
        command = getattr(node, "COMMAND", _edit_command(edit))
        lines += [*_failure(edit.name, given), "", "## In the terminal", "", f"    {command}"]
    if match is not None:
        lines += [*_failure(match.name, "The reference and the picture; the result"), "", "## In the terminal", ""]
        lines += [f"    gpdm {match.command} REFERENCE IMAGE... -o OUT.png"]
    if material is not None:
        given = "The given set lit" if material.mask_help is None else "The base color with the mask in colour"
        lines += [
            *_failure(material.name, f"{given}; the result"),
            "",
            "## In the terminal",
            "",
            f"    {_material_command(material)}",
        ]
    if node.ID == "GPDM_Daub":
        lines += [
            *_failure("daub", "The picture; its daub"),
            "",
            "## In the terminal",
            "",
            "    gpdm daub IMAGE -o DAUB.png --palette-out PALETTE.png",
        ]
        lines += ["    gpdm paint PAINTED_DAUB.png IMAGE -o OUT.png"]
    if node.ID in ("GPDM_SaveDistribution", "GPDM_LoadDistribution"):
        lines += [
            *_failure("saved_distribution", "A new picture made with the picture itself; the result"),
            "",
            "## In the terminal",
            "",
        ]
        lines += [
            "    gpdm distribution save IMAGE... -o LOOK.safetensors",
            "    gpdm texture LOOK.safetensors -o OUT.png",
        ]
    if node.ID in OPTION_FAILURES:
        name, command = OPTION_FAILURES[node.ID]
        lines += [*_failure(name, "The reference; the result"), "", "## In the terminal", "", f"    {command}"]
    if node.ID == "GPDM_Canvas":
        lines += [
            *_canvas_text(),
            *_failure("canvas", "The picture; a kaleidoscope of it"),
            "",
            "## In the terminal",
            "",
        ]
        lines += [
            '    gpdm texture IMAGE --symmetry "kaleidoscope 6" -o OUT.png',
            '    gpdm texture IMAGE --tile "half drop" -o OUT.png',
        ]
    if any(name == "variety" for _, name, _ in rows):
        lines += _variety()
    if node.ID == "GPDM_Resume":
        lines += _failure("resume", "The picture of a run that stopped, painted on")
        lines += ["", "## In the terminal", "", f"    {node.COMMAND}"]
    if node.ID == "GPDM_Evaluate":
        lines += ["", "## Scores", "", "| score | what it is |", "| --- | --- |"]
        lines += [f"| {name} | {text} |" for name, text in DESCRIPTIONS.items()]
    return "\n".join(lines) + "\n"


VARIETY = (
    "The occurrence map counts how often each pixel of the reference is used by the patches that were found so far. With "
    "variety a patch costs more the more often its pixels are used, relative to even use, so that what was used too often is "
    "avoided and what was left out is taken. The map changes while the patches are searched; the result depends on the seed "
    "alone, not on memory, threads or the number of outputs. 0 sets no limit. Use about 1 to fill holes, 3 for patch nearest "
    "neighbours (quality draft), and 10 to 30 for the coherence term of GPDM SWD Loss, which then copies less. GPDM Evaluate "
    "shows the map, and the scores unused and most used."
)
"""What the option variety does, for the help page of every node that has it."""


OPTION_FAILURES = {
    "GPDM_PatchDenoiser": (
        "patch_denoiser",
        "gpdm reshuffle REFERENCE --quality denoiser --coarse-dim 26 -o OUT.png",
    ),
    "GPDM_InitialGuess": ("lattice", "gpdm texture REFERENCE --source lattice --coarse-dim 40 -o OUT.png"),
}
"""Name of the failure and command in the terminal of option nodes that have them, by node id."""
INPUT_HEAD = ["| input | what it does | type | default |", "| --- | --- | --- | --- |"]


def _input_row(group: str, name: str, spec: Any) -> str:
    kind, options = spec
    is_socket = "default" not in options
    optional = " (optional)" if group == "optional" and is_socket and "(required)" not in options["tooltip"] else ""
    return f"| `{name}`{optional} | {options['tooltip']} | {_kind(kind, options)} | {options.get('default', '')} |"


def _kind(kind: Any, options: dict[str, Any]) -> str:
    if isinstance(kind, list):
        return " / ".join(kind)
    if "min" in options and "control_after_generate" not in options:
        return f"{kind}, {options['min']:.10g} to {options['max']:.10g}"
    return kind


def _qualities(task: Task) -> list[str]:
    """Returns a table of the option values that each quality changes."""
    lines = [
        "What each quality changes, compared with balanced. A connected option node replaces all values of its column.",
        "",
        "| quality | loss | pyramid | guess | optimizer |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, changes in QUALITIES.items():
        own = task.paper if name == "paper" else Changes()
        columns = [_column(task, part, getattr(changes, part), getattr(own, part)) for part in vars(changes)]
        lines.append(f"| {name} | {' | '.join(column or '-' for column in columns)} |")
    return lines


def _column(task: Task, part: str, changes: Any, own: dict[str, Any]) -> str:
    """Returns the changed values of a part, or another optimizer with the values that differ from its defaults."""
    if not isinstance(changes, Mapping):
        values = {spec.name: getattr(changes, spec.name) for spec in describe(type(changes))}
        return f"{type(changes).__name__}: {_values(type(changes), values)}"
    return _values(getattr(task.settings, part), {**changes, **own})


def _values(options: Any, values: dict[str, Any]) -> str:
    same = {spec.name: spec.default for spec in describe(options)}
    return ", ".join(f"{name} {value}" for name, value in values.items() if same[name] != value)


def _command(task: Task) -> str:
    return f"gpdm {task.command} {' '.join(picture.name.upper() for picture in task.pictures)} -o OUT.png"


def _edit_command(edit: Edit) -> str:
    mask = "" if edit.mask_help is None else "MASK " if edit.needs_mask else "[MASK] "
    line = f"gpdm {edit.command} IMAGE {mask}-o OUT.png"
    if edit.original_help is None:
        return line
    return f"{line}\n    gpdm {edit.command} IMAGE --original ORIGINAL -o OUT.png"


def _variety() -> list[str]:
    """Returns the section on the option variety, with its picture and what fails."""
    return [
        "",
        "## Variety",
        "",
        *_wrapped(VARIETY),
        "",
        "![The picture; results without and with a limit; how often its parts are used by each](pictures/variety.jpg)",
        "",
        *_wrapped(FAILURES["variety"].text),
        "",
        "![The reference; the result](fails/variety.jpg)",
    ]


def _failure(name: str, given: str) -> list[str]:
    """Returns the section on what fails, with its picture and the description of that."""
    lines = ["", "## When it fails", "", *_wrapped(FAILURES[name].text), ""]
    return [*lines, f"![{given}](fails/{name}.jpg)"]


def _material_command(material: MaterialTask) -> str:
    maps = " ".join(f"{kind.flag} FILE" for kind in list(MAPS.values())[:3])
    return f"gpdm {material.command} {maps} ... {'' if material.mask_help is None else '--mask MASK '}-o FOLDER"


def _flags(values: Mapping[str, Any]) -> str:
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in values.items())


def _command_line(command: str, flags: str) -> list[str]:
    """Returns a command on one line, or on two if one is too long."""
    line = f"{command} {flags}"
    return [line] if len(line) <= WIDTH else [f"{command} \\", f"    {flags}"]


def _canvas_text() -> list[str]:
    """Returns the part of the help page of GPDM Canvas that explains its values."""
    return [
        "",
        "## Symmetries",
        "",
        *_wrapped(
            "Mirrors, rotate 180, and rotate 90 of a square output move pixels onto pixels, and the output is symmetric to the "
            "bit. Other rotations move pixels between pixels: one sector of the output is free, and the others are interpolated "
            "from it (bicubic), also at each step, so that edges are as smooth there as in the sector. The output may have any "
            "shape: outside the largest circle it looks like a part of a larger picture with the symmetry."
        ),
        "",
        *_wrapped(
            "Kept pixels come first, and need not be symmetric. A symmetric output is not turned or mirrored exactly where its "
            "kept pixels are."
        ),
        "",
        "![The picture; a kaleidoscope of it](pictures/kaleidoscope.jpg)",
        "",
        "## Tiles",
        "",
        *_wrapped(
            "both repeats copies in straight rows and columns. half drop moves each column down by half the height, brick each row "
            "right by half the width; the height or width of the output is even then. mirrored flips every other copy, as engines "
            "do with mirrored repeat: the border has no step, and patches across it resemble the reference. GPDM Repeat Tile "
            "shows the copies as they join."
        ),
        "",
        "![The picture; made to join with a half drop; a texture with a half drop](pictures/half_drop.jpg)",
    ]


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def task_list() -> str:
    """Returns the section of the README that shows every task."""
    lines = []
    for task in TASKS.values():
        pictures = " ".join(f"workflows/inputs/{task.example.pictures[picture.name]}" for picture in task.pictures)
        values = _flags(task.example.values)
        lines += [
            f"### {task.title}",
            "",
            *_wrapped(f"{task.summary} {task.advice}"),
            "",
            f"![{task.title}](workflows/{task.file}.jpg)",
            "",
            *_wrapped(
                f"*{' and '.join(picture.name for picture in task.pictures).capitalize()}; the result. {task.example.note}*"
            ),
            "",
            f"Node: **GPDM {task.title}**.",
            f"Workflow file: [{task.file}.json](workflows/{task.file}.json).",
            "In the terminal:",
            "",
            "```",
            *_command_line(f"gpdm {task.command} {pictures}", f"{values} -o {task.command}.png".strip()),
            "```",
            "",
        ]
    return "\n".join(lines)


def edit_list() -> str:
    """Returns the section of the README that shows every edit."""
    lines = []
    for edit in EDITS.values():
        example = edit.example
        files = [f"workflows/inputs/{file}" for file in (example.image, example.mask) if file is not None]
        lines += [
            f"### {edit.title}",
            "",
            *_wrapped(f"{edit.summary} {edit.advice}"),
            "",
            f"![{edit.title}](workflows/{edit.file}.jpg)",
            "",
            *_wrapped(f"*The picture; the result. {example.note}*"),
            "",
            f"Node: **GPDM {edit.title}**.",
            f"Workflow file: [{edit.file}.json](workflows/{edit.file}.json).",
            "In the terminal:",
            "",
            "```",
            *_command_line(
                f"gpdm {edit.command} {' '.join(files)}", f"{_flags(example.values)} -o {edit.command}.png".strip()
            ),
            "```",
            "",
        ]
    return "\n".join(lines)


def match_list() -> str:
    """Returns the section of the README that shows every match."""
    lines = []
    for match in MATCHES.values():
        example = match.example
        files = f"workflows/inputs/{example.reference} workflows/inputs/{example.image}"
        lines += [
            f"### {match.title}",
            "",
            *_wrapped(f"{match.summary} {match.advice}"),
            "",
            f"![{match.title}](workflows/{match.file}.jpg)",
            "",
            *_wrapped(f"*The reference; the picture; the result. {example.note}*"),
            "",
            f"Node: **GPDM {match.title}**.",
            f"Workflow file: [{match.file}.json](workflows/{match.file}.json).",
            "In the terminal:",
            "",
            "```",
            *_command_line(f"gpdm {match.command} {files}", f"{_flags(example.values)} -o {match.command}.png".strip()),
            "```",
            "",
        ]
    return "\n".join(lines)


def material_list() -> str:
    """Returns the section of the README that shows what is made of materials."""
    lines = []
    for material in MATERIALS.values():
        example = material.example
        maps = [f"{MAPS[name].flag} workflows/inputs/{file}" for name, file in example.maps.items()]
        mask = "" if example.mask is None else f"--mask workflows/inputs/{example.mask} "
        flags = " ".join(
            f"--{name.replace('_', '-')} {shlex.quote(str(value))}" for name, value in example.values.items()
        )
        lines += [
            f"### {material.title}",
            "",
            *_wrapped(f"{material.summary} {material.advice}"),
            "",
            f"![{material.title}](workflows/{material.file}.jpg)",
            "",
            *_wrapped(f"*The maps; the new ones, and the set lit. {example.note}*"),
            "",
            f"Node: **GPDM {material.title}**.",
            f"Workflow file: [{material.file}.json](workflows/{material.file}.json).",
            "In the terminal:",
            "",
            "```",
            f"gpdm {material.command} \\",
            *(f"    {flag} \\" for flag in maps),
            f"    {mask}{flags}{' ' if flags else ''}-o {material.command}",
            "```",
            "",
        ]
    return "\n".join(lines)


def node_list() -> str:
    """Returns the section of the README that names every node."""
    headings = {
        "GPDM": "General",
        "GPDM/tasks": "Tasks",
        "GPDM/edits": "Edits: a part of a picture is changed, the rest stays",
        "GPDM/looks": "Looks: pictures get a property of a reference and keep everything else",
        "GPDM/materials": "Materials: maps of one surface, changed together",
        "GPDM/options": "Options: each replaces one part of a task's settings",
        "GPDM/measure": "Measure",
    }
    nodes = load_pack().NODE_CLASS_MAPPINGS.values()
    lines = []
    for category, heading in headings.items():
        lines += [f"**{heading}**", ""]
        for node in nodes:
            if category == node.CATEGORY:
                lines += _wrapped(f"- **{node.DISPLAY_NAME}**: {node.DESCRIPTION}", "  ")
        lines.append("")
    return "\n".join(lines)


def readme(text: str) -> str:
    """Returns the README with its generated sections written anew."""
    sections = {
        "tasks": task_list(),
        "edits": edit_list(),
        "looks": match_list(),
        "materials": material_list(),
        "nodes": node_list(),
    }
    for name, content in sections.items():
        begin, end = f"<!-- {name}: written by tools/make_docs.py -->", f"<!-- end of {name} -->"
        text = re.sub(f"{begin}.*?{end}", lambda _, c=content, b=begin, e=end: f"{b}\n\n{c}{e}", text, flags=re.DOTALL)
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes web/docs/*.md and the lists of README.md.")
    parser.add_argument("--check", action="store_true", help="Write nothing; exit 1 if a file differs.")
    check = parser.parse_args().check
    pages = {FOLDER / f"{name}.md": page(node) for name, node in load_pack().NODE_CLASS_MAPPINGS.items()}
    front = ROOT / "README.md"
    pages[front] = readme(front.read_text(encoding="utf-8"))
    stale = [path for path, text in pages.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if not check:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path in stale:
            path.write_text(pages[path], encoding="utf-8")
    elif stale:
        print(f"out of date: {', '.join(path.name for path in stale)}; run python tools/make_docs.py", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
