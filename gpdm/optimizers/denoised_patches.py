"""The objective of the patch denoiser at one level: a picture is denoised step by step, patch by patch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ..borders import upsample, wrap, wrap_adjoint_
from ..canvas import Canvas
from ..images import check_single, resize, scaled
from ..losses.base import OutputState, by_region
from ..patches.lattice import Lattice
from ..patches.posterior import PosteriorMean
from ..references import Reference, reference_patch_weights
from .votes import region_of_patches

STRIP_PATCHES = 2**12
"""Number of patches that are denoised at a time on a CPU."""
GPU_STRIP_FACTOR = 8
"""Factor of `STRIP_PATCHES` on a GPU."""


@dataclass(frozen=True)
class Estimate:
    """An estimate of the clean picture."""

    image: Tensor
    """The estimate, (1, C, H, W)."""
    disagreement: Tensor
    """Mean variance of what the patches that cover a pixel say of it, a scalar."""


@dataclass(frozen=True)
class Denoising:
    """The state of one output at one level."""

    sigmas: Sequence[float]
    """Standard deviation of the noise at each step, descending; the factor of the clean picture is 1 - sigma."""
    coarser: Tensor | None
    """The picture with which the level began, which has the low frequencies; None at the coarsest level."""
    noise: Tensor
    """Noise that the last estimate implies, (1, C, H, W), or at the beginning a sample of it."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Steps from noise to a picture."""

    num_steps: int
    lowest: float
    """Standard deviation of the noise at the last step."""
    highest: float | None
    """Standard deviation of the noise at the first step of the coarsest level; None: that of its picture."""
    eta: float
    """Fraction of the noise that each step renews, from 0 to 1."""

    def sigmas(self, highest: float) -> list[float]:
        """Returns the standard deviation at each step, evenly spaced from `highest` down to `lowest`."""
        highest, last = max(highest, self.lowest), max(self.num_steps - 1, 1)
        return [highest + (self.lowest - highest) * step / last for step in range(self.num_steps)]


class DenoisedPatches:
    """The objective of `PatchDenoiser`.

    Each step takes the current picture with noise, replaces every patch by its posterior mean, and averages where they
    overlap. The value is `Estimate.disagreement`; the gradient is the difference of the image to the estimate.

    Arguments:
        patch_size: Side of the patches, in pixels.
        neighbours: As in `PosteriorMean`.
        window: Standard deviation of the Gaussian window of a patch, relative to half its side.
        schedule: The steps.
        references, canvas: Those of the level.
        factor: Size of the level before relative to this one; 1 if there is none.
    """

    backend = "torch"
    capturable = False

    def __init__(
        self,
        patch_size: int,
        neighbours: int,
        window: float,
        schedule: Schedule,
        references: Sequence[Reference],
        canvas: Canvas,
        factor: float = 1.0,
    ) -> None:
        self.patch_size, self.schedule, self.canvas, self.factor = patch_size, schedule, canvas, factor
        groups, device = by_region(references, canvas), references[0].image.device
        self.means = [
            PosteriorMean([x.image for x in group], patch_size, reference_patch_weights(group, patch_size), neighbours)
            for group, _, _ in groups
        ]
        region = region_of_patches([region_canvas for _, region_canvas, _ in groups], patch_size, device)
        rows, columns = (torch.arange(number, device=device) for number in region.shape)
        self.lattices = [Lattice.of(rows, columns, region == number) for number in range(len(groups))]
        self.window = gaussian_window(patch_size, window).to(references[0].image)
        self.strip_patches = STRIP_PATCHES * (GPU_STRIP_FACTOR if device.type == "cuda" else 1)

    def sample(self, image: Tensor, step: int, state: OutputState) -> Estimate:
        """See `Objective.sample`. The noise comes from the output's generator."""
        check_single(image)
        if step == 0:
            state.remembered = self._begin(image, state.generator)
        before: Denoising = state.remembered
        sigma = before.sigmas[step]
        alpha = 1 - sigma
        noise = self._renewed(before.noise, state.generator) if step else before.noise
        noisy = alpha * image + sigma * noise
        estimate = self.denoised(noisy, alpha, sigma)
        noise = (noisy - alpha * estimate.image).div_(sigma)
        state.remembered = Denoising(before.sigmas, before.coarser, noise)
        if before.coarser is None or step == len(before.sigmas) - 1:
            return estimate
        return Estimate(self.with_low_frequencies(estimate.image, before.coarser), estimate.disagreement)

    def _begin(self, image: Tensor, generator: Generator) -> Denoising:
        """Returns the state before the first step of a level, for the image with which it begins."""
        noise = torch.randn(image.shape, generator=generator).to(image)
        if self.factor < 1:
            return Denoising(self.schedule.sigmas(1.0), image.clone(), noise)
        highest = self.schedule.highest
        return Denoising(self.schedule.sigmas(self.noise_of(image) if highest is None else highest), None, noise)

    def _renewed(self, noise: Tensor, generator: Generator) -> Tensor:
        eta = self.schedule.eta
        if eta == 0:
            return noise
        return math.sqrt(1 - eta**2) * noise + eta * torch.randn(noise.shape, generator=generator).to(noise)

    def noise_of(self, image: Tensor) -> float:
        """Returns the root mean square of what reference patches do not explain of an image, at most 1."""
        nearest = self.denoised(image, 1.0, self.schedule.lowest).image
        return min(float((image - nearest).square().mean().sqrt()), 1.0)

    def denoised(self, noisy: Tensor, alpha: float, sigma: float) -> Estimate:
        """Returns the estimate of the clean picture of a noisy one, (1, C, H, W)."""
        side, channels = self.patch_size, noisy.shape[1]
        wrapped = wrap(noisy, side, self.canvas.border)
        sums = wrapped.new_zeros(1, 2 * channels + 1, *wrapped.shape[2:])
        for mean, lattice in zip(self.means, self.lattices, strict=True):
            for strip in lattice.strips(side, self.strip_patches):
                patches = mean.of(strip.read(wrapped), alpha, sigma).view(-1, side, side, channels)
                moments = [patches, patches.square(), torch.ones_like(patches[..., :1])]
                strip.add(sums, torch.cat(moments, 3).mul_(self.window))
        first, second, weight = wrap_adjoint_(sums, side, self.canvas.border).split([channels, channels, 1], 1)
        image = first / weight
        return Estimate(image, (second / weight - image.square()).clamp_(min=0).mean())

    def with_low_frequencies(self, image: Tensor, coarser: Tensor) -> Tensor:
        """Returns an image with the low frequencies of another of its size, enlarged from the level before."""
        size, border = self.canvas.size, self.canvas.border
        return coarser + image - upsample(resize(image, scaled(size, self.factor), border), size, border)

    def evaluate(self, image: Tensor, sample: Estimate, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        into.add_(image - sample.image)
        return sample.disagreement


def gaussian_window(side: int, deviation: float) -> Tensor:
    """Returns the weight of each pixel of a patch, (side, side, 1).

    Arguments:
        side: Side of the patch, in pixels, at least 2.
        deviation: Standard deviation of the Gaussian, relative to half the side.
    """
    line = torch.exp(-0.5 * (torch.linspace(-1, 1, side) / deviation).square())
    return (line[:, None] * line)[..., None]
