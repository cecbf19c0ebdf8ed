"""Covering the seam of a picture with one piece of it, cut along the lines where it fits best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..borders import wrap
from ..errors import GPDMError
from ..images import resize, scaled, size_of
from ..patches.store import PatchStore
from ..pictures.progress import OnProgress
from .blend import blended
from .cuts import best_cut, cut_costs
from .votes import copied

COARSE_SIDE = 64
"""Longer side, in pixels, of the copy in which all pieces are compared."""
LEAST_WIDTH = 4
"""Width of the band in that copy at least, in pixels."""
KEPT = 16
"""Number of pieces that are compared again at each finer level, each with those around it."""
COLOUR_WEIGHT = 0.3
"""Weight of differences of colour, where those of gradients weigh 1: blending removes the former, not the latter."""
EXCLUDED_ENERGY = 1e3
"""Energy of an excluded pixel of a piece, far above that of differences."""
SIMILAR = 1.25
"""Cost relative to the best up to which a narrower band, or the piece of another seed, is as good."""
MAX_VALUES = 2**24
"""Number of values of pieces that are compared at a time."""
LARGEST_STEP = 0.8
"""As in `blend.blended`."""


def cover_seam(
    image: Tensor,
    excluded: Tensor,
    source: Tensor,
    bands: Sequence[int],
    *,
    closed: bool,
    moved: bool = False,
    seed: int,
    on_step: OnProgress | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Covers the seam between the left and right borders of a picture with a piece of the picture.

    Arguments:
        image: Picture, (1, C, H, W).
        excluded: Where it is not copied, bool, (1, 1, H, W).
        source: Where its pixels come from, as in `Edited`, (3, H, W).
        bands: Widths of the band that may change, in pixels, ascending, even. The narrowest is taken whose piece fits
            nearly as well as the best. At least an eighth of the width of the picture is outside each.
        closed: Whether top and bottom of the picture meet without a seam; the output's do then, too.
        moved: Whether the left border meets the right one moved down by half the height, which is even. Then `closed`.
        seed: Number of the piece, of those that fit nearly as well as the best; 0 is the best.
        on_step: Callback after the search of each band's pieces, with the fraction of the work done and the picture.

    Returns:
        The picture, where it may have changed, and where its pixels come from, of the same shapes.

    Raises:
        GPDMError: Every piece has excluded pixels.
    """
    half, down = image.shape[3] // 2, image.shape[2] // 2 * moved
    seam = _Seam(_joined(image, half, down), _joined(excluded, half, down).to(image), closed, moved)
    found = []
    for number, band in enumerate(bands):
        if pieces := _best_pieces(seam, band):
            found.append(pieces)
        if on_step is not None:
            on_step((number + 1) / len(bands), image)
    if not found:
        raise GPDMError(
            f"no piece of the picture without excluded pixels can cover a seam in a band of {bands[0]} pixels; exclude "
            "less, lower band, or set intent to continue"
        )
    least = min(pieces[0].cost for pieces in found)
    pieces = next(pieces for pieces in found if pieces[0].cost <= SIMILAR * least)
    rolled, index = _covered(seam, pieces[seed % len(pieces)])
    rolled_source = _joined(source, half, down)
    copied_source = rolled_source.flatten(1)[:, index.clamp(min=0)]
    rolled_source = torch.where(index >= 0, copied_source, rolled_source)
    changed = (index >= 0)[None, None]
    parted, changed, parted_source = (_parted(x, half, down) for x in (rolled, changed, rolled_source))
    return parted, changed, parted_source


def _joined(image: Tensor, half: int, down: int) -> Tensor:
    """Returns an image (..., H, W) whose left and right borders meet at `half`, the left one moved down."""
    left, right = image.tensor_split([image.shape[-1] - half], -1)
    return torch.cat([right, left.roll(down, -2)], -1)


def _parted(image: Tensor, half: int, down: int) -> Tensor:
    """Returns the image of which an image is the result of `_joined`."""
    right, left = image.tensor_split([half], -1)
    return torch.cat([left.roll(-down, -2), right], -1)


