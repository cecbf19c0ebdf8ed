"""The methods that are timed, as steps over the same two images, and the agreement check that precedes every timing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

import gpdm
from gpdm.images import size_of
from gpdm.kernels.torch_backend import TorchProjectedReference
from gpdm.losses.swd_binned import BinnedObjective
from gpdm.optimizers.base import LevelProblem, solve_level
from gpdm.optimizers.threads import threads_for
from gpdm.patches.filters import FilterBank, Filters
from gpdm.patches.linear import LinearMap
from gpdm.patches.nearest import all_patches, nearest
from gpdm.transport.binned import binned_sliced_wasserstein
from gpdm.transport.sorted import sliced_wasserstein

from .. import algorithm_1
from ..algorithm_1 import FILTERS, PATCH_SIZE, Steps, sample_filters
from ..common import Size, load_image

MIN_COSINE = {64: 0.95, 128: 0.97}
"""Lowest accepted cosine between binned and exact gradients of the l1 distance, by image size in pixels.

That gradient is a sign, and the distributions of the pair are close, so few bins decide it: 128 bins at 64 pixels,
512 at 128.
"""
MAX_ERROR = 0.08
"""Highest accepted relative error of the value. It is largest for few patches: 5 % at 64 pixels."""
LOSS = gpdm.SWDLoss(num_proj=FILTERS)
"""The default loss with as many projections as Algorithm 1."""
NO_COHERENCE = replace(LOSS, coherence=0.0)
SEARCH_EVERY = gpdm.Coherence().search_every
"""Steps between two patch searches of the coherence term. A timing with that term covers a multiple of it."""


class ContinuedObjective:
    """An objective whose step count and state continue from one `solve_level` to the next, as within a level."""

    def __init__(self, objective: gpdm.Objective) -> None:
        self.objective, self.backend, self.capturable = objective, objective.backend, objective.capturable
        self.step, self.state = 0, gpdm.OutputState(Generator().manual_seed(0))

    def sample(self, image: Tensor, step: int, state: gpdm.OutputState) -> Any:
        """See `Objective.sample`. Ignores the caller's step and state in favour of its own."""
        del step, state
        sample = self.objective.sample(image, self.step, self.state)
        self.step += 1
        return sample

    def evaluate(self, image: Tensor, sample: Any, into: Tensor) -> Tensor:
        """See `Objective.evaluate`."""
        return self.objective.evaluate(image, sample, into)


@dataclass(frozen=True, kw_only=True)
class BoundProblem(LevelProblem):
    """A level whose objective is bound already."""

    objective: gpdm.Objective

    def objectives(self, images: Sequence[Tensor]) -> list[gpdm.Objective]:
        """Returns the objective for each image."""
        return [self.objective] * len(images)


def synchronize(device: str) -> None:
    """Waits until a GPU has finished its queue."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: str) -> float:
    """Returns the wall-clock time of `work`, with a GPU's queue empty before and after."""
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - start


def pair(path: Path, size: Size, device: str) -> tuple[Tensor, Tensor]:
    """Returns a reference and an image that resembles it, contiguous as in a run: its mirror image with some noise."""
    reference = load_image(path, size, device)
    noise = torch.randn(reference.shape, generator=Generator().manual_seed(0)).to(device)
    return reference, (reference.flip(3) + 0.05 * noise).contiguous()


def gpdm_steps(loss: gpdm.SWDLoss, reference: Tensor, image: Tensor, memory: int) -> Steps:
    """Returns the steps of this package: `solve_level` with the number of threads that `synthesize` would use.

    The objective is bound once, as it is within a level.
    """
    canvas = gpdm.Canvas(size=size_of(image), border=loss.border)
    level = LevelProblem.at(1.0, gpdm.as_references(reference), canvas, loss, memory)
    objective = ContinuedObjective(gpdm.bind(loss, level.references, level.canvas, memory))
    problem = BoundProblem(level.references, level.canvas, loss, memory, objective=objective)
    pixels = math.prod(canvas.size)

    @torch.no_grad()
    def steps(number: int) -> None:
        optimizer = gpdm.Optimizer(num_steps=number, window=number + 1)
        with threads_for(pixels, image.device):
            solve_level(optimizer, problem, [image.clone()], [objective.state.generator], number, lambda *_: None)

    return steps


def sorted_steps(reference: Tensor, image: Tensor) -> Steps:
    """Returns the steps of Algorithm 1 as its authors write it."""
    return algorithm_1.optimize(reference, image.clone(), Generator().manual_seed(0))


