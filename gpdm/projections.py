"""Random unit filters: the directions along which patch distributions are compared."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Generator, Tensor

Kind = Literal["independent", "orthonormal"]
KINDS: tuple[str, ...] = get_args(Kind)


def draw_filters(kind: str, num_proj: int, channels: int, patch_size: int, generator: Generator) -> Tensor:
    """Random patch filters of unit length, uniform on the sphere.

    Arguments:
        kind: "independent" draws each filter on its own (Algorithm 1, line 5). "orthonormal" draws blocks of mutually
            orthogonal filters, which covers the directions more evenly with the same number.
        num_proj: Number of filters, K.
        channels: Channels of the image, C.
        patch_size: Side of the patches, p.
        generator: A CPU generator, so that the filters of a seed are the same on every device.

    Returns:
        Filters with shape (K, C, p, p), float32, on the CPU.

    References:
        Elnekave and Weiss, GPDM, ECCV 2022, Algorithm 1.
        Rowland et al., Orthogonal Estimation of Wasserstein Distances, AISTATS 2019 (orthonormal blocks).
    """
    dimension = channels * patch_size**2
    if kind == "orthonormal":
        blocks = [
            _orthonormal(min(dimension, num_proj - k), dimension, generator) for k in range(0, num_proj, dimension)
        ]
        flat = torch.cat(blocks)
    else:
        flat = torch.randn(num_proj, dimension, generator=generator)
        flat = flat / flat.norm(dim=1, keepdim=True)
    return flat.reshape(num_proj, channels, patch_size, patch_size)


def _orthonormal(rows: int, dimension: int, generator: Generator) -> Tensor:
    gaussian = torch.randn(dimension, rows, generator=generator)
    q, r = torch.linalg.qr(gaussian)
    # The signs make Q uniform (Haar); a bare QR is not (Mezzadri 2007, How to generate random matrices).
    return (q * r.diagonal().sign()).T
