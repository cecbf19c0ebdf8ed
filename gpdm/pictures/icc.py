"""Contents of colour profiles (ICC) of curves and a matrix, and their effect on values of any precision."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import numpy as np

from ..errors import ImageError

Curve = Callable[[np.ndarray], np.ndarray]

XYZ_TO_SRGB = np.array(
    [
        [3.1341359, -1.6173863, -0.4906619],
        [-0.9787955, 1.9162544, 0.0334427],
        [0.0719554, -0.2289768, 1.4053860],
    ]
)
"""From XYZ with the white point of profiles (D50) to linear sRGB, adapted with the Bradford matrix."""


def space_of(profile: bytes) -> str:
    """Returns the colour space that a profile is for: "RGB", "GRAY", "CMYK", "Lab" or another.

    Raises:
        ImageError: It is no profile.
    """
    if profile[36:40] != b"acsp":
        raise ImageError("its colour profile is damaged")
    return profile[16:20].decode("latin-1").strip()


def is_table(profile: bytes) -> bool:
    """Returns whether a profile is a table of colours. Raises `ImageError` if its list of contents is damaged."""
    return profile[20:24] != b"XYZ " or any(name.startswith(("A2B", "D2B")) for name in _tags(profile))


def evaluate(values: np.ndarray, profile: bytes) -> np.ndarray:
    """Returns values (..., C) in [0, 1] of the space of a profile in sRGB, or grey with sRGB's curve, as float64.

    C is 1 if the profile is for grey, or 3. It must not be a table.

    Raises:
        ImageError: The profile is damaged.
    """
    tags = _tags(profile)
    try:
        with np.errstate(all="ignore"):
            linear = _linear(values, tags)
    except (ArithmeticError, LookupError, ValueError, struct.error):
        raise ImageError("its colour profile is damaged") from None
    if not np.isfinite(linear).all():
        raise ImageError("its colour profile is damaged")
    return srgb_curve(linear.clip(0, 1))


def srgb_curve(linear: np.ndarray) -> np.ndarray:
    """Returns linear values in [0, 1] with sRGB's transfer curve (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def _linear(values: np.ndarray, tags: Mapping[str, bytes]) -> np.ndarray:
    """Returns grey or RGB values (..., C) in [0, 1] as linear grey or linear sRGB."""
    names = ("kTRC",) if values.shape[-1] == 1 else ("rTRC", "gTRC", "bTRC")
    linear = np.stack([_curve(tags[name])(values[..., i]) for i, name in enumerate(names)], axis=-1)
    if len(names) == 1:
        return linear
    return linear @ (XYZ_TO_SRGB @ np.stack([_numbers(tags[c + "XYZ"][8:20]) for c in "rgb"], axis=1)).T


def _tags(profile: bytes) -> dict[str, bytes]:
    """Returns the contents of a profile by name."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        entries = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 100))]
    except struct.error:
        raise ImageError("its colour profile is damaged") from None
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
