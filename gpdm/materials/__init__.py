"""Materials: maps of one surface, such as colour, normals, roughness and height, that stay aligned.

What is done to them is a task or an edit of pictures (`MATERIALS`), with all maps as one image of many channels.
"""

from .base import MATERIALS, MaterialOptions, MaterialTask
from .lighting import lit
from .material import MAPS, Material
from .run import MaterialResult, run_material

__all__ = ["MAPS", "MATERIALS", "Material", "MaterialOptions", "MaterialResult", "MaterialTask", "lit", "run_material"]
