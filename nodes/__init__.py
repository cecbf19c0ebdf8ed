"""The graph face: thin ComfyUI nodes over the names that `gpdm` exports."""

from . import (
    collage,
    data,
    daub,
    distributions,
    edits,
    loop,
    luts,
    matches,
    materials,
    measure,
    mix,
    options,
    resume,
    synthesize,
    tasks,
)

_MODULES = (
    synthesize,
    tasks,
    mix,
    options,
    measure,
    data,
    distributions,
    edits,
    loop,
    matches,
    materials,
    luts,
    resume,
    collage,
    daub,
)
_NODES = [node for module in _MODULES for node in module.NODES]

NODE_CLASS_MAPPINGS = {node.ID: node for node in _NODES}
NODE_DISPLAY_NAME_MAPPINGS = {node.ID: node.DISPLAY_NAME for node in _NODES}
