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

    Filter k is the sum over m of columns[m] x rows[k, m]. Several sets of filters can stand behind each other, each with M
    columns of its own, so that one call projects onto all of them.
    """

    columns: Tensor
    """Shape (sets M, C, p, 1)."""
    rows: Tensor
    """Shape (sets K, M, 1, p)."""

    @classmethod
    def of(cls, filters: Tensor) -> FilterBank:
        """One set of any filters, (K, C, p, p), as they are."""
        _, channels, p, _ = filters.shape
        columns = torch.eye(channels * p).to(filters).reshape(-1, channels, p, 1)
        return cls(columns, filters.reshape(len(filters), channels * p, 1, p))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sets(self) -> int:
        """How many sets there are."""
        return len(self.columns) // self.rows.shape[1]

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
        """Banks of at most `number` filters each, of one set."""
        return [replace(self, rows=rows) for rows in self.rows.split(number)]

    def each(self, number: int = 1) -> list[FilterBank]:
        """Banks of at most `number` sets each."""
        columns, rows = (x.split(len(x) // self.sets * number) for x in (self.columns, self.rows))
        return [FilterBank(*parts) for parts in zip(columns, rows, strict=True)]

    def filters(self) -> Tensor:
        """The filters themselves, (sets K, C, p, p)."""
        columns, rows = (x.unflatten(0, (self.sets, -1)) for x in (self.columns, self.rows))
        return torch.einsum("smcio,skmoj->skcij", columns, rows).flatten(0, 1)


@dataclass(frozen=True)
class Filters:
    """How filters are sampled; see `draw_filters`."""

    kind: str = "factored"
    """One of `KINDS`."""
    number: int = 64
    """Filters of a set."""
    detail: float = 0.5
    """Share of them that have mean zero in every channel."""

    def sample(
        self,
        number: int,
        channels: int,
        patch_size: int,
        generator: Generator,
        sets: int = 1,
        device: torch.device | None = None,
    ) -> FilterBank:
        """Samples `number` filters of each of `sets` sets; those of mean zero come last. Patches of one pixel have none."""
        detail = round(self.detail * number) if patch_size > 1 else 0
        return draw_filters(self.kind, number, channels, patch_size, generator, sets, detail, device)


def draw_filters(
    kind: str,
    num_proj: int,
    channels: int,
    patch_size: int,
    generator: Generator,
    sets: int = 1,
    detail: int = 0,
    device: torch.device | None = None,
) -> FilterBank:
    """Random patch filters of unit length (to three digits, see `GRID`), each uniform on the sphere, or on that of mean zero.

    Arguments:
        kind: "independent" draws each filter on its own (Algorithm 1, line 5). "orthonormal" draws blocks of mutually
            orthogonal filters, which covers the directions more evenly with the same number. "factored" filters share a few
            random columns: each alone is as uniform as an independent one, together they take a third of the work.
        num_proj: Number of filters of a set, K.
        channels: Channels of the image, C.
        patch_size: Side of the patches, p.
        generator: A CPU generator, so that the filters of a seed are the same on every device.
        sets: How many sets, each drawn on its own.
        detail: How many filters of a set, the last ones, have mean zero in every channel: they see structure and no colour. To
            others colour is nearly all there is, since its spread is so much larger (in natural pictures power falls with
            frequency), although it is only 1 / p^2 of the dimensions.
        device: Where the filters are wanted. The random numbers are the same everywhere; for CUDA the rest is done there, and the host
            does not wait for it.

    Returns:
        The filters, float32, on a CUDA `device`, else on the CPU.

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1.
        Rowland et al., Orthogonal Estimation of Wasserstein Distances, AISTATS 2019 (orthonormal blocks).
    """
    tall = channels * patch_size
    device = device if device is not None and device.type == "cuda" else torch.device("cpu")
    if kind == "factored":
        columns, rows = _factored(sets, num_proj, tall, patch_size, generator, device)
    else:
        columns = torch.eye(tall, device=device).expand(sets, tall, tall)  # no filter is the sum of fewer
        flat = (_orthonormal_blocks if kind == "orthonormal" else _independent)(
            sets, num_proj, tall * patch_size, generator
        )
        rows = to_device(flat, device).unflatten(2, (tall, patch_size))
    if detail:
        columns, rows = _without_mean(columns, rows, channels, detail)
    return FilterBank(
        columns.mT.reshape(-1, channels, patch_size, 1),
        ((rows / GRID).round() * GRID).flatten(0, 1)[:, :, None],
    )


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Copies CPU `values` to `device` without waiting for it: a GPU fetches them when it is its turn."""
    return (values.pin_memory() if device.type == "cuda" else values).to(device, non_blocking=True)


