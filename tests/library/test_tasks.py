"""Tasks are recipes: published values, sizes, and the little that is special."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gpdm import (
    QUALITIES,
    RECIPES,
    GPDMError,
    InitialGuess,
    Optimizer,
    OptionError,
    OutputOptions,
    PyramidSchedule,
    Recipe,
    SWDLoss,
    describe,
    reshuffle,
    retarget,
    style_transfer,
    texture,
)
from library.problems import picture


def quick(task: str, **output: object) -> Recipe:
    recipe = RECIPES[task]["paper"]
    return replace(
        recipe,
        loss=SWDLoss(num_proj=2),
        optimizer=Optimizer(num_steps=1, fine_steps=0),
        output=replace(recipe.output, **output),  # type: ignore[arg-type]
    )


def test_published_settings() -> None:
    """The defaults of the reference implementation (its main.py, README and tests/)."""
    paper = RECIPES["reshuffle"]["paper"]
    assert (paper.loss.patch_size, paper.loss.stride, paper.loss.num_proj, paper.loss.distance) == (7, 1, 64, "l1")  # type: ignore[attr-defined]
    assert (paper.loss.solver, paper.loss.projections, paper.loss.border) == ("exact", "independent", "free")  # type: ignore[attr-defined]
    assert (paper.optimizer.fine_steps, paper.optimizer.final_lr, paper.guess.starts) == (0, 1.0, 1)
    assert (paper.pyramid.coarse_dim, paper.pyramid.pyr_factor, paper.pyramid.fine_factor) == (21, 0.85, 0.85)
    assert (paper.optimizer.method, paper.optimizer.lr, paper.optimizer.num_steps) == ("adam", 0.01, 300)
    assert paper.optimizer.beta_2 == 0.999
    assert (paper.guess.source, paper.guess.noise_sigma) == ("noise", 1.5)
    table = RECIPES["reshuffle"]["paper-table"]
    assert (table.optimizer.lr, table.guess.noise_sigma) == (0.05, 0.75)
    assert RECIPES["retarget"]["paper"].guess.source == "reference"
    assert RECIPES["retarget"]["paper"].output.width_factor == 1.5
    style = RECIPES["style_transfer"]["paper"]
    assert (style.guess.source, style.pyramid.coarse_dim) == ("image", 256)
    assert (RECIPES["texture"]["paper"].output.width_factor, RECIPES["texture"]["paper"].output.height_factor) == (
        1.5,
        1.5,
    )


def test_every_task_has_every_quality_and_balanced_is_the_default_of_the_options() -> None:
    for task, recipes in RECIPES.items():
        assert tuple(recipes)[: len(QUALITIES)] == QUALITIES
        balanced = recipes["balanced"]
        loss = SWDLoss(coherence=0.0003) if task == "style_transfer" else SWDLoss()
        assert (balanced.loss, balanced.optimizer) == (loss, Optimizer())
        assert replace(balanced.pyramid, coarse_dim=21) == PyramidSchedule()
        for quality in QUALITIES:
            assert recipes[quality].output == balanced.output
            assert recipes[quality].guess.source == balanced.guess.source
            published = quality == "paper" and task == "reshuffle"
            assert recipes[quality].pyramid.coarse_dim == (21 if published else balanced.pyramid.coarse_dim)


def test_memory_is_given_in_mebibytes() -> None:
    with pytest.raises(OptionError, match="memory"):
        reshuffle(picture(300, 300), recipe=replace(RECIPES["reshuffle"]["fast"], output=OutputOptions(memory=1)))


def test_sizes() -> None:
    reference = picture(24, 32)
    assert reshuffle(reference, recipe=quick("reshuffle")).images.shape[-2:] == (24, 32)
    assert retarget(reference, recipe=quick("retarget")).images.shape[-2:] == (24, 48)
    assert texture(reference, recipe=quick("texture")).images.shape[-2:] == (36, 48)
    assert texture(reference, recipe=quick("texture", output_width=50, output_height=22)).images.shape[-2:] == (22, 50)
    small = reshuffle(picture(48, 64), recipe=quick("reshuffle", height=24))
    assert small.images.shape[-2:] == (24, 32)
    assert small.levels[-1].reference_sizes == ((24, 32),)


def test_enlarging_the_reference_is_refused() -> None:
    with pytest.raises(OptionError, match="height_factor"):
        reshuffle(picture(24, 32), recipe=quick("reshuffle", height=48))


def test_style_is_matched_at_the_scale_of_the_content() -> None:
    content = picture(30, 24, seed=2)
    result = style_transfer(picture(60, 90), content, recipe=quick("style_transfer"))
    assert result.images.shape[-2:] == (30, 24)
    assert result.levels[-1].reference_sizes == ((24, 36),)
    smaller = style_transfer(picture(20, 20), content, recipe=quick("style_transfer"))
    assert smaller.levels[-1].reference_sizes == ((20, 20),)


def test_style_transfer_honours_height_and_factors() -> None:
    result = style_transfer(picture(24, 24), picture(60, 48), recipe=quick("style_transfer", height=30, width_factor=2))
    assert result.images.shape[-2:] == (30, 48)


def test_style_transfer_takes_no_second_start() -> None:
    recipe = quick("style_transfer")
    with pytest.raises(GPDMError, match=r"starts from the content.*disconnect init"):
        style_transfer(picture(), picture(), recipe=recipe, init=picture())
    with pytest.raises(OptionError, match="starts from the content"):
        style_transfer(picture(), picture(), recipe=replace(recipe, guess=InitialGuess()))


def test_references_of_a_list_are_scaled_by_one_factor() -> None:
    result = reshuffle([picture(48, 64), picture(30, 60)], recipe=quick("reshuffle", height=36))
    assert result.levels[-1].reference_sizes == ((36, 48), (22, 45))


def test_style_transfer_starts_from_the_content() -> None:
    content = picture(30, 24, seed=2)
    recipe = replace(quick("style_transfer"), optimizer=Optimizer(method="adam", num_steps=1, lr=0.01))
    result = style_transfer(picture(30, 24), content, recipe=recipe)
    assert (result.images - content).abs().max() < 0.02  # one step of Adam moves a pixel by its learning rate


def test_seeds_matter_in_every_task() -> None:
    for quality in ("fast", "balanced", "best"):
        recipe = replace(RECIPES["style_transfer"][quality], optimizer=Optimizer(num_steps=1))
        images = [style_transfer(picture(), picture(seed=1), recipe=recipe, seed=seed).images for seed in (0, 1)]
        assert not torch.equal(*images)


def test_every_option_says_what_it_is() -> None:
    for recipes in RECIPES.values():
        for recipe in recipes.values():
            for part in (recipe.loss, recipe.pyramid, recipe.guess, recipe.optimizer, recipe.output):
                for spec in describe(part):  # type: ignore[arg-type]
                    assert len(spec.help) > 20 and spec.help.endswith("."), spec.name
                    assert spec.choices or (spec.ge is not None and spec.le is not None), spec.name
                    assert spec.check(spec.default) == spec.default


def test_option_values_are_brought_to_their_type() -> None:
    assert isinstance(Optimizer(lr=1).lr, float)
    assert OutputOptions(num_outputs=torch.tensor(3).item()).num_outputs == 3
