"""Nearest-patch search: the most similar key patch for each query patch, exact or approximate through faiss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import GPDMError

SEARCHES: tuple[str, ...] = ("exact", "faiss")
""""exact" compares all pairs of patches. "faiss" searches the nearest cells of an index, by the package faiss."""

SEARCH_HELP = (
    "exact compares all pairs of patches, in a time that grows with the square of the number of pixels. "
    "faiss compares only likely pairs, and needs the package faiss-cpu."
)
"""Help text of the options called search."""

BLOCK_SIZE = (512, 8192)
"""Queries and keys that are compared at a time, so few that their distances fit a processor's cache."""
GPU_BLOCK_FACTOR = 2
"""Factor of both numbers of `BLOCK_SIZE` on a GPU, for fewer launches."""
BLOCK_BYTES = 4 * 4 * BLOCK_SIZE[0] * BLOCK_SIZE[1]
"""Maximum number of bytes that the comparison of a block takes on a CPU."""
FAISS_CELL_PATCHES = 256
"""Average number of patches in a cell of faiss's index."""
FAISS_PROBES = 16
"""Number of cells of the index that faiss searches for a query."""
FAISS_CANDIDATES = 10
"""Number of nearest keys among which factors select, with faiss."""


def search_bytes(patch_size: int, pixels: int) -> int:
    """Returns the bytes that a search takes, for queries and keys from images of `pixels` pixels together.

    They hold two copies of all patches, with up to four channels, and a block of distances.
    """
    return 2 * 4 * 4 * patch_size**2 * pixels + BLOCK_BYTES


def all_patches(images: Sequence[Tensor], patch_size: int) -> Tensor:
    """Returns all patches of all images (1, C, h, w), one per row, image after image: (patches, C p^2)."""
    return torch.cat([F.unfold(image, patch_size)[0].T for image in images])


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Returns the mean squared difference between rows of `a` and `b`, (n, D) each: (n,). Exactly 0 for equal rows."""
    return (a - b).square().mean(1)


@dataclass(frozen=True)
class Nearest:
    """The nearest key of each query."""

    index: Tensor
    """Index of the key, (queries,), int64."""
    distance: Tensor
    """Mean squared difference to the key over the elements of a patch, (queries,)."""


def nearest(
    queries: Tensor,
    keys: Tensor,
    search: str = "exact",
    factors: Tensor | None = None,
    penalty: Tensor | None = None,
    *,
    block_size: tuple[int, int] = BLOCK_SIZE,
) -> Nearest:
    """Returns the nearest key of every query.

    Arguments:
        queries: Patches, (n, D).
        keys: Patches, (m, D).
        search: One of `SEARCHES`.
        factors: Factors of the squared distance to each key, (m,): GPNN's normalisation (Granot et al., Drop the GAN,
            CVPR 2022, equation 3). With faiss they select among the nearest ten. None: no factors.
        penalty: What is added to the mean squared distance to each key, after the factors, (m,). With faiss it selects
            among the nearest ten. None: 0.
        block_size: Queries and keys that the exact search compares at a time. The result does not depend on it, up to
            rounding.

    Raises:
        GPDMError: faiss is chosen and not installed.
    """
    if search == "faiss":
        index = _faiss_nearest(queries, keys, factors, penalty)
        return Nearest(index, squared_distance(queries, keys[index]))
    best = _Best.of(queries)
    for rows, columns, distances in _chunks(queries, keys, block_size):
        if factors is not None:
            distances.mul_(factors[columns])
        if penalty is not None:
            distances.add_(penalty[columns], alpha=keys.shape[1])
        best.update(rows, columns, distances)
    return best.result(queries, keys)


def least_distances(
    queries: Tensor, keys: Tensor, search: str = "exact", *, block_size: tuple[int, int] = BLOCK_SIZE
) -> Tensor:
    """Returns for every key the mean squared difference to its nearest query, (m,).

    Arguments and errors are those of `nearest`.
    """
    if search == "faiss":
        return nearest(keys, queries, search).distance
    distance = torch.full_like(keys[:, 0], torch.inf)
    for _, columns, distances in _chunks(queries, keys, block_size):
        torch.minimum(distance[columns], distances.amin(0), out=distance[columns])
    return distance / keys.shape[1]


def mutual(
    queries: Tensor, keys: Tensor, search: str = "exact", *, block_size: tuple[int, int] = BLOCK_SIZE
) -> tuple[Nearest, Tensor]:
    """Returns the nearest key of every query, and for every key the mean squared difference to its nearest query, (m,).

    Arguments and errors are those of `nearest`. The exact search computes all distances once for both.
    """
    if search == "faiss":
        return nearest(queries, keys, search), nearest(keys, queries, search).distance
    best = _Best.of(queries)
    key_distance = torch.full_like(keys[:, 0], torch.inf)
    for rows, columns, distances in _chunks(queries, keys, block_size):
        best.update(rows, columns, distances)
        torch.minimum(key_distance[columns], distances.amin(0), out=key_distance[columns])
    return best.result(queries, keys), key_distance / keys.shape[1]


@dataclass(frozen=True)
class _Best:
    """The nearest key of every query among those compared so far."""

    index: Tensor
    """Index of the key, (queries,), int64."""
    distance: Tensor
    """Sum of squared differences to it, times the key's factor if there are factors, (queries,)."""

    @classmethod
    def of(cls, queries: Tensor) -> _Best:
        index = torch.zeros(len(queries), dtype=torch.int64, device=queries.device)
        return cls(index, torch.full_like(queries[:, 0], torch.inf))

    def update(self, rows: slice, columns: slice, distances: Tensor) -> None:
        """Takes a block of distances into account, that of queries `rows` to keys `columns`."""
        distance, column = distances.min(1)
        closer = distance < self.distance[rows]
        self.index[rows] = torch.where(closer, column + columns.start, self.index[rows])
        self.distance[rows] = torch.where(closer, distance, self.distance[rows])

    def result(self, queries: Tensor, keys: Tensor) -> Nearest:
        return Nearest(self.index, squared_distance(queries, keys[self.index]))


