"""The search for nearest patches: exhaustive against brute force, and coarse-to-fine against exhaustive."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm.borders import gaussian_blur
from gpdm.patches.nearest import all_patches, squared_distance
from gpdm.patches.search import (
    CHUNK_PATCHES,
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
    """Noise of several grain sizes: no two patches are alike, and matches at half the size are nearly right."""
    noise = torch.randn(1, 3, height, width, generator=Generator().manual_seed(seed))
    return sum((gaussian_blur(noise, s) * s for s in (1.5, 4.0, 8.0)), torch.zeros(())) * 0.5


def grid(image: Tensor, p: int = P) -> tuple[Tensor, Tensor]:
    """Rows and columns of all patches of an image."""
    rows, columns = (torch.arange(length - p + 1) for length in image.shape[2:])
    return rows.repeat_interleave(len(columns)), columns.repeat(len(rows))


def patch(image: Tensor, row: int, column: int, p: int = P) -> Tensor:
    return image[0, :, row : row + p, column : column + p].flatten()


def distances(search: PatchSearch, image: Tensor) -> Tensor:
    """Mean squared differences of all patches of an image to those that the search finds."""
    row, column = grid(image, search.patch_size)
    found = search.positions(image, row, column)
    return squared_distance(all_patches([image], search.patch_size), gather_patches(search.view, found))


def brute(references: list[Tensor], image: Tensor, allowed: Tensor | None = None, p: int = P) -> Tensor:
    """Mean squared differences of all patches of an image to the nearest reference patches, by comparing all pairs."""
    queries, keys = (all_patches(x, p).double() for x in ([image], references))
    pairs = (queries[:, None] - keys[None]).square().mean(2)
    return (pairs if allowed is None else pairs[:, allowed]).amin(1)


REFERENCES = [picture(14, 19, seed=1), picture(20, 9, seed=2), picture(5, 11, seed=3)]


@pytest.mark.parametrize("number", [1, 3])
def test_few_pairs_are_compared_exhaustively(number: int) -> None:
    references, image = REFERENCES[:number], picture(12, 13, seed=9)
    search = PatchSearch(references, P)
    found = search.positions(image, *grid(image))
    assert torch.allclose(distances(search, image).double(), brute(references, image), rtol=1e-4)
    queries = all_patches([image], P)
    for i, (query, index, row, column) in enumerate(zip(queries, found.image, found.row, found.column, strict=True)):
        expected = patch(references[int(index)], int(row), int(column))
        assert torch.equal(gather_patches(search.view, found[i : i + 1])[0], expected)
        assert query.shape == expected.shape


def holes(image: Tensor, number: int, side: int, seed: int = 0) -> Tensor:
    """A mask of the visible pixels of an image, bool, (1, 1, h, w): random squares are hidden."""
    g, mask = Generator().manual_seed(seed), torch.ones_like(image[:, :1], dtype=torch.bool)
    for _ in range(number):
        row, column = (int(torch.randint(max(length - side + 1, 1), (1,), generator=g)) for length in image.shape[2:])
        mask[..., row : row + side, column : column + side] = False
    return mask


def visible_patches(masks: list[Tensor], p: int = P) -> Tensor:
    """A mask of the patches that touch no hidden pixel, bool, in the order of `all_patches`."""
    return torch.tensor(
        [
            bool(mask[0, 0, row : row + p, column : column + p].all())
            for mask in masks
            for row, column in zip(*(x.tolist() for x in grid(mask, p)), strict=True)
        ]
    )


def hidden_pixels(masks: list[Tensor], found: Positions, p: int = P) -> int:
    """The number of hidden pixels that the found patches touch."""
    return sum(
        int((~masks[i][0, 0, row : row + p, column : column + p]).sum())
        for i, row, column in zip(*(x.tolist() for x in (found.image, found.row, found.column)), strict=True)
    )


def assert_same(found: Positions, expected: Positions) -> None:
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.row, expected.row)
    assert torch.equal(found.column, expected.column)


def compares_all_pairs(search: PatchSearch) -> bool:
    """Whether the last search has compared all pairs, and not started at half the size."""
    return "keys" in vars(search)


MASKS = {
    "single pixels": [holes(x, 4, 1, seed) for seed, x in enumerate(REFERENCES)],
    "squares": [holes(x, 2, 3, seed) for seed, x in enumerate(REFERENCES)],
    "one reference hidden": [torch.zeros_like(holes(REFERENCES[0], 0, 1)), holes(REFERENCES[1], 1, 3)]
    + [holes(REFERENCES[2], 0, 1)],
    "nothing hidden": [holes(x, 0, 1) for x in REFERENCES],
}


@pytest.mark.parametrize("name", MASKS)
def test_the_nearest_visible_patches_are_found(name: str) -> None:
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
    masked, unmasked = (
        PatchSearch(REFERENCES, P, masks).positions(image, *grid(image)) for masks in (MASKS["nothing hidden"], None)
    )
    assert_same(masked, unmasked)


def test_masks_apply_to_images_without_a_patch_at_half_the_size() -> None:
    reference, visible = REFERENCES[2], torch.zeros(1, 1, 5, 11, dtype=torch.bool)
    visible[..., 4:] = True
    search = PatchSearch([reference], P, [visible], max_pairs=1)
    found = search.positions(reference, *grid(reference))
    assert compares_all_pairs(search)
    assert found.column.min() >= 4


@pytest.mark.parametrize("pairs", [10**6, 10**5])
@pytest.mark.parametrize(
    "hidden", [(1, 20), (3, 9), (12, 3), (40, 1)], ids=["one large hole", "three holes", "small holes", "pixels"]
)
@pytest.mark.parametrize("size", [(64, 70), (51, 47), (37, 63)])
def test_hidden_patches_are_not_found_from_half_the_size(
    size: tuple[int, int], hidden: tuple[int, int], pairs: int
) -> None:
    references, image = [smooth(64, 70), smooth(45, 51, 5)], smooth(*size, 9)
    masks = [holes(x, *hidden, seed) for seed, x in enumerate(references)]
    search = PatchSearch(references, P, masks, max_pairs=pairs)
    found = search.positions(image, *grid(image))
    assert not compares_all_pairs(search)
    assert hidden_pixels(masks, found) == 0
    assert len(found.row) == (size[0] - P + 1) * (size[1] - P + 1)


MARGIN = 4
"""Distance from the hidden part, in pixels, from which on a patch is visible at half the size as well."""


@pytest.mark.parametrize("bottom_right", [False, True])
def test_a_masked_reference_is_found_from_half_the_size(bottom_right: bool) -> None:
    """Patches of the visible part find themselves, those of the hidden part find others."""
    reference = smooth(64, 70)
    visible = torch.zeros(1, 1, 64, 70, dtype=torch.bool)
    visible[..., 30:, 28:] = True
    if not bottom_right:
        visible = visible.flip(2, 3)
    search = PatchSearch([reference], P, [visible], max_pairs=10**6)
    row, column = grid(reference)
    found = search.positions(reference, row, column)
    assert not compares_all_pairs(search)
    assert hidden_pixels([visible], found) == 0
    itself = (found.row == row) & (found.column == column)
    assert not itself[~visible_patches([visible])].any()
    # At half the size pixels near the hidden part are hidden as well.
    around = -F.max_pool2d(-visible.float(), 2 * MARGIN + 1, 1, MARGIN) > 0
    assert itself[visible_patches([around])].double().mean() > 0.99


def test_matches_under_a_mask_are_nearly_as_near_from_half_the_size() -> None:
    reference = smooth(64, 70)
    noise = torch.randn(1, 3, 51, 47, generator=Generator().manual_seed(1))
    image = reference[..., :51, :47].flip(3) * 0.8 + 0.1 * noise
    visible = [holes(reference, 3, 12)]
    exact = distances(PatchSearch([reference], P, visible), image).mean()
    coarse_to_fine = distances(PatchSearch([reference], P, visible, max_pairs=10**6), image).mean()
    assert exact < coarse_to_fine < 1.6 * exact


def test_a_search_returns_only_the_requested_patches() -> None:
    image = picture(12, 13, seed=9)
    row, column = torch.tensor([7, 0, 3]), torch.tensor([2, 8, 3])
    search = PatchSearch(REFERENCES, P)
    assert_same(search.positions(image, row, column), search.positions(image, *grid(image))[row * 9 + column])


@pytest.mark.parametrize("pairs", [10**6, 10**5])
@pytest.mark.parametrize(("size", "corner"), [((64, 70), (0, 0)), ((45, 51), (13, 9)), ((40, 33), (24, 37))])
def test_every_patch_of_a_crop_is_found_from_half_the_size(
    pairs: int, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    reference = smooth(64, 70)
    image = reference[..., corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    search = PatchSearch([smooth(50, 44, 5), reference], P, max_pairs=pairs)
    row, column = grid(image)
    found = search.positions(image, row, column)
    correct = (found.image == 1) & (found.row == row + corner[0]) & (found.column == column + corner[1])
    assert correct.double().mean() > 0.99
    assert distances(search, image).mean() < 1e-5


@pytest.mark.parametrize("size", [(64, 70), (51, 47)])
def test_matches_of_a_noisy_image_are_nearly_as_near_from_half_the_size(size: tuple[int, int]) -> None:
    reference = smooth(64, 70)
    noise = torch.randn(1, 3, *size, generator=Generator().manual_seed(1))
    image = reference[..., : size[0], : size[1]].flip(3) * 0.8 + 0.1 * noise
    exact = distances(PatchSearch([reference], P), image).mean()
    coarse_to_fine = distances(PatchSearch([reference], P, max_pairs=10**6), image).mean()
    assert exact < coarse_to_fine < 1.6 * exact


def test_many_pairs_are_searched_from_half_the_size() -> None:
    search = PatchSearch([smooth(40, 44)], P, max_pairs=4 * 10**5)
    search.positions(smooth(40, 44, 1), *grid(smooth(40, 44)))
    assert not compares_all_pairs(search)
    assert compares_all_pairs(search.half)
    assert [tuple(x.shape[2:]) for x in search.half.references] == [(20, 22)]


@pytest.mark.parametrize("sizes", [((33, 47), (41, 29)), ((32, 31), (63, 22)), ((21, 60), (24, 24))])
def test_positions_are_inside_their_image(sizes: tuple[tuple[int, int], tuple[int, int]]) -> None:
    references, image = [smooth(*sizes[0], 1), smooth(*sizes[1], 2)], smooth(37, 53, 3)
    search = PatchSearch(references, P, max_pairs=10**5)
    found = search.positions(image, *grid(image))
    assert len(found.row) == 33 * 49
    for i, reference in enumerate(references):
        inside = found[found.image == i]
        assert len(inside.row) > 0
        for positions, length in ((inside.row, reference.shape[2]), (inside.column, reference.shape[3])):
            assert positions.min() >= 0
            assert positions.max() <= length - P
    assert found.row.dtype == found.column.dtype == found.image.dtype == torch.int64


@pytest.mark.parametrize(("reference", "output"), [((30, 40), (7, 60)), ((7, 60), (30, 40)), ((9, 9), (200, 8))])
def test_images_without_a_patch_at_half_the_size_are_compared_exhaustively(
    reference: tuple[int, int], output: tuple[int, int]
) -> None:
    references, image = [smooth(*reference)], smooth(*output, 1)
    found = distances(PatchSearch(references, 7, max_pairs=10), image)
    assert torch.allclose(found.double(), brute(references, image, p=7), rtol=1e-4)


def test_of_equal_patches_the_one_closest_to_the_guess_is_returned() -> None:
    search, image = PatchSearch([torch.zeros(1, 3, 20, 22)], P), picture(9, 9)
    guess = Positions(torch.zeros(3).long(), torch.tensor([0, 7, 15]), torch.tensor([5, 17, 0]))
    queries = gather_patches(patch_view([image], P), guess.shifted(0, 0, torch.tensor([[4, 4]])))
    found = search._refine(queries, guess)
    assert torch.equal(found.row, guess.row)
    assert torch.equal(found.column, guess.column)


def test_the_patch_view_holds_all_patches() -> None:
    view = patch_view(REFERENCES, P)
    assert view.shape == (3, 3, 16, 15, P, P)
    patches = [
        gather_patches(view, Positions(torch.full_like(row, i), row, column))
        for i, (row, column) in enumerate(map(grid, REFERENCES))
    ]
    assert torch.equal(torch.cat(patches), all_patches(REFERENCES, P))


def test_scatter_add_is_the_adjoint_of_gather(generator: Generator) -> None:
    image = torch.randn(1, 3, 11, 14, generator=generator, dtype=torch.float64)
    chosen = torch.randperm(70, generator=generator)[:40]
    positions = Positions(torch.zeros_like(chosen), chosen // 10, chosen % 10)
    patches = torch.randn(40, 3 * P * P, generator=generator, dtype=torch.float64)
    scattered = torch.zeros_like(image)
    scatter_add_patches(scattered, patches, positions)
    gathered = gather_patches(patch_view([image], P), positions)
    assert float((gathered * patches).sum()) == pytest.approx(float((image * scattered).sum()), rel=1e-12)


def test_scatter_add_of_all_patches_adds_their_fold(generator: Generator) -> None:
    image, start = picture(11, 14), picture(11, 14, seed=1)
    row, column = grid(image)
    patches = torch.randn(len(row), 3 * P * P, generator=generator)
    expected = start + F.fold(patches.T[None], (11, 14), P)
    scatter_add_patches(start, patches, Positions(torch.zeros_like(row), row, column))
    assert torch.allclose(start, expected, atol=1e-5)


@pytest.mark.parametrize("number", [0, 1, CHUNK_PATCHES - 1, CHUNK_PATCHES, CHUNK_PATCHES + 1, 3 * CHUNK_PATCHES])
def test_chunks_cover_every_index_once(number: int) -> None:
    found = [i for part in chunks(torch.zeros(number)) for i in range(part.start, part.stop)]
    assert found == list(range(number))
    assert all(0 < part.stop - part.start <= CHUNK_PATCHES for part in chunks(torch.zeros(number)))


def test_the_result_does_not_depend_on_the_size_of_chunks() -> None:
    reference, image = smooth(40, 44), smooth(36, 30, 1)
    expected = PatchSearch([reference], P, max_pairs=10**5).positions(image, *grid(image))
    search = PatchSearch([reference], P, max_pairs=10**5, chunk_patches=100)
    assert_same(search.positions(image, *grid(image)), expected)
    assert not compares_all_pairs(search)


def test_positions_are_shifted_within_each_image() -> None:
    positions = Positions(torch.tensor([0, 0, 1]), torch.tensor([0, 5, 9]), torch.tensor([2, 3, 0]))
    moved = positions.shifted(1, -2, torch.tensor([[5, 9], [9, 4]]))
    assert moved.image.tolist() == [0, 0, 1]
    assert moved.row.tolist() == [1, 5, 9]
    assert moved.column.tolist() == [0, 1, 0]
    joined = Positions.joined([positions, moved])
    assert joined.row.tolist() == [0, 5, 9, 1, 5, 9]
    assert joined.column.tolist() == [2, 3, 0, 0, 1, 0]
    assert joined.image.tolist() == [0, 0, 1, 0, 0, 1]
