"""Small workflows in every format, and shortcuts to read and run them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpdm.cli.definitions import all_definitions
from gpdm.cli.main import main
from gpdm.cli.validation import validate
from gpdm.cli.workflow import Node, Prompt, read_prompt

IMAGE = ["IMAGE"]


def api(**changes: Any) -> dict[str, Any]:
    """A small graph in API format; `changes` replace inputs of the GPDM node (None removes)."""
    inputs = {"reference": ["1", 0], "seed": 1, "num_outputs": 1, "height": 0, "optimizer": ["4", 0]} | changes
    optimizer = {"method": "adam", "lr": 0.01, "num_steps": 1, "tolerance": 0.0, "window": 50}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "in.png"}},
        "2": {"class_type": "GPDM_Reshuffle", "inputs": {k: v for k, v in inputs.items() if v is not None}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "result"}},
        "4": {"class_type": "GPDM_Optimizer", "inputs": optimizer},
    }


def copying(**more: Any) -> dict[str, Any]:
    """A graph in API format that saves the picture it loads; `more` are further nodes."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "in.png"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "good"}},
    } | {key.removeprefix("n"): node for key, node in more.items()}


def node(key: Any, kind: str, inputs: Any = (), outputs: Any = (), values: Any = None, **more: Any) -> dict[str, Any]:
    """A node in the editor's format. `inputs` are (name, type, link), with "widget" as a fourth for widgets."""
    saved: dict[str, Any] = {"id": key, "type": kind, "mode": 0}
    saved["inputs"] = [
        {"name": name, "type": type_, "link": link} | ({"widget": {"name": name}} if rest else {})
        for name, type_, link, *rest in inputs
    ]
    saved["outputs"] = [{"name": type_, "type": type_} for type_ in outputs]
    if values is not None:
        saved["widgets_values"] = values
    return saved | more


def load(key: Any = 1, **more: Any) -> dict[str, Any]:
    """A node that loads in.png."""
    return node(key, "LoadImage", outputs=["IMAGE", "MASK"], values=["in.png", "image"], **more)


def save(key: Any, link: Any, prefix: str = "x", **more: Any) -> dict[str, Any]:
    """A node that saves what comes by a link."""
    return node(key, "SaveImage", [("images", "IMAGE", link)], values=[prefix], **more)


def scale(key: Any, link: Any, factor: float = 0.5, **more: Any) -> dict[str, Any]:
    """A node that scales what comes by a link."""
    return node(key, "ImageScaleBy", [("image", "IMAGE", link)], IMAGE, ["area", factor], **more)


def graph(nodes: list[Any], links: list[Any], **more: Any) -> dict[str, Any]:
    """A file in the editor's format; links are (id, from node, from slot, to node, to slot)."""
    return {"nodes": nodes, "links": [[*link, "IMAGE"] for link in links], "version": 0.4, **more}


def ui(**extra: Any) -> dict[str, Any]:
    """The graph of `api` in the editor's format, through a reroute, with a bypassed node, a muted node and a note."""
    nodes = [
        load(1),
        node(2, "Reroute", [("", "*", 1)], IMAGE),
        scale(3, 2, mode=4),
        node(4, "GPDM_Reshuffle", [("reference", "IMAGE", 3)], IMAGE * 2, [5, "randomize", 2, 0]),
        save(5, 4),
        node(6, "PreviewImage", [("images", "IMAGE", None)], mode=2),
        node(7, "Note", values=["hello"]),
    ]
    return graph(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0), (3, 3, 0, 4, 0), (4, 4, 0, 5, 0)]) | extra


def prompt_of(workflow: Any) -> Prompt:
    return read_prompt(workflow, all_definitions())


def check(workflow: Any) -> list[Node]:
    """The nodes that would run."""
    definitions = all_definitions()
    return validate(read_prompt(workflow, definitions), definitions)


def by_id(workflow: Any) -> Prompt:
    return Prompt(check(workflow))


def run(workflow: Any, *more: str) -> int:
    """Runs a workflow from a file in the working folder, into the folder o."""
    Path("wf.json").write_text(json.dumps(workflow))
    return main(["run", "wf.json", "--out", "o", "--device", "cpu", *more])


def subgraph(key: str, inputs: list[Any], outputs: list[Any], nodes: list[Any], links: list[Any]) -> dict[str, Any]:
    """A definition of a subgraph. Inputs and outputs are (name, type, link ids), links as in `graph`."""
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    return {
        "id": key,
        "name": key,
        "inputNode": {"id": -10},
        "outputNode": {"id": -20},
        "inputs": [{"name": name, "type": kind, "linkIds": ids} for name, kind, ids in inputs],
        "outputs": [{"name": name, "type": kind, "linkIds": ids} for name, kind, ids in outputs],
        "nodes": nodes,
        "links": [dict(zip(names, link, strict=True)) | {"type": "*"} for link in links],
    }


def with_subgraphs(nodes: list[Any], links: list[Any], *subgraphs: Any) -> dict[str, Any]:
    return graph(nodes, links, definitions={"subgraphs": list(subgraphs)})


FACTOR = ("scale_by", "FLOAT", 3, "widget")


def halving(key: str = "half") -> dict[str, Any]:
    """A subgraph that scales a picture: its inputs are the picture and the factor, which is 0.5 inside."""
    inner = node(7, "ImageScaleBy", [("image", "IMAGE", 1), FACTOR], IMAGE, ["area", 0.5])
    return subgraph(
        key,
        [("image", "IMAGE", [1]), ("factor", "FLOAT", [3])],
        [("IMAGE", "IMAGE", [2])],
        [inner],
        [(1, -10, 0, 7, 0), (2, 7, 0, -20, 0), (3, -10, 1, 7, 1)],
    )


def half(key: Any, link: Any, factor_link: Any = None, kind: str = "half", **more: Any) -> dict[str, Any]:
    """A node that is an instance of `halving`."""
    inputs = [("image", "IMAGE", link), ("factor", "FLOAT", factor_link, "widget")]
    return node(key, kind, inputs, IMAGE, **more)
