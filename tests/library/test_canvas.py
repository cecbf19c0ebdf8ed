"""The canvas: symmetry, kept pixels, constraints and levels."""

from __future__ import annotations

import pytest
import torch

from gpdm import (
    Canvas,
    ImageError,
    Keep,
    Optimizer,
    OptionError,
    PatchNN,
    PyramidSchedule,
    SWDLoss,
    synthesize,
)
from library.problems import picture

SHORT = Optimizer(num_steps=12, fine_steps=0)
TRANSFORMS = {
    "mirror x": [lambda x: x.flip(3)],
    "mirror y": [lambda x: x.flip(2)],
    "mirror both": [lambda x: x.flip(3), lambda x: x.flip(2)],
    "rotate 180": [lambda x: x.flip((2, 3))],
    "rotate 90": [lambda x: x.rot90(1, (2, 3))],
}


def box(height: int, width: int) -> torch.Tensor:
    """A mask of ones in a rectangle and zeros around it."""
    mask = torch.zeros(height, width)
    mask[5:15, 8:20] = 1
    return mask


@pytest.mark.parametrize("symmetry", sorted(TRANSFORMS))
@pytest.mark.parametrize("optimizer", [SHORT, PatchNN(num_steps=2)], ids=["adam", "patch nn"])
def test_results_are_symmetric_to_the_bit(symmetry: str, optimizer) -> None:
    out = synthesize(picture(33, 33), symmetry=symmetry, optimizer=optimizer, num_outputs=2).images
    for transform in TRANSFORMS[symmetry]:
        assert torch.equal(transform(out), out)
    assert not torch.equal(out[:1], out[1:])


@pytest.mark.parametrize("symmetry", sorted(TRANSFORMS))
def test_every_step_is_symmetric(symmetry: str) -> None:
    def on_step(info) -> None:
        for transform in TRANSFORMS[symmetry]:
            assert torch.equal(transform(info.image), info.image)

    synthesize(picture(30, 30), symmetry=symmetry, optimizer=Optimizer(num_steps=3), on_step=on_step)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (0.0, 300.0), None])
def test_kept_pixels_come_back_bit_for_bit(dtype: torch.dtype, value_range) -> None:
    reference, mask = picture().to(dtype), box(32, 40)
    kept = (picture(seed=5) * 1.7).to(dtype)  # some values are out of range
    out = synthesize(reference, keep=Keep(kept, mask), optimizer=SHORT, value_range=value_range).images
    inside = mask.bool().expand_as(out)
    assert torch.equal(out[inside], kept[inside])
    assert not torch.equal(out[~inside], kept[~inside])


@pytest.mark.parametrize(
    "optimizer", [Optimizer(num_steps=4), PatchNN(num_steps=2), Optimizer(method="newton", num_steps=4)]
)
def test_kept_pixels_do_not_move_at_the_finest_level(optimizer) -> None:
    kept, mask = picture(seed=5), box(32, 40)

    def on_step(info) -> None:
        if info.level == info.levels - 1:
            assert torch.equal(info.image[..., mask.bool()], kept[..., mask.bool()])

    synthesize(picture(), keep=Keep(kept, mask), optimizer=optimizer, on_step=on_step)


def test_the_output_has_the_size_of_the_kept_image() -> None:
    assert synthesize(picture(), keep=Keep(picture(40, 50), box(40, 50)), optimizer=SHORT).images.shape == (
        1,
        3,
        40,
        50,
    )


def test_at_coarse_levels_only_kept_pixels_contribute() -> None:
    kept, mask = picture(seed=5), box(32, 40)
    extreme = torch.where(mask.bool(), kept, torch.full_like(kept, 1e6))
    resized, other = (Keep(x, mask[None, None]).at((16, 20), "free") for x in (kept, extreme))
    assert torch.equal(resized.image, other.image)
    assert 0 < float(resized.mask.mean()) < 0.3


def test_a_constraint_is_called_with_all_outputs_after_every_step() -> None:
    calls = []

    def average(images: torch.Tensor, canvas: Canvas) -> None:
        calls.append((tuple(images.shape), canvas.size))
        images.copy_(images.mean(0, keepdim=True).expand_as(images))

    result = synthesize(picture(), constraint=average, num_outputs=3, optimizer=SHORT)
    assert torch.allclose(result.images[0], result.images[2], atol=1e-6)
    assert len(calls) == sum(losses.shape[1] for losses in result.losses)
    assert calls[0] == ((3, 3, *result.levels[0].size), result.levels[0].size)
    assert calls[-1][1] == (32, 40)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"border": "round"}, OptionError, "border"),
        (
            {"keep": box(32, 40)},
            OptionError,
            r"^keep must be a Keep, not Tensor of shape \(32, 40\); write Keep\(image, mask\)$",
        ),
        (
            {"value_range": picture()},
            OptionError,
            r"^value_range = \(Tensor of shape \(1, 3, 32, 40\)\) is not allowed: .*$",
        ),
        ({"symmetry": "spiral"}, OptionError, "symmetry"),
        (
            {"border": "half drop", "size": (33, 40)},
            OptionError,
            r"half their height, .* is 33 \(set output_height to 34",
        ),
        ({"border": "brick", "size": (32, 39)}, OptionError, r"half their width, .* is 39 \(set output_width to 40"),
        ({"keep": Keep(picture(20, 20), box(32, 40)), "size": (32, 40)}, ImageError, "keep.image has shape"),
        ({"keep": Keep(picture(), box(20, 40))}, ImageError, "keep.mask has shape"),
        ({"keep": Keep(picture(channels=1), box(32, 40))}, ImageError, "channels"),
    ],
    ids=str,
)
def test_unusable_arguments_are_refused_before_any_work(arguments: dict, error: type[Exception], text: str) -> None:
    def fail(info) -> None:
        raise AssertionError("work has begun")

    with pytest.raises(error, match=text):
        synthesize(picture(), on_step=fail, **arguments)


def test_finished_images_are_in_range_symmetric_and_have_the_kept_pixels() -> None:
    kept, mask = 3 * picture(seed=5), box(32, 40)[None, None]
    canvas = Canvas(size=(32, 40), symmetry="mirror x", keep=Keep(kept, mask))
    image = 2 * picture()
    end = canvas.finish(image)
    inside = mask.bool().expand_as(end)
    assert torch.equal(end[inside], kept[inside])
    assert end[~inside].abs().max() <= 1
    free = ~(inside | inside.flip(3))
    assert torch.equal(end[free], end.flip(3)[free])
    assert torch.equal(image, 2 * picture()), "the image of the optimizer has changed"


def test_weight_and_kept_pixels_are_resized_with_the_canvas() -> None:
    canvas = Canvas(size=(32, 40), weight=torch.ones(1, 1, 32, 40), keep=Keep(picture(), box(32, 40)[None, None]))
    small = canvas.at(0.5)
    assert small.size == (16, 20) and small.scale == 0.5
    assert small.weight is not None and small.keep is not None
    assert small.weight.shape[2:] == small.keep.image.shape[2:] == small.keep.mask.shape[2:] == (16, 20)
    assert small.at(0.5).scale == 0.25


def test_the_border_of_the_loss_is_used_if_the_canvas_is_free() -> None:
    def result(**more) -> torch.Tensor:
        return synthesize(picture(), optimizer=SHORT, pyramid=PyramidSchedule(coarse_dim=24), **more).images

    by_loss, by_canvas = result(loss=SWDLoss(border="circular x")), result(border="circular x")
    assert torch.equal(by_loss, by_canvas)
    assert not torch.equal(by_loss, result())
