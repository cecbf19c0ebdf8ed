"""Every task by its name, as a record and as a function. A new task is a record in a file here, and a line below."""

from . import layout, restyle
from .base import DEFAULT_QUALITY as DEFAULT_QUALITY
from .base import QUALITIES as QUALITIES
from .base import Changes as Changes
from .base import Picture as Picture
from .base import Recipe as Recipe
from .base import Task as Task
from .output import TILES as TILES
from .output import OutputOptions as OutputOptions
from .run import as_function
from .run import run_task as run_task

TASKS = {task.name: task for task in (*layout.TASKS, *restyle.TASKS)}

reshuffle = as_function(TASKS["reshuffle"])
retarget = as_function(TASKS["retarget"])
texture = as_function(TASKS["texture"])
style_transfer = as_function(TASKS["style_transfer"])
