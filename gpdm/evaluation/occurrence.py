"""The occurrence map: how often the patches of an image use each pixel of the references."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

from ..images import size_of
from ..patches.linear import patch_grid
from ..patches.occurrence import covering
from .copying import PATCH_SIZE, Sources
from .drawing import TEXT_COLOUR, font

COLOURS = (
    (0.0, (0.09, 0.12, 0.38)),
    (0.25, (0.13, 0.40, 0.67)),
    (0.5, (0.57, 0.77, 0.87)),
    (1.0, (0.97, 0.97, 0.94)),
    (2.0, (0.96, 0.65, 0.51)),
    (4.0, (0.84, 0.19, 0.15)),
    (8.0, (0.40, 0.0, 0.12)),
)
"""Colours of the use of a pixel relative to even use: dark blue is unused, pale is even, red is repeated."""
SHADE = 0.5
"""Least factor of the colour, where the reference is black."""
LEAST_WIDTH = 256
"""Least width of the picture, in pixels. Smaller references are enlarged by a whole number."""
BAR_HEIGHT, BAR_MARGIN = 14, 6


def relative_use(sources: Sources, references: Sequence[Tensor]) -> list[Tensor]:
    """Returns for each reference how often its pixels are used, relative to even use, (h, w) each.

    The use of a pixel is the number of patches of the image whose source covers it. Even use is that of an image whose
    patches use all reference patches equally often: a copy has 1, and less towards the borders, which lie in fewer
    patches.

    Arguments:
        sources: Sources of the patches of an image.
        references: The references, (1, C, h, w) each.
    """
    grids = [patch_grid(size_of(x), PATCH_SIZE, 1) for x in references]
    even = PATCH_SIZE**2 * sources.row.numel() / sum(rows * columns for rows, columns in grids)
    found = []
    for number, (height, width) in enumerate(map(size_of, references)):
        own = sources.reference == number
        first = (sources.row * width + sources.column)[own]
        uses = first.bincount(minlength=height * width).to(references[0])
        found.append(covering(uses, width, PATCH_SIZE) / even)
    return found


def use_scores(sources: Sources, references: Sequence[Tensor], counted: Sequence[Tensor]) -> dict[str, float]:
    """Returns the fraction of the references' pixels that are not used, and the largest relative use.

    Arguments:
        sources: Sources of the patches of an image.
        references: The references, (1, C, h, w) each.
        counted: Which of their pixels count, bool, (1, 1, h, w) each.
    """
    pairs = zip(relative_use(sources, references), counted, strict=True)
    use = torch.cat([each[mask[0, 0]] for each, mask in pairs])
    return {"unused": float((use == 0).float().mean()), "most used": float(use.max())}


def occurrence_map(sources: Sources, references: Sequence[Tensor]) -> Image.Image:
    """Returns the references side by side, in the colours of the relative use of their pixels, with the scale below.

    Arguments:
        sources: Sources of the patches of an image.
        references: The references, (1, C, h, w) each.
    """
    height = max(size_of(x)[0] for x in references)
    use = [F.pad(x, (0, 0, 0, height - x.shape[0]), value=1.0) for x in relative_use(sources, references)]
    grey = [x[0, : 3 if x.shape[1] > 2 else 1].mean(0).to(use[0]) / 2 + 0.5 for x in references]
    shade = torch.cat([F.pad(x, (0, 0, 0, height - x.shape[0]), value=1.0) for x in grey], 1)
    coloured = colours_of(torch.cat(use, 1)) * (SHADE + (1 - SHADE) * shade.clamp(0, 1))
    factor = max(-(-LEAST_WIDTH // coloured.shape[2]), 1)
    enlarged = coloured.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
    array = (enlarged * 255).round().byte().permute(1, 2, 0).cpu().contiguous().numpy()
    return _with_scale(Image.fromarray(array))


def colours_of(use: Tensor) -> Tensor:
    """Returns the colours of relative use, (...): (3, ...) in [0, 1]. Between those of `COLOURS` they are mixed."""
    values = torch.tensor([value for value, _ in COLOURS], device=use.device, dtype=use.dtype)
    colours = torch.tensor([colour for _, colour in COLOURS], device=use.device, dtype=use.dtype)
    upper = torch.bucketize(use.clamp(0, float(values[-1])), values).clamp(min=1)
    low, high = values[upper - 1], values[upper]
    part = ((use - low) / (high - low)).clamp(0, 1)[..., None]
    return (colours[upper - 1] * (1 - part) + colours[upper] * part).movedim(-1, 0)


def _with_scale(picture: Image.Image) -> Image.Image:
    """Returns a picture with the scale of the colours below it."""
    width, height = picture.size
    canvas = Image.new("RGB", (width, height + BAR_HEIGHT + 3 * BAR_MARGIN + 16), "white")
    canvas.paste(picture, (0, 0))
    top = height + BAR_MARGIN
    positions = torch.linspace(0, len(COLOURS) - 1, width)
    values = torch.tensor([value for value, _ in COLOURS])
    below = positions.floor().long().clamp(max=len(COLOURS) - 2)
    bar = colours_of(torch.lerp(values[below], values[below + 1], positions - below)).mul(255).round().byte()
    canvas.paste(Image.fromarray(bar.T[None].repeat(BAR_HEIGHT, 1, 1).contiguous().numpy()), (0, top))
    draw = ImageDraw.Draw(canvas)
    for number, (value, _) in enumerate(COLOURS):
        x = number * (width - 1) / (len(COLOURS) - 1)
        anchor = "la" if number == 0 else "ra" if number == len(COLOURS) - 1 else "ma"
        text = "even" if value == 1 else f"{value:g}" + "x" * (number > 0)
        draw.text((x, top + BAR_HEIGHT + 4), text, fill=TEXT_COLOUR, font=font(12), anchor=anchor)
    return canvas
