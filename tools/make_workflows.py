"""Writes the shipped workflow files from the node definitions, laid out in columns, so that widget order is always right.

    python tools/make_workflows.py            write workflows/*.json
    python tools/make_workflows.py --check    exit 1 if a file on disk differs

A shipped file is a promise: change values and texts here, never node ids or the order of inputs in the nodes.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpdm.cli.definitions import Definition
from gpdm.cli.run import all_definitions

FOLDER = Path(__file__).resolve().parent.parent / "workflows"
WIDTH, GAP, TOP = 330, 60, 40
NOTE_COLOUR, GROUP_COLOUR, RESULT_COLOUR = "#432", "#3f789e", "#8A8"


@dataclass
class Box:
    """One node of a workflow: where it stands, what its widgets say, and what its sockets are linked to."""

    type: str
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Input name -> (index of the box, output slot)."""
    title: str = ""
    text: str = ""


@dataclass
class Column:
    """A group of boxes under one heading."""

    title: str
    boxes: list[Box]
    drop: int = 0
    """How much lower its boxes begin, so that a link may pass above them."""


def note(text: str) -> Box:
    return Box("Note", text=text)


def load(file: str, title: str) -> Box:
    return Box("LoadImage", {"image": file}, title=title)


def save(index: int, prefix: str) -> Box:
    return Box("SaveImage", {"filename_prefix": prefix}, {"images": (index, 0)})


def save_slot(index: int, slot: int, prefix: str) -> Box:
    return Box("SaveImage", {"filename_prefix": prefix}, {"images": (index, slot)})


def curve(index: int) -> Box:
    return Box("PreviewImage", links={"images": (index, 1)}, title="Loss curve")


HOW = "Load Image shows no picture? Click its upload button and choose {files} from this pack's folder workflows/inputs, or any picture of your own.\n\n"
SPEED = "Time grows with the picture. `height` scales it down first: try 80 for a quick look on a CPU."

