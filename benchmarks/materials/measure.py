"""Runs of a set of maps, and what is measured of their alignment."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

import gpdm
from gpdm.materials.agreement import agreeing_height
from gpdm.materials.normals import Relief, mean_angle, renormalised

APART = {name: seed for seed, name in enumerate(gpdm.MAPS)}
"""Seeds of the maps that are made one by one."""
QUIET = gpdm.MaterialOptions(normals="renormalise")
"""Normals as they come out, so that their angle to those of the height can be measured."""


def luminance(image: Tensor) -> Tensor:
    """Returns the luminance of a base colour, (1, 1, H, W)."""
    return (image[:, :3] * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)


def correlation(a: Tensor, b: Tensor, where: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a[where], b[where]]))[0, 1])


def alignment(maps: dict[str, Tensor], relief: Relief, border: str, where: Tensor | None = None) -> dict[str, float]:
    """Returns the angle between normals and those of the height, and correlations of maps, inside a mask."""
    where = torch.ones_like(maps["height"], dtype=torch.bool) if where is None else where
    inside = where.expand_as(maps["normal"])
    normals, computed = renormalised(maps["normal"]), relief.normals(maps["height"], border)
    vectors = [x[inside].view(1, 3, 1, -1) for x in (normals, computed)]
    light = luminance(maps["base_color"])
    return {
        "angle": mean_angle(*vectors),
        "roughness-luminance": correlation(maps["roughness"], light, where),
        "height-luminance": correlation(maps["height"], light, where),
        "height-roughness": correlation(maps["height"], maps["roughness"], where),
    }


def held_out(reference: Tensor, image: Tensor) -> float:
    return gpdm.evaluate(reference, image).scores["held-out distance"]


def texture_rows(material: gpdm.Material, seed: int, quality: str) -> list[dict[str, Any]]:
    """Returns rows of a texture of the same size: all maps together, in other weights, and one by one."""
    task = gpdm.MATERIALS["material_texture"]
    recipe = task.record.recipe(quality)
    output = replace(recipe.output, width_factor=1.0, height_factor=1.0, tile="both")
    recipe = replace(recipe, output=output)
    maps = dict(material.maps)
    relief = Relief.of(renormalised(maps["normal"]), maps["height"])
    base = maps["base_color"]
    rows = [{"way": "reference", **alignment(maps, relief, "free"), **tilt(maps["normal"])}]

    start = time.process_time()
    together = gpdm.run_material(task, material, options=QUIET, recipe=recipe, seed=seed).material.maps
    rows.append(_row("together", together, relief, base, start))
    height = agreeing_height(together["height"], together["normal"], relief, maps["normal"], "circular")
    agreed = {**together, "height": height, "normal": relief.normals(height, "circular")}
    rows.append(_row("together, agree", agreed, relief, base, start))

    start = time.process_time()
    plain = gpdm.run_task(task.record, torch.cat(list(maps.values()), 1), recipe=recipe, seed=seed)
    parts = plain.images.split([x.shape[1] for x in maps.values()], 1)
    rows.append(_row("together, plain weights", dict(zip(maps, parts, strict=True)), relief, base, start))

    start = time.process_time()
    apart = {
        name: gpdm.run_material(
            task, gpdm.Material({name: image}), options=QUIET, recipe=recipe, seed=seed + APART[name]
        ).material.maps[name]
        for name, image in maps.items()
    }
    return [*rows, _row("one by one", apart, relief, base, start)]


def _row(way: str, maps: dict[str, Tensor], relief: Relief, base: Tensor, start: float) -> dict[str, Any]:
    seconds = round(time.process_time() - start, 1)
    distance = held_out(base, maps["base_color"])
    aligned = alignment(maps, relief, "circular")
    return {"way": way, **aligned, **tilt(maps["normal"]), "held-out distance": distance, "seconds": seconds}


def tilt(normals: Tensor) -> dict[str, float]:
    """Returns the mean angle between normals and the vertical, in degrees."""
    normals = renormalised(normals)
    return {"tilt": mean_angle(normals, normals.new_tensor([0.0, 0.0, 1.0])[:, None, None].expand_as(normals))}


def edit_rows(material: gpdm.Material, name: str, seed: int) -> list[dict[str, Any]]:
    """Returns rows of an edit, measured where it changes the maps, and of the base colour alone."""
    side = material.size[0]
    mask = None
    if name == "material_inpaint":
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        centre = side / 2
        mask = ((rows - centre) ** 2 / 0.15**2 + (columns - centre) ** 2 / 0.2**2 < side**2).float()[None, None]
    task, maps = gpdm.MATERIALS[name], dict(material.maps)
    relief = Relief.of(renormalised(maps["normal"]), maps["height"])
    border = "circular" if mask is None else "free"
    result = []
    for way, options in (("together", QUIET), ("together, auto", gpdm.MaterialOptions())):
        start = time.process_time()
        made = gpdm.run_material(task, material, mask=mask, options=options, seed=seed)
        seconds = round(time.process_time() - start, 1)
        inside = made.masks > 0
        row = alignment(dict(made.material.maps), relief, border, inside)
        distance = held_out(maps["base_color"], made.material.maps["base_color"])
        result.append({"way": way, **row, "held-out distance": distance, "seconds": seconds})
    alone = gpdm.run_material(task, gpdm.Material({"base_color": maps["base_color"]}), mask=mask, seed=seed)
    distance = held_out(maps["base_color"], alone.material.maps["base_color"])
    return [*result, {"way": "base color alone", "held-out distance": distance}]
