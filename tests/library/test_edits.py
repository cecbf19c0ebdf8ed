"""Edits: what they leave alone, where their pixels come from, and known answers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gpdm import (
    EDITS,
    GPDMError,
    ImageError,
    OptionError,
    Reference,
    boost,
    harmonise,
    inpaint,
    make_tileable,
    outpaint,
    remove,
    run_edit,
)
from gpdm.edits.blend import blended
from gpdm.edits.masks import depths, grown, thickness
from gpdm.edits.piece import _joined, _parted
from gpdm.images import smooth_fill
from gpdm.patches.store import PatchStore
from library.problems import picture


def waves(height: int = 48, width: int = 60, period: int = 6) -> Tensor:
    """Returns a picture (1, 3, H, W) that repeats itself after `period` pixels in both directions."""
    y, x = (torch.arange(n, dtype=torch.float32) * 2 * math.pi / period for n in (height, width))
    first, second = torch.sin(x)[None] * torch.cos(y)[:, None], torch.sin(x + 1)[None] + 0 * y[:, None]
    return torch.stack([first, 0.7 * second, -0.5 * first + 0.2])[None]


def ellipse(height: int, width: int, radius: float = 0.2) -> Tensor:
    """Returns a mask (1, 1, H, W) of an ellipse in the middle."""
    y, x = torch.linspace(-0.5, 0.5, height), torch.linspace(-0.5, 0.5, width)
    return ((y[:, None] ** 2 + x[None] ** 2) < radius**2).float()[None, None]


def arguments(name: str, image: Tensor) -> tuple[tuple[Tensor, ...], dict[str, int]]:
    """Returns the arguments of an edit's function."""
    masks = (image, ellipse(*image.shape[2:])) if EDITS[name].mask_help else (image,)
    return masks, {"left": 9, "top": 5} if name == "outpaint" else {}


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("name", [name for name, edit in EDITS.items() if edit.keeps_rest])
def test_what_the_mask_leaves_out_is_unchanged_bit_for_bit(name: str, channels: int) -> None:
    image = torch.rand(1, channels, 50, 44, generator=torch.Generator().manual_seed(0)) * 2 - 1
    given, options = arguments(name, image)
    result = run_edit(EDITS[name], *given, **options)
    top, left = options.get("top", 0), options.get("left", 0)
    inside = (slice(top, top + 50), slice(left, left + 44))
    kept = (result.masks == 0)[..., inside[0], inside[1]].expand_as(image)
    assert torch.equal(result.images[..., inside[0], inside[1]][kept], image[kept])
    assert 0 < kept.float().mean() <= 1
    assert result.images.isfinite().all()


@pytest.mark.parametrize("radius", [0.05, 0.2, 0.35])
def test_a_hole_in_a_periodic_picture_is_filled_with_what_was_there(radius: float) -> None:
    image = waves()
    result = inpaint(image, ellipse(48, 60, radius), grow=0)
    hole = result.masks > 0
    assert hole.any()
    assert (result.images - image).abs().max() < 0.08


def test_outpainting_continues_a_periodic_picture() -> None:
    result = outpaint(waves(48, 60)[..., 6:-6], left=6, right=6)
    assert (result.images - waves(48, 60)).abs().max() < 0.1


def test_a_periodic_picture_tiles_after_the_edit() -> None:
    image = waves(50, 64)  # 64 and 50 are no multiples of 6
    result = make_tileable(image, band=20).images
    across = (result[..., 0] - result[..., -1]).abs().mean()
    before = (image[..., 0] - image[..., -1]).abs().mean()
    inside = (image[..., 1:] - image[..., :-1]).abs().mean()
    assert across < 1.25 * inside
    assert before > 1.5 * inside or across < before


@pytest.mark.parametrize("axes", ["both", "half drop", "brick"])
def test_a_lattice_that_does_not_fit_tiles_after_the_edit(axes: str) -> None:
    """The seams of all kinds of tiles are covered with pieces of the picture, which tiles with a period of 6 pixels."""
    image = waves(50, 64)
    result = make_tileable(image, axes=axes, band=20)
    assert all(value < 1.3 for name, value in result.metrics[0].items() if name.endswith("after"))
    assert max(value for name, value in result.metrics[0].items() if name.endswith("before")) > 1.3


