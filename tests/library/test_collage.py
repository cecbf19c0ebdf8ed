"""Collage: places and sizes of pictures, what is kept, and what the seams are made of."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import gpdm
from gpdm import COLLAGE, GPDMError, OptionError, Reference, as_references, collage, picture_distribution
from gpdm.patches.nearest import all_patches, least_distances
from gpdm.tasks.arrange import laid_out
from library.problems import picture


def plain(*values: float, size: tuple[int, int] = (20, 30)) -> list[Reference]:
    """Pictures of one value each."""
    return as_references([torch.full((1, 3, *size), value) for value in values])


@pytest.mark.parametrize(
    ("arrangement", "count", "size"),
    [
        ("row", 2, (20, 30 + 30 - 4)),
        ("row", 3, (20, 3 * 30 - 2 * 4)),
        ("column", 3, (3 * 20 - 2 * 4, 30)),
        ("grid", 3, (11 + 20 - 2, 16 + 16 - 2)),
        ("grid", 4, (2 * 20 - 4, 2 * 30 - 4)),
        ("grid", 6, (2 * 20 - 4, 3 * 30 - 2 * 4)),
    ],
)
def test_the_size_of_equal_pictures(arrangement: str, count: int, size: tuple[int, int]) -> None:
    layout = laid_out(plain(*[0.5] * count), arrangement, 0.2)
    assert layout.image.shape == (1, 3, *size) and layout.alone.shape == (1, 1, *size)
    assert torch.allclose(layout.image, torch.tensor(0.5))
    assert len(layout.references) == count


def test_pictures_are_in_reading_order_and_fade_where_they_overlap() -> None:
    image = laid_out(plain(0.0, 0.2, 0.4, 0.6), "grid", 0.2).image[0, 0]
    assert [float(image[y, x]) for y in (0, -1) for x in (0, -1)] == pytest.approx([0.0, 0.2, 0.4, 0.6])
    row = laid_out(plain(0.0, 1.0), "row", 0.2)
    assert row.image[0, 0, 0, 25:31].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert row.alone[0, 0, 0].tolist() == [1] * 26 + [0] * 4 + [1] * 26


@pytest.mark.parametrize("arrangement", ["row", "column", "grid"])
def test_pictures_of_any_size_are_never_enlarged(arrangement: str) -> None:
    given = as_references([picture(*size, seed=i) for i, size in enumerate([(40, 31), (23, 60), (50, 20), (33, 33)])])
    layout = laid_out(given, arrangement, 0.3)
    for before, after in zip(given, layout.references, strict=True):
        (height, width), (new_height, new_width) = before.image.shape[2:], after.image.shape[2:]
        assert new_height <= height and new_width <= width
        assert new_width / new_height == pytest.approx(width / height, rel=0.1)


def test_the_pictures_of_a_row_have_its_height_and_rows_the_same_width() -> None:
    row = laid_out(as_references([picture(40, 30), picture(20, 50, seed=1)]), "row", 0.2)
    assert row.image.shape[2:] == (20, 15 + 50 - 3)
    column = laid_out(as_references([picture(40, 30), picture(20, 60, seed=1)]), "column", 0.2)
    assert column.image.shape[2:] == (40 + 10 - 2, 30)


def test_each_picture_stays_as_it_is_outside_the_transitions() -> None:
    given = [picture(24, 36), picture(24, 30, seed=1)]
    made = collage(given, transition=0.25).images
    assert made.shape == (1, 3, 24, 36 + 30 - 6)
    assert torch.equal(made[..., :30], given[0][..., :30])
    assert torch.equal(made[..., 36:], given[1][..., 6:])
    assert not torch.equal(made, collage(given, transition=0.25, seed=1).images)


def test_the_seam_is_made_of_patches_of_the_pictures() -> None:
    """They are nearer to patches of the pictures than those of a fade are."""
    given = [picture(32, 48), picture(32, 40, seed=1)]
    layout, patches = laid_out(as_references(given), "row", 0.5), all_patches(given, 5)
    made = collage(given, transition=0.5).images
    seam = slice(32, 48)
    faded, grown = (least_distances(patches, all_patches([x[..., seam]], 5)).mean() for x in (layout.image, made))
    assert float(grown) < 0.8 * float(faded)


def test_patches_have_the_scale_of_the_canvas() -> None:
    large = Reference(picture(48, 60, seed=1))
    first, again = (collage([picture(24, 36), second]).images for second in (large, large.at(0.5)))
    assert torch.equal(first, again)


def test_what_is_masked_is_not_kept() -> None:
    weight = torch.ones(1, 1, 24, 36)
    weight[..., :10, :10] = 0
    image = picture(24, 36)
    image[..., :10, :10] = 1.0
    made = collage([Reference(image, weight), picture(24, 30, seed=1)]).images
    assert float(made[..., :10, :10].mean()) < 0.5
    assert float(made[..., :8, :8].std()) > 0.05
    assert torch.equal(made[..., 10:, :20], image[..., 10:, :20])


def test_a_collage_that_tiles_changes_at_its_borders() -> None:
    given = [picture(24, 36), picture(24, 30, seed=1)]
    made = collage(given, tile="x").images
    assert not torch.equal(made[..., :1], given[0][..., :1])
    assert torch.equal(made[..., 5:25], given[0][..., 5:25])


def test_a_start_picture_takes_the_place_of_the_arrangement() -> None:
    given = [picture(24, 36), picture(24, 30, seed=1)]
    assert collage(given, init=picture(30, 40, seed=2)).images.shape == (1, 3, 30, 40)


def test_height_limits_each_picture() -> None:
    assert collage([picture(60, 60), picture(24, 30, seed=1)], height=24).images.shape[2:] == (24, 24 + 30 - 7)


@pytest.mark.parametrize("quality", ["fast", "denoiser"])
def test_the_other_qualities_keep_the_pictures_too(quality: str) -> None:
    recipe = COLLAGE.recipe(quality)
    given = [picture(24, 36), picture(24, 30, seed=1)]
    optimizer = gpdm.Optimizer(num_steps=2) if quality == "fast" else recipe.optimizer
    made = collage(given, recipe=gpdm.Recipe(**{**vars(recipe), "optimizer": optimizer})).images
    assert torch.equal(made[..., :29], given[0][..., :29])


def test_its_own_quality_is_draft() -> None:
    given = [picture(24, 36), picture(24, 30, seed=1)]
    assert torch.equal(collage(given).images, collage(given, quality="draft").images)


def half() -> Tensor:
    return torch.cat([torch.ones(24, 18), torch.zeros(24, 18)], 1)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([picture()], {}, "collage needs at least two pictures, not 1; add another one"),
        ([Reference(picture(), 1.0, half()), picture()], {}, "use gpdm regions"),
        ([picture(), picture(seed=1)], {"symmetry": "mirror x"}, "set symmetry to none"),
        ([picture(), picture(seed=1)], {"output_width": 20}, "the pictures of the collage set its size"),
        ([picture(), picture(seed=1)], {"keep": half()}, "leave out keep"),
        ([picture(), picture(seed=1)], {"transition": 0.7}, "transition = 0.7 is not allowed"),
    ],
)
def test_what_is_not_allowed(given: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(GPDMError, match=message):
        collage(given, **options)


def test_a_saved_distribution_is_refused() -> None:
    saved = Reference.of_distribution(picture_distribution(picture(40, 44)))
    with pytest.raises(OptionError, match="a collage shows them"):
        collage([saved, picture()])
