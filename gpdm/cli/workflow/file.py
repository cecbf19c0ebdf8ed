"""Files that hold a workflow: JSON in any encoding of Unicode, and pictures that ComfyUI or `gpdm run` wrote."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from ...errors import GPDMError
from .metadata import is_picture, picture_texts

HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""Beginning of an escape that may be one half of a character."""


def read_workflow(path: Path) -> Any:
    """Returns the content of a JSON file, or of the workflow in a picture. NaN and infinite numbers are read as null.

    Which of the two it is, the content decides, not the name. Of a picture with both, the editor's workflow is
    returned and not the prompt, as the editor itself does.

    Raises:
        GPDMError: There is no such file, or no JSON and no workflow in it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise GPDMError(f"there is no file {path}; check the path") from None
    except IsADirectoryError:
        raise GPDMError(f"{path} is a folder; give the name of a workflow file") from None
    except (OSError, ValueError) as error:
        raise GPDMError(f"{path} cannot be read: {error}") from None
    if not is_picture(data):
        return _json(data, str(path))
    texts = picture_texts(data, str(path))
    for key in ("workflow", "prompt"):
        if texts.get(key):
            return _json(texts[key].encode("utf-8", "surrogatepass"), f"the {key} in {path}")
    raise GPDMError(f"{path} is a picture without a workflow; give a file that ComfyUI or `gpdm run` wrote")


def _json(data: bytes, name: str) -> Any:
    if not data.strip():
        raise GPDMError(f"{name} is empty; save the workflow again in ComfyUI")
    try:
        # Whatever an editor wrote: with a byte order mark or without, in 8, 16 or 32 bits.
        text = data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
        value = json.loads(text, parse_constant=_nothing, parse_float=_number)
        if HALF.search(text):
            value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise GPDMError(f"{name} is neither JSON nor a picture that Pillow can read: {_short(error)}") from None
    return value


def _nothing(text: str) -> None:
    """Returns None for NaN and infinite numbers, which are no JSON and which the editor makes null."""


def _number(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 120 else f"{text[:120]} ..."
