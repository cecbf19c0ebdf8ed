"""The pictures and masks that the command line of `gpdm regions` names."""

from __future__ import annotations

import argparse

import torch

from ..references import Reference
from .inputs import Inputs
from .pictures import read_mask, read_picture
from .region_flags import given_files


def read_region_inputs(options: argparse.Namespace, device: torch.device) -> Inputs:
    """Reads the files that the command line names.

    Raises:
        GPDMError: A file cannot be used. The message names the file.
    """
    pairs = [(options.white, options.mask), *options.region]
    pictures = [read_picture(path) for path in (*(image for image, _ in pairs), options.black)]
    regions = [*(read_mask(mask).to(device) for _, mask in pairs), None]
    return Inputs(
        references=[
            Reference(picture.images.to(device), region=region)
            for picture, region in zip(pictures, regions, strict=True)
        ],
        start=None,
        init=None if options.init is None else read_picture(options.init).images.to(device),
        keep=None,
        bits=max(picture.bits for picture in pictures),
        files=given_files(options),
    )
