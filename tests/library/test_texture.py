"""Match texture: how much structure stays, whose colours the result has, and what is compared."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpdm import OptionError, Reference, match_texture
from gpdm.pictures.forms import grey
from library.problems import picture


def stripes(size: int = 48) -> Tensor:
    """Diagonal stripes of two colours, (1, 3, size, size)."""
    rows, columns = torch.arange(size)[:, None], torch.arange(size)
    wave = torch.sin((rows + columns) * 1.2)
    return torch.stack([0.5 * wave + 0.1, 0.3 * wave - 0.2, 0.2 * wave - 0.5])[None]


def image() -> Tensor:
    return picture(48, 56, seed=2) * 0.7


def structure(result: Tensor, given: Tensor) -> float:
    """The correlation of the differences of neighbours in brightness."""
    first, second = (torch.cat([grey(x).diff(dim=axis).flatten() for axis in (2, 3)]) for x in (result, given))
    return float(torch.nn.functional.cosine_similarity(first, second, dim=0))


@pytest.mark.parametrize("colours", ["match", "keep"])
def test_more_structure_stays_as_the_option_goes_up(colours: str) -> None:
    kept = [
        structure(match_texture(stripes(), image(), structure=x, colours=colours).images, image())
        for x in (0.0, 0.5, 0.75, 1.0)
    ]
    assert kept == sorted(kept) and kept[-1] > kept[0] + 0.2


def test_patches_come_closer_to_those_of_the_reference() -> None:
    """Along the stripes neighbours are alike, across them they are not."""

    def anisotropy(x: Tensor) -> float:
        luma = grey(x)
        along, across = luma[..., 1:, :-1] - luma[..., :-1, 1:], luma[..., 1:, 1:] - luma[..., :-1, :-1]
        return float(across.square().mean() / along.square().mean())

    result = match_texture(stripes(), image(), structure=0.0).images
    assert anisotropy(result) > 2 * anisotropy(image())


def test_colours_are_matched_or_kept() -> None:
    matched, kept = (match_texture(stripes(), image(), colours=x).images for x in ("match", "keep"))
    wanted = stripes().mean((0, 2, 3))
    assert (matched.mean((0, 2, 3)) - wanted).abs().max() < 0.1
    change = (kept - image())[:, :, kept.abs().amax((0, 1)) < 0.999]
    assert (change - change[:, :1]).abs().max() < 1e-5, "only brightness changes"


def test_equal_frames_stay_equal() -> None:
    result = match_texture(stripes(), image().expand(2, -1, -1, -1), structure=0.8).images
    assert torch.equal(result[0], result[1])


@pytest.mark.parametrize("colours", ["match", "keep"])
def test_masked_parts_of_the_reference_do_not_count(colours: str) -> None:
    weight = torch.ones(1, 1, 48, 60)
    weight[..., 48:] = 0
    black, white = (
        Reference(torch.cat([stripes(), torch.full((1, 3, 48, 12), value)], 3), weight) for value in (-1.0, 1.0)
    )
    results = [match_texture(x, image(), structure=1.0, colours=colours).images for x in (black, white)]
    assert torch.allclose(results[0], results[1], atol=1e-3)


@pytest.mark.parametrize("size", [(6, 5), (7, 40)])
def test_small_pictures(size: tuple[int, int]) -> None:
    result = match_texture(stripes(), picture(*size), patch_size=3, structure=1.0).images
    assert result.shape == (1, 3, *size) and result.isfinite().all()


def test_an_option_out_of_range_is_refused() -> None:
    with pytest.raises(OptionError, match="structure = 2 is not allowed"):
        match_texture(stripes(), image(), structure=2)
