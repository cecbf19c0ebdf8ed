"""The loss as an objective: value, gradient, stride."""

from __future__ import annotations

import pytest
import torch

from gpdm import SWDLoss, losses
from gpdm.projections import draw_filters
from library.problems import picture


def algorithm_1(reference: torch.Tensor, image: torch.Tensor, filters: torch.Tensor, squared: bool) -> torch.Tensor:
    """Lines 3 to 7 of the paper's Algorithm 1, as they are printed, for images of equal size; differentiable."""
    loss = torch.zeros(())
    for w in filters:
        p = torch.nn.functional.conv2d(reference, w[None]).flatten()
        q = torch.nn.functional.conv2d(image, w[None]).flatten()
        difference = p.sort().values - q.sort().values
        loss = loss + (difference**2 if squared else difference.abs()).mean() / len(filters)
    return loss


@pytest.mark.parametrize("distance", ["l1", "l2"])
@pytest.mark.parametrize("projections", ["independent", "orthonormal"])
def test_value_and_gradient_are_those_of_algorithm_1(distance: str, projections: str) -> None:
    reference, image = picture(seed=1), picture(seed=2)
    loss = SWDLoss(distance=distance, projections=projections, num_proj=8, patch_size=5)
    value, gradient = loss.bind([reference], (32, 40))(image, torch.Generator().manual_seed(5))
    filters = draw_filters(projections, 8, 3, 5, torch.Generator().manual_seed(5))
    leaf = image.clone().requires_grad_()
    expected = algorithm_1(reference, leaf, filters, distance == "l2")
    expected.backward()
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert leaf.grad is not None
    assert torch.allclose(gradient, leaf.grad, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("stride", [1, 3])
def test_chunks_of_projections_change_nothing(stride: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, image = picture(seed=1), picture(seed=2)
    loss = SWDLoss(num_proj=7, stride=stride)
    whole = loss.bind([reference], (32, 40))(image, torch.Generator().manual_seed(5))
    monkeypatch.setattr(losses, "CHUNK_BYTES", 3 * loss.bytes_per_projection(32 * 40, 32 * 40))
    objective = loss.bind([reference], (32, 40))
    assert objective.chunk == 3  # type: ignore[attr-defined]
    value, gradient = objective(image, torch.Generator().manual_seed(5))
    assert float(value) == pytest.approx(float(whole[0]), rel=1e-5)
    assert torch.allclose(gradient, whole[1], rtol=1e-3, atol=1e-7)


def test_two_references_make_one_distribution() -> None:
    image = picture(20, 20, seed=3)
    objective = SWDLoss(patch_size=1, num_proj=4).bind([image[..., :8], image[..., 8:]], (20, 20))
    value, _ = objective(image, torch.Generator().manual_seed(0))
    assert float(value) == pytest.approx(0, abs=1e-7)


def test_stride_is_used_and_leaves_no_pixel_out() -> None:
    image, reference = picture(21, 24, seed=1), picture(21, 24, seed=2)
    objective = SWDLoss(stride=5, num_proj=2).bind([reference], (21, 24))
    generator = torch.Generator().manual_seed(0)
    single = objective(image, generator)[1]
    assert (single == 0).all(1).any(), "a strided step should not reach every pixel"
    reached = sum((objective(image, generator)[1].abs() for _ in range(200)), torch.zeros_like(image))
    assert (reached > 0).all()


def test_stride_one_draws_nothing_but_filters() -> None:
    generator = torch.Generator().manual_seed(4)
    SWDLoss(num_proj=3).bind([picture()], (32, 40))(picture(), generator)
    alone = torch.Generator().manual_seed(4)
    draw_filters("independent", 3, 3, 7, alone)
    assert torch.equal(generator.get_state(), alone.get_state())


def test_strided_value_of_flat_images_is_known() -> None:
    """Every projection of a flat image is its value times the sum of the filter, wherever the grid begins."""
    flat, other = torch.full((1, 1, 20, 23), 0.2), torch.full((1, 1, 17, 19), 0.7)
    objective = SWDLoss(stride=4, num_proj=6, patch_size=3).bind([other], (20, 23))
    value, _ = objective(flat, torch.Generator().manual_seed(8))
    filters = draw_filters("independent", 6, 1, 3, torch.Generator().manual_seed(8))
    assert float(value) == pytest.approx(0.5 * float(filters.sum((1, 2, 3)).abs().mean()), rel=1e-5)
