"""What is copied: hand-made maps of sources, and pictures of which it is known what was moved where."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gpdm.evaluation.copying import VERBATIM, Sources, copied_share, largest_region
from gpdm.images import size_of
from gpdm.patches.linear import patch_grid
from gpdm.patches.nearest import all_patches, nearest
from library.problems import picture

PATCH = 7
ORDER = (4, 8, 3, 6, 1, 5, 2, 0, 7)
"""Tiles in an order in which no two that were side by side are so still."""


def sources_of(image: Tensor, references: Sequence[Tensor]) -> Sources:
    found = nearest(all_patches([image], PATCH), all_patches(references, PATCH))
    grid = patch_grid(size_of(image), PATCH, 1)
    return Sources.of(found.index, found.distance / 4, grid, references, PATCH)


def from_regions(regions: Sequence[str]) -> Sources:
    """One letter a patch: all with one letter have moved as one; capital letters are verbatim."""
    letters = torch.tensor([[ord(letter.lower()) - ord("a") for letter in line] for line in regions])
    distance = torch.tensor([[VERBATIM * (1 if letter.isupper() else 1.01) for letter in line] for line in regions])
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in letters.shape), indexing="ij")
    return Sources(torch.zeros_like(letters), rows + 100, columns + 100 + letters, distance)


def shuffled(image: Tensor, side: int) -> Tensor:
    tiles = [row.split(side, 3) for row in image.split(side, 2)]
    flat = [tile for row in tiles for tile in row]
    return torch.cat([torch.cat([flat[i] for i in ORDER[j : j + 3]], 3) for j in (0, 3, 6)], 2)


def test_a_copy_is_copied_in_one_piece() -> None:
    image = picture(48, 56)
    sources = sources_of(image, [image])
    assert copied_share(sources) == 1.0
    assert largest_region(sources) == 1.0
    assert not sources.offsets().any()
    assert not sources.distance.any()


@pytest.mark.parametrize(("down", "right"), [(16, 0), (0, 10), (12, 9)])
def test_offsets_of_a_rolled_copy_name_the_roll(down: int, right: int) -> None:
    image = picture(64, 60)
    sources = sources_of(image.roll((down, right), (2, 3)), [image])
    larger = sources.offsets()[down:, right:]
    assert torch.equal(larger, torch.tensor([0, down, right]).expand_as(larger))
    if down:
        above = sources.offsets()[: down - PATCH + 1, right:]
        assert torch.equal(above, torch.tensor([0, down - 64, right]).expand_as(above))
    rows, columns = 64 - PATCH + 1, 60 - PATCH + 1
    assert largest_region(sources) == pytest.approx((rows - down) * (columns - right) / (rows * columns))
    seams = 1 - (1 - (PATCH + 1) * bool(down) / rows) * (1 - (PATCH + 1) * bool(right) / columns)
    assert 1 - seams <= copied_share(sources) < 1


def test_a_crop_is_a_copy() -> None:
    image = picture(64, 60)
    sources = sources_of(image[..., 5:50, 8:60], [image])
    assert copied_share(sources) == largest_region(sources) == 1.0
    assert sources.offsets()[0, 0].tolist() == [0, -5, -8]


def test_shuffled_tiles_are_copied_and_the_largest_piece_is_a_tile() -> None:
    image = picture(72, 72)
    sources = sources_of(shuffled(image, 24), [image])
    tile, whole = (24 - PATCH + 1) ** 2, (72 - PATCH + 1) ** 2
    assert largest_region(sources) == pytest.approx(tile / whole)
    assert 9 * (24 - PATCH - 1) ** 2 / whole <= copied_share(sources) < 0.9


def test_another_picture_of_the_kind_is_no_copy() -> None:
    sources = sources_of(picture(64, 64, seed=1), [picture(64, 64)])
    assert copied_share(sources) < 0.3
    assert largest_region(sources) == 0.0


def test_a_copy_with_noise_is_copied_but_not_verbatim() -> None:
    """Mean squared difference 4e-4 for values from 0 to 1, where `VERBATIM` is 2.5e-4; half the noise is a quarter of it."""
    image = picture(48, 48)
    noise = 0.04 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    assert copied_share(sources_of(image + noise, [image])) > 0.95
    assert largest_region(sources_of(image + noise, [image])) == 0.0
    assert largest_region(sources_of(image + noise / 2, [image])) > 0.95


def test_several_references_of_different_sizes_are_told_apart() -> None:
    references = [picture(20, 31), picture(25, 18, seed=1), picture(17, 40, seed=2)]
    for number, reference in enumerate(references):
        sources = sources_of(reference, references)
        assert (sources.reference == number).all()
        rows, columns = torch.meshgrid(*(torch.arange(n - PATCH + 1) for n in size_of(reference)), indexing="ij")
        assert torch.equal(sources.row, rows)
        assert torch.equal(sources.column, columns)


def test_first_and_last_patch_of_every_reference() -> None:
    references = [torch.zeros(1, 1, *size) for size in ((8, 9), (10, 7), (7, 12))]  # grids 2 x 3, 4 x 1, 1 x 6
    index = torch.tensor([0, 2, 3, 5, 6, 9, 10, 15])
    sources = Sources.of(index, torch.arange(8.0), (2, 4), references, PATCH)
    assert sources.reference.tolist() == [[0, 0, 0, 0], [1, 1, 2, 2]]
    assert sources.row.tolist() == [[0, 0, 1, 1], [0, 3, 0, 0]]
    assert sources.column.tolist() == [[0, 2, 0, 2], [0, 0, 0, 5]]
    assert sources.distance.tolist() == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]


def test_the_same_place_in_another_reference_is_another_source() -> None:
    one = from_regions(["AAAA", "AAAA"])
    two = Sources(torch.tensor([[0, 0, 1, 1]] * 2), one.row, one.column, one.distance)
    assert largest_region(one) == 1.0
    assert largest_region(two) == 0.5
    assert copied_share(two) == 0.5


@pytest.mark.parametrize(
    ("regions", "copied", "largest"),
    [
        (["a"], 1, 0),
        (["A"], 1, 1),
        (["ab", "cd"], 0, 0),
        (["AB", "CD"], 0, 1 / 4),
        (["aaa", "aba", "aaa"], 4 / 9, 0),  # the corners; all beside the b have a neighbour that moved otherwise
        (["AAA", "ABA", "AAA"], 4 / 9, 8 / 9),
        (["AAA", "AaA", "AAA"], 1, 8 / 9),
        (["AAA", "aaa", "AAa"], 1, 3 / 9),
        (["AB", "BA"], 0, 1 / 4),  # touching at a corner is not enough
        (["AAAA", "BBBB", "BBBB"], 4 / 12, 8 / 12),
        (["AABB", "AABB"], 4 / 8, 4 / 8),
        (["AAAAA", "BBBBA", "AAAAA", "ABBBB", "AAAAA"], 2 / 25, 17 / 25),  # there and back
        (["AAAAAAA", "BBBBBBA", "AAAAABA", "ABBBABA", "ABAAABA", "ABBBBBA", "AAAAAAA"], 3 / 49, 31 / 49),  # a spiral
    ],
)
def test_maps_of_known_answer(regions: list[str], copied: float, largest: float) -> None:
    sources = from_regions(regions)
    assert largest_region(sources) == pytest.approx(largest)
    assert copied_share(sources) == pytest.approx(copied)


@given(data=st.data(), rows=st.integers(1, 9), columns=st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_any_map_agrees_with_walking_through_it(data: st.DataObject, rows: int, columns: int) -> None:
    line = st.text("AAAABa", min_size=columns, max_size=columns)
    regions = data.draw(st.lists(line, min_size=rows, max_size=rows))
    sources = from_regions(regions)

    def neighbours(y: int, x: int) -> list[tuple[int, int]]:
        around = ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        return [(j, i) for j, i in around if 0 <= j < rows and 0 <= i < columns]

    places = [(y, x) for y in range(rows) for x in range(columns)]
    lower = [line.lower() for line in regions]
    moved_as_one = [all(lower[j][i] == lower[y][x] for j, i in neighbours(y, x)) for y, x in places]
    assert copied_share(sources) == pytest.approx(sum(moved_as_one) / len(places))

    unseen = {(y, x) for y, x in places if regions[y][x].isupper()}
    largest = 0
    while unseen:
        ways, size = [unseen.pop()], 0
        while ways:
            y, x = ways.pop()
            size += 1
            joined = {(j, i) for j, i in neighbours(y, x) if regions[j][i] == regions[y][x]} & unseen
            unseen -= joined
            ways += joined
        largest = max(largest, size)
    assert largest_region(sources) == pytest.approx(largest / len(places))
