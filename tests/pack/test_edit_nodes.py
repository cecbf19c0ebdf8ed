"""The nodes of edits: what a graph gives them, and what they give back."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import EDITS, Edit, GPDMError, Reference, describe, run_edit, source_map, to_pil
from gpdm.cli.host import TerminalHost
from library.problems import picture
from pack.hosts import HalfHost, RecordingHost

EVERY_EDIT = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
MASKED = pytest.mark.parametrize(
    "edit", [edit for edit in EDITS.values() if edit.mask_help is not None], ids=lambda edit: edit.name
)
NEEDS_MASK = pytest.mark.parametrize(
    "edit", [edit for edit in EDITS.values() if edit.needs_mask], ids=lambda edit: edit.name
)
WITH_REFERENCES = pytest.mark.parametrize(
    "edit", [edit for edit in EDITS.values() if edit.takes_references], ids=lambda edit: edit.name
)
COPYING = pytest.mark.parametrize(
    "edit",
    [edit for edit in EDITS.values() if edit.takes_references and edit.keeps_rest],
    ids=lambda edit: edit.name,
)
"""Edits whose new pixels are those of the references."""
SIZE = (40, 44)
HOLE = (slice(16, 23), slice(18, 26))
SMALL = {"left": 6, "right": 6}
"""Values of options that a small picture needs, where an edit has them."""


def image(channels: int = 3, seed: int = 0, batch: int = 1) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are."""
    with torch.inference_mode():
        tensor = torch.cat([picture(*SIZE, channels, seed + i) for i in range(batch)])
        return ((tensor + 1) / 2).movedim(1, -1).contiguous()


def hole(batch: int = 1, down: int = 0) -> Tensor:
    """A MASK with a small rectangle."""
    with torch.inference_mode():
        mask = torch.zeros(batch, *SIZE)
        mask[:, HOLE[0].start + down : HOLE[0].stop + down, HOLE[1]] = 1
        return mask


