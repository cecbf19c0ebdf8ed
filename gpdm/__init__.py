"""GPDM: new images with the patch distribution of a reference.

The sliced Wasserstein distance between the two distributions is minimised directly.

Elnekave and Weiss, "Generating Natural Images with Direct Patch Distributions Matching", ECCV 2022.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import *  # noqa: F403

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Returns a public name from `gpdm.api`, which loads torch.

    This lets the `gpdm` command set a thread policy first.
    """
    if name.startswith("_") or name == "api":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".api", __name__), name)


def __dir__() -> list[str]:
    """Returns the public names."""
    return sorted([*globals(), *vars(import_module(".api", __name__))])
