"""JSON as editors, servers and people write it: in any encoding of Unicode, with what they add before and behind."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ...errors import GPDMError

HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""Beginning of an escape that may be one half of a character."""
COMMENT = re.compile(r"//|/\*|#")
TRAILING_COMMA = re.compile(r",\s*[]}]")
ENDS = "\0\x1a"
"""Characters that old programs put at the end of a text."""
MOST_DIGITS = 4000


def from_json(data: bytes, name: str) -> Any:
    """Returns the value of a JSON text, which is called `name` in messages. NaN and infinite numbers are read as null.

    Raises:
        GPDMError: It is empty or no JSON.
    """
    if not data.strip():
        raise GPDMError(f"{name} is empty; save the workflow again in ComfyUI")
    try:
        # Whatever an editor wrote: with a byte order mark or without, in 8, 16 or 32 bits.
        text = data.decode(json.detect_encoding(data)).removeprefix("\ufeff").rstrip(ENDS)
        value = json.loads(text, parse_constant=_nothing, parse_float=_float, parse_int=_integer)
        if HALF.search(text):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except json.JSONDecodeError as error:
        raise GPDMError(_refusal(error, name)) from None
    except UnicodeDecodeError as error:
        raise GPDMError(
            f"{name} is neither a picture that Pillow can read nor text in UTF-8 (byte {error.start}); save it as UTF-8"
        ) from None
    except RecursionError:
        raise GPDMError(f"{name} is neither JSON of a workflow nor a picture: its brackets are too deep") from None
    except GPDMError as error:
        raise GPDMError(f"{name}: {error}") from None
    return value


def _refusal(error: json.JSONDecodeError, name: str) -> str:
    """Returns the message for a text that is no JSON."""
    rest, where = error.doc[error.pos :].lstrip(), f"line {error.lineno}"
    # Depending on its version, Python names the place of the comma or what comes behind it.
    before = error.doc[: error.pos].rstrip()[-1:]
    if COMMENT.match(rest):
        return f"{name}: JSON has no comments; remove the one in {where}"
    if TRAILING_COMMA.match(rest) or TRAILING_COMMA.match(before + rest):
        return f"{name}: JSON has no trailing commas; remove the one in or before {where}"
    return f"{name} is neither JSON nor a picture that Pillow can read: {error.msg} in {where}, column {error.colno}"


def _nothing(text: str) -> None:
    """Returns None for NaN and infinite numbers, which are no JSON and which the editor makes null."""


def _float(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _integer(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise GPDMError(f"a number in it has {len(text)} digits, {text[:10]}...; make it shorter")
    return int(text)
