"""Initial guesses: what the coarsest level starts from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .errors import GPDMError, ImageError, OptionError
from .images import check_alike, check_image, resize
from .options import Options, option
from .pyramid import Level

Source = Literal["noise", "reference", "image"]


@dataclass(frozen=True, kw_only=True)
class InitialGuess(Options):
    """What the coarsest level starts from: noise, the stretched reference, or any image.

    Noise and blur are applied at the coarsest level, so that their strength does not depend on the size of the file
    (the reference implementation adds them at full size, where shrinking averages them away).
    """

    source: str = option(
        "noise",
        "noise: mid-grey plus noise, a new layout. reference: the reference stretched to the output size, keeps its layout. "
        "image: the connected picture, for example a diffusion result.",
        choices=get_args(Source),
    )
    noise_sigma: float = option(
        1.5,
        "Source noise: standard deviation of the noise at the coarsest level. Pixel values go from -1 to 1; 1.5 is the published strength. "
        "With less the results are more alike.",
        ge=0.0,
        le=10.0,
        step=0.05,
    )
    image_noise_sigma: float = option(
        0.0,
        "Sources reference and image: standard deviation of the noise added to it at the coarsest level. More frees the result from its start; with 0 all seeds may make the same picture.",
        ge=0.0,
        le=10.0,
        step=0.05,
    )
    blur: float = option(
        0.0,
        "Sources reference and image: standard deviation of a Gaussian blur at the coarsest level, in pixels of that level.",
        ge=0.0,
        le=64.0,
        step=0.1,
    )
    starts: int = option(
        1,
        "How many guesses are worked out to twice the coarsest size; the first that ends nearly as near to the reference as the nearest goes on. Against results "
        "in which a part of the reference is missing.",
        ge=1,
        le=64,
    )
    image: Tensor | None = None
    """The picture of source "image", shape (B, C, H, W), values in [-1, 1]; output i starts from picture i modulo B."""

    def check(self, reference: Tensor) -> None:
        """Raises `OptionError` or `ImageError` if source and image do not fit together or to the reference (1, C, H, W)."""
        if self.source == "image" and self.image is None:
            raise OptionError(
                "source", self.source, "no image is connected", "connect init, or choose noise or reference"
            )
        if self.image is not None:
            if self.source != "image":
                raise OptionError(
                    "source",
                    self.source,
                    "an image is connected and would be ignored",
                    "choose source image, or disconnect it",
                )
            check_alike(check_image(self.image, "init"), "init", reference, "reference")

    def starting_from(self, image: Tensor) -> InitialGuess:
        """This guess with `image` (B, C, h, w) as the picture of source "image".

        Raises:
            GPDMError: It has a picture already.
        """
        if self.image is not None:
            raise GPDMError("two pictures to start from are given, one of them by the guess; disconnect one")
        return replace(self, image=image)

    def outputs(self, num_outputs: int) -> int:
        """How many outputs there are: `num_outputs`, or one for each picture of an init batch.

        Raises:
            ImageError: The init batch has several pictures and another number of outputs is asked for.
        """
        batch = 1 if self.image is None else self.image.shape[0]
        if batch > 1 and num_outputs not in (1, batch):
            raise ImageError(
                f"init has {batch} pictures and num_outputs is {num_outputs}; use num_outputs 1 or {batch}"
            )
        return max(batch, num_outputs)

    def generators(self, seed: int) -> list[Generator]:
        """A CPU generator for each of the `starts` guesses of the output with this seed."""
        generator = Generator().manual_seed(seed % 2**64)
        if self.starts == 1:
            return [generator]
        seeds = torch.randint(2**62, (self.starts,), generator=generator).tolist()
        return [Generator().manual_seed(own) for own in seeds]

    def make(self, references: Sequence[Tensor], level: Level, item: int, generator: Generator) -> Tensor:
        """The guess of output `item` at the coarsest `level`.

        Arguments:
            references: References of the finest level, each (1, C, h, w); source "reference" uses the first.
            level: The coarsest level.
            item: Index of the output.
            generator: CPU generator of that output.

        Returns:
            A new tensor (1, C, H, W) of the level's size, with dtype and device of the references. With noise its values
            go beyond [-1, 1].
        """
        like = references[0]
        if self.source == "noise":
            base, sigma = like.new_zeros(1, like.shape[1], *level.size), self.noise_sigma
        else:
            picture = like if self.image is None else self.image[item % self.image.shape[0]][None].to(like)
            base, sigma = gaussian_blur(resize(picture, level.size), self.blur), self.image_noise_sigma
        if sigma == 0:
            return base.clone()
        return base + sigma * torch.randn(base.shape, generator=generator).to(base)


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """`image` (B, C, H, W) convolved with a Gaussian of standard deviation `sigma` pixels; the border pixels are repeated."""
    if sigma == 0:
        return image
    radius = math.ceil(3 * sigma)
    x = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(x**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, 1, -1)  # (C, 1, 1, 2 r + 1)
    groups = image.shape[1]
    image = F.conv2d(F.pad(image, (radius, radius, 0, 0), mode="replicate"), kernel, groups=groups)
    return F.conv2d(F.pad(image, (0, 0, radius, radius), mode="replicate"), kernel.mT, groups=groups)
