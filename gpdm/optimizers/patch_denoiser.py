"""The closed-form patch denoiser, the sampler of Efficient-SID, as a level solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import OptionError
from ..losses.base import Objective, level_of
from ..options import Options, option
from ..patches.posterior import MAX_PAIRS, posterior_bytes
from ..pyramid import Level, check_level
from ..references import Reference, check_patches, check_pictures, masked_at
from .base import Iterate, LevelProblem, Step
from .denoised_patches import STRIP_PATCHES, DenoisedPatches, Estimate, Schedule

SEARCHES = ("approximate", "exact")


@dataclass(frozen=True, kw_only=True)
class PatchDenoiser(Options):
    """Samples a picture by diffusion, in which each patch is denoised by a mean of reference patches.

    Every level starts from noise and ends with a clean picture; its low frequencies are those of the level before. The
    loss is not used. The reported loss is the mean variance of overlapping patches. Canvas border, symmetry, kept
    pixels, reference weights and regions apply: a patch of weight 0 is never used, and a patch of weight 2 counts like
    two.

    References:
        Qiu et al., Efficient and Training-Free Single-Image Diffusion Models, CVPR 2026, with its published settings as
        defaults. Deviations: noise comes from the CPU generator of the output; with search "approximate", large levels
        use the nearest patches of our inverted lists; borders that wrap do so in every patch, not in a mean over
        shifted pictures; and a picture that a run starts from is denoised too.
    """

    num_steps: int = option(
        10,
        "Number of steps at each level, from noise to a picture. Higher is slower and closer to the reference.",
        ge=2,
        le=1000,
    )
    eta: float = option(
        0.0,
        "Fraction of the noise that each step renews. 0 is deterministic after the first noise; "
        "1 makes all of it anew, for which the authors use 40 steps.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    patch_size: int = option(
        15,
        "Side of the square patches, in pixels. Higher keeps larger structures and copies larger pieces; set "
        "coarse_dim (GPDM Pyramid Schedule) to 1.5 to 2 times of it.",
        ge=3,
        le=31,
    )
    neighbours: int = option(
        5,
        "Number of nearest reference patches that are averaged where not all are compared. Higher is slower and "
        "smoother at the beginning of a level.",
        ge=1,
        le=64,
    )
    search: str = option(
        "approximate",
        "approximate averages all reference patches at small levels, and the nearest ones at large levels. exact "
        "always averages all, in a time that grows with the square of the number of pixels.",
        choices=SEARCHES,
        advanced=True,
    )
    start_noise: float = option(
        0.0,
        "Noise at the beginning of the coarsest level: higher keeps less of a start picture, and 1 nothing. 0 uses "
        "what the reference's patches do not explain of the start: all of noise, little of a similar picture.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    window: float = option(
        0.2,
        "Standard deviation of the Gaussian window with which overlapping patches are averaged, in half patches. "
        "Higher is smoother.",
        ge=0.15,
        le=10.0,
        step=0.05,
        advanced=True,
    )
    sigma_min: float = option(
        1e-4,
        "Noise at the last step of each level, for pixel values from -1 to 1. Higher averages more patches there.",
        ge=1e-5,
        le=0.5,
        step=0.001,
        advanced=True,
    )

    @property
    def averaged_fraction(self) -> float:
        """0: images are not averaged."""
        return 0.0

    def check(self, loss: Any, levels: Sequence[Level], references: Sequence[Reference] = ()) -> None:
        """Raises `OptionError` if a level is smaller than a patch or a reference has no patches. `loss` is not used."""
        del loss
        check_pictures(references, "the patch denoiser (quality denoiser) uses nothing else")
        for level in levels:
            check_level(level, self.patch_size)
            check_patches(masked_at(references, level.scale), self.patch_size)

    def largest_patch(self, loss: Any) -> int:
        """Returns `patch_size`. `loss` is not used."""
        del loss
        return self.patch_size

    def uses_all(self, level: Level) -> bool:
        """Returns whether every patch is compared with all reference patches at a level."""
        return self.search == "exact" or level.pixels * level.reference_pixels <= MAX_PAIRS

    def memory(self, loss: Any, level: Level) -> tuple[int, int]:
        """Returns the bytes of one step. The minimum is also the amount for full speed."""
        del loss
        patches = min(level.pixels, STRIP_PATCHES)
        needed = posterior_bytes(
            self.patch_size, patches, level.reference_pixels, self.neighbours, self.uses_all(level)
        )
        needed += 4 * 24 * level.pixels
        return needed, needed

    def steps(self, levels: Sequence[Level]) -> tuple[int, ...]:
        """Returns the number of steps of each level."""
        return (self.num_steps,) * len(levels)

    def rates(self, num_steps: int) -> Tensor:
        """Returns an empty tensor, (num_steps, 0), because the objective knows the noise of each step."""
        return torch.zeros(num_steps, 0, dtype=torch.float64)

    def objectives(self, problem: LevelProblem, images: Sequence[Tensor]) -> list[Objective]:
        """Returns the denoiser, which all outputs share."""
        level = level_of(problem.references, problem.canvas)
        neighbours = 0 if self.uses_all(level) else self.neighbours
        schedule = Schedule(
            num_steps=self.num_steps, lowest=self.sigma_min, highest=self.start_noise or None, eta=self.eta
        )
        objective = DenoisedPatches(
            self.patch_size, neighbours, self.window, schedule, problem.references, problem.canvas, problem.factor
        )
        return [objective] * len(images)

    def step_of(self, problem: LevelProblem, objective: Objective, image: Tensor) -> Step:
        """Returns the step of one output, which replaces the image by the estimate of the clean picture."""
        del problem, objective

        def step(inputs: tuple[Estimate, Tensor]) -> Tensor:
            estimate, _ = inputs
            image.copy_(estimate.image)
            return estimate.disagreement

        return step

    def has_converged(self, iterate: Iterate) -> bool:
        """False: a level has a fixed number of steps."""
        del iterate
        return False

    def divergence_error(self) -> OptionError:
        """Returns the error to raise for infinite or NaN values, which averages of finite patches do not have."""
        return OptionError.saying("the images have infinite or NaN values; check the reference and init")
