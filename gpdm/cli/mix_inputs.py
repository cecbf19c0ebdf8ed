"""The pictures that the command line of `gpdm mix` names, with their weights."""

from __future__ import annotations

import argparse

import torch

from ..references import Reference
from .inputs import Inputs
from .mix_flags import given_files
from .pictures import read_picture


def read_mix_inputs(options: argparse.Namespace, device: torch.device) -> Inputs:
    """Reads the files that the command line names.

    Raises:
        GPDMError: A file cannot be used. The message names the file.
    """
    pictures = [read_picture(path) for path in options.reference]
    weights = options.weights or [1.0] * len(pictures)
    return Inputs(
        references=[
            Reference(picture.images.to(device), weight) for picture, weight in zip(pictures, weights, strict=True)
        ],
        start=None,
        init=None if options.init is None else read_picture(options.init).images.to(device),
        keep=None,
        bits=max(picture.bits for picture in pictures),
        files=given_files(options),
    )
