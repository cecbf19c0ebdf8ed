"""Files that hold a workflow: JSON, and pictures that ComfyUI or `gpdm run` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import GPDMError
from .json_text import from_json
from .metadata import is_picture, picture_texts


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
        return from_json(data, str(path))
    return _picture_workflow(data, str(path))


def _picture_workflow(data: bytes, name: str) -> Any:
    """Returns the workflow in a picture, or its prompt if the workflow is empty or damaged."""
    texts = picture_texts(data, name)
    damage: GPDMError | None = None
    for key in [key for key in ("workflow", "prompt") if texts.get(key)]:
        try:
            value = from_json(texts[key].encode("utf-8", "surrogatepass"), f"the {key} in {name}")
        except GPDMError as error:
            damage = damage or error
        else:
            if value:
                return value
    raise damage or GPDMError(f"{name} is a picture without a workflow; give a file that ComfyUI or `gpdm run` wrote")
