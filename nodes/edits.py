"""One node per edit, made from its record. The edit changes a part of a picture and leaves the rest as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..gpdm import (
    EDITS,
    Edit,
    Edits,
    GPDMError,
    Level,
    PatchNN,
    Reference,
    pasted_part,
    picture_bytes,
    prepare_edit,
    run_edit,
    source_map,
)
from . import convert, host, inputs


class EditNode:
    """Base of the nodes of edits. Inputs and execution follow from the record."""

    EDIT: Edit

    # Edits with a preview or metrics have these outputs too.
    RETURN_TYPES: tuple[str, ...] = ("IMAGE", "MASK", "IMAGE")
    RETURN_NAMES: tuple[str, ...] = ("images", "mask", "sources")
    OUTPUT_TOOLTIPS: tuple[str, ...] = (
        "The edited pictures, as one batch.",
        "The part of each picture that was changed, for example as the noise mask of a latent.",
        "For each picture, the positions that its new pixels were copied from, as colours: red at the top left, yellow "
        "at the top right, blue and green below. What was not copied is darkened.",
    )
    FUNCTION = "execute"
    CATEGORY = "GPDM/edits"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        edit = cls.EDIT
        masks = {} if edit.mask_help is None else {"mask": inputs.mask(edit.mask_help)}
        return {
            "required": {
                "image": inputs.image(edit.image_help),
                **(masks if edit.needs_mask else {}),
                "seed": inputs.SEED,
                **inputs.edit_widgets(edit.options, later=False),
            },
            "optional": {
                "num_outputs": inputs.num_outputs(),
                **({} if edit.needs_mask else masks),
                **(_SOCKETS if edit.takes_references else {}),
                **({} if edit.original_help is None else {"original": inputs.image(edit.original_help)}),
                **inputs.edit_widgets(edit.options, later=True),
            },
        }

    def execute(
        self,
        image: Tensor,
        seed: int,
        mask: Tensor | None = None,
        num_outputs: int = 1,
        references: Sequence[Reference] = (),
        exclude: Tensor | None = None,
        original: Tensor | None = None,
        **options: Any,
    ) -> tuple[Any, ...]:
        here = host.current()
        # ComfyUI runs nodes under inference mode, in which nothing can be optimised by gradients of autograd.
        with torch.inference_mode(False):
            device = here.device()
            prepared = prepare_edit(
                convert.to_core(image.to(device), "image"),
                [convert.moved(reference, device) for reference in references] or None,
            )
            masks, excluded = (
                None if given is None else convert.to_map(given, name).to(device)
                for name, given in (("mask", mask), ("exclude", exclude))
            )
            if prepared.references is not None and excluded is not None and bool(excluded.any()):
                raise GPDMError(
                    "references and exclude are both connected: exclude is a part of image, whose patches references "
                    "replace; disconnect one, or mask the reference on GPDM Reference"
                )
            if original is not None:
                if masks is not None and bool(masks.any()):
                    raise GPDMError(
                        "mask and original both say what was pasted; leave the mask empty, as Load Image gives it for an "
                        "opaque picture, or disconnect original"
                    )
                masks = pasted_part(prepared.image, convert.to_core(original.to(device), "original"))
            settings = self.EDIT.options(**options)
            size = settings.output_size((prepared.image.shape[-2], prepared.image.shape[-1]))
            here.make_room(required_bytes(prepared.image, size, prepared.source_sizes))
            if prepared.note:
                here.say(prepared.note)
            results = run_edit(
                self.EDIT,
                prepared.image,
                masks,
                references=prepared.references,
                exclude=excluded,
                seed=seed,
                num_outputs=num_outputs,
                on_step=host.Reporter(here).report,
                **options,
            )
            images, changed = convert.from_core(results.images), results.masks[:, 0]
            # Maps of one material share a mask and their sources.
            changed, sources = (x.repeat_interleave(len(images) // len(x), 0) for x in (changed, results.sources))
            if images.shape[1:3] == image.shape[1:3]:
                images = convert.with_unchanged(images, image, changed)
            maps = convert.from_core(_source_maps(sources, prepared.source_sizes, results.images))
            outputs = [images, changed, maps]
            if self.EDIT.preview is not None:
                shown_images = self.EDIT.preview.show(images.movedim(-1, 1), settings)
                outputs.append(shown_images.movedim(1, -1).contiguous())
            shown = [] if self.EDIT.metrics is None else [_report(results)]
            return *(here.intermediate(output) for output in outputs), *shown


def edit_node(edit: Edit) -> type[EditNode]:
    """Returns the node class of an edit."""
    more = [] if edit.preview is None else [("IMAGE", "preview", edit.preview.help)]
    more += [] if edit.metrics is None else [("STRING", "metrics", edit.metrics)]
    kinds, names, tooltips = zip(*more, strict=True) if more else ((), (), ())
    attributes = {
        "RETURN_TYPES": (*EditNode.RETURN_TYPES, *kinds),
        "RETURN_NAMES": (*EditNode.RETURN_NAMES, *names),
        "OUTPUT_TOOLTIPS": (*EditNode.OUTPUT_TOOLTIPS, *tooltips),
        "ID": edit.node_id,
        "DISPLAY_NAME": f"GPDM {edit.title}",
        "DESCRIPTION": edit.summary,
        "SEARCH_ALIASES": list(edit.aliases),
        "EDIT": edit,
    }
    return type(edit.node_id.replace("_", ""), (EditNode,), attributes)


_SOCKETS = {
    "references": inputs.references(
        "References from GPDM Reference, whose patches are used in place of those of the picture itself."
    ),
    "exclude": inputs.mask(
        "Part of the picture whose patches are not used, as painted in the mask editor. An empty mask excludes nothing."
    ),
}


def required_bytes(image: Tensor, size: tuple[int, int], source_sizes: Sequence[tuple[int, int]]) -> int:
    """Returns what an edit may take at most, if all of the result is new: its images, and the search for patches.

    Arguments:
        image: Pictures, (B, C, H, W).
        size: Height and width of the results.
        source_sizes: Height and width of each reference.
    """
    level = Level(0, 1.0, size, tuple(source_sizes))
    pictures = picture_bytes(level.pixels, level.reference_pixels, image.shape[1], len(image))
    return pictures + PatchNN(search="approximate").memory(None, level)[1]


def _report(results: Edits) -> str:
    """Returns the metrics of all results, as text with a line for each."""
    lines = [[f"{name}: {value:.2f}" for name, value in metrics.items()] for metrics in results.metrics]
    return "\n".join(line for part in lines for line in part)


def _source_maps(sources: Tensor, sizes: Sequence[tuple[int, int]], images: Tensor) -> Tensor:
    """Returns the map of each result (N, 3, H, W), (N, 3, H, W) in [-1, 1]."""
    pairs = zip(sources, images.split(1), strict=True)
    return torch.cat([source_map(source, sizes, image) for source, image in pairs])


NODES = [edit_node(edit) for edit in EDITS.values()]
