"""Random unit filters: the directions along which patch distributions are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

Kind = Literal["independent", "orthonormal", "factored"]
KINDS: tuple[str, ...] = get_args(Kind)

GRID = 2.0**-12
"""Filters are multiples of this. Sums of their numbers with signs -1, 0 and 1 are then exact in float32, so that the L1 gradient
has the same bits however the work is divided; and a GPU's short TF32 format holds them exactly, too."""


@dataclass(frozen=True)
class FilterBank:
    """K filters with shape (C, p, p), as what they are convolved with: M columns, and then rows over their results.

    Filter k is the sum over m of columns[m] x rows[k, m].
    """

    columns: Tensor
    """Shape (M, C, p, 1)."""
    rows: Tensor
    """Shape (K, M, 1, p)."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def patch_size(self) -> int:
        """Side of the patches, p."""
        return self.rows.shape[-1]

    def to(self, like: Tensor) -> FilterBank:
        """The bank on the device and in the dtype of `like`, laid out for fast convolutions."""
        return FilterBank(
            *(x.to(like).contiguous(memory_format=torch.channels_last) for x in (self.columns, self.rows))
        )

    def scaled(self, factors: Tensor) -> FilterBank:
        """Every filter times its factor, (K,)."""
        return replace(self, rows=self.rows * factors[:, None, None, None])

    def split(self, number: int) -> list[FilterBank]:
        """Banks of at most `number` filters each."""
        return [replace(self, rows=rows) for rows in self.rows.split(number)]

    def filters(self) -> Tensor:
        """The filters themselves, (K, C, p, p)."""
        return torch.einsum("mcio,kmoj->kcij", self.columns, self.rows)


def draw_filters(kind: str, num_proj: int, channels: int, patch_size: int, generator: Generator) -> FilterBank:
    """Random patch filters of unit length (to three digits, see `GRID`), each uniform on the sphere.

    Arguments:
        kind: "independent" draws each filter on its own (Algorithm 1, line 5). "orthonormal" draws blocks of mutually
            orthogonal filters, which covers the directions more evenly with the same number. "factored" filters share a few
            random columns: each alone is as uniform as an independent one, together they take a third of the work.
        num_proj: Number of filters, K.
        channels: Channels of the image, C.
        patch_size: Side of the patches, p.
        generator: A CPU generator, so that the filters of a seed are the same on every device.

    Returns:
        The filters, float32, on the CPU.

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1.
        Rowland et al., Orthogonal Estimation of Wasserstein Distances, AISTATS 2019 (orthonormal blocks).
    """
    shape = (num_proj, channels, patch_size)
    if kind == "factored":
        columns, rows = _factored(*shape, generator)
    else:
        columns = torch.eye(channels * patch_size)  # no filter is the sum of fewer
        rows = (_orthonormal_blocks if kind == "orthonormal" else _independent)(*shape, generator)
    return FilterBank(
        columns.reshape(channels, patch_size, -1).permute(2, 0, 1)[..., None],
        (rows / GRID).round()[:, :, None] * GRID,
    )


def _independent(num_proj: int, channels: int, patch_size: int, generator: Generator) -> Tensor:
    flat = torch.randn(num_proj, channels * patch_size**2, generator=generator)
    return (flat / flat.norm(dim=1, keepdim=True)).reshape(num_proj, channels * patch_size, patch_size)


def _orthonormal_blocks(num_proj: int, channels: int, patch_size: int, generator: Generator) -> Tensor:
    dimension = channels * patch_size**2
    blocks = [
        _orthonormal(torch.randn(dimension, min(dimension, num_proj - k), generator=generator)).T
        for k in range(0, num_proj, dimension)
    ]
    return torch.cat(blocks).reshape(num_proj, channels * patch_size, patch_size)


def _factored(num_proj: int, channels: int, patch_size: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Columns (C p, M) and rows (K, M, p), whose products have the law of independent filters, one by one.

    A Gaussian matrix W (C p, p) is Q R, with Q uniform among orthonormal columns and R independent of it. A product of uniform
    orthonormal A (C p, M) and B (M, p) is uniform as well, as long as M >= p. So W = (A B) R, and A may be shared.
    """
    tall = channels * patch_size
    shared = min(-(-patch_size // 8) * 8, tall)  # whole vector registers
    columns = _orthonormal(torch.randn(tall, shared, generator=generator))
    b = _orthonormal(torch.randn(num_proj, shared, patch_size, generator=generator))
    gaussian = torch.randn(num_proj, tall, patch_size, generator=generator)
    r = torch.linalg.cholesky(gaussian.mT @ gaussian, upper=True)  # the R of its QR, signs positive
    rows = b @ r
    return columns, rows / rows.flatten(1).norm(dim=1)[:, None, None]


def _orthonormal(gaussian: Tensor) -> Tensor:
    """Uniform orthonormal columns (..., D, N) from Gaussian ones."""
    q, r = torch.linalg.qr(gaussian)
    # The signs make Q uniform (Haar); a bare QR is not (Mezzadri 2007, How to generate random matrices).
    return q * r.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