WORKFLOWS: dict[str, list[Column]] = {
    "reshuffle": [
        Column(
            "1  The picture",
            [
                load("pavilion.jpg", "Reference"),
                note(
                    HOW.format(files="pavilion.jpg")
                    + "GPDM Reshuffle makes a new picture from its patches. Change the seed for another one. "
                    + SPEED
                ),
            ],
        ),
        Column("2  Reshuffle", [Box("GPDM_Reshuffle", {"seed": 0, "height": 80}, {"reference": (0, 0)})]),
        Column("3  Result", [save(2, "GPDM_reshuffle"), curve(2)]),
    ],
    "retarget": [
        Column(
            "1  The picture",
            [
                load("pavilion.jpg", "Reference"),
                note(
                    HOW.format(files="pavilion.jpg")
                    + "Half as wide again: the layout is stretched, the details are not. Set the factors, or output_width and output_height in pixels. "
                    + SPEED
                ),
            ],
        ),
        Column("2  Retarget", [Box("GPDM_Retarget", {"seed": 0, "height": 96}, {"reference": (0, 0)})]),
        Column("3  Result", [save(2, "GPDM_retarget"), curve(2)]),
    ],
    "style_transfer": [
        Column(
            "1  The pictures",
            [
                load("starry_night.jpg", "Style"),
                load("cat.jpg", "Content"),
                note(
                    HOW.format(files="starry_night.jpg and cat.jpg")
                    + "The content gets texture, grain and colours of the style. For less of its own layout, connect a GPDM Pyramid Schedule with a smaller coarse_dim."
                ),
            ],
        ),
        Column(
            "2  Style transfer",
            [Box("GPDM_StyleTransfer", {"seed": 0, "height": 192}, {"style": (0, 0), "content": (1, 0)})],
        ),
        Column("3  Result", [save(3, "GPDM_style"), curve(3)]),
    ],
    "texture_synthesis": [
        Column(
            "1  The sample",
            [
                load("wood.jpg", "Texture sample"),
                note(
                    HOW.format(files="wood.jpg")
                    + "More of the same material. Set the factors, or output_width and output_height in pixels. "
                    + SPEED
                ),
            ],
        ),
        Column(
            "2  Texture synthesis", [Box("GPDM_TextureSynthesis", {"seed": 0, "height": 96}, {"reference": (0, 0)})]
        ),
        Column("3  Result", [save(2, "GPDM_texture"), curve(2)]),
    ],
    "composed": [
        Column(
            "1  The picture",
            [
                load("dahlia.jpg", "Reference"),
                note(
                    HOW.format(files="dahlia.jpg")
                    + "Every part of a synthesis as its own node. Leave one out and its defaults hold.\n\nThis setting: orthonormal projections, a larger coarsest level (more variety), a blurred reference with noise as the start, 150 steps a level."
                ),
            ],
        ),
        Column(
            "2  How",
            [
                Box("GPDM_SWDLoss", {"projections": "orthonormal"}),
                Box("GPDM_PyramidSchedule", {"coarse_dim": 28, "pyr_factor": 0.75}),
                Box("GPDM_InitialGuess", {"source": "reference", "image_noise_sigma": 0.75, "blur": 1.0}),
                Box("GPDM_Optimizer", {"num_steps": 150, "fine_steps": 150}),
            ],
            drop=70,
        ),
        Column(
            "3  Synthesize",
            [
                Box(
                    "GPDM_Synthesize",
                    {"seed": 5, "height": 96, "num_outputs": 2, "width_factor": 1.25},
                    {"reference": (0, 0), "loss": (2, 0), "pyramid": (3, 0), "guess": (4, 0), "optimizer": (5, 0)},
                )
            ],
        ),
        Column("4  Result", [save(6, "GPDM_composed"), curve(6)]),
    ],
    "compare": [
        Column(
            "1  The picture",
            [
                load("dahlia.jpg", "Reference"),
                Box(
                    "ImageScale",
                    {"upscale_method": "lanczos", "width": 0, "height": 96, "crop": "disabled"},
                    {"image": (0, 0)},
                    title="Scale for all",
                ),
                note(
                    HOW.format(files="dahlia.jpg")
                    + "The same picture reshuffled in three ways, and judged. The published method is slow on a CPU: about a minute at this size."
                ),
            ],
        ),
        Column(
            "2  Three ways",
            [
                Box(
                    "GPDM_Reshuffle", {"seed": 0, "quality": "paper"}, {"reference": (1, 0)}, title="Published settings"
                ),
                Box("GPDM_Reshuffle", {"seed": 0}, {"reference": (1, 0)}, title="Ours"),
                Box("GPDM_PatchNN"),
                Box(
                    "GPDM_Reshuffle",
                    {"seed": 0},
                    {"reference": (1, 0), "optimizer": (5, 0)},
                    title="Patch nearest neighbours",
                ),
            ],
        ),
        Column(
            "3  One batch",
            [
                Box("ImageBatch", {}, {"image1": (3, 0), "image2": (4, 0)}),
                Box("ImageBatch", {}, {"image1": (7, 0), "image2": (6, 0)}),
                save(8, "GPDM_compare"),
            ],
        ),
        Column(
            "4  Judged",
            [
                Box(
                    "GPDM_Evaluate",
                    {"names": "published, ours, patch NN"},
                    {"reference": (1, 0), "images": (8, 0)},
                ),
                note(
                    "Plot: the figures, and behind them sharpness by frequency (a line at 0 is as sharp as the reference) and distances by patch size and "
                    "scale.\n\nMaps, one row a picture: the picture; where its patches come from (bright: moved in one piece, dark: put together anew); the key to "
                    "these colours; where it is unlike the reference (bright).\n\nLow distances and a bright copy map are a copy, not a success."
                ),
            ],
        ),
        Column("5  Result", [save_slot(10, 1, "GPDM_compare_plot"), save_slot(10, 2, "GPDM_compare_maps")]),
    ],
    "diffusion_init": [
        Column(
            "1  Any diffusion model",
            [
                Box("CheckpointLoaderSimple", {"ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"}),
                Box(
                    "CLIPTextEncode",
                    {"text": "a village under a swirling night sky, hills, a tall cypress tree"},
                    {"clip": (0, 1)},
                    title="Prompt",
                ),
                Box("CLIPTextEncode", {"text": "text, watermark, frame"}, {"clip": (0, 1)}, title="Negative prompt"),
                Box("EmptyLatentImage", {"width": 512, "height": 512, "batch_size": 1}),
            ],
        ),
        Column(
            "2  A layout from the prompt",
            [
                Box(
                    "KSampler",
                    {
                        "seed": 0,
                        "steps": 20,
                        "cfg": 7.0,
                        "sampler_name": "euler",
                        "scheduler": "normal",
                        "denoise": 1.0,
                    },
                    {"model": (0, 0), "positive": (1, 0), "negative": (2, 0), "latent_image": (3, 0)},
                ),
                Box("VAEDecode", {}, {"samples": (4, 0), "vae": (0, 2)}),
                note(
                    "The diffusion result gives the layout; GPDM gives it the patches of the reference. Any workflow that ends in an IMAGE can take the place of columns 1 and 2.\n\nTo keep more of the layout, raise coarse_dim; to free the result from it, lower coarse_dim or raise image_noise_sigma."
                ),
            ],
        ),
        Column(
            "3  The look",
            [
                load("starry_night.jpg", "Reference"),
                Box("GPDM_PyramidSchedule", {"coarse_dim": 64}),
                Box("GPDM_InitialGuess", {"source": "image"}, {"init": (5, 0)}),
            ],
        ),
        Column(
            "4  Synthesize",
            [Box("GPDM_Synthesize", {"seed": 0}, {"reference": (7, 0), "pyramid": (8, 0), "guess": (9, 0)})],
        ),
        Column("5  Result", [save(10, "GPDM_diffusion_init"), curve(10)]),
    ],
}


