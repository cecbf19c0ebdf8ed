"""Loads the pack by file location, as ComfyUI does, under one fixed name.

pytest 8 and later imports the root `__init__.py` in the set-up of every test, as package "main" or module "__init__" after
the folder's name; in a folder like "ComfyUI-GPDM" its relative imports would fail. Registered under those names too, it is
found instead of imported again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gpdm.cli import host, pack  # isort: skip  (before torch is loaded: it sets the wait policy of its threads)

import torch

ROOT = Path(__file__).resolve().parent.parent
assert pack.ROOT == ROOT, f"gpdm is installed from {pack.ROOT}; run pip install -e . in {ROOT}"
PACK = pack.load_pack(ROOT)
for name in (ROOT.name, "__init__"):
    sys.modules[name] = PACK

# Test machines share their cores; more threads than cores make small convolutions many times slower. Of several processes
# (pytest-xdist) each has one.
torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else min(2, os.cpu_count() or 1))


@pytest.fixture
def comfyui_pack() -> ModuleType:
    """The pack's root module."""
    return PACK


@pytest.fixture
def terminal() -> Iterator[host.TerminalHost]:
    """Nodes run on the CPU, without ComfyUI."""
    terminal = host.TerminalHost(torch.device("cpu"))
    before = PACK.nodes.host.use(terminal)
    yield terminal
    PACK.nodes.host.use(before)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)
