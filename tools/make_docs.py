"""Writes the help pages web/docs/<NodeId>.md from the nodes' own descriptions and tooltips.

python tools/make_docs.py            write the pages
python tools/make_docs.py --check    exit 1 if a page on disk differs
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from gpdm.cli.pack import load_pack

FOLDER = Path(__file__).resolve().parent.parent / "web" / "docs"


def page(node: Any) -> str:
    """One help page."""
    lines = [
        f"# {node.DISPLAY_NAME}",
        "",
        node.DESCRIPTION,
        "",
        "## Inputs",
        "",
        "| input | type | default | what it does |",
        "| --- | --- | --- | --- |",
    ]
    for group, table in node.INPUT_TYPES().items():
        for name, (kind, options) in table.items():
            lines.append(
                f"| `{name}`{' (optional)' if group == 'optional' else ''} | {_kind(kind, options)} | {options.get('default', '')} | {options['tooltip']} |"
            )
    lines += ["", "## Outputs", "", "| output | type | what it is |", "| --- | --- | --- |"]
    for name, kind, tooltip in zip(node.RETURN_NAMES, node.RETURN_TYPES, node.OUTPUT_TOOLTIPS, strict=True):
        lines.append(f"| `{name}` | {kind} | {tooltip} |")
    return "\n".join(lines) + "\n"


def _kind(kind: Any, options: dict[str, Any]) -> str:
    if isinstance(kind, list):
        return " / ".join(kind)
    if "min" in options and "control_after_generate" not in options:
        return f"{kind}, {options['min']:g} to {options['max']:g}"
    return kind


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes web/docs/*.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page differs")
    check = parser.parse_args().check
    pages = {f"{name}.md": page(node) for name, node in load_pack().NODE_CLASS_MAPPINGS.items()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = [
        name
        for name, text in pages.items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]
    if not check:
        for name in stale:
            (FOLDER / name).write_text(pages[name], encoding="utf-8")
    elif stale:
        print(f"out of date: {', '.join(stale)}; run python tools/make_docs.py", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