def workflow(columns: list[Column], definitions: dict[str, Definition]) -> dict[str, Any]:
    """A file of the editor's format 0.4."""
    boxes = [box for column in columns for box in column.boxes]
    nodes = [_node(index, box, definitions) for index, box in enumerate(boxes)]
    links = []
    for target, box in enumerate(boxes):
        for name, (source, slot) in box.links.items():
            inputs, output = nodes[target]["inputs"], nodes[source]["outputs"][slot]
            place = next(i for i, given in enumerate(inputs) if given["name"] == name)
            number = len(links) + 1
            links.append([number, source + 1, slot, target + 1, place, inputs[place]["type"]])
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
    names = _output_names(definition)
    node["inputs"] = [{"name": given.name, "type": given.type, "link": None} for given in sockets]
    node["outputs"] = [
        {"name": name, "type": kind, "links": [], "slot_index": i}
        for i, (name, kind) in enumerate(zip(names, definition.outputs, strict=True))
    ]
    node["properties"] = {"Node name for S&R": box.type}
    values: list[Any] = []
    for given in definition.widgets:
        values.append(box.values[given.name] if given.name in box.values else given.options.get("default", ""))
        if given.has_control:
            values.append("fixed")
        if given.options.get("image_upload"):
            values.append("image")
    unknown = set(box.values) - {given.name for given in definition.widgets}
    assert not unknown, f"{box.type} has no widget {unknown}"
    height = 46 + 21 * max(len(sockets), len(names)) + 25 * len(values)
    picture = {"LoadImage": 220, "SaveImage": 250, "PreviewImage": 230, "CLIPTextEncode": 60}
    if definition.type.startswith("GPDM") and "IMAGE" in definition.outputs:
        height += 220  # the live preview
    node["size"] = [WIDTH, height + picture.get(box.type, 0)]
    return node | {"widgets_values": values}


def _output_names(definition: Definition) -> tuple[str, ...]:
    return tuple(getattr(definition.node_class, "RETURN_NAMES", definition.outputs))


def main() -> int:
    parser = argparse.ArgumentParser(description="Writes workflows/*.json.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file differs")
    check = parser.parse_args().check
    definitions, stale = all_definitions(), []
    for name, columns in WORKFLOWS.items():
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
