"""What is timed: one step of each method, over the same two pictures; and the gate, which the fast one must pass first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import algorithm_1 as authors
import passive_threads  # noqa: F401
import torch
import torch.nn.functional as F
from algorithm_1 import FILTERS, PATCH, Steps, sample_filters
from judge import nearest
from PIL import Image
from torch import Generator, Tensor

import gpdm
from gpdm.images import size_of
from gpdm.kernels.torch_backend import TorchProjectedReference
from gpdm.losses.swd_binned import BinnedObjective
from gpdm.optimizers.base import LevelProblem, solve_level
from gpdm.patches.filters import FilterBank, draw_filters
from gpdm.patches.linear import project, project_adjoint
from gpdm.transport.binned import binned_sliced_wasserstein
from gpdm.transport.sorted import sliced_wasserstein

PICTURE = Path(__file__).resolve().parent.parent / "workflows" / "inputs" / "pavilion.jpg"
LEAST_COSINE = {64: 0.95, 128: 0.97}
"""By size of the pair, which is hard on bins: its distributions are close. 64 pixels have 128 bins, 128 have 512; for l1, whose
gradient is a sign. That of l2 agrees to three digits."""
MOST_ERROR = 0.05
"""Of the value, relative."""


class Continued:
    """An objective that goes on from one `solve_level` to the next, as it does within a level; it remembers one output."""

    def __init__(self, objective: gpdm.Objective) -> None:
        self.objective, self.backend, self.capturable = objective, objective.backend, objective.capturable
        self.step, self.state = 0, gpdm.OutputState(Generator().manual_seed(0))

    def sample(self, image: Tensor, step: int, state: gpdm.OutputState) -> Any:
        """See `Objective`; the step is the number of samples so far."""
        del step, state
        sample = self.objective.sample(image, self.step, self.state)
        self.step += 1
        return sample

    def evaluate(self, image: Tensor, sample: Any, into: Tensor) -> Tensor:
        """See `Objective`."""
        return self.objective.evaluate(image, sample, into)


@dataclass(frozen=True)
class Bound(LevelProblem):
    """A problem whose objective is there already."""

    objective: gpdm.Objective

    def objectives(self, images: Sequence[Tensor]) -> list[gpdm.Objective]:
        """It, for each image."""
        return [self.objective] * len(images)


def synchronise(device: str) -> None:
    """Waits for a GPU."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: str) -> float:
    """Wall-clock time of `work`, a GPU's queue emptied before and after."""
    synchronise(device)
    start = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - start


def picture(path: Path, size: tuple[int, int], device: str) -> Tensor:
    """The picture at `size` (height, width), (1, 3, H, W)."""
    height, width = size
    scaled = Image.open(path).convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    return gpdm.from_pil(scaled).to(device)


def pair(path: Path, size: tuple[int, int], device: str) -> tuple[Tensor, Tensor]:
    """A reference, and an image on its way to it: its mirror image with some noise."""
    reference = picture(path, size, device)
    noise = torch.randn(reference.shape, generator=Generator().manual_seed(0)).to(device)
    return reference, reference.flip(3) + 0.05 * noise


def descent(loss: gpdm.SWDLoss, reference: Tensor, image: Tensor, memory: int) -> Steps:
    """This package's steps, by its public path. The objective stays, as it does within a level."""
    references, canvas = gpdm.as_references(reference), gpdm.Canvas(size=size_of(image), border=loss.border)
    objective = Continued(gpdm.bind(loss, references, canvas, memory))
    problem = Bound(references, canvas, loss, memory, objective)

    @torch.no_grad()
    def steps(number: int) -> None:
        optimizer = gpdm.Optimizer(num_steps=number, window=number + 1)
        solve_level(optimizer, problem, [image.clone()], [objective.state.generator], number, lambda *_: None)

    return steps


def algorithm_1(reference: Tensor, image: Tensor) -> Steps:
    """The authors' steps."""
    return authors.solve(reference, image.clone(), Generator().manual_seed(0))