@pytest.mark.parametrize("axes", ["half drop", "brick"])
def test_a_moved_piece_says_where_its_pixels_come_from(axes: str) -> None:
    image = picture(48, 60)
    result = make_tileable(image, axes=axes, band=16)
    _, rows, columns = result.sources[0]
    copied = (rows >= 0) & (result.masks[0, 0] > 0)
    assert copied.any()
    # Blending changes what is copied by a smooth difference, so that gradients stay.
    difference = (result.images[0] - image[0][:, rows.clamp(min=0), columns.clamp(min=0)])[:, copied]
    unrelated = (result.images[0] - image[0].roll((11, 13), (1, 2)))[:, copied]
    assert difference.abs().mean() < 0.6 * unrelated.abs().mean()


def test_a_picture_whose_halves_are_moved_is_mapped_to_itself_and_back() -> None:
    image = picture(20, 31)
    assert torch.equal(_parted(_joined(image, 15, 10), 15, 10), image)
    assert torch.equal(_joined(image, 15, 0), image.roll(15, 3))


@pytest.mark.parametrize(
    ("axes", "rows", "columns"),
    [("x", 0, 16), ("y", 16, 0), ("both", 16, 16), ("half drop", 16, 16), ("brick", 16, 16)],
)
def test_only_a_band_changes_when_a_picture_is_made_tileable(axes: str, rows: int, columns: int) -> None:
    image = picture(60, 70)
    mask = make_tileable(image, axes=axes, band=16).masks[0, 0]
    expected = torch.zeros(image.shape[2:])
    if rows:
        expected[:8], expected[-8:] = 1, 1
    if columns:
        expected[:, :8], expected[:, -8:] = 1, 1
    assert torch.equal(mask, expected)


def test_a_populated_band_has_more_of_sparse_things() -> None:
    """Bright points on a dark picture: continuing the dark is what costs least."""
    bright = {"continue": 0.0, "populate": 0.0}
    for seed in (1, 2, 3):
        noise = torch.rand(1, 1, 72, 72, generator=torch.Generator().manual_seed(seed))
        image = -0.9 + 1.6 * (noise > 0.97).float()
        for intent in bright:
            result = make_tileable(image, band=32, intent=intent).images
            bright[intent] += float((result > 0)[..., 20:52, :8].float().mean())
    assert bright["populate"] > 2 * bright["continue"] + 0.002


def test_no_row_or_column_has_a_seam_after_both_axes_are_made_tileable() -> None:
    """A bright half meets a dark one at both borders; the band spreads the step along its entire length."""
    image = torch.rand(1, 1, 64, 72, generator=torch.Generator().manual_seed(0)) * 0.1
    image += torch.linspace(-0.3, 0.3, 72) + torch.linspace(-0.2, 0.2, 64)[:, None]
    result = make_tileable(image, band=24).images
    for axis in (2, 3):
        steps = (result - result.roll(1, axis)).abs()
        before = (image - image.roll(1, axis)).abs()
        assert before.max() > 0.4 > steps.max()


def test_sources_are_where_the_pixels_come_from() -> None:
    image = waves()
    result = inpaint(image, ellipse(48, 60), grow=0)
    hole = result.masks[0, 0] > 0
    number, row, column = result.sources[0][:, hole]
    assert torch.equal(number, torch.zeros_like(number))
    assert (image[0][:, row, column] - result.images[0][:, hole]).abs().max() < 0.02  # blending changes little here
    assert not hole[row, column].any()
    assert torch.equal(result.sources[0, 0] < 0, ~hole)


