"""Materials: maps stay aligned, weigh the same, and come back as they were where nothing changes."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gpdm import (
    MATERIALS,
    GPDMError,
    ImageError,
    Material,
    MaterialOptions,
    Optimizer,
    OptionError,
    Recipe,
    Units,
    lit,
    run_material,
)
from gpdm.borders import repeated
from gpdm.materials.agreement import agreeing_height
from gpdm.materials.lighting import ggx, lambert, to_linear, to_srgb
from gpdm.materials.normals import Relief, gradients, mean_angle, renormalised
from gpdm.materials.stack import Stack
from library.problems import picture

EVERY = pytest.mark.parametrize("task", MATERIALS.values(), ids=MATERIALS)
SIZE = (40, 44)
UP = torch.tensor([0.0, 0.0, 1.0])


def bumps() -> Tensor:
    """A smooth height map."""
    coarse = torch.rand(1, 1, 7, 7, generator=torch.Generator().manual_seed(3)) * 2 - 1
    return F.interpolate(coarse, size=SIZE, mode="bicubic").clamp(-1, 1)


def material(**more: Any) -> Material:
    """Base color, normals of a height with a known relief, that height, and a metallic map with one value."""
    height = bumps()
    maps = {"base_color": picture(*SIZE), "normal": Relief(3.0, -3.0).normals(height), "height": height}
    return Material(maps | {"metallic": torch.full((1, 1, *SIZE), -1.0)} | more)


def made(task: Any, given: Material, **more: Any) -> Any:
    """The result for a small rectangle, in two steps at the size of the reference."""
    if task.name == "material_texture":
        recipe = Recipe(optimizer=Optimizer(num_steps=2, fine_steps=2))
        return run_material(task, given, **({"recipe": recipe} | more))
    mask = None
    if task.mask_help is not None:
        mask = torch.zeros(1, 1, *SIZE)
        mask[..., 16:23, 18:26] = 1
    return run_material(task, given, mask=mask, **more)


def flat(image: Tensor) -> Tensor:
    return UP[:, None, None].expand(len(image), 3, *image.shape[2:])


# --- the noun


@pytest.mark.parametrize(
    ("maps", "said"),
    [
        ({}, "at least one map"),
        ({"albedo": picture()}, "no map 'albedo'"),
        ({"base_color": picture(20, 20), "height": picture(20, 24, 1)}, "base_color is 20x20 and height is 24x20"),
        ({"height": picture(20, 20, 1).repeat(2, 1, 1, 1), "roughness": picture(20, 20, 1)}, "is a batch of 1"),
        ({"normal": picture(20, 20, 1)}, "normal is grey"),
        ({"normal": -flat(picture(20, 20))}, "points into the surface"),
        ({"roughness": picture(20, 20)}, "roughness is in colour"),
        ({"height": picture(20, 20, 2)}, "height has transparency"),
        ({"other": torch.full((1, 1, 8, 8), math.nan)}, "other contains NaN"),
        ({"base_color": -torch.ones(1, 4, 8, 8)}, "base_color is transparent everywhere"),
    ],
)
def test_what_is_no_material_is_refused(maps: dict[str, Tensor], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        Material(maps)


def test_a_grey_map_may_come_with_three_channels() -> None:
    grey = picture(20, 20, 1)
    given = Material({"roughness": grey.expand(-1, 3, -1, -1), "normal": torch.cat([flat(grey), grey * 0 + 1], 1)})
    assert torch.equal(given.maps["roughness"], grey)
    assert given.maps["normal"].shape[1] == 3, "without an opaque alpha channel"


# --- the stack


def test_each_map_has_one_spread() -> None:
    given = material(roughness=0.2 * picture(*SIZE, 1, seed=5) + 0.4)
    stack = Stack.of(given, 0.4)
    working = stack.units.enter(stack.image)
    for name, part in zip(given.maps, working.split([x.shape[1] for x in given.maps.values()], 1), strict=True):
        assert float(part.mean((0, 2, 3)).abs().amax()) < 1e-5
        spread = float(part.square().sum(1).mean().sqrt())
        assert spread == pytest.approx(0 if name == "metallic" else 0.4, abs=1e-4), name


def test_noise_of_a_nearly_constant_map_is_not_blown_up() -> None:
    noise = 0.002 * torch.randn(1, 1, *SIZE, generator=torch.Generator().manual_seed(0))
    stack = Stack.of(Material({"roughness": 0.5 + noise}), 0.4)
    assert float(stack.units.enter(stack.image).std()) < 0.04


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_stack_comes_apart_as_it_was_put_together(channels: int) -> None:
    given = material(base_color=picture(*SIZE, channels))
    stack = Stack.of(given, 0.4)
    maps = stack.split(stack.units.leave(stack.units.enter(stack.image)))
    assert list(maps) == list(given.maps)
    visible = given.maps["base_color"][:, -1:] > -0.9 if channels in (2, 4) else torch.ones(1, 1, *SIZE) > 0
    for name, image in maps.items():
        where = visible if name == "base_color" else torch.ones_like(visible)
        torch.testing.assert_close(image * where, given.maps[name] * where, atol=2e-5, rtol=0)


def test_a_grey_base_color_stays_grey() -> None:
    grey = picture(*SIZE, 1).expand(-1, 3, -1, -1)
    images = made(MATERIALS["material_texture"], material(base_color=grey)).material.maps["base_color"]
    assert images.shape[1] == 3
    assert torch.equal(images[:, 0], images[:, 2])


def test_units_for_other_channels_are_refused() -> None:
    from gpdm import synthesize

    units = Units(torch.zeros(1, 2, 1, 1), torch.ones(1, 2, 1, 1))
    with pytest.raises(ImageError, match=r"has 3 channels \(RGB\) and the working units are for 2"):
        synthesize(picture(), value_range=units)


# --- normals


@pytest.mark.parametrize(("right", "down"), [(2.0, -2.0), (2.0, 2.0), (-2.0, 2.0), (-2.0, -2.0)])
@pytest.mark.parametrize("operator", ["central", "sobel"])
def test_the_relief_of_normals_is_found(right: float, down: float, operator: str) -> None:
    relief = Relief(right, down, operator)
    found = Relief.of(relief.normals(bumps()), bumps())
    assert (found.right, found.down) == pytest.approx((right, down), rel=1e-3)
    assert found.operator == operator
    assert found.y_is_up == (right * down < 0)


def test_the_gradient_of_a_ramp_is_its_slope() -> None:
    ramp = (0.02 * torch.arange(20.0)[:, None] + 0.05 * torch.arange(20.0))[None, None]
    inside = gradients(ramp)[..., 1:-1, 1:-1]
    torch.testing.assert_close(inside[0, :, 5, 5], torch.tensor([0.05, 0.02]))
    torch.testing.assert_close(gradients(ramp, "sobel")[..., 1:-1, 1:-1], inside)


def test_gradients_wrap_where_the_border_does() -> None:
    height, turned = bumps(), bumps().roll((7, 9), (2, 3))
    torch.testing.assert_close(
        gradients(height, "sobel", "circular").roll((7, 9), (2, 3)), gradients(turned, "sobel", "circular")
    )


@pytest.mark.parametrize("degrees", [0.0, 0.01, 30.0, 90.0])
def test_the_angle_between_normals(degrees: float) -> None:
    turned = torch.tensor([math.sin(math.radians(degrees)), 0.0, math.cos(math.radians(degrees))])
    assert mean_angle(flat(picture()), turned[:, None, None].expand(1, 3, 32, 40)) == pytest.approx(degrees, abs=1e-4)


def test_a_vector_without_direction_becomes_a_flat_normal() -> None:
    assert torch.equal(renormalised(torch.zeros(1, 3, 2, 2)), flat(torch.zeros(1, 3, 2, 2)))


# --- runs


@EVERY
def test_maps_come_back_with_unit_normals_and_constant_maps_exact(task: Any) -> None:
    given = material()
    result = made(task, given, options=MaterialOptions(normals="renormalise"))
    assert list(result.material.maps) == list(given.maps)
    assert bool((result.material.maps["metallic"] == -1).all())
    torch.testing.assert_close(result.material.maps["normal"].norm(dim=1), torch.ones(1, *result.material.size))


@EVERY
def test_normals_follow_from_the_height_if_those_given_do(task: Any) -> None:
    given = material()
    result = made(task, given)
    assert result.normals == "agree"
    expected = Relief(3.0, -3.0).normals(result.material.maps["height"])
    inside = (..., slice(2, -2), slice(2, -2))  # borders may wrap
    where = torch.ones_like(expected) > 0 if result.masks is None else (result.masks > 0).expand_as(expected)
    torch.testing.assert_close(
        result.material.maps["normal"][inside][where[inside]], expected[inside][where[inside]], atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("operator", ["central", "sobel"])
@pytest.mark.parametrize("border", ["free", "circular", "circular x", "circular y"])
def test_a_height_and_normals_that_agree_stay(border: str, operator: str) -> None:
    relief, height = Relief(2.0, 2.0, operator), 0.9 * bumps()
    if border != "free":  # which wraps without a step
        height = torch.cat([height, height.flip(2)], 2)
        height = torch.cat([height, height.flip(3)], 3)
    normals = relief.normals(height, border)
    found = agreeing_height(height, normals, relief, normals, border)
    # Beyond a border that does not wrap, the last line is repeated in one case and mirrored in the other: the same.
    assert float((found - height).abs().mean()) < 6e-4


def test_noise_of_a_height_is_corrected_by_the_normals() -> None:
    relief, height = Relief(3.0, -3.0), 0.8 * bumps()
    noise = 0.1 * torch.randn(height.shape, generator=torch.Generator().manual_seed(1))
    normals = relief.normals(height)
    found = agreeing_height(height + noise, normals, relief, normals)
    assert mean_angle(normals, relief.normals(found)) < 0.6 * mean_angle(normals, relief.normals(height + noise))
    assert float((found - height).square().mean()) < 0.8 * float(noise.square().mean())


@EVERY
def test_normals_that_the_height_does_not_explain_are_kept(task: Any) -> None:
    other = Relief(3.0, -3.0).normals(bumps().flip(3))
    assert made(task, material(normal=other)).normals == "renormalise"


@pytest.mark.parametrize("name", ["material_tileable", "material_inpaint"])
def test_outside_the_mask_every_map_stays_bit_for_bit(name: str) -> None:
    given = material(base_color=picture(*SIZE, 4).clamp(-0.5, 1), roughness=picture(*SIZE, 1, seed=4))
    result = made(MATERIALS[name], given)
    rest = result.masks == 0
    assert 0 < float(rest.float().mean()) < 1
    for key, image in given.maps.items():
        assert torch.equal(image * rest, result.material.maps[key] * rest), key
        assert not torch.equal(image, result.material.maps[key]) or key == "metallic"


@pytest.mark.parametrize("name", ["material_tileable", "material_inpaint"])
def test_the_pixels_of_all_maps_come_from_the_same_places(name: str) -> None:
    """Maps that are functions of each other, pixel by pixel, are so in the result; blending is linear as they are."""
    height = 0.7 * bumps()
    result = made(
        MATERIALS[name], Material({"height": height, "roughness": -0.5 * height, "other": 0.3 * height + 0.2})
    )
    maps = result.material.maps
    torch.testing.assert_close(maps["roughness"], -0.5 * maps["height"], atol=1e-3, rtol=0)
    torch.testing.assert_close(maps["other"], 0.3 * maps["height"] + 0.2, atol=1e-3, rtol=0)


def test_a_texture_keeps_maps_together() -> None:
    """Of two maps that are one, the new ones correlate; those of two runs do not."""
    height = bumps()
    recipe = Recipe(optimizer=Optimizer(num_steps=60, fine_steps=30))
    both = run_material(
        MATERIALS["material_texture"], Material({"height": height, "roughness": -height}), recipe=recipe
    )
    alone = run_material(MATERIALS["material_texture"], Material({"height": height}), recipe=recipe, seed=1)
    maps = both.material.maps
    assert correlation(maps["height"], -maps["roughness"]) > 0.9
    assert correlation(maps["height"], alone.material.maps["height"]) < 0.7


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


def test_more_outputs_are_those_of_the_next_seeds() -> None:
    recipe = Recipe(optimizer=Optimizer(num_steps=2, fine_steps=2))
    both = run_material(MATERIALS["material_texture"], material(), recipe=recipe, seed=3, num_outputs=2)
    second = run_material(MATERIALS["material_texture"], material(), recipe=recipe, seed=4)
    for name, image in second.material.maps.items():
        assert torch.equal(both.material.maps[name][1:], image), name


def test_normals_from_a_height_need_one() -> None:
    with pytest.raises(GPDMError, match="needs a normal and a height map"):
        made(
            MATERIALS["material_texture"],
            Material({"normal": flat(picture())}),
            options=MaterialOptions(normals="from_height"),
        )


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"tile": "mirrored"}, "tile = 'mirrored' .* choose both or half drop"),
        ({"symmetry": "kaleidoscope 6"}, "symmetry = 'kaleidoscope 6' .* choose none"),
    ],
)
def test_normals_are_neither_mirrored_nor_rotated(output: dict[str, str], said: str) -> None:
    task = MATERIALS["material_texture"]
    with pytest.raises(OptionError, match=said):
        made(task, material(), **output)
    without = Material({name: image for name, image in material().maps.items() if name != "normal"})
    assert set(made(task, without, **output).material.maps) == set(without.maps)


@pytest.mark.parametrize("border", ["half drop", "brick"])
def test_gradients_of_tiles_that_are_moved_go_on_in_the_next_tile(border: str) -> None:
    height = bumps()
    around = repeated(height, border)
    torch.testing.assert_close(
        gradients(height, "sobel", border), gradients(around, "sobel", "circular")[..., :40, :44]
    )


@pytest.mark.parametrize("border", ["half drop", "brick", "mirrored"])
def test_a_height_and_normals_agree_in_all_kinds_of_tiles(border: str) -> None:
    """The result is that of the tiles around it, whose normals are not mirrored: for mirrored ones as with free borders."""
    height, relief = 0.9 * bumps(), Relief(2.0, 2.0)
    normals = relief.normals(height, border)
    found = agreeing_height(0.8 * height, normals, relief, normals, border)
    if border == "mirrored":
        expected = agreeing_height(0.8 * height, normals, relief, normals, "free")
    else:
        tiles, around = repeated(0.8 * height, border), repeated(normals, border)
        expected = agreeing_height(tiles, around, relief, normals, "circular")[..., :40, :44]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_the_preview_shows_tiles_as_they_join() -> None:
    given = material()
    once, four = (
        made(MATERIALS["material_texture"], given, tile="half drop", options=MaterialOptions(preview=preview)).preview
        for preview in ("once", "two by two")
    )
    assert torch.equal(four, repeated(once, "half drop"))


# --- light


def test_a_flat_matt_surface_has_lamberts_cosine() -> None:
    light = torch.tensor([0.0, math.sin(1.0), math.cos(1.0)])
    torch.testing.assert_close(lambert(flat(picture()), light), torch.full((1, 1, 32, 40), math.cos(1.0)))
    turned = light[:, None, None].expand(1, 3, 4, 4)
    torch.testing.assert_close(lambert(turned, light), torch.ones(1, 1, 4, 4))
    assert float(lambert(-turned, light).amax()) == 0


def test_a_lit_flat_surface_is_its_color_times_one_number() -> None:
    base = picture().clamp(-0.5, 0.5)
    ratio = to_linear(lit(Material({"base_color": base}))) / to_linear(base)
    assert float(ratio.std()) < 1e-4


def test_srgb_there_and_back() -> None:
    values = torch.linspace(0, 1, 100)
    torch.testing.assert_close(to_linear(to_srgb(values) * 2 - 1), values, atol=1e-5, rtol=1e-4)
    assert float(to_linear(torch.zeros(1))) == pytest.approx(0.21404, abs=1e-4)  # sRGB 0.5


def test_the_energy_of_ggx_is_one() -> None:
    """The projected area of microfacets is 1: the integral of distribution times cosine over the hemisphere."""
    angles = torch.linspace(0, math.pi / 2, 4000)[:-1]
    alpha = 0.5**2
    half = torch.stack([angles.sin(), 0 * angles, angles.cos()])[None, :, None]
    view = torch.tensor([0.0, 0.0, 1.0])
    # With the light above, the half vector is the view, and the normal is turned instead.
    found = ggx(half, view, torch.tensor(0.5).expand(1, 1, 1, len(angles)))[0, 0, 0]
    cosine = angles.cos()
    visibility = 0.5 / (2 * cosine * (cosine.square() * (1 - alpha**2) + alpha**2).sqrt()).clamp(min=1e-9)
    distribution = found / visibility
    energy = torch.trapezoid(distribution * cosine * 2 * math.pi * angles.sin(), angles)
    assert float(energy) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("green", "above"), [(True, True), (False, False)])
def test_light_comes_from_the_top(green: bool, above: bool) -> None:
    """Where the y of normals is up, those with positive y face the light at the top left."""
    normals = renormalised(
        torch.cat([torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.5), torch.ones(1, 1, 8, 8)], 1)
    )
    shown = lit(Material({"normal": normals}), y_is_up=green)
    assert bool(shown.mean() > lit(Material({"normal": flat(normals)})).mean()) == above
