"""Initial guesses: the images from which the coarsest level starts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Generator, Tensor

from .borders import gaussian_blur, shift_of, wraps
from .canvas import Canvas
from .errors import ImageError, OptionError
from .images import Size, check_alike, check_image, resize, size_of
from .options import Options, option
from .patches.blocks import Area, aligned_blocks
from .patches.periods import Periods, check_periods
from .references import Reference, check_pictures

Source = Literal["noise", "reference", "image", "lattice"]
LEAST_PERIOD = 3.0
"""Shortest period of a lattice at the coarsest level, in pixels."""

JOIN_WIDTH = 7
"""Width of the band that `join_borders` changes at each border that wraps, in pixels: the default patch size."""


@dataclass(frozen=True, kw_only=True)
class InitialGuess(Options):
    """The image that the coarsest level starts from: noise, the stretched reference, a user-supplied image, or blocks
    of a regular texture.

    Noise and blur are applied at the coarsest level, so that their strength does not depend on the size of the input
    (the reference implementation applies them at full size, where downsampling averages them away).
    """

    source: str = option(
        "noise",
        "Initial image: noise gives a new layout, reference keeps that of the stretched reference, image that of the "
        "picture init (needed by Style Transfer and Paint), lattice puts blocks of bricks, tiles or weave in line.",
        choices=get_args(Source),
    )
    noise_sigma: float = option(
        1.5,
        "Standard deviation of the initial noise with source noise, for pixel values from -1 to 1. Lower makes "
        "the pictures of different seeds more alike; the paper uses 1.5.",
        ge=0.0,
        le=10.0,
        step=0.05,
    )
    image_noise_sigma: float = option(
        0.0,
        "Standard deviation of noise added to the initial image (source reference, image or lattice), for pixel values "
        "from -1 to 1. Higher allows larger changes; 0 may give one picture for all seeds.",
        ge=0.0,
        le=10.0,
        step=0.05,
    )
    blur: float = option(
        0.0,
        "Standard deviation of a Gaussian blur of the initial image (source reference, image or lattice), in pixels of the "
        "coarsest level. Higher removes more detail.",
        ge=0.0,
        le=64.0,
        step=0.1,
    )
    starts: int = option(
        1,
        "Number of random starts tried at the coarsest levels; the first whose loss is at most 3 times the lowest "
        "is continued. Higher is slower, and may help if results lack part of the reference.",
        ge=1,
        le=64,
        advanced=True,
    )

    def check(self, init: Tensor | None, reference: Reference) -> None:
        """Checks that source, init (B, C, h, w) and the first reference are compatible.

        Raises:
            OptionError: Source "image" without init, init with another source, source "reference" or "lattice" with a
                saved distribution, or source "lattice" with a reference that has no lattice.
            ImageError: `init` is unusable, or differs from the reference in channels or device.
        """
        if self.source == "image" and init is None:
            raise OptionError.saying(
                "source image needs a start picture; give init, or choose source noise or reference"
            )
        if self.source in ("reference", "lattice"):
            check_pictures([reference], f"source {self.source} starts from the reference")
        if init is not None:
            if self.source != "image":
                raise OptionError.saying(
                    f"init is given and source {self.source} would ignore it; choose source image, or leave out init"
                )
            check_alike(check_image(init, "init"), "init", reference.image, "reference")
        if self.source == "lattice":
            _periods_of(reference)

    def generators(self, seed: int) -> list[Generator]:
        """Returns a CPU generator for each of the `starts` guesses of the output with this seed."""
        generator = Generator().manual_seed(seed % 2**64)
        if self.starts == 1:
            return [generator]
        seeds = torch.randint(2**62, (self.starts,), generator=generator).tolist()
        return [Generator().manual_seed(start_seed) for start_seed in seeds]

    def make(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        output: int,
        generator: Generator,
        init: Tensor | None = None,
    ) -> Tensor:
        """Returns the initial guess of one output.

        Arguments:
            references: References of the finest level; sources "reference" and "lattice" use the first.
            canvas: Canvas of the coarsest level. Across borders that wrap, an image is changed to continue smoothly.
            output: Index of the output.
            generator: CPU generator of the output.
            init: Images for source "image", (B, C, h, w); output i starts from image i modulo B.

        Returns:
            A new tensor (1, C, H, W) of the canvas' size, with dtype and device of the references. With noise, values
            exceed [-1, 1].

        Raises:
            OptionError: The lattice of source "lattice" is too fine for the coarsest level.
        """
        like = references[0].image
        if self.source == "noise":
            base, sigma = like.new_zeros(1, like.shape[1], *canvas.size), self.noise_sigma
        elif self.source == "lattice":
            image = resize(_blocks(references[0], canvas, generator), canvas.size, canvas.border)
            base, sigma = gaussian_blur(image, self.blur, canvas.border), self.image_noise_sigma
        else:
            image = references[0].at(1.0).image if init is None else init[output % init.shape[0]][None].to(like)
            # Resized with free borders, because the image need not tile.
            image = join_borders(resize(image, canvas.size), canvas.border)
            base, sigma = gaussian_blur(image, self.blur, canvas.border), self.image_noise_sigma
        if sigma == 0:
            return base.clone()
        return base + sigma * torch.randn(base.shape, generator=generator).to(base)


def _periods_of(reference: Reference) -> Periods:
    """Returns the periods of a reference; raises `OptionError` if it has none."""
    weight = reference.weight
    return check_periods(reference.image, weight if isinstance(weight, Tensor) else None)


def _blocks(reference: Reference, canvas: Canvas, generator: Generator) -> Tensor:
    """Returns random blocks of a reference in line with its lattice, at the size of the finest level, (1, C, H, W).

    Arguments:
        reference: The reference at the finest level.
        canvas: Canvas of the coarsest level.
        generator: CPU generator of the output.

    Raises:
        OptionError: The periods are too short at the coarsest level.
    """
    periods = _periods_of(reference)
    if periods.shortest * canvas.scale < LEAST_PERIOD:
        side = min(size_of(reference.image))
        raise OptionError(
            "source",
            "lattice",
            f"the reference repeats every {periods.shortest:.1f} pixels, which are only "
            f"{periods.shortest * canvas.scale:.1f} at the coarsest level",
            f"raise coarse_dim (GPDM Pyramid Schedule) to {math.ceil(LEAST_PERIOD * side / periods.shortest)}",
        )
    size: Size = (round(canvas.size[0] / canvas.scale), round(canvas.size[1] / canvas.scale))
    area, weight = Area(size, wraps(canvas.border), shift_of(canvas.border, size)), reference.weight
    known = (weight > 0).to(reference.image) if isinstance(weight, Tensor) else None
    return aligned_blocks(reference.image, periods, area, generator, known)


def count_outputs(num_outputs: int, init: Tensor | None) -> int:
    """Returns the number of outputs: `num_outputs`, or the size of the init batch (B, C, h, w) if B > 1.

    Raises:
        ImageError: The init batch has several images, and `num_outputs` is neither 1 nor their number.
    """
    batch = 1 if init is None else init.shape[0]
    if batch > 1 and num_outputs not in (1, batch):
        raise ImageError(f"init has {batch} pictures and num_outputs is {num_outputs}; use num_outputs 1 or {batch}")
    return max(batch, num_outputs)


def join_borders(image: Tensor, border: str) -> Tensor:
    """Returns an image (B, C, H, W) without large differences across borders that wrap.

    Such a difference is reduced to at most the mean difference of neighbouring pixels, by a ramp of `JOIN_WIDTH` pixels
    on both sides. The optimisation would not remove it: the patches of a reference with edges can contain such edges.
    """
    down, right = shift_of(border, (image.shape[2], image.shape[3]))
    shifts = right, down  # of the tile below and to the right
    for axis, circular in zip((2, 3), wraps(border), strict=True):
        length = image.shape[axis]
        if circular and length > 1:
            band = min(JOIN_WIDTH, length // 2)
            fade = torch.zeros(length, dtype=image.dtype, device=image.device)
            fade[:band] = 0.5 * (1 - torch.arange(band, dtype=image.dtype, device=image.device) / band)
            shape = [1, 1, 1, 1]
            shape[axis] = length
            fade, shift = fade.reshape(shape), shifts[axis - 2]
            typical = float(image.diff(dim=axis).abs().mean())
            step = image.narrow(axis, length - 1, 1) - image.narrow(axis, 0, 1).roll(shift, 5 - axis)
            excess = step - step.clamp(-typical, typical)
            image = image + excess.roll(-shift, 5 - axis) * fade - excess * fade.flip(axis)
    return image
