"""Workflow files: read from JSON or pictures, in the editor's format or the API format, into one prompt."""

from __future__ import annotations

from .file import read_workflow
from .prompt import Link, Node, Prompt, to_api
from .read import is_editor_format, read_prompt, unwrapped
from .widgets import CONTROL

__all__ = [
    "CONTROL",
    "Link",
    "Node",
    "Prompt",
    "is_editor_format",
    "read_prompt",
    "read_workflow",
    "to_api",
    "unwrapped",
]
