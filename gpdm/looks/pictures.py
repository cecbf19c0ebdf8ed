"""Pictures as people have them, with any mix of channels and with transparency, prepared for a match."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import ImageError
from ..pictures.forms import Form, check_picture, check_visible, differ, is_grey, kinds_of, opacity, split_alpha
from ..references import Images, Reference, as_references, named_references
from .lut import Lut


@dataclass(frozen=True)
class PreparedMatch:
    """Pictures with the same channels, without alpha."""

    images: Tensor
    """Pictures that change, (B, 1 or 3, H, W). Transparent pixels have the colours of visible ones nearby."""
    given: Tensor
    """The pictures as they were given, with the channels of the outputs, (B, C, H, W)."""
    references: list[Reference]
    """Pictures that are matched, one each. Transparent pixels have weight 0. Empty if there is a LUT."""
    lut: Lut | None
    """A change of colours in place of references; None: there is none."""
    note: str | None
    """A line that says how the pictures differ in channels and what is done about it; None if they do not."""

    @property
    def alpha(self) -> Tensor | None:
        """Alpha channel of the pictures, (B, 1, H, W), which stays as it is; None if they are opaque."""
        return split_alpha(self.given)[1]

    def leave(self, images: Tensor) -> Tensor:
        """Returns outputs (B, 1 or 3, H, W) with the channels of `given`."""
        return _with_channels(images, self.given.shape[1] >= 3, self.alpha)


def prepare_match(references: Images | Lut, images: Tensor) -> PreparedMatch:
    """Returns the pictures of a match with the same channels.

    If all are grey, whatever their channels, the work is done with one channel: with three, outputs would not be grey.

    Arguments:
        references: Pictures that are matched, (B, C, h, w) in [-1, 1] with C from 1 to 4, `Reference`s, or a list; or a
            change of colours.
        images: Pictures that change, (B, C, H, W).

    Raises:
        ImageError: A picture is no image of 1 to 4 channels, or transparent everywhere, or a reference has a region.
    """
    picture = check_picture(images, "image")
    if isinstance(references, Lut):
        return _prepared_for_lut(references, picture)
    named, used = [("image", picture)], []
    for name, reference in named_references(references):
        if reference.region is not None:
            raise ImageError(f"{name} has a region, which is not used here: the mask says where; leave the region out")
        used.append((name, replace(reference, image=check_picture(reference.image, name))))
        named.append((name, used[-1][1].image))
    for name, tensor in named:
        check_visible(tensor, name)
    (colours, alpha), colour = split_alpha(picture), Form.of(tensor for _, tensor in named).colour
    form = Form(colour=not (is_grey(picture) and all(is_grey(x.image, x.weight) for _, x in used)), alpha=False)
    return PreparedMatch(
        form.enter(picture),
        _with_channels(colours, colour, alpha),
        as_references([_in_form(name, reference, form) for name, reference in used]),
        None,
        f"{kinds_of(named)}; the outputs are {Form(colour, alpha is not None).kind}" if differ(named) else None,
    )


def _prepared_for_lut(lut: Lut, picture: Tensor) -> PreparedMatch:
    """Returns pictures (B, C, H, W) whose colours a LUT changes. Grey ones stay grey if the LUT has no colours."""
    check_visible(picture, "image")
    (colours, alpha), form = split_alpha(picture), Form(colour=not (is_grey(picture) and lut.is_grey), alpha=False)
    gets_colour = form.colour and colours.shape[1] == 1
    note = f"image is grey and the LUT has colours; the outputs are {Form(True, alpha is not None).kind}"
    given = _with_channels(colours, form.colour or colours.shape[1] == 3, alpha)
    return PreparedMatch(form.enter(picture), given, [], lut, note if gets_colour else None)


def _with_channels(colours: Tensor, colour: bool, alpha: Tensor | None) -> Tensor:
    """Returns colours (B, 1 or 3, H, W) as grey or RGB, with an alpha channel if there is one."""
    colours = colours.expand(-1, 3, -1, -1) if colour else colours
    return colours.contiguous() if alpha is None else torch.cat([colours, alpha], 1)


def _in_form(name: str, reference: Reference, form: Form) -> Reference:
    """Returns a reference in a form without alpha. The weight of its transparent pixels is 0."""
    _, alpha = split_alpha(reference.image)
    image = form.enter(reference.image)
    if alpha is None:
        return replace(reference, image=image)
    visible = opacity(alpha)
    if not bool(visible.any()):
        raise ImageError(f"{name} has no pixel that is at least half opaque; give a picture with visible pixels")
    return replace(reference, image=image, weight=reference.weight * visible)
