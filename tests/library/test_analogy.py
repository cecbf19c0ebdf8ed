"""Structural analogy: the layout of the first picture, held up to a scale, in the patches of the second."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gpdm import (
    TASKS,
    GPDMError,
    InitialGuess,
    Optimizer,
    OptionError,
    PyramidSchedule,
    Reference,
    SWDLoss,
    analogy,
    picture_distribution,
)
from library.problems import picture

TASK = TASKS["analogy"]
QUICK = replace(TASK.recipe(), loss=SWDLoss(num_proj=2), optimizer=Optimizer(num_steps=2))
SLOW = replace(
    TASK.recipe("fast"), pyramid=PyramidSchedule(coarse_dim=16), optimizer=Optimizer(num_steps=60, fine_steps=60)
)
"""Settings that end near the minimum on pictures of 40 pixels."""


def quarters() -> Tensor:
    """A picture that is bright in two opposite quarters and dark in the others, (1, 3, 40, 44)."""
    made = picture(40, 44) * 0.1 - 0.4
    made[..., :20, 22:] += 0.8
    made[..., 20:, :22] += 0.8
    return made


def correlation(a: Tensor, b: Tensor) -> float:
    """The correlation of the brightness of areas of 10 x 11 pixels."""
    means = [F.avg_pool2d(x.mean(1), (10, 11)).flatten() for x in (a, b)]
    return float(torch.corrcoef(torch.stack(means))[0, 1])


def test_the_layout_is_held() -> None:
    forgetful = replace(SLOW, guess=InitialGuess(source="image", image_noise_sigma=10.0))
    patches = picture(40, 44, seed=2)
    free, held = (analogy(quarters(), patches, recipe=forgetful, layout_scale=s).images for s in (0.0, 1.0))
    assert correlation(held, quarters()) > 0.6
    assert correlation(held, quarters()) > correlation(free, quarters()) + 0.3


def test_colours_are_those_of_the_patches() -> None:
    patches = picture(40, 44, seed=2) * torch.tensor([0.2, 0.5, 0.1]).view(1, 3, 1, 1) + 0.3
    made = analogy(quarters(), patches, recipe=SLOW).images
    assert made.mean((2, 3)).flatten().tolist() == pytest.approx(patches.mean((2, 3)).flatten().tolist(), abs=0.05)
    assert made.std((2, 3)).flatten().tolist() == pytest.approx(patches.std((2, 3)).flatten().tolist(), abs=0.08)


def test_colours_of_the_layout_do_not_count() -> None:
    """The start has the colours of the patches already, before the first step."""
    tinted = quarters() * torch.tensor([1.0, 0.4, 0.2]).view(1, 3, 1, 1)
    recipe = replace(QUICK, guess=InitialGuess(source="image"), optimizer=Optimizer(num_steps=1, lr=1e-6))
    patches = picture(40, 44, seed=2) * 0.3 + 0.6
    made = analogy(tinted, patches, recipe=recipe, layout_scale=0.0).images
    assert made.mean((2, 3)).flatten().tolist() == pytest.approx(patches.mean((2, 3)).flatten().tolist(), abs=0.05)


def test_the_coarsest_level_is_guided_at_least() -> None:
    """With pictures so small that it is the only level, any scale above 0 holds the layout there."""
    given = picture(24, 24), picture(24, 24, seed=1)
    low, full, none = (analogy(*given, recipe=QUICK, layout_scale=scale).images for scale in (0.1, 1.0, 0.0))
    assert torch.equal(low, full)
    assert not torch.equal(low, none)


def test_each_output_has_its_own_layout() -> None:
    layouts = torch.cat([quarters(), quarters().flip(3)])
    both = analogy(layouts, picture(40, 44, seed=2), recipe=QUICK).images
    one = analogy(layouts[1:], picture(40, 44, seed=2), recipe=QUICK, seed=1).images
    assert torch.equal(both[1:], one)


def test_without_a_loss_only_an_unheld_layout_is_possible() -> None:
    given = picture(24, 24), picture(24, 24, seed=1)
    with pytest.raises(GPDMError, match=r"layout_scale adds a part to the loss.*use quality fast"):
        analogy(*given, quality="draft")
    assert analogy(*given, quality="draft", layout_scale=0.0).images.shape == (1, 3, 24, 24)


def test_a_saved_distribution_is_refused() -> None:
    saved = Reference.of_distribution(picture_distribution(picture(40, 44)))
    with pytest.raises(OptionError, match="the layout gets the colours of the patches"):
        analogy(picture(40, 44), saved, recipe=QUICK)
