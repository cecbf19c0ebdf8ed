"""File names: the patterns between percent signs in a prefix, and the number behind it.

The editor replaces dates and values of nodes, the server replaces the rest; here both happen at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..workflow import Link, Node

DATE_PARTS = {"d": "day", "M": "month", "h": "hour", "m": "minute", "s": "second"}
NOT_IN_FILE_NAMES = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')


def expand(prefix: str, prompt: Mapping[str, Node], now: datetime, size: tuple[int, int]) -> str:
    """Returns `prefix` with its patterns replaced. Unknown ones stay as they are.

    `%date:yyyy-MM-dd%` is the time in the parts d, M, yy, yyyy, h, m and s, two letters for two digits.
    `%NODE.input%` is a value of the node with that name or title. `%width%`, `%height%`, `%year%`, `%month%`, `%day%`,
    `%hour%`, `%minute%` and `%second%` are those of the picture and of the time. `%batch_num%` is left to the caller.
    """
    named = {"width": str(size[0]), "height": str(size[1]), "year": str(now.year)}
    named |= {part: f"{getattr(now, part):02d}" for part in DATE_PARTS.values()}

    def replaced(match: re.Match[str]) -> str:
        parts = match[1].split(".")
        if len(parts) == 2:
            value = _value(prompt, parts[0], parts[1])
            return match[0] if value is None else NOT_IN_FILE_NAMES.sub("_", value)
        if parts[0].startswith("date:"):
            return _date(parts[0].removeprefix("date:"), now)
        return match[0]

    text = re.sub(r"%([^%]+)%", replaced, prefix)
    for name, value in named.items():
        text = text.replace(f"%{name}%", value)
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


def _value(prompt: Mapping[str, Node], name: str, key: str) -> str | None:
    """Returns the value of input `key` of the node called `name` as text. None if there is none."""
    node = next(iter(_called(prompt.values(), name)), None)
    while node is not None and key in node.inputs:
        value = node.inputs[key]
        if not isinstance(value, Link):
            return _text(value)
        # A node that holds one value, such as Int, is linked: what it holds is the value.
        node, key = prompt.get(value.node), "value"
    return None


def _called(nodes: Iterable[Node], name: str) -> list[Node]:
    """Returns the nodes with this search name ("Node name for S&R" in the editor), or else with this title."""
    nodes = list(nodes)
    return [node for node in nodes if node.type == name] or [node for node in nodes if node.title == name]


def _text(value: Any) -> str:
    """Returns a value as the editor writes it: true for True, 1 for 1.0."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
