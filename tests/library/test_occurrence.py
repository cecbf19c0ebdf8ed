"""The occurrence map and the limit on repeats: counts against brute force, and what the limit changes and does not."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Generator, Tensor

from gpdm import EDITS, Canvas, Coherence, OutputState, PatchNN, Reference, SWDLoss, run_edit
from gpdm.borders import gaussian_blur
from gpdm.evaluation.copying import PATCH_SIZE, Sources
from gpdm.evaluation.occurrence import COLOURS, colours_of, occurrence_map, relative_use, use_scores
from gpdm.losses.coherence import CoherenceObjective
from gpdm.optimizers.base import LevelProblem, solve_level
from gpdm.patches.lattice import Lattice
from gpdm.patches.nearest import all_patches, nearest
from gpdm.patches.occurrence import Matches, Occurrence, covering, overlap, search_in_parts
from gpdm.patches.search import PatchSearch
from gpdm.patches.store import PatchStore
from library.problems import picture

P = 5


def smooth(height: int, width: int, seed: int = 0) -> Tensor:
    noise = torch.randn(1, 3, height, width, generator=Generator().manual_seed(seed))
    return gaussian_blur(noise, 2.0) * 2


def lattice_of(image: Tensor, spacing: int = 1) -> Lattice:
    return Lattice.of(*(torch.arange(0, length - P + 1, spacing) for length in image.shape[2:]))


def used_pixels(search: PatchSearch, first: Tensor) -> Tensor:
    """How many matches cover each pixel of the stacked references, by adding one patch after the other."""
    store = search.store
    result = torch.zeros(len(store.pixels)).view(-1, store.width)
    for index in first.tolist():
        row, column = divmod(index, store.width)
        result[row : row + P, column : column + P] += 1
    return result


REFERENCES = [smooth(19, 24, 1), smooth(14, 11, 2)]
IMAGE = smooth(22, 20, 3) * 0.2
"""A faint picture, whose patches resemble a few flat ones of the references."""


def test_pixels_are_covered_by_the_patches_over_them() -> None:
    search = PatchSearch(REFERENCES, P)
    first = search.nearest(IMAGE, lattice_of(IMAGE)).first
    store = search.store
    uses = first.bincount(minlength=len(store.pixels)).float()
    assert torch.equal(covering(uses, store.width, P), used_pixels(search, first))


def test_the_overlap_is_the_sum_over_the_pixels_of_a_patch() -> None:
    search = PatchSearch(REFERENCES, P)
    first = search.nearest(IMAGE, lattice_of(IMAGE)).first
    store, pixels = search.store, used_pixels(search, first)
    found = overlap(first.bincount(minlength=len(store.pixels)).float(), store.width, P)
    for index in store.allowed.nonzero()[::7, 0].tolist():
        row, column = divmod(index, store.width)
        assert found[index] == pixels[row : row + P, column : column + P].sum()


@pytest.mark.parametrize("weighted", [False, True], ids=["no weights", "weights"])
def test_use_in_proportion_to_the_weights_is_expected_of_a_large_output(weighted: bool) -> None:
    weights = torch.rand(15, 20, generator=Generator().manual_seed(0)) + 0.8 if weighted else torch.ones(15, 20)
    occurrence = Occurrence(PatchStore(REFERENCES[:1], P, [weights] if weighted else None), 10 * weights.numel(), 1.0)
    occurrence.uses.view(19, 24)[:15, :20] = weights * (10 * weights.numel() / weights.sum())
    assert torch.allclose(occurrence.relative()[occurrence.store.allowed], torch.ones(()), rtol=1e-4)


def test_one_copy_is_expected_of_a_small_output() -> None:
    store = PatchStore([smooth(40, 40)], P)
    occurrence = Occurrence(store, 10 * 10, 1.0)
    occurrence.uses.view(40, 40)[3:13, 8:18] = 1
    relative = occurrence.relative().view(40, 40)
    assert relative[7:9, 12:14] == pytest.approx(1)  # in the middle all overlaps are those of the copy
    assert relative[:36, :36].max() <= 1 + 1e-6
    assert relative[30, 30] == 0


CASES = {
    "exhaustive": {"max_pairs": 10**9},
    "lists": {"max_pairs": 0},
    "lists, some patches": {"max_pairs": 0, "max_keys": 200},
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["no weights", "mask", "weights"])
def test_repeats_become_fewer(case: str, kind: str) -> None:
    g = Generator().manual_seed(5)
    random = [torch.rand(x.shape[2] - P + 1, x.shape[3] - P + 1, generator=g) for x in REFERENCES]
    weights = {"no weights": None, "mask": [x > 0.1 for x in random], "weights": [x + 0.5 for x in random]}[kind]
    uses = []
    for variety in (0.0, 1.0, 10.0):
        search = PatchSearch(REFERENCES, P, weights, variety=variety, **CASES[case])
        matches = search.nearest(IMAGE, lattice_of(IMAGE))
        assert search.store.is_allowed(matches.first).all()
        difference = search._compared(
            torch.cat([strip.read(IMAGE) for strip in lattice_of(IMAGE).strips(P, 10**6)]), matches.first
        )
        assert torch.equal(matches.distance, difference.distance)  # without the penalty
        uses.append(used_pixels(search, matches.first))
    none, some, many = ((x**2).sum() for x in uses)
    assert many < some < none


@pytest.mark.parametrize("blocks", [(1, 3), (50, 64), (10**6, 10**6)])
@pytest.mark.parametrize("case", CASES)
def test_the_matches_do_not_depend_on_how_many_patches_are_in_memory(case: str, blocks: tuple[int, int]) -> None:
    find = partial(PatchSearch, [x.double() for x in REFERENCES], P, variety=2.0, **CASES[case])
    image, lattice = IMAGE.double(), lattice_of(IMAGE)
    small = find(strip_patches=blocks[0], chunk_patches=blocks[1])
    assert torch.equal(small.nearest(image, lattice).first, find().nearest(image, lattice).first)


def test_a_penalty_is_added_to_the_mean_squared_difference() -> None:
    keys, queries = (all_patches([x], P).double() for x in (REFERENCES[0], IMAGE))
    g = Generator().manual_seed(1)
    factors, penalty = (torch.rand(len(keys), generator=g, dtype=torch.float64) + 0.1 for _ in range(2))
    costs = torch.cdist(queries, keys).square() / keys.shape[1] * factors + penalty
    for size in ((7, 30), (10**4, 10**4)):
        found = nearest(queries, keys, "exact", factors, penalty, block_size=size)
        assert torch.equal(found.index, costs.argmin(1))


def test_without_a_limit_there_is_one_search() -> None:
    search = PatchSearch(REFERENCES, P)
    first = torch.zeros(5, dtype=torch.int64)
    matches = search.nearest(IMAGE, lattice_of(IMAGE), first)
    assert matches.penalty is None
    assert torch.equal(matches.first, search.nearest(IMAGE, lattice_of(IMAGE)).first)


def test_the_matches_of_the_last_search_count_until_others_replace_them() -> None:
    store = PatchStore(REFERENCES[:1], P)
    seen: list[float] = []

    def search(part: slice, penalty: Tensor | None) -> Matches:
        number = len(range(*part.indices(32)))
        if penalty is not None:
            seen.append(float(penalty[7]))
        return Matches(torch.full((number,), 7 + 24 * 9), torch.ones(number))  # a patch that does not touch patch 7

    search_in_parts(search, Occurrence(store, 32, 1.0), 1.0, torch.full((64,), 7))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == pytest.approx(16 * seen[-1])


def solved(optimizer: PatchNN, *images: Tensor) -> list[Tensor]:
    problem = LevelProblem((Reference(REFERENCES[0]),), Canvas(size=(22, 20)), SWDLoss(), 2**20)
    generators = [Generator().manual_seed(i) for i in range(len(images))]
    given = [image.clone() for image in images]
    return [x.image for x in solve_level(optimizer, problem, given, generators, 3, lambda *_: None)]


def test_outputs_of_a_batch_are_those_of_single_runs() -> None:
    optimizer, other = PatchNN(patch_size=P, variety=2.0, num_steps=3), smooth(22, 20, 8)
    both = solved(optimizer, IMAGE, other)
    for image, alone in zip(both, (solved(optimizer, IMAGE), solved(optimizer, other)), strict=True):
        assert torch.equal(image, alone[0])


@pytest.mark.parametrize("search", ["exact", "approximate"])
def test_patch_nearest_neighbours_show_more_of_the_reference(search: str) -> None:
    reference = picture(28, 32, seed=4)
    used = []
    for variety in (0.0, 3.0):
        optimizer = PatchNN(search=search, variety=variety, num_steps=3, alpha=10.0)
        problem = LevelProblem((Reference(reference),), Canvas(size=(28, 32)), SWDLoss(), 2**20)
        start = smooth(28, 32) * 0.1
        (result,) = solve_level(optimizer, problem, [start], [Generator().manual_seed(0)], 3, lambda *_: None)
        used.append(use_scores(sources_of(result.image, [reference]), [reference], [torch.ones(1, 1, 28, 32) > 0]))
    assert used[1]["unused"] < used[0]["unused"]


def test_the_coherence_term_limits_repeats() -> None:
    reference, image = smooth(40, 40, 1), smooth(40, 40, 2) * 0.2
    uses = []
    for variety in (0.0, 5.0):
        objective = CoherenceObjective(
            Coherence(variety=variety), [Reference(reference)], Canvas(size=(40, 40)), weight=1.0
        )
        state = OutputState(Generator().manual_seed(0))
        objective.sample(image, 0, state)
        uses.append(state.remembered.first.bincount().max())
    assert uses[1] < uses[0]


def test_the_loss_gives_its_variety_to_the_coherence_term() -> None:
    (_, _), (_, coherence) = SWDLoss(variety=1.5).terms()
    assert isinstance(coherence, Coherence)
    assert coherence.variety == 1.5


def test_a_hole_is_filled_with_fewer_repeats() -> None:
    image = smooth(40, 44, 6)
    mask = torch.zeros(1, 1, 40, 44)
    mask[..., 12:28, 12:30] = 1
    repeats = []
    for variety in (0.0, 3.0):
        source = run_edit(EDITS["inpaint"], image, mask, grow=0, variety=variety).sources[0]
        index = (source[1] * 44 + source[2])[source[0] >= 0]
        repeats.append(int((index.bincount() ** 2).sum()))
    assert repeats[1] < repeats[0]


def sources_of(image: Tensor, references: list[Tensor]) -> Sources:
    found = nearest(all_patches([image], PATCH_SIZE), all_patches(references, PATCH_SIZE))
    grid = (image.shape[2] - PATCH_SIZE + 1, image.shape[3] - PATCH_SIZE + 1)
    return Sources.of(found.index, found.distance / 4, grid, references, PATCH_SIZE)


def test_a_copy_uses_everything_once() -> None:
    reference = picture(30, 34)
    (use,) = relative_use(sources_of(reference, [reference]), [reference])
    assert torch.equal(use[6:-6, 6:-6], torch.ones(18, 22))
    assert use.max() == 1
    scores = use_scores(sources_of(reference, [reference]), [reference], [torch.ones(1, 1, 30, 34) > 0])
    assert scores == {"unused": 0.0, "most used": 1.0}


def test_half_of_a_reference_is_unused_in_a_crop() -> None:
    reference = picture(30, 40)
    crop = reference[..., :20]
    everything, half = torch.ones(1, 1, 30, 40) > 0, torch.zeros(1, 1, 30, 40) > 0
    half[..., :20] = True
    sources = sources_of(crop, [reference])
    assert use_scores(sources, [reference], [everything])["unused"] == 0.5
    assert use_scores(sources, [reference], [half])["unused"] == 0.0


def test_uses_are_counted_in_their_reference() -> None:
    references = [picture(30, 20, seed=1), picture(22, 33, seed=2)]
    first, second = relative_use(sources_of(references[1], references), references)
    assert not first.any()
    # There are more reference patches than a copy of one picture has.
    assert second[10, 16] == pytest.approx((24 * 14 + 16 * 27) / (16 * 27))


@pytest.mark.parametrize(("use", "colour"), COLOURS)
def test_colours_are_those_of_the_table(use: float, colour: tuple[float, float, float]) -> None:
    assert colours_of(torch.tensor([use]))[:, 0].tolist() == pytest.approx(colour)


def test_uses_above_the_scale_have_its_last_colour() -> None:
    assert torch.equal(colours_of(torch.tensor([100.0])), colours_of(torch.tensor([8.0])))


def test_the_map_shows_the_references_side_by_side_with_the_scale_below() -> None:
    references = [picture(30, 20, seed=1), picture(22, 33, seed=2)]
    shown = occurrence_map(sources_of(references[1], references), references)
    assert shown.width == 5 * 53  # enlarged by a whole number to at least 256 pixels
    assert shown.height > 5 * 30
    dark, pale = shown.getpixel((50, 75)), shown.getpixel((5 * 20 + 80, 55))
    assert isinstance(dark, tuple) and isinstance(pale, tuple)
    assert max(dark) < 110 < min(pale)
