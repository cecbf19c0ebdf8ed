"""Pictures as people have them, with any mix of channels and with transparency, and the form that a run gives them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..images import resize, size_of
from ..pictures.forms import Form, check_picture, kinds_of, split_alpha
from ..references import Images, Reference, named_references


@dataclass(frozen=True)
class Sources:
    """The pictures that decide about the channels of a run, without opaque alpha channels."""

    references: list[Reference]
    start: Tensor | None
    kept: Tensor | None
    """The picture with the kept pixels."""
    reference_name: str
    start_name: str

    def named(self) -> list[tuple[str, Tensor]]:
        """Returns each picture with its name in messages."""
        single = len(self.references) == 1
        names = [
            self.reference_name if single else f"{self.reference_name} {i + 1}" for i in range(len(self.references))
        ]
        pictures = [*zip(names, (reference.image for reference in self.references), strict=True)]
        others = ((self.start_name, self.start), ("the picture with the kept pixels", self.kept))
        return pictures + [(name, image) for name, image in others if image is not None]

    def form(self) -> Form:
        """Returns the form in which the pictures take part in the run."""
        everything = Form.of(image for _, image in self.named())
        of_references, of_start = self._transparent(*(x.image for x in self.references)), self._transparent(self.start)
        shared = of_references and (self.start is None or of_start)
        return Form(everything.colour, shared or self._transparent(self.kept))

    @staticmethod
    def _transparent(*images: Tensor | None) -> bool:
        return any(image is not None and split_alpha(image)[1] is not None for image in images)

    def description(self) -> str:
        """Returns a line that says how the pictures differ and what is done about it."""
        form = self.form()
        text = f"{kinds_of(self.named())}; all are used as {form.kind}"
        if not form.alpha and self._transparent(*(x.image for x in self.references)):
            text += ", without the transparent pixels of the reference"
        if not form.alpha and self._transparent(self.start):
            text += f", and the output gets the alpha channel of {self.start_name}"
        return text


def checked(images: Images, name: str) -> list[Reference]:
    """Returns references without opaque alpha channels; they may be batches."""
    return [
        replace(reference, image=check_picture(reference.image, item.replace("reference", name, 1)))
        for item, reference in named_references(images)
    ]


def entered(reference: Reference, form: Form) -> Reference:
    """Returns a reference in a form. If that has no alpha, the weight of its transparent pixels is 0."""
    _, alpha = split_alpha(reference.image)
    image = form.enter(reference.image)
    if form.alpha or alpha is None:
        return replace(reference, image=image)
    opacity = (alpha + 1) / 2
    opacity = torch.where(opacity >= 0.5, opacity, torch.zeros_like(opacity))
    return replace(reference, image=image, weight=reference.weight * opacity)


def with_alpha_of(start: Tensor, images: Tensor) -> Tensor:
    """Returns images (N, C, H, W) with the alpha channel of the start pictures (B, C, h, w), if these have one."""
    _, alpha = split_alpha(start)
    if alpha is None:
        return images
    alpha = resize(alpha, size_of(images))
    return torch.cat([images, alpha[[i % len(alpha) for i in range(len(images))]]], 1)
