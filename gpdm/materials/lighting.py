"""A view of a material under one directional light and light from all around, seen from above."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .material import Material
from .normals import Relief, renormalised

LIGHT = (-1.0, 1.0, 1.4)
"""Direction to the light: right, up, and towards the viewer; it comes from the top left."""
SUN, AMBIENT = 1.0, 0.25
"""Brightness of a white matt surface that faces the light, and of one under the light from all around."""
PLAIN, DEFAULT_ROUGHNESS = 0.5, 1.0
"""Base colour, linear, and roughness of a material without these maps."""
DIELECTRIC = 0.04
"""Reflectance of what is no metal, seen from above."""
LEAST_ROUGHNESS = 0.05
DEFAULT_TILT = 0.35
"""Root mean square slope that a height map is given where there is no normal map."""


def lit(material: Material, y_is_up: bool = True, border: str = "free") -> Tensor:
    """Returns a picture (B, 3, H, W) in [-1, 1] of a lit material. A material without roughness is matt.

    Arguments:
        material: The material. Without normals they follow from the height, and without height it is flat.
        y_is_up: Whether the y of normals points up, as in OpenGL.
        border: One of `borders.BORDERS`, for normals of the height.
    """
    maps, image = material.maps, next(iter(material.maps.values()))
    base = to_linear(_colours(maps["base_color"])) if "base_color" in maps else torch.full_like(image[:, :1], PLAIN)
    base = base.expand(-1, 3, -1, -1)
    roughness, metallic = ((maps[name] + 1) / 2 if name in maps else None for name in ("roughness", "metallic"))
    metal = torch.zeros_like(image[:, :1]) if metallic is None else metallic
    normals = _normals(material, y_is_up, border)
    light = normals.new_tensor(LIGHT) / math.hypot(*LIGHT)
    shade = lambert(normals, light)
    ambient = AMBIENT * ((maps["ambient_occlusion"] + 1) / 2 if "ambient_occlusion" in maps else 1.0)
    colour = base * (1 - metal) * (SUN * shade + ambient)
    if roughness is not None or metallic is not None:
        rough = torch.full_like(metal, DEFAULT_ROUGHNESS) if roughness is None else roughness
        reflectance = DIELECTRIC + (base - DIELECTRIC) * metal
        colour = colour + math.pi * SUN * shade * ggx(normals, light, rough) * schlick(reflectance, light)
        colour = colour + ambient * reflectance
    return to_srgb(colour.clamp(0, 1)) * 2 - 1


def lambert(normals: Tensor, light: Tensor) -> Tensor:
    """Returns the cosine between normals (B, 3, H, W) and the unit vector to the light, (3,); at least 0."""
    return (normals * light[:, None, None]).sum(1, keepdim=True).clamp(min=0)


def ggx(normals: Tensor, light: Tensor, roughness: Tensor) -> Tensor:
    """Returns distribution times visibility of microfacets with roughness (B, 1, H, W), seen from above.

    References:
        Walter, Marschner, Li and Torrance, Microfacet Models for Refraction through Rough Surfaces, EGSR 2007; Heitz,
        Understanding the Masking-Shadowing Function in Microfacet-Based BRDFs, JCGT 2014.
    """
    alpha = roughness.clamp(min=LEAST_ROUGHNESS).square()
    view = light.new_tensor([0.0, 0.0, 1.0])
    half = (light + view) / (light + view).norm()
    to_light, to_view, to_half = (lambert(normals, vector).clamp(min=1e-3) for vector in (light, view, half))
    square = alpha.square()
    distribution = square / (math.pi * (to_half.square() * (square - 1) + 1).square())
    masking = to_light * (to_view.square() * (1 - square) + square).sqrt()
    shadowing = to_view * (to_light.square() * (1 - square) + square).sqrt()
    return distribution * 0.5 / (masking + shadowing)


def schlick(reflectance: Tensor, light: Tensor) -> Tensor:
    """Returns the reflectance at half the angle between the light and the view from above (Schlick 1994)."""
    cosine = math.sqrt((1 + float(light[2])) / 2)
    return reflectance + (1 - reflectance) * (1 - cosine) ** 5


def to_linear(image: Tensor) -> Tensor:
    """Returns the linear values, from 0 to 1, of sRGB in [-1, 1]."""
    values = (image + 1) / 2
    return torch.where(values <= 0.04045, values / 12.92, ((values.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def to_srgb(values: Tensor) -> Tensor:
    """Returns the sRGB, from 0 to 1, of linear values from 0 to 1."""
    return torch.where(values <= 0.0031308, values * 12.92, 1.055 * values.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def _colours(image: Tensor) -> Tensor:
    """Returns the colours of a base colour, with or without alpha."""
    return image[:, :-1] if image.shape[1] in (2, 4) else image


def _normals(material: Material, y_is_up: bool, border: str) -> Tensor:
    """Returns the normals of a material, with the y up."""
    maps = material.maps
    if "normal" in maps:
        normals = renormalised(maps["normal"])
    elif "height" in maps:
        return Relief.with_tilt(maps["height"], DEFAULT_TILT).normals(maps["height"], border)
    else:
        image = next(iter(maps.values()))
        normals = image.new_tensor([0.0, 0.0, 1.0])[:, None, None].expand(len(image), 3, *image.shape[2:])
    return normals if y_is_up else normals * normals.new_tensor([1.0, -1.0, 1.0])[:, None, None]
