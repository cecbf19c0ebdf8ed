"""Every task by its name, as a record and as a function.

A new task is a record in a file here and three entries in this file.
"""

from . import analogy, layout, paint, restyle
from .base import DEFAULT_QUALITY, QUALITIES, Changes, Picture, Recipe, Task
from .collage import COLLAGE, CollageOptions
from .daub import Daub, DaubOptions, daub
from .distribution import picture_distribution
from .mix import MIX, MixOptions
from .output import SIZE_OPTIONS, TILES, OutputOptions
from .pictures import Prepared, prepare_pictures
from .regions import REGIONS
from .run import as_function, run_task

TASKS = {task.name: task for task in (*layout.TASKS, *restyle.TASKS, *paint.TASKS, *analogy.TASKS)}
"""Every task by its name."""

reshuffle = as_function(TASKS["reshuffle"])
retarget = as_function(TASKS["retarget"])
texture = as_function(TASKS["texture"])
style_transfer = as_function(TASKS["style_transfer"])
paint = as_function(TASKS["paint"])
analogy = as_function(TASKS["analogy"])
regions = as_function(REGIONS)
mix = as_function(MIX)
collage = as_function(COLLAGE)

__all__ = [
    "COLLAGE",
    "DEFAULT_QUALITY",
    "MIX",
    "QUALITIES",
    "REGIONS",
    "SIZE_OPTIONS",
    "TASKS",
    "TILES",
    "Changes",
    "CollageOptions",
    "Daub",
    "DaubOptions",
    "MixOptions",
    "OutputOptions",
    "Picture",
    "Prepared",
    "Recipe",
    "Task",
    "analogy",
    "collage",
    "daub",
    "mix",
    "paint",
    "picture_distribution",
    "prepare_pictures",
    "regions",
    "reshuffle",
    "retarget",
    "run_task",
    "style_transfer",
    "texture",
]
