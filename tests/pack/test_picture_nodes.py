"""Nodes given the pictures that other nodes make: mixed channels, transparency, values outside 0..1."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from gpdm import TASKS, GPDMError, Optimizer, SWDLoss
from gpdm.cli.host import TerminalHost
from library.problems import picture

QUICK = {"optimizer": Optimizer(num_steps=2, fine_steps=0), "loss": SWDLoss(num_proj=4)}


def image(channels: int = 3, seed: int = 0, hidden: float | None = None, size: tuple[int, int] = (26, 28)) -> Tensor:
    """An IMAGE; with `hidden` its left half is transparent above that colour."""
    with torch.inference_mode():
        tensor = ((picture(*size, channels, seed) + 1) / 2).movedim(1, -1).clone()
        if channels in (2, 4):
            tensor[..., -1] = 1
        if hidden is not None:
            tensor[:, :, : size[1] // 2] = hidden
            tensor[:, :, : size[1] // 2, -1] = 0
        return tensor


def made(pack: ModuleType, name: str, **given: Any) -> Tensor:
    node_class = pack.NODE_CLASS_MAPPINGS[name]
    inputs = {key: spec for table in node_class.INPUT_TYPES().values() for key, spec in table.items()}
    values = {key: spec[1]["default"] for key, spec in inputs.items() if "default" in spec[1]}
    with torch.inference_mode():
        return node_class().execute(**(values | QUICK | given))[0]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().removeprefix("GPDM: ") for record in caplog.records if record.name == "gpdm"]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_values_outside_0_to_1_are_clamped_and_said_once(
    comfyui_pack: ModuleType, terminal: TerminalHost, caplog: pytest.LogCaptureFixture, task: Any
) -> None:
    """Sixteen bright pixels of an HDR picture used to set the range of the whole run."""
    plain = {each.name: image(seed=i) for i, each in enumerate(task.pictures)}
    with torch.inference_mode():
        bright = {name: tensor.clone() for name, tensor in plain.items()}
        bright[task.reference.name][0, :4, :4] = 60.0
        plain[task.reference.name][0, :4, :4] = 1.0
    expected = made(comfyui_pack, task.node_id, **plain)
    assert lines(caplog) == []
    assert torch.equal(made(comfyui_pack, task.node_id, **bright), expected)
    lowest = float(bright[task.reference.name].min())
    assert lines(caplog) == [f"{task.reference.name} has values from {lowest:.4g} to 60; they are clamped to 0..1"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_refused(comfyui_pack: ModuleType, terminal: TerminalHost, value: float) -> None:
    with torch.inference_mode():
        broken = image().clone()
        broken[0, 3, 4, 1] = value
    with pytest.raises(GPDMError, match="reference contains NaN or infinite values; check the node"):
        made(comfyui_pack, "GPDM_Reshuffle", reference=broken)


@pytest.mark.parametrize("content", [1, 2, 3, 4])
@pytest.mark.parametrize("style", [1, 2, 3, 4])
def test_style_and_content_of_any_kind(
    comfyui_pack: ModuleType, terminal: TerminalHost, caplog: pytest.LogCaptureFixture, style: int, content: int
) -> None:
    given = {"style": image(style, hidden=0.8 if style in (2, 4) else None), "content": image(content, seed=1)}
    result = made(comfyui_pack, "GPDM_StyleTransfer", **given)
    assert result.shape == (1, 26, 28, 3), "an opaque alpha channel is dropped"
    same = style == {1: 1, 2: 1, 3: 3, 4: 3}[content]
    assert len(lines(caplog)) == (not same)


def test_an_opaque_rgba_is_an_rgb(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    opaque = image(4)
    assert torch.equal(
        made(comfyui_pack, "GPDM_Reshuffle", reference=opaque),
        made(comfyui_pack, "GPDM_Reshuffle", reference=opaque[..., :3]),
    )


def test_hidden_colours_never_show(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    results = [made(comfyui_pack, "GPDM_Reshuffle", reference=image(4, hidden=hidden)) for hidden in (0.9, 0.1)]
    assert results[0].shape[-1] == 4
    assert torch.equal(*results)


def test_references_and_canvas_of_other_kinds(
    comfyui_pack: ModuleType, terminal: TerminalHost, caplog: pytest.LogCaptureFixture
) -> None:
    nodes = comfyui_pack.NODE_CLASS_MAPPINGS
    with torch.inference_mode():
        mask = torch.zeros(1, 26, 28)
        mask[:, :9] = 1
        kept = image(3, seed=7)
        references = nodes["GPDM_Reference"]().execute(image(1), weight=1.0)[0]
        references = nodes["GPDM_Reference"]().execute(image(3), weight=1.0, references=references)[0]
        canvas = nodes["GPDM_Canvas"]().execute("none", "none", keep_mask=mask, keep_image=kept)[0]
    result = made(comfyui_pack, "GPDM_Reshuffle", reference=image(1), references=references, canvas=canvas)
    assert result.shape[-1] == 3
    assert torch.allclose(result[:, :9], kept[:, :9], atol=1e-6)
    assert lines(caplog) == [
        "reference 1 is grey, reference 2 and the picture with the kept pixels are RGB; all are used as RGB"
    ]


def test_evaluate_compares_pictures_of_different_kinds(
    comfyui_pack: ModuleType, terminal: TerminalHost, caplog: pytest.LogCaptureFixture
) -> None:
    node_class = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_Evaluate"]
    large = {"size": (48, 50)}
    with torch.inference_mode():
        values = {"reference": image(3, **large), "images": image(1, **large), "inception_weights": "", "names": ""}
        text, _, maps, _ = node_class().execute(**values, tiles="free", search="exact")
    assert "coherence" in text and maps.shape[-1] == 3
    assert lines(caplog) == ["reference is RGB, images is grey; all are used as RGB"]


@pytest.mark.parametrize("kind", ["bool", "four dimensions", "no batch", "half"])
def test_masks_in_the_forms_that_packs_make(comfyui_pack: ModuleType, terminal: TerminalHost, kind: str) -> None:
    with torch.inference_mode():
        plain = torch.zeros(1, 26, 28)
        plain[:, :9] = 1
        other = {
            "bool": plain > 0,
            "four dimensions": plain[:, None],
            "no batch": plain[0],
            "half": plain.half(),
        }[kind]
    reference = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_Reference"]()
    first, second = (reference.execute(image(), weight=1.0, mask=mask)[0][0] for mask in (plain, other))
    assert torch.equal(first.weight, second.weight)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 26, 28, dtype=torch.int32), "mask has values of type torch.int32; a MASK has floating-point"),
        (torch.full((1, 26, 28), float("nan")), "mask contains NaN or infinite values"),
        (torch.ones(2, 26, 28), r"there are 2 masks for 1 picture\(s\); give one mask, or one for each picture"),
        (torch.zeros(1, 3, 26, 28), "mask must be a MASK of shape"),
        (torch.zeros(0, 26, 28), "mask must be a MASK of shape"),
    ],
)
def test_masks_that_cannot_be_used(
    comfyui_pack: ModuleType, terminal: TerminalHost, mask: Tensor, message: str
) -> None:
    with pytest.raises(GPDMError, match=message):
        comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_Reference"]().execute(image(), weight=1.0, mask=mask)


@pytest.mark.parametrize(("channels", "made_of"), [(1, 3), (2, 3), (3, 3), (4, 3)])
def test_outputs_have_three_channels_or_four(
    comfyui_pack: ModuleType, terminal: TerminalHost, channels: int, made_of: int
) -> None:
    assert made(comfyui_pack, "GPDM_Reshuffle", reference=image(channels)).shape[-1] == made_of
    if channels in (2, 4):
        assert made(comfyui_pack, "GPDM_Reshuffle", reference=image(channels, hidden=0.5)).shape[-1] == 4


def test_a_small_picture_runs_in_every_shipped_setting(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    """`height` is an upper bound, and shipped files set it above what many pictures have."""
    plain = made(comfyui_pack, "GPDM_Reshuffle", reference=image(), height=0)
    assert torch.equal(made(comfyui_pack, "GPDM_Reshuffle", reference=image(), height=512), plain)
