"""Patches as a linear map: projections of all patches of an image onto filters, and the adjoint of this map.

Projecting all patches onto a filter is a convolution, here with its columns first, then with its rows (`FilterBank`).
Tensors are channels last: on a CPU that makes the convolutions three times faster than the default layout
(benchmarks/README.md). For few patches it is the product of two matrices (`MatrixFilters`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

Size = tuple[int, int]
"""Height and width, or rows and columns."""
Stride = tuple[int, int]
"""Pixels down and pixels right from one patch to the next."""


@dataclass(frozen=True)
class PatchGrid:
    """A regular grid of square patches in an image."""

    size: int
    """Side of the square patches, in pixels."""
    stride: int = 1
    """Distance between neighbouring patches, in pixels."""

    def random_offset(self, size: Size, generator: Generator) -> tuple[int, int]:
        """Samples row and column of the first patch of an image of `size`, each below the stride.

        With a random offset at every step, strided patches reach every pixel. With stride 1 no number is taken from
        the CPU `generator`.
        """
        choices = [min(self.stride, length - self.size + 1) for length in size]
        if max(choices) == 1:
            return 0, 0
        row, column = (int(torch.randint(number, (1,), generator=generator)) for number in choices)
        return row, column


def patch_grid(size: Size, patch_size: int, stride: int | Stride) -> Size:
    """Returns rows and columns of the grid of all patches inside an image of `size`, at this stride; 0 if none fits."""
    down, right = (stride, stride) if isinstance(stride, int) else stride
    return max((size[0] - patch_size) // down + 1, 0), max((size[1] - patch_size) // right + 1, 0)


def patch_count(size: Size, patch_size: int, stride: int) -> int:
    """Returns the number of patches inside an image of `size`, at this stride."""
    rows, columns = patch_grid(size, patch_size, stride)
    return rows * columns


class LinearMap(Protocol):
    """Projection of all patches of an image onto K filters."""

    @property
    def patch_size(self) -> int:
        """Side of the patches, in pixels."""
        ...

    def __len__(self) -> int: ...

    def project(self, image: Tensor, stride: Stride = (1, 1), bias: Tensor | None = None) -> Tensor:
        """Returns the inner products of every patch with every filter.

        Arguments:
            image: Image with shape (1, C, H, W), in the dtype and on the device of the filters.
            stride: Pixels down and right from one patch to the next.
            bias: A constant to add for each filter, shape (K,).

        Returns:
            Projections with shape (rows, columns, K), for the patches of `patch_grid`, contiguous.
        """
        ...

    def adjoint(self, values: Tensor, size: Size, stride: Stride = (1, 1)) -> Tensor:
        """Applies the adjoint of `project`: for every x and v, sum(project(x) * v) = sum(x * adjoint(v)).

        Arguments:
            values: One value per patch and filter, with shape (rows, columns, K), contiguous.
            size: Height and width of the image.
            stride: The stride of `project`.

        Returns:
            An image with shape (1, C, H, W).
        """
        ...


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Returns a context in which convolutions give the same bits in every run on a device.

    cuDNN would otherwise choose its algorithms by their speed, and transposed convolutions would add in any order. Its
    settings belong to the process, and are restored.
    """
    if device.type != "cuda":
        yield
        return
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    cudnn.benchmark, cudnn.deterministic = False, True
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.deterministic = before


