"""Patches as a linear map, and the filters they are projected onto."""

from __future__ import annotations

import pytest
import torch

from gpdm.patches import patch_count, project, project_adjoint
from gpdm.projections import draw_filters
from library.problems import picture


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("channels", "patch_size"), [(1, 1), (3, 7), (4, 4)])
def test_project_is_the_inner_product_with_each_patch(
    channels: int, patch_size: int, stride: int, generator: torch.Generator
) -> None:
    image = picture(11, 14, channels)
    filters = draw_filters("independent", 5, channels, patch_size, generator)
    patches = torch.nn.functional.unfold(image, patch_size, stride=stride)[0]  # (C p p, N)
    assert patches.shape[1] == patch_count((11, 14), patch_size, stride)
    assert torch.allclose(project(image, filters, stride), filters.flatten(1) @ patches, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_adjoint(stride: int, generator: torch.Generator) -> None:
    image = picture(12, 15).double()
    filters = draw_filters("independent", 4, 3, 5, generator).double()
    values = torch.randn(4, patch_count((12, 15), 5, stride), generator=generator, dtype=torch.float64)
    there = (project(image, filters, stride) * values).sum()
    back = (image * project_adjoint(values, filters, (12, 15), stride)).sum()
    assert float(there) == pytest.approx(float(back), rel=1e-10)


def test_patch_count_of_too_small_an_image_is_zero() -> None:
    assert patch_count((6, 100), 7, 1) == 0
    assert patch_count((7, 7), 7, 1) == 1


@pytest.mark.parametrize("kind", ["independent", "orthonormal"])
def test_filters_have_unit_length_and_follow_the_generator(kind: str) -> None:
    def draw(seed: int) -> torch.Tensor:
        return draw_filters(kind, 40, 3, 3, torch.Generator().manual_seed(seed))

    assert draw(1).shape == (40, 3, 3, 3)
    assert torch.allclose(draw(1).flatten(1).norm(dim=1), torch.ones(40), atol=1e-5)
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_orthonormal_blocks_and_their_uniformity() -> None:
    blocks = draw_filters("orthonormal", 60, 3, 3, torch.Generator().manual_seed(0)).flatten(1)
    for block in (blocks[:27], blocks[27:54], blocks[54:]):
        assert torch.allclose(block @ block.T, torch.eye(len(block)), atol=1e-5)
    many = torch.cat(
        [draw_filters("orthonormal", 1, 1, 2, torch.Generator().manual_seed(s)) for s in range(400)]
    ).flatten(1)
    # QR without the sign correction always points into one half space.
    assert many.mean(0).abs().max() < 0.1