def test_excluded_parts_are_not_copied() -> None:
    image = torch.rand(1, 3, 50, 60, generator=torch.Generator().manual_seed(0)) * 2 - 1
    exclude = torch.zeros(50, 60)
    exclude[:, 40:] = 1
    result = remove(image, ellipse(50, 60, 0.1), exclude=exclude, context=0)
    columns = result.sources[0, 2]
    assert columns.max() < 40
    assert remove(image, ellipse(50, 60, 0.1), context=0).sources[0, 2].max() >= 40


def test_other_pictures_fill_the_hole() -> None:
    image = torch.full((1, 3, 40, 44), -0.5)
    references = [torch.rand(1, 3, 30, 20) * 0.2, torch.rand(1, 3, 20, 32) * 0.2 + 0.6]
    result = inpaint(image, ellipse(40, 44), references=references, grow=0)
    number, row, column = result.sources[0][:, result.masks[0, 0] > 0]
    assert set(number.tolist()) <= {0, 1}
    assert row.max() < 30 and column.max() < 32
    full = inpaint(image, torch.ones(40, 44), references=references)
    assert full.images.isfinite().all()


def test_masked_pixels_of_references_are_not_copied() -> None:
    weight = torch.zeros(30, 40)
    weight[:, :20] = 1
    reference = Reference(torch.rand(1, 3, 30, 40), weight)
    result = inpaint(torch.rand(1, 3, 30, 40), ellipse(30, 40), references=reference, grow=0)
    assert result.sources[0, 2].max() < 20


def test_a_seed_gives_one_filling_and_others_give_others() -> None:
    image, mask = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0)), ellipse(48, 48)
    several = inpaint(image, mask, seed=3, num_outputs=2).images
    assert torch.equal(several[1:], inpaint(image, mask, seed=4).images)
    assert not torch.equal(several[0], several[1])
    assert torch.equal(several[:1], inpaint(image, mask, seed=3 + 2**64).images)


def test_pictures_of_a_batch_are_edited_one_by_one() -> None:
    images = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    masks = torch.cat([ellipse(40, 40), ellipse(40, 40, 0.1)])
    both = inpaint(images, masks)
    second = inpaint(images[1:], masks[1:], seed=1)
    assert torch.equal(both.images[1:], second.images) and torch.equal(both.masks[1:], second.masks)


def test_maps_of_one_material_change_in_the_same_places() -> None:
    colour = 0.6 * torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(0))
    maps = torch.cat([colour, -colour, 0.5 * colour])
    result = make_tileable(maps, batch="maps").images
    assert result.shape == maps.shape
    assert torch.allclose(result[1], -result[0], atol=1e-3) and torch.allclose(result[2], 0.5 * result[0], atol=1e-3)


def test_a_start_inside_the_mask_decides() -> None:
    """Half of the picture is dark and half is bright; what is painted into the hole chooses."""
    image = torch.rand(1, 1, 60, 60, generator=torch.Generator().manual_seed(0)) * 0.2
    image[..., 30:] += 0.7
    mask = torch.zeros(60, 60)
    mask[20:40, 20:40] = 1
    for value in (0.1, 0.8):
        painted = torch.where(mask > 0, torch.full_like(image, value), image)
        result = inpaint(painted, mask, start="picture", grow=0).images
        assert abs(float(result[..., 25:35, 25:35].mean()) - value) < 0.2


@pytest.mark.parametrize("threads", [1, 3])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    image, before = torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(0)), torch.get_num_threads()
    expected = inpaint(image, ellipse(60, 60)).images
    torch.set_num_threads(threads)
    try:
        assert torch.equal(inpaint(image, ellipse(60, 60)).images, expected)
    finally:
        torch.set_num_threads(before)


def test_populate_gives_a_picture_and_leaves_the_rest() -> None:
    image = waves(80, 90)
    mask = ellipse(80, 90, 0.3)
    result = inpaint(image, mask, intent="populate", grow=0)
    kept = (result.masks == 0).expand_as(image)
    assert torch.equal(result.images[kept], image[kept])
    assert result.images.isfinite().all()


def border_mask() -> Tensor:
    mask = torch.zeros(40, 40)
    mask[10:25, 25:] = 1
    return mask


