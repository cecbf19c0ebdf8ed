"""Patches by their first pixel, and lattices of patches."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gpdm.patches.lattice import Lattice
from gpdm.patches.nearest import all_patches
from gpdm.patches.store import PatchStore
from library.problems import picture

P = 5
REFERENCES = [picture(14, 19, seed=1), picture(20, 9, seed=2), picture(5, 11, seed=3)]


def channels_last(patches: Tensor) -> Tensor:
    """Patches (n, C p p) in the order of `PatchStore.read`."""
    return patches.unflatten(1, (3, P, P)).permute(0, 2, 3, 1).flatten(1)


@pytest.mark.parametrize("number", [1, 3])
def test_the_store_holds_all_patches_in_order(number: int) -> None:
    store = PatchStore(REFERENCES[:number], P)
    first = store.allowed.nonzero()[:, 0]
    assert len(first) == store.number
    assert torch.equal(store.read(first), channels_last(all_patches(REFERENCES[:number], P)))


def test_an_image_with_channels_last_is_not_copied() -> None:
    image = REFERENCES[0].contiguous(memory_format=torch.channels_last)
    assert PatchStore([image], P).pixel_rows.data_ptr() == image.data_ptr()


def test_indices_outside_the_images_are_not_allowed() -> None:
    store = PatchStore(REFERENCES, P)
    assert not store.is_allowed(torch.tensor([-1, -400, len(store.allowed), 10**9])).any()
    assert store.is_allowed(torch.tensor([0, 14 * store.width])).all()


LATTICES = {
    "all": Lattice.of(torch.arange(7), torch.arange(10)),
    "spaced": Lattice.of(torch.tensor([0, 2, 5, 6]), torch.tensor([0, 1, 4, 7, 9])),
    "chosen": Lattice.of(
        torch.tensor([0, 2, 5, 6]),
        torch.tensor([0, 1, 4, 7, 9]),
        torch.rand(4, 5, generator=Generator().manual_seed(0)) > 0.4,
    ),
}


@pytest.mark.parametrize("max_patches", [1, 7, 100])
@pytest.mark.parametrize("name", LATTICES)
def test_strips_read_the_patches_of_the_lattice(name: str, max_patches: int) -> None:
    image, lattice = picture(11, 14), LATTICES[name]
    strips = lattice.strips(P, max_patches)
    assert [i for strip in strips for i in range(strip.part.start, strip.part.stop)] == list(range(len(lattice)))
    row, column = lattice.corners()
    expected = channels_last(all_patches([image], P))[row * 10 + column]
    assert torch.equal(torch.cat([strip.read(image) for strip in strips]), expected)
    assert all(len(strip.lattice) <= max(max_patches, len(lattice.columns)) for strip in strips)


@pytest.mark.parametrize("max_patches", [1, 7, 100])
@pytest.mark.parametrize("name", LATTICES)
def test_add_is_the_adjoint_of_read(name: str, max_patches: int) -> None:
    generator, lattice = Generator().manual_seed(1), LATTICES[name]
    image = torch.randn(1, 3, 11, 14, generator=generator, dtype=torch.float64)
    patches = torch.randn(len(lattice), P * P * 3, generator=generator, dtype=torch.float64)
    added, inner = torch.zeros_like(image), 0.0
    for strip in lattice.strips(P, max_patches):
        strip.add(added, patches[strip.part].view(-1, P, P, 3))
        inner += float((strip.read(image) * patches[strip.part]).sum())
    assert inner == pytest.approx(float((image * added).sum()), rel=1e-12)


def test_adding_all_patches_gives_their_fold() -> None:
    image, lattice = torch.zeros(1, 3, 11, 14), LATTICES["all"]
    patches = all_patches([picture(11, 14)], P)
    for strip in lattice.strips(P, 20):
        strip.add(image, channels_last(patches)[strip.part].view(-1, P, P, 3))
    assert torch.allclose(image, F.fold(patches.T[None], (11, 14), P), atol=1e-5)


@pytest.mark.parametrize("direction", [(0, 1), (0, -1), (1, 0), (-1, 0)])
@pytest.mark.parametrize("name", LATTICES)
def test_neighbours_are_one_crossing_away_or_the_patch_itself(name: str, direction: tuple[int, int]) -> None:
    lattice = LATTICES[name]
    crossings = [(int(i) // len(lattice.columns), int(i) % len(lattice.columns)) for i in lattice.index]
    found = lattice.neighbours(*direction, slice(0, len(lattice))).tolist()
    for own, (crossing, other) in enumerate(zip(crossings, found, strict=True)):
        neighbour = (crossing[0] + direction[0], crossing[1] + direction[1])
        assert other == (crossings.index(neighbour) if neighbour in crossings else own)
    part = slice(2, 6)
    assert lattice.neighbours(*direction, part).tolist() == found[part]
