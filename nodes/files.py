"""Nodes that load a file from the folders of ComfyUI."""

from __future__ import annotations

import hashlib
from typing import Any

from . import host


class FileLoader:
    """Base of the nodes with an input `file`."""

    @classmethod
    def VALIDATE_INPUTS(cls, file: str) -> bool:
        """Returns True: a file that is gone is an error of the node, which says where it was looked for."""
        del file
        return True

    @classmethod
    def IS_CHANGED(cls, file: str, **others: Any) -> str:
        """Returns a hash of the file, so that a file that is saved again is loaded again."""
        del others
        return hashlib.sha256(host.current().read_file(file)[1]).hexdigest()
