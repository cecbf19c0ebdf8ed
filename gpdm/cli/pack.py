"""Loads the node pack as ComfyUI does: by file location, under a name of its own."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import gpdm

from ..errors import GPDMError

NAME = "comfyui_gpdm"
ROOT = Path(gpdm.__file__).resolve().parent.parent


def load_pack(root: Path = ROOT) -> ModuleType:
    """Returns the pack's root module, executed once.

    Its relative import of `gpdm` is answered with the one that is running, so that both have the same classes.

    Raises:
        GPDMError: The pack is not next to the library.
    """
    if NAME in sys.modules:
        return sys.modules[NAME]
    entry = root / "__init__.py"
    if not (root / "nodes" / "__init__.py").is_file():
        raise GPDMError(
            f"the node pack is not at {root}; install from a checkout of the repository with `pip install -e .`"
        )
    spec = importlib.util.spec_from_file_location(NAME, entry, submodule_search_locations=[str(root)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME], sys.modules[f"{NAME}.gpdm"] = module, gpdm
    spec.loader.exec_module(module)
    return module
