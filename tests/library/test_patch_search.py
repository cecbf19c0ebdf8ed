"""The search for nearest patches: exhaustive against brute force, and with lists against exhaustive."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Generator, Tensor

from gpdm.borders import gaussian_blur, patch_weights
from gpdm.patches.inverted_lists import TILE, least_by_topk, least_in_turn, tile_rounds
from gpdm.patches.lattice import Lattice
from gpdm.patches.nearest import all_patches
from gpdm.patches.search import MAX_PAIRS, Matches, PatchSearch
from library.problems import picture

P = 5


def smooth(height: int, width: int, seed: int = 0) -> Tensor:
    """Noise of several grain sizes: no two patches are alike."""
    noise = torch.randn(1, 3, height, width, generator=Generator().manual_seed(seed))
    return sum((gaussian_blur(noise, s) * s for s in (1.5, 4.0, 8.0)), torch.zeros(())) * 0.5


def lattice_of(image: Tensor, p: int = P, spacing: int = 1) -> Lattice:
    """All patches of an image, or those at every so many rows and columns."""
    return Lattice.of(*(torch.arange(0, length - p + 1, spacing) for length in image.shape[2:]))


def brute(references: list[Tensor], image: Tensor, allowed: Tensor | None = None, p: int = P) -> Tensor:
    """Mean squared differences of all patches of an image to the nearest reference patches, by comparing all pairs."""
    queries, keys = (all_patches(x, p).double() for x in ([image], references))
    pairs = torch.cdist(queries, keys if allowed is None else keys[allowed]).square()
    return pairs.amin(1) / keys.shape[1]


search_with_lists = partial(PatchSearch, patch_size=P, max_pairs=0)
"""A search that never compares all pairs."""


def assert_consistent(search: PatchSearch, image: Tensor, lattice: Lattice, matches: Matches) -> None:
    """Asserts that the distances are those to the matches, and that all matches are allowed."""
    patches = torch.cat([strip.read(image) for strip in lattice.strips(search.store.patch_size, 10**6)])
    expected = (patches - search.store.read(matches.first)).square().mean(1)
    assert torch.allclose(matches.distance, expected)
    assert search.store.is_allowed(matches.first).all()


def holes(image: Tensor, number: int, side: int, seed: int = 0) -> Tensor:
    """A mask of the visible pixels of an image, bool, (1, 1, h, w): random squares are hidden."""
    g, mask = Generator().manual_seed(seed), torch.ones_like(image[:, :1], dtype=torch.bool)
    for _ in range(number):
        row, column = (int(torch.randint(max(length - side + 1, 1), (1,), generator=g)) for length in image.shape[2:])
        mask[..., row : row + side, column : column + side] = False
    return mask


def visible_patches(masks: list[Tensor] | None) -> list[Tensor] | None:
    """For each mask of pixels a mask of the patches that touch no hidden pixel, bool, (rows, columns)."""
    return None if masks is None else [patch_weights(mask.double(), P, exclude=True) > 0 for mask in masks]


REFERENCES = [picture(14, 19, seed=1), picture(20, 9, seed=2), picture(5, 11, seed=3)]
MASKS = {
    "no masks": None,
    "single pixels": [holes(x, 4, 1, seed) for seed, x in enumerate(REFERENCES)],
    "squares": [holes(x, 2, 3, seed) for seed, x in enumerate(REFERENCES)],
    "one reference hidden": [torch.zeros_like(holes(REFERENCES[0], 0, 1)), holes(REFERENCES[1], 1, 3)]
    + [holes(REFERENCES[2], 0, 1)],
    "nothing hidden": [holes(x, 0, 1) for x in REFERENCES],
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_few_pairs_are_compared_exhaustively(name: str, dtype: torch.dtype) -> None:
    references, image = [x.to(dtype) for x in REFERENCES], picture(12, 13, seed=9).to(dtype)
    masks = visible_patches(MASKS[name])
    search, lattice = PatchSearch(references, P, masks), lattice_of(image)
    matches = search.nearest(image, lattice)
    assert_consistent(search, image, lattice, matches)
    allowed = None if masks is None else torch.cat([mask.flatten() for mask in masks])
    assert search.store.number == (sum(map(len, map(lattice_of, REFERENCES))) if allowed is None else allowed.sum())
    assert torch.allclose(matches.distance.double(), brute(references, image, allowed), rtol=1e-4)


@pytest.mark.parametrize("spacing", [1, 3])
@pytest.mark.parametrize("hidden", [None, (1, 20), (12, 3)], ids=["no mask", "one large hole", "small holes"])
def test_matches_from_lists_are_nearly_the_nearest(hidden: tuple[int, int] | None, spacing: int) -> None:
    references = [smooth(64, 70), smooth(45, 51, 5)]
    image = smooth(61, 57, 9) * 0.5 + smooth(64, 70)[..., 3:, 13:].flip(3) * 0.5
    holes_of = None if hidden is None else [holes(x, *hidden, seed) for seed, x in enumerate(references)]
    masks, lattice = visible_patches(holes_of), lattice_of(image, P, spacing)
    matches = search_with_lists(references, weights=masks).nearest(image, lattice)
    assert_consistent(search_with_lists(references, weights=masks), image, lattice, matches)
    exact = PatchSearch(references, P, masks, max_pairs=10**9).nearest(image, lattice)
    assert float(exact.distance.mean()) <= float(matches.distance.mean()) <= 1.04 * float(exact.distance.mean())


@pytest.mark.parametrize(("pairs", "excess"), [(10**9, 1e-4), (0, 0.04)], ids=["exhaustive", "lists"])
def test_squared_differences_are_divided_by_the_weights(pairs: int, excess: float) -> None:
    references, image = [smooth(44, 40), smooth(35, 51, 5)], smooth(31, 37, 9)
    weights = [smooth(x.shape[2] - P + 1, x.shape[3] - P + 1, 7)[0, 0].abs() + 0.1 for x in references]
    matches = PatchSearch(references, P, weights, max_pairs=pairs).nearest(image, lattice_of(image))
    queries, keys = (all_patches(x, P).double() for x in ([image], references))
    pairs_divided = torch.cdist(queries, keys).square() / keys.shape[1] / torch.cat([x.flatten() for x in weights])
    exact = float(pairs_divided.amin(1).mean())
    assert (1 - 1e-4) * exact <= float(matches.distance.mean()) <= (1 + excess) * exact


@pytest.mark.parametrize(("size", "corner"), [((64, 70), (0, 0)), ((45, 51), (13, 9)), ((40, 33), (24, 37))])
def test_every_patch_of_a_crop_is_found(size: tuple[int, int], corner: tuple[int, int]) -> None:
    reference = smooth(64, 70)
    image = reference[..., corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    search, lattice = search_with_lists([smooth(50, 44, 5), reference]), lattice_of(image)
    row, column = lattice.corners()
    matches = search.nearest(image, lattice)
    assert torch.equal(matches.first, (50 + row + corner[0]) * search.store.width + column + corner[1])
    assert not matches.distance.any()


def test_a_subset_of_the_reference_patches_is_refined() -> None:
    reference, image = smooth(64, 70), smooth(64, 70)[..., 5:50, 7:60]
    search, lattice = search_with_lists([reference], max_keys=400), lattice_of(image)
    assert len(search.lists.first) == 400
    matches = search.nearest(image, lattice)
    assert float((matches.distance == 0).double().mean()) > 0.9


def test_neighbours_are_tried_only_where_they_are_better() -> None:
    image, search = smooth(40, 44, 3), search_with_lists([smooth(64, 70)])
    lattice = lattice_of(image, P, 2)
    first = torch.full((len(lattice),), 100)
    strips = lattice.strips(P, 10**6)
    before = search._compared(strips[0].read(image), first)
    after = search._propagated(image, lattice, before)
    assert (after.distance <= before.distance).all()
    changed = after.first != before.first
    assert changed.any()
    assert_consistent(search, image, lattice, after)
    assert torch.equal(after.distance[~changed], before.distance[~changed])


@pytest.mark.parametrize(("strip", "chunk"), [(1, 4096), (100, 4096), (2**15, 7)])
def test_the_result_does_not_depend_on_the_number_of_patches_at_a_time(strip: int, chunk: int) -> None:
    references, image = [smooth(40, 44)], smooth(36, 30, 1)
    expected = search_with_lists(references).nearest(image, lattice_of(image))
    search = search_with_lists(references, strip_patches=strip, chunk_patches=chunk)
    matches = search.nearest(image, lattice_of(image))
    assert torch.equal(matches.first, expected.first)
    assert torch.equal(matches.distance, expected.distance)


def test_matches_of_neighbours_are_taken_up_to_the_factor() -> None:
    image = smooth(40, 44, 3)
    lattice = lattice_of(image)
    exactly = search_with_lists([smooth(64, 70)])
    before = exactly.nearest(image, lattice)
    after = search_with_lists([smooth(64, 70)], neighbour_factor=1.2)._propagated(image, lattice, before)
    assert (after.distance > before.distance).any()
    assert (after.distance <= 1.2**4 * before.distance + 1e-6).all()


def test_carried_matches_are_kept_or_improved() -> None:
    image, search = smooth(40, 44, 3), search_with_lists([smooth(64, 70)])
    lattice = lattice_of(image, P, 2)
    before = search.nearest(image, lattice)
    changed = image + 0.05 * smooth(40, 44, 4)
    after = search.carried(changed, lattice, before.first)
    assert_consistent(search, changed, lattice, after)
    patches = lattice.strips(P, 10**6)[0].read(changed)
    assert (after.distance <= search._compared(patches, before.first).distance).all()
    assert float(after.distance.mean()) < 1.1 * float(search.nearest(changed, lattice).distance.mean())


def test_a_search_returns_only_the_requested_patches() -> None:
    image, search = picture(12, 13, seed=9), PatchSearch(REFERENCES, P)
    chosen = torch.rand(8, 9, generator=Generator().manual_seed(0)) > 0.6
    part = search.nearest(image, Lattice.of(torch.arange(8), torch.arange(9), chosen))
    assert torch.equal(part.first, search.nearest(image, lattice_of(image)).first[chosen.flatten()])


def test_no_patches_give_no_matches() -> None:
    lattice = Lattice.of(torch.arange(8), torch.arange(9), torch.zeros(8, 9, dtype=torch.bool))
    assert len(PatchSearch(REFERENCES, P).nearest(picture(12, 13), lattice).first) == 0


@pytest.mark.parametrize(("image", "uses_lists"), [((64, 64), False), ((100, 100), True)])
def test_only_a_limited_number_of_pairs_is_compared_exhaustively(image: tuple[int, int], uses_lists: bool) -> None:
    search = PatchSearch([smooth(64, 64)], P)
    lattice = lattice_of(smooth(*image, 1), P, 1 if uses_lists else 2)
    assert (len(lattice) * search.store.number > MAX_PAIRS) is uses_lists
    search.nearest(smooth(*image, 1), lattice)
    assert ("lists" in vars(search)) is uses_lists
    assert ("one_list" in vars(search)) is not uses_lists


def test_flat_references_have_a_match_everywhere() -> None:
    search, image = search_with_lists([torch.zeros(1, 3, 20, 22)]), picture(12, 13)
    lattice = lattice_of(image)
    assert_consistent(search, image, lattice, search.nearest(image, lattice))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("probes", [1, 2])
@pytest.mark.parametrize("penalised", [False, True])
def test_lists_searched_in_tiles_give_the_matches_of_a_search_list_by_list(
    weighted: bool, probes: int, penalised: bool
) -> None:
    reference, image = smooth(64, 70), smooth(61, 57, 9)
    weights = [smooth(60, 66, 7)[0, 0].abs() + 0.1] if weighted else None
    lists = search_with_lists([reference], weights=weights).lists
    patches = lattice_of(image).strips(P, 10**6)[0].read(image)
    penalty = torch.rand(64 * 70, generator=Generator().manual_seed(3)) if penalised else None
    expected = lists.nearest(patches, probes, penalty)
    lists.in_tiles = True
    found = lists.nearest(patches, probes, penalty)
    assert float((found == expected).double().mean()) > 0.999  # rounding may decide between equals


@pytest.mark.parametrize("number", [1, 2, 5])
def test_the_least_scores_in_turn_are_those_of_a_sort(number: int) -> None:
    scores = torch.randn(40, 12, generator=Generator().manual_seed(0))
    expected = scores.argsort(1)[:, :number]
    assert torch.equal(least_by_topk(scores, number), expected)
    assert torch.equal(least_in_turn(scores.clone(), number), expected)


@pytest.mark.parametrize(
    ("matched", "lengths"), [([300, 0, 5], [600, 7, 0]), ([1, 128, 129], [256, 257, 1]), ([0], [3])]
)
def test_tiles_cover_every_pair_of_a_list_once(matched: list[int], lengths: list[int]) -> None:
    pairs = torch.zeros(sum(matched), sum(lengths), dtype=torch.int64)
    for tiles in tile_rounds(matched, lengths):
        in_round = torch.zeros(sum(matched), dtype=torch.int64)
        for query, query_end, key, key_end in tiles.tolist():
            queries, keys = slice(query, min(query + TILE[0], query_end)), slice(key, min(key + TILE[1], key_end))
            pairs[queries, keys] += 1
            in_round[queries] += 1
        assert in_round.max() == 1
    expected = torch.block_diag(*(torch.ones(n, m, dtype=torch.int64) for n, m in zip(matched, lengths, strict=True)))
    assert torch.equal(pairs, expected)
