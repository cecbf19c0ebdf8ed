"""One node per match, made from its record. It gives pictures a property of a reference, such as its colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..gpdm import (
    MATCHES,
    GPDMError,
    Lut,
    Match,
    Matched,
    PreparedMatch,
    Reference,
    picture_bytes,
    prepare_match,
    run_match,
)
from . import convert, host, inputs


class MatchNode:
    """Base of the nodes of matches. Inputs and execution follow from the record."""

    MATCH: Match

    # Matches with a LUT have this output too.
    RETURN_TYPES: tuple[str, ...] = ("IMAGE",)
    RETURN_NAMES: tuple[str, ...] = ("images",)
    OUTPUT_TOOLTIPS: tuple[str, ...] = ("The changed pictures, as one batch.",)
    FUNCTION = "execute"
    CATEGORY = "GPDM/looks"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        match = cls.MATCH
        return {
            "required": {
                "images": inputs.image(match.image_help),
                **({"seed": inputs.SEED} if match.is_random else {}),
                **inputs.widgets(match.options),
            },
            "optional": {
                "reference": inputs.image(f"{match.reference_help} The pictures of a batch count as one reference."),
                "references": inputs.references(
                    "References from GPDM Reference, with masks and weights, in place of reference or together with it."
                ),
                "mask": inputs.mask(match.mask_help),
            },
        }

    def execute(
        self,
        images: Tensor,
        seed: int = 0,
        reference: Tensor | None = None,
        references: Sequence[Reference] = (),
        mask: Tensor | None = None,
        **options: Any,
    ) -> tuple[Any, ...]:
        # ComfyUI runs nodes under inference mode, in which nothing can be optimised by gradients of autograd.
        with torch.inference_mode(False):
            device = host.current().device()
            given = [convert.moved(each, device) for each in references]
            if reference is not None:
                given.insert(0, Reference(convert.to_core(reference.to(device), "reference")))
            if not given:
                raise GPDMError(
                    "there is no reference; connect a picture to reference, or GPDM Reference to references"
                )
            results, matched = run(self.MATCH, given, images, mask, seed=seed, **options)
            more = [] if self.MATCH.lut_help is None else [matched.lut]
            return results, *more


def run(
    match: Match, given: list[Reference] | Lut, images: Tensor, mask: Tensor | None, **settings: Any
) -> tuple[Tensor, Matched]:
    """Returns the results of a match as IMAGEs for other nodes, and the results of the core.

    Arguments:
        match: The match.
        given: References in the core's form, on its device, or the LUT in their place.
        images: IMAGEs that change.
        mask: MASK of what changes; None: everything.
        settings: Keyword arguments of `run_match`.
    """
    here = host.current()
    device = here.device()
    prepared = prepare_match(given, convert.to_core(images.to(device), "images"))
    changing = None if mask is None else convert.to_map(mask, "mask").to(device)
    here.make_room(_required_bytes(prepared))
    if prepared.note:
        here.say(prepared.note)
    matched = run_match(match, prepared, changing, on_step=host.Reporter(here).report, **settings)
    if matched.note:
        here.say(matched.note)
    results = convert.from_core(matched.images)
    if matched.change is not None:
        results = convert.with_unchanged(results, images, matched.change[:, 0])
    return here.intermediate(results), matched


def match_node(match: Match) -> type[MatchNode]:
    """Returns the node class of a match."""
    has_lut = match.lut_help is not None
    attributes = {
        "RETURN_TYPES": (*MatchNode.RETURN_TYPES, *["GPDM_LUT"] * has_lut),
        "RETURN_NAMES": (*MatchNode.RETURN_NAMES, *["lut"] * has_lut),
        "OUTPUT_TOOLTIPS": (*MatchNode.OUTPUT_TOOLTIPS, *[match.lut_help] * has_lut),
        "ID": match.node_id,
        "DISPLAY_NAME": f"GPDM {match.title}",
        "DESCRIPTION": match.summary,
        "SEARCH_ALIASES": list(match.aliases),
        "MATCH": match,
    }
    return type(match.node_id.replace("_", ""), (MatchNode,), attributes)


def _required_bytes(prepared: PreparedMatch) -> int:
    """Returns what a match may take at most: its pictures, with results and intermediate ones."""
    count, channels, height, width = prepared.images.shape
    pixels = sum(x.image.shape[-2] * x.image.shape[-1] for x in prepared.references)
    return picture_bytes(count * height * width, pixels, channels, 1)


NODES = [match_node(match) for match in MATCHES.values()]