@dataclass(frozen=True)
class _Piece:
    """A piece of a picture that covers its seam."""

    band: int
    """Width of the band in which the picture changes, in pixels, even."""
    shift: tuple[int, int]
    """Rows and columns by which the picture is rolled, so that the piece lies over the seam."""
    cost: float
    """Energy of its two cuts for each row."""


@dataclass(frozen=True)
class _Seam:
    """A picture that is rolled, so that its left and right borders meet at half its width."""

    image: Tensor
    """The picture, (1, C, H, W)."""
    excluded: Tensor
    """1 where it is not copied, else 0, (1, 1, H, W)."""
    closed: bool
    """Whether its top and bottom meet without a seam, so that pieces may be taken across."""
    moved: bool = False
    """Whether its own right border meets the left one moved down by half its height."""

    @property
    def column(self) -> int:
        """The column right of the seam."""
        return self.image.shape[3] // 2

    def at(self, scale: float) -> _Seam:
        """Returns the seam at a scale. The halves are resized apart, so that nothing is mixed across the seam."""
        height, half = scaled((self.image.shape[2], self.column), scale)
        image, excluded = (
            torch.cat([resize(part, (height, half)) for part in x.tensor_split([self.column], 3)], 3)
            for x in (self.image, self.excluded)
        )
        return replace(self, image=image, excluded=(excluded > 0).to(image))

    def shifts(self, band: int) -> Tensor:
        """Returns the shifts of all pieces of the width of a band that the seam does not touch, (n, 2)."""
        height, width = size_of(self.image)
        rows, columns = torch.arange(height if self.closed else 1), torch.arange(band // 2 + 1, width - band // 2)
        return torch.cartesian_prod(rows, columns)

    def energies(self, band: int, shifts: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the energies of pieces over the left and the right half of a band, (n, H, band / 2) each."""
        height = self.image.shape[2]
        columns = torch.arange(self.column - band // 2, self.column + band // 2)
        from_rows, from_columns = self.origin(
            torch.arange(height)[:, None] - shifts[:, :1, None], (columns - shifts[:, 1:])[:, None]
        )
        pieces = self.image[0, :, from_rows, from_columns].transpose(0, 1)
        difference = pieces - self.image[0, :, :, columns[0] : columns[-1] + 1]
        excluded = EXCLUDED_ENERGY * self.excluded[0, 0, from_rows, from_columns]
        # Each half by itself: the picture has no gradient across its seam.
        left, right = (
            _energy(part) + excess for part, excess in zip(_halves(difference), _halves(excluded), strict=True)
        )
        return left, right

    def origin(self, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows and columns of the pixels at positions that may lie beyond the borders of the picture."""
        (height, width), device = size_of(self.image), self.image.device
        down = height // 2 * self.moved * columns.div(width, rounding_mode="floor")
        return ((rows - down) % height).to(device), (columns % width).to(device)

    def costs(self, band: int, shifts: Tensor) -> Tensor:
        """Returns the costs of pieces: the energies of their two cuts for each row, (n,)."""
        height, channels = self.image.shape[2], self.image.shape[1]
        costs = []
        for part in shifts.split(max(MAX_VALUES // (height * channels * band), 1)):
            left, right = self.energies(band, part)
            costs.append(cut_costs(left, self.closed) + cut_costs(right, self.closed))
        return torch.cat(costs).cpu() / height


def _best_pieces(seam: _Seam, band: int) -> list[_Piece]:
    """Returns the pieces of least cost, the best first; none that costs more than `SIMILAR` times the best.

    All pieces are compared in a small copy of the picture, and the best of them again at each finer level. The list is
    empty if all pieces have excluded pixels.
    """
    halvings, length = 0, max(size_of(seam.image))
    while length / 2**halvings > 1.5 * COARSE_SIDE and band / 2**halvings > 2 * LEAST_WIDTH:
        halvings += 1
    level = seam.at(0.5**halvings)
    width = band if halvings == 0 else _width(band, halvings)
    shifts = level.shifts(width)
    shifts, costs = _best(shifts, level.costs(width, shifts))
    for halving in reversed(range(halvings)):
        coarse, level = level, seam.at(0.5**halving)
        width = _width(band, halving)
        shifts = _refined(coarse, shifts, level, width)
        shifts, costs = _best(shifts, level.costs(width, shifts))
    return [
        _Piece(band, (int(row), int(column)), float(cost))
        for (row, column), cost in zip(shifts, costs, strict=True)
        if cost <= min(SIMILAR * costs[0], EXCLUDED_ENERGY / level.image.shape[2])
    ]


def _width(band: int, halvings: int) -> int:
    """Returns the width of a band at a level, even."""
    return max(round(band / 2 / 2**halvings), LEAST_WIDTH // 2) * 2


def _covered(seam: _Seam, piece: _Piece) -> tuple[Tensor, Tensor]:
    """Returns the picture with its seam covered by a piece, and where each pixel of the band comes from.

    Returns:
        The picture, rolled as the seam, (1, C, H, W); and the index of the pixel of it, row times W plus column, that
        each pixel of the band is copied from, (H, W), int64, -1 outside the band.
    """
    height, width = size_of(seam.image)
    device, half = seam.image.device, piece.band // 2
    left, right = (best_cut(x[0], seam.closed) for x in seam.energies(piece.band, torch.tensor([piece.shift])))
    rows, columns = torch.arange(height, device=device)[:, None], torch.arange(width, device=device)
    place = columns - (seam.column - half)
    from_piece = (place > left[:, None]) & (place <= right[:, None] + half)
    from_rows, from_columns = seam.origin(rows - piece.shift[0], columns - piece.shift[1])
    index = torch.where(from_piece, from_rows * width + from_columns, rows * width + columns)
    index = torch.where((place >= 0) & (place < piece.band), index, -1)
    border = "circular y" if seam.closed else "free"
    store = PatchStore([wrap(seam.image, 2, border)], 1)  # the last row has a next one if the picture wraps
    known = torch.ones(len(store.pixels), dtype=torch.bool, device=device)
    return blended(copied(seam.image, store, index), store, known, index, LARGEST_STEP, border), index


def _halves(x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the left and the right half of a tensor."""
    left, right = x.tensor_split(2, -1)
    return left, right


def _energy(difference: Tensor) -> Tensor:
    """Returns the energy of differences (n, C, H, w): the weighted mean square of colours and gradients, (n, H, w)."""
    across, down = F.pad(difference.diff(dim=3), (0, 1)), F.pad(difference.diff(dim=2), (0, 0, 0, 1))
    return (COLOUR_WEIGHT * difference.square() + across.square() + down.square()).mean(1)


def _refined(coarse: _Seam, shifts: Tensor, level: _Seam, band: int) -> Tensor:
    """Returns the shifts at a level near those that were found at a coarser one, (n, 2)."""
    height, width = size_of(level.image)
    factor = torch.tensor(size_of(level.image)) / torch.tensor(size_of(coarse.image))
    around = torch.cartesian_prod(
        torch.arange(-1, 2) if level.closed else torch.zeros(1, dtype=torch.int64), torch.arange(-1, 2)
    )
    found = ((shifts * factor).round().long()[:, None] + around).flatten(0, 1)
    rows = found[:, 0] % height
    columns = found[:, 1].clamp(band // 2 + 1, width - band // 2 - 1)
    return torch.stack([rows, columns], 1).unique(dim=0)


def _best(shifts: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
    """Returns at most `KEPT` shifts of least cost, of which no two are close together, and their costs."""
    kept: list[int] = []
    for number in costs.argsort(stable=True).tolist():
        if all(int((shifts[number] - shifts[other]).abs().amax()) > 2 for other in kept):
            kept.append(number)
            if len(kept) == KEPT:
                break
    return shifts[kept], costs[kept]
