"""Style transfer: the colours and the layout of the content, and several styles."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gpdm import (
    TASKS,
    Canvas,
    GPDMError,
    InitialGuess,
    Level,
    Optimizer,
    OptionError,
    PyramidSchedule,
    Reference,
    SWDLoss,
    as_references,
    bind,
    patch_distribution,
    style_transfer,
)
from gpdm.losses.guided import GuidedTerm, _with_values, guided_up_to
from gpdm.losses.parts import LossOfTerms
from library.problems import evaluated, picture

STYLE = TASKS["style_transfer"]
QUICK = replace(STYLE.recipe(), loss=SWDLoss(num_proj=2), optimizer=Optimizer(num_steps=2))
SLOW = replace(
    STYLE.recipe("fast"), pyramid=PyramidSchedule(coarse_dim=16), optimizer=Optimizer(num_steps=60, fine_steps=60)
)


def halves() -> Tensor:
    """A picture that is dark on the left and bright on the right."""
    made = picture(40, 44) * 0.2 - 0.4
    made[..., 22:] += 0.8
    return made


def quarters() -> Tensor:
    """A picture that is bright in two opposite quarters and dark in the others."""
    made = halves()
    made[..., :20, :] = made[..., :20, :].flip(3)
    return made


def correlation(a: Tensor, b: Tensor) -> float:
    """The correlation of the brightness of areas of 10 x 11 pixels."""
    means = [F.avg_pool2d(x.mean(1), (10, 11)).flatten() for x in (a, b)]
    return float(torch.corrcoef(torch.stack(means))[0, 1])


def test_without_its_options_nothing_is_adapted() -> None:
    given = picture(40, 44), halves()
    assert torch.equal(
        style_transfer(*given, recipe=QUICK).images,
        style_transfer(*given, recipe=QUICK, keep_colours="no", layout=0.0, several="mixture").images,
    )


def test_the_colours_of_the_content_are_kept() -> None:
    style, content = picture(40, 44) * 0.3 + 0.6, picture(40, 44, seed=1) * 0.3 - 0.4
    kept = style_transfer(style, content, recipe=SLOW, keep_colours="yes").images
    taken = style_transfer(style, content, recipe=SLOW).images
    assert kept.mean((2, 3)).flatten().tolist() == pytest.approx(content.mean((2, 3)).flatten().tolist(), abs=0.05)
    assert taken.mean((2, 3)).flatten().tolist() == pytest.approx(style.mean((2, 3)).flatten().tolist(), abs=0.08)


def test_the_guide_keeps_the_layout() -> None:
    content, style = quarters(), picture(40, 44, seed=2)
    recipe = replace(SLOW, guess=InitialGuess(source="image", image_noise_sigma=10.0))  # so that the start is forgotten
    free, guided = (style_transfer(style, content, recipe=recipe, layout=layout).images for layout in (0.0, 1.0))
    assert correlation(guided, content) > correlation(free, content) + 0.3
    assert correlation(guided, content) > 0.6


def test_each_output_keeps_the_layout_of_its_own_content() -> None:
    contents = torch.cat([halves(), halves().flip(3)])
    both = style_transfer(picture(40, 44, seed=2), contents, recipe=QUICK, layout=1.0).images
    one = style_transfer(picture(40, 44, seed=2), contents[1:], recipe=QUICK, layout=1.0, seed=1).images
    assert torch.equal(both[1:], one)


def test_the_blend_of_a_style_with_itself_is_that_style() -> None:
    style, content = picture(40, 44), halves()
    recipe = replace(QUICK, loss=SWDLoss(num_proj=2, coherence=0.0))
    twice = style_transfer([style, style], content, recipe=recipe, several="blend").images
    assert torch.allclose(twice, style_transfer(style, content, recipe=recipe).images, atol=1e-4)


def test_weights_are_shares_of_a_blend() -> None:
    styles = [Reference(picture(40, 44) * 0.5 + 0.2, 3.0), Reference(picture(28, 60, seed=1) * 0.5 - 0.2, 1.0)]
    made = style_transfer(styles, halves(), recipe=SLOW, several="blend").images
    between = 0.75 * styles[0].image.mean() + 0.25 * styles[1].image.mean()
    assert float(made.mean()) == pytest.approx(float(between), abs=0.04)


def test_the_guide_of_the_reference_itself_changes_nothing_at_the_minimum() -> None:
    """An image that is the reference has distance 0 with its guide, and its mirror image has not."""
    image = picture(30, 34)
    loss = LossOfTerms(tuple((w, GuidedTerm(term, image)) for w, term in SWDLoss(num_proj=8, coherence=0.0).terms()))
    objective = bind(loss, as_references(image), Canvas(size=(30, 34)), image=image)
    same, gradient = evaluated(objective, image)
    assert float(same) < 1e-4 and gradient.shape == image.shape
    assert float(evaluated(objective, image.flip(3))[0]) > 10 * float(same)


def test_the_guide_holds_up_to_a_scale() -> None:
    loss = guided_up_to(SWDLoss(coherence=0.0), 0.5, picture())
    for scale, guided in ((0.3, True), (0.5, True), (0.51, False), (1.0, False)):
        size = (round(100 * scale),) * 2
        (term,) = [term for _, term in loss.terms() if term.active(Level(0, scale, size, (size,)))]
        assert isinstance(term.term, GuidedTerm) is guided  # type: ignore[attr-defined]


def test_ranks_get_the_values_of_another_picture_by_weight() -> None:
    image = torch.tensor([[3.0, 1.0], [2.0, 4.0]])[None, None]
    made = _with_values(image, torch.tensor([9.0, 7.0, 8.0]), torch.tensor([1.0, 3.0, 0.0]))
    assert made[0, 0].tolist() == [[7.0, 7.0], [7.0, 9.0]]


@pytest.mark.parametrize("options", [{"layout": 0.6}, {"several": "blend"}])
def test_draft_has_no_loss(options: dict) -> None:
    with pytest.raises(GPDMError, match="use quality fast"):
        style_transfer(picture(), halves(), quality="draft", **options)


def test_a_guide_that_holds_at_no_level_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(OptionError, match="lower coarse_dim"):
        style_transfer(picture(40, 44), halves(), layout=0.6)


@pytest.mark.parametrize("options", [{"keep_colours": "yes"}, {"layout": 1.0}])
def test_a_saved_distribution_has_no_pixels(options: dict) -> None:
    saved = Reference.of_distribution(patch_distribution(picture(40, 44)))
    with pytest.raises(OptionError, match="a saved distribution has no patches"):
        style_transfer(saved, halves(), recipe=replace(QUICK, loss=SWDLoss(coherence=0.0)), **options)


@pytest.mark.parametrize("options", [{"keep_colours": "perhaps"}, {"layout": 1.5}, {"several": "both"}])
def test_values_that_are_not_allowed(options: dict) -> None:
    with pytest.raises(OptionError, match="is not allowed"):
        style_transfer(picture(), halves(), **options)