def pixels_mask() -> Tensor:
    mask = torch.zeros(40, 40)
    mask[5, 5] = mask[20, 33] = 1
    return mask


MASKS = {
    "touching the border": border_mask(),
    "single pixels": pixels_mask(),
    "of another size": ellipse(10, 13)[0],
    "larger": ellipse(200, 200),
    "soft": ellipse(40, 40) * 0.8,
    "all but a frame": torch.nn.functional.pad(torch.ones(20, 20), [10] * 4),
}


@pytest.mark.parametrize("grow", [0, -1])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_masks_of_any_kind_give_a_picture(mask: Tensor, grow: int) -> None:
    image = waves(40, 40)
    result = inpaint(image, mask, grow=grow)
    assert result.images.shape == image.shape
    assert result.images.isfinite().all() and result.masks.sum() > 0


@pytest.mark.parametrize("size", [(5, 5), (7, 30), (12, 9), (30, 64)])
def test_small_pictures_are_filled(size: tuple[int, int]) -> None:
    image, mask = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)), torch.zeros(size)
    mask[0, 0] = 1
    assert inpaint(image, mask, grow=0).images.isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (2, 30), (3, 3)])
def test_pictures_without_a_patch_are_refused(size: tuple[int, int]) -> None:
    mask = torch.zeros(size)
    mask[0, 0] = 1
    with pytest.raises(GPDMError, match=r"3x3|covers the entire"):
        inpaint(torch.rand(1, 3, *size), mask, grow=0)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(64, 64), "the mask is empty"),
        (torch.ones(9, 9), "covers the entire picture"),
        (None, "needs a mask"),
    ],
)
def test_masks_without_an_answer_are_refused(mask: Tensor | None, message: str) -> None:
    given = () if mask is None else (mask,)
    with pytest.raises(ImageError, match=message):
        inpaint(waves(), *given)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda image: outpaint(image), OptionError, "left"),
        (lambda image: make_tileable(image, band=60), ImageError, "too small"),
        (
            lambda image: make_tileable(image[..., 1:, :], axes="half drop"),
            ImageError,
            "half the height, which must be",
        ),
        (lambda image: make_tileable(image[..., 1:], axes="brick"), ImageError, "half the width, which must be even"),
        (lambda image: make_tileable(image, axes="brick", intent="continue"), OptionError, "set intent to piece"),
        (lambda image: inpaint(image, torch.full((4, 4), 2.0)), ImageError, "values from 0 to 1"),
        (lambda image: inpaint(image, torch.ones(3, 1, 4, 4)), ImageError, "3 masks for 1"),
        (lambda image: inpaint(image, ellipse(8, 8), references=image[:, :1]), ImageError, "channel"),
        (lambda image: inpaint(image, ellipse(8, 8), intent="guess"), OptionError, "intent"),
        (lambda image: inpaint(image.expand(2, -1, -1, -1), ellipse(8, 8), num_outputs=3), OptionError, "num_outputs"),
        (lambda image: inpaint(image, ellipse(8, 8), num_outputs=0), OptionError, "num_outputs"),
    ],
)
def test_bad_input_is_named(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(waves())  # type: ignore[operator]


def test_steps_are_reported_up_to_the_end_and_can_be_stopped() -> None:
    seen: list[float] = []
    image, mask = waves(), ellipse(48, 60)
    inpaint(image, mask, num_outputs=2, on_step=lambda done, image: seen.append(done))
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1) and seen[0] > 0

    def stop(done: float, image: Tensor) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inpaint(image, mask, on_step=stop)


def test_a_mask_grows_by_pixels_in_all_directions() -> None:
    mask = torch.zeros(1, 1, 9, 12, dtype=torch.bool)
    mask[0, 0, 4, 1] = True
    expected = torch.zeros(1, 1, 9, 12, dtype=torch.bool)
    expected[0, 0, 2:7, :4] = True
    assert torch.equal(grown(mask, 2), expected)


