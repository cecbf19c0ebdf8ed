"""Conversion between pictures of Pillow and images of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import ImageError
from .tiff import BITS_PER_SAMPLE, INTEGERS, PHOTOMETRIC, check_tiff, tags_of

if TYPE_CHECKING:
    from torch import Tensor

ORIENTATION, INTEROPERABILITY = 274, 40965
"""Numbers of tags in EXIF data."""

FLOAT_TOLERANCE = 0.01
"""How far floating-point values may lie outside of 0..1, as those of a picture that was resized do."""


def from_pil(picture: Image.Image) -> Tensor:
    """Returns a picture as a (1, C, H, W) float32 tensor in [-1, 1] on the CPU.

    C is 1 for grey, 2 for grey+alpha, 3 for RGB and 4 for RGBA. The EXIF orientation is applied and transparency
    becomes a channel. 16-bit grey and floating-point grey keep their precision. Colour profiles are not applied.

    Raises:
        ImageError: The picture has 32-bit or signed integers, floating-point values that are more than 1 % outside of
            0..1, or channels that Pillow misreads.
    """
    return unit_image(pixels(picture)).mul_(2).sub_(1)


def unit_image(values: np.ndarray) -> Tensor:
    """Returns the values of `pixels` as a float32 tensor (1, C, H, W) in [0, 1] on the CPU, in channels-last layout."""
    import torch  # here, because a picture that cannot be read is refused before torch is loaded

    image = np.array(values, dtype=np.float32, order="C")
    if values.dtype != np.float32:
        image /= np.iinfo(values.dtype).max
    return torch.from_numpy(image).permute(2, 0, 1)[None]


def pixels(picture: Image.Image) -> np.ndarray:
    """Returns the values of a picture, (H, W, C), as it is meant to be seen: EXIF orientation and transparency applied.

    Their type is uint8, uint16 for 16-bit grey, or float32 in [0, 1] for floating-point grey.

    Raises:
        ImageError: As in `from_pil`.
    """
    return upright(stored_pixels(picture), picture)


def stored_pixels(picture: Image.Image) -> np.ndarray:
    """Returns the values of `pixels` without the EXIF orientation."""
    check_tiff(picture)
    load(picture)
    if picture.mode == "F":
        return _floats(picture)
    if picture.mode.startswith("I"):
        return _sixteen_bits(picture)
    values = np.asarray(plain(picture))
    return values if values.ndim == 3 else values[..., None]


def load(picture: Image.Image) -> None:
    """Loads an open picture. A transparent grey of 2 or 4 bits is scaled to 8 bits, as Pillow scales the pixels."""
    raw_modes = [tile[3] for tile in getattr(picture, "tile", ())]
    if "transparency" in picture.info and raw_modes and raw_modes[0] in ("L;2", "L;4"):
        picture.info["transparency"] *= 85 if raw_modes[0] == "L;2" else 17
    picture.load()


def plain(picture: Image.Image) -> Image.Image:
    """Returns an 8-bit picture in the mode L, LA, RGB or RGBA, without a palette or a transparent colour."""
    if picture.mode in ("PA", "RGBa") or (picture.mode == "P" and "transparency" in picture.info):
        return picture.convert("RGBA")
    if "transparency" in picture.info and picture.mode in ("1", "L", "RGB"):
        return picture.convert("RGBA" if picture.mode == "RGB" else "LA")
    if picture.mode in ("L", "LA", "RGB", "RGBA"):
        return picture
    return picture.convert({"1": "L", "La": "LA"}.get(picture.mode, "RGB"))


def upright(values: np.ndarray, picture: Image.Image) -> np.ndarray:
    """Returns the values (H, W, C) of a loaded picture in the orientation that its EXIF data asks for."""
    try:
        orientation = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # Damaged EXIF data raise errors of many types; they are no reason to refuse the pixels.
        return values
    if orientation in (5, 6, 7, 8):
        values = values.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def is_adobe_rgb(picture: Image.Image) -> bool:
    """Returns whether EXIF data say that colours are Adobe RGB, as those of many cameras do."""
    try:
        return str(picture.getexif().get_ifd(INTEROPERABILITY).get(1, "")).startswith("R03")
    except Exception:  # As in `upright`.
        return False


def _floats(picture: Image.Image) -> np.ndarray:
    values = np.asarray(picture)[..., None]
    if not np.isfinite(values).all():
        raise ImageError("the picture has floating-point values that are NaN or infinite; remove them")
    if tags_of(picture).get(PHOTOMETRIC) == 0:  # white is 0, which Pillow leaves to the caller
        values = 1 - values
    low, high = float(values.min()), float(values.max())
    if low < -FLOAT_TOLERANCE or high > 1 + FLOAT_TOLERANCE:
        raise ImageError(
            f"the picture has floating-point values from {low:g} to {high:g}, and only 0 to 1 can be read; "
            "scale them to that range, or save it as 16-bit PNG"
        )
    return values.clip(0, 1)


def _sixteen_bits(picture: Image.Image) -> np.ndarray:
    """Returns 16-bit grey as (H, W, 1), or (H, W, 2) if one grey is transparent."""
    tags = tags_of(picture)
    values = np.asarray(picture)
    if picture.mode == "I" and (tags or values.min() < 0 or values.max() > 65535):
        raise ImageError(INTEGERS)
    bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
    if bits < 16:  # values from 0 to 4095, for example
        values = np.round(np.minimum(values, 2**bits - 1) * (65535 / (2**bits - 1)))
    if tags.get(PHOTOMETRIC) == 0:
        values = 65535 - values
    transparent = picture.info.get("transparency")
    channels = [values] if transparent is None else [values, np.where(values == transparent, 0, 65535)]
    return np.stack(channels, axis=-1).astype(np.uint16)


def to_pil(image: Tensor) -> Image.Image:
    """Returns a (1, C, H, W) or (C, H, W) tensor in [-1, 1] as an 8-bit picture of mode L, LA, RGB or RGBA.

    Values outside the range are clipped.

    Raises:
        ImageError: The tensor is a batch of several images or has more than four channels.
    """
    values = to_integers(image, 255).astype(np.uint8)
    return Image.fromarray(values.squeeze(2) if values.shape[2] == 1 else values)


def to_integers(image: Tensor, maximum: int) -> np.ndarray:
    """Returns a (1, C, H, W) or (C, H, W) tensor in [-1, 1] as whole numbers from 0 to `maximum`, (H, W, C).

    Raises:
        ImageError: As in `to_pil`.
    """
    image = image[None] if image.dim() == 3 else image
    if image.dim() != 4 or image.shape[0] != 1 or image.shape[1] > 4:
        raise ImageError(f"an image of shape {tuple(image.shape)} cannot be a picture; expected (1, 1..4, H, W)")
    scaled = image[0].float().clamp(-1, 1).add_(1).mul_(maximum / 2).round_()
    return scaled.int().cpu().permute(1, 2, 0).numpy()
