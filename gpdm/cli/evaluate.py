"""`gpdm eval`: pictures beside their reference, by every instrument."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from ..borders import BORDERS
from ..errors import GPDMError, ImageError
from ..evaluation.inception_weights import load_inception_file
from ..evaluation.metrics import check_pair, diversity, evaluate
from ..evaluation.report import evaluation_maps, evaluation_plot, evaluation_text
from ..evaluation.sifid import sifid
from ..images import size_of
from ..patches.nearest import SEARCHES, import_faiss
from .files import check_target, indexed, load_image, save_image, save_picture
from .host import Bar, parse_device


def add_eval_parser(commands: Any, add_common: Any) -> None:
    """Adds the command."""
    summary = "how near pictures come to a reference, how much they copy, how sharp and how varied they are"
    parser = commands.add_parser("eval", help=summary, description=summary)
    parser.add_argument("reference", type=Path, help="picture to compare with")
    parser.add_argument(
        "pictures", type=Path, nargs="+", help="pictures to judge; with two or more their diversity too"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the figures, with what is behind them")
    parser.add_argument(
        "--maps",
        type=Path,
        metavar="FILE",
        help="draw where patches come from and where they are wrong; several pictures get an index",
    )
    parser.add_argument(
        "--tiles", choices=BORDERS, default="free", help="borders that the pictures go on across: measures the seam"
    )
    parser.add_argument(
        "--search",
        choices=SEARCHES,
        default="exact",
        help="how nearest patches are found; faiss is for large pictures (pip install faiss-cpu)",
    )
    parser.add_argument(
        "--inception", type=Path, metavar="FILE", help="weights of Inception-v3, for SIFID; nothing is downloaded"
    )
    add_common(parser)


def run_eval(options: argparse.Namespace) -> dict[str, Any]:
    """Judges the pictures that the command line names, draws what it asks for, and returns what there is to say.

    Raises:
        GPDMError: A flag or a picture is unusable; nothing has been computed or written then.
    """
    device = parse_device(options.device)
    reference = load_image(options.reference).to(device)
    pictures = [load_image(path).to(device) for path in options.pictures]
    network = None if options.inception is None else load_inception_file(options.inception)
    if network is not None and reference.shape[1] == 2:
        raise GPDMError(
            f"{options.reference} is grey with transparency, which --inception cannot take; convert it to RGB"
        )
    if options.search == "faiss":
        import_faiss()
    maps = [] if options.maps is None else [indexed(options.maps, i, len(pictures)) for i in range(len(pictures))]
    for target in [*maps, *([options.plot] if options.plot else [])]:
        check_target(target, 3)
    for path, picture in zip(options.pictures, pictures, strict=True):
        if picture.shape[1] != reference.shape[1]:
            raise GPDMError(
                f"{path} has {picture.shape[1]} channels and {options.reference} has {reference.shape[1]}; convert one of them"
            )
        try:
            check_pair(reference, picture)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from None
    found, bar = [], Bar(len(pictures), "eval")
    for i, picture in enumerate(pictures):
        evaluation = evaluate(reference, picture, search=options.search, tiles=options.tiles)
        if network is not None:
            evaluation = evaluation.with_figure("SIFID", sifid(network, reference, picture))
        found.append(evaluation)
        bar.update(i + 1)
    bar.close()
    alike = len(pictures) > 1 and len({size_of(picture) for picture in pictures}) == 1
    varied = diversity(reference, torch.cat(pictures)) if alike else None
    names = [path.stem for path in options.pictures]
    saved = [
        save_image(evaluation_maps(each, [reference], picture), target)
        for each, picture, target in zip(found, pictures, maps, strict=False)
    ]
    if options.plot:
        saved.append(save_picture(evaluation_plot(found, names), options.plot))
    return {
        "reference": str(options.reference),
        "pictures": [
            {"picture": str(path), **each.figures, "cells": dict(each.cells)}
            for path, each in zip(options.pictures, found, strict=True)
        ],
        "diversity": varied,
        "saved": [str(path) for path in saved],
        "device": str(device),
        "text": evaluation_text(found, names, varied),
    }
