"""What results are judged by: held-out measurements that no run minimises. Smaller is nearer to the reference."""

from __future__ import annotations

import passive_threads  # noqa: F401
import torch
import torch.nn.functional as F
from torch import Tensor

from gpdm.images import resize, scaled, size_of
from gpdm.patches.filters import draw_filters
from gpdm.patches.linear import project
from gpdm.transport.sorted import sliced_wasserstein

PATCH_SIZES = (3, 7, 11)
SCALES = (1.0, 0.5, 0.25)
SEED = 2**63 - 1  # no run draws from it


def held_out(reference: Tensor, image: Tensor, num_proj: int = 256) -> dict[str, float]:
    """Exact sliced Wasserstein distances over fresh projections, by patch size and scale."""
    distances = {}
    for scale in SCALES:
        x, y = (resize(each, scaled(size_of(each), scale)) for each in (reference, image))
        for patch_size in PATCH_SIZES:
            generator = torch.Generator().manual_seed(SEED)
            bank = draw_filters("independent", num_proj, x.shape[1], patch_size, generator).to(x)
            p, q = (project(each, bank).flatten(0, 1).T.contiguous() for each in (x, y))
            distances[f"p{patch_size} x{scale:g}"] = float(sliced_wasserstein(p, q)[0])
    return distances


def nearest(a: Tensor, b: Tensor, patch_size: int = 7, chunk: int = 2048) -> Tensor:
    """For each patch of `a` the mean squared difference to the nearest patch of `b`."""
    p, q = (F.unfold(each, patch_size)[0].T for each in (a, b))
    norm = q.square().sum(1)
    rows = [(part.square().sum(1, keepdim=True) + norm - 2 * part @ q.T).amin(1) for part in p.split(chunk)]
    return torch.cat(rows).clamp(min=0) / p.shape[1]


def coherence_completeness(reference: Tensor, image: Tensor) -> dict[str, float]:
    """Mean nearest-patch distance from the image to the reference, and from the reference to the image (Simakov et al.,
    Summarizing Visual Data Using Bidirectional Similarity, CVPR 2008)."""
    return {
        "coherence": float(nearest(image, reference).mean()),
        "completeness": float(nearest(reference, image).mean()),
    }


def judge(reference: Tensor, image: Tensor) -> dict[str, float]:
    """All of it."""
    return held_out(reference, image) | coherence_completeness(reference, image)
