"""Inverted lists: reference patches by their nearest centroid, so that a patch is compared with those of few lists."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .store import PatchStore

FEATURES = 16
"""Number of principal components in which patches are compared with centroids."""
SAMPLE_PATCHES = 2**12
"""Number of patches from which principal components and centroids are computed."""
SUBSPACE_STEPS = 3
"""Steps of the iteration that computes the principal components."""
CLUSTER_STEPS = 3
"""Steps of k-means."""
BLOCK_PATCHES = 2**13
"""Number of reference patches that are read at a time."""
CHUNK_POINTS = 2**11
"""Number of patches that are compared with the centroids at a time."""
GPU_CHUNK_FACTOR = 16
"""Factor of `CHUNK_POINTS` on a GPU, for fewer launches."""
TILE = 128, 512
"""Patches, and reference patches of one list, that a tile compares."""
BATCH_TILES = 192
"""Number of tiles that are compared in one call."""


class InvertedLists:
    """Reference patches in lists, one for each centroid of k-means.

    Arguments:
        store: The reference patches.
        first: Indices of those in the lists, (N,), int64.
        number: Number of lists. With 1 the search is exact.

    References:
        Jegou et al., Product Quantization for Nearest Neighbor Search, PAMI 2011, section IV.
    """

    def __init__(self, store: PatchStore, first: Tensor, number: int) -> None:
        self.store, self.number = store, number
        generator = Generator().manual_seed(0)
        chosen = torch.randint(len(first), (max(SAMPLE_PATCHES, number),), generator=generator).to(first.device)
        sample = store.read(first[chosen])
        self.mean = sample.mean(0)
        self.components = principal_components(sample - self.mean, FEATURES, generator)
        features = self._features(sample)
        self.centroids = cluster(features, features[:number], CLUSTER_STEPS if number > 1 else 0)
        norms, lists = [], []
        for part in first.split(BLOCK_PATCHES):
            patches = store.read(part)
            norms.append(patches.square().sum(1))
            lists.append(self._nearest_lists(patches, 1)[:, 0])
        list_of = torch.cat(lists)
        order = list_of.argsort(stable=True)
        self.first, self.norms = first[order], torch.cat(norms)[order]
        self.lengths = list_of.bincount(minlength=number).tolist()
        self.in_tiles = first.device.type == "cuda"
        """Whether many lists are searched at a time, for fewer launches, instead of one after the other."""

    def nearest(self, patches: Tensor, probes: int, penalty: Tensor | None = None) -> Tensor:
        """Returns the nearest patch in each of the nearest lists.

        Arguments:
            patches: Patches, (n, D).
            probes: Number of lists that are searched for each patch; fewer if there are not so many.
            penalty: What is added to the mean squared difference to the patch that begins at each pixel, after it is
                divided by the weight, (pixels,). None: 0.

        Returns:
            Indices for `PatchStore.read`, (n, probes). An empty list gives any patch.
        """
        probes, norms = min(probes, self.number), self._norms_with(penalty)
        list_of = self._nearest_lists(patches, probes).T.flatten()
        order = list_of.argsort(stable=True)
        numbers, matched = order % max(len(patches), 1), list_of.bincount(minlength=self.number).tolist()
        if self.in_tiles and self.number > 1:
            nearest = self._nearest_in_tiles(patches, norms, numbers, matched)
        else:
            nearest = self._nearest_by_list(patches[numbers], norms, matched)
        return self.first[torch.empty_like(order).index_copy_(0, order, nearest)].view(probes, -1).T

    def several(self, patches: Tensor, probes: int, number: int) -> tuple[Tensor, Tensor]:
        """Returns the nearest patches among those of the nearest lists, whatever their weights.

        Arguments:
            patches: Patches, (n, D).
            probes: Number of lists that are searched for each patch; fewer if there are not so many.
            number: Number of nearest patches.

        Returns:
            Indices for `PatchStore.read`, (n, number), nearest first, and which of them were found, bool. The first
            counts as found also if the lists are empty.
        """
        index = torch.zeros(len(patches), number, dtype=torch.int64, device=patches.device)
        score = torch.full_like(index, torch.inf, dtype=patches.dtype)
        for list_of in self._nearest_lists(patches, min(probes, self.number)).T:
            rows = list_of.argsort(stable=True).split(list_of.bincount(minlength=self.number).tolist())
            key = 0
            for length, in_list in zip(self.lengths, rows, strict=True):
                for part in in_list.split(CHUNK_POINTS) if length else ():
                    for start in range(key, key + length, BLOCK_PATCHES):
                        end = min(start + BLOCK_PATCHES, key + length)
                        score[part], index[part] = self._merged(patches[part], score[part], index[part], start, end)
                key += length
        is_found = score.isfinite()
        is_found[:, 0] = True
        return self.first[index], is_found

    def _merged(self, queries: Tensor, score: Tensor, index: Tensor, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Returns the best scores, (n, number), and their reference patches, after those from `begin` to `end`."""
        keys = self.store.read(self.first[begin:end])
        new = torch.addmm(self.norms[begin:end], queries, keys.T, alpha=-2)
        new_score, new_index = new.topk(min(score.shape[1], end - begin), 1, largest=False)
        both, at = torch.cat([score, new_score], 1), torch.cat([index, new_index + begin], 1)
        best, order = both.topk(score.shape[1], 1, largest=False)
        return best, at.gather(1, order)

    def _norms_with(self, penalty: Tensor | None) -> Tensor:
        """Returns the squared norms of the patches with what a penalty adds, so that it takes part in the product."""
        if penalty is None:
            return self.norms
        added = penalty[self.first] * (self.store.channels * self.store.patch_size**2)
        return self.norms + (added if self.store.weights is None else added * self.store.weights[self.first])

    def _nearest_by_list(self, queries: Tensor, norms: Tensor, matched: list[int]) -> Tensor:
        """Returns which reference patch is nearest to each query, (n,), one list after the other.

        Arguments:
            queries: Patches, (n, D), those that are compared with the first list first, and so on.
            norms: Those of the reference patches, (N,).
            matched: Number of queries of each list.
        """
        nearest = torch.zeros_like(queries[:, 0], dtype=torch.int64)
        query, key = 0, 0
        for length, number in zip(self.lengths, matched, strict=True):
            if length and number:
                nearest[query : query + number] = self._nearest_of(
                    queries[query : query + number], norms, key, key + length
                )
            query, key = query + number, key + length
        return nearest

    def _nearest_in_tiles(self, patches: Tensor, norms: Tensor, numbers: Tensor, matched: list[int]) -> Tensor:
        """Returns which reference patch is nearest to each query, (n,), in tiles that are compared together.

        A tile compares some queries of one list with some of its reference patches. At the ends of a list the last
        query and the last reference patch are repeated. A query is in one tile of each round.

        Arguments:
            patches: Patches, (m, D).
            norms: Those of the reference patches, (N,).
            numbers: The patch of each query, (n,), in the order of the lists.
            matched: Number of queries of each list.
        """
        nearest = torch.zeros_like(numbers)
        least = torch.full_like(numbers, torch.inf, dtype=patches.dtype)
        queries, keys = (torch.arange(size, device=patches.device) for size in TILE)
        for tiles in tile_rounds(matched, self.lengths):
            for query, query_end, key, key_end in (part.T for part in tiles.to(patches.device).split(BATCH_TILES)):
                at = torch.minimum(query[:, None] + queries, query_end[:, None] - 1)
                key_at = torch.minimum(key[:, None] + keys, key_end[:, None] - 1)
                scores, index = self._scores(patches[numbers[at]], norms, key_at).min(2)
                nearer = scores < least[at]
                nearest[at] = torch.where(nearer, key_at.gather(1, index), nearest[at])
                least[at] = torch.where(nearer, scores, least[at])
        return nearest

    def _scores(self, queries: Tensor, norms: Tensor, keys: Tensor) -> Tensor:
        """Returns what orders reference patches `keys`, (tiles, k), by their distance to queries (tiles, q, D).

        It is the squared distance, without weights up to the norm of the query, (tiles, q, k).
        """
        patches = self.store.read(self.first[keys.flatten()]).view(*keys.shape, -1)
        scores = torch.baddbmm(norms[keys][:, None], queries, patches.mT, alpha=-2)
        if self.store.weights is not None:
            weights = self.store.weights[self.first[keys]][:, None]
            scores.add_(queries.square().sum(2, keepdim=True)).div_(weights)
        return scores

    def _nearest_of(self, queries: Tensor, norms: Tensor, begin: int, end: int) -> Tensor:
        """Returns which of the patches from `begin` to `end` is nearest to each query, (n,)."""
        nearest, least = torch.zeros_like(queries[:, 0], dtype=torch.int64), torch.full_like(queries[:, 0], torch.inf)
        for start in range(begin, end, BLOCK_PATCHES):
            block = slice(start, min(start + BLOCK_PATCHES, end))
            # The squared distance up to the norm of the query, which is the same for all.
            scores = torch.addmm(norms[block], queries, self.store.read(self.first[block]).T, alpha=-2)
            if self.store.weights is not None:
                scores.add_(queries.square().sum(1, keepdim=True)).div_(self.store.weights[self.first[block]])
            score, index = scores.min(1)
            nearest = torch.where(score < least, index + start, nearest)
            least = torch.minimum(score, least)
        return nearest

    def _features(self, patches: Tensor) -> Tensor:
        """Returns the principal components of patches, (n, D): (n, `FEATURES`)."""
        return torch.addmm(-(self.mean @ self.components), patches, self.components)

    def _nearest_lists(self, patches: Tensor, probes: int) -> Tensor:
        """Returns the lists whose centroids are nearest to patches, nearest first, (n, probes)."""
        if self.number == 1:
            return torch.zeros(len(patches), 1, dtype=torch.int64, device=patches.device)
        return nearest_centroids(self._features(patches), self.centroids, probes)