def test_depth_is_the_distance_to_the_nearest_pixel_outside() -> None:
    hole = torch.zeros(1, 1, 7, 9, dtype=torch.bool)
    hole[0, 0, 1:6, 4:] = True  # it touches the right border, beyond which nothing is known
    assert depths(hole)[0, 0, 3].tolist() == [0, 0, 0, 0, 1, 2, 3, 3, 3]
    assert thickness(hole) == 6 and thickness(hole & False) == 0


def test_unknown_pixels_of_a_plain_picture_are_filled_with_its_colour() -> None:
    known = (ellipse(30, 41, 0.3) == 0).float()
    image = torch.full((1, 3, 30, 41), 0.4) * known
    assert torch.allclose(smooth_fill(image, known), torch.tensor(0.4), atol=1e-5)


def test_blending_evens_out_a_step_between_pieces_of_a_plain_picture() -> None:
    """The left half of a hole is copied from dark pixels, the right half from bright ones."""
    image = torch.zeros(1, 1, 20, 40)
    image[..., 20:] = 0.3
    index = torch.full((20, 40), -1)
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(40), indexing="ij")
    hole = (rows >= 5) & (rows < 15) & (columns >= 10) & (columns < 30)
    index[hole] = torch.where(columns < 20, rows * 40 + 2, rows * 40 + 37)[hole]
    store = PatchStore([image], 3)
    known = torch.ones(800, dtype=torch.bool)
    result = blended(image, store, known, index)
    step = (result[..., 20] - result[..., 19])[0, 0, 9:11]
    assert (step.abs() < 0.12).all() and torch.equal(result[0, 0][~hole], image[0, 0][~hole])
    assert torch.equal(blended(image, store, known, index, largest_step=0.2), image)  # it may be a real edge


def test_boosting_makes_what_is_covered_more_frequent() -> None:
    """A bright square on a dark picture: with a higher weight more of the output is bright."""
    image = torch.rand(1, 1, 40, 40, generator=torch.Generator().manual_seed(0)) * 0.4 - 0.8
    image[..., 14:26, 14:26] += 1.4
    mask = torch.zeros(40, 40)
    mask[14:26, 14:26] = 1
    bright = [float((boost(image, mask, times=times).images > 0).float().mean()) for times in (0.2, 1.0, 4.0)]
    assert bright[0] < 0.8 * bright[1] < bright[1] < bright[2] / 1.5
    with pytest.raises(ImageError, match="the mask is empty"):
        boost(image, 0 * mask)


def test_a_paste_of_another_brightness_takes_on_that_of_its_surroundings() -> None:
    image = torch.rand(1, 3, 60, 60, generator=torch.Generator().manual_seed(0)) * 0.1
    mask = ellipse(60, 60)
    brighter = image + 0.2 * mask
    result = harmonise(brighter, mask, edge=0).images
    inside = (mask > 0).expand_as(image)
    assert (brighter - image)[inside].mean() == pytest.approx(0.2, abs=1e-4)
    assert (result - image)[inside].mean().abs() < 0.03
    assert torch.equal(harmonise(brighter, mask, edge=0, colour=0.0).images, brighter)


def test_an_object_of_a_very_different_colour_keeps_it() -> None:
    image = torch.zeros(1, 3, 60, 60)
    mask = ellipse(60, 60)
    image[:, 0] += 0.9 * mask[0]
    assert torch.equal(harmonise(image, mask, edge=0).images, image)


@pytest.mark.parametrize("edge", [3, 6])
def test_the_edge_of_a_paste_is_made_anew_on_both_sides(edge: int) -> None:
    image, mask = waves(60, 60), torch.zeros(60, 60)
    mask[20:40, 20:40] = 1
    result = harmonise(image, mask, edge=edge)
    expected = torch.zeros(60, 60)
    expected[20 - edge : 40 + edge, 20 - edge : 40 + edge] = 1
    assert torch.equal(result.masks[0, 0], expected)
    copied = result.sources[0, 0] >= 0
    assert not copied[20 + edge : 40 - edge, 20 + edge : 40 - edge].any() and copied[20, 20] and copied[20 - edge, 30]