def left_half() -> Tensor:
    with torch.inference_mode():
        mask = torch.zeros(1, *SIZE)
        mask[..., : SIZE[1] // 2] = 1
        return mask


def edited(pack: ModuleType, edit: Edit, **given: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, mask and sources of all_outputs."""
    return all_outputs(pack, edit, **given)[:3]


def all_outputs(pack: ModuleType, edit: Edit, **given: Any) -> tuple[Any, ...]:
    """The outputs of the node of an edit with its defaults, for a small picture and mask unless others are given."""
    node_class = pack.NODE_CLASS_MAPPINGS[edit.node_id]
    inputs = {name: spec for table in node_class.INPUT_TYPES().values() for name, spec in table.items()}
    values = {name: spec[1]["default"] for name, spec in inputs.items() if "default" in spec[1]}
    values |= {name: value for name, value in SMALL.items() if name in values}
    if "intent" in values and not {"references", "exclude"}.isdisjoint(given):
        values["intent"] = "continue"  # patches, of which these inputs are about
    pictures = {"image": image()} if edit.mask_help is None else {"image": image(), "mask": hole()}
    with torch.inference_mode():
        return node_class().execute(**(values | pictures | given))


def reference(pack: ModuleType, picture: Tensor, **more: Any) -> tuple[Reference, ...]:
    with torch.inference_mode():
        return pack.NODE_CLASS_MAPPINGS["GPDM_Reference"]().execute(**({"image": picture, "weight": 1.0} | more))[0]


def coloured(*colours: tuple[float, float, float]) -> Tensor:
    """An IMAGE of vertical strips in these colours, with a little grain of the colour's brightness."""
    with torch.inference_mode():
        strips = torch.tensor(colours).repeat_interleave(SIZE[1] // len(colours), 0)
        grain = 0.8 + 0.2 * torch.rand(*SIZE, 1, generator=torch.Generator().manual_seed(0))
        return (strips * grain)[None]


RED, BLUE, GREEN = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)

LATER = ("variety",)
"""Options whose widgets come last, because files had been saved without them."""


@EVERY_EDIT
def test_inputs_follow_from_the_record(comfyui_pack: ModuleType, edit: Edit) -> None:
    inputs = comfyui_pack.NODE_CLASS_MAPPINGS[edit.node_id].INPUT_TYPES()
    masks = [] if edit.mask_help is None else ["mask"]
    needed, optional = (masks, []) if edit.needs_mask else ([], masks)
    names = [spec.name for spec in describe(edit.options)]
    later = [name for name in names if name in LATER]
    assert list(inputs["required"]) == ["image", *needed, "seed", *(name for name in names if name not in later)]
    sockets = ["references", "exclude"] if edit.takes_references else []
    originals = [] if edit.original_help is None else ["original"]
    assert list(inputs["optional"]) == ["num_outputs", *optional, *sockets, *originals, *later]
    for spec in describe(edit.options):
        _, shown = inputs["optional" if spec.name in later else "required"][spec.name]
        assert (shown["tooltip"], shown["default"]) == (spec.help, spec.default)


@EVERY_EDIT
def test_runs_under_inference_mode_with_defaults(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    given = image(), hole()
    before = [tensor.clone() for tensor in given]
    masks = {} if edit.mask_help is None else {"mask": given[1]}
    images, mask, sources = edited(comfyui_pack, edit, image=given[0], **masks)
    assert all(torch.equal(*pair) for pair in zip(given, before, strict=True)), "an input was changed in place"
    assert images.shape[::3] == (1, 3) and images.shape == sources.shape and mask.shape == images.shape[:3]
    for tensor in (images, mask, sources):
        assert tensor.dtype == torch.float32 and tensor.is_contiguous() and not tensor.is_inference()
        assert tensor.min() >= 0 and tensor.max() <= 1
    assert set(mask.unique().tolist()) <= {0.0, 1.0} and mask.any()


@EVERY_EDIT
def test_what_is_outside_the_mask_is_bit_for_bit_the_picture(
    comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit
) -> None:
    # Values near 0, which conversion to the core and back rounds.
    with torch.inference_mode():
        given = torch.rand(1, *SIZE, 3, generator=torch.Generator().manual_seed(5)) ** 4
        if edit.mask_help is None:  # the values of 16 bits are exact in a result of another size too
            given = (given * 65535).round() / 65535
    images, mask, _ = edited(comfyui_pack, edit, image=given)
    if not edit.keeps_rest:
        assert mask.all()
    elif images.shape == given.shape:
        assert torch.equal(images[mask == 0], given[mask == 0])
        assert not torch.equal(images, given)
    elif edit.keeps_rest:
        assert torch.equal(images[mask == 0].view(given.shape), given)


@EVERY_EDIT
def test_the_result_is_that_of_the_core(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    images, mask, sources = edited(comfyui_pack, edit, seed=7)
    masks = () if edit.mask_help is None else (hole()[:, None],)
    small = {name: value for name, value in SMALL.items() if name in {spec.name for spec in describe(edit.options)}}
    core = run_edit(edit, image().movedim(-1, 1) * 2 - 1, *masks, seed=7, **small)
    shown = source_map(core.sources[0], [SIZE], core.images)
    assert torch.allclose(images, ((core.images + 1) / 2).movedim(1, -1), atol=1e-6)
    assert torch.equal(mask, core.masks[:, 0])
    assert torch.allclose(sources, ((shown + 1) / 2).movedim(1, -1), atol=1e-6)


@EVERY_EDIT
def test_several_results_of_one_picture_have_consecutive_seeds(
    comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit
) -> None:
    images, mask, sources = edited(comfyui_pack, edit, seed=3, num_outputs=2)
    singles = [edited(comfyui_pack, edit, seed=seed) for seed in (3, 4)]
    for output, pair in zip((images, mask, sources), zip(*singles, strict=True), strict=True):
        assert torch.equal(output, torch.cat(pair))


@EVERY_EDIT
@pytest.mark.parametrize("number", [1, 2])
def test_a_batch_gives_one_result_of_each(
    comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit, number: int
) -> None:
    """With one mask for all, or one for each."""
    masks = [hole(), hole(down=6)][:number]
    given = {} if edit.mask_help is None else {"mask": torch.cat(masks)}
    images, mask, _ = edited(comfyui_pack, edit, image=image(batch=2), **given)
    own = {} if edit.mask_help is None else {"mask": masks[-1]}
    second = edited(comfyui_pack, edit, image=image(seed=1), seed=1, **own)
    assert len(images) == len(mask) == 2
    assert torch.equal(images[1:], second[0]) and torch.equal(mask[1:], second[1])


@EVERY_EDIT
@pytest.mark.parametrize(("number", "fits"), [(2, True), (3, False)])
def test_the_number_of_results_fits_a_batch(
    comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit, number: int, fits: bool
) -> None:
    given = {"image": image(batch=2), "num_outputs": number}
    if fits:
        assert len(edited(comfyui_pack, edit, **given)[0]) == 2
    else:
        with pytest.raises(GPDMError, match=r"num_outputs = 3.*set it to 1"):
            edited(comfyui_pack, edit, **given)


@pytest.mark.parametrize("number", [1, 2])
def test_maps_of_one_material_change_together(comfyui_pack: ModuleType, terminal: TerminalHost, number: int) -> None:
    given = torch.cat([image(), image(seed=1)])
    images, mask, sources = edited(comfyui_pack, EDITS["make_tileable"], image=given, batch="maps", num_outputs=number)
    assert len(images) == len(mask) == len(sources) == 2 * number
    for i in range(0, 2 * number, 2):
        assert torch.equal(mask[i], mask[i + 1])
        moved = sources[i : i + 2][mask[i : i + 2] > 0].view(2, -1, 3)
        assert torch.equal(moved[0], moved[1])
    kept = (mask == 0).view(number, 2, *SIZE)
    assert torch.equal(images.view(number, *given.shape)[kept], given.expand(number, -1, -1, -1, -1)[kept])


@NEEDS_MASK
def test_an_empty_mask_says_what_to_do(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    """Load Image gives a mask of 64 x 64 zeros for a picture without transparency."""
    with pytest.raises(GPDMError, match=r"the mask is empty; paint .* connect"):
        edited(comfyui_pack, edit, mask=torch.zeros(1, 64, 64))


@MASKED
def test_masks_that_do_not_fit_the_batch_are_refused(
    comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit
) -> None:
    with pytest.raises(GPDMError, match=r"3 masks for 2 picture\(s\); give one, or one for each"):
        edited(comfyui_pack, edit, image=image(batch=2), mask=hole(batch=3))


@MASKED
def test_what_is_no_mask_is_refused(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    with pytest.raises(GPDMError, match="mask must be a MASK"):
        edited(comfyui_pack, edit, mask=image())


@EVERY_EDIT
@pytest.mark.parametrize("wrong", [(image() * 255).to(torch.uint8), torch.rand(1, 24, 24, 5), torch.rand(24, 24, 3)])
def test_what_is_no_image_is_refused(
    comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit, wrong: Tensor
) -> None:
    with pytest.raises(GPDMError, match="image"):
        edited(comfyui_pack, edit, image=wrong)


@COPYING
def test_references_replace_the_patches_of_the_picture(
    comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit
) -> None:
    chain = reference(comfyui_pack, coloured(GREEN))
    images, mask, _ = edited(comfyui_pack, edit, image=coloured(RED, BLUE), references=chain)
    new = images[mask > 0]
    assert new[:, 1].min() > 0.7 and new[:, [0, 2]].max() < 1e-6


@COPYING
def test_excluded_patches_are_not_used(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    images, mask, _ = edited(comfyui_pack, edit, image=coloured(RED, BLUE), exclude=left_half())
    new = images[mask > 0]
    assert new[:, 2].min() > 0.7 and new[:, :2].max() < 1e-6


@WITH_REFERENCES
def test_an_empty_exclude_changes_nothing(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    plain = edited(comfyui_pack, edit, exclude=None)
    empty = edited(comfyui_pack, edit, exclude=torch.zeros(1, 64, 64))
    assert torch.equal(plain[0], empty[0])


@WITH_REFERENCES
def test_exclude_is_refused_beside_references(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    with pytest.raises(GPDMError, match=r"references and exclude are both connected.*disconnect one"):
        edited(comfyui_pack, edit, exclude=left_half(), references=reference(comfyui_pack, image(seed=9)))


@WITH_REFERENCES
def test_a_region_is_refused(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    chain = reference(comfyui_pack, image(seed=9), region=left_half())
    with pytest.raises(GPDMError, match="reference has a region"):
        edited(comfyui_pack, edit, references=chain)


@WITH_REFERENCES
def test_a_grey_reference_is_used_as_rgb(
    comfyui_pack: ModuleType, terminal: TerminalHost, caplog: pytest.LogCaptureFixture, edit: Edit
) -> None:
    grey = image(1, seed=2)
    images, _, _ = edited(comfyui_pack, edit, references=reference(comfyui_pack, grey))
    assert "image is RGB, reference is grey; all are used as RGB" in caplog.text
    expected = edited(comfyui_pack, edit, references=reference(comfyui_pack, grey.expand(-1, -1, -1, 3)))
    assert torch.equal(images, expected[0])


@COPYING
def test_transparent_pixels_of_a_reference_are_not_used(
    comfyui_pack: ModuleType, terminal: TerminalHost, caplog: pytest.LogCaptureFixture, edit: Edit
) -> None:
    red_hidden = torch.cat([coloured(RED, BLUE), 1 - left_half()[..., None]], -1)
    images, mask, _ = edited(comfyui_pack, edit, image=coloured(BLUE), references=reference(comfyui_pack, red_hidden))
    assert "image is RGB, reference is RGBA; all are used as RGB" in caplog.text
    new = images[mask > 0]
    assert new[:, 2].min() > 0.6 and new[:, :2].max() < 0.02


@EVERY_EDIT
def test_transparency_stays_outside_the_mask(comfyui_pack: ModuleType, terminal: TerminalHost, edit: Edit) -> None:
    given = image(4).clone()
    given[..., 3], given[:, 24:30, 20:30, 3] = 1, 0
    images, mask, _ = edited(comfyui_pack, edit, image=given)
    assert images.shape[-1] == 4
    if images.shape == given.shape:
        assert torch.equal(images[mask == 0], given[mask == 0])


@EVERY_EDIT
def test_progress_previews_and_cancel(comfyui_pack: ModuleType, edit: Edit) -> None:
    host = RecordingHost()
    before = comfyui_pack.nodes.host.use(host)
    try:
        edited(comfyui_pack, edit, num_outputs=2)
        steps, totals = zip(*host.steps, strict=True)
        assert list(steps) == sorted(steps) and steps[-1] == totals[0] and len(set(totals)) == 1
        assert host.checks >= len(steps) > 3
        assert host.rooms[0] > 3 * 4 * SIZE[0] * SIZE[1]
        assert host.previews and host.previews[0].mode == "RGB"
        comfyui_pack.nodes.host.use(cancelling := RecordingHost(cancel_at=3))
        with pytest.raises(InterruptedError):
            edited(comfyui_pack, edit)
        assert cancelling.checks == 3, "cancelled within one step"
    finally:
        comfyui_pack.nodes.host.use(before)


@EVERY_EDIT
def test_the_last_preview_is_the_result(comfyui_pack: ModuleType, edit: Edit) -> None:
    host = RecordingHost()
    before = comfyui_pack.nodes.host.use(host)
    try:
        result = edited(comfyui_pack, edit)[0]
    finally:
        comfyui_pack.nodes.host.use(before)
    shown = to_pil(result.movedim(-1, 1) * 2 - 1)
    shown = shown.resize(host.previews[-1].size, Image.Resampling.NEAREST)
    assert np.abs(np.asarray(shown, float) - np.asarray(host.previews[-1], float)).max() <= 1


@EVERY_EDIT
def test_results_go_where_the_host_wants_them(comfyui_pack: ModuleType, edit: Edit) -> None:
    before = comfyui_pack.nodes.host.use(HalfHost(torch.device("cpu")))
    try:
        results = edited(comfyui_pack, edit, image=image().half())
    finally:
        comfyui_pack.nodes.host.use(before)
    assert [result.dtype for result in results] == [torch.float16] * 3


def test_a_paste_is_found_from_the_original(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    with torch.inference_mode():
        original, empty = image(), torch.zeros(1, 64, 64)  # the mask that Load Image gives for an opaque picture
        pasted = torch.where(hole()[..., None] > 0, 1 - original.round(), original)
    results = edited(comfyui_pack, EDITS["harmonise"], image=pasted, mask=empty, original=original, edge=0)
    assert torch.equal(results[1], hole())
    expected = edited(comfyui_pack, EDITS["harmonise"], image=pasted, mask=hole(), edge=0)
    assert torch.equal(results[0], expected[0])
    with pytest.raises(GPDMError, match="mask and original both say"):
        edited(comfyui_pack, EDITS["harmonise"], image=pasted, mask=hole(), original=original)


@EVERY_EDIT
def test_the_help_page_shows_what_fails(edit: Edit) -> None:
    folder = Path(__file__).resolve().parents[2] / "web" / "docs"
    page = (folder / f"{edit.node_id}.md").read_text(encoding="utf-8")
    assert "## When it fails" in page and f"(fails/{edit.name}.jpg)" in page
    assert ("num_outputs to 4" in page) == (edit.name != "enlarge")  # whose seeds make no difference
    picture = folder / "fails" / f"{edit.name}.jpg"
    assert picture.stat().st_size <= 40_000
    with Image.open(picture) as shown:
        assert max(shown.size) <= 560


def test_the_preview_repeats_the_picture_and_figures_measure_its_seams(
    comfyui_pack: ModuleType, terminal: TerminalHost
) -> None:
    images, _, _, preview, metrics = all_outputs(comfyui_pack, EDITS["make_tileable"])
    assert torch.equal(preview, images.repeat(1, 2, 2, 1))
    lines = dict(line.split(": ") for line in metrics.splitlines())
    assert list(lines) == [f"seam gradient {axis} {when}" for axis in "xy" for when in ("before", "after")]
    node_class = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_MakeTileable"]
    assert node_class.RETURN_NAMES[3:] == ("preview", "metrics") and node_class.RETURN_TYPES[3:] == ("IMAGE", "STRING")


@pytest.mark.parametrize("mask", [None, torch.zeros(1, 64, 64), torch.ones(1, 64, 64)])
def test_a_mask_that_is_empty_or_full_makes_all_parts_alike(
    comfyui_pack: ModuleType, terminal: TerminalHost, mask: Tensor | None
) -> None:
    edit = EDITS["summarise"]
    images = edited(comfyui_pack, edit, mask=mask)[0]
    assert images.shape == (1, SIZE[0], SIZE[1] // 2, 3)
    assert torch.allclose(images, edited(comfyui_pack, edit, mask=None)[0], atol=1e-6)
