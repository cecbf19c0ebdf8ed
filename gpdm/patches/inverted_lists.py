"""Inverted lists: reference patches by their nearest centroid, so that a patch is compared with those of few lists."""

from __future__ import annotations

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
        self.centroids = cluster(self._features(sample), number)
        norms, lists = [], []
        for part in first.split(BLOCK_PATCHES):
            patches = store.read(part)
            norms.append(patches.square().sum(1))
            lists.append(self._nearest_lists(patches, 1)[:, 0])
        list_of = torch.cat(lists)
        order = list_of.argsort(stable=True)
        self.first, self.norms = first[order], torch.cat(norms)[order]
        self.lengths = list_of.bincount(minlength=number).tolist()

    def nearest(self, patches: Tensor, probes: int) -> Tensor:
        """Returns the nearest patch in each of the nearest lists.

        Arguments:
            patches: Patches, (n, D).
            probes: Number of lists that are searched for each patch; fewer if there are not so many.

        Returns:
            Indices for `PatchStore.read`, (n, probes). An empty list gives any patch.
        """
        probes = min(probes, self.number)
        list_of = self._nearest_lists(patches, probes).T.flatten()
        order = list_of.argsort(stable=True)
        queries, nearest = patches[order % max(len(patches), 1)], torch.zeros_like(order)
        query, key = 0, 0
        for length, matched in zip(self.lengths, list_of.bincount(minlength=self.number).tolist(), strict=True):
            if length and matched:
                nearest[query : query + matched] = self._nearest_of(queries[query : query + matched], key, key + length)
            query, key = query + matched, key + length
        return self.first[torch.empty_like(order).index_copy_(0, order, nearest)].view(probes, -1).T

    def _nearest_of(self, queries: Tensor, begin: int, end: int) -> Tensor:
        """Returns which of the patches from `begin` to `end` is nearest to each query, (n,)."""
        nearest, least = torch.zeros_like(queries[:, 0], dtype=torch.int64), torch.full_like(queries[:, 0], torch.inf)
        for start in range(begin, end, BLOCK_PATCHES):
            block = slice(start, min(start + BLOCK_PATCHES, end))
            # The squared distance up to the norm of the query, which is the same for all.
            scores = torch.addmm(self.norms[block], queries, self.store.read(self.first[block]).T, alpha=-2)
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


def cluster(points: Tensor, number: int) -> Tensor:
    """Returns the centroids of `number` clusters of points (n, d), by k-means from the first points: (number, d)."""
    centroids = points[:number].clone()
    for _ in range(CLUSTER_STEPS if number > 1 else 0):
        # A product and no scattered sums, so that a GPU gives the same at every run.
        members = F.one_hot(nearest_centroids(points, centroids, 1)[:, 0], number).to(points)
        counts = members.sum(0)[:, None]
        centroids = torch.where(counts > 0, members.T @ points / counts.clamp(min=1), centroids)
    return centroids


def nearest_centroids(points: Tensor, centroids: Tensor, number: int) -> Tensor:
    """Returns the nearest centroids of points (n, d), nearest first, (n, number)."""
    norms, found = centroids.square().sum(1), []
    for part in points.split(CHUNK_POINTS):
        scores = torch.addmm(norms, part, centroids.T, alpha=-2)
        found.append(scores.argmin(1, keepdim=True) if number == 1 else scores.topk(number, 1, largest=False).indices)
    return torch.cat(found)
