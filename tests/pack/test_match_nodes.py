"""The nodes of matches: what a graph gives them, and what they give back."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import MATCHES, GPDMError, Match, describe, prepare_match, run_match
from gpdm.cli.host import TerminalHost
from library.problems import grainy, picture
from pack.hosts import HalfHost, RecordingHost

EVERY_MATCH = pytest.mark.parametrize("match", MATCHES.values(), ids=MATCHES)
SIZE = (40, 44)


def image(channels: int = 3, seed: int = 0, batch: int = 1) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are."""
    with torch.inference_mode():
        tensor = torch.cat([picture(*SIZE, channels, seed + i) for i in range(batch)])
        return ((tensor + 1) / 2).movedim(1, -1).contiguous()


def reference(seed: int = 9) -> Tensor:
    """An IMAGE with grain, darker than those that are changed."""
    with torch.inference_mode():
        return ((grainy(*SIZE, 3, seed) + 1) / 2).movedim(1, -1).contiguous()


def left_half() -> Tensor:
    """A MASK."""
    with torch.inference_mode():
        mask = torch.zeros(1, *SIZE)
        mask[..., : SIZE[1] // 2] = 1
        return mask


def matched(pack: ModuleType, match: Match, **given: Any) -> tuple[Any, ...]:
    """The outputs of the node of a match with its defaults, for small pictures unless others are given."""
    node_class = pack.NODE_CLASS_MAPPINGS[match.node_id]
    inputs = {name: spec for table in node_class.INPUT_TYPES().values() for name, spec in table.items()}
    values = {name: spec[1]["default"] for name, spec in inputs.items() if "default" in spec[1]}
    pictures = {"images": image(), "reference": reference()}
    with torch.inference_mode():
        return node_class().execute(**(values | pictures | given))


@EVERY_MATCH
def test_inputs_follow_from_the_record(comfyui_pack: ModuleType, match: Match) -> None:
    inputs = comfyui_pack.NODE_CLASS_MAPPINGS[match.node_id].INPUT_TYPES()
    options, seed = describe(match.options), ["seed"] if match.is_random else []
    assert list(inputs["required"]) == ["images", *seed, *(spec.name for spec in options)]
    assert list(inputs["optional"])[:3] == ["reference", "references", "mask"]
    for spec in options:
        assert inputs["required"][spec.name][1]["tooltip"] == spec.help
        assert inputs["required"][spec.name][1]["default"] == spec.default


@EVERY_MATCH
def test_the_result_is_that_of_the_core(comfyui_pack: ModuleType, terminal: TerminalHost, match: Match) -> None:
    given = image(batch=2)
    before = given.clone()
    images = matched(comfyui_pack, match, images=given)[0]
    assert torch.equal(given, before), "an input was changed in place"
    assert images.shape == given.shape and images.is_contiguous() and not images.is_inference()
    assert images.min() >= 0 and images.max() <= 1
    prepared = prepare_match(reference().movedim(-1, 1) * 2 - 1, given.movedim(-1, 1) * 2 - 1)
    core = run_match(match, prepared)
    assert torch.allclose(images, ((core.images + 1) / 2).movedim(1, -1), atol=1e-6)


@EVERY_MATCH
def test_what_is_outside_the_mask_is_bit_for_bit_the_picture(
    comfyui_pack: ModuleType, terminal: TerminalHost, match: Match
) -> None:
    # Values near 0, which conversion to the core and back rounds.
    with torch.inference_mode():
        given = torch.rand(1, *SIZE, 3, generator=torch.Generator().manual_seed(5)) ** 4
    images = matched(comfyui_pack, match, images=given, mask=left_half())[0]
    outside = left_half() == 0
    assert torch.equal(images[outside], given[outside])
    assert not torch.equal(images, given)


@EVERY_MATCH
def test_references_count_beside_the_reference(comfyui_pack: ModuleType, terminal: TerminalHost, match: Match) -> None:
    with torch.inference_mode():
        chain = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_Reference"]().execute(image=reference(), weight=1.0)[0]
    alone = matched(comfyui_pack, match)[0]
    assert torch.equal(matched(comfyui_pack, match, reference=None, references=chain)[0], alone)
    both = matched(comfyui_pack, match, reference=reference(3), references=chain)[0]
    assert not torch.equal(both, alone)


@EVERY_MATCH
def test_without_a_reference_it_says_what_to_connect(
    comfyui_pack: ModuleType, terminal: TerminalHost, match: Match
) -> None:
    with pytest.raises(GPDMError, match="there is no reference; connect a picture to reference"):
        matched(comfyui_pack, match, reference=None)


@EVERY_MATCH
def test_transparency_stays(comfyui_pack: ModuleType, terminal: TerminalHost, match: Match) -> None:
    given = image(4).clone()
    given[..., 3], given[:, 24:30, 20:30, 3] = 1, 0
    images = matched(comfyui_pack, match, images=given)[0]
    assert torch.equal(images[..., 3], given[..., 3])


@EVERY_MATCH
def test_pictures_that_differ_in_channels_are_reported(
    comfyui_pack: ModuleType, terminal: TerminalHost, caplog: pytest.LogCaptureFixture, match: Match
) -> None:
    assert matched(comfyui_pack, match, images=image(1))[0].shape[-1] == 3
    assert "image is grey, reference is RGB; the outputs are RGB" in caplog.text


@EVERY_MATCH
def test_progress_previews_and_cancel(comfyui_pack: ModuleType, match: Match) -> None:
    host = RecordingHost()
    before = comfyui_pack.nodes.host.use(host)
    try:
        matched(comfyui_pack, match)
        steps, totals = zip(*host.steps, strict=True)
        assert list(steps) == sorted(steps) and steps[-1] == totals[0] and len(set(totals)) == 1
        assert host.checks >= len(steps) > 3
        assert host.rooms[0] > 3 * 4 * SIZE[0] * SIZE[1]
        assert host.previews and host.previews[0].mode == "RGB"
        comfyui_pack.nodes.host.use(cancelling := RecordingHost(cancel_at=3))
        with pytest.raises(InterruptedError):
            matched(comfyui_pack, match)
        assert cancelling.checks == 3, "cancelled within one step"
    finally:
        comfyui_pack.nodes.host.use(before)


@EVERY_MATCH
def test_results_go_where_the_host_wants_them(comfyui_pack: ModuleType, match: Match) -> None:
    before = comfyui_pack.nodes.host.use(HalfHost(torch.device("cpu")))
    try:
        images = matched(comfyui_pack, match, images=image().half())[0]
    finally:
        comfyui_pack.nodes.host.use(before)
    assert images.dtype == torch.float16


@EVERY_MATCH
def test_the_help_page_shows_what_fails(match: Match) -> None:
    folder = Path(__file__).resolve().parents[2] / "web" / "docs"
    page = (folder / f"{match.node_id}.md").read_text(encoding="utf-8")
    assert "## When it fails" in page and f"(fails/{match.name}.jpg)" in page
    shown = folder / "fails" / f"{match.name}.jpg"
    assert shown.stat().st_size <= 40_000
    with Image.open(shown) as opened:
        assert max(opened.size) <= 560
