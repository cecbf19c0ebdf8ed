"""`gpdm run` with nodes of today's ComfyUI, as its editor saves them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli.graphs import graph, load, node, run, save
from PIL import Image


def pixels(path: str) -> torch.Tensor:
    """A picture (H, W, C) as bytes."""
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture))


def size(path: str) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_batch_images_and_what_save_image_passes_on(working_folder: Path) -> None:
    batched = [("images.image0", "IMAGE", 1), ("images.image1", "IMAGE", 2), ("images.image2", "IMAGE", None)]
    nodes = [
        load(1),
        node(2, "ImageInvert", [("image", "IMAGE", 3)], ["IMAGE"]),
        node(3, "BatchImagesNode", [*batched, ("images", "COMFY_AUTOGROW_V3", None)], ["IMAGE"]),
        save(4, 4, "all") | {"outputs": [{"name": "images", "type": "IMAGE"}]},
        node(5, "ImageFlip", [("image", "IMAGE", 5)], ["IMAGE"], ["y-axis: horizontally"]),
        node(6, "PreviewImage", [("images", "IMAGE", 6)], ["IMAGE"]),
    ]
    links = [(1, 1, 0, 3, 0), (2, 2, 0, 3, 1), (3, 1, 0, 2, 0), (4, 3, 0, 4, 0), (5, 4, 0, 5, 0), (6, 5, 0, 6, 0)]
    assert run(graph(nodes, links)) == 0
    first, second = pixels("o/all_00001_.png"), pixels("o/all_00002_.png")
    assert torch.equal(first, 255 - second)
    assert torch.equal(pixels("o/preview_00002_.png"), second.flip(1))


def test_batch_images_in_api_format(working_folder: Path) -> None:
    workflow = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "in.png"}},
        "2": {"class_type": "BatchImagesNode", "inputs": {"images.image0": ["1", 0], "images.image1": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "x"}},
    }
    assert run(workflow) == 0
    assert len(list(Path("o").iterdir())) == 2


def test_scores_are_shown_as_text(working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.effect_noise((48, 48), 80).convert("RGB").save("in.png")
    sockets = [("reference", "IMAGE", 1), ("images", "IMAGE", 2)]
    nodes = [
        load(1),
        node(2, "GPDM_Evaluate", sockets, ["STRING", "IMAGE", "IMAGE"], ["free", "exact", "", "me"]),
        node(3, "PreviewAny", [("source", "*", 3)], ["STRING"], [], title="Scores"),
    ]
    workflow = graph(nodes, [(1, 1, 0, 2, 0), (2, 1, 0, 2, 1), (3, 2, 0, 3, 0)])
    assert run(workflow) == 0
    assert re.match(r"Scores: .*\bme\b.*", capsys.readouterr().out, re.DOTALL)
    assert run(workflow, "--json") == 0
    (shown,) = json.loads(capsys.readouterr().out)["texts"]
    assert shown["node"] == "Scores"
    assert "coherence" in shown["text"]


@pytest.mark.parametrize("values", [None, [], [None, None, None], [None, None, False], ["shown before", "", True]])
def test_what_preview_as_text_showed_before_does_not_matter(
    working_folder: Path, capsys: pytest.CaptureFixture[str], values: Any
) -> None:
    nodes = [
        node(1, "PrimitiveString", [("value", "STRING", None, "widget")], ["STRING"], ["hello"]),
        node(2, "PreviewAny", [("source", "*", 1)], ["STRING"], values),
    ]
    assert run(graph(nodes, [(1, 1, 0, 2, 0)])) == 0
    assert capsys.readouterr().out == "PreviewAny: hello\n"


def test_values_of_nodes_go_into_other_nodes(working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    formula = [("values.a", "FLOAT,INT,BOOLEAN", 2), ("values.b", "FLOAT,INT,BOOLEAN", 3)]
    resized = [
        ("input", "IMAGE,MASK", 4),
        ("resize_type", "COMFY_DYNAMICCOMBO_V3", None, "widget"),
        ("resize_type.width", "INT", 5, "widget"),
        ("resize_type.height", "INT", None, "widget"),
        ("resize_type.crop", "COMBO", None, "widget"),
        ("scale_method", "COMBO", None, "widget"),
    ]
    nodes = [
        load(1),
        node(2, "GetImageSize", [("image", "IMAGE", 1)], ["INT", "INT", "INT"], []),
        node(3, "PrimitiveInt", [("value", "INT", None, "widget")], ["INT"], [2, "fixed"], title="Half"),
        node(4, "ComfyMathExpression", formula, ["FLOAT", "INT", "BOOLEAN"], ["a / b"]),
        node(5, "ResizeImageMaskNode", resized, ["*"], ["scale dimensions", 512, 4, "disabled", "area"]),
        save(6, 6, "%Half.value%x%width%"),
    ]
    links = [(1, 1, 0, 2, 0), (2, 2, 0, 4, 0), (3, 3, 0, 4, 1), (4, 1, 0, 5, 0), (5, 4, 1, 5, 2), (6, 5, 0, 6, 0)]
    assert run(graph(nodes, links)) == 0
    assert capsys.readouterr().out.split() == ["o/2x13_00001_.png"]
    assert size("o/2x13_00001_.png") == (13, 4)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("%Mine.amount%", "2"),
        ("%Copies.amount%", "2"),
        ("%RepeatImageBatch.amount%", "%RepeatImageBatch.amount%"),
        ("%LoadImage.image%", "in.png"),
        ("%GPDM Optimizer.method%", "adam"),
    ],
)
def test_a_file_name_asks_for_values_as_in_the_editor(working_folder: Path, prefix: str, expected: str) -> None:
    repeat = node(2, "RepeatImageBatch", [("image", "IMAGE", 1)], ["IMAGE"], [2], title="Copies")
    nodes = [
        load(1, properties={"Node name for S&R": "LoadImage"}),
        repeat | {"properties": {"Node name for S&R": "Mine"}},
        node(3, "GPDM_Optimizer", (), ["GPDM_OPTIMIZER"], ["adam", 0.01, 1, 0, 9]),
        save(4, 2, prefix),
    ]
    assert run(graph(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 4, 0)])) == 0
    assert {path.name for path in Path("o").iterdir()} == {f"{expected}_0000{n}_.png" for n in (1, 2)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["scale longer dimension", 13, "area"], (13, 11)),
        (["scale total pixels", 0.01, "lanczos"], (111, 94)),
        (["scale dimensions", 8, 0, "center", "bilinear"], (8, 7)),
    ],
)
def test_the_places_of_values_depend_on_the_choice(
    working_folder: Path, values: list[Any], expected: tuple[int, int]
) -> None:
    resize = node(2, "ResizeImageMaskNode", [("input", "IMAGE,MASK", 1)], ["*"], values)
    assert run(graph([load(1), resize, save(3, 2)], [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)])) == 0
    assert size("o/x_00001_.png") == expected


def test_crop_image_and_save_image_advanced(working_folder: Path) -> None:
    sockets = [("image", "IMAGE", 1), ("crop_region", "BOUNDING_BOX", None, "widget")]
    values = [{"x": 1, "y": 2, "width": 8, "height": 6}, 1, 2, 8, 6]
    nodes = [
        load(1),
        node(2, "ImageCropV2", sockets, ["IMAGE"], values),
        node(3, "SaveImageAdvanced", [("images", "IMAGE", 2)], ["IMAGE"], ["x", "png", "8-bit", "sRGB"]),
    ]
    assert run(graph(nodes, [(1, 1, 0, 2, 0), (2, 2, 0, 3, 0)])) == 0
    assert torch.equal(pixels("o/x_00001.png"), pixels("in.png")[2:8, 1:9])


def test_a_mask_that_reaches_a_picture_input_is_one_line(
    working_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sockets = [("on_false", "*", 1), ("on_true", "*", 2), ("switch", "BOOLEAN", None, "widget")]
    nodes = [load(1), node(2, "ComfySwitchNode", sockets, ["*"], [True]), save(3, 3)]
    assert run(graph(nodes, [(1, 1, 0, 2, 0), (2, 1, 1, 2, 1), (3, 2, 0, 3, 0)])) == 2
    assert "node 3 (SaveImage): input images takes IMAGE" in capsys.readouterr().err
