"""The node that mixes two pictures, or more with references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..gpdm import MIX, SIZE_OPTIONS, Options, Reference, option
from . import base, convert, inputs


@dataclass(frozen=True, kw_only=True)
class ShareOptions(Options):
    """The share of the second picture."""

    share_of_b: float = option(
        0.5,
        "Share of b in the output, from 0, a alone, to 1, b alone; with a gradient it moves the middle. Pictures at "
        "references count by their weights beside it: a has the weight 1 - share_of_b.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )


class GPDMMixReferences(base.SynthesisNode):
    ID = MIX.node_id
    DISPLAY_NAME = f"GPDM {MIX.title}"
    DESCRIPTION = MIX.summary
    SEARCH_ALIASES = list(MIX.aliases)
    TASK = MIX
    FUNCTION = "mix"
    COMMAND = "gpdm mix A B -o OUT.png --weights 0.7 0.3"
    OUTPUT = ("num_outputs", "height", *SIZE_OPTIONS)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        recipe = MIX.recipe()
        later = inputs.later(MIX)
        later["references"] = inputs.references(
            "Further pictures from GPDM Reference, which are mixed by their weights."
        )
        return {
            "required": {
                "a": inputs.image("First picture. The output has its size, unless options set another."),
                "b": inputs.image("Second picture, of any size and at the same scale as the first."),
                "seed": inputs.SEED,
                **inputs.widgets(ShareOptions),
                **inputs.widgets(recipe.own),
                **inputs.widgets(recipe.output, cls.OUTPUT),
            },
            "optional": {**inputs.part_sockets(MIX), **later},
        }

    def mix(
        self, a: Tensor, b: Tensor, share_of_b: float, references: Sequence[Reference] = (), **more: Any
    ) -> tuple[Tensor, Tensor, base.Paused]:
        share = ShareOptions(share_of_b=share_of_b).share_of_b
        with torch.inference_mode(False):
            mixed = [Reference(convert.to_core(a, "a"), 1 - share), Reference(convert.to_core(b, "b"), share)]
        return self.execute(reference=a, references=[*mixed, *references], **more)


NODES = [GPDMMixReferences]
