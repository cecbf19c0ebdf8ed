"""The node that puts pictures together on one canvas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..gpdm import COLLAGE, Reference
from . import base, convert, inputs

NAMES = ("a", "b", "c", "d", "e", "f")


class GPDMCollage(base.SynthesisNode):
    ID = COLLAGE.node_id
    DISPLAY_NAME = f"GPDM {COLLAGE.title}"
    DESCRIPTION = COLLAGE.summary
    SEARCH_ALIASES = list(COLLAGE.aliases)
    TASK = COLLAGE
    FUNCTION = "collage"
    COMMAND = "gpdm collage A B C -o OUT.png --arrangement row"
    OUTPUT = ("num_outputs", "height")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        recipe = COLLAGE.recipe()
        later = inputs.later(COLLAGE)
        later["references"] = inputs.references("Further pictures from GPDM Reference, which come after the others.")
        more = {name: inputs.image("Another picture, which comes after those before it.") for name in NAMES[2:]}
        return {
            "required": {
                "a": inputs.image("First picture. Each picture of a batch is one of the collage."),
                "b": inputs.image("Second picture, of any size; the larger one is scaled down."),
                "seed": inputs.SEED,
                **inputs.widgets(recipe.own),
                **inputs.widgets(recipe.output, cls.OUTPUT),
            },
            "optional": {**more, **inputs.part_sockets(COLLAGE), **later},
        }

    def collage(
        self, a: Tensor, references: Sequence[Reference] = (), **more: Any
    ) -> tuple[Tensor, Tensor, base.Paused]:
        images = {"a": a, **{name: more.pop(name) for name in NAMES[1:] if more.get(name) is not None}}
        with torch.inference_mode(False):
            given = [Reference(convert.to_core(image, name)) for name, image in images.items()]
        return self.execute(reference=a, references=[*given, *references], **more)


NODES = [GPDMCollage]
