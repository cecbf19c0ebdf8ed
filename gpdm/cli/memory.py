"""The memory that is free on this machine, or in the container that limits this process."""

from __future__ import annotations

import os
from pathlib import Path

CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "total_inactive_file",
    ),
)
"""Files that hold the limit of a Linux container and what it uses, of versions 2 and 1 of cgroups, and the name of the
part of the use that is a cache of files, which gives way, in the file memory.stat beside them."""


def free_memory() -> int | None:
    """Returns the bytes of memory that are free; all there are where only that is known; None if nothing is."""
    known = [
        count for count in (_free_on_machine(), *(_free_in_cgroup(*names) for names in CGROUPS)) if count is not None
    ]
    return min(known, default=None)


def _free_on_machine() -> int | None:
    try:
        return _number("/proc/meminfo", "MemAvailable:") * 1024
    except (OSError, LookupError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _free_in_cgroup(limit: str, used: str, cache: str) -> int | None:
    """Returns what is left of a limit; None if there is none: then the files are missing, or the limit is "max"."""
    try:
        total, taken = int(Path(limit).read_text()), int(Path(used).read_text())
        return max(total - taken + _number(str(Path(used).parent / "memory.stat"), cache), 0)
    except (OSError, LookupError, ValueError):
        return None


def _number(file: str, name: str) -> int:
    """Returns the number that follows a name in a file of names and numbers."""
    words = Path(file).read_text().split()
    return int(words[words.index(name) + 1])
