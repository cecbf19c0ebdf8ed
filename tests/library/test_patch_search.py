"""The search for nearest patches: against brute force, and what it finds when it starts at half the size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm.borders import gaussian_blur
from gpdm.patches import search as patch_search
from gpdm.patches.nearest import all_patches, squared_distance
from gpdm.patches.search import (
    BLOCK,
    PatchSearch,
    Positions,
    chunks,
    gather_patches,
    patch_view,
    scatter_add_patches,
)
from library.problems import picture

P = 5


def smooth(height: int, width: int, seed: int = 0) -> Tensor:
    """Noise of several grain sizes, so that no two patches are alike, and half the size tells where to look."""
    noise = torch.randn(1, 3, height, width, generator=Generator().manual_seed(seed))
    return sum((gaussian_blur(noise, s) * s for s in (1.5, 4.0, 8.0)), torch.zeros(())) * 0.5


def grid(image: Tensor, p: int = P) -> tuple[Tensor, Tensor]:
    """Rows and columns of all patches of an image."""
    rows, columns = (torch.arange(side - p + 1) for side in image.shape[2:])
    return rows.repeat_interleave(len(columns)), columns.repeat(len(rows))


def patch(image: Tensor, row: int, column: int, p: int = P) -> Tensor:
    return image[0, :, row : row + p, column : column + p].flatten()


def distances(search: PatchSearch, image: Tensor) -> Tensor:
    row, column = grid(image, search.patch_size)
    found = search.positions(image, row, column)
    return squared_distance(all_patches([image], search.patch_size), gather_patches(search.view, found))


def brute(references: list[Tensor], image: Tensor, allowed: Tensor | None = None, p: int = P) -> Tensor:
    """The least mean squared differences."""
    queries, keys = (all_patches(x, p).double() for x in ([image], references))
    pairs = (queries[:, None] - keys[None]).square().mean(2)
    return (pairs if allowed is None else pairs[:, allowed]).amin(1)


REFERENCES = [picture(14, 19, seed=1), picture(20, 9, seed=2), picture(5, 11, seed=3)]


@pytest.mark.parametrize("number", [1, 3])
def test_few_are_compared_one_with_another(number: int) -> None:
    references, image = REFERENCES[:number], picture(12, 13, seed=9)
    search = PatchSearch(references, P)
    found = search.positions(image, *grid(image))
    assert torch.allclose(distances(search, image).double(), brute(references, image), rtol=1e-4)
    for i, (own, picture_, row, column) in enumerate(
        zip(all_patches([image], P), found.picture, found.row, found.column, strict=True)
    ):
        there = patch(references[int(picture_)], int(row), int(column))
        assert torch.equal(there, gather_patches(search.view, found[i : i + 1])[0])
        assert own.shape == there.shape


def holes(image: Tensor, number: int, side: int, seed: int = 0) -> Tensor:
    """Which pixels of an image are visible, bool, (1, 1, h, w): all but those under some random squares."""
    g, mask = Generator().manual_seed(seed), torch.ones_like(image[:, :1], dtype=torch.bool)
    for _ in range(number):
        row, column = (int(torch.randint(max(length - side + 1, 1), (1,), generator=g)) for length in image.shape[2:])
        mask[..., row : row + side, column : column + side] = False
    return mask


def visible_patches(masks: list[Tensor], p: int = P) -> Tensor:
    """Which patches touch no hidden pixel, bool, by going through them; numbered as by `all_patches`."""
    return torch.tensor(
        [
            bool(mask[0, 0, row : row + p, column : column + p].all())
            for mask in masks
            for row, column in zip(*(x.tolist() for x in grid(mask, p)), strict=True)
        ]
    )


def hidden_pixels(masks: list[Tensor], found: Positions, p: int = P) -> int:
    """How many hidden pixels the found patches touch."""
    return sum(
        int((~masks[i][0, 0, row : row + p, column : column + p]).sum())
        for i, row, column in zip(*(x.tolist() for x in (found.picture, found.row, found.column)), strict=True)
    )


def compares_all_pairs(search: PatchSearch) -> bool:
    """Whether the last search has compared all pairs rather than begun at half the size."""
    return "keys" in vars(search)


MASKS = {
    "single pixels": [holes(x, 4, 1, seed) for seed, x in enumerate(REFERENCES)],
    "squares": [holes(x, 2, 3, seed) for seed, x in enumerate(REFERENCES)],
    "one reference wholly hidden": [torch.zeros_like(holes(REFERENCES[0], 0, 1)), holes(REFERENCES[1], 1, 3)]
    + [holes(REFERENCES[2], 0, 1)],
    "nothing hidden": [holes(x, 0, 1) for x in REFERENCES],
}


@pytest.mark.parametrize("name", MASKS)
def test_hidden_patches_are_not_found_and_of_the_others_the_nearest(name: str) -> None:
    image, masks = picture(12, 13, seed=9), MASKS[name]
    search = PatchSearch(REFERENCES, P, masks)
    found = search.positions(image, *grid(image))
    assert compares_all_pairs(search)
    assert hidden_pixels(masks, found) == 0
    assert search.number == int(visible_patches(masks).sum()) > 0
    expected = brute(REFERENCES, image, visible_patches(masks))
    assert torch.allclose(distances(search, image).double(), expected, rtol=1e-4)


def test_a_mask_that_hides_nothing_changes_nothing() -> None:
    image = picture(12, 13, seed=9)
    masked, whole = (
        PatchSearch(REFERENCES, P, masks).positions(image, *grid(image)) for masks in (MASKS["nothing hidden"], None)
    )
    for name in ("picture", "row", "column"):
        assert torch.equal(getattr(masked, name), getattr(whole, name))


def test_masks_hold_where_pictures_have_no_patch_at_half_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_search, "PAIRS", 1)
    reference, visible = REFERENCES[2], torch.zeros(1, 1, 5, 11, dtype=torch.bool)
    visible[..., 4:] = True
    search = PatchSearch([reference], P, [visible])
    found = search.positions(reference, *grid(reference))
    assert compares_all_pairs(search)
    assert found.column.min() >= 4


@pytest.mark.parametrize("pairs", [10**6, 10**5])
@pytest.mark.parametrize(
    "hidden", [(1, 20), (3, 9), (12, 3), (40, 1)], ids=["one large hole", "three holes", "small holes", "pixels"]
)
@pytest.mark.parametrize("size", [(64, 70), (51, 47), (37, 63)])
def test_hidden_patches_are_not_found_from_half_the_size(
    size: tuple[int, int], hidden: tuple[int, int], pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_search, "PAIRS", pairs)
    references, image = [smooth(64, 70), smooth(45, 51, 5)], smooth(*size, 9)
    masks = [holes(x, *hidden, seed) for seed, x in enumerate(references)]
    search = PatchSearch(references, P, masks)
    found = search.positions(image, *grid(image))
    assert not compares_all_pairs(search)
    assert hidden_pixels(masks, found) == 0
    assert len(found.row) == (size[0] - P + 1) * (size[1] - P + 1)


MARGIN = 4
"""Pixels from the hidden part at which a patch is surely visible at half the size, too."""


@pytest.mark.parametrize("bottom_right", [False, True])
def test_a_copy_of_a_masked_reference_is_found_from_half_the_size(
    bottom_right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patches of the part that is visible find themselves, those of the hidden part others."""
    monkeypatch.setattr(patch_search, "PAIRS", 10**6)
    reference = smooth(64, 70)
    visible = torch.zeros(1, 1, 64, 70, dtype=torch.bool)
    visible[..., 30:, 28:] = True
    if not bottom_right:
        visible = visible.flip(2, 3)
    search = PatchSearch([reference], P, [visible])
    row, column = grid(reference)
    found = search.positions(reference, row, column)
    assert not compares_all_pairs(search)
    assert hidden_pixels([visible], found) == 0
    itself = (found.row == row) & (found.column == column)
    assert not itself[~visible_patches([visible])].any()
    # At half the size pixels near the hidden part are hidden, too.
    around = -F.max_pool2d(-visible.float(), 2 * MARGIN + 1, 1, MARGIN) > 0
    assert itself[visible_patches([around])].double().mean() > 0.99


