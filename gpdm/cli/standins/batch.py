"""Nodes that make batches of pictures or masks, or take them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import IMAGE, MASK, SIDE, StandIn, integer
from .scale import crop_to_aspect, scale


def grown(name: str, given: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """Returns the specification of 1 to 50 inputs that are called `name` and a number from 0."""
    return "COMFY_AUTOGROW_V3", {
        "template": {"input": {"required": {name: given}}, "prefix": name, "min": 1, "max": 50}
    }


class ImageBatch(StandIn):
    """Two batches in one; the second is scaled to the size of the first."""

    REQUIRED = {"image1": IMAGE, "image2": IMAGE}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image1: Tensor, image2: Tensor) -> tuple[Tensor]:
        return (joined([image1, image2]),)


class BatchImagesNode(StandIn):
    """Several batches in one (Batch Images); all are scaled to the size of the first."""

    REQUIRED = {"images": grown("image", IMAGE)}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, **images: Tensor) -> tuple[Tensor]:
        return (joined(in_order(images)),)


class BatchMasksNode(StandIn):
    """Several batches of masks in one (Batch Masks); all are scaled to the size of the first."""

    REQUIRED = {"masks": grown("mask", MASK)}
    RETURN_TYPES = ("MASK",)

    def execute(self, **masks: Tensor) -> tuple[Tensor]:
        return (joined([mask[..., None] for mask in in_order(masks)])[..., 0],)


class RepeatImageBatch(StandIn):
    """A batch several times."""

    REQUIRED = {"image": IMAGE, "amount": integer(1, 1, 4096)}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, amount: int) -> tuple[Tensor]:
        return (image.repeat(amount, 1, 1, 1),)


class ImageFromBatch(StandIn):
    """Pictures `batch_index`, counted from the end if negative, and following."""

    REQUIRED = {"image": IMAGE, "batch_index": integer(0, -SIDE, SIDE), "length": integer(1, 1, 4096)}
    RETURN_TYPES = ("IMAGE",)

    def execute(self, image: Tensor, batch_index: int, length: int) -> tuple[Tensor]:
        first = batch_index + len(image) if batch_index < 0 else batch_index
        first = max(0, min(len(image) - 1, first))
        return (image[first : first + length],)


def in_order(inputs: dict[str, Tensor]) -> list[Tensor]:
    """Returns inputs that grow ("images.image0", "images.image1" ...) in the order of their numbers."""
    return [inputs[name] for name in sorted(inputs, key=lambda name: (len(name), name))]


def joined(images: Sequence[Tensor]) -> Tensor:
    """Returns several batches (B, H, W, C) as one, in the size of the first and with the channels of the richest."""
    images = same_channels(images)
    rows, columns = images[0].shape[1:3]
    return torch.cat(
        [
            image
            if image.shape[1:3] == (rows, columns)
            else scale(crop_to_aspect(image, columns, rows), "bilinear", rows, columns)
            for image in images
        ]
    )


def same_channels(images: Sequence[Tensor]) -> list[Tensor]:
    """Returns batches (B, H, W, C) with one number of channels: grey becomes RGB, and a missing alpha opaque."""
    if len({image.shape[3] for image in images}) > 1:
        images = [image if image.shape[3] > 2 else image[..., [0, 0, 0, *range(1, image.shape[3])]] for image in images]
    most = max(image.shape[3] for image in images)
    return [F.pad(image, (0, most - image.shape[3]), value=1.0) for image in images]


def rgb(image: Tensor) -> Tensor:
    """Returns the colours of a batch (B, H, W, C) without alpha; grey becomes RGB."""
    return image[..., :3] if image.shape[3] > 2 else image[..., :1].expand(-1, -1, -1, 3)


def repeated(batch: Tensor, count: int) -> Tensor:
    """Returns `count` entries of a batch, which begins again after its end."""
    return batch[torch.arange(count) % len(batch)]
