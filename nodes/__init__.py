"""The graph face: thin ComfyUI nodes over the names that `gpdm` exports."""

from . import data, distributions, edits, matches, measure, mix, options, synthesize, tasks

_NODES = [
    *synthesize.NODES,
    *tasks.NODES,
    *mix.NODES,
    *options.NODES,
    *measure.NODES,
    *data.NODES,
    *distributions.NODES,
    *edits.NODES,
    *matches.NODES,
]

NODE_CLASS_MAPPINGS = {node.ID: node for node in _NODES}
NODE_DISPLAY_NAME_MAPPINGS = {node.ID: node.DISPLAY_NAME for node in _NODES}
