"""Channels of pictures: one form for all, alpha, and the task runs that use them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gpdm import TASKS, ImageError, Keep, Optimizer, SWDLoss, check_picture, in_one_form, prepare_pictures, run_task
from gpdm.pictures.forms import Form, filled, kinds_of
from library.problems import picture

KINDS = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGBA"}


def cut_out(channels: int = 4, size: tuple[int, int] = (30, 34), hidden: float = 1.0, seed: int = 0) -> Tensor:
    """A picture whose right half is transparent, with the colour `hidden` below it."""
    image = picture(*size, channels=channels, seed=seed)
    image[:, -1] = 1
    image[..., size[1] // 2 :] = hidden
    image[:, -1, :, size[1] // 2 :] = -1
    return image


def run(task: str, *pictures: Any, **more: Any) -> tuple[Tensor, list[str]]:
    """Returns the outputs of a quick run, and what was said."""
    recipe = TASKS[task].recipe("balanced") if "init" not in more else TASKS[task].recipe("balanced").from_image()
    recipe = replace(recipe, loss=SWDLoss(num_proj=8), optimizer=Optimizer(num_steps=10))
    prepared = prepare_pictures(TASKS[task], *pictures, **more)
    images = prepared.finish(run_task(TASKS[task], *prepared.pictures, recipe=recipe, **prepared.more)).images
    assert images.shape[1] == prepared.channels
    return images, [prepared.note] if prepared.note else []


@pytest.mark.parametrize("channels", [2, 4])
def test_an_opaque_alpha_channel_is_dropped(channels: int) -> None:
    image = picture(channels=channels)
    image[:, -1] = 1
    assert torch.equal(check_picture(image, "it"), image[:, :-1])
    image[:, -1, 3, 4] = 1 - 2 / 65535  # the next lower of 16 bits
    assert check_picture(image, "it") is image


def test_a_picture_that_is_transparent_everywhere_is_refused() -> None:
    image = picture(channels=4)
    image[:, -1] = -1
    with pytest.raises(ImageError, match=r"^style is transparent everywhere"):
        prepare_pictures(TASKS["style_transfer"], image, picture(channels=3))
    references = prepare_pictures(TASKS["reshuffle"], image, references=picture(channels=3))
    assert references.channels == 3, "the reference picture gives only the size here"
    with pytest.raises(ImageError, match="has 5 channels"):
        check_picture(picture(channels=5), "the style")


@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("channels", KINDS)
def test_two_pictures_get_the_channels_of_both(channels: int, other: int) -> None:
    said: list[str] = []
    images = [picture(channels=channels), picture(channels=other, seed=1)]
    entered = in_one_form([("a", images[0]), ("b", images[1])], said.append)
    expected = (3 if max(channels, other) > 2 else 1) + (channels in (2, 4) or other in (2, 4))
    assert [image.shape[1] for image in entered] == [expected, expected]
    assert len(said) == (channels != other)
    if said:
        assert said == [f"a is {KINDS[channels]}, b is {KINDS[other]}; all are used as {KINDS[expected]}"]


def test_kinds_are_listed_with_few_names() -> None:
    images = [(f"{i}.png", picture(channels=3)) for i in range(9)] + [("g.png", picture(channels=1))]
    assert kinds_of(images) == "0.png, 1.png and 7 more are RGB, g.png is grey"


def test_leaving_undoes_entering() -> None:
    image = picture(channels=4)
    image[:, -1] = image[:, -1].clamp(-0.5, 1)
    form = Form(colour=True, alpha=True)
    assert torch.allclose(form.leave(form.enter(image)), image, atol=1e-5)
    image[:, -1] = 1
    assert torch.equal(form.leave(form.enter(image)), image)
    grey = form.enter(picture(channels=1))
    assert torch.equal(grey, torch.cat([picture(channels=1).expand(-1, 3, -1, -1), torch.ones_like(grey[:, :1])], 1))


def test_hidden_colours_have_no_influence_on_what_enters() -> None:
    for form in (Form(True, True), Form(True, False)):
        entered = [form.enter(cut_out(hidden=hidden)) for hidden in (1.0, -0.3)]
        assert torch.equal(entered[0], entered[1])


def test_unknown_pixels_get_the_colours_of_known_ones_nearby() -> None:
    image, known = torch.zeros(1, 1, 16, 40), torch.zeros(1, 1, 16, 40)
    image[..., :4], image[..., 36:] = 0.25, -0.75
    known[..., :4] = known[..., 36:] = 1
    result = filled(torch.where(known > 0, image, 9.0), known)
    assert torch.equal(result[known > 0], image[known > 0])
    assert torch.all((result[..., 4:8] > 0) & (result[..., 32:36] < -0.5))
    assert result.min() >= -0.75 - 1e-6 and result.max() <= 0.25 + 1e-6


@pytest.mark.parametrize("task", TASKS)
def test_an_opaque_alpha_changes_no_bit(task: str) -> None:
    plain = [picture(30, 34, channels=3, seed=i) for i in range(len(TASKS[task].pictures))]
    opaque = [torch.cat([image, torch.ones_like(image[:, :1])], 1) for image in plain]
    images, said = run(task, *opaque)
    assert said == []
    assert torch.equal(images, run(task, *plain)[0])


@pytest.mark.parametrize("task", ["reshuffle", "texture", "retarget"])
def test_hidden_colours_never_show(task: str) -> None:
    results = [run(task, cut_out(hidden=hidden))[0] for hidden in (1.0, -0.3)]
    assert torch.equal(results[0], results[1])
    assert results[0].shape[1] == 4
    transparent = results[0][:, -1:] < -1 + 1 / 255
    assert bool(transparent.any()) and bool((results[0][:, :3][transparent.expand(-1, 3, -1, -1)] == -1).all())


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_references_of_all_kinds_mix(first: int, second: int) -> None:
    images, said = run("reshuffle", [picture(26, 28, channels=first), picture(24, 30, channels=second, seed=1)])
    assert images.shape[1] == (3 if max(first, second) > 2 else 1) + (first in (2, 4) or second in (2, 4))
    assert len(said) == (first != second)


def test_transparent_pixels_of_a_style_are_left_out_for_an_opaque_content() -> None:
    content, seen = picture(30, 34, channels=3, seed=2), []
    for hidden in (1.0, -0.3):
        images, said = run("style_transfer", cut_out(hidden=hidden), content)
        assert images.shape[1] == 3
        assert said == [
            "style is RGBA, content is RGB; all are used as RGB, without the transparent pixels of the reference"
        ]
        seen.append(images)
    assert torch.equal(*seen)


def test_a_cut_out_content_keeps_its_alpha() -> None:
    content = cut_out(seed=3)
    images, said = run("style_transfer", picture(30, 34, channels=1), content)
    assert torch.equal(images[:, 3:], content[:, 3:])
    assert said == [
        "style is grey, content is RGBA; all are used as grey, and the output gets the alpha channel of content"
    ]
    both = torch.cat([content, content.flip(3)])
    images, _ = run("style_transfer", picture(30, 34, channels=3), both)
    assert torch.equal(images[:, 3:], both[:, 3:])


@pytest.mark.parametrize("height", range(16, 29))
def test_a_scaled_alpha_stays_in_its_range_and_hides_its_colours(height: int) -> None:
    prepared = prepare_pictures(TASKS["style_transfer"], picture(30, 34, channels=3), cut_out(seed=3))
    recipe = TASKS["style_transfer"].recipe()
    recipe = replace(
        recipe, optimizer=Optimizer(num_steps=1, fine_steps=0), output=replace(recipe.output, height=height)
    )
    images = prepared.finish(
        run_task(TASKS["style_transfer"], *prepared.pictures, recipe=recipe, **prepared.more)
    ).images
    assert images.min() == -1 and images.max() <= 1
    assert bool((images[:, :3].amax(1) == -1)[images[:, 3] == -1].all())


def test_a_start_picture_of_another_kind() -> None:
    images, said = run("reshuffle", picture(30, 34, channels=1), init=picture(30, 34, channels=3))
    assert images.shape[1] == 3
    assert said == ["reference is grey, init is RGB; all are used as grey"]


def test_kept_pixels_of_another_kind() -> None:
    mask = torch.zeros(30, 34)
    mask[:10] = 1
    kept = picture(30, 34, channels=3, seed=4)
    images, said = run("reshuffle", picture(30, 34, channels=1), keep=Keep(kept, mask))
    assert torch.equal(images[:, :, :10], kept[:, :, :10])
    assert said == ["reference is grey, the picture with the kept pixels is RGB; all are used as RGB"]


@pytest.mark.parametrize("task", TASKS)
def test_grey_references_make_grey_outputs(task: str) -> None:
    """Grey pictures are often saved as RGB, and an IMAGE of ComfyUI always has three channels."""
    pictures = [picture(30, 34, channels=1, seed=i) for i in range(len(TASKS[task].pictures))]
    images, said = run(task, *(image.expand(-1, 3, -1, -1) for image in pictures))
    assert said == [] and images.shape[1] == 3
    assert torch.equal(images, run(task, *pictures)[0].expand(-1, 3, -1, -1))


def test_a_grey_style_makes_a_colour_content_grey() -> None:
    content = picture(30, 34, channels=3, seed=3)
    images, _ = run("style_transfer", picture(30, 34, channels=1), content)
    assert images.shape[1] == 3 and torch.equal(images[:, 0], images[:, 1]) and torch.equal(images[:, 0], images[:, 2])
    weighted = (content * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    prepared = prepare_pictures(TASKS["style_transfer"], picture(30, 34, channels=1), content)
    assert torch.allclose(prepared.pictures[1], weighted, atol=1e-6)


@pytest.mark.parametrize("alpha", [None, 0.0])
def test_kept_pixels_of_a_start_picture_stay_as_they_are(alpha: float | None) -> None:
    """Also their colours, with a grey style; also where they are half transparent."""
    mask = torch.zeros(30, 34)
    mask[:10] = 1
    content = picture(30, 34, channels=3, seed=3)
    if alpha is not None:
        content = torch.cat([content, torch.full_like(content[:, :1], alpha)], 1)
    images, _ = run("style_transfer", picture(30, 34, channels=1), content, keep=mask)
    assert torch.equal(images[:, :, :10], content[:, :, :10])


def test_the_size_picture_supplies_kept_pixels_in_its_colours() -> None:
    layout, mask = picture(30, 34, channels=3, seed=3), torch.zeros(30, 34)
    mask[:10] = 1
    images, _ = run("reshuffle", layout, references=picture(30, 34, channels=1), keep=mask)
    assert torch.equal(images[:, :, :10], layout[:, :, :10])
