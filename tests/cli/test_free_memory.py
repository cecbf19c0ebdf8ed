"""The free memory, with which a picture is compared before it is read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gpdm.cli import memory
from gpdm.cli.memory import free_memory


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/meminfo")
def test_the_free_memory_is_known() -> None:
    free = free_memory()
    assert free is not None and 2**24 < free < 2**50


@pytest.mark.parametrize(
    ("limit", "used", "cache", "expected"),
    [
        ("1000", "400", "anon 300\ninactive_file 50\n", 650),
        ("1000", "1200", "inactive_file 50\n", 0),
        ("max", "400", "inactive_file 50\n", None),
        (str(2**63 - 4096), "400", "inactive_file 50\n", None),
        ("1000", "400", "anon 300\n", None),
    ],
    ids=["limit", "full", "no limit", "no limit in version 1", "unknown"],
)
def test_the_limit_of_a_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, used: str, cache: str, expected: int | None
) -> None:
    for name, text in {"limit": limit, "used": used, "memory.stat": cache}.items():
        (tmp_path / name).write_text(text)
    files = (("missing", "missing", "missing"), (str(tmp_path / "limit"), str(tmp_path / "used"), "inactive_file"))
    monkeypatch.setattr(memory, "CGROUPS", files)
    monkeypatch.setattr(memory, "_free_on_machine", lambda: 2**40)
    assert free_memory() == (2**40 if expected is None else expected)
