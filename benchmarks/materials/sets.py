"""Sets of maps: four computed surfaces, and three derived from photographs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

import gpdm

from ..common import ROOT, load_image

INPUTS = ROOT / "workflows" / "inputs"
STEEPNESS = 3.0
"""Slope that a change of the height by 1 for each pixel makes, for heights from -1 to 1."""


def material_of(name: str, side: int) -> gpdm.Material:
    """Returns one of `SETS`, with maps of `side` x `side` pixels."""
    maps = cobbles(side) if name == "cobbles" else SURFACES[name](side) if name in SURFACES else photograph(name, side)
    if "normal" not in maps:
        maps["normal"] = normals(maps["height"])
    return gpdm.Material(maps)


def normals(height: Tensor) -> Tensor:
    """Returns the normals of a height map (1, 1, H, W) by central differences, with green up as in OpenGL."""
    down, right = torch.gradient(height[0, 0])
    vectors = torch.stack([-STEEPNESS * right, STEEPNESS * down, torch.ones_like(right)])[None]
    return vectors / vectors.norm(dim=1, keepdim=True)


def cobbles(side: int) -> dict[str, Tensor]:
    """Returns a part of the shipped maps."""
    maps = {}
    for name in ("base_color", "normal", "roughness", "height", "ambient_occlusion"):
        with Image.open(INPUTS / f"cobbles_{name}.png") as picture:
            maps[name] = gpdm.from_pil(picture)[..., :side, :side].contiguous()
    return maps


def noise(generator: torch.Generator, side: int, scale: float) -> Tensor:
    """Returns smooth noise (side, side) of standard deviation 1, with features of about `scale` pixels."""
    spectrum = torch.fft.fft2(torch.randn(side, side, generator=generator))
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.fftfreq(side)[None])
    smooth = torch.fft.ifft2(spectrum * torch.exp(-((2 * scale * frequency) ** 2))).real
    return (smooth - smooth.mean()) / smooth.std()


def bricks(side: int) -> dict[str, Tensor]:
    """Returns a brick wall: color, roughness and height of a brick are independent of each other."""
    g = torch.Generator().manual_seed(1)
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    row = rows // 12
    shifted = columns + 12 * (row % 2)
    brick = row * 40 + shifted // 24
    edge = torch.minimum(torch.minimum(rows % 12, 11 - rows % 12), torch.minimum(shifted % 24, 23 - shifted % 24))
    solid = (edge.float() / 2.5).clamp(0, 1)
    colour, rough, raised = (torch.rand(2000, generator=g)[brick] for _ in range(3))
    height = solid * (0.7 + 0.25 * raised) + 0.02 * noise(g, side, 1.5)
    base = torch.stack([0.45 + 0.2 * colour, 0.22 + 0.1 * colour, 0.17 + 0.04 * colour])
    base = base * (1 + 0.1 * noise(g, side, 1.5))
    base = 0.6 + solid * (base - 0.6)
    return _maps(base, 0.9 - solid * 0.5 * rough + 0.04 * noise(g, side, 2), height)


def sand(side: int) -> dict[str, Tensor]:
    """Returns rippled sand with dark stains, which are not in the height."""
    g = torch.Generator().manual_seed(2)
    rows, columns = torch.meshgrid(torch.arange(side).float(), torch.arange(side).float(), indexing="ij")
    phase = (rows + 0.35 * columns) / 2.2 + 1.2 * noise(g, side, 14)
    height = 0.5 + 0.35 * phase.sin() + 0.03 * noise(g, side, 1.2)
    stains = (noise(g, side, 9) - 0.6).clamp(0, 1)
    base = torch.tensor([0.76, 0.62, 0.42])[:, None, None] * (1 - 0.45 * stains + 0.05 * noise(g, side, 1))
    return _maps(base, 0.85 - 0.5 * stains + 0.03 * noise(g, side, 1.5), height)


def rust(side: int) -> dict[str, Tensor]:
    """Returns a plate with studs that rusts: a metallic map with two values, nearly."""
    g = torch.Generator().manual_seed(3)
    rows, columns = torch.meshgrid(torch.arange(side).float(), torch.arange(side).float(), indexing="ij")
    studs = ((rows * torch.pi / 8).sin() * (columns * torch.pi / 8).sin()).abs().clamp(min=0.35) - 0.35
    rusty = (3 * (noise(g, side, 10) + 0.35 * noise(g, side, 2))).sigmoid()
    height = studs + 0.25 * rusty * (0.5 + 0.2 * noise(g, side, 1.5)) + 0.2
    steel, brown = torch.tensor([0.62, 0.63, 0.65]), torch.tensor([0.40, 0.20, 0.10])
    base = steel[:, None, None] + rusty * (brown - steel)[:, None, None]
    maps = _maps(base * (1 + 0.08 * noise(g, side, 1.5)), 0.3 + 0.6 * rusty + 0.03 * noise(g, side, 1), height)
    return maps | {"metallic": (1 - 2 * rusty)[None, None]}


def photograph(name: str, side: int) -> dict[str, Tensor]:
    """Returns maps derived from a photograph, as programs do: height is blurred luminance, roughness its inverse."""
    folder = INPUTS if (INPUTS / f"{name}.jpg").exists() else ROOT / "benchmarks" / "inputs"
    with Image.open(folder / f"{name}.jpg") as picture:
        width, height = picture.size
    size = (side, round(side * width / height)) if height < width else (round(side * height / width), side)
    image = load_image(folder / f"{name}.jpg", size)[..., :side, :side]
    luminance = (image * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    blurred = F.avg_pool2d(F.pad(luminance, (2, 2, 2, 2), mode="replicate"), 5, 1)
    return {"base_color": image, "roughness": (-0.6 * luminance + 0.2).clamp(-1, 1), "height": blurred}


def _maps(base: Tensor, roughness: Tensor, height: Tensor) -> dict[str, Tensor]:
    """Returns maps, given from 0 to 1, in [-1, 1] as 8 bits hold them."""
    named = {"base_color": base[None], "roughness": roughness[None, None], "height": height[None, None]}
    return {name: (values.clamp(0, 1) * 255).round() / 127.5 - 1 for name, values in named.items()}


SURFACES = {"bricks": bricks, "sand": sand, "rust": rust}
SETS = ("cobbles", *SURFACES, "wood", "canyon", "tissue")
"""Names of all sets."""
