"""Losses: what is minimised. A loss is a frozen description; bound to the references of a level it becomes an objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor

from ._options import Options, option
from .errors import OptionError
from .images import Size, size_of
from .patches import patch_count, project, project_adjoint
from .projections import KINDS, draw_filters
from .pyramid import Level
from .swd import DISTANCES, quantile_coupling, sliced_wasserstein

CHUNK_BYTES = 2**29
"""Memory for projections and what is computed from them, so that it does not grow with their number."""


class Objective(Protocol):
    """A loss bound to the references of one level."""

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """The value, a scalar, and the gradient, with the shape (1, C, H, W) of `image`.

        What is random is drawn from `generator`, a CPU generator. The value is a mean over patches, so that it does not
        depend on the size of the image.
        """
        ...


class Loss(Protocol):
    """A frozen description of a loss; what the socket GPDM_LOSS carries."""

    def check(self, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if the loss cannot work at these levels. Called before any work begins."""
        ...

    def working_bytes(self, reference_pixels: int, output_pixels: int) -> int:
        """About how much memory one step takes at a level with so many pixels, in bytes."""
        ...

    def bind(self, references: Sequence[Tensor], size: Size) -> Objective:
        """The objective for the references (1, C, h, w) of one level and outputs of `size`."""
        ...


@dataclass(frozen=True, kw_only=True)
class SWDLoss(Options):
    """Sliced Wasserstein distance between the patch distributions of the references and of the output (Algorithm 1)."""

    patch_size: int = option(7, "Side of the square patches, in pixels.", ge=1, le=31)
    num_proj: int = option(
        64, "Random projections drawn at each step. More are slower and follow the distribution closer.", ge=1, le=4096
    )
    stride: int = option(
        1,
        "Distance between neighbouring patches, in pixels. Above 1 the patch grid is shifted at random at each step, so that no pixel is left out.",
        ge=1,
        le=31,
    )
    distance: str = option(
        "l1",
        "Ground distance between projected patches: l1 is the paper's, l2 pulls far patches harder.",
        choices=DISTANCES,
    )
    projections: str = option(
        "independent",
        "independent draws each projection on its own, as the paper; orthonormal draws mutually orthogonal ones, which cover the patch space more evenly.",
        choices=KINDS,
    )

    def check(self, levels: Sequence[Level]) -> None:
        """Raises `OptionError` if a level is smaller than a patch."""
        for level in levels:
            smallest = min(min(size) for size in (level.size, *level.reference_sizes))
            if smallest < self.patch_size:
                needed = max(round(smallest / level.scale), 1)
                hint = (
                    f"use patch_size {smallest} or less, or a coarse_dim of at least "
                    f"{-(-self.patch_size * min(map(min, level.reference_sizes)) // smallest)}"
                    if needed >= self.patch_size
                    else f"use patch_size {needed} or less, or a larger picture"
                )
                sizes = f"output {level.size[1]}x{level.size[0]}, " + ", ".join(
                    f"reference {width}x{height}" for height, width in level.reference_sizes
                )
                raise OptionError(
                    "patch_size",
                    self.patch_size,
                    f"pyramid level {level.index} is smaller than a patch ({sizes})",
                    hint,
                )

    def working_bytes(self, reference_pixels: int, output_pixels: int) -> int:
        """About how much memory one step takes, in bytes. Projections are worked off in chunks of about `CHUNK_BYTES`."""
        per_projection = self.bytes_per_projection(reference_pixels, output_pixels)
        return min(self.num_proj * per_projection, max(CHUNK_BYTES, per_projection))

    def bytes_per_projection(self, reference_pixels: int, output_pixels: int) -> int:
        """Float32 projections and their sorted copies on both sides, on the output's also the order (int64) and the gradient;
        and for each matched pair of values four float32 numbers (partner, difference, cost, slope) and two products."""
        n, m = reference_pixels, output_pixels
        pairs = m if n == m else n + 2 * m
        return (8 * n + 20 * m + 24 * pairs) // self.stride**2

    def bind(self, references: Sequence[Tensor], size: Size) -> Objective:
        """The sliced Wasserstein distance to all patches of all references together, with fresh projections at each call."""
        return SlicedWasserstein(self, references, size)


class SlicedWasserstein:
    """One level's objective: draws filters, projects both sides, sorts, and carries the gradient back to the pixels."""

    def __init__(self, loss: SWDLoss, references: Sequence[Tensor], size: Size) -> None:
        self.loss, self.references, self.size = loss, list(references), size
        pixels = sum(math.prod(size_of(reference)) for reference in references)
        self.chunk = max(1, CHUNK_BYTES // max(loss.bytes_per_projection(pixels, math.prod(size)), 1))
        if loss.stride == 1:
            like = self.references[0]
            n = sum(patch_count(size_of(reference), loss.patch_size, 1) for reference in self.references)
            m = patch_count(size, loss.patch_size, 1)
            self.coupling = quantile_coupling(n, m, device=like.device, dtype=like.dtype)
        else:
            self.coupling = None  # the counts change with the shift of the grid

    def __call__(self, image: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        loss = self.loss
        filters = draw_filters(loss.projections, loss.num_proj, image.shape[1], loss.patch_size, generator).to(image)
        rows, columns = self._shift(self.size, generator)
        shifted = image[..., rows:, columns:]
        references = [self._shifted(reference, generator) for reference in self.references]
        value, gradient = image.new_zeros(()), torch.zeros_like(image)
        for part in filters.split(self.chunk):
            p = torch.cat([project(reference, part, loss.stride) for reference in references], dim=1)
            q = project(shifted, part, loss.stride)
            part_value, slope = sliced_wasserstein(p, q, distance=loss.distance, coupling=self.coupling)
            share = len(part) / len(filters)
            value += share * part_value
            gradient[..., rows:, columns:] += project_adjoint(share * slope, part, size_of(shifted), loss.stride)
        return value, gradient

    def _shifted(self, reference: Tensor, generator: Generator) -> Tensor:
        rows, columns = self._shift(size_of(reference), generator)
        return reference[..., rows:, columns:]

    def _shift(self, size: Size, generator: Generator) -> tuple[int, int]:
        """Where the patch grid begins: at random within one stride, so that strided patches cover every pixel in the long run."""
        room = [min(self.loss.stride, side - self.loss.patch_size + 1) for side in size]
        if max(room) == 1:
            return 0, 0
        return tuple(int(torch.randint(r, (1,), generator=generator)) for r in room)  # type: ignore[return-value]
