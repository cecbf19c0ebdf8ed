"""Writes the shipped workflow files from the node definitions, laid out in columns, so that widget order is always
right.

python tools/make_workflows.py            write workflows/*.json
python tools/make_workflows.py --check    exit 1 if a file on disk differs
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from workflow_contents import Box, Column, all_workflows

from gpdm.cli.definitions import Definition, all_definitions

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
WIDTH, GAP, TOP = 330, 60, 40
NOTE_COLOUR, GROUP_COLOUR = "#432", "#3f789e"


def workflow(columns: list[Column], definitions: dict[str, Definition]) -> dict[str, Any]:
    """Returns a file of the editor's format 0.4."""
    boxes = [box for column in columns for box in column.boxes]
    nodes = [_node(index, box, definitions) for index, box in enumerate(boxes)]
    links = []
    for target, box in enumerate(boxes):
        for name, (source, slot) in box.links.items():
            inputs, output = nodes[target]["inputs"], nodes[source]["outputs"][slot]
            place = next(i for i, given in enumerate(inputs) if given["name"] == name)
            number = len(links) + 1
            links.append([number, source + 1, slot, target + 1, place, output["type"]])
            inputs[place]["link"] = number
            output["links"].append(number)
    groups, x = [], 20
    for i, column in enumerate(columns):
        y = TOP + 50 + column.drop
        for node in nodes[sum(len(c.boxes) for c in columns[:i]) :][: len(column.boxes)]:
            node["pos"] = [x + 20, y]
            y += node["size"][1] + 60
        groups.append(
            {
                "id": i + 1,
                "title": column.title,
                "bounding": [x, TOP - 40, WIDTH + 40, y - TOP + 10],
                "color": GROUP_COLOUR,
                "font_size": 24,
                "flags": {},
            }
        )
        x += WIDTH + 40 + GAP
    return {
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": links,
        "groups": groups,
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def _node(index: int, box: Box, definitions: dict[str, Definition]) -> dict[str, Any]:
    node: dict[str, Any] = {
        "id": index + 1,
        "type": box.type,
        "pos": [0, 0],
        "size": [WIDTH, 100],
        "flags": {},
        "order": index,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
    }
    if box.title:
        node["title"] = box.title
    if box.type == "Note":
        rows = sum(1 + len(line) // 44 for line in box.text.split("\n"))
        return node | {
            "size": [WIDTH, 40 + 17 * rows],
            "widgets_values": [box.text],
            "title": "Read me",
            "color": NOTE_COLOUR,
            "bgcolor": "#653",
        }
    definition = definitions[box.type]
    sockets = [given for given in definition.inputs if not given.is_widget]
    is_ours = box.type.startswith("GPDM")
    # ComfyUI's nodes that save have an output since 0.26. Files without it open in every version.
    names = () if definition.is_output and not is_ours else definition.output_names
    node["inputs"] = [{"name": given.name, "type": given.type, "link": None} for given in sockets]
    node["outputs"] = [
        {"name": name, "type": kind, "links": [], "slot_index": i}
        for i, (name, kind) in enumerate(zip(names, definition.outputs, strict=False))
    ]
    node["properties"] = {"Node name for S&R": box.type}
    values: list[Any] = []
    for given in definition.widgets:
        values.append(box.values[given.name] if given.name in box.values else given.options.get("default", ""))
        if given.has_control:
            values.append("fixed")
    # The editor puts the upload button behind all other widgets.
    values += ["image" for given in definition.widgets if given.options.get("image_upload")]
    unknown = set(box.values) - {given.name for given in definition.widgets}
    assert not unknown, f"{box.type} has no widget {unknown}"
    height = 46 + 21 * max(len(sockets), len(names)) + 25 * len(values)
    picture = {
        "LoadImage": 220,
        "LoadImageMask": 220,
        "SaveImage": 250,
        "PreviewImage": 230,
        "CLIPTextEncode": 60,
        "PreviewAny": 100,
    }
    if is_ours and "IMAGE" in definition.outputs:
        height += 220  # the live preview
    node["size"] = [WIDTH, height + picture.get(box.type, 0)]
    return node | {"widgets_values": values}


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes workflows/*.json.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    check = parser.parse_args().check
    definitions, stale = all_definitions(), []
    for name, columns in all_workflows().items():
        path = FOLDER / f"{name}.json"
        text = json.dumps(workflow(columns, definitions), indent=1) + "\n"
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"out of date: {', '.join(stale)}; run python tools/make_workflows.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
