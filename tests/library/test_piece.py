"""Covering a seam with one piece of the picture: cuts of least cost, and what is copied."""

from __future__ import annotations

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gpdm import GPDMError, ImageError, OptionError, make_tileable
from gpdm.edits.blend import blended
from gpdm.edits.cuts import best_cut, cut_costs
from gpdm.patches.store import PatchStore
from library.problems import picture


def path_cost(energy: Tensor, path: tuple[int, ...]) -> float:
    """Cost of a cut by its definition: the energies on both sides of it."""
    return sum(float(energy[row, column] + energy[row, column + 1]) for row, column in enumerate(path))


def all_cuts(height: int, width: int, closed: bool) -> list[tuple[int, ...]]:
    """Every cut that moves by at most one column from row to row, and from the last to the first if closed."""
    paths = product(range(width - 1), repeat=height)
    rows = range(0 if closed else 1, height)  # row -1 is the last
    return [path for path in paths if all(abs(path[row] - path[row - 1]) <= 1 for row in rows)]


@pytest.mark.parametrize("seed", range(5))
def test_the_cut_is_the_best_of_all(seed: int) -> None:
    energy = torch.rand(5, 4, generator=torch.Generator().manual_seed(seed))
    best = min(all_cuts(5, 4, closed=False), key=lambda path: path_cost(energy, path))
    assert tuple(best_cut(energy).tolist()) == best
    assert float(cut_costs(energy[None])[0]) == pytest.approx(path_cost(energy, best))


@pytest.mark.parametrize("seed", range(5))
def test_a_closed_cut_ends_where_it_begins(seed: int) -> None:
    energy = torch.rand(5, 5, generator=torch.Generator().manual_seed(seed))
    path = tuple(best_cut(energy, closed=True).tolist())
    cuts = all_cuts(5, 5, closed=True)
    assert path in cuts
    costs = sorted(path_cost(energy, cut) for cut in cuts)
    assert path_cost(energy, path) <= costs[len(costs) // 20]


def test_a_closed_cut_follows_a_free_line_across_the_border() -> None:
    """The line wraps: it begins and ends in column 3, where an open cut through noise might begin elsewhere."""
    energy = torch.ones(8, 7)
    line = [3, 4, 5, 5, 4, 3, 2, 2]
    for row, column in enumerate(line):
        energy[row, column : column + 2] = 0
    assert best_cut(energy, closed=True).tolist() == line
    assert float(cut_costs(energy[None], closed=True)[0]) == 0


def test_a_single_row_has_a_cut() -> None:
    energy = torch.tensor([[3.0, 1.0, 1.0, 3.0]])
    assert best_cut(energy).tolist() == best_cut(energy, closed=True).tolist() == [1]


@pytest.mark.parametrize("axes", ["x", "y", "both"])
def test_a_damaged_border_of_a_periodic_picture_is_covered_exactly(axes: str) -> None:
    rows, columns = torch.arange(80)[:, None], torch.arange(88)
    periodic = 0.4 * (torch.sin(rows * torch.pi / 4) + torch.sin(columns * torch.pi / 4))[None, None]
    damaged = periodic.clone()
    if axes != "y":
        damaged[..., :2] = 0.9
    if axes != "x":
        damaged[..., -2:, :] = -0.9
    result = make_tileable(damaged, axes=axes)
    assert torch.allclose(result.images, periodic, atol=1e-5)
    for name in axes.replace("both", "xy"):
        assert result.metrics[0][f"seam gradient {name} before"] > 1.5


def test_sources_say_which_pixel_was_copied() -> None:
    """In a picture whose brightness at both borders is alike nothing is blended."""
    image = picture(60, 72)
    result = make_tileable(image, axes="x")
    source, changed = result.sources[0], result.masks[0, 0] > 0
    assert torch.equal(source[0] >= 0, changed)
    rows, columns = source[1][changed], source[2][changed]
    assert torch.equal(rows, torch.arange(60)[:, None].expand(60, 72)[changed])  # a piece of the same rows
    copied = image[0, :, rows, columns]
    assert (result.images[0][:, changed] - copied).abs().mean() < 0.5 * (
        image[0][:, changed] - copied.mean()
    ).abs().mean()


def test_excluded_pixels_are_not_copied() -> None:
    image = picture(60, 96)
    exclude = torch.zeros(60, 96)
    exclude[:, 20:50] = 1
    result = make_tileable(image, axes="x", band=16, exclude=exclude)
    columns, own = result.sources[0, 2], torch.arange(96)
    moved = (result.masks[0, 0] > 0) & (columns != own)
    assert moved.any()
    assert exclude[result.sources[0, 1][moved], columns[moved]].max() == 0


def test_another_seed_may_take_another_piece_and_the_same_seed_the_same() -> None:
    image = torch.rand(1, 1, 48, 64, generator=torch.Generator().manual_seed(0)) - 0.5
    first, again, other = (make_tileable(image, axes="x", seed=seed).images for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("seed", [4, 6])
def test_both_axes_tile_also_where_they_cross(seed: int) -> None:
    """A smooth picture: in the rows of the second seam, the first has no larger step than there are inside."""
    noise = torch.randn(1, 1, 90, 98, generator=torch.Generator().manual_seed(seed))
    result = make_tileable(1.5 * F.avg_pool2d(noise, 7, 1)).images
    rows = torch.cat([result[..., :8, :], result[..., -8:, :]], 2)
    steps = (rows - rows.roll(1, 3)).abs()
    assert steps[..., 0].max() < steps[..., 1:].max()


def test_blending_continues_across_a_circular_border() -> None:
    """A step at the top of one row of pieces is spread over the rows on both sides of it."""
    image = torch.zeros(1, 1, 12, 5)
    image[..., :6, :] = 0.2
    store, index = PatchStore([torch.zeros(1, 1, 12, 5)], 1), torch.arange(60).view(12, 5).clone()
    index[:, 0] = index[:, -1] = -1
    known = torch.ones(60, dtype=torch.bool)
    around, free = (blended(image, store, known, index, 0.8, border) for border in ("circular y", "free"))
    step = (around[0, 0, 0] - around[0, 0, -1]).abs()[2]
    assert step < 0.1 < (free[0, 0, 0] - free[0, 0, -1]).abs()[2]


@pytest.mark.parametrize(("width", "band"), [(12, 0), (12, 8), (60, 50), (300, 262), (301, 40)])
def test_every_band_that_is_allowed_can_be_covered(width: int, band: int) -> None:
    result = make_tileable(picture(12, width), axes="x", band=band)
    assert result.images.isfinite().all()
    assert band == 0 or result.masks.sum() == 12 * band


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"band": 40}, ImageError, "too small for a band of 40 pixels and 6 pixels outside it"),
        ({"band": 2}, OptionError, "needs room for its cuts; set it to 4"),
        ({"references": picture(40, 40)}, GPDMError, "set intent to continue or populate"),
        ({"exclude": torch.ones(40, 44)}, GPDMError, "no piece of the picture without excluded pixels"),
    ],
)
def test_what_cannot_be_covered_is_one_line(settings: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make_tileable(picture(40, 44), **settings)
