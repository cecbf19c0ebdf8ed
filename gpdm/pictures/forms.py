"""Channels of pictures: bringing all pictures of a run to one form, and alpha.

Pictures are grey, grey+alpha, RGB or RGBA, (B, C, H, W) with values in [-1, 1]. Inside a run colours are premultiplied
by alpha (T. Porter and T. Duff, Compositing Digital Images, SIGGRAPH 1984), so that the colours that a file holds under
its transparent pixels have no influence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import ImageError
from ..images import LUMA, Size, check_image, resize, resize_known, size_of

OPAQUE = 1 - 1 / 65535
"""Alpha, from -1 to 1, from which a pixel is opaque: it is the highest of 16 bits after rounding."""
HIDDEN = -1 + 1 / 255
"""Alpha below which a colour is hidden: it is 0 of 8 bits after rounding."""
KINDS = {1: "grey", 2: "grey+alpha", 3: "RGB", 4: "RGBA"}
"""Kind of picture by number of channels."""


@dataclass(frozen=True)
class Form:
    """The channels that all pictures of a run are given."""

    colour: bool
    """True for RGB, False for grey."""
    alpha: bool
    """True with transparency."""

    @classmethod
    def of(cls, images: Iterable[Tensor]) -> Form:
        """Returns the form that holds all channels of some pictures (B, C, H, W)."""
        numbers = [image.shape[1] for image in images]
        return cls(any(number >= 3 for number in numbers), any(number in (2, 4) for number in numbers))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return (3 if self.colour else 1) + self.alpha

    @property
    def kind(self) -> str:
        """Name of the form: one of the values of `KINDS`."""
        return KINDS[self.channels]

    def enter(self, image: Tensor) -> Tensor:
        """Returns pictures (B, C, H, W) in this form, their colours premultiplied by alpha.

        Without alpha in this form, transparent pixels get the colours of visible ones nearby.
        """
        colours, alpha = split_alpha(image)
        colours = colours.expand(-1, 3, -1, -1) if self.colour else grey(colours)
        if not self.alpha:
            return colours.contiguous() if alpha is None else filled(colours, (alpha + 1) / 2)
        if alpha is None:
            alpha = torch.ones_like(colours[:, :1])
        return torch.cat([premultiplied(colours, alpha), alpha], 1)

    def leave(self, image: Tensor) -> Tensor:
        """Returns pictures of this form, (B, C, H, W), with colours as in files: not premultiplied.

        Those under transparent pixels are -1.
        """
        if not self.alpha:
            return image
        colours, alpha = image[:, :-1], image[:, -1:]
        # A hidden colour would be noise after the division.
        visible = alpha >= HIDDEN
        restored = ((colours + 1) / ((alpha + 1) / 2).clamp(min=1 / 510) - 1).clamp(-1, 1)
        restored = torch.where(alpha >= 1, colours, torch.where(visible, restored, -1.0))
        return torch.cat([restored, alpha], 1)


def check_picture(image: object, name: str) -> Tensor:
    """Returns a picture (B, C, H, W) without its alpha channel if that is opaque everywhere.

    Raises:
        ImageError: It is no image of 1 to 4 channels.
    """
    picture = check_image(image, name)
    if picture.shape[1] > 4:
        raise ImageError(f"{name} has {picture.shape[1]} channels; a picture has 1 to 4")
    colours, alpha = split_alpha(picture)
    return colours if alpha is None or bool((alpha >= OPAQUE).all()) else picture


def check_visible(image: Tensor, name: str) -> None:
    """Raises `ImageError` if a picture (B, C, H, W) is transparent everywhere."""
    _, alpha = split_alpha(image)
    if alpha is not None and not bool((alpha >= HIDDEN).any()):
        raise ImageError(f"{name} is transparent everywhere; give a picture with visible pixels")


def is_grey(image: Tensor, weight: Tensor | float = 1.0) -> bool:
    """Returns whether red, green and blue of a picture (B, C, H, W) are equal in every pixel that counts.

    Transparent pixels do not count, nor those whose weight is 0: a map (h, w) or (B or 1, 1, h, w), or a number.
    """
    colours, alpha = split_alpha(image)
    coloured = colours.amax(1, keepdim=True) > colours.amin(1, keepdim=True)
    if alpha is not None:
        coloured = coloured & (alpha >= HIDDEN)
    return not bool((coloured & torch.as_tensor(weight > 0, device=image.device)).any())


def grey(colours: Tensor) -> Tensor:
    """Returns colours (B, 1 or 3, H, W) as grey, (B, 1, H, W); equal colours stay the same."""
    if colours.shape[1] == 1:
        return colours
    weighted = (colours * colours.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    return torch.where((colours == colours[:, :1]).all(1, keepdim=True), colours[:, :1], weighted)


def split_alpha(image: Tensor) -> tuple[Tensor, Tensor | None]:
    """Returns colours (B, 1 or 3, H, W) and alpha (B, 1, H, W) of pictures; None for alpha if they have none."""
    return (image[:, :-1], image[:, -1:]) if has_alpha(image) else (image, None)


def has_alpha(image: Tensor) -> bool:
    """Returns whether pictures (B, C, H, W) have an alpha channel."""
    return image.shape[1] in (2, 4)


def opacity(alpha: Tensor) -> Tensor:
    """Returns alpha (B, 1, H, W) in [-1, 1] as weights from 0 to 1; 0 where a pixel is less than half opaque."""
    weight = (alpha + 1) / 2
    return torch.where(weight >= 0.5, weight, torch.zeros_like(weight))


def premultiplied(colours: Tensor, alpha: Tensor) -> Tensor:
    """Returns colours (B, C, H, W) times alpha (B, 1, H, W) on the scale from 0 to 1, all in [-1, 1]."""
    return torch.where(alpha >= 1, colours, (colours + 1) * ((alpha + 1) / 2) - 1)


def filled(image: Tensor, known: Tensor) -> Tensor:
    """Returns images whose unknown pixels have the colours of known ones nearby.

    The image is halved until it has one pixel, with only the known pixels counted, and each size is filled from the
    next smaller one (pull-push; S. Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4).

    Arguments:
        image: Images, (B, C, H, W).
        known: Known fraction of each pixel, (B, 1, H, W); a pixel with 0 is unknown, and others keep their values.
    """
    size = size_of(image)
    smaller: Size = (-(-size[0] // 2), -(-size[1] // 2))
    if smaller == size:
        return image
    coarse, fraction = resize_known(image, known, smaller)
    return torch.where(known > 0, image, resize(filled(coarse, fraction), size))


def in_one_form(named: Sequence[tuple[str, Tensor]], say: Callable[[str], None]) -> list[Tensor]:
    """Returns pictures in the form that holds the channels of all, for comparing them.

    Arguments:
        named: Each picture (B, C, H, W) with its name in messages, as `check_picture` returns it.
        say: A function that is called with one line of text if the pictures differ in channels.

    Raises:
        ImageError: A picture is transparent everywhere.
    """
    form = Form.of(image for _, image in named)
    for name, image in named:
        check_visible(image, name)
    if differ(named):
        say(f"{kinds_of(named)}; all are used as {form.kind}")
    return [form.enter(image) for _, image in named]


def differ(named: Sequence[tuple[str, Tensor]]) -> bool:
    """Returns whether some pictures have other channels than others."""
    return len({image.shape[1] for _, image in named}) > 1


def kinds_of(named: Sequence[tuple[str, Tensor]]) -> str:
    """Returns the kinds of pictures in words, with up to three names each: "a and b are RGB, c is grey"."""
    groups: dict[int, list[str]] = {}
    for name, image in named:
        groups.setdefault(image.shape[1], []).append(name)
    parts = []
    for channels, names in groups.items():
        shown = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} more"]
        subject = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
        parts.append(f"{subject} {'is' if len(names) == 1 else 'are'} {KINDS[channels]}")
    return ", ".join(parts)
