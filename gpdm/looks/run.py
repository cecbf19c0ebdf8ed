"""One function that runs any match."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..errors import GPDMError, ImageError
from ..images import resize, size_of
from ..options import check_int
from ..pictures.forms import opacity
from ..pictures.masks import masks_for
from ..pictures.progress import OnProgress
from ..references import Images
from .base import Match, Matched, MatchInput
from .lut import Lut
from .pictures import PreparedMatch, prepare_match


def run_match(
    match: Match,
    prepared: PreparedMatch,
    mask: Tensor | None = None,
    *,
    seed: int = 0,
    on_step: OnProgress | None = None,
    **options: Any,
) -> Matched:
    """Returns the results of a match, with the channels of the pictures that were given.

    Arguments:
        match: One of `MATCHES`.
        prepared: The pictures, from `prepare_match`.
        mask: Masks of any size, (h, w), (B, h, w) or (B, 1, h, w) with B 1 or that of the pictures, values from 0 to
            1: how much each pixel changes. None: all of it.
        seed: Any integer; a match that is not random does not use it.
        on_step: Callback after each step, and at last with the first result. An exception that it raises stops the run.
        options: Fields of `match.options`.

    Raises:
        ImageError: The mask cannot be used, or is empty.
        OptionError: An option has a value that is not allowed.
        GPDMError: The match cannot be made with these pictures.
    """
    if prepared.lut is not None and match.lut_help is None:
        raise GPDMError(f"{match.name} changes more than colours, so it takes no LUT; give a picture as the reference")
    chosen, images = match.options(**options), prepared.images
    change = _change(mask, images)
    visible = None if prepared.alpha is None else opacity(prepared.alpha)
    weight = visible if change is None else change if visible is None else change * visible
    if weight is not None and not bool(weight.any()):
        raise ImageError("the mask covers only transparent pixels; paint a visible part of the picture")
    entry = MatchInput(
        images=images,
        references=prepared.references,
        lut=prepared.lut,
        weight=weight,
        seed=check_int("seed", seed),
        on_step=on_step,
    )
    with torch.no_grad():
        matched = match.apply(entry, chosen)
        result = matched.images.clamp(-1, 1)
        if change is None:
            result = prepared.leave(result)
        else:
            result = prepared.leave(images + change * (result - images))
            result = torch.where(change > 0, result, prepared.given)
    if on_step is not None:
        on_step(1.0, result[:1])
    return replace(matched, images=result, change=change)


def as_match_function(match: Match) -> Callable[..., Matched]:
    """Returns the function that runs `match`, with the record's texts as its documentation."""

    def run(references: Images | Lut, images: Tensor, *masks: Tensor, **settings: Any) -> Matched:
        return run_match(match, prepare_match(references, images), *masks, **settings)

    run.__name__ = run.__qualname__ = match.name
    run.__doc__ = (
        f"Returns the results of the match {match.name}. {match.summary}\n\nArguments:\n"
        f"    references: {match.reference_help} Images (B, C, h, w) in [-1, 1], `Reference`s, or a list of either"
        f"{'' if match.lut_help is None else '; or a `Lut`'}.\n"
        f"    images: {match.image_help} (B, C, H, W) in [-1, 1].\n    mask: {match.mask_help} See `run_match`.\n"
        "    settings: The keyword arguments of `run_match`.\n\nRaises:\n    GPDMError: As in `run_match`."
    )
    return run


def _change(mask: Tensor | None, images: Tensor) -> Tensor | None:
    """Returns masks at the size of the pictures, (B, 1, H, W); None for no mask."""
    maps = masks_for(mask, "mask", len(images))
    resized = [resize(each.to(images), size_of(images)).clamp(0, 1) for each in maps if each is not None]
    if not resized:
        return None
    change = torch.cat(resized)
    if not bool(change.any()):
        raise ImageError("the mask is empty; paint the part of the picture that changes, or leave the mask out")
    return change