def _without_mean(columns: Tensor, rows: Tensor, channels: int, number: int) -> tuple[Tensor, Tensor]:
    """Columns (sets, C p, M + C) and rows (sets, K, M + C, p), the last `number` filters of each set without their mean in each
    channel, and of unit length again: for each channel there is a column of ones, with which the mean is taken away."""
    sets, tall, _ = columns.shape
    p = rows.shape[3]
    ones = (
        torch.eye(channels, device=columns.device).repeat_interleave(tall // channels, 0).expand(sets, tall, channels)
    )
    own = rows[:, -number:]
    means = torch.einsum("stc,stm,skmp->skc", ones, columns, own) / (tall // channels * p)
    # What is taken away is orthogonal to what remains, so that the squares of their lengths add up to 1.
    length = (1 - means.square().sum(2) * (tall // channels * p)).sqrt()[..., None, None]
    away = -means[..., None].expand(-1, -1, -1, p)
    last = torch.cat([own, away], 2) / length
    first = torch.cat([rows[:, :-number], away.new_zeros(sets, rows.shape[1] - number, channels, p)], 2)
    return torch.cat([columns, ones], 2), torch.cat([first, last], 1)


def _independent(sets: int, num_proj: int, dimension: int, generator: Generator) -> Tensor:
    flat = torch.randn(sets, num_proj, dimension, generator=generator)
    return flat / flat.norm(dim=2, keepdim=True)


def _orthonormal_blocks(sets: int, num_proj: int, dimension: int, generator: Generator) -> Tensor:
    blocks = [
        _orthonormal(torch.randn(sets, dimension, min(dimension, num_proj - k), generator=generator)).mT
        for k in range(0, num_proj, dimension)
    ]
    return torch.cat(blocks, dim=1)


def _factored(
    sets: int, num_proj: int, tall: int, patch_size: int, generator: Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Columns (sets, C p, M) and rows (sets, K, M, p), whose products have the law of independent filters, one by one.

    A Gaussian matrix W (C p, p) is Q R, with Q uniform among orthonormal columns and R independent of it. A product of uniform
    orthonormal A (C p, M) and B (M, p) is uniform as well, as long as M >= p. So W = (A B) R, and A may be shared.
    """
    shared = min(-(-patch_size // 8) * 8, tall)  # whole vector registers
    columns = to_device(_orthonormal(torch.randn(sets, tall, shared, generator=generator)), device)
    # B R = G S^-1 R for a Gaussian G (M, p) = B S. Both R and S are Cholesky factors of products: those square a condition
    # number, which float64 bears.
    g = to_device(torch.randn(sets, num_proj, shared, patch_size, generator=generator), device)
    w = to_device(torch.randn(sets, num_proj, tall, patch_size, generator=generator), device)
    # Without a check, for which a GPU would have to finish: the product of Gaussians is positive definite.
    s, r = (torch.linalg.cholesky_ex(x.mT @ x, upper=True).L for x in (g.double(), w.double()))
    rows = (g.double() @ torch.linalg.solve_triangular(s, r, upper=True)).float()
    return columns, rows / rows.flatten(2).norm(dim=2)[..., None, None]


def _orthonormal(gaussian: Tensor) -> Tensor:
    """Uniform orthonormal columns (..., D, N) from Gaussian ones."""
    q, r = torch.linalg.qr(gaussian)
    # The signs make Q uniform (Haar); a bare QR is not (Mezzadri 2007, How to generate random matrices).
    return q * r.diagonal(dim1=-2, dim2=-1).sign()[..., None, :]
