"""Colour profiles (ICC): pictures of other colour spaces as sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from ..errors import ImageError
from .icc import evaluate, is_table, space_of

SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
"""The colour space that a profile must have, by the mode of the picture."""

SRGB_TOLERANCE = 1.5 / 255
"""Largest difference from sRGB of a profile that is sRGB. Makers round its curve and its primaries differently."""

BLACK_POINT_COMPENSATION = 0x2000
"""A flag of LittleCMS, which not all versions of Pillow name alike."""


def is_srgb(profile: bytes) -> bool:
    """Returns whether a profile is sRGB, or grey with sRGB's curve, by its curves and its matrix.

    Raises:
        ImageError: The profile is damaged.
    """
    space = space_of(profile)
    if space not in ("RGB", "GRAY") or is_table(profile):
        return False
    greys = np.linspace(0, 1, 256)[:, None]
    colours = np.stack(np.meshgrid(*[np.linspace(0, 1, 9)] * 3), axis=-1).reshape(-1, 3)
    probe = greys if space == "GRAY" else np.concatenate([colours, greys.repeat(3, axis=1)])
    return bool(np.abs(evaluate(probe, profile) - probe).max() <= SRGB_TOLERANCE)


def to_srgb(values: np.ndarray, profile: bytes) -> np.ndarray:
    """Returns values (H, W, C) of type uint8, uint16, or float32 in [0, 1] in sRGB, or in grey with sRGB's curve.

    They keep their type, so their full precision. The profile may be a table if they are uint8. Alpha stays as it is.

    Raises:
        ImageError: The profile is damaged or for another kind of picture, or this Pillow cannot apply it.
    """
    count = values.shape[2] - (values.shape[2] in (2, 4))
    colours, alpha = values[..., :count], values[..., count:]
    _check_space(profile, "GRAY" if count == 1 else "RGB")
    # LittleCMS is fast, but it has 8 bits, and it loses the shadows of a linear grey.
    if values.dtype == np.uint8 and (count == 3 or is_table(profile)):
        picture = Image.fromarray(np.ascontiguousarray(colours if count == 3 else colours[..., 0]))
        converted = np.asarray(picture_to_srgb(picture, profile))[..., :count]
    elif values.dtype == np.float32:
        converted = evaluate(colours, profile).astype(np.float32)
    else:
        maximum = np.iinfo(values.dtype).max
        levels = np.arange(maximum + 1)[:, None] if count == 1 else colours
        converted = (evaluate(levels / maximum, profile) * maximum).round().astype(values.dtype)
        converted = converted[colours[..., 0]] if count == 1 else converted
    return np.concatenate([converted, alpha], axis=2)


def picture_to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Returns a picture of mode L, RGB, CMYK or LAB with 8 bits as RGB in sRGB.

    Raises:
        ImageError: As in `to_srgb`.
    """
    cms = _color_management()
    _check_space(profile, SPACES[picture.mode])
    try:
        result = cms.profileToProfile(
            picture,
            cms.ImageCmsProfile(io.BytesIO(profile)),
            cms.createProfile("sRGB"),
            renderingIntent=cms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=BLACK_POINT_COMPENSATION,  # type: ignore[arg-type]
        )
    except (OSError, TypeError, ValueError, cms.PyCMSError):
        raise ImageError("its colour profile is damaged") from None
    assert result is not None
    return result


def _color_management():
    from PIL import ImageCms

    try:
        ImageCms.createProfile("sRGB")
    except ImportError:
        raise ImageError("this Pillow cannot convert colour profiles (it was built without LittleCMS)") from None
    return ImageCms


def _check_space(profile: bytes, needed: str) -> None:
    space = space_of(profile)
    if space != needed:
        raise ImageError(f"its colour profile is for {space} and the picture is {needed}")
