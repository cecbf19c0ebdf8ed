"""The pictures and masks that the command line of `gpdm regions` names."""

from __future__ import annotations

import argparse

import torch

from .inputs import Inputs
from .pictures import read_mask
from .reference_files import read_reference
from .region_flags import given_files


def read_region_inputs(options: argparse.Namespace, device: torch.device) -> Inputs:
    """Reads the files that the command line names.

    Raises:
        GPDMError: A file cannot be used. The message names the file.
    """
    pairs = [(options.white, options.mask), *options.region]
    regions = [*(read_mask(mask).to(device) for _, mask in pairs), None]
    paths = [*(image for image, _ in pairs), options.black]
    read = [read_reference(path, device, region=region) for path, region in zip(paths, regions, strict=True)]
    return Inputs.without_start(options, read, device, given_files(options))
