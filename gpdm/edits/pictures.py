"""Pictures as people have them, with any mix of channels and with transparency, prepared for an edit."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from ..errors import ImageError
from ..images import Size, size_of
from ..pictures.forms import Form, check_picture, check_visible, differ, kinds_of, opacity, split_alpha
from ..references import Images, Reference, as_references, check_pictures, named_references, sizes_of


@dataclass(frozen=True)
class PreparedEdit:
    """Pictures with the same channels, as arguments of `run_edit`."""

    image: Tensor
    """Pictures, (B, C, H, W), as they are given. An alpha channel that is opaque everywhere is left out."""
    references: list[Reference] | None
    """Other pictures whose patches are used; None: there are none."""
    note: str | None
    """A line that says how the pictures differ in channels and what is done about it; None if they do not."""

    @property
    def source_sizes(self) -> list[Size]:
        """Height and width of each reference that `Edits.sources` counts."""
        return [size_of(self.image)] if self.references is None else sizes_of(self.references)


def prepare_edit(image: Tensor, references: Images | None = None) -> PreparedEdit:
    """Returns the pictures of an edit, references with the channels of the picture that is edited.

    The picture keeps its values, so that the part outside the mask stays as it is. If it has no alpha channel, patches
    that touch transparent pixels of references are not used.

    Arguments:
        image: Pictures to edit, (B, C, H, W) in [-1, 1] with C from 1 to 4.
        references: Other pictures whose patches are used, as in `run_edit`.

    Raises:
        ImageError: A picture is no image of 1 to 4 channels, or transparent everywhere, or a reference has a region.
    """
    picture = check_picture(image, "image")
    named, used = [("image", picture)], []
    for name, reference in [] if references is None else named_references(references):
        check_pictures([reference], "edits make pictures of patches")
        if reference.region is not None:
            raise ImageError(f"{name} has a region, which edits do not use: the mask says where; leave the region out")
        used.append(replace(reference, image=check_picture(reference.image, name)))
        named.append((name, used[-1].image))
    for name, tensor in named:
        check_visible(tensor, name)
    form = Form.of([picture])
    note = f"{kinds_of(named)}; all are used as {form.kind}" if differ(named) else None
    return PreparedEdit(picture, as_references([_in_form(x, form) for x in used]) if used else None, note)


def _in_form(reference: Reference, form: Form) -> Reference:
    """Returns a reference in a form. If that has no alpha, the weight of its transparent pixels is 0."""
    _, alpha = split_alpha(reference.image)
    image = form.leave(form.enter(reference.image))
    if form.alpha or alpha is None:
        return replace(reference, image=image)
    return replace(reference, image=image, weight=reference.weight * opacity(alpha))
