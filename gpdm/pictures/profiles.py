"""Colour profiles (ICC): pictures of other colour spaces as sRGB."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
from PIL import Image

from ..errors import ImageError

Curve = Callable[[np.ndarray], np.ndarray]

SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
"""The colour space that a profile must have, by the mode of the picture."""

BLACK_POINT_COMPENSATION = 0x2000
"""A flag of LittleCMS, which not all versions of Pillow name alike."""

XYZ_TO_SRGB = np.array(
    [
        [3.1341359, -1.6173863, -0.4906619],
        [-0.9787955, 1.9162544, 0.0334427],
        [0.0719554, -0.2289768, 1.4053860],
    ]
)
"""From XYZ with the white point of profiles (D50) to linear sRGB, adapted with the Bradford matrix."""


def is_srgb(profile: bytes) -> bool:
    """Returns whether a profile calls itself sRGB. Profiles of linear sRGB do too, and are not meant.

    Raises:
        ImageError: The profile cannot be read, or this Pillow cannot read profiles.
    """
    cms = _color_management()
    try:
        name = cms.getProfileDescription(cms.ImageCmsProfile(io.BytesIO(profile))).lower()
    except (OSError, TypeError, ValueError, cms.PyCMSError):
        raise ImageError("its colour profile is damaged") from None
    return "srgb" in name and not ("linear" in name or "g10" in name)


def to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Returns a picture of mode L, LA, RGB, RGBA, CMYK or LAB with 8 bits in sRGB, or in grey with sRGB's curve.

    Alpha stays as it is.

    Raises:
        ImageError: The profile is damaged, or is for another kind of picture.
    """
    cms = _color_management()
    alpha = picture.getchannel("A") if picture.mode in ("LA", "RGBA") else None
    colours = picture.convert({"LA": "L", "RGBA": "RGB"}[picture.mode]) if alpha else picture
    _check_space(profile, SPACES[picture.mode])
    try:
        result = cms.profileToProfile(
            colours,
            cms.ImageCmsProfile(io.BytesIO(profile)),
            cms.createProfile("sRGB"),
            renderingIntent=cms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=BLACK_POINT_COMPENSATION,  # type: ignore[arg-type]
        )
    except (OSError, TypeError, ValueError, cms.PyCMSError):
        raise ImageError("its colour profile is damaged") from None
    assert result is not None
    result = result.getchannel("G") if colours.mode == "L" else result
    if alpha:
        result.putalpha(alpha)
    return result


def deep_to_srgb(values: np.ndarray, profile: bytes) -> np.ndarray:
    """Returns values (H, W, C), uint16 or float32 in [0, 1], in sRGB with their full precision.

    Pillow converts 8 bits only, so the profile is evaluated here. It must consist of curves and, for RGB, a matrix.

    Raises:
        ImageError: The profile is damaged, of another kind, or for another kind of picture.
    """
    colours = values.shape[2] - (values.shape[2] in (2, 4))
    maximum = 1 if values.dtype == np.float32 else 65535
    _check_space(profile, "GRAY" if colours == 1 else "RGB")
    try:
        tags = _tags(profile)
        is_table = "A2B0" in tags or profile[20:24] != b"XYZ "
        linear = values[..., :0] if is_table else _linear(values[..., :colours] / maximum, tags)
    except (ArithmeticError, LookupError, ValueError, struct.error):
        raise ImageError("its colour profile is damaged") from None
    if is_table:
        raise ImageError("its colour profile is a table, which can only be applied to 8 bits per channel")
    if not np.isfinite(linear).all():
        raise ImageError("its colour profile is damaged")
    result = srgb_curve(linear.clip(0, 1)) * maximum
    result = result.astype(np.float32) if maximum == 1 else result.round().astype(np.uint16)
    return np.concatenate([result, values[..., colours:]], axis=2)


def _linear(values: np.ndarray, tags: dict[str, bytes]) -> np.ndarray:
    """Returns grey or RGB values (H, W, C) in [0, 1] as linear grey or linear sRGB."""
    names = ("kTRC",) if values.shape[2] == 1 else ("rTRC", "gTRC", "bTRC")
    with np.errstate(all="ignore"):
        linear = np.stack([_curve(tags[name])(values[..., i]) for i, name in enumerate(names)], axis=-1)
        if len(names) == 1:
            return linear
        return linear @ (XYZ_TO_SRGB @ np.stack([_numbers(tags[c + "XYZ"][8:20]) for c in "rgb"], axis=1)).T


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    """Returns linear values in [0, 1] with sRGB's transfer curve (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def _color_management():
    from PIL import ImageCms

    try:
        ImageCms.createProfile("sRGB")
    except ImportError:
        raise ImageError("this Pillow cannot convert colour profiles (it was built without LittleCMS)") from None
    return ImageCms


def _check_space(profile: bytes, needed: str) -> None:
    space = profile[16:20].decode("latin-1").strip()
    if space != needed:
        raise ImageError(f"its colour profile is for {space} and the picture is {needed}")


def _tags(profile: bytes) -> dict[str, bytes]:
    """Returns the tags of a profile by name."""
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100))]
    return {name.decode("latin-1"): profile[start : start + size] for name, start, size in entries}


def _numbers(data: bytes) -> np.ndarray:
    """Returns numbers in the fixed-point format of profiles (s15Fixed16)."""
    return np.frombuffer(data[: len(data) // 4 * 4], ">i4") / 65536


def _curve(tag: bytes) -> Curve:
    """Returns a curve of a profile as a function on [0, 1]: a power, a table, or a parametric curve."""
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        return _parametric(kind, [float(x) for x in _numbers(tag[12 : 12 + 4 * (1, 3, 4, 5, 7)[kind]])])
    (count,) = struct.unpack_from(">I", tag, 8)
    if count == 0:
        return lambda x: x
    if count == 1:
        gamma = struct.unpack_from(">H", tag, 12)[0] / 256
        return lambda x: x**gamma
    table = np.frombuffer(tag[12 : 12 + 2 * count], ">u2") / 65535
    return lambda x: np.interp(x, np.linspace(0, 1, len(table)), table)


def _parametric(kind: int, numbers: list[float]) -> Curve:
    """Returns one of the five parametric curves of the ICC standard: (ax + b)^g + e from d on, and cx + f below it."""
    gamma, a, b, c, d, e, f = {
        1: lambda: (*numbers, 0.0, -numbers[2] / numbers[1], 0.0, 0.0),
        2: lambda: (*numbers[:3], 0.0, -numbers[2] / numbers[1], numbers[3], numbers[3]),
        3: lambda: (*numbers, 0.0, 0.0),
        4: lambda: numbers,
    }.get(kind, lambda: (numbers[0], 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))()
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** gamma + e, c * x + f)
