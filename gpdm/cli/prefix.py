"""File names: the patterns between percent signs in a prefix, and the number behind it.

The editor replaces dates and values of nodes, the server replaces the rest; here both happen at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from .workflow import CONTROL, Link, Prompt

DATE_PARTS = {"d": "day", "M": "month", "h": "hour", "m": "minute", "s": "second"}
NOT_IN_FILE_NAMES = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


def expand(prefix: str, value: Callable[[str, str], str | None], now: datetime, size: tuple[int, int]) -> str:
    """Returns `prefix` with its patterns replaced. Unknown ones stay as they are.

    `%date:yyyy-MM-dd%` is the time in the parts d, M, yy, yyyy, h, m and s, two letters for two digits.
    `%NODE.input%` is what `value` returns for the two names. `%width%`, `%height%`, `%year%`, `%month%`, `%day%`,
    `%hour%`, `%minute%` and `%second%` are those of the picture and of the time. `%batch_num%` is left to the caller.
    """
    named = {"width": str(size[0]), "height": str(size[1]), "year": str(now.year)}
    named |= {part: f"{getattr(now, part):02d}" for part in DATE_PARTS.values()}

    def replaced(match: re.Match[str]) -> str:
        parts = match[1].split(".")
        if len(parts) == 2:
            text = value(parts[0], parts[1])
            return match[0] if text is None else NOT_IN_FILE_NAMES.sub("_", text)
        if parts[0].startswith("date:"):
            return _date(parts[0].removeprefix("date:"), now)
        return match[0]

    text = re.sub(r"%([^%]+)%", replaced, prefix)
    for name, replacement in named.items():
        text = text.replace(f"%{name}%", replacement)
    return text


def first_free_number(folder: Path, name: str) -> int:
    """Returns the number after the highest in the names of files that begin with `name` and a number."""
    start = r"\d+".join(re.escape(part) for part in name.split("%batch_num%"))
    found = (re.match(rf"{start}_(\d+)(?:[_.]|$)", path.name) for path in folder.iterdir())
    return max((int(match[1]) for match in found if match), default=0) + 1


def _date(text: str, now: datetime) -> str:
    """Returns `text` with the parts of a date replaced: yy, yyyy, and d, M, h, m, s with one or two digits."""

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters[0] == "y":
            return {2: f"{now.year}"[2:], 4: f"{now.year}"}.get(len(letters), letters)
        return f"{getattr(now, DATE_PARTS[letters[0]]):0{len(letters)}d}"

    return re.sub(r"dd?|MM?|hh?|mm?|ss?|yyy?y?", part, text)


def value_text(prompt: Prompt, display_names: Mapping[str, str], name: str, key: str) -> str | None:
    """Returns the value of widget `key` of the node called `name` as text. None if there is none.

    As in the editor, a name is the "Node name for S&R", or else the title, also of a node that does not execute.
    """
    searched = [node for node in prompt.listed if name == (node.search_name or node.type)]
    titled = [node for node in prompt.listed if name in (node.title, display_names.get(node.type))]
    node = next(iter([*searched, *titled]), None)
    if node is not None and key == CONTROL and node.control is not None:
        return _text(node.control)
    for _ in prompt.listed:
        if node is None or key not in node.inputs:
            break
        value = node.inputs[key]
        if not isinstance(value, Link):
            return _text(value)
        # A node that holds one value, such as Int, is linked: what it holds is the value.
        node, key = prompt.get(value.node), "value"
    return None


def _text(value: Any) -> str:
    """Returns a value as the editor writes it: true for True, 1 for 1.0."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{Decimal(repr(value)).normalize():f}" if isinstance(value, float) else str(value)
