"""Metrics of copying, for made-up maps of sources and for images with known sources."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gpdm.evaluation.copying import PATCH_SIZE, VERBATIM_DISTANCE, Sources, copied_fraction, largest_region
from gpdm.images import size_of
from gpdm.patches.linear import patch_grid
from gpdm.patches.nearest import all_patches, nearest
from library.problems import picture

ORDER = (4, 8, 3, 6, 1, 5, 2, 0, 7)
"""An order of 3x3 tiles in which no two neighbours stay neighbours."""


def sources_of(image: Tensor, references: Sequence[Tensor]) -> Sources:
    sources = nearest(all_patches([image], PATCH_SIZE), all_patches(references, PATCH_SIZE))
    grid = patch_grid(size_of(image), PATCH_SIZE, 1)
    return Sources.of(sources.index, sources.distance / 4, grid, references, PATCH_SIZE)


def from_regions(regions: Sequence[str]) -> Sources:
    """Sources with one offset for each letter. Patches of capital letters are verbatim."""
    letters = torch.tensor([[ord(letter.lower()) - ord("a") for letter in line] for line in regions])
    distance = torch.tensor(
        [[VERBATIM_DISTANCE * (1 if letter.isupper() else 1.01) for letter in line] for line in regions]
    )
    rows, columns = torch.meshgrid(*(torch.arange(side) for side in letters.shape), indexing="ij")
    return Sources(torch.zeros_like(letters), rows + 100, columns + 100 + letters, distance)


def shuffled(image: Tensor, side: int) -> Tensor:
    """The image with its 3x3 tiles in another order."""
    tiles = [row.split(side, 3) for row in image.split(side, 2)]
    flat = [tile for row in tiles for tile in row]
    return torch.cat([torch.cat([flat[i] for i in ORDER[j : j + 3]], 3) for j in (0, 3, 6)], 2)


def test_a_copy_is_one_verbatim_region() -> None:
    image = picture(48, 56)
    sources = sources_of(image, [image])
    assert copied_fraction(sources) == 1.0
    assert largest_region(sources) == 1.0
    assert not sources.offsets().any()
    assert not sources.distance.any()


@pytest.mark.parametrize(("down", "right"), [(16, 0), (0, 10), (12, 9)])
def test_offsets_of_a_rolled_copy_are_those_of_the_roll(down: int, right: int) -> None:
    image = picture(64, 60)
    sources = sources_of(image.roll((down, right), (2, 3)), [image])
    larger = sources.offsets()[down:, right:]
    assert torch.equal(larger, torch.tensor([0, down, right]).expand_as(larger))
    if down:
        above = sources.offsets()[: down - PATCH_SIZE + 1, right:]
        assert torch.equal(above, torch.tensor([0, down - 64, right]).expand_as(above))
    rows, columns = 64 - PATCH_SIZE + 1, 60 - PATCH_SIZE + 1
    assert largest_region(sources) == pytest.approx((rows - down) * (columns - right) / (rows * columns))
    seams = 1 - (1 - (PATCH_SIZE + 1) * bool(down) / rows) * (1 - (PATCH_SIZE + 1) * bool(right) / columns)
    assert 1 - seams <= copied_fraction(sources) < 1


def test_a_crop_is_a_copy() -> None:
    image = picture(64, 60)
    sources = sources_of(image[..., 5:50, 8:60], [image])
    assert copied_fraction(sources) == largest_region(sources) == 1.0
    assert sources.offsets()[0, 0].tolist() == [0, -5, -8]


def test_shuffled_tiles_are_copied_and_the_largest_region_is_a_tile() -> None:
    image = picture(72, 72)
    sources = sources_of(shuffled(image, 24), [image])
    tile, total = (24 - PATCH_SIZE + 1) ** 2, (72 - PATCH_SIZE + 1) ** 2
    assert largest_region(sources) == pytest.approx(tile / total)
    assert 9 * (24 - PATCH_SIZE - 1) ** 2 / total <= copied_fraction(sources) < 0.9


def test_another_image_of_the_same_kind_is_no_copy() -> None:
    sources = sources_of(picture(64, 64, seed=1), [picture(64, 64)])
    assert copied_fraction(sources) < 0.3
    assert largest_region(sources) == 0.0


def test_a_copy_with_noise_is_copied_but_not_verbatim() -> None:
    """The mean squared difference is 4e-4, and a quarter of it with half the noise; `VERBATIM_DISTANCE` is 2.5e-4."""
    image = picture(48, 48)
    noise = 0.04 * torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    assert copied_fraction(sources_of(image + noise, [image])) > 0.95
    assert largest_region(sources_of(image + noise, [image])) == 0.0
    assert largest_region(sources_of(image + noise / 2, [image])) > 0.95


def test_sources_have_the_index_of_the_reference() -> None:
    references = [picture(20, 31), picture(25, 18, seed=1), picture(17, 40, seed=2)]
    for number, reference in enumerate(references):
        sources = sources_of(reference, references)
        assert (sources.reference == number).all()
        rows, columns = torch.meshgrid(*(torch.arange(n - PATCH_SIZE + 1) for n in size_of(reference)), indexing="ij")
        assert torch.equal(sources.row, rows)
        assert torch.equal(sources.column, columns)


def test_first_and_last_patch_of_every_reference() -> None:
    references = [torch.zeros(1, 1, *size) for size in ((8, 9), (10, 7), (7, 12))]  # grids 2 x 3, 4 x 1, 1 x 6
    index = torch.tensor([0, 2, 3, 5, 6, 9, 10, 15])
    sources = Sources.of(index, torch.arange(8.0), (2, 4), references, PATCH_SIZE)
    assert sources.reference.tolist() == [[0, 0, 0, 0], [1, 1, 2, 2]]
    assert sources.row.tolist() == [[0, 0, 1, 1], [0, 3, 0, 0]]
    assert sources.column.tolist() == [[0, 2, 0, 2], [0, 0, 0, 5]]
    assert sources.distance.tolist() == [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]


def test_the_same_position_in_another_reference_is_another_source() -> None:
    one = from_regions(["AAAA", "AAAA"])
    two = Sources(torch.tensor([[0, 0, 1, 1]] * 2), one.row, one.column, one.distance)
    assert largest_region(one) == 1.0
    assert largest_region(two) == 0.5
    assert copied_fraction(two) == 0.5


@pytest.mark.parametrize(
    ("regions", "copied", "largest"),
    [
        (["a"], 1, 0),
        (["A"], 1, 1),
        (["ab", "cd"], 0, 0),
        (["AB", "CD"], 0, 1 / 4),
        (["aaa", "aba", "aaa"], 4 / 9, 0),  # the corners; all others have a neighbour with another offset
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
def test_maps_with_a_known_answer(regions: list[str], copied: float, largest: float) -> None:
    sources = from_regions(regions)
    assert largest_region(sources) == pytest.approx(largest)
    assert copied_fraction(sources) == pytest.approx(copied)


@given(data=st.data(), rows=st.integers(1, 9), columns=st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_any_map_agrees_with_a_flood_fill(data: st.DataObject, rows: int, columns: int) -> None:
    line = st.text("AAAABa", min_size=columns, max_size=columns)
    regions = data.draw(st.lists(line, min_size=rows, max_size=rows))
    sources = from_regions(regions)

    def neighbours(y: int, x: int) -> list[tuple[int, int]]:
        around = ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        return [(j, i) for j, i in around if 0 <= j < rows and 0 <= i < columns]

    positions = [(y, x) for y in range(rows) for x in range(columns)]
    lower = [line.lower() for line in regions]
    copied = [all(lower[j][i] == lower[y][x] for j, i in neighbours(y, x)) for y, x in positions]
    assert copied_fraction(sources) == pytest.approx(sum(copied) / len(positions))

    unvisited = {(y, x) for y, x in positions if regions[y][x].isupper()}
    largest = 0
    while unvisited:
        stack, size = [unvisited.pop()], 0
        while stack:
            y, x = stack.pop()
            size += 1
            joined = {(j, i) for j, i in neighbours(y, x) if regions[j][i] == regions[y][x]} & unvisited
            unvisited -= joined
            stack += joined
        largest = max(largest, size)
    assert largest_region(sources) == pytest.approx(largest / len(positions))
