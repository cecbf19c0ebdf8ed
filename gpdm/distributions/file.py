"""Files of patch distributions: safetensors with the quantiles, and the rest in their header."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..errors import ImageError
from .stored import FILTERS_VERSION, QUANTILES, PatchDistribution, PatchQuantiles, StoredLevel

FORMAT, VERSION = "gpdm patch distribution", 1
"""Name of the entry in the header of a file, and the version that stands in it."""
LARGEST_FILTERS, LARGEST_PATCH, LARGEST_SIDE = 2**16, 31, 2**20
"""Limits beyond which a file is not believed."""


def encode_distribution(distribution: PatchDistribution) -> bytes:
    """Returns the content of a file with the distribution at full size."""
    header = {
        "version": VERSION,
        "filters": FILTERS_VERSION,
        "size": distribution.size,
        "channels": distribution.channels,
        "pixels": distribution.pixels,
        "mean": distribution.mean,
        "deviation": distribution.deviation,
        "scales": [level.scale for level in distribution.levels],
        "patch_sizes": distribution.patch_sizes,
        "names": distribution.names,
    }
    tensors: dict[str, Tensor] = {}
    for number, level in enumerate(distribution.levels):
        for patch_size, quantiles in level.quantiles.items():
            tensors[_name(number, patch_size, "steps")] = quantiles.steps.contiguous()
            tensors[_name(number, patch_size, "ends")] = quantiles.ends.contiguous()
    # One entry, since the order of several is random, and the same distribution is to give the same file.
    return save(tensors, {FORMAT: json.dumps(header)})


def decode_distribution(data: bytes, name: str) -> PatchDistribution:
    """Returns the distribution that a file holds.

    Arguments:
        data: Content of the file.
        name: Name of the file, for messages.

    Raises:
        ImageError: The content is damaged, of another kind, or of a later version.
    """
    try:
        tensors, metadata = load(data), _metadata(data)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise ImageError(f"{name} is damaged, or no safetensors file ({_short(error)}); save it again") from None
    if FORMAT not in metadata:
        raise ImageError(f"{name} holds no patch distribution; make one with gpdm distribution save")
    try:
        header = json.loads(metadata[FORMAT])
        version, filters = header["version"], header["filters"]
        if version == VERSION and filters == FILTERS_VERSION:
            return _checked(header, tensors)
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise ImageError(f"{name} is damaged ({_short(error)}); save it again") from None
    raise ImageError(
        f"{name} has version {version} of the format and {filters} of the filters, and this program reads {VERSION} and "
        f"{FILTERS_VERSION}; update gpdm, or save the file again"
    )


def _metadata(data: bytes) -> Mapping[str, str]:
    """Returns the metadata in the header of a safetensors file, whose first eight bytes are the header's length."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]).get("__metadata__") or {}


def _checked(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> PatchDistribution:
    """Returns the distribution of a header and its tensors; raises `ValueError` with what is wrong with them."""
    height, width = header["size"]
    channels, scales, patch_sizes = header["channels"], header["scales"], header["patch_sizes"]
    _require(_is_whole(height, LARGEST_SIDE) and _is_whole(width, LARGEST_SIDE), f"its size is {width}x{height}")
    _require(_is_whole(channels, 64), f"it has {channels} channels")
    _require(_is_whole(header["pixels"], 2**60), f"it was made of {header['pixels']} pixels")
    mean, deviation = tuple(header["mean"]), tuple(header["deviation"])
    for values in (mean, deviation):
        _require(len(values) == channels and all(map(_is_finite, values)), "the mean or deviation is wrong")
    _require(
        bool(scales) and all(map(_is_finite, scales)) and scales[0] > 0 and scales == sorted(set(scales)),
        "the scales do not increase from above 0",
    )
    _require(scales[-1] == 1, "the last scale is not 1")
    _require(bool(patch_sizes) and all(_is_whole(size, LARGEST_PATCH) for size in patch_sizes), "a patch size is wrong")
    names = tuple(header["names"])
    _require(all(isinstance(each, str) for each in names), "the names are no texts")
    levels = tuple(
        StoredLevel(scale, {size: _quantiles(tensors, number, size) for size in patch_sizes})
        for number, scale in enumerate(scales)
    )
    return PatchDistribution((height, width), channels, header["pixels"], mean, deviation, levels, names=names)


def _quantiles(tensors: Mapping[str, Tensor], number: int, patch_size: int) -> PatchQuantiles:
    steps, ends = (tensors[_name(number, patch_size, part)] for part in ("steps", "ends"))
    where = f"level {number}, patches of {patch_size}"
    _require(steps.dtype == torch.int8 and ends.dtype == torch.float16, f"{where}: a tensor has another type")
    _require(
        steps.dim() == 2 and 2 <= len(steps) <= LARGEST_FILTERS and steps.shape[1] == QUANTILES,
        f"{where}: a shape is wrong",
    )
    _require(ends.shape == (len(steps), 3), f"{where}: a shape is wrong")
    _require(bool(ends.isfinite().all()) and bool((ends.diff(dim=1) >= 0).all()), f"{where}: the ends are wrong")
    _require(int(steps.amin()) >= -127, f"{where}: a quantile is below the lowest")
    _require(bool((steps[:, 1:] >= steps[:, :-1]).all()), f"{where}: quantiles decrease")
    return PatchQuantiles(steps, ends)


def _name(number: int, patch_size: int, part: str) -> str:
    return f"level_{number}.patch_{patch_size}.{part}"


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(what)


def _is_whole(value: Any, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= largest


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())[:100]
    return f"{text} is missing" if isinstance(error, KeyError) else text or type(error).__name__
