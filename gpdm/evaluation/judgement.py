"""The evaluation of several images, as text, plot and maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from ..images import size_of
from ..references import Images, as_references
from .maps import evaluation_maps
from .metrics import Evaluation, EvaluationOptions, diversity, evaluate
from .occurrence import occurrence_map
from .report import evaluation_plot, evaluation_text
from .sifid import Inception, sifid


@dataclass(frozen=True)
class Judgement:
    """The evaluations of several images against the same references."""

    references: Sequence[Tensor]
    """The references, (1, C, h, w) each."""
    images: Sequence[Tensor]
    """The images, (1, C, H, W) each."""
    evaluations: Sequence[Evaluation]
    """The evaluation of each image."""
    diversity: float | None
    """Diversity of the images; None if there is only one, or if their sizes differ."""

    def text(self, names: Sequence[str]) -> str:
        """Returns the scores as text, with a name for each image; see `evaluation_text`."""
        return evaluation_text(self.evaluations, names, self.diversity)

    def plot(self, names: Sequence[str]) -> Image.Image:
        """Returns the plot of the evaluations, with a name for each image; see `evaluation_plot`."""
        return evaluation_plot(self.evaluations, names)

    def maps(self) -> list[Tensor]:
        """Returns the maps of each image, (1, 3, h, w) in [-1, 1]; see `evaluation_maps`."""
        return [
            evaluation_maps(x, self.references, image) for x, image in zip(self.evaluations, self.images, strict=True)
        ]

    def occurrence_maps(self) -> list[Image.Image]:
        """Returns the map of the use of the references by each image; see `occurrence_map`."""
        return [occurrence_map(x.sources, self.references) for x in self.evaluations]


def judge(
    reference: Images,
    images: Sequence[Tensor],
    options: EvaluationOptions | None = None,
    *,
    network: Inception | None = None,
    on_each: Callable[[int], None] | None = None,
) -> Judgement:
    """Evaluates several images against the same references.

    Arguments:
        reference: One or several references, as in `evaluate`. Diversity and SIFID are relative to the first.
        images: The images, (1, C, H, W) in [-1, 1] each.
        options: The settings; by default those of `EvaluationOptions`.
        network: Inception network. With it the scores include SIFID.
        on_each: Callback after each image, with the number of images that are done. An exception that it raises stops
            the evaluation.

    Raises:
        GPDMError: As in `evaluate` and `sifid`.
    """
    options = EvaluationOptions() if options is None else options
    references = [x.image for x in as_references(reference)]
    evaluations = []
    for image in images:
        evaluation = evaluate(reference, image, tiles=options.tiles, search=options.search)
        if network is not None:
            evaluation = evaluation.with_score("SIFID", sifid(network, references[0], image))
        evaluations.append(evaluation)
        if on_each is not None:
            on_each(len(evaluations))
    comparable = len(images) > 1 and len({size_of(image) for image in images}) == 1
    return Judgement(
        references, images, evaluations, diversity(references[0], torch.cat(list(images))) if comparable else None
    )
