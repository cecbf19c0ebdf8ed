"""Conversion between ComfyUI's pictures, (B, H, W, C) in [0, 1], and the core's, (B, C, H, W) in [-1, 1]."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..gpdm import GPDMError, ImageError, Reference
from . import host


def to_core(image: Tensor, name: str) -> Tensor:
    """Returns an IMAGE as a new float32 tensor (B, C, H, W) in [-1, 1], on the same device.

    Values outside 0..1, which image filters and HDR pictures may have, are clamped, with a line in the log: a few
    bright pixels would otherwise set the range of a whole run.

    The arithmetic makes a copy, which matters twice: the caller's picture stays as it is, and inside
    `torch.inference_mode(False)` the copy is a normal tensor where ComfyUI's is an inference tensor.
    """
    if not isinstance(image, Tensor) or image.dim() != 4 or 0 in image.shape:
        shape = tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise ImageError(f"{name} must be an IMAGE of shape (batch, height, width, channels), not {shape}")
    if not image.is_floating_point() or not 1 <= image.shape[-1] <= 4:
        raise ImageError(
            f"{name} has {image.shape[-1]} channels of type {image.dtype}; an IMAGE has 1 to 4 channels of floating-point numbers in [0, 1]"
        )
    if not torch.isfinite(image).all():
        raise ImageError(f"{name} contains NaN or infinite values; check the node that it comes from")
    lowest, highest = float(image.amin()), float(image.amax())
    if lowest < 0 or highest > 1:
        host.current().say(f"{name} has values from {lowest:.4g} to {highest:.4g}; they are clamped to 0..1")
    return image.to(torch.float32).clamp(0, 1).movedim(-1, 1).contiguous() * 2 - 1


def to_map(mask: Tensor, name: str) -> Tensor:
    """Returns a MASK, (B, H, W) or (H, W) in [0, 1], as a new float32 tensor (B, 1, H, W).

    (B, 1, H, W) is taken too, and truth values; some packs pass masks on in these forms.
    """
    maps = mask[:, 0] if isinstance(mask, Tensor) and mask.dim() == 4 and mask.shape[1] == 1 else mask
    if not isinstance(maps, Tensor) or maps.dim() not in (2, 3) or 0 in maps.shape:
        shape = tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__
        raise ImageError(f"{name} must be a MASK of shape (batch, height, width), not {shape}")
    if not maps.is_floating_point() and maps.dtype != torch.bool:
        raise ImageError(f"{name} has values of type {maps.dtype}; a MASK has floating-point numbers in [0, 1]")
    if not torch.isfinite(maps).all():
        raise ImageError(f"{name} contains NaN or infinite values; check the node that it comes from")
    maps = maps[None] if maps.dim() == 2 else maps
    return maps.to(torch.float32).clamp(0, 1)[:, None].contiguous().clone()


def to_region(region: Tensor) -> Tensor:
    """Returns a MASK as the region of a reference, (1, 1, H, W); raises `GPDMError` if it is a batch or empty."""
    where = to_map(region, "region")
    if len(where) != 1:
        raise GPDMError(f"region is a batch of {len(where)} masks; connect one")
    if not bool(where.any()):
        raise GPDMError("region is empty; paint the area that uses this reference, or disconnect region")
    return where


def moved(reference: Reference, device: torch.device) -> Reference:
    """Returns a reference on a device."""
    weight, region = reference.weight, reference.region
    return Reference(
        reference.image.to(device),
        weight.to(device) if isinstance(weight, Tensor) else weight,
        None if region is None else region.to(device),
        reference.distribution,
    )


def from_core(images: Tensor) -> Tensor:
    """Returns grey, grey+alpha, RGB or RGBA pictures as an IMAGE with 3 or 4 channels, which all nodes take."""
    return _snapped((_with_colours(images) + 1) / 2).movedim(1, -1).contiguous()


def with_unchanged(images: Tensor, given: Tensor, masks: Tensor) -> Tensor:
    """Returns IMAGEs with the pixels of the given ones, bit for bit, where MASKs are 0: conversion rounds.

    Arguments:
        images: IMAGEs (N, H, W, C) as `from_core` returns them.
        given: IMAGEs (B, H, W, C) that they were made from, in turn.
        masks: MASKs (N, H, W).
    """
    plain = _with_colours(given.to(images).clamp(0, 1).movedim(-1, 1)).movedim(1, -1)[..., : images.shape[-1]]
    return torch.where(masks[..., None] > 0, images, plain[[i % len(plain) for i in range(len(images))]])


def _snapped(values: Tensor) -> Tensor:
    """Returns values from 0 to 1; those that rounding has moved off the values of 8 or 16 bits are exact again.

    The way to [-1, 1] and back rounds, and Save Image of ComfyUI cuts off the fraction: of the 256 values of 8 bits, 63
    dark ones would be saved one too low.
    """
    steps = values.new_tensor(65535.0)  # as a tensor, since a GPU multiplies by the rounded inverse of a number
    nearest = (values * steps).round() / steps
    return torch.where((values - nearest).abs() < 2**-23, nearest, values)


def _with_colours(images: Tensor) -> Tensor:
    """Returns grey, grey+alpha, RGB or RGBA pictures (B, C, H, W) as RGB or RGBA."""
    return images if images.shape[1] > 2 else torch.cat([images[:, :1].expand(-1, 3, -1, -1), images[:, 1:]], 1)


def from_picture(picture: Image.Image) -> Tensor:
    """Returns a picture as an IMAGE (1, H, W, 3) in [0, 1]."""
    return torch.from_numpy(np.asarray(picture.convert("RGB")).astype(np.float32) / 255)[None]