def tile_rounds(matched: list[int], lengths: list[int]) -> Iterator[Tensor]:
    """Yields tiles that cover all pairs of a query and a reference patch of the same list, in rounds.

    Arguments:
        matched: Number of queries of each list; the queries of all lists are numbered in their order.
        lengths: Number of reference patches of each list, numbered likewise.

    Yields:
        Tiles without a query in common, int64, (tiles, 4): the first query, the end of the list's queries, the first
        reference patch, and the end of the list's reference patches.
    """
    number, length = torch.tensor(matched), torch.tensor(lengths)
    tiles = torch.where(length > 0, -(-number // TILE[0]), 0)
    list_of = torch.repeat_interleave(torch.arange(len(number)), tiles)
    within = torch.arange(len(list_of)) - (tiles.cumsum(0) - tiles)[list_of]
    query_end, key_end = number.cumsum(0)[list_of], length.cumsum(0)[list_of]
    query, key = query_end - number[list_of] + TILE[0] * within, key_end - length[list_of]
    while len(query):
        yield torch.stack([query, query_end, key, key_end], 1)
        key = key + TILE[1]
        query, query_end, key, key_end = (x[key < key_end] for x in (query, query_end, key, key_end))


def principal_components(patches: Tensor, number: int, generator: Generator) -> Tensor:
    """Returns the directions of the largest variance of centred patches, by subspace iteration.

    Arguments:
        patches: Patches, (n, D).
        number: Number of directions; fewer if D is less.
        generator: A CPU generator for the directions to start from.

    Returns:
        Directions, orthonormal, (D, number).
    """
    start = torch.randn(patches.shape[1], min(number, patches.shape[1]), generator=generator, dtype=torch.float64)
    directions = start.to(patches)
    for _ in range(SUBSPACE_STEPS):
        directions, _ = torch.linalg.qr(patches.T @ (patches @ directions))
    return directions


def cluster(points: Tensor, centroids: Tensor, steps: int) -> Tensor:
    """Returns the centroids of clusters of points (n, d) after some steps of k-means from others, (number, d)."""
    centroids = centroids.clone()
    for _ in range(steps):
        # A product and no scattered sums, so that a GPU gives the same at every run.
        members = F.one_hot(nearest_centroids(points, centroids, 1)[:, 0], len(centroids)).to(points)
        counts = members.sum(0)[:, None]
        centroids = torch.where(counts > 0, members.T @ points / counts.clamp(min=1), centroids)
    return centroids


def nearest_centroids(points: Tensor, centroids: Tensor, number: int) -> Tensor:
    """Returns the nearest centroids of points (n, d), nearest first, (n, number)."""
    on_gpu = points.device.type == "cuda"
    norms, found, least = centroids.square().sum(1), [], least_in_turn if on_gpu else least_by_topk
    for part in points.split(CHUNK_POINTS * (GPU_CHUNK_FACTOR if on_gpu else 1)):
        scores = torch.addmm(norms, part, centroids.T, alpha=-2)
        found.append(scores.argmin(1, keepdim=True) if number == 1 else least(scores, number))
    return torch.cat(found)


def least_by_topk(scores: Tensor, number: int) -> Tensor:
    """Returns the columns of the least scores of each row, least first, (n, number)."""
    return scores.topk(number, 1, largest=False).indices


def least_in_turn(scores: Tensor, number: int) -> Tensor:
    """Returns the same as `least_by_topk`, on a GPU in less time for small numbers. Overwrites the scores."""
    found = []
    for _ in range(number):
        found.append(scores.argmin(1, keepdim=True))
        scores.scatter_(1, found[-1], torch.inf)
    return torch.cat(found, 1)
