"""Records of what is made of materials: a task or an edit of pictures, done to all maps at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..edits import EDITS, Edit
from ..options import Options, option
from ..tasks import TASKS, Task


@dataclass(frozen=True, kw_only=True)
class MaterialOptions(Options):
    """Options that all runs with materials have."""

    normals: str = option(
        "auto",
        "renormalise gives the new normals length 1, from_height computes them from the new height with the tilt of the given "
        "ones, and agree also corrects the new height by the new normals first. auto takes agree where the given height "
        "explains the given normals, and else renormalise.",
        choices=("auto", "renormalise", "from_height", "agree"),
    )
    green: str = option(
        "auto",
        "Direction of green in the normal map, for the preview: up as in OpenGL, or down as in DirectX. auto finds it from the "
        "height, and without a height map takes opengl.",
        choices=("auto", "opengl", "directx"),
    )
    preview: str = option(
        "once",
        "Number of copies of the material that the lit preview shows; two by two shows the seams.",
        choices=("once", "two by two"),
    )


@dataclass(frozen=True, kw_only=True)
class MaterialExample:
    """The shipped workflow file of a record."""

    maps: Mapping[str, str]
    """File in workflows/inputs, by the name of the map."""
    mask: str | None = None
    """File in workflows/inputs whose transparency is the mask."""
    values: Mapping[str, Any]
    """Widget values that differ from their defaults."""
    note: str
    """What the output shows, for the note next to the nodes."""


@dataclass(frozen=True, kw_only=True)
class MaterialTask:
    """A task or an edit done to materials. Its node, command, help page, workflow file and tests are made from it."""

    name: str
    """Its key in `MATERIALS`."""
    title: str
    """Name in the editor. The node id is made from it, so it never changes."""
    command: str
    """Name of its command in the terminal."""
    summary: str
    """What it makes, in one or two sentences."""
    advice: str
    """Which settings to change, and what happens then."""
    record: Task | Edit
    """What is done."""
    hidden: tuple[str, ...] = ()
    """Options of that record that make no sense for maps."""
    aliases: tuple[str, ...] = ()
    """Words under which people look for it."""
    example: MaterialExample

    @property
    def mask_help(self) -> str | None:
        """Text on the mask; None: it takes none."""
        return None if isinstance(self.record, Task) else self.record.mask_help

    @property
    def node_id(self) -> str:
        """The id of its node, which saved files hold."""
        return "GPDM_" + self.title.replace(" ", "")

    @property
    def file(self) -> str:
        """The name of its workflow file, without suffix."""
        return self.title.lower().replace(" ", "_")


COBBLES = {name: f"cobbles_{name}.png" for name in ("base_color", "normal", "roughness", "height", "ambient_occlusion")}
"""The sample maps in workflows/inputs (`tools/make_cobbles.py`)."""
PREVIEW = "The preview shows the set under a light from the top left."

MATERIALS = {
    task.name: task
    for task in (
        MaterialTask(
            name="material_texture",
            title="Material Texture",
            command="material",
            summary="More of a material: new maps of any size, such as colour, normals, roughness and height, that belong together "
            "pixel by pixel and can tile.",
            advice="Connect the maps that you have, all of one size. Set width_factor and height_factor, or output_width and output_height in "
            "pixels, and tile to both for maps that repeat without a seam. Maps with one value, such as metallic 0, come back as they are.",
            record=TASKS["texture"],
            hidden=("symmetry", "height"),  # a height is a map here
            aliases=("gpdm", "pbr", "material", "texture", "normal map", "roughness", "height map", "expand texture"),
            example=MaterialExample(
                maps=COBBLES,
                values={"width_factor": 1.0, "height_factor": 1.0, "tile": "both", "preview": "two by two"},
                note=f"All maps are made together and tile. {PREVIEW}",
            ),
        ),
        MaterialTask(
            name="material_tileable",
            title="Material Tileable",
            command="material-tile",
            summary="Makes copies of a material join without a seam. All maps change in the same places, in a band at the borders alone.",
            advice="Connect the maps that you have, all of one size. Other seeds take other pieces. Raise band if objects are cut at the borders; "
            "if no piece fits, set intent to continue.",
            record=EDITS["make_tileable"],
            hidden=("batch",),
            aliases=("gpdm", "pbr", "material", "seamless", "tileable", "normal map", "offset"),
            example=MaterialExample(
                maps=COBBLES,
                values={"preview": "two by two"},
                note=f"Copies of all maps join without a seam. {PREVIEW}",
            ),
        ),
        MaterialTask(
            name="material_inpaint",
            title="Material Inpaint",
            command="material-inpaint",
            summary="Fills the part of a material that a mask covers, in all maps alike. The rest stays as it is, bit for bit.",
            advice="Connect the maps that you have, all of one size, and a mask of any size. Set intent to populate for more of the same, such as "
            "stones.",
            record=EDITS["inpaint"],
            aliases=("gpdm", "pbr", "material", "repair", "remove", "normal map", "fill"),
            example=MaterialExample(
                maps=COBBLES,
                mask="cobbles_painted.png",
                values={},
                note=f"What the mask covers is filled in all maps. {PREVIEW}",
            ),
        ),
    )
}
"""Every record by its name."""
