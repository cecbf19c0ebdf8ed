"""ICC profiles for tests: small ones are built here, and their effect is computed with NumPy."""

from __future__ import annotations

import struct

import numpy as np

D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])

SPACES = {
    "Adobe RGB (1998)": ([(0.64, 0.33), (0.21, 0.71), (0.15, 0.06)], (0.3127, 0.329), 563 / 256),
    "Display P3": ([(0.68, 0.32), (0.265, 0.69), (0.15, 0.06)], (0.3127, 0.329), "srgb"),
    "ProPhoto RGB": ([(0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)], (0.3457, 0.3585), 461 / 256),
    "linear sRGB": ([(0.64, 0.33), (0.3, 0.6), (0.15, 0.06)], (0.3127, 0.329), 1.0),
}
"""Primaries, white point and transfer curve of RGB spaces, by the description in the profile."""


def xyz(x: float, y: float) -> np.ndarray:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def matrix(name: str) -> np.ndarray:
    """Linear RGB to XYZ at D50."""
    primaries, white, _ = SPACES[name]
    columns = np.stack([xyz(*p) for p in primaries], axis=1)
    columns = columns * np.linalg.solve(columns, xyz(*white))
    scale = (BRADFORD @ D50) / (BRADFORD @ xyz(*white))
    return np.linalg.inv(BRADFORD) @ np.diag(scale) @ BRADFORD @ columns


def srgb_to_linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(values: np.ndarray) -> np.ndarray:
    values = values.clip(0, 1)
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


for added, transfer in {
    "sRGB": "srgb",
    "sRGB as a table": "table",
    "sRGB of gamma 1.8": 461 / 256,
    "sRGB of gamma 2.2": 563 / 256,
}.items():
    SPACES[added] = (*SPACES["linear sRGB"][:2], transfer)


def expected(values: np.ndarray, name: str) -> np.ndarray:
    """Values (..., 3) in [0, 1] of an RGB space, in sRGB."""
    curve = SPACES[name][2]
    linear = srgb_to_linear(values) if curve == "srgb" else values**curve
    return linear_to_srgb(linear @ matrix(name).T @ np.linalg.inv(matrix("sRGB")).T)


def fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(x * 65536)) for x in numbers)


def curve(kind: float | str) -> bytes:
    if kind == "srgb":
        return b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    if kind == "table":
        table = (srgb_to_linear(np.linspace(0, 1, 1024)) * 65535).round().astype(">u2")
        return b"curv\0\0\0\0" + struct.pack(">I", 1024) + table.tobytes()
    assert isinstance(kind, float)
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(kind * 256)) + b"\0\0"


def described(text: str) -> bytes:
    data = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(data)) + data + b"\0" * (4 + 4 + 2 + 1 + 67)


def point(value: np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*value)


def profile(space: bytes, pcs: bytes, tags: dict[bytes, bytes], kind: bytes = b"mntr") -> bytes:
    """A profile of version 2 with these tags."""
    table, body, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    date = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    header = struct.pack(">I4sI4s4s4s12s4s", start + len(body), b"test", 0x02400000, kind, space, pcs, date, b"acsp")
    header += b"\0" * (68 - len(header)) + fixed(*D50)
    return header + b"\0" * (128 - len(header)) + table + body


def rgb_profile(name: str, description: str = "") -> bytes:
    columns = matrix(name).T
    tags = {b"desc": described(description or name), b"wtpt": point(D50), b"cprt": b"text\0\0\0\0none\0"}
    for letter, column in zip(b"rgb", columns, strict=True):
        tags[bytes([letter]) + b"XYZ"] = point(column)
        tags[bytes([letter]) + b"TRC"] = curve(SPACES[name][2])
    return profile(b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float | str) -> bytes:
    tags = {b"desc": described("grey"), b"wtpt": point(D50), b"cprt": b"text\0\0\0\0none\0", b"kTRC": curve(gamma)}
    return profile(b"GRAY", b"XYZ ", tags)


def table_profile(space: bytes, lightness: np.ndarray) -> bytes:
    """A profile that knows the lightness L* of the mixtures of no and full ink or light, (2, 2, ...), all neutral."""
    lab = np.zeros((lightness.size, 3))
    lab[:, 0] = lightness.reshape(-1) / 100 * 0xFF00
    lab[:, 1:] = 0x8000
    identity = np.array([0, 65535], ">u2").tobytes()
    table = b"mft2\0\0\0\0" + bytes([lightness.ndim, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += struct.pack(">HH", 2, 2) + identity * lightness.ndim + lab.round().astype(">u2").tobytes() + identity * 3
    tags = {b"desc": described("table"), b"wtpt": point(D50), b"cprt": b"text\0\0\0\0none\0", b"A2B0": table}
    return profile(space, b"Lab ", tags, b"prtr")


def neutral(lightness: np.ndarray) -> np.ndarray:
    """Lightness L* from 0 to 100 as grey in sRGB, from 0 to 1."""
    return linear_to_srgb(np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3))
