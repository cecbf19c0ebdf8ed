"""Working folders with small pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.edit_files import write_files
from PIL import Image


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with in.png (26 x 22) and other.png (30 x 24)."""
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((26, 22)).convert("RGB").save("in.png")
    Image.radial_gradient("L").resize((30, 24)).convert("RGB").save("other.png")
    return tmp_path


@pytest.fixture
def edit_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files of `edit_files.write_files`."""
    monkeypatch.chdir(tmp_path)
    write_files()
    return tmp_path