def test_what_is_found_under_a_mask_is_nearly_as_near_from_half_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = smooth(64, 70)
    noise = torch.randn(1, 3, 51, 47, generator=Generator().manual_seed(1))
    image = reference[..., :51, :47].flip(3) * 0.8 + 0.1 * noise
    visible = [holes(reference, 3, 12)]
    exact = distances(PatchSearch([reference], P, visible), image).mean()
    monkeypatch.setattr(patch_search, "PAIRS", 10**6)
    rough = distances(PatchSearch([reference], P, visible), image).mean()
    assert exact < rough < 1.6 * exact


def test_only_the_patches_that_are_asked_for_are_looked_up() -> None:
    image = picture(12, 13, seed=9)
    row, column = torch.tensor([7, 0, 3]), torch.tensor([2, 8, 3])
    search = PatchSearch(REFERENCES, P)
    some, whole = search.positions(image, row, column), search.positions(image, *grid(image))
    for name in ("picture", "row", "column"):
        assert torch.equal(getattr(some, name), getattr(whole, name)[row * 9 + column])


@pytest.mark.parametrize("pairs", [10**6, 10**5])
@pytest.mark.parametrize(("size", "corner"), [((64, 70), (0, 0)), ((45, 51), (13, 9)), ((40, 33), (24, 37))])
def test_every_patch_of_a_crop_is_found_from_half_the_size(
    pairs: int, size: tuple[int, int], corner: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_search, "PAIRS", pairs)
    reference = smooth(64, 70)
    image = reference[..., corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    search = PatchSearch([smooth(50, 44, 5), reference], P)
    row, column = grid(image)
    found = search.positions(image, row, column)
    right = (found.picture == 1) & (found.row == row + corner[0]) & (found.column == column + corner[1])
    assert right.double().mean() > 0.99
    assert distances(search, image).mean() < 1e-5


@pytest.mark.parametrize("size", [(64, 70), (51, 47)])
def test_what_is_found_in_a_noisy_picture_is_nearly_as_near(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = smooth(64, 70)
    noise = torch.randn(1, 3, *size, generator=Generator().manual_seed(1))
    image = reference[..., : size[0], : size[1]].flip(3) * 0.8 + 0.1 * noise
    exact = distances(PatchSearch([reference], P), image).mean()
    monkeypatch.setattr(patch_search, "PAIRS", 10**6)
    rough = distances(PatchSearch([reference], P), image).mean()
    assert exact < rough < 1.6 * exact


def test_coarse_to_fine_is_what_many_are_searched_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_search, "PAIRS", 4 * 10**5)
    search = PatchSearch([smooth(40, 44)], P)
    search.positions(smooth(40, 44, 1), *grid(smooth(40, 44)))
    assert "keys" not in vars(search)
    assert "keys" in vars(search.smaller)
    assert [tuple(x.shape[2:]) for x in search.smaller.references] == [(20, 22)]


@pytest.mark.parametrize("sizes", [((33, 47), (41, 29)), ((32, 31), (63, 22)), ((21, 60), (24, 24))])
def test_positions_are_inside_their_picture(
    sizes: tuple[tuple[int, int], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_search, "PAIRS", 10**5)
    references, image = [smooth(*sizes[0], 1), smooth(*sizes[1], 2)], smooth(37, 53, 3)
    search = PatchSearch(references, P)
    found = search.positions(image, *grid(image))
    assert len(found.row) == 33 * 49
    for i, reference in enumerate(references):
        own = found[found.picture == i]
        assert len(own.row) > 0
        for positions, side in ((own.row, reference.shape[2]), (own.column, reference.shape[3])):
            assert positions.min() >= 0
            assert positions.max() <= side - P
    assert found.row.dtype == found.column.dtype == found.picture.dtype == torch.int64


@pytest.mark.parametrize(("reference", "output"), [((30, 40), (7, 60)), ((7, 60), (30, 40)), ((9, 9), (200, 8))])
def test_pictures_that_have_no_patch_at_half_the_size_are_searched_as_well(
    reference: tuple[int, int], output: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patch_search, "PAIRS", 10)
    theirs, image = smooth(*reference), smooth(*output, 1)
    found = distances(PatchSearch([theirs], 7), image)
    assert torch.allclose(found.double(), brute([theirs], image, p=7), rtol=1e-4)


def test_of_equal_patches_the_one_nearest_to_the_guess_is_taken() -> None:
    search, image = PatchSearch([torch.zeros(1, 3, 20, 22)], P), picture(9, 9)
    guess = Positions(torch.zeros(3).long(), torch.tensor([0, 7, 15]), torch.tensor([5, 17, 0]))
    found = search._best(gather_patches(patch_view([image], P), guess.shifted(0, 0, torch.tensor([[4, 4]]))), guess)
    assert torch.equal(found.row, guess.row)
    assert torch.equal(found.column, guess.column)


def test_the_patch_view_is_all_patches() -> None:
    view = patch_view(REFERENCES, P)
    assert view.shape == (3, 3, 16, 15, P, P)
    every = [
        gather_patches(view, Positions(torch.full_like(row, i), row, column))
        for i, (row, column) in enumerate(map(grid, REFERENCES))
    ]
    assert torch.equal(torch.cat(every), all_patches(REFERENCES, P))


def test_scatter_add_is_the_adjoint_of_gather(generator: Generator) -> None:
    image = torch.randn(1, 3, 11, 14, generator=generator, dtype=torch.float64)
    chosen = torch.randperm(70, generator=generator)[:40]
    positions = Positions(torch.zeros_like(chosen), chosen // 10, chosen % 10)
    patches = torch.randn(40, 3 * P * P, generator=generator, dtype=torch.float64)
    back = torch.zeros_like(image)
    scatter_add_patches(back, patches, positions)
    there = gather_patches(patch_view([image], P), positions)
    assert float((there * patches).sum()) == pytest.approx(float((image * back).sum()), rel=1e-12)


def test_scatter_add_adds_to_what_is_there_as_fold_does(generator: Generator) -> None:
    image, start = picture(11, 14), picture(11, 14, seed=1)
    row, column = grid(image)
    patches = torch.randn(len(row), 3 * P * P, generator=generator)
    expected = start + F.fold(patches.T[None], (11, 14), P)
    scatter_add_patches(start, patches, Positions(torch.zeros_like(row), row, column))
    assert torch.allclose(start, expected, atol=1e-5)


@pytest.mark.parametrize("number", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_chunks_are_all_of_it_once(number: int) -> None:
    found = [i for part in chunks(torch.zeros(number)) for i in range(part.start, part.stop)]
    assert found == list(range(number))
    assert all(0 < part.stop - part.start <= BLOCK for part in chunks(torch.zeros(number)))


def test_the_size_of_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_search, "PAIRS", 10**5)
    reference, image = smooth(40, 44), smooth(36, 30, 1)
    whole = PatchSearch([reference], P).positions(image, *grid(image))
    monkeypatch.setattr(patch_search, "BLOCK", 100)
    parts = PatchSearch([reference], P).positions(image, *grid(image))
    assert torch.equal(parts.row, whole.row)
    assert torch.equal(parts.column, whole.column)


def test_positions_are_shifted_within_each_picture() -> None:
    positions = Positions(torch.tensor([0, 0, 1]), torch.tensor([0, 5, 9]), torch.tensor([2, 3, 0]))
    moved = positions.shifted(1, -2, torch.tensor([[5, 9], [9, 4]]))
    assert moved.picture.tolist() == [0, 0, 1]
    assert moved.row.tolist() == [1, 5, 9]
    assert moved.column.tolist() == [0, 1, 0]
    joined = Positions.joined([positions, moved])
    assert joined.row.tolist() == [0, 5, 9, 1, 5, 9]
    assert joined.column.tolist() == [2, 3, 0, 0, 1, 0]
    assert joined.picture.tolist() == [0, 0, 1, 0, 0, 1]
