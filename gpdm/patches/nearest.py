"""Nearest patches: for each patch of some pictures the most similar patch of others. Exact, or through faiss."""

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
"""exact compares every patch with every other. faiss looks into the likeliest cells of an index only, and needs the package."""

SEARCH_HELP = (
    "exact compares every patch with every other: the time grows with the square of the number of pixels. faiss looks into the likeliest cells of an "
    "index, and needs the package faiss-cpu."
)
"""What options called search say of it."""

ROWS, COLUMNS = 512, 8192
"""Patches that are compared at a time: few enough to stay near a processor's caches. A GPU takes `GPU_TIMES` as many of both, to
make launches few."""
GPU_TIMES = 2
BLOCK_BYTES = 4 * 4 * ROWS * COLUMNS
"""What comparing them takes at most, on a CPU."""
CELL_PATCHES, CELLS_SEEN = 256, 16
"""faiss: patches of a cell of the index, on average, and how many cells are looked into."""


def search_bytes(patch_size: int, pixels: int) -> int:
    """What a search takes, in bytes: the patches of both sides, of `pixels` together, twice, with up to four channels, and a block of
    distances."""
    return 2 * 4 * 4 * patch_size**2 * pixels + BLOCK_BYTES


def all_patches(images: Sequence[Tensor], patch_size: int) -> Tensor:
    """Every patch of every image (1, C, h, w), one a row: (patches, C p^2), the images behind each other."""
    return torch.cat([F.unfold(image, patch_size)[0].T for image in images])


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of the rows of `a` and `b` (n, D): (n,). Exactly 0 for equal rows."""
    return (a - b).square().mean(1)


@dataclass(frozen=True)
class Nearest:
    """The most similar of some patches (keys) for each of others (queries)."""

    index: Tensor
    """Which key it is, (queries,), int64."""
    distance: Tensor
    """Mean squared difference to it, per number of a patch, (queries,)."""


def nearest(queries: Tensor, keys: Tensor, search: str = "exact", shares: Tensor | None = None) -> Nearest:
    """The nearest key of every query.

    Arguments:
        queries: Patches, (n, D).
        keys: Patches, (m, D).
        search: One of `SEARCHES`.
        shares: A factor for the squared distance to each key, (m,): GPNN's normalisation (Granot et al., Drop the GAN,
            CVPR 2022, equation 3). With faiss it chooses among the nearest ten. None: the same for all.

    Raises:
        GPDMError: faiss is asked for and not installed.
    """
    if search == "faiss":
        index = _faiss_nearest(queries, keys, shares)
        return Nearest(index, squared_distance(queries, keys[index]))
    best = _Best.of(queries)
    for rows, columns, distances in _blocks(queries, keys):
        best.offer(rows, columns, distances if shares is None else distances.mul_(shares[columns]))
    return best.result(queries, keys)


def least_distances(queries: Tensor, keys: Tensor, search: str = "exact") -> Tensor:
    """For every key the mean squared difference to the nearest query, (m,); arguments and errors as of `nearest`."""
    if search == "faiss":
        return nearest(keys, queries, search).distance
    least = torch.full_like(keys[:, 0], torch.inf)
    for _, columns, distances in _blocks(queries, keys):
        torch.minimum(least[columns], distances.amin(0), out=least[columns])
    return least / keys.shape[1]


def mutual(queries: Tensor, keys: Tensor, search: str = "exact") -> tuple[Nearest, Tensor]:
    """The nearest key of every query, and for every key the mean squared difference to the nearest query, (m,); arguments and
    errors as of `nearest`. Exact it is one pass over all pairs."""
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
    """The best key so far of every query."""

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
    """Squared distances, block by block, with the rows and columns they belong to. The blocks may be written to."""
    # Around their mean the norms are small, and with them the rounding of |q|^2 - 2 q k + |k|^2.
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
    weighed[places < 0] = torch.inf  # fewer than ten were in the cells
    return places.gather(1, weighed.argmin(1, keepdim=True))[:, 0]


def import_faiss() -> Any:
    """The module faiss.

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
