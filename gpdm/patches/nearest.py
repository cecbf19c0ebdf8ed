"""Nearest-patch search: the most similar key patch for each query patch, exact or approximate through faiss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import GPDMError

Search = Literal["exact", "faiss"]
SEARCHES: tuple[str, ...] = get_args(Search)
""""exact" compares all pairs of patches. "faiss" searches the likeliest cells of an index, by the package faiss."""

SEARCH_HELP = (
    "exact compares every patch with every other: the time grows with the square of the number of pixels. faiss looks into the likeliest cells of an "
    "index, and needs the package faiss-cpu."
)
"""Help text of the options called search."""

ROWS, COLUMNS = 512, 8192
"""Queries and keys that are compared at a time, so few that their distances fit a processor's cache. On a GPU both are
multiplied by `GPU_TIMES`, for fewer launches."""
GPU_TIMES = 2
BLOCK_BYTES = 4 * 4 * ROWS * COLUMNS
"""Bytes that one comparison takes on a CPU, at most."""
CELL_PATCHES, CELLS_SEEN = 256, 16
"""faiss: average number of patches in a cell of the index, and number of cells that are searched."""


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
    """The most similar key of each query."""

    index: Tensor
    """Index of the key, (queries,), int64."""
    distance: Tensor
    """Mean squared difference to it over the elements of a patch, (queries,)."""


def nearest(queries: Tensor, keys: Tensor, search: str = "exact", shares: Tensor | None = None) -> Nearest:
    """Returns the nearest key of every query.

    Arguments:
        queries: Patches, (n, D).
        keys: Patches, (m, D).
        search: One of `SEARCHES`.
        shares: Factors of the squared distance to each key, (m,): GPNN's normalisation (Granot et al., Drop the GAN,
            CVPR 2022, equation 3). With faiss they select among the nearest ten. None: no factors.

    Raises:
        GPDMError: faiss is chosen and not installed.
    """
    if search == "faiss":
        index = _faiss_nearest(queries, keys, shares)
        return Nearest(index, squared_distance(queries, keys[index]))
    best = _Best.of(queries)
    for rows, columns, distances in _blocks(queries, keys):
        best.offer(rows, columns, distances if shares is None else distances.mul_(shares[columns]))
    return best.result(queries, keys)


def least_distances(queries: Tensor, keys: Tensor, search: str = "exact") -> Tensor:
    """Returns for every key the mean squared difference to its nearest query, (m,).

    Arguments and errors are those of `nearest`.
    """
    if search == "faiss":
        return nearest(keys, queries, search).distance
    least = torch.full_like(keys[:, 0], torch.inf)
    for _, columns, distances in _blocks(queries, keys):
        torch.minimum(least[columns], distances.amin(0), out=least[columns])
    return least / keys.shape[1]


def mutual(queries: Tensor, keys: Tensor, search: str = "exact") -> tuple[Nearest, Tensor]:
    """Returns the nearest key of every query, and for every key the mean squared difference to its nearest query, (m,).

    Arguments and errors are those of `nearest`. The exact search computes all distances once for both.
    """
    if search == "faiss":
        return nearest(queries, keys, search), nearest(keys, queries, search).distance
    best = _Best.of(queries)
    backwards = torch.full_like(keys[:, 0], torch.inf)
    for rows, columns, distances in _blocks(queries, keys):
        best.offer(rows, columns, distances)
        torch.minimum(backwards[columns], distances.amin(0), out=backwards[columns])
    return best.result(queries, keys), backwards / keys.shape[1]


@dataclass(frozen=True)
class _Best:
    """The nearest key of every query among those compared so far."""

    index: Tensor
    least: Tensor

    @classmethod
    def of(cls, queries: Tensor) -> _Best:
        index = torch.zeros(len(queries), dtype=torch.int64, device=queries.device)
        return cls(index, torch.full_like(queries[:, 0], torch.inf))

    def offer(self, rows: slice, columns: slice, distances: Tensor) -> None:
        value, place = distances.min(1)
        closer = value < self.least[rows]
        self.index[rows] = torch.where(closer, place + columns.start, self.index[rows])
        self.least[rows] = torch.where(closer, value, self.least[rows])

    def result(self, queries: Tensor, keys: Tensor) -> Nearest:
        return Nearest(self.index, squared_distance(queries, keys[self.index]))


def _blocks(queries: Tensor, keys: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yields squared distances block by block, with their slices of queries and keys. The blocks may be overwritten."""
    # Centred patches have small norms, which reduces the rounding error of |q|^2 - 2 q k + |k|^2.
    centre = keys.mean(0)
    queries, keys = queries - centre, keys - centre
    norms = keys.square().sum(1)
    times = GPU_TIMES if keys.device.type == "cuda" else 1
    for columns in _slices(len(keys), times * COLUMNS):
        transposed, norm = keys[columns].T.mul(-2), norms[columns]
        for rows in _slices(len(queries), times * ROWS):
            own = queries[rows]
            distances = torch.addmm(norm, own, transposed)
            yield rows, columns, distances.add_(own.square().sum(1, keepdim=True)).clamp_(min=0)


def _slices(number: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, number)) for start in range(0, number, size)]


def _faiss_nearest(queries: Tensor, keys: Tensor, shares: Tensor | None) -> Tensor:
    faiss = import_faiss()
    x = keys.detach().cpu().float().contiguous().numpy()
    if len(keys) < 4 * CELL_PATCHES:
        index: Any = faiss.IndexFlatL2(x.shape[1])
    else:
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(x.shape[1]), x.shape[1], len(x) // CELL_PATCHES)
        index.nprobe = CELLS_SEEN
        index.train(x)
    index.add(x)
    number = 1 if shares is None else min(10, len(keys))
    distances, found = index.search(queries.detach().cpu().float().contiguous().numpy(), number)
    places = torch.from_numpy(found).to(queries.device)
    if shares is None:
        return places[:, 0]
    weighed = torch.from_numpy(distances).to(queries).mul(shares[places.clamp(min=0)])
    weighed[places < 0] = torch.inf  # the searched cells held fewer than ten
    return places.gather(1, weighed.argmin(1, keepdim=True))[:, 0]


def import_faiss() -> Any:
    """Returns the module faiss.

    Raises:
        GPDMError: It is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise GPDMError(
            "search faiss needs the package faiss, which is not installed; pip install faiss-cpu, or choose search exact"
        ) from None
    return faiss
