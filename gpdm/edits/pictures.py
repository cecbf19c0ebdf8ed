"""Pictures as people have them, with any mix of channels and with transparency, prepared for an edit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import ImageError
from ..images import Size, size_of
from ..pictures.forms import (
    Form,
    check_picture,
    check_visible,
    differ,
    has_alpha,
    kinds_of,
    opacity,
    split_alpha,
)
from ..references import Images, Reference, as_references, named_references, sizes_of
from .base import restored
from .run import Edits


@dataclass(frozen=True)
class PreparedEdit:
    """Pictures in one form, as arguments of `run_edit`."""

    image: Tensor
    """Pictures, (B, C, H, W), their colours premultiplied by alpha."""
    references: list[Reference] | None
    """Other pictures whose patches are used; None: there are none."""
    form: Form
    """The form that all pictures have."""
    given: Tensor
    """The pictures as they are given, with the channels of the form."""
    note: str | None
    """A line that says how the pictures differ in channels and what is done about it; None if they do not."""

    @property
    def source_sizes(self) -> list[Size]:
        """Height and width of each reference that `Edits.sources` counts."""
        return [size_of(self.image)] if self.references is None else sizes_of(self.references)

    def finish(self, edits: Edits) -> Edits:
        """Returns the results of `run_edit` with pictures as they are saved: RGBA not premultiplied.

        Pixels outside the masks are bit for bit those given, if the size is the same.
        """
        if not self.form.alpha:
            return edits
        images = self.form.leave(edits.images)
        if size_of(images) == size_of(self.given):
            given = self.given[[i % len(self.given) for i in range(len(images))]]
            images = restored(images, given, edits.masks)
        return replace(edits, images=images)


def prepare_edit(image: Tensor, references: Images | None = None) -> PreparedEdit:
    """Returns the pictures of an edit in one form, whether they are grey, grey+alpha, RGB or RGBA.

    An alpha channel that is opaque everywhere is left out. The result has transparency if the pictures have; if only
    references have, patches that touch their transparent pixels are not used.

    Arguments:
        image: Pictures to edit, (B, C, H, W) in [-1, 1] with C from 1 to 4.
        references: Other pictures whose patches are used, as in `run_edit`.

    Raises:
        ImageError: A picture is no image of 1 to 4 channels, or transparent everywhere, or a reference has a region.
    """
    picture = check_picture(image, "image")
    named = [("image", picture)]
    used: list[Reference] = []
    for name, reference in [] if references is None else named_references(references):
        if reference.region is not None:
            raise ImageError(f"{name} has a region, which edits do not use: the mask says where; leave the region out")
        used.append(replace(reference, image=check_picture(reference.image, name)))
        named.append((name, used[-1].image))
    for name, tensor in named:
        check_visible(tensor, name)
    form = Form(Form.of(tensor for _, tensor in named).colour, has_alpha(picture))
    note = f"{kinds_of(named)}; all are used as {form.kind}" if differ(named) else None
    entered = [_entered(reference, form) for reference in used]
    return PreparedEdit(
        form.enter(picture), as_references(entered) if entered else None, form, _with_channels(picture, form), note
    )


def _entered(reference: Reference, form: Form) -> Reference:
    """Returns a reference in a form. If that has no alpha, the weight of its transparent pixels is 0."""
    _, alpha = split_alpha(reference.image)
    image = form.enter(reference.image)
    if form.alpha or alpha is None:
        return replace(reference, image=image)
    return replace(reference, image=image, weight=reference.weight * opacity(alpha))


def _with_channels(picture: Tensor, form: Form) -> Tensor:
    """Returns a picture with the channels of a form; its values stay the same."""
    colours, alpha = split_alpha(picture)
    colours = colours.expand(-1, 3 if form.colour else 1, -1, -1)
    return colours if alpha is None else torch.cat([colours, alpha], 1)
