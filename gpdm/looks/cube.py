"""The text of .cube files, in which programs for colour correction exchange 3-D LUTs.

Red changes fastest from line to line. Format: Adobe, Cube LUT Specification 1.0, 2013. The keyword LUT_3D_INPUT_RANGE
of DaVinci Resolve is read too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import torch

from ..errors import GPDMError
from .lut import Lut

LARGEST_SIDE = 256
"""Largest number of entries along an axis, by the specification."""
LARGEST_VALUE = 1e6
"""Largest absolute value that is a colour."""
LONGEST = 60
"""Characters of a line that a message shows."""


def encode_cube(lut: Lut) -> bytes:
    """Returns the content of a .cube file with a table, in six decimal places."""
    title = re.sub(r"[^ -~]|\"", "", lut.title)
    ends = [f"DOMAIN_{name} {_numbers(end)}" for name, end in (("MIN", lut.low), ("MAX", lut.high))]
    head = [*([f'TITLE "{title}"'] if title else []), f"LUT_3D_SIZE {len(lut.table)}", *ends]
    colours = lut.table.reshape(-1, 3).double().cpu().numpy()
    return "\n".join([*head, *(f"{red:.6f} {green:.6f} {blue:.6f}" for red, green, blue in colours), ""]).encode()


def decode_cube(data: bytes, name: str) -> Lut:
    """Returns the table in a .cube file.

    Arguments:
        data: Content of the file.
        name: Name of the file in messages.

    Raises:
        GPDMError: It is no 3-D LUT, or damaged. The message names the file and the line.
    """
    try:
        return _read(data.decode("utf-8", "replace"))
    except GPDMError as error:
        raise GPDMError(f"{name}: {error}") from None


def _read(text: str) -> Lut:
    """Returns the table in the text of a .cube file; `GPDMError` as in `decode_cube`, without the name."""
    lines = [(number, line.strip()) for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    head = [(number, line) for number, line in lines if line[0].isalpha()]
    values = _read_head(head)
    if "LUT_3D_SIZE" not in values:
        raise GPDMError(
            "it has no line LUT_3D_SIZE, so it is no .cube file with a 3-D LUT; export the LUT as .cube again"
        )
    side = _side(values["LUT_3D_SIZE"])
    low, high = _domain(values)
    colours = _read_colours([(number, line) for number, line in lines if not line[0].isalpha()])
    if len(colours) != side**3:
        state = "it is cut off" if len(colours) < side**3 else "it has lines too many"
        raise GPDMError(
            f"it has {len(colours)} colours, and a table with LUT_3D_SIZE {side} has {side**3}: {state}; export the LUT again"
        )
    title = values.get("TITLE", [""])[0]
    return Lut(torch.from_numpy(colours).reshape(side, side, side, 3), low, high, title)


KEYWORDS = {"LUT_3D_SIZE": 1, "DOMAIN_MIN": 3, "DOMAIN_MAX": 3, "LUT_3D_INPUT_RANGE": 2}
"""Number of values after each keyword."""


def _read_head(lines: Sequence[tuple[int, str]]) -> dict[str, list[str]]:
    """Returns the values of each keyword as text."""
    found: dict[str, list[str]] = {}
    for number, line in lines:
        keyword, *values = line.split()
        if keyword.startswith("LUT_1D"):
            raise GPDMError(
                f"line {number}: it holds a 1-D LUT ({keyword}), a curve for each channel; only 3-D LUTs can be used, so export it as one"
            )
        if keyword in found:
            raise GPDMError(f"line {number}: {keyword} stands there twice; remove one of the lines")
        if keyword == "TITLE":
            found[keyword] = [line.removeprefix(keyword).strip().strip('"')]
            continue
        if keyword not in KEYWORDS:
            raise GPDMError(
                f"line {number}: {line[:LONGEST]!r} is not known in a .cube file; remove it, or export the LUT again"
            )
        if len(values) != KEYWORDS[keyword]:
            raise GPDMError(
                f"line {number}: {line[:LONGEST]!r} must have {KEYWORDS[keyword]} number(s) behind {keyword}"
            )
        found[keyword] = values
    return found


def _side(values: Sequence[str]) -> int:
    if not values[0].isascii() or not values[0].isdigit() or not 2 <= int(values[0]) <= LARGEST_SIDE:
        raise GPDMError(
            f"LUT_3D_SIZE = {values[0][:LONGEST]} is not allowed: it must be a whole number from 2 to {LARGEST_SIDE}"
        )
    return int(values[0])


def _domain(values: dict[str, list[str]]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Returns the colours at the first and at the last entry of the axes."""
    ends = values.get("LUT_3D_INPUT_RANGE", ["0", "1"])
    given = [values.get(name, [end] * 3) for name, end in (("DOMAIN_MIN", ends[0]), ("DOMAIN_MAX", ends[1]))]
    low, high = (tuple(_number(text) for text in end) for end in given)
    if not all(a < b for a, b in zip(low, high, strict=True)):
        raise GPDMError(f"DOMAIN_MIN {_numbers(low)} must be below DOMAIN_MAX {_numbers(high)} in each channel")
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _read_colours(lines: Sequence[tuple[int, str]]) -> np.ndarray:
    """Returns the colours, (number, 3), float32."""
    rows = [(number, line.split()) for number, line in lines]
    wrong = next((number for number, row in rows if len(row) != 3), None)
    if wrong is None:
        try:
            colours = np.array([row for _, row in rows], np.float64).reshape(-1, 3)
        except ValueError:
            colours = np.full((1, 3), np.nan)
        if (np.abs(colours) <= LARGEST_VALUE).all():
            return colours.astype(np.float32)
        wrong = next(number for number, row in rows if not all(map(_is_number, row)))
    line = next(line for number, line in lines if number == wrong)
    raise GPDMError(f"line {wrong}: {line[:LONGEST]!r} is no colour; it must be three numbers, red, green and blue")


def _number(text: str) -> float:
    if not _is_number(text):
        raise GPDMError(f"{text[:LONGEST]!r} in the domain is no number; write one such as 0.0 or 1.0")
    return float(text)


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST_VALUE
    except ValueError:
        return False


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.10g}" for value in values)
