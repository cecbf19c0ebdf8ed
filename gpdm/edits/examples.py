"""Fine detail from examples: pairs of a blurred patch and what the blur took from it.

References:
    Glasner, Bagon and Irani, Super-Resolution from a Single Image, ICCV 2009; Freedman and Fattal, Image and Video
    Upscaling from Local Self-Examples, TOG 2011.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..images import scaled, size_of
from ..patches.lattice import Lattice
from ..patches.search import PatchSearch
from ..patches.store import PatchStore
from ..references import Reference, reference_patch_weights
from .resampling import bicubic

DISTRUST = 0.2
"""Weight of the error of a match against the energy of its detail. Detail of a poor match is added in part."""
MAX_KEYS = 2**14
"""Number of reference patches in the lists of a search; more are slower and give the same picture to 0.02 dB."""
BLOCK_PATCHES = 2**17
"""Number of patches that are looked up at a time; matches are not carried from one block to the next."""


@dataclass(frozen=True)
class Examples:
    """Patches of blurred references, and the detail at the same places."""

    search: PatchSearch
    """Finds patches of the blurred references."""
    detail: PatchStore
    """Patches of the references minus the blurred references, times the gain, with the same indices."""

    @classmethod
    def of(cls, references: Sequence[Reference], factor: float, patch_size: int, gain: float = 1.0) -> Examples:
        """Returns the examples for an image that was enlarged by `factor`: references that are blurred as much.

        With a `gain` above 1 more is added than the blur took away.

        Raises:
            OptionError: All patches have weight 0.
        """
        images = [x.image for x in references]
        blurred = [bicubic(bicubic(x, scaled(size_of(x), 1 / factor)), size_of(x)) for x in images]
        weights = reference_patch_weights(references, patch_size)
        detail = [gain * (image - other) for image, other in zip(images, blurred, strict=True)]
        return cls(PatchSearch(blurred, patch_size, weights, max_keys=MAX_KEYS), PatchStore(detail, patch_size))

    def added(self, image: Tensor) -> Iterator[tuple[float, Tensor]]:
        """Adds the detail of the nearest examples to an image (1, C, H, W), averaged where patches overlap.

        Yields the fraction of the work done after each block of patches, and the image, which is finished at the last.
        """
        side = self.detail.patch_size
        rows, columns = (torch.arange(n - side + 1, device=image.device) for n in size_of(image))
        lattice = Lattice.of(rows, columns)
        sums = torch.zeros_like(image)
        total = torch.zeros_like(sums[:, :1])
        for block in lattice.strips(side, BLOCK_PATCHES):
            matches = self.search.nearest(image[..., block.rows, :], block.lattice)
            for strip in block.lattice.strips(side, 2**14):
                detail = self.detail.read(matches.first[strip.part])
                energy, error = detail.square().mean(1), matches.distance[strip.part]
                trusted = detail * (energy / (energy + DISTRUST * error).clamp(min=1e-12))[:, None]
                patches = trusted.view(-1, side, side, image.shape[1])
                strip.add(sums[..., block.rows, :], patches)
                strip.add(total[..., block.rows, :], torch.ones_like(patches[..., :1]))
            yield block.part.stop / len(lattice), image + sums / total.clamp(min=1)
