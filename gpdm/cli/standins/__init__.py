"""Stand-ins for the nodes of ComfyUI that people use around ours, for runs without a server.

Inputs and outputs are those of the nodes they stand for. A stand-in is made with the session it runs in.
"""

from .base import Session, StandIn
from .combine import ImageBatch, ImageStitch
from .load import LoadImage, LoadImageMask
from .save import PreviewImage, SaveImage
from .scale import ImageScale, ImageScaleBy

STAND_INS: dict[str, type[StandIn]] = {
    kind.__name__: kind
    for kind in (LoadImage, LoadImageMask, SaveImage, PreviewImage, ImageScale, ImageScaleBy, ImageBatch, ImageStitch)
}

__all__ = ["STAND_INS", "Session", "StandIn"]