@dataclass(frozen=True)
class FilterBank:
    """K filters (C, p, p) in factored form: the image is convolved with M columns, and the result with rows.

    Filter k is the sum over m of columns[m] x rows[k, m]. A bank may hold several sets of K filters one after the
    other, each with its own M columns, so that one call projects onto all of them.
    """

    columns: Tensor
    """Columns, (sets M, C, p, 1)."""
    rows: Tensor
    """Rows, (sets K, M, 1, p)."""

    @classmethod
    def of(cls, filters: Tensor) -> FilterBank:
        """Returns a bank with one set of given filters, (K, C, p, p), unchanged."""
        _, channels, p, _ = filters.shape
        columns = torch.eye(channels * p).to(filters).reshape(-1, channels, p, 1)
        return cls(columns, filters.reshape(len(filters), channels * p, 1, p))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sets(self) -> int:
        """Number of sets."""
        return len(self.columns) // self.rows.shape[1]

    @property
    def patch_size(self) -> int:
        """Side of the patches in pixels, p."""
        return self.rows.shape[-1]

    def to(self, like: Tensor) -> FilterBank:
        """Returns the bank on the device and in the dtype of `like`, in channels-last layout."""
        return FilterBank(
            *(x.to(like).contiguous(memory_format=torch.channels_last) for x in (self.columns, self.rows))
        )

    def scaled(self, factors: Tensor) -> FilterBank:
        """Returns the bank with every filter multiplied by its factor, (sets K,)."""
        return replace(self, rows=self.rows * factors[:, None, None, None])

    def split_filters(self, number: int) -> list[FilterBank]:
        """Splits a bank of one set into banks of at most `number` filters."""
        return [replace(self, rows=rows) for rows in self.rows.split(number)]

    def split_sets(self, parts: int) -> list[FilterBank]:
        """Splits the bank into `parts` banks of equal numbers of sets."""
        columns, rows = (x.chunk(parts) for x in (self.columns, self.rows))
        return [FilterBank(*parts) for parts in zip(columns, rows, strict=True)]

    def filters(self) -> Tensor:
        """Returns the filters, (sets K, C, p, p)."""
        columns, rows = (x.unflatten(0, (self.sets, -1)) for x in (self.columns, self.rows))
        return torch.einsum("smcio,skmoj->skcij", columns, rows).flatten(0, 1)

    def project(self, image: Tensor, stride: Stride = (1, 1), bias: Tensor | None = None) -> Tensor:
        """See `LinearMap.project`; there may be several sets."""
        image = image.contiguous(memory_format=torch.channels_last)
        with reproducible(image.device):
            columns = F.conv2d(image, self.columns, stride=(stride[0], 1)).contiguous(memory_format=torch.channels_last)
            rows = F.conv2d(columns, self.rows, bias, stride=(1, stride[1]), groups=self.sets)
        return rows[0].permute(1, 2, 0).contiguous()

    def adjoint(self, values: Tensor, size: Size, stride: Stride = (1, 1)) -> Tensor:
        """See `LinearMap.adjoint`; there must be one set. The result is channels last."""
        # Pixels at the lower and right border that no patch of the grid covers.
        rest = [(length - self.patch_size) % step for length, step in zip(size, stride, strict=True)]
        rows = values.permute(2, 0, 1)[None]
        with reproducible(values.device):
            columns = F.conv_transpose2d(rows, self.rows, stride=(1, stride[1]), output_padding=(0, rest[1]))
            return F.conv_transpose2d(columns, self.columns, stride=(stride[0], 1), output_padding=(rest[0], 0))


@dataclass(frozen=True)
class MatrixFilters:
    """K filters (C, p, p) as a matrix, by which a matrix of patches is multiplied.

    For few patches this takes fewer calls than the convolutions of `FilterBank`, and is as fast.
    """

    matrix: Tensor
    """The filters, one per column, (C p^2, K)."""
    patch_size: int
    """Side of the patches in pixels, p."""

    @classmethod
    def of(cls, bank: FilterBank) -> MatrixFilters:
        """Returns the filters of all sets of a bank."""
        return cls(bank.filters().flatten(1).T, bank.patch_size)

    def __len__(self) -> int:
        return self.matrix.shape[1]

    def scaled(self, factors: Tensor) -> MatrixFilters:
        """Returns the filters, each multiplied by its factor, (K,)."""
        return replace(self, matrix=self.matrix * factors)

    def split_sets(self, sets: int) -> list[MatrixFilters]:
        """Splits the filters into `sets` sets of equal number."""
        return [replace(self, matrix=matrix.contiguous()) for matrix in self.matrix.chunk(sets, 1)]

    def project(self, image: Tensor, stride: Stride = (1, 1), bias: Tensor | None = None) -> Tensor:
        """See `LinearMap.project`."""
        grid = patch_grid((image.shape[2], image.shape[3]), self.patch_size, stride)
        patches = self._patches(image, grid, stride)
        values = torch.mm(patches, self.matrix) if bias is None else torch.addmm(bias, patches, self.matrix)
        return values.view(*grid, -1)

    def adjoint(self, values: Tensor, size: Size, stride: Stride = (1, 1)) -> Tensor:
        """See `LinearMap.adjoint`."""
        patches = torch.mm(self.matrix, values.view(-1, len(self)).t())
        return F.fold(patches[None], size, self.patch_size, stride=stride)

    def _patches(self, image: Tensor, grid: Size, stride: Stride) -> Tensor:
        """Returns all patches of an image, one per row, (rows columns, C p^2)."""
        p, channels, (_, channel, row, column) = self.patch_size, image.shape[1], image.stride()
        shape, steps = (*grid, channels, p, p), (row * stride[0], column * stride[1], channel, row, column)
        patches = image.as_strided(shape, steps, image.storage_offset()).contiguous()
        return patches.view(-1, channels * p * p)
