"""The pictures that the command line of `gpdm mix` or `gpdm collage` names, with their weights."""

from __future__ import annotations

import argparse

import torch

from .inputs import Inputs
from .mix_flags import given_files
from .reference_files import read_reference


def read_mix_inputs(options: argparse.Namespace, device: torch.device) -> Inputs:
    """Reads the files that the command line names.

    Raises:
        GPDMError: A file cannot be used. The message names the file.
    """
    weights = options.weights or [1.0] * len(options.reference)
    read = [
        read_reference(path, device, weight=weight) for path, weight in zip(options.reference, weights, strict=True)
    ]
    return Inputs.without_start(options, read, device, given_files(options))
