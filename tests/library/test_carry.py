"""Matches that are carried to a larger copy of an image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpdm.edits.carry import carried_matches, joined_index, split_index
from gpdm.patches.lattice import Lattice
from gpdm.patches.store import PatchStore

SIDE = 3


def store(*sizes: tuple[int, int], masks: list[Tensor] | None = None) -> PatchStore:
    """Patches of 3x3 pixels of references of these sizes."""
    return PatchStore([torch.zeros(1, 1, *size) for size in sizes], SIDE, masks)


def lattice(rows: range, columns: range) -> Lattice:
    return Lattice.of(torch.tensor(rows), torch.tensor(columns))


@pytest.mark.parametrize(("number", "row", "column"), [(0, 0, 0), (0, 5, 6), (1, 0, 8), (2, 3, 4)])
def test_the_index_of_a_pixel_and_its_place_are_inverse(number: int, row: int, column: int) -> None:
    references = store((6, 7), (5, 9), (4, 5))
    place = [torch.tensor([x]) for x in (number, row, column)]
    assert [int(x) for x in split_index(joined_index(*place, references), references)] == [number, row, column]


@pytest.mark.parametrize(("offset", "expected"), [((2, 3), (4, 6)), ((-1, 0), (-2, 0))])
def test_a_piece_keeps_its_shape(offset: tuple[int, int], expected: tuple[int, int]) -> None:
    """All patches of the smaller copy are matched at one distance; at twice the size it is twice as large."""
    small, large = store((20, 20)), store((40, 40))
    coarse, fine = lattice(range(4, 10), range(5, 12)), lattice(range(8, 20), range(10, 24))
    row, column = coarse.corners()
    first = (row + offset[0]) * small.width + column + offset[1]
    index, usable = carried_matches(coarse, small, first, fine, large, (2.0, 2.0))
    row, column = fine.corners()
    _, match_row, match_column = split_index(index, large)
    assert bool(usable.all())
    assert torch.equal(match_row - row, torch.full_like(row, expected[0]))
    assert torch.equal(match_column - column, torch.full_like(column, expected[1]))


def test_matches_stay_in_their_reference_and_inside_it() -> None:
    """The match is at the lower right corner of the second reference, from which a larger distance leads out."""
    small, large = store((10, 10), (8, 12)), store((20, 20), (16, 24))
    coarse, fine = lattice(range(2), range(2)), lattice(range(8), range(8))
    corner = joined_index(torch.tensor([1]), torch.tensor([5]), torch.tensor([9]), small).expand(4)
    index, _ = carried_matches(coarse, small, corner, fine, large, (2.0, 2.0))
    number, row, column = split_index(index, large)
    assert set(number.tolist()) == {1}
    assert row.max() == 16 - SIDE and column.max() == 24 - SIDE


def test_patches_that_may_not_be_used_are_told_apart() -> None:
    mask = torch.ones(18, 18, dtype=torch.bool)
    mask[:, 9:] = False
    small, large = store((10, 10)), store((20, 20), masks=[mask])
    few = lattice(range(1), range(8))
    index, usable = carried_matches(few, small, torch.arange(8), lattice(range(1), range(16)), large, (2.0, 2.0))
    _, _, column = split_index(index, large)
    assert torch.equal(usable, column < 9) and usable.any() and not usable.all()


def test_a_patch_beyond_those_of_the_smaller_copy_has_no_match() -> None:
    few = Lattice.of(torch.arange(4), torch.arange(4), torch.eye(4, dtype=torch.bool))
    first = torch.zeros(4, dtype=torch.int64)
    _, usable = carried_matches(few, store((9, 9)), first, lattice(range(4), range(4)), store((9, 9)), (1.0, 1.0))
    assert torch.equal(usable.view(4, 4), torch.eye(4, dtype=torch.bool))


def test_without_patches_nothing_is_carried() -> None:
    none = Lattice.of(torch.arange(4), torch.arange(4), torch.zeros(4, 4, dtype=torch.bool))
    first = torch.zeros(0, dtype=torch.int64)
    _, usable = carried_matches(none, store((9, 9)), first, lattice(range(4), range(4)), store((9, 9)), (1.0, 1.0))
    assert len(usable) == 16 and not usable.any()
