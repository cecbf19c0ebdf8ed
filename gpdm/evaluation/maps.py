"""Maps of copying, of sources and of errors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..images import Size, size_of
from .copying import Sources, same_offset_as_neighbours
from .metrics import Evaluation

CORNER_COLOURS = ((0.87, 0.24, 0.21), (0.98, 0.83, 0.25), (0.22, 0.33, 0.85), (0.27, 0.75, 0.42))
"""Colours of the reference's corners in maps: red top left, yellow top right, blue bottom left, green bottom
right."""
MAX_ERROR = 0.2
"""Root mean squared difference, for values from 0 to 1, from which on error maps are white."""
UNCHANGED = 0.35
"""Factor of the colours of what has no source, in maps of sources."""


def copy_map(sources: Sources, references: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Returns a map of the patches' sources, (1, 3, H, W) of `size` in [-1, 1].

    The colour is that of the position of the nearest reference patch (`copy_map_key`). It is bright where a patch has
    the same offset as its neighbours, and dark elsewhere: smooth gradients are copied regions.

    Arguments:
        sources: Sources of the patches of an image.
        references: The references, (1, C, h, w) each.
        size: Height and width of the image.
    """
    # Each patch is shown at its centre; the border repeats the outermost patches.
    missing = [length - number for length, number in zip(size, sources.row.shape, strict=True)]
    before = [pixels // 2 for pixels in missing]
    sizes = [size_of(x) for x in references]
    colours = _position_colours(sources.reference, sources.row + before[0], sources.column + before[1], sizes)
    colours = torch.where(same_offset_as_neighbours(sources), colours, colours * 0.35)[None]
    padding = (before[1], missing[1] - before[1], before[0], missing[0] - before[0])
    return F.pad(colours, padding, mode="replicate") * 2 - 1


def copy_map_key(references: Sequence[Tensor]) -> Tensor:
    """Returns the references side by side, in the colours of their positions in copy maps, (1, 3, h, w) in [-1, 1]."""
    height, width = max(size_of(x)[0] for x in references), sum(size_of(x)[1] for x in references)
    grey = [x[:, : 3 if x.shape[1] > 2 else 1].mean(1, keepdim=True).float() for x in references]
    joined = torch.cat([F.pad(x, (0, 0, 0, height - size_of(x)[0]), value=1.0) for x in grey], dim=3)
    down, across = (torch.linspace(0, 1, length, device=joined.device) for length in (height, width))
    colours = _palette(down[:, None].expand(height, width), across.expand(height, width))
    return (colours * (joined / 2 + 0.5).mul(0.8).add(0.2)) * 2 - 1


def source_map(source: Tensor, sizes: Sequence[Size], image: Tensor) -> Tensor:
    """Returns a map of where the pixels of an image come from, (1, 3, H, W) in [-1, 1].

    The colour is that of the position in the references (`copy_map_key`). Pixels without a source show the image,
    darkened.

    Arguments:
        source: Number of the reference, row and column in it, (3, H, W), int64; -1 where there is no source.
        sizes: Height and width of each reference.
        image: The image, (1, C, H, W) in [-1, 1].
    """
    reference, row, column = source.clamp(min=0)
    colours = _position_colours(reference, row, column, sizes)[None].to(image)
    return torch.where(source[0] >= 0, colours, (_as_rgb(image) + 1) / 2 * UNCHANGED) * 2 - 1


def error_map(evaluation: Evaluation) -> Tensor:
    """Returns a map of the difference of each pixel to the nearest reference patches, (1, 3, H, W) in [-1, 1].

    It goes from black (no difference) over red and yellow to white (`MAX_ERROR` and more).
    """
    error = (evaluation.errors.sqrt() / MAX_ERROR).clamp(0, 1).float()
    return torch.stack([(error * 3 - i).clamp(0, 1) for i in range(3)])[None] * 2 - 1


def evaluation_maps(evaluation: Evaluation, references: Sequence[Tensor], image: Tensor) -> Tensor:
    """Returns the image, its copy map, the key to it and its error map side by side, (1, 3, h, w) in [-1, 1].

    Those of lower height are padded with white.
    """
    maps = [
        _as_rgb(image),
        copy_map(evaluation.sources, references, size_of(image)),
        copy_map_key(references),
        error_map(evaluation),
    ]
    height = max(size_of(x)[0] for x in maps)
    gap = max(height // 64, 2)
    padded = [F.pad(x.to(image), (0, gap, 0, height - size_of(x)[0]), value=1.0) for x in maps]
    return torch.cat(padded, dim=3)[..., :-gap]


def _as_rgb(image: Tensor) -> Tensor:
    return image[:, :3] if image.shape[1] > 2 else image[:, :1].expand(-1, 3, -1, -1)


def _position_colours(reference: Tensor, row: Tensor, column: Tensor, sizes: Sequence[Size]) -> Tensor:
    """Returns the colours, (3, ...) in [0, 1], of positions in references of these sizes, which stand side by side."""
    widths = torch.tensor([0, *(width for _, width in sizes)], device=column.device).cumsum(0)
    across = (column + widths[reference]) / max(int(widths[-1]) - 1, 1)
    down = row / max(max(height for height, _ in sizes) - 1, 1)
    return _palette(down.float(), across.float())


def _palette(down: Tensor, across: Tensor) -> Tensor:
    """Returns the colours, (3, ...) in [0, 1], of positions from 0 to 1 on both axes."""
    red, yellow, blue, green = (down.new_tensor(colour).view(3, *(1 for _ in down.shape)) for colour in CORNER_COLOURS)
    return (red * (1 - across) + yellow * across) * (1 - down) + (blue * (1 - across) + green * across) * down
