"""Files that a reference is read from: pictures, and saved distributions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..distributions import DISTRIBUTION_SUFFIX
from ..distributions.file import decode_distribution
from ..errors import GPDMError
from ..references import Reference, masked_reference
from .memory import free_memory
from .pictures import read_picture
from .reading import read_bytes


def read_reference(
    path: Path,
    device: torch.device,
    mask: Tensor | None = None,
    weight: float = 1.0,
    region: Tensor | None = None,
) -> tuple[Reference, int]:
    """Returns the reference in a file on a device, and its bits per channel, 8 or 16; frames are a batch.

    Arguments:
        path: A picture, or a saved distribution.
        device: The device.
        mask, weight, region: As in `masked_reference`.

    Raises:
        GPDMError: The file cannot be used, or a mask is given with a saved distribution. The message names the file.
    """
    if path.suffix.lower() != DISTRIBUTION_SUFFIX:
        picture = read_picture(path)
        return masked_reference(picture.images.to(device), mask, weight, region), picture.bits
    if mask is not None:
        raise GPDMError(f"{path} is a saved distribution, which has no pixels to mask; give - in place of its mask")
    distribution = decode_distribution(read_bytes(path, free_memory()), str(path))
    reference = Reference.of_distribution(distribution, weight, region)
    return replace(reference, image=reference.image.to(device)), 8
