"""The work of `gpdm eval`: scores, plots and maps of pictures compared with a reference."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import GPDMError
from ..evaluation.inception_weights import load_inception_file
from ..evaluation.judgement import judge
from ..evaluation.metrics import EvaluationOptions, check_evaluable
from ..options import describe
from ..patches.nearest import import_faiss
from ..pictures.forms import check_picture, in_one_form
from .files import save_image, save_picture
from .flags import given_options
from .host import Bar, parse_device
from .inputs import naming_files
from .pictures import read_picture
from .targets import check_target, indexed


def run_eval(options: argparse.Namespace) -> dict[str, Any]:
    """Evaluates the pictures that the command line names, writes plot and maps, and returns a report.

    Arguments:
        options: The command line, which `check_flags` has checked.

    Raises:
        GPDMError: A flag or a picture is unusable; nothing has been computed or written then.
    """
    device = parse_device(options.device)
    reference, pictures = _in_one_form(options, device)
    images = [picture.image for picture in pictures]
    network = None if options.inception is None else load_inception_file(options.inception)
    if network is not None and reference.shape[1] == 2:
        raise GPDMError(
            f"{options.reference} is grey with transparency, which --inception cannot take; convert it to RGB"
        )
    settings = EvaluationOptions(**given_options(options, describe(EvaluationOptions)))
    if settings.search == "faiss":
        import_faiss()
    targets, occurrence_targets = (
        [] if path is None else [indexed(path, i, len(images)) for i in range(len(images))]
        for path in (options.maps, options.occurrence)
    )
    for target in [*targets, *occurrence_targets, *([options.plot] if options.plot else [])]:
        check_target(target, 3)
    _check_images(options, reference, pictures)
    bar = Bar(len(images), "eval")
    with naming_files({"reference": [options.reference], "pictures": options.pictures}):
        judgement = judge(reference, images, settings, network=network, on_each=bar.update)
    bar.close()
    names = [picture.name for picture in pictures]
    maps = judgement.maps() if targets else []
    saved = [save_image(image, target) for image, target in zip(maps, targets, strict=True)]
    uses = judgement.occurrence_maps() if occurrence_targets else []
    saved += [save_picture(picture, target) for picture, target in zip(uses, occurrence_targets, strict=True)]
    if options.plot:
        saved.append(save_picture(judgement.plot(names), options.plot))
    return {
        "reference": str(options.reference),
        "pictures": [
            {"picture": picture.label, **evaluation.scores, "per_scale": dict(evaluation.per_scale)}
            for picture, evaluation in zip(pictures, judgement.evaluations, strict=True)
        ],
        "diversity": judgement.diversity,
        "saved": [str(path) for path in saved],
        "device": str(device),
        "text": judgement.text(names),
    }


@dataclass(frozen=True)
class _Picture:
    """A picture to evaluate."""

    image: Tensor
    name: str
    """Its name in tables and plots: that of the file without suffix, or that of the file and a frame number."""
    label: str
    """Its name in reports and messages, with the folder."""


def _in_one_form(options: argparse.Namespace, device: torch.device) -> tuple[Tensor, list[_Picture]]:
    """Returns the reference, whose frames are a batch, and the pictures, all with the same channels."""
    name = str(options.reference)
    reference = check_picture(read_picture(options.reference).images.to(device), name)
    pictures = [frame for path in options.pictures for frame in _frames(path, device)]
    named = [(name, reference), *((picture.label, check_picture(picture.image, picture.label)) for picture in pictures)]
    reference, *images = in_one_form(named, logging.getLogger("gpdm").warning)
    return reference, [replace(picture, image=image) for picture, image in zip(pictures, images, strict=True)]


def _frames(path: Path, device: torch.device) -> list[_Picture]:
    """Returns the picture in a file, or every frame of an animation as one picture."""
    images = read_picture(path).images.to(device).split(1)
    if len(images) == 1:
        return [_Picture(images[0], path.stem, str(path))]
    return [_Picture(image, f"{path.name} {i}", f"{path} {i}") for i, image in enumerate(images, start=1)]


def _check_images(options: argparse.Namespace, reference: Tensor, pictures: Sequence[_Picture]) -> None:
    """Raises `GPDMError` with the name of the file for an image that cannot be compared with the reference."""
    check_evaluable(reference, str(options.reference))
    for picture in pictures:
        check_evaluable(picture.image, picture.label)
