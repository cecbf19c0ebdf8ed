"""Loops: they are closed, nothing outside the mask moves, and the motions have known answers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from gpdm import (
    Canvas,
    GPDMError,
    ImageError,
    InitialGuess,
    Optimizer,
    OptionError,
    PyramidSchedule,
    SWDLoss,
    loop,
    synthesize,
)
from gpdm.edits.frames import FramesOptimizer
from gpdm.edits.motion import inside, low_pass, on_circle, smooth_field, warped
from library.problems import picture

MOTIONS = pytest.mark.parametrize("motion", ["sway", "shimmer"])
FREE = Canvas(size=(36, 40))


def made(image: Tensor, mask: Tensor | None = None, **options: Any) -> Tensor:
    """The frames of a quick loop."""
    return loop(image, mask, **{"frames": 6, "num_steps": 2, **options}).images


def disc() -> Tensor:
    """A mask (1, 1, 36, 40) of a disc in the middle."""
    y, x = torch.arange(36)[:, None] - 17.5, torch.arange(40) - 19.5
    return (y**2 + x**2 < 12**2).float()[None, None]


@MOTIONS
def test_the_last_frame_leads_back_to_the_first(motion: str) -> None:
    frames = made(picture(36, 40), motion=motion, frames=9)
    steps = (frames.roll(-1, 0) - frames).abs().mean((1, 2, 3))
    assert len(frames) == 9 and float(steps.min()) > 0.001
    assert float(steps[-1]) <= 1.25 * float(steps[:-1].mean())
    assert float(steps[-1]) <= 1.05 * float(steps[:-1].max())


def test_shimmer_is_as_smooth_as_a_circle() -> None:
    frames = made(picture(36, 40), motion="shimmer", frames=12, num_steps=10)
    first = frames.roll(-1, 0) - frames
    jerk = (first.roll(-1, 0) - first).abs().mean() / first.abs().mean()
    assert float(jerk) == pytest.approx(2 * math.sin(math.pi / 12), rel=0.1)


@MOTIONS
def test_without_amount_all_frames_are_one_picture(motion: str) -> None:
    frames = made(picture(36, 40), motion=motion, amount=0.0)
    assert torch.allclose(frames, frames[:1].expand_as(frames), atol=1e-5)


@MOTIONS
def test_more_amount_moves_more(motion: str) -> None:
    moved = [float(made(picture(36, 40), motion=motion, amount=a).std(0).mean()) for a in (0.5, 1.0, 2.0)]
    assert moved == sorted(moved) and moved[2] > 1.3 * moved[0]


@MOTIONS
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_outside_the_mask_no_pixel_changes(motion: str, channels: int) -> None:
    image, mask = picture(36, 40, channels), disc()
    result = loop(image, mask, motion=motion, frames=4, num_steps=2)
    kept = (mask == 0).expand_as(image)
    assert all(torch.equal(frame[None][kept], image[kept]) for frame in result.images)
    assert torch.equal(result.masks, mask)
    inner = result.images[..., 12:24, 14:26]
    assert float((inner[0] - inner[2]).abs().mean()) > 0.01


@MOTIONS
def test_motion_begins_gently_inside_the_mask(motion: str) -> None:
    """The pixels at the edge change much less than those behind."""
    mask = torch.zeros(1, 1, 96, 96)
    mask[..., 32:] = 1
    spread = made(picture(96, 96), mask, motion=motion).std(0).mean((0, 1))
    assert float(spread[:32].max()) < 1e-6
    assert float(spread[32]) < 0.4 * float(spread[36:40].mean())


def test_a_mask_of_another_size_is_scaled() -> None:
    image, mask = picture(36, 40), torch.zeros(18, 20)
    mask[:, 10:] = 1
    frames = made(image, mask)
    assert torch.equal(frames[..., :20], image[..., :20].expand(6, -1, -1, -1))


@MOTIONS
def test_a_seed_says_which(motion: str) -> None:
    image = picture(36, 40)
    assert torch.equal(made(image, motion=motion, seed=3), made(image, motion=motion, seed=3))
    assert not torch.equal(made(image, motion=motion, seed=3), made(image, motion=motion, seed=4))


@MOTIONS
def test_a_picture_that_tiles_still_tiles(motion: str) -> None:
    y, x = torch.arange(40) * 2 * math.pi / 40, torch.arange(48) * 2 * math.pi / 48
    image = (0.5 * torch.sin(4 * x)[None] * torch.cos(5 * y)[:, None])[None, None].expand(1, 3, -1, -1).contiguous()
    frames = made(image, motion=motion, tile="both", amount=2.0)
    for axis in (2, 3):
        steps = (frames - frames.roll(1, axis)).abs().mean([i for i in range(4) if i != axis])
        assert float(steps[0]) < 1.5 * float(steps[1:].max())


def test_all_outputs_have_the_same_random_choices() -> None:
    """A strided grid has a random offset at each step, which is another one for each output of other optimizers."""
    image = picture(36, 40)
    starts = (image + 0.1 * torch.randn(image.shape, generator=Generator().manual_seed(0))).repeat(3, 1, 1, 1)
    settings: dict[str, Any] = {
        "init": starts,
        "loss": SWDLoss(num_proj=4, stride=3, coherence=0.0),
        "pyramid": PyramidSchedule(coarse_dim=36),
        "guess": InitialGuess(source="image"),
    }
    same = synthesize(image, optimizer=FramesOptimizer(method="newton", num_steps=3), **settings).images
    other = synthesize(image, optimizer=Optimizer(method="newton", num_steps=3), **settings).images
    assert torch.equal(same[0], same[1]) and torch.equal(same[0], same[2])
    assert not torch.equal(other[0], other[1])


def test_the_low_pass_keeps_slow_changes_and_removes_fast_ones() -> None:
    a, b, c = torch.randn(3, 1, 2, 5, 4, generator=Generator().manual_seed(0)).unbind()
    t = torch.arange(12)[:, None, None, None] * 2 * math.pi / 12
    slow = a + on_circle(a, b, 12) + torch.sin(2 * t) * c
    frames = slow + torch.cos(3 * t) * b + torch.cos(6 * t) * a
    low_pass(12, 2)(frames, FREE)
    assert torch.allclose(frames, slow, atol=1e-5)
    few = torch.randn(4, 1, 3, 3, generator=Generator().manual_seed(1))
    low_pass(4, 2)(filtered := few.clone(), FREE)
    assert torch.allclose(filtered, few, atol=1e-5)


@pytest.mark.parametrize("shift", [(2, 0), (-1, 3)])
def test_a_warp_by_whole_pixels_moves_pixels(shift: tuple[int, int]) -> None:
    image = picture(20, 24)
    displacement = torch.tensor(shift, dtype=torch.float32)[None, :, None, None].expand(1, 2, 20, 24)
    moved = warped(image, displacement, "circular")
    assert torch.allclose(moved, image.roll((-shift[1], -shift[0]), (2, 3)), atol=1e-4)
    inner = (slice(None), slice(None), slice(4, 16), slice(4, 20))
    assert torch.allclose(warped(image, displacement, "free")[inner], moved[inner], atol=1e-4)


def test_at_free_borders_nothing_comes_from_outside() -> None:
    there = inside(torch.full((1, 2, 20, 30), 5.0), 5.0, "circular x")
    rows = torch.arange(20.0)
    assert torch.equal(there[0, 0], torch.full((20, 30), 5.0))
    assert bool((there[0, 1] <= (19 - rows)[:, None]).all())
    assert torch.equal(there[0, 1, 5:15], torch.full((10, 30), 5.0))


@pytest.mark.parametrize("border", ["free", "circular", "circular x"])
def test_fields_are_as_strong_at_the_border_as_inside(border: str) -> None:
    fields = [smooth_field((40, 48), 7.0, border, Generator().manual_seed(seed)) for seed in range(60)]
    strength = torch.cat(fields).square().mean((0, 1)).sqrt()
    assert float(strength.min()) > 0.75 and float(strength.max()) < 1.3


def test_fields_do_not_depend_on_the_resolution() -> None:
    small, large = (smooth_field((size, size), 7.0, "free", Generator().manual_seed(0)) for size in (40, 160))
    assert torch.allclose(torch.nn.functional.avg_pool2d(large, 4), small, atol=0.1)
    assert small.square().mean((2, 3)).flatten().tolist() == pytest.approx([1, 1], abs=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": picture().repeat(2, 1, 1, 1)}, "there are 2 pictures, and a loop is made of one"),
        ({"mask": torch.zeros(32, 40)}, "the mask of what moves is empty"),
        ({"mask": torch.ones(2, 32, 40)}, "there are 2 masks for 1 picture"),
        ({"frames": 1}, "frames = 1 is not allowed: it must be a whole number from 2 to 240"),
        ({"motion": "spin"}, "motion = 'spin' is not allowed: it must be one of sway, shimmer"),
        ({"memory": 1}, "6 pictures of 40x32 need"),
        ({"image": picture(5, 40)}, "a patch of 7x7 does not fit"),
    ],
)
def test_a_mistake_is_named_before_the_work(given: dict[str, Any], message: str) -> None:
    with pytest.raises((GPDMError, ImageError, OptionError), match=message.replace("(", r"\(")):
        made(**{"image": picture(), **given})


def test_progress_is_reported_to_the_end() -> None:
    seen: list[tuple[float, tuple[int, ...]]] = []
    made(picture(), on_step=lambda done, image: seen.append((done, tuple(image.shape))))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and seen[-1][0] == 1
    assert len(seen) == 6 * 2 + 1 and {shape for _, shape in seen} == {(1, 3, 32, 40)}
