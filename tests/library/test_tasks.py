"""Tasks: the published settings, sizes, starts, kept pixels, regions, and what every record must have."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gpdm import (
    QUALITIES,
    TASKS,
    GPDMError,
    ImageError,
    InitialGuess,
    Keep,
    Optimizer,
    OptionError,
    OutputOptions,
    PatchNN,
    PyramidSchedule,
    Recipe,
    Reference,
    SWDLoss,
    Synthesis,
    Task,
    describe,
    reshuffle,
    retarget,
    run_task,
    style_transfer,
    texture,
)
from library.problems import picture

EVERY_TASK = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def quick(task: str, quality: str = "paper", **output: object) -> Recipe:
    recipe = TASKS[task].recipe(quality)
    return replace(
        recipe,
        loss=SWDLoss(num_proj=2),
        optimizer=Optimizer(num_steps=1, fine_steps=0),
        output=replace(recipe.output, **output),  # type: ignore[arg-type]
    )


def run(task: Task, *pictures: Tensor, **more: object) -> Synthesis:
    """Runs a task for two steps on pictures that are made for it unless they are given."""
    pictures = pictures or tuple(picture(30, 34, seed=seed) for seed, _ in enumerate(task.pictures))
    recipe = replace(quick(task.name, "balanced"), optimizer=Optimizer(num_steps=2))
    return run_task(task, *pictures, recipe=recipe, **more)  # type: ignore[arg-type]


def test_published_settings() -> None:
    """The defaults of the reference implementation (its main.py, README and tests/)."""
    paper = TASKS["reshuffle"].recipe("paper")
    assert (paper.loss.patch_size, paper.loss.stride, paper.loss.num_proj, paper.loss.distance) == (7, 1, 64, "l1")  # type: ignore[attr-defined]
    assert (paper.loss.solver, paper.loss.projections, paper.loss.border) == ("exact", "independent", "free")  # type: ignore[attr-defined]
    assert (paper.optimizer.fine_steps, paper.optimizer.final_lr, paper.guess.starts) == (0, 1.0, 1)  # type: ignore[attr-defined]
    assert (paper.pyramid.coarse_dim, paper.pyramid.pyr_factor, paper.pyramid.fine_factor) == (21, 0.85, 0.85)
    assert (paper.optimizer.method, paper.optimizer.lr, paper.optimizer.num_steps) == ("adam", 0.01, 300)  # type: ignore[attr-defined]
    assert paper.optimizer.beta_2 == 0.999  # type: ignore[attr-defined]
    assert (paper.guess.source, paper.guess.noise_sigma) == ("noise", 1.5)
    assert TASKS["retarget"].recipe("paper").guess.source == "reference"
    assert TASKS["retarget"].recipe("paper").output.width_factor == 1.5
    style = TASKS["style_transfer"].recipe("paper")
    assert (style.guess.source, style.guess.image_noise_sigma, style.pyramid.coarse_dim) == ("image", 0.0, 256)
    output = TASKS["texture"].recipe("paper").output
    assert (output.width_factor, output.height_factor) == (1.5, 1.5)


@EVERY_TASK
def test_balanced_is_the_settings_of_the_task(task: Task) -> None:
    assert task.recipe() == task.recipe("balanced") == task.settings
    assert task.settings.optimizer == Optimizer()
    assert replace(task.settings.pyramid, coarse_dim=21) == PyramidSchedule()


@EVERY_TASK
@pytest.mark.parametrize("quality", QUALITIES)
def test_a_quality_changes_neither_the_output_nor_where_it_starts(task: Task, quality: str) -> None:
    recipe = task.recipe(quality)
    assert recipe.output == task.settings.output
    assert recipe.guess.source == task.settings.guess.source
    published = quality == "paper" and task.name == "reshuffle"
    assert recipe.pyramid.coarse_dim == (21 if published else task.settings.pyramid.coarse_dim)


@EVERY_TASK
def test_draft_replaces_the_optimizer_and_nothing_else(task: Task) -> None:
    recipe = task.recipe("draft")
    assert isinstance(recipe.optimizer, PatchNN)
    assert recipe.optimizer.search == "approximate"
    assert replace(recipe, optimizer=task.settings.optimizer) == task.settings


def test_an_unknown_quality_is_refused() -> None:
    with pytest.raises(OptionError, match="one of fast, balanced, best, paper, draft"):
        TASKS["reshuffle"].recipe("good")


@EVERY_TASK
def test_records_are_complete(task: Task) -> None:
    assert task.title == task.title.title() and task.command.isidentifier() and task.name.isidentifier()
    assert len([picture for picture in task.pictures if not picture.start]) == 1
    assert len(task.pictures) <= 2
    assert (task.start is not None) == (task.settings.guess.source == "image")
    assert set(task.example.pictures) == {picture.name for picture in task.pictures}
    assert set(task.example.values) <= {spec.name for spec in describe(OutputOptions)}
    for text in (task.summary, task.advice, task.example.note, *(given.help for given in task.pictures)):
        assert len(text) > 20 and text.endswith(".")


@EVERY_TASK
def test_every_option_says_what_it_is(task: Task) -> None:
    recipe = task.settings
    for part in (recipe.loss, recipe.pyramid, recipe.guess, recipe.optimizer, recipe.output):
        for spec in describe(part):  # type: ignore[arg-type]
            assert len(spec.help) > 20 and spec.help.endswith("."), spec.name
            assert spec.choices or (spec.ge is not None and spec.le is not None), spec.name
            assert spec.check(spec.default) == spec.default


@EVERY_TASK
def test_the_function_of_a_task_is_documented_by_its_record(task: Task) -> None:
    import gpdm

    function = getattr(gpdm, task.name)
    assert function.__name__ == task.name
    assert task.summary in function.__doc__ and all(picture.help in function.__doc__ for picture in task.pictures)


@EVERY_TASK
def test_same_seed_same_picture_and_other_seed_other_picture(task: Task) -> None:
    first, again, other = (run(task, seed=seed).images for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@EVERY_TASK
def test_a_mask_leaves_out_a_part_of_the_reference(task: Task) -> None:
    """What the mask covers does not count: another picture there makes the same output."""
    pictures = [picture(30, 34, seed=seed) for seed, _ in enumerate(task.pictures)]
    at = task.pictures.index(task.reference)
    weight = torch.ones(30, 34)
    weight[:, 20:] = 0

    def made(fill: float) -> Tensor:
        image = pictures[at].clone()
        image[..., 20:] = fill
        given: list = list(pictures)
        given[at] = Reference(image, weight)
        return run(task, *given).images

    assert torch.equal(made(0.9), made(-0.9))


@EVERY_TASK
def test_kept_pixels_come_back_bit_for_bit(task: Task) -> None:
    pictures = [picture(30, 34, seed=seed) for seed, _ in enumerate(task.pictures)]
    source = pictures[task.pictures.index(task.start or task.reference)]
    mask = torch.zeros(30, 34)
    mask[4:14, 5:25] = 1
    images = run(task, *pictures, keep=mask, width_factor=1.0, height_factor=1.0).images
    assert torch.equal(images[..., 4:14, 5:25], source[..., 4:14, 5:25])
    assert not torch.equal(images, source)


@EVERY_TASK
def test_the_picture_that_is_kept_may_be_another(task: Task) -> None:
    kept, mask = picture(30, 34, seed=9), torch.zeros(1, 1, 30, 34)
    mask[..., 4:14, 5:25] = 1
    images = run(task, keep=Keep(kept, mask), width_factor=1.0, height_factor=1.0).images
    assert torch.equal(images[..., 4:14, 5:25], kept[..., 4:14, 5:25])


@pytest.mark.parametrize(
    ("keep", "output", "message"),
    [
        (Keep(picture(30, 34), torch.ones(30, 34)), {"width_factor": 1.5}, "with the output's aspect ratio"),
        (Keep(picture(30, 34), torch.ones(30, 34)), {"width_factor": 2.0, "height_factor": 2.0}, "at least its size"),
        (torch.ones(30, 34), {"width_factor": 1.5}, "covers the entire picture"),
        (torch.eye(34)[:30], {"width_factor": 0.5}, "30 pixels wide and the output 17"),
        (Keep(picture(30, 34).repeat(2, 1, 1, 1), torch.ones(30, 34)), {}, "batch of 2"),
    ],
)
def test_what_cannot_be_kept_is_refused(keep: Keep | Tensor, output: dict, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        reshuffle(picture(30, 34), keep=keep, **output)


@pytest.mark.parametrize(
    ("rows", "columns", "factors", "place"),
    [
        ((10, 20), (12, 22), (1.0, 2.0), (10, 29)),  # the middle moves in proportion
        ((10, 20), (12, 22), (1.0, 0.5), (10, 4)),
        ((20, 30), (0, 12), (1.5, 1.0), (35, 0)),  # what touches a border stays there
        ((0, 8), (24, 34), (2.0, 2.0), (0, 58)),
    ],
)
@pytest.mark.parametrize("name", ["retarget", "texture"])
def test_what_is_kept_is_moved_and_not_stretched(
    name: str, rows: tuple[int, int], columns: tuple[int, int], factors: tuple[float, float], place: tuple[int, int]
) -> None:
    reference, mask = picture(30, 34), torch.zeros(30, 34)
    mask[slice(*rows), slice(*columns)] = 1
    recipe = quick(name, height_factor=factors[0], width_factor=factors[1])
    result = run_task(TASKS[name], reference, recipe=recipe, keep=mask).images
    height, width = rows[1] - rows[0], columns[1] - columns[0]
    kept = result[..., place[0] : place[0] + height, place[1] : place[1] + width]
    assert torch.equal(kept, reference[..., slice(*rows), slice(*columns)])


def test_patches_of_a_kept_object_do_not_appear_elsewhere() -> None:
    """A bright square on a dark picture that becomes twice as wide."""
    reference = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.4 - 0.8
    reference[..., 11:21, 11:21] += 1.4
    mask = torch.zeros(32, 32)
    mask[9:23, 9:23] = 1
    recipe = quick("retarget", width_factor=2.0)
    bright = [
        int((run_task(TASKS["retarget"], reference, recipe=recipe, keep=keep).images > 0.2).sum())
        for keep in (mask, None)
    ]
    assert bright[0] == int((reference > 0.2).sum()) < bright[1]


def test_what_is_kept_is_scaled_down_with_the_picture() -> None:
    reference, mask = picture(60, 68), torch.zeros(60, 68)
    mask[10:40, 10:40] = 1
    result = reshuffle(reference, recipe=quick("reshuffle", height=30), keep=mask)
    expected = Keep(reference, mask[None, None]).at((30, 34), "free")
    assert torch.equal(result.images[..., 6:19, 6:19], expected.image[..., 6:19, 6:19])


@EVERY_TASK
@pytest.mark.parametrize("tile", ["both", "x", "y"])
def test_tile_makes_the_border_meet(task: Task, tile: str) -> None:
    """An output that tiles is the same as with the border of `synthesize` that the option stands for."""
    recipe = quick(task.name, "balanced")
    pictures = [picture(30, 34, seed=seed) for seed, _ in enumerate(task.pictures)]
    by_option = run_task(task, *pictures, recipe=recipe, tile=tile).images
    border = {"both": "circular", "x": "circular x", "y": "circular y"}[tile]
    by_loss = run_task(task, *pictures, recipe=replace(recipe, loss=replace(recipe.loss, border=border))).images
    assert torch.equal(by_option, by_loss)
    assert not torch.equal(by_option, run_task(task, *pictures, recipe=recipe).images)


def test_tile_and_another_border_of_the_loss_are_refused() -> None:
    with pytest.raises(GPDMError, match="set the border to free"):
        recipe = replace(quick("texture"), loss=SWDLoss(border="circular x"))
        texture(picture(30, 30), recipe=recipe, tile="both")


@EVERY_TASK
def test_symmetry_of_every_task(task: Task) -> None:
    images = run(task, symmetry="mirror x").images
    assert torch.equal(images, images.flip(3))


@EVERY_TASK
def test_references_take_the_place_of_the_picture_that_gives_patches(task: Task) -> None:
    pictures = [picture(30, 34, seed=seed) for seed, _ in enumerate(task.pictures)]
    others = [picture(34, 30, seed=7), Reference(picture(30, 30, seed=8), weight=0.5)]
    at = task.pictures.index(task.reference)
    dull = list(pictures)
    dull[at] = torch.zeros(1, 3, 30, 34)
    assert torch.equal(run(task, *pictures, references=others).images, run(task, *dull, references=others).images)
    assert run(task, *pictures, references=others).images.shape == run(task, *pictures).images.shape


def test_regions_give_each_reference_its_part_of_the_output() -> None:
    warm, cold = torch.full((1, 3, 30, 40), 0.8), torch.full((1, 3, 30, 40), -0.8)
    left = torch.zeros(3, 4)
    left[:, :2] = 1
    references = [Reference(warm, region=left), Reference(cold)]  # the second rules the rest
    recipe = replace(quick("reshuffle"), loss=SWDLoss(num_proj=32), optimizer=Optimizer(num_steps=60))
    images = reshuffle(warm, references=references, recipe=recipe).images
    assert images[..., :13].mean() > 0.6
    assert images[..., 27:].mean() < -0.6


def test_a_part_of_the_output_without_a_reference_is_refused() -> None:
    left = torch.zeros(3, 4)
    left[:, :2] = 1
    with pytest.raises(GPDMError, match=r"leave 480 of 1280 pixels of the output without a reference; add a reference"):
        reshuffle(picture(), references=[Reference(picture(), region=left)])


def test_output_options_by_name() -> None:
    result = texture(picture(24, 32), recipe=quick("texture"), output_width=40, num_outputs=2)
    assert result.images.shape == (2, 3, 36, 40)
    with pytest.raises(OptionError, match="it is no option of the task; choose from num_outputs, height"):
        texture(picture(24, 32), border="circular")


def test_a_quality_by_name() -> None:
    fast = reshuffle(picture(24, 24), quality="fast")
    assert torch.equal(fast.images, reshuffle(picture(24, 24), recipe=TASKS["reshuffle"].recipe("fast")).images)


def test_memory_is_given_in_mebibytes() -> None:
    with pytest.raises(OptionError, match="memory"):
        reshuffle(picture(300, 300), quality="fast", memory=1)


@pytest.mark.parametrize(
    ("task", "output", "size"),
    [
        ("reshuffle", {}, (24, 32)),
        ("retarget", {}, (24, 48)),
        ("texture", {}, (36, 48)),
        ("texture", {"output_width": 50, "output_height": 22}, (22, 50)),
    ],
)
def test_sizes(task: str, output: dict, size: tuple[int, int]) -> None:
    result = run_task(TASKS[task], picture(24, 32), recipe=quick(task, **output))
    assert result.images.shape[-2:] == size


def test_height_scales_the_reference() -> None:
    small = reshuffle(picture(48, 64), recipe=quick("reshuffle", height=24))
    assert small.images.shape[-2:] == (24, 32)
    assert small.levels[-1].reference_sizes == ((24, 32),)


@pytest.mark.parametrize("task", TASKS)
def test_height_is_an_upper_bound(task: str) -> None:
    pictures = [picture(24, 32, seed=i) for i in range(len(TASKS[task].pictures))]
    bounded, plain = (run_task(TASKS[task], *pictures, recipe=quick(task, height=height)) for height in (48, 0))
    assert torch.equal(bounded.images, plain.images)


@pytest.mark.parametrize("factors", [(0.2, 1.0), (1.0, 0.15), (0.15, 3.0), (12.0, 0.2)])
@pytest.mark.parametrize("task", ["retarget", "texture"])
def test_a_banner_of_less_than_a_third_of_a_side(task: str, factors: tuple[float, float]) -> None:
    height, width = factors
    result = run_task(TASKS[task], picture(64, 64), recipe=quick(task, height_factor=height, width_factor=width))
    assert result.images.shape[-2:] == (round(64 * height), round(64 * width))
    assert min(result.levels[0].size) == 7


def test_a_picture_to_start_from_gives_the_size() -> None:
    start = picture(26, 40, seed=3)
    result = retarget(picture(24, 32), init=start, quality="fast", width_factor=1.0)
    assert result.images.shape[-2:] == (26, 40)


def test_the_number_of_pictures_is_checked() -> None:
    with pytest.raises(GPDMError, match=r"needs 2 picture\(s\) \(style and content\), not 1"):
        style_transfer(picture())
    with pytest.raises(ImageError, match="content must be a tensor"):
        style_transfer(picture(), [picture()])


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
    with pytest.raises(GPDMError, match="starts from the content; leave out init"):
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


@pytest.mark.parametrize("quality", ["fast", "balanced", "best", "draft"])
def test_seeds_matter_in_style_transfer(quality: str) -> None:
    recipe = replace(TASKS["style_transfer"].recipe(quality), optimizer=Optimizer(num_steps=1))
    images = [style_transfer(picture(), picture(seed=1), recipe=recipe, seed=seed).images for seed in (0, 1)]
    assert not torch.equal(*images)


def test_option_values_are_brought_to_their_type() -> None:
    assert isinstance(Optimizer(lr=1).lr, float)
    assert OutputOptions(num_outputs=torch.tensor(3).item()).num_outputs == 3
