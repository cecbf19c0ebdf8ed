"""Saved patch distributions: quantiles along fixed filters, in place of a reference's patches."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Generator, Tensor

import gpdm
from gpdm import GPDMError, OptionError, PatchDistribution, PatchNN, PyramidSchedule, Reference, SWDLoss
from gpdm.distributions.file import FORMAT, _metadata
from gpdm.distributions.stored import QUANTILES, PatchQuantiles, cdf_at, fixed_filters, mixed_cdf, quantile_levels
from gpdm.losses.stored_cdfs import _without_replacement
from gpdm.patches.linear import FilterBank
from gpdm.pyramid import at_scales
from library.problems import picture

ALONE = SWDLoss(coherence=0.0)
QUICK = gpdm.Optimizer(num_steps=3, fine_steps=0)


@pytest.fixture(scope="module")
def reference() -> Tensor:
    return picture(48, 56, seed=3)


@pytest.fixture(scope="module")
def stored(reference: Tensor) -> PatchDistribution:
    return gpdm.patch_distribution(reference)


def projections(image: Tensor, filters: Tensor) -> Tensor:
    """All projections of the patches of an image, sorted, (K, n)."""
    return FilterBank.of(filters).project(image).flatten(0, 1).T.sort(1).values


def test_filters_are_the_same_with_every_version() -> None:
    """Otherwise a file would mean something else: these numbers were written down once."""
    first = fixed_filters(4, 3, 7)
    assert first[0, 0, 0, :3].tolist() == pytest.approx(FIRST_FILTER, abs=1e-6)
    assert first[3, 2, 6, 4:].tolist() == pytest.approx(LAST_FILTER, abs=1e-6)


FIRST_FILTER = [0.06488, 0.0619838, -0.0042845]
LAST_FILTER = [-0.0324249, 0.023496, 0.1202245]


@pytest.mark.parametrize(("channels", "patch_size"), [(1, 7), (3, 3), (3, 1), (5, 4)])
def test_filters_have_unit_length_and_every_direction(channels: int, patch_size: int) -> None:
    filters = fixed_filters(2000, channels, patch_size)
    assert torch.allclose(filters.flatten(1).norm(dim=1), torch.ones(2000), atol=1e-6)
    plain = filters[:1000].flatten(1)
    moments = plain.T @ plain / len(plain)  # a uniform direction has the second moments 1 / dimension
    dimension = plain.shape[1]
    assert (moments * dimension - torch.eye(dimension)).abs().max() < 0.25


def test_half_of_the_filters_have_mean_zero_in_each_channel() -> None:
    means = fixed_filters(100, 3, 7).mean((2, 3))
    assert means[50:].abs().max() < 1e-7 and means[:50].abs().max() > 0.01


def test_quantiles_keep_the_distribution_of_the_projections(reference: Tensor, stored: PatchDistribution) -> None:
    for patch_size in stored.patch_sizes:
        quantiles = stored.quantiles(patch_size)
        filters = fixed_filters(len(quantiles), 3, patch_size)[-40:]
        exact = projections(reference, filters)
        index = torch.arange(len(quantiles))[-40:]
        values = torch.linspace(0.02, 0.98, 30)
        at = torch.quantile(exact, values, dim=1).T.contiguous()
        assert (cdf_at(quantiles.at(index), at) - values).abs().max() < 0.02


def test_the_ends_are_those_of_the_projections(reference: Tensor, stored: PatchDistribution) -> None:
    quantiles = stored.quantiles(7)
    exact = projections(reference, fixed_filters(len(quantiles), 3, 7)[:40])
    found = quantiles.at(torch.arange(40))
    spread = exact[:, -1] - exact[:, 0]
    assert ((found[:, 0] - exact[:, 0]).abs() / spread).max() < 0.003
    assert ((found[:, -1] - exact[:, -1]).abs() / spread).max() < 0.003


def test_the_cdf_of_uniform_quantiles_is_a_ramp() -> None:
    values = torch.tensor([[-1.0, 0.0, 0.25, 0.5, 1.0, 2.0]])
    assert torch.allclose(cdf_at(quantile_levels()[None], values), values.clamp(0, 1), atol=2e-3)


def test_the_cdf_jumps_where_quantiles_are_equal() -> None:
    half = torch.cat([torch.zeros(QUANTILES // 2), torch.ones(QUANTILES // 2)])[None]
    found = cdf_at(half, torch.tensor([[-0.01, 0.0, 1.0, 1.01]]))
    assert found[0, 0] == 0 and found[0, 1] == pytest.approx(0.5, abs=0.03) and found[0, 2] == found[0, 3] == 1


def test_a_mixture_has_the_weighted_mean_of_the_cdfs() -> None:
    ramp = quantile_levels()[None]
    found = mixed_cdf([ramp, ramp + 1], [1.0, 3.0], torch.tensor([[0.5, 1.0, 1.5]]))
    assert torch.allclose(found, torch.tensor([[0.125, 0.25, 0.25 + 0.75 * 0.5]]), atol=2e-3)


def test_eight_bits_of_a_heavy_tailed_distribution() -> None:
    """Steps between the ends alone would be 1 / 255 of the range: as large as most values of this one."""
    rows = torch.randn(5, QUANTILES, generator=Generator().manual_seed(0)).pow(5).sort(1).values
    kept = PatchQuantiles.of(rows).at(torch.arange(5))
    assert ((kept - rows).abs() / (0.03 * rows.abs() + 0.002 * rows.abs().amax(1, keepdim=True))).max() < 1


def test_levels_are_symmetric_and_dense_at_the_ends() -> None:
    levels = quantile_levels().double()
    assert levels[0] == 0 and levels[-1] == 1 and torch.allclose(levels, 1 - levels.flip(0), atol=1e-6)
    assert levels[1] < 0.001 and bool((levels.diff() > 0).all())


def test_a_flat_picture_has_no_distribution() -> None:
    with pytest.raises(GPDMError, match="one colour everywhere"):
        gpdm.patch_distribution(torch.full((1, 3, 20, 20), 0.25))


@pytest.mark.parametrize("size", [1, 5, 7, 35])
def test_no_filter_is_used_twice_before_all_are(size: int) -> None:
    sets = torch.cat([_without_replacement(35, size, index) for index in range(35 // size)])
    assert sorted(sets.tolist()) == list(range(35))
    assert not torch.equal(_without_replacement(35, size, 0), _without_replacement(35, size, 35 // size))


@pytest.mark.slow
def test_the_loss_is_the_exact_distance_along_the_filters(reference: Tensor, stored: PatchDistribution) -> None:
    other, canvas = picture(48, 56, seed=9), gpdm.Canvas(size=(48, 56))
    loss = SWDLoss(coherence=0.0, num_proj=2048, small_patches=0.0)  # so that all filters are used once
    objective = gpdm.bind(loss, [Reference.of_distribution(stored)], canvas)
    p, q = (projections(image, fixed_filters(2048, 3, 7)) for image in (reference, other))
    exact, _ = gpdm.sliced_wasserstein(p, q, distance="l2")
    assert float(gpdm.value_and_gradient(objective, other)[0]) == pytest.approx(float(exact), rel=0.02)
    assert float(gpdm.value_and_gradient(objective, reference)[0]) < 0.01 * float(exact)


@pytest.mark.slow
def test_an_output_is_as_near_to_the_picture(reference: Tensor, stored: PatchDistribution) -> None:
    optimizer = gpdm.Optimizer(num_steps=120, fine_steps=60)
    distances = []
    for each in (reference, Reference.of_distribution(stored)):
        made = gpdm.synthesize(each, loss=ALONE, optimizer=optimizer).images
        distances.append(gpdm.evaluate(reference, made).scores["held-out distance"])
    noise = gpdm.evaluate(reference, torch.rand(1, 3, 48, 56, generator=Generator().manual_seed(0)) * 2 - 1)
    assert distances[1] < 1.3 * distances[0] and distances[1] < 0.6 * noise.scores["held-out distance"]


def test_same_seed_same_picture_and_another_seed_another(stored: PatchDistribution) -> None:
    reference = Reference.of_distribution(stored)
    a, b, c = (gpdm.synthesize(reference, loss=ALONE, optimizer=QUICK, seed=seed).images for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_two_files_are_one_distribution() -> None:
    """A dark and a light picture, one with three times the weight: a quarter of the pixels is dark."""
    shades = [(0.1 * picture(20, 20, 1, seed=2) + value).clamp(-1, 1) for value in (-0.8, 0.8)]
    files = [gpdm.patch_distribution(shade) for shade in shades]
    references = [Reference.of_distribution(files[0], 1.0), Reference.of_distribution(files[1], 3.0)]
    loss = SWDLoss(patch_size=1, coherence=0.0, small_patches=0.0)
    made = gpdm.synthesize(references, loss=loss, optimizer=gpdm.Optimizer(num_steps=200)).images
    assert float((made < 0).float().mean()) == pytest.approx(0.25, abs=0.05)


def test_a_mask_leaves_its_part_out() -> None:
    left = 0.3 * picture(24, 20) - 0.5
    image, mask = torch.cat([left, left + 1], 3), torch.zeros(1, 1, 24, 40)
    mask[..., 20:] = 1
    stored = gpdm.picture_distribution(gpdm.masked_reference(image, mask))
    assert stored.mean == pytest.approx(left.mean((0, 2, 3)).tolist(), abs=1e-5)
    assert stored.quantiles(1).ends.max() < 1.2  # (0.1, 0.1, 0.1) has length 0.17; the other half goes beyond 1.5


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 1), (4, 3)])
def test_transparency_is_left_out(channels: int, kept: int) -> None:
    image = torch.cat([picture(24, 20, channels - 1 if channels in (2, 4) else channels)] * 2, 3)
    if channels in (2, 4):
        alpha = torch.ones(1, 1, 24, 40)
        alpha[..., 30:] = -1
        image = torch.cat([image, alpha], 1)
    assert gpdm.picture_distribution(image).channels == kept


def test_the_file_of_a_hundred_pictures_is_as_large_as_that_of_one() -> None:
    one, more = (
        gpdm.encode_distribution(gpdm.patch_distribution(picture(24, 24).expand(n, -1, -1, -1))) for n in (1, 9)
    )
    assert abs(len(one) - len(more)) < 100


def test_a_file_holds_what_was_saved(stored: PatchDistribution) -> None:
    named = replace(stored, names=("a.png",))
    data = gpdm.encode_distribution(named)
    found = gpdm.decode_distribution(data, "file")
    assert gpdm.encode_distribution(found) == data and found.names == ("a.png",) and found.size == stored.size
    assert torch.equal(found.quantiles(7).steps, stored.quantiles(7).steps)
    assert len(data) < 200_000 * len(stored.levels)


def damaged(stored: PatchDistribution, change: Callable[[dict[str, Any], dict[str, Tensor]], object]) -> bytes:
    """The content of a file whose header and tensors have been changed."""
    data = gpdm.encode_distribution(stored)
    metadata, tensors = dict(_metadata(data)), load(data)
    header = json.loads(metadata[FORMAT])
    change(header, tensors)
    return save(tensors, {FORMAT: json.dumps(header)})


STEPS, ENDS = "level_0.patch_7.steps", "level_0.patch_7.ends"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda h, t: h.update(version=2), "version 2 of the format"),
        (lambda h, t: h.update(filters=9), "9 of the filters"),
        (lambda h, t: h.pop("size"), "'size' is missing"),
        (lambda h, t: h.update(size=[0, 5]), "its size is 5x0"),
        (lambda h, t: h.update(channels="3"), "it has 3 channels"),
        (lambda h, t: h.update(pixels=-1), "-1 pixels"),
        (lambda h, t: h.update(mean=[0.0]), "mean or deviation"),
        (lambda h, t: h.update(scales=[0.5, 0.25, 1.0]), "scales do not increase"),
        (lambda h, t: h.update(scales=[0.25, 0.5]), "last scale is not 1"),
        (lambda h, t: h.update(patch_sizes=[]), "patch size"),
        (lambda h, t: h.update(patch_sizes=[7, 5]), "is missing"),
        (lambda h, t: h.update(names=[1]), "names"),
        (lambda h, t: t.pop(STEPS), "is missing"),
        (lambda h, t: t.update({STEPS: t[STEPS].float()}), "another type"),
        (lambda h, t: t.update({STEPS: t[STEPS][:, :5].contiguous()}), "shape"),
        (lambda h, t: t.update({ENDS: t[ENDS][:5].contiguous()}), "shape"),
        (lambda h, t: t.update({ENDS: t[ENDS].flip(1).contiguous()}), "ends are wrong"),
        (lambda h, t: t.update({ENDS: t[ENDS] * float("nan")}), "ends are wrong"),
        (lambda h, t: t.update({STEPS: t[STEPS].flip(1).contiguous()}), "quantiles decrease"),
    ],
)
def test_damage_is_one_clear_line(stored: PatchDistribution, change: Any, word: str) -> None:
    with pytest.raises(GPDMError) as error:
        gpdm.decode_distribution(damaged(stored, change), "look.safetensors")
    text = str(error.value)
    assert "look.safetensors" in text and word in text and "\n" not in text


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_a_file_that_is_cut_off(stored: PatchDistribution, cut: int) -> None:
    with pytest.raises(GPDMError, match=r"look is damaged, or no safetensors file .*; save it again"):
        gpdm.decode_distribution(gpdm.encode_distribution(stored)[:cut], "look")


def test_another_safetensors_file() -> None:
    with pytest.raises(GPDMError, match="holds no patch distribution"):
        gpdm.decode_distribution(save({"weight": torch.zeros(3)}), "model")


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"loss": SWDLoss()}, "coherence"),
        ({"loss": SWDLoss(coherence=0.0, solver="exact")}, "solver exact"),
        ({"loss": SWDLoss(coherence=0.0, patch_size=5)}, "patches of 1, 3, 7 pixels"),
        ({"loss": gpdm.BidirectionalLoss()}, "bidirectional"),
        ({"optimizer": PatchNN()}, "nearest"),
        ({"loss": ALONE, "guess": gpdm.InitialGuess(source="reference")}, "source reference"),
        ({"loss": ALONE, "value_range": None}, "value_range"),
    ],
)
def test_what_needs_patches_says_so(stored: PatchDistribution, settings: dict[str, Any], word: str) -> None:
    stored = replace(stored, size=(80, 90))  # large enough for coherence
    with pytest.raises(OptionError, match=word):
        gpdm.synthesize(Reference.of_distribution(stored), **settings)


def test_pictures_and_files_are_not_one_distribution(reference: Tensor, stored: PatchDistribution) -> None:
    with pytest.raises(OptionError, match="one of the references is a picture"):
        gpdm.synthesize([reference, Reference.of_distribution(stored)], loss=ALONE)


def test_pictures_and_files_in_regions_of_their_own(reference: Tensor, stored: PatchDistribution) -> None:
    half = torch.zeros(48, 56)
    half[:, :28] = 1
    made = gpdm.synthesize(
        [reference, Reference.of_distribution(stored, region=half)], loss=ALONE, optimizer=QUICK
    ).images
    assert made.shape == reference.shape


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda s: replace(Reference.of_distribution(s), image=torch.zeros(1, 1, 48, 56)), "of colour pictures"),
        (lambda s: replace(Reference.of_distribution(s), weight=torch.ones(48, 56)), "no pixels to mask"),
    ],
)
def test_a_stand_in_is_no_picture(stored: PatchDistribution, make: Any, word: str) -> None:
    with pytest.raises(GPDMError, match=word):
        gpdm.as_references(make(stored))


def test_tasks_turn_coherence_off_and_edits_refuse(reference: Tensor, stored: PatchDistribution) -> None:
    file, recipe = Reference.of_distribution(stored), replace(gpdm.TASKS["texture"].recipe(), optimizer=QUICK)
    assert gpdm.texture(file, recipe=recipe).images.shape == (1, 3, 72, 84)
    with pytest.raises(GPDMError, match="edits make pictures of patches"):
        gpdm.inpaint(reference, torch.ones(48, 56), references=file)
    with pytest.raises(GPDMError, match="sources of patches"):
        gpdm.evaluate(file, reference)
    with pytest.raises(GPDMError, match="keep keeps pixels"):
        gpdm.texture(file, recipe=recipe, keep=torch.ones(48, 56))
    with pytest.raises(GPDMError, match="saved already"):
        gpdm.patch_distribution(file)


def test_levels_move_to_the_scales_of_the_file() -> None:
    levels = PyramidSchedule(coarse_dim=20).levels([(100, 100)], (100, 150))
    moved = at_scales(levels, [0.1, 0.22, 0.5, 0.97, 1.0])
    assert [level.scale for level in moved] == [0.22, 0.5, 1.0]
    assert [level.index for level in moved] == [0, 1, 2] and moved[0].size == (22, 33)
    assert moved[0].reference_sizes == ((22, 22),)


def test_a_resized_file_uses_the_scale_that_it_then_has(stored: PatchDistribution) -> None:
    half = stored.at(0.5)
    assert (
        half.scales[-1] == 2
        and half.quantiles(7) is min(stored.levels, key=lambda level: abs(level.scale - 0.5)).quantiles[7]
    )


def test_a_level_next_to_full_size_is_dropped() -> None:
    levels = PyramidSchedule(coarse_dim=96).levels([(100, 100)], (100, 100))
    assert len(levels) == 2 and [level.scale for level in at_scales(levels, [0.5, 0.97, 1.0])] == [1.0]


def test_a_reference_is_resized_with_its_distribution(stored: PatchDistribution) -> None:
    half = Reference.of_distribution(stored).at(0.5)
    assert half.image.shape == (1, 3, 24, 28) and half.distribution is not None and half.distribution.scale == 0.5
