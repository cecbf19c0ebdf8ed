"""A picture of several references, each in its own region of the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Generator, Tensor

from ..errors import GPDMError
from ..images import Size, resize, scaled, size_of
from ..losses.base import region_groups
from ..pyramid import PyramidSchedule
from ..references import Reference
from .base import Changes, Example, Picture, Recipe, Task
from .output import OutputOptions, Work

GRAIN = 12
"""Number of spots along the shorter side where soft regions meet."""
NEARLY = 0.05
"""Largest difference of a value of a region from 0 or 1 that counts as 0 or 1, as in a mask saved as JPEG."""


def by_first_region(work: Work, output: OutputOptions) -> Work:
    """Gives the output the size of the first region, and each of its pixels to one region.

    Regions are taller than the height in `output` are scaled down with all references. Without any region the size
    is that of the first reference.

    Raises:
        GPDMError: A reference fills no part of the output.
    """
    references = work.references
    size = next((size_of(each.region) for each in references if each.region is not None), work.size)
    factor = output.shrinking(size)
    if factor < 1:
        references, size = [reference.at(factor) for reference in references], scaled(size, factor)
    size = output.size(size)
    return Work(_with_own_region(references, size), size, work.init)


def _with_own_region(references: Sequence[Reference], size: Size) -> list[Reference]:
    """Returns the references with regions of zeros and ones at the size of the output, which do not overlap."""
    groups = region_groups(references)
    if all(region is None for region, _ in groups):
        return list(references)
    maps = [None if region is None else _contrast(resize(region, size)) for region, _ in groups]
    covered = torch.stack([each for each in maps if each is not None]).sum(0)
    shares = torch.stack([(1 - covered).clamp(min=0) if each is None else each for each in maps])
    owner = _owner(shares)
    regions = [(owner == number).to(shares) for number in range(len(groups))]
    for number, region in enumerate(regions, start=1):
        if not bool(region.any()):
            raise GPDMError(
                "the regions cover all of the output, so the reference without a region is not used; leave a part black"
                if maps[number - 1] is None
                else f"region {number} is black, or has no pixel left at the size of the output; make more of its mask white"
            )
    return [
        replace(reference, region=region)
        for region, (_, group) in zip(regions, groups, strict=True)
        for reference in group
    ]


def _owner(shares: Tensor) -> Tensor:
    """Returns the index of the region that each pixel belongs to, (1, 1, H, W), int64; -1 where all shares are 0.

    Where several regions have a share, they meet in spots: of an area where a region has 30 %, it gets about 30 %.
    One pixel belongs to one region, since patches that two references ask for become the mean of both.

    Arguments:
        shares: Shares of the regions, (regions, 1, 1, H, W), not negative.
    """
    height, width = size = size_of(shares)
    spot = max(min(size) / GRAIN, 1.0)
    grid = (max(round(height / spot), 2), max(round(width / spot), 2))
    noise = torch.randn((1, 1, *grid), generator=Generator().manual_seed(0))
    spots = resize(noise, size)
    # The rank of a pixel in the smooth noise is uniform, so that a share is a fraction of the area.
    rank = (spots.flatten().argsort().argsort().view(1, 1, *size).to(shares) + 0.5) / (height * width)
    ends = shares.cumsum(0)
    owner = (rank * ends[-1] >= ends).sum(0)
    return torch.where(ends[-1] > 0, owner, torch.full_like(owner, -1))


def _contrast(region: Tensor) -> Tensor:
    """Returns a region whose values near 0 and 1 are 0 and 1."""
    return ((region - NEARLY) / (1 - 2 * NEARLY)).clamp(0, 1)


REGIONS = Task(
    name="regions",
    title="Regions",
    command="regions",
    summary="A picture made of patches of one reference where a mask is white, and of another where it is black.",
    advice="Where the mask is grey, both references meet in spots. Bring the references to the same scale first: a stone "
    "keeps its size in pixels. To keep closer to their layouts, set coarse_dim below 28.",
    pictures=(
        Picture(
            name="reference",
            help="Pictures whose patches are used, each with its region. One without a region fills the rest.",
        ),
    ),
    prepare=by_first_region,
    settings=Recipe(pyramid=PyramidSchedule(coarse_dim=28)),
    paper=Changes(pyramid={"coarse_dim": 21}),
    aliases=("gpdm", "regions", "label map", "paint with textures", "texture by numbers", "two textures"),
    example=Example(
        pictures={"reference": "starry_night.jpg"},
        values={},
        note="The sky is made of patches of the painting, the ground of the canyon.",
    ),
)
"""The task of this file. It has a command and a function; in the graph its references come from GPDM Reference."""
