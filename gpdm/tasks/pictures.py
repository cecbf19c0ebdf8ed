"""Pictures as people have them, with any mix of channels and with transparency, prepared for a run of a task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..canvas import Keep
from ..images import magnified, resize, size_of
from ..optimizers.levels import UNPAINTED, SynthesisState
from ..pictures.forms import (
    HIDDEN,
    Form,
    check_picture,
    check_visible,
    differ,
    has_alpha,
    is_grey,
    kinds_of,
    opacity,
    split_alpha,
)
from ..references import Images, Reference, named_references
from ..synthesis import Synthesis
from .base import Task

WITHOUT_PATCHES = "the reference is a saved distribution, without patches to copy; coherence is turned off"
"""What is said about a run with a saved distribution."""


@dataclass(frozen=True)
class Prepared:
    """Pictures in one form, as arguments of `run_task`."""

    pictures: tuple[Any, ...]
    """The task's pictures."""
    more: dict[str, Any]
    """The arguments `references`, `init` and `keep`."""
    form: Form
    """The form that all pictures have in the run."""
    colour: bool
    """True if the outputs are RGB. Those of a run with grey are grey then, with three equal channels."""
    start_alpha: Tensor | None
    """Alpha of the start pictures, (B, 1, h, w), which the outputs get; None: they get none, or that of the form."""
    note: str | None
    """A line that says how the pictures differ in channels and what is done about it; None if they do not."""

    @property
    def channels(self) -> int:
        """Number of channels of the outputs."""
        return Form(self.colour, self.form.alpha or self.start_alpha is not None).channels

    def finish(self, result: Synthesis) -> Synthesis:
        """Returns the result of `run_task` with outputs as they are saved: RGBA not premultiplied, for example.

        Those of a run that stopped at a small level are enlarged for painting, each pixel to a square.
        """
        images = self._saved(result.images)
        return replace(result, images=images if result.state is None else magnified(images, result.state.full_size))

    def _saved(self, images: Tensor) -> Tensor:
        """Returns images of the run (N, C, H, W) as they are saved."""
        colours, alpha = split_alpha(self.form.leave(images))
        if self.start_alpha is not None:
            alpha = resize(self.start_alpha, size_of(colours)).clamp(-1, 1)
            alpha = alpha[[i % len(alpha) for i in range(len(colours))]]
            colours = torch.where(alpha < HIDDEN, -1.0, colours)
        if self.colour:
            colours = colours.expand(-1, 3, -1, -1)
        return colours.contiguous() if alpha is None else torch.cat([colours, alpha], 1)

    def painted(self, picture: Tensor, state: SynthesisState) -> Tensor:
        """Returns a painted picture in the form of the run, for `resume`.

        Pixels that are shown as they were, up to one grey level, have the values of the state, also where a colour is
        hidden by transparency.

        Arguments:
            picture: Pictures, (B, C, h, w) in [-1, 1]; see `SynthesisState.painted`.
            state: The state of the run that stopped.

        Raises:
            ImageError: They are no images of 1 to 4 channels, or do not fit the state.
        """
        picture = state.fitted(check_picture(picture, "the painted picture"))
        (colours, alpha), (before, alpha_before) = split_alpha(picture), split_alpha(self._saved(state.images))
        unpainted = ((colours - before).abs() <= UNPAINTED).all(1, keepdim=True)
        one = colours.new_ones(())
        difference = (one if alpha is None else alpha) - (one if alpha_before is None else alpha_before)
        return torch.where(unpainted & (difference.abs() <= UNPAINTED), state.images, self.form.enter(picture))