def floor(reference: Tensor, image: Tensor, layout: torch.memory_format) -> Steps:
    """The convolutions alone, without which there is no step: two forward and one transposed, in the given layout."""
    w = sample_filters(Generator().manual_seed(0)).to(image.device)
    values = torch.randn(1, FILTERS, *(side - PATCH + 1 for side in size_of(image)), device=image.device)
    x, y, w, values = (each.contiguous(memory_format=layout) for each in (reference, image, w, values))

    @torch.no_grad()
    def steps(number: int) -> None:
        for _ in range(number):
            F.conv2d(x, w)
            F.conv2d(y, w)
            F.conv_transpose2d(values, w)

    return steps


def nearest_neighbours(reference: Tensor, image: Tensor) -> Steps:
    """What a patch-matching method does once an iteration: the nearest reference patch of each patch of the image, exactly."""

    @torch.no_grad()
    def steps(number: int) -> None:
        for _ in range(number):
            nearest(image, reference, PATCH)

    return steps


def gate(path: Path, size: int, device: str) -> dict[str, float]:
    """Agreement of the fast value and image gradient with the exact ones, on the same filters: cosines and relative errors.

    Once for the pieces, with filters sampled for it, and once for the objective that is timed, with the filters it sampled.

    Raises:
        SystemExit: They do not agree; there is no point in timing what is wrong.
    """
    reference, image = pair(path, (size, size), device)
    bank = draw_filters("independent", FILTERS, 3, PATCH, Generator().manual_seed(1)).to(image)
    pieces = _on_projections(reference, image, bank, binned_sliced_wasserstein)
    exact = _on_projections(reference, image, bank, sliced_wasserstein)

    # Coherence is no distance, and small patches are the same once more.
    loss = gpdm.SWDLoss(coherence=0.0, small_patches=0.0)
    objective = gpdm.bind(loss, gpdm.as_references(reference), gpdm.Canvas(size=(size, size), border=loss.border))
    assert isinstance(objective, BinnedObjective)
    sample = objective.sample(image, 0, gpdm.OutputState(Generator().manual_seed(2)))
    gradient = torch.zeros_like(image)
    own = objective.evaluate(image, sample, gradient), gradient
    own_bank = FilterBank.of(_filters_of(sample.references[0]))
    own_exact = _on_projections(reference, image, own_bank, partial(sliced_wasserstein, distance=loss.distance))

    cosines = [_cosine(a[1], b[1]) for a, b in ((pieces, exact), (own, own_exact))]
    errors = [abs(float(a[0] / b[0]) - 1) for a, b in ((pieces, exact), (own, own_exact))]
    result = {
        "cosine, pieces": round(cosines[0], 5),
        "cosine, objective": round(cosines[1], 5),
        "error, pieces": round(errors[0], 5),
        "error, objective": round(errors[1], 5),
    }
    # Written so that NaN does not pass.
    if not (min(cosines) > LEAST_COSINE[size] and max(errors) < MOST_ERROR):
        raise SystemExit(f"not measured: at {size} pixels the fast method disagrees with the exact one: {result}")
    return result


def _filters_of(reference: Any) -> Tensor:
    """The filters that a backend holds in one form or another, (K, C, p, p)."""
    if isinstance(reference, TorchProjectedReference):
        return reference.scaled.filters() / reference.bins.scale[:, None, None, None]
    return reference.filters


def _on_projections(
    reference: Tensor, image: Tensor, bank: FilterBank, distance: Callable[..., tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """Value and image gradient of a distance between projections."""
    found = project(image, bank)
    p, q = (each.flatten(0, 1).T for each in (project(reference, bank), found))
    value, gradient = distance(p, q)
    return value, project_adjoint(gradient.T.reshape(found.shape), bank, size_of(image))


def _cosine(a: Tensor, b: Tensor) -> float:
    return float(F.cosine_similarity(a.flatten(), b.flatten(), dim=0))
