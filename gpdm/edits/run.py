"""One function that runs any edit, on a batch of pictures and for several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..errors import GPDMError, ImageError, OptionError
from ..images import Units, check_image
from ..options import check_int
from ..pictures.forms import Form
from ..pictures.masks import masks_for
from ..pictures.progress import OnProgress, part_of
from ..references import Images, as_references, check_pictures
from .base import Edit, Edited, EditInput


@dataclass(frozen=True)
class Edits:
    """The results of an edit."""

    images: Tensor
    """Pictures, (N, C, H, W)."""
    masks: Tensor
    """1 where a picture may differ from the given one, else 0, (N, 1, H, W)."""
    sources: Tensor
    """As `Edited.source`, (N, 3, H, W)."""
    metrics: tuple[Mapping[str, float], ...]
    """As `Edited.metrics`, for each result."""


def run_edit(
    edit: Edit,
    image: Tensor,
    mask: Tensor | None = None,
    *,
    references: Images | None = None,
    exclude: Tensor | None = None,
    seed: int = 0,
    num_outputs: int = 1,
    units: Units | None = None,
    on_step: OnProgress | None = None,
    **options: Any,
) -> Edits:
    """Returns the results of an edit.

    Arguments:
        edit: One of `EDITS`.
        image: Pictures, (B, C, H, W) in [-1, 1]. With one picture and `num_outputs` above 1, output i has seed + i.
        mask: Masks of any size, (h, w), (B, h, w) or (B, 1, h, w) with B 1 or that of the pictures, values
            from 0 to 1, for an edit with a mask.
        references: Pictures whose patches are used in place of those of the picture itself.
        exclude: Masks of the part of the picture whose patches are not used, as `mask`.
        seed: Any integer.
        num_outputs: Number of outputs, if there is one picture.
        units: Working units of data that are no pictures, such as maps of a material: they may have any number of
            channels and any values.
        on_step: Callback after each step, and at last with each result. An exception that it raises stops the run.
        options: Fields of `edit.options`.

    Raises:
        ImageError: A picture or mask cannot be used.
        OptionError: An option has a value that is not allowed.
        GPDMError: The edit cannot be made with these pictures.
    """
    chosen = edit.options(**options)
    check_image(image, "image")
    if units is not None:
        units.check(image)
    if edit.needs_mask and mask is None:
        raise ImageError(f"{edit.name} needs a mask; paint the part of the picture that changes")
    batch = len(image)
    if chosen.together:
        image = image.flatten(0, 1)[None]
    elif batch > 1 and num_outputs not in (1, batch):
        raise OptionError(
            "num_outputs", num_outputs, f"a batch of {batch} pictures makes one output from each; set it to 1"
        )
    count = len(image) if len(image) > 1 else check_int("num_outputs", num_outputs, 1)
    if references is not None and exclude is not None and bool(exclude.any()):
        raise GPDMError(
            "exclude is a part of the picture, whose patches the references replace; leave out exclude or references"
        )
    given_masks, excluded = (masks_for(each, name, len(image)) for each, name in ((mask, "mask"), (exclude, "exclude")))
    given = [] if references is None else as_references(references)
    check_pictures(given, "edits make pictures of patches")
    form: Form | Units | None = units
    if units is None and image.shape[1] in (2, 4) and not chosen.together:
        form = Form.of([image])  # colours under transparent pixels have no influence
    if form is not None:
        given = [replace(x, image=form.enter(x.image)) for x in given]
    results: list[Edited] = []
    with torch.no_grad():
        for i in range(count):
            which = i % len(image)
            picture = image[which : which + 1]
            entry = EditInput(
                image=picture if form is None else form.enter(picture),
                mask=given_masks[which],
                references=given,
                exclude=excluded[which],
                seed=check_int("seed", seed) + i,
                on_step=_leaving(part_of(on_step, i, count), form),
            )
            edited = edit.apply(entry, chosen)
            if form is not None:
                edited = replace(edited, image=form.leave(edited.image))
            if units is None:  # blending may exceed the range of pictures a little
                edited = replace(edited, image=edited.image.clamp(-1, 1))
            results.append(_exact(edited, picture))
            if on_step is not None:
                on_step((i + 1) / count, results[-1].image[:1])
    images = torch.cat([x.image for x in results])
    if chosen.together:
        images = images.unflatten(1, (batch, -1)).flatten(0, 1)
    masks, sources = torch.cat([x.mask for x in results]), torch.stack([x.source for x in results])
    return Edits(images, masks, sources, tuple(x.metrics for x in results))


def _leaving(on_step: OnProgress | None, form: Form | Units | None) -> OnProgress | None:
    """Returns a callback of a run in a form or in working units, which gets pictures as they are given."""
    if on_step is None or form is None:
        return on_step
    return lambda done, image: on_step(done, form.leave(image))


def _exact(edited: Edited, picture: Tensor) -> Edited:
    """Returns a result that has the pixels of the given picture, (1, C, H, W), where the mask is 0, bit for bit."""
    if bool((edited.mask > 0).all()):  # such a result may have another size
        return edited
    (top, left), image = edited.origin, edited.image.clone()
    rows, columns = slice(top, top + picture.shape[2]), slice(left, left + picture.shape[3])
    inside = image[..., rows, columns]
    inside.copy_(torch.where(edited.mask[..., rows, columns] > 0, inside, picture))
    return replace(edited, image=image)


def as_edit_function(edit: Edit) -> Callable[..., Edits]:
    """Returns the function that runs `edit`, with the record's texts as its documentation."""

    def run(image: Tensor, *masks: Tensor, **settings: Any) -> Edits:
        return run_edit(edit, image, *masks, **settings)

    run.__name__ = run.__qualname__ = edit.name
    mask = "" if edit.mask_help is None else f"    mask: {edit.mask_help} See `run_edit`.\n"
    run.__doc__ = (
        f"Returns the results of the edit {edit.name}. {edit.summary}\n\nArguments:\n    image: {edit.image_help} "
        f"(B, C, H, W) in [-1, 1].\n{mask}    settings: The keyword arguments of `run_edit`.\n\n"
        "Raises:\n    GPDMError: As in `run_edit`."
    )
    return run
