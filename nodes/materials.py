"""One node per task or edit of materials, made from its record. All maps of a surface change together."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..gpdm import (
    DEFAULT_QUALITY,
    MAPS,
    MATERIALS,
    SIZE_OPTIONS,
    GPDMError,
    Material,
    MaterialOptions,
    MaterialTask,
    OutputOptions,
    Recipe,
    Task,
    describe,
    run_material,
)
from . import base, convert, edits, host, inputs


class MaterialNode:
    """Base of the nodes for materials. Inputs and execution follow from the record."""

    MATERIAL: MaterialTask

    RETURN_TYPES = ("IMAGE",) * (len(MAPS) + 1)
    RETURN_NAMES = (*MAPS, "preview")
    OUTPUT_TOOLTIPS = (
        *(
            f"New {name.replace('_', ' ')} map. Nodes behind it do not run if this map is not connected."
            for name in MAPS
        ),
        "The material under a light from the top left.",
    )
    FUNCTION = "execute"
    CATEGORY = "GPDM/materials"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        material, record = cls.MATERIAL, cls.MATERIAL.record
        is_task = isinstance(record, Task)
        options = record.recipe().output if isinstance(record, Task) else record.options
        names = ("num_outputs", *SIZE_OPTIONS, "tile") if is_task else [*inputs.edit_widgets(options, later=False)]
        return {
            "required": {
                **({} if material.mask_help is None else {"mask": inputs.mask(material.mask_help)}),
                "seed": inputs.SEED,
                **inputs.widgets(options, [name for name in names if name not in material.hidden]),
                **({"quality": inputs.QUALITY} if is_task else {"num_outputs": inputs.num_outputs()}),
            },
            "optional": {
                **{kind.name: inputs.image(kind.help) for kind in MAPS.values()},
                **inputs.widgets(MaterialOptions),
                **(inputs.part_sockets(record) if isinstance(record, Task) else {}),
                **(inputs.widgets(OutputOptions, ["memory"]) if is_task else inputs.edit_widgets(options, later=True)),
            },
        }

    def execute(
        self,
        seed: int,
        mask: Tensor | None = None,
        quality: str = DEFAULT_QUALITY,
        loss: Any = None,
        pyramid: Any = None,
        guess: base.Start | None = None,
        optimizer: Any = None,
        **more: Any,
    ) -> tuple[Any, ...]:
        here = host.current()
        given = {name: image for name in MAPS if (image := more.pop(name, None)) is not None}
        names = [spec.name for spec in describe(MaterialOptions)]
        options = MaterialOptions(**{name: more.pop(name) for name in names if name in more})
        record, recipe = self.MATERIAL.record, None
        if isinstance(record, Task):
            if guess is not None and guess.init is not None:
                raise GPDMError(
                    "GPDM Initial Guess has a picture to start from, which has no maps; disconnect its init"
                )
            recipe = inputs.overridden(
                record.recipe(quality),
                loss=loss,
                pyramid=pyramid,
                guess=None if guess is None else guess.guess,
                optimizer=optimizer,
                output=OutputOptions(**more),
            )
            more = {}
        # ComfyUI runs nodes under inference mode, in which nothing can be optimised by gradients of autograd.
        with torch.inference_mode(False):
            device = here.device()
            material = Material({name: convert.to_core(image.to(device), name) for name, image in given.items()})
            here.make_room(_required_bytes(material, recipe))
            reporter = host.Reporter(here)
            result = run_material(
                self.MATERIAL,
                material,
                mask=None if mask is None else convert.to_map(mask, "mask").to(device),
                options=options,
                seed=seed,
                recipe=recipe,
                on_step=reporter if recipe else reporter.report,
                **more,
            )
            images = {**result.material.maps, "preview": result.preview}
            pictures = {name: convert.from_core(image) for name, image in images.items()}
            if result.masks is not None:
                changed = result.masks[:, 0]
                for name, image in given.items():
                    pictures[name] = convert.with_unchanged(pictures[name], image, changed)
            return tuple(
                here.intermediate(pictures[name]) if name in pictures else here.nothing() for name in self.RETURN_NAMES
            )


def _required_bytes(material: Material, recipe: Recipe | None) -> int:
    """Returns what a run with all maps may take: one with a recipe, or else an edit."""
    channels = sum(image.shape[1] for image in material.maps.values())
    image = next(iter(material.maps.values()))[:, :1].expand(-1, channels, -1, -1)
    if recipe is None:
        return edits.required_bytes(image, material.size, [material.size])
    return 0 if recipe.output.memory else base.required_bytes([image], [], None, recipe, channels)


def material_node(material: MaterialTask) -> type[MaterialNode]:
    """Returns the node class of a task or edit of materials."""
    attributes = {
        "ID": material.node_id,
        "DISPLAY_NAME": f"GPDM {material.title}",
        "DESCRIPTION": material.summary,
        "SEARCH_ALIASES": list(material.aliases),
        "MATERIAL": material,
    }
    return type(material.node_id.replace("_", ""), (MaterialNode,), attributes)


NODES = [material_node(material) for material in MATERIALS.values()]
