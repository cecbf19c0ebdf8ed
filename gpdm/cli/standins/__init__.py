"""Stand-ins for the nodes of ComfyUI that people use around ours, for runs without a server.

Inputs and outputs are those of the nodes they stand for. A stand-in is made with the session it runs in.
"""

from ..session import Session
from . import animate, batch, colour, combine, expression, load, masks, resize, save, scale, transform, values
from .base import StandIn
from .names import DISPLAY_NAMES

STAND_INS: dict[str, type[StandIn]] = {
    name: kind
    for module in (load, save, animate, values, expression, batch, combine, scale, resize, transform, colour, masks)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, StandIn) and kind is not StandIn and not name.startswith("_")
}
"""Every stand-in by the id of its node, in the order of the files."""

__all__ = ["DISPLAY_NAMES", "STAND_INS", "Session", "StandIn"]
