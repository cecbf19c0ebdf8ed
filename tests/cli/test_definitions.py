"""Definitions: every form in which ComfyUI describes an input."""

from __future__ import annotations

from typing import Any

import pytest

from gpdm.cli.definitions import Definition, from_class


def defined(**inputs: Any) -> Definition:
    node = type("Node", (), {"INPUT_TYPES": lambda: {"required": inputs}, "RETURN_TYPES": ("IMAGE",)})
    return from_class("Node", node)


@pytest.mark.parametrize(
    ("spec", "kind", "choices"),
    [
        ((["a", "b"],), "COMBO", ("a", "b")),
        ((["a", "b"], {"default": "b"}), "COMBO", ("a", "b")),
        (["COMBO", {"options": ["a", "b"]}], "COMBO", ("a", "b")),
        (["COMBO", {"image_upload": True}], "COMBO", None),
        (["INT", {"min": 1}], "INT", None),
        (("*",), "*", None),
        (("IMAGE,MASK", {}), "IMAGE,MASK", None),
        (("COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "IMAGE,MASK"}}), "IMAGE,MASK", None),
    ],
)
def test_forms(spec: Any, kind: str, choices: tuple[str, ...] | None) -> None:
    (given,) = defined(x=spec).inputs
    assert (given.type, given.choices, given.required) == (kind, choices, True)
    assert given.is_widget == (kind in ("INT", "COMBO"))


@pytest.mark.parametrize(
    ("template", "names", "required"),
    [
        ({"prefix": "image", "min": 2, "max": 3}, ["x.image0", "x.image1", "x.image2"], 2),
        ({"names": ["a", "b"], "min": 0}, ["x.a", "x.b"], 0),
    ],
)
def test_inputs_that_grow(template: dict[str, Any], names: list[str], required: int) -> None:
    template = {"input": {"required": {"image": ["IMAGE", {}]}, "optional": {}}, **template}
    definition = defined(x=("COMFY_AUTOGROW_V3", {"template": template}))
    assert [given.name for given in definition.inputs] == names
    assert [given.required for given in definition.inputs] == [n < required for n in range(len(names))]


def test_inputs_that_a_choice_adds_stand_behind_it() -> None:
    size = {"required": {"width": ["INT", {}], "height": ["INT", {}]}}
    options = [{"key": "size", "inputs": size}, {"key": "like", "inputs": {"required": {"match": ["IMAGE", {}]}}}]
    definition = defined(way=("COMFY_DYNAMICCOMBO_V3", {"options": options}), method=(["area"],))

    def names(**values: Any) -> list[str]:
        return [given.name for given in definition.inputs_for(values)]

    assert names(way="size") == ["way", "way.width", "way.height", "method"]
    assert names(way="like") == ["way", "way.match", "method"]
    assert names() == names(way=["size"]) == ["way", "method"]
    assert definition.inputs[0].choices == ("size", "like")
    match = definition.input("way.match")
    assert match is not None and match.type == "IMAGE"
