"""One node per task, made from its record. Each is useful with its defaults alone."""

from __future__ import annotations

from ..gpdm import SIZE_OPTIONS, TASKS, Task
from . import base


def task_node(task: Task) -> type[base.SynthesisNode]:
    """Returns the node class of a task."""
    attributes = {
        "ID": task.node_id,
        "DISPLAY_NAME": f"GPDM {task.title}",
        "DESCRIPTION": task.summary,
        "SEARCH_ALIASES": list(task.aliases),
        "TASK": task,
        "OUTPUT": ("num_outputs", "height", *(SIZE_OPTIONS if task.resizes else ())),
    }
    return type(task.node_id.replace("_", ""), (base.SynthesisNode,), attributes)


NODES = [task_node(task) for task in TASKS.values()]