def convolution_steps(reference: Tensor, image: Tensor, layout: torch.memory_format) -> Steps:
    """Returns the convolutions of a step alone, in the given layout: two forward and one transposed."""
    filters = sample_filters(Generator().manual_seed(0)).to(image.device)
    values = torch.randn(1, FILTERS, *(length - PATCH_SIZE + 1 for length in size_of(image)), device=image.device)
    x, y, filters, values = (each.contiguous(memory_format=layout) for each in (reference, image, filters, values))

    @torch.no_grad()
    def steps(number: int) -> None:
        for _ in range(number):
            F.conv2d(x, filters)
            F.conv2d(y, filters)
            F.conv_transpose2d(values, filters)

    return steps


def nearest_neighbour_steps(reference: Tensor, image: Tensor) -> Steps:
    """Returns exact searches of the nearest reference patch of each patch of the image, one a step.

    Patch-matching methods do this at every iteration.
    """

    @torch.no_grad()
    def steps(number: int) -> None:
        for _ in range(number):
            nearest(all_patches([image], PATCH_SIZE), all_patches([reference], PATCH_SIZE))

    return steps


def check_agreement(path: Path, size: int, device: str) -> dict[str, float]:
    """Compares value and image gradient of the binned distance with the exact ones, on the same filters.

    Once for the functions of `gpdm.transport`, on filters sampled here, and once for the objective that is timed,
    on the filters that it sampled.

    Returns:
        Cosines of the gradients and relative errors of the values.

    Raises:
        SystemExit: They disagree, so that a timing would mean nothing.
    """
    reference, image = pair(path, (size, size), device)
    bank = Filters("independent", FILTERS, 0.0, PATCH_SIZE).sample(3, Generator().manual_seed(1)).to(image)
    functions = _distance(reference, image, [bank], partial(binned_sliced_wasserstein, distance="l1"))
    functions_exact = _distance(reference, image, [bank], partial(sliced_wasserstein, distance="l1"))

    loss = NO_COHERENCE  # only the distance has an exact twin
    objective = gpdm.bind(loss, gpdm.as_references(reference), gpdm.Canvas(size=(size, size), border=loss.border))
    assert isinstance(objective, BinnedObjective)
    sample = objective.sample(image, 0, gpdm.OutputState(Generator().manual_seed(2)))
    gradient = torch.zeros_like(image)
    bound = objective.evaluate(image, sample, gradient), gradient
    sampled = _filters_of(sample.references[0])
    bound_exact = _distance(reference, image, sampled, partial(sliced_wasserstein, distance=loss.distance))

    result = {}
    for name, (value, found), (exact_value, exact) in (
        ("functions", functions, functions_exact),
        ("objective", bound, bound_exact),
    ):
        result[f"cosine, {name}"] = round(float(F.cosine_similarity(found.flatten(), exact.flatten(), dim=0)), 5)
        result[f"error, {name}"] = round(abs(float(value / exact_value) - 1), 5)
    # Comparisons with NaN are False, so that NaN fails.
    if not all(
        value > MIN_COSINE[size] if name.startswith("cosine") else value < MAX_ERROR for name, value in result.items()
    ):
        raise SystemExit(f"not measured: at {size} pixels the binned distance disagrees with the exact one: {result}")
    return result


def _filters_of(reference: Any) -> list[LinearMap]:
    """Returns the filters of each patch size of a backend's projected reference."""
    if isinstance(reference, TorchProjectedReference):
        banks = [each for each in reference.filters if isinstance(each, FilterBank)]  # no level is that small here
        widths = reference.width.split([len(bank) for bank in banks])
        return [bank.scaled(width) for bank, width in zip(banks, widths, strict=True)]
    return [FilterBank.of(filters) for filters in reference.filters]


def _distance(
    reference: Tensor, image: Tensor, filters: Sequence[LinearMap], distance: Callable[..., tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Returns value and image gradient of a distance between projections, as a mean over the filters of all sizes."""
    total, gradient = image.new_zeros(()), torch.zeros_like(image)
    for each in filters:
        fraction = len(each) / sum(map(len, filters))
        projections = each.project(image)
        p, q = (values.flatten(0, 1).T for values in (each.project(reference), projections))
        value, derivatives = distance(p, q)
        total += fraction * value
        gradient += fraction * each.adjoint(derivatives.T.reshape(projections.shape).contiguous(), size_of(image))
    return total, gradient