def _chunks(queries: Tensor, keys: Tensor, block_size: tuple[int, int]) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yields squared distances block by block, with their slices of queries and keys. The blocks may be overwritten."""
    # Centred patches have small norms, which reduces the rounding error of |q|^2 - 2 q k + |k|^2.
    centre = keys.mean(0)
    queries, keys = queries - centre, keys - centre
    norms = keys.square().sum(1)
    factor = GPU_BLOCK_FACTOR if keys.device.type == "cuda" else 1
    for columns in _slices(len(keys), factor * block_size[1]):
        transposed, norm = keys[columns].T.mul(-2), norms[columns]
        for rows in _slices(len(queries), factor * block_size[0]):
            block = queries[rows]
            distances = torch.addmm(norm, block, transposed)
            yield rows, columns, distances.add_(block.square().sum(1, keepdim=True)).clamp_(min=0)


def _slices(number: int, size: int) -> list[slice]:
    """Returns slices of at most `size` that cover `number` elements."""
    return [slice(start, min(start + size, number)) for start in range(0, number, size)]


def _faiss_nearest(queries: Tensor, keys: Tensor, factors: Tensor | None, penalty: Tensor | None = None) -> Tensor:
    """Returns the index of the nearest key of every query, (n,), found by faiss."""
    faiss = import_faiss()
    x = keys.detach().cpu().float().contiguous().numpy()
    if len(keys) < 4 * FAISS_CELL_PATCHES:
        index: Any = faiss.IndexFlatL2(x.shape[1])
    else:
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(x.shape[1]), x.shape[1], len(x) // FAISS_CELL_PATCHES)
        index.nprobe = FAISS_PROBES
        index.train(x)
    index.add(x)
    number = 1 if factors is None and penalty is None else min(FAISS_CANDIDATES, len(keys))
    distances, indices = index.search(queries.detach().cpu().float().contiguous().numpy(), number)
    candidates = torch.from_numpy(indices).to(queries.device)
    if number == 1:
        return candidates[:, 0]
    weighted, at = torch.from_numpy(distances).to(queries), candidates.clamp(min=0)
    if factors is not None:
        weighted.mul_(factors[at])
    if penalty is not None:
        weighted.add_(penalty[at], alpha=keys.shape[1])
    weighted[candidates < 0] = torch.inf  # the searched cells held fewer candidates
    return candidates.gather(1, weighted.argmin(1, keepdim=True))[:, 0]


def import_faiss() -> Any:
    """Returns the module faiss.

    Raises:
        GPDMError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise GPDMError(
            "search faiss needs the package faiss, which is not installed; pip install faiss-cpu, "
            "or choose search exact"
        ) from None
    return faiss
