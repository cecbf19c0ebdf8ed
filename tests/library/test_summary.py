"""Summaries: gradual sizes, what they show and leave out, and where their pixels come from."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from gpdm import BidirectionalLoss, Canvas, GPDMError, OutputState, Reference, summarise
from gpdm.edits.gradual import gradual_sizes
from gpdm.edits.seams import least_seam, without_seams
from library.problems import picture


@pytest.mark.parametrize(
    ("size", "target"),
    [((50, 75), (50, 38)), ((50, 75), (50, 19)), ((50, 75), (13, 19)), ((20, 90), (19, 30)), ((9, 10), (9, 9))],
)
def test_sizes_become_smaller_by_about_five_percent(size: tuple[int, int], target: tuple[int, int]) -> None:
    sizes = gradual_sizes(size, target)
    assert sizes[-1] == target
    for before, after in zip([size, *sizes], sizes, strict=False):
        assert after != before
        for old, new in zip(before, after, strict=True):
            assert 0 <= old - new <= 0.05 * old + 1


def test_a_size_that_stays_has_no_steps() -> None:
    assert gradual_sizes((12, 20), (12, 20)) == []


def squares(number: int, gap: int) -> Tensor:
    """Returns grey ground with squares of eight pixels in one row, each of another hue, (1, 3, 24, W)."""
    image = torch.zeros(1, 3, 24, gap + number * (8 + gap))
    for i in range(number):
        left = gap + i * (8 + gap)
        image[:, :, 8:16, left : left + 8] = -1
        grain = 0.8 * torch.rand(8, 8, generator=torch.Generator().manual_seed(i))
        image[:, i, 8:16, left : left + 8] = 1 - grain
    return image


def area(image: Tensor, channel: int) -> int:
    """Returns the number of pixels of the hue of a square."""
    return int(((image[0, channel] > -0.1) & (image[0].sum(0) < -0.5)).sum())


def test_all_objects_stay_and_keep_their_size() -> None:
    """Scaling makes squares of half the area, and cropping loses one."""
    image = squares(3, 16)
    result = summarise(image, width_factor=0.5).images
    assert result.shape == (1, 3, 24, 44)
    assert all(0.8 * 64 < area(result, i) < 1.2 * 64 for i in range(3)), [area(result, i) for i in range(3)]


def test_the_least_seam_goes_where_nothing_changes() -> None:
    """A bent band of one value between noise: seams inside it join equal pixels."""
    noise = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    start = torch.tensor([4, 5, 6, 7, 8, 9, 9, 8, 7, 6, 6, 6])
    inside = (torch.arange(20) - start[:, None]).clamp(-1, 4).remainder(5) < 4
    image = torch.where(inside, 0.5, noise)
    seam = least_seam(image, torch.zeros(1, 1, 12, 20))
    assert ((seam >= start) & (seam < start + 4)).all()
    assert (seam.diff().abs() <= 1).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_least_seam_is_that_of_all_seams(seed: int) -> None:
    """Their costs are summed over the pixels that become neighbours, one by one."""
    image = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(seed))
    rows = image[0, 0].tolist()

    def cost(seam: tuple[int, ...]) -> float:
        total = sum(abs(row[max(j - 1, 0)] - row[min(j + 1, 4)]) for row, j in zip(rows, seam, strict=True))
        for i, (before, after) in enumerate(pairwise(seam)):
            # Where the seam moves aside, the pixel above it comes to stand on the one beside it.
            if before != after:
                total += abs(rows[i][after] - rows[i + 1][before])
        return total

    seams = [s for s in product(range(5), repeat=4) if all(abs(a - b) <= 1 for a, b in pairwise(s))]
    assert tuple(least_seam(image, torch.zeros_like(image)).tolist()) == min(seams, key=cost)


def test_seams_avoid_what_costs_and_stop_at_the_size() -> None:
    image = torch.arange(24.0).expand(1, 1, 10, 24) / 24
    cost = torch.zeros(1, 1, 10, 24)
    cost[..., 6:18] = 1
    smaller, kept = without_seams(image, cost, (8, 12))
    assert smaller.shape == (1, 1, 8, 12)
    assert (kept == 1).all()
    assert torch.equal(smaller, image[:, :, :8, 6:18])


def test_one_vote_is_that_of_the_paper() -> None:
    """A pixel is the weighted mean over the patches that cover it, counted by hand for patches of one pixel."""
    source = torch.tensor([-0.9, -0.5, 0.5, 0.8])[None, None, None]
    target = torch.tensor([-0.8, 0.4])[None, None, None]
    loss = BidirectionalLoss(patch_size=1)
    objective = loss.bind([Reference(source)], Canvas(size=(1, 2)), memory=0)
    voted = objective.sample(target, 0, OutputState(torch.Generator())).minimiser
    # Nearest to the pixels of the target: -0.9 and 0.5; nearest to those of the source: 0, 0, 1, 1.
    low = (-0.9 / 2 + (-0.9 - 0.5) / 4) / (1 / 2 + 2 / 4)
    high = (0.5 / 2 + (0.5 + 0.8) / 4) / (1 / 2 + 2 / 4)
    assert torch.allclose(voted.flatten(), torch.tensor([low, high]))


def test_nothing_changes_at_the_size_of_the_picture() -> None:
    image = picture(24, 30)
    result = summarise(image, width_factor=1.0)
    assert (result.images - image).abs().mean() < 0.02


def test_pixels_are_those_of_their_sources() -> None:
    """Up to differences of brightness between pieces, which are spread."""
    image = squares(2, 16)
    result = summarise(image, width_factor=0.6)
    number, rows, columns = result.sources[0]
    assert (number == 0).all() and columns.max() > 40 and columns.min() < 8
    assert (image[:, :, rows, columns] - result.images).abs().mean() < 0.02


def test_what_the_mask_covers_is_shown_more() -> None:
    image, mask = picture(24, 64), torch.zeros(24, 64)
    mask[:, :24] = 1
    plain = summarise(image, width_factor=0.4).sources[0, 2]
    weighted = summarise(image, mask, width_factor=0.4, importance=50.0).sources[0, 2]
    assert (weighted < 24).float().mean() > (plain < 24).float().mean() + 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width_factor": 1.5}, r"width of 60 pixels, and the picture has 40.*Retarget"),
        ({"height": 33}, r"height of 33 pixels, and the picture has 32.*lower height"),
        ({"width": 6}, r"width of 6 pixels, less than a patch of 7; raise width"),
        ({"width_factor": 0.0}, "width_factor = 0.0"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(GPDMError, match=message):
        summarise(picture(32, 40), **options)
