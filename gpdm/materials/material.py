"""The data noun of a material: maps of one surface, such as colour, normals and height, of one size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from ..errors import ImageError
from ..images import Size, resize, scaled, size_of
from ..pictures.forms import check_picture, check_visible, grey, has_alpha

GREY_TOLERANCE = 0.08
"""Largest difference between red, green and blue, for values from -1 to 1, of a map that holds one number for each
pixel: lossy files of a grey map have small ones."""


@dataclass(frozen=True)
class MapKind:
    """One kind of map."""

    name: str
    """Key in `Material.maps`; its input, flag and file have this name."""
    content: Literal["colour", "vector", "number"]
    """What a pixel holds."""
    help: str
    """What the map is, in a noun phrase."""

    @property
    def flag(self) -> str:
        """The flag in the terminal."""
        return "--" + self.name.replace("_", "-")


MAPS = {
    kind.name: kind
    for kind in (
        MapKind("base_color", "colour", "Base colour (albedo), sRGB, with or without transparency."),
        MapKind("normal", "vector", "Normal map in tangent space: x, y and z in red, green and blue."),
        MapKind("roughness", "number", "Roughness, from 0, a mirror, to 1; one number for each pixel."),
        MapKind("metallic", "number", "Metallic map, 1 where the surface is bare metal."),
        MapKind("height", "number", "Height (displacement), white is high."),
        MapKind(
            "ambient_occlusion", "number", "Ambient occlusion, dark where little light of the surroundings arrives."
        ),
        MapKind(
            "other", "colour", "A further map, such as emission, or several grey maps packed in red, green and blue."
        ),
    )
}
"""Every kind of map by its name, in the order of inputs, flags and channels."""


@dataclass(frozen=True)
class Material:
    """Maps of one surface that belong together pixel by pixel.

    Raises:
        ImageError: There is no map, one is of an unknown kind or cannot be used, or sizes differ. The message names it.
    """

    maps: Mapping[str, Tensor]
    """Maps by the name of their kind, (B, C, H, W) in [-1, 1]; a batch is several materials. Numbers and normals have 1
    and 3 channels then, and colours 1 to 4, without alpha if that is opaque everywhere. A normal is the vector itself.
    """

    def __post_init__(self) -> None:
        if not self.maps:
            raise ImageError(f"a material needs at least one map; give one of {', '.join(MAPS)}")
        for name in self.maps:
            if name not in MAPS:
                raise ImageError(f"a material has no map {name!r}; it has {', '.join(MAPS)}")
        maps = {name: _usable(self.maps[name], kind) for name, kind in MAPS.items() if name in self.maps}
        first, image = next(iter(maps.items()))
        for name, other in maps.items():
            if size_of(other) != size_of(image):
                sizes = [f"{x.shape[3]}x{x.shape[2]}" for x in (image, other)]
                raise ImageError(
                    f"{first} is {sizes[0]} and {name} is {sizes[1]}; scale all maps of a material to one size"
                )
            if len(other) != len(image):
                raise ImageError(
                    f"{first} is a batch of {len(image)} and {name} of {len(other)}; give each map equally often"
                )
            if other.device != image.device:
                raise ImageError(f"{first} is on {image.device} and {name} on {other.device}; move them to one device")
        object.__setattr__(self, "maps", maps)

    @property
    def size(self) -> Size:
        """Height and width, in pixels."""
        return size_of(next(iter(self.maps.values())))

    def at(self, scale: float) -> Material:
        """Returns this material resized by `scale`."""
        size = scaled(self.size, scale)
        return self if size == self.size else Material({name: resize(x, size) for name, x in self.maps.items()})


def _usable(image: object, kind: MapKind) -> Tensor:
    """Returns a map with the channels that `Material.maps` promises; raises `ImageError` if it cannot be used."""
    picture = check_picture(image, kind.name)
    if kind.content == "colour":
        check_visible(picture, kind.name)
        return picture
    if has_alpha(picture):
        raise ImageError(
            f"{kind.name} has transparency, which only base_color and other may have; save it without alpha"
        )
    if kind.content == "number":
        if float((picture.amax(1) - picture.amin(1)).amax()) > GREY_TOLERANCE:
            raise ImageError(
                f"{kind.name} is in colour and holds one number for each pixel; if several maps are packed in its red, "
                "green and blue, give it as other, or give each of these channels as a grey map"
            )
        return grey(picture).contiguous()
    if picture.shape[1] == 1:
        raise ImageError("normal is grey; a normal map has red, green and blue; give a bump or height map as height")
    if float(picture[:, 2].mean()) <= 0:
        raise ImageError(
            "normal points into the surface: the mean of its blue is not above one half; give a normal map in tangent "
            "space with the z of the vectors in blue"
        )
    return picture
