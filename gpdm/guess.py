"""Initial guesses: the images from which the coarsest level starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from .borders import gaussian_blur, join_borders
from .canvas import Canvas
from .errors import ImageError, OptionError
from .images import check_alike, check_image, resize
from .options import Options, option
from .pyramid import Level
from .references import Reference

Source = Literal["noise", "reference", "image"]


@dataclass(frozen=True, kw_only=True)
class InitialGuess(Options):
    """The start of the coarsest level: noise, the stretched reference, or a given image.

    Noise and blur are applied at the coarsest level, so that their strength does not depend on the size of the input
    (the reference implementation applies them at full size, where downsampling averages them away).
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

    def check(self, init: Tensor | None, reference: Tensor) -> None:
        """Checks that source, init (B, C, h, w) and the reference (1, C, H, W) are compatible.

        Raises:
            OptionError: Source "image" without init, or init with another source.
            ImageError: `init` is unusable, or differs from the reference in channels or device.
        """
        if self.source == "image" and init is None:
            raise OptionError(
                "source", self.source, "no image is connected", "connect init, or choose noise or reference"
            )
        if init is not None:
            if self.source != "image":
                raise OptionError(
                    "source",
                    self.source,
                    "an image is connected and would be ignored",
                    "choose source image, or disconnect it",
                )
            check_alike(check_image(init, "init"), "init", reference, "reference")

    def generators(self, seed: int) -> list[Generator]:
        """Returns a CPU generator for each of the `starts` guesses of the output with this seed."""
        generator = Generator().manual_seed(seed % 2**64)
        if self.starts == 1:
            return [generator]
        seeds = torch.randint(2**62, (self.starts,), generator=generator).tolist()
        return [Generator().manual_seed(own) for own in seeds]

    def make(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        item: int,
        generator: Generator,
        init: Tensor | None = None,
    ) -> Tensor:
        """Returns the initial guess of output `item`.

        Arguments:
            references: References of the finest level; source "reference" uses the first.
            canvas: The canvas of the coarsest level. Along borders that wrap, an image is changed so that it continues
                smoothly.
            item: Index of the output.
            generator: CPU generator of that output.
            init: Images for source "image", (B, C, h, w); output i starts from image i modulo B.

        Returns:
            A new tensor (1, C, H, W) of the canvas' size, with dtype and device of the references. With noise, values
            exceed [-1, 1].
        """
        like = references[0].image
        if self.source == "noise":
            base, sigma = like.new_zeros(1, like.shape[1], *canvas.size), self.noise_sigma
        else:
            picture = references[0].at(1.0).image if init is None else init[item % init.shape[0]][None].to(like)
            # Interpolated as free: the image need not tile.
            picture = join_borders(resize(picture, canvas.size), canvas.border)
            base, sigma = gaussian_blur(picture, self.blur, canvas.border), self.image_noise_sigma
        if sigma == 0:
            return base.clone()
        return base + sigma * torch.randn(base.shape, generator=generator).to(base)


def count_outputs(num_outputs: int, init: Tensor | None) -> int:
    """Returns the number of outputs: `num_outputs`, or the size of the init batch (B, C, h, w) if B > 1.

    Raises:
        ImageError: The init batch has several images, and `num_outputs` is neither 1 nor their number.
    """
    batch = 1 if init is None else init.shape[0]
    if batch > 1 and num_outputs not in (1, batch):
        raise ImageError(f"init has {batch} pictures and num_outputs is {num_outputs}; use num_outputs 1 or {batch}")
    return max(batch, num_outputs)


START_TOLERANCE = 3
"""Factor between the loss of a start and the lowest of all starts, up to which the start may be selected."""


def select_start(losses: Sequence[float]) -> int:
    """Returns the index of the selected start: the first whose loss is at most `START_TOLERANCE` times the lowest.

    Starts above it lack a part of the reference. The lowest loss itself is often that of a copy.
    """
    return next(index for index, loss in enumerate(losses) if loss <= START_TOLERANCE * min(losses))


def selection_level_of(levels: Sequence[Level]) -> int:
    """Returns the index of the level after which one start is selected.

    It is the last level of at most twice the coarsest size, where the layout is fixed.
    """
    return max(level.index for level in levels if level.scale <= 2 * levels[0].scale)
