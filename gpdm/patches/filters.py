"""Random unit filters: the directions onto which patches are projected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Generator, Tensor

from .linear import FilterBank

FILTER_KINDS: tuple[str, ...] = ("independent", "orthonormal", "factored")
"""Ways to sample filters; see `sample_filters`."""


@dataclass(frozen=True)
class Filters:
    """The distribution from which sets of filters of one patch size are sampled; see `sample_filters`."""

    kind: str = "factored"
    """One of `FILTER_KINDS`."""
    number: int = 64
    """Number of filters in a set."""
    detail: float = 0.5
    """Fraction of the filters that have mean zero in every channel, from 0 to 1."""
    patch_size: int = 7
    """Side of the patches, in pixels."""

    def sample(
        self, channels: int, generator: Generator, sets: int = 1, device: torch.device | None = None
    ) -> FilterBank:
        """Samples `sets` sets of filters; those of mean zero come last.

        Filters of one pixel cannot have mean zero, so with `patch_size` 1 no filter has mean zero.
        """
        detail = round(self.detail * self.number) if self.patch_size > 1 else 0
        return sample_filters(self.kind, self.number, channels, self.patch_size, generator, sets, detail, device)

    def split(self, parts: int) -> list[Filters]:
        """Splits the set into `parts` sets of about equal number, without empty ones."""
        ends = [self.number * i // parts for i in range(parts + 1)]
        return [replace(self, number=end - start) for start, end in pairwise(ends) if end > start]


def sample_filters(
    kind: str,
    num_proj: int,
    channels: int,
    patch_size: int,
    generator: Generator,
    sets: int = 1,
    detail: int = 0,
    device: torch.device | None = None,
) -> FilterBank:
    """Samples random filters of unit length.

    Each is uniform on the sphere, or on the sphere of filters of mean zero.

    Arguments:
        kind: "independent" samples each filter by itself (Algorithm 1, line 5). "orthonormal" samples blocks of
            mutually orthogonal filters, which cover the directions more evenly. "factored" filters share a few random
            columns: each has the distribution of an independent filter, and projecting takes a third of the work.
        num_proj: Number of filters in a set, K.
        channels: Channels of the image, C.
        patch_size: Side of the patches in pixels, p.
        generator: A CPU generator, so that the filters of a seed are the same on every device.
        sets: Number of sets, sampled independently.
        detail: Number of filters of a set, the last ones, with mean zero in every channel. They ignore average colour
            and measure structure. Other filters measure mainly average colour: it has the largest variance (the power
            of natural images falls with frequency), although it is only 1 / p^2 of the dimensions.
        device: Target device. Random numbers come from the CPU; for CUDA most of the rest is computed on the device,
            without making the host wait.

    Returns:
        The filters, float32, on a CUDA `device`, else on the CPU.

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1.
        Rowland et al., Orthogonal Estimation of Wasserstein Distances, AISTATS 2019 (orthonormal blocks).
    """
    height = channels * patch_size
    device = device if device is not None and device.type == "cuda" else torch.device("cpu")
    if kind == "factored":
        columns, rows = _factored(sets, num_proj, height, patch_size, generator, device)
    else:
        # A general filter needs all C p unit columns.
        columns = torch.eye(height, device=device).expand(sets, height, height)
        flat = (_orthonormal_blocks if kind == "orthonormal" else _independent)(
            sets, num_proj, height * patch_size, generator
        )
        rows = to_device(flat, device).unflatten(2, (height, patch_size))
    if detail:
        columns, rows = _without_mean(columns, rows, channels, detail)
    return FilterBank(
        columns.mT.reshape(-1, channels, patch_size, 1),
        rows.flatten(0, 1)[:, :, None],
    )


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copies CPU `values` to `device`, asynchronously to a GPU."""
    return (values.pin_memory() if device.type == "cuda" else values).to(device, non_blocking=True)


def _without_mean(columns: Tensor, rows: Tensor, channels: int, number: int) -> tuple[Tensor, Tensor]:
    """Removes the mean in each channel from the last `number` filters of each set, and normalises them again.

    For each channel a column of ones is added, by which the mean is subtracted: columns (sets, C p, M) become (sets, C
    p, M + C), rows (sets, K, M, p) become (sets, K, M + C, p).
    """
    sets, height, _ = columns.shape
    p = rows.shape[3]
    ones = torch.eye(channels, device=columns.device).repeat_interleave(height // channels, 0)
    ones = ones.expand(sets, height, channels)
    with_mean = rows[:, -number:]
    means = torch.einsum("stc,stm,skmp->skc", ones, columns, with_mean) / (height // channels * p)
    # The removed part is orthogonal to the rest, so that their squared lengths sum to 1.
    length = (1 - means.square().sum(2) * (height // channels * p)).sqrt()[..., None, None]
    minus_means = -means[..., None].expand(-1, -1, -1, p)
    last = torch.cat([with_mean, minus_means], 2) / length
    first = torch.cat([rows[:, :-number], minus_means.new_zeros(sets, rows.shape[1] - number, channels, p)], 2)
    return torch.cat([columns, ones], 2), torch.cat([first, last], 1)


def _independent(sets: int, num_proj: int, dimension: int, generator: Generator) -> Tensor:
    """Returns independent unit vectors, (sets, K, dimension)."""
    flat = torch.randn(sets, num_proj, dimension, generator=generator)
    return flat / flat.norm(dim=2, keepdim=True)


def _orthonormal_blocks(sets: int, num_proj: int, dimension: int, generator: Generator) -> Tensor:
    """Returns unit vectors, (sets, K, dimension), in blocks of at most `dimension` mutually orthogonal ones."""
    blocks = [
        _orthonormal(torch.randn(sets, dimension, min(dimension, num_proj - k), generator=generator)).mT
        for k in range(0, num_proj, dimension)
    ]
    return torch.cat(blocks, dim=1)


def _factored(
    sets: int, num_proj: int, height: int, patch_size: int, generator: Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Returns columns (sets, C p, M) and rows (sets, K, M, p). Each product is distributed as an independent filter.

    A Gaussian matrix W (C p, p) is Q R, with Q uniform among orthonormal columns and R independent of it. A product of
    uniform orthonormal A (C p, M) and B (M, p) is uniform as well, as long as M >= p. So W = (A B) R, and A may be
    shared.
    """
    shared = min(-(-patch_size // 8) * 8, height)  # a multiple of a vector register's length
    columns = to_device(_orthonormal(torch.randn(sets, height, shared, generator=generator)), device)
    # B R = G S^-1 R for a Gaussian G (M, p) = B S. R and S are Cholesky factors of Gram matrices, whose condition
    # number is squared: hence float64.
    g = to_device(torch.randn(sets, num_proj, shared, patch_size, generator=generator), device)
    w = to_device(torch.randn(sets, num_proj, height, patch_size, generator=generator), device)
    # Without an error check, which would make the host wait: the Gram matrix is positive definite almost surely.
    s, r = (torch.linalg.cholesky_ex(x.mT @ x, upper=True).L for x in (g.double(), w.double()))
    rows = (g.double() @ torch.linalg.solve_triangular(s, r, upper=True)).float()
    return columns, rows / rows.flatten(2).norm(dim=2)[..., None, None]


def _orthonormal(gaussian: Tensor) -> Tensor:
    """Returns uniformly distributed orthonormal columns (..., D, N) from Gaussian ones."""
    q, r = torch.linalg.qr(gaussian)
    # The signs make Q uniform (Haar); a bare QR is not (Mezzadri 2007, How to generate random matrices).
    return q * r.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