def prepare_pictures(
    task: Task,
    *pictures: Images,
    references: Images | None = None,
    init: Tensor | None = None,
    keep: Keep | Tensor | None = None,
) -> Prepared:
    """Returns the pictures of a run in one form, whether they are grey, grey+alpha, RGB or RGBA.

    An alpha channel that is opaque everywhere is left out. Colours under transparent pixels have no influence. The
    alpha of the outputs is

    - that of the references, if some have transparency, and the start picture has some or there is none;
    - that of the start picture, if only it has transparency;
    - opaque, if only references have transparency; then their transparent pixels are left out.

    If what the outputs are made of is grey, whatever its channels, the run works with one channel: with three, the
    outputs would not be grey.

    Arguments:
        task: One of `TASKS`.
        pictures, references, init, keep: As in `run_task`; tensors are (B, C, h, w) in [-1, 1] with C from 1 to 4.

    Raises:
        GPDMError: The number of pictures is wrong.
        ImageError: A picture is no image of 1 to 4 channels, or one whose patches count is transparent everywhere.
    """
    given, name = task.named(pictures), task.reference.name
    start_name = "init" if task.start is None else task.start.name
    layout = checked(given[name], name)
    used = layout if references is None else checked(references, "reference")
    start = init if task.start is None else given[start_name]
    start = None if start is None else check_picture(start, start_name)
    kept = check_picture(keep.image, "the picture with the kept pixels") if isinstance(keep, Keep) else None

    named = _named(used, name if references is None else "reference")
    others = ((start_name, start), ("the picture with the kept pixels", kept))
    named += [(other, image) for other, image in others if image is not None]
    for role, image in named:
        check_visible(image, role)
    source_of_kept = [] if keep is None else [x for x in (kept, start, layout[0].image) if x is not None][:1]
    form = Form(
        colour=not all([*(is_grey(x.image, x.weight) for x in used), *map(is_grey, source_of_kept)]),
        alpha=_shared_alpha(used, start) or (kept is not None and has_alpha(kept)),
    )
    start_alpha = None if start is None or form.alpha else split_alpha(start)[1]
    note = f"{kinds_of(named)}; all are used as {form.kind}"
    if not form.alpha and any(has_alpha(x.image) for x in used):
        note += ", without the transparent pixels of the reference"
    if start_alpha is not None:
        note += f", and the output gets the alpha channel of {start_name}"

    is_saved = any(reference.distribution is not None for reference in used)
    layout, used = ([in_form(reference, form) for reference in group] for group in (layout, used))
    entered = None if start is None else form.enter(start)
    return Prepared(
        pictures=tuple(entered if picture.start else layout for picture in task.pictures),
        more={
            "references": None if references is None else used,
            "init": entered if task.start is None else init,
            "keep": Keep(form.enter(kept), keep.mask) if isinstance(keep, Keep) and kept is not None else keep,
        },
        form=form,
        colour=form.colour or Form.of(image for _, image in named).colour,
        start_alpha=start_alpha,
        note=". ".join(([note] if differ(named) else []) + ([WITHOUT_PATCHES] if is_saved else [])) or None,
    )


def checked(images: Images, name: str) -> list[Reference]:
    """Returns references without opaque alpha channels; they may be batches."""
    return [
        replace(reference, image=check_picture(reference.image, item.replace("reference", name, 1)))
        for item, reference in named_references(images)
    ]


def _named(references: list[Reference], name: str) -> list[tuple[str, Tensor]]:
    """Returns the picture of each reference with its name in messages."""
    if len(references) == 1:
        return [(name, references[0].image)]
    return [(f"{name} {i}", reference.image) for i, reference in enumerate(references, start=1)]


def _shared_alpha(references: list[Reference], start: Tensor | None) -> bool:
    """Returns whether the references have transparency that the outputs can take over."""
    return any(has_alpha(x.image) for x in references) and (start is None or has_alpha(start))


def in_form(reference: Reference, form: Form) -> Reference:
    """Returns a reference in a form. If that has no alpha, the weight of its transparent pixels is 0."""
    _, alpha = split_alpha(reference.image)
    image = form.enter(reference.image)
    if form.alpha or alpha is None:
        return replace(reference, image=image)
    return replace(reference, image=image, weight=reference.weight * opacity(alpha))
