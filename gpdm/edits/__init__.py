"""Every edit by its name, as a record and as a function.

A new edit is a record in a file here and two entries in this file.
"""

from . import enlarging, holes, objects, paste, summary, tile
from .base import Edit, Edited
from .loop import LOOP, LoopOptions, loop
from .run import Edits, as_edit_function, run_edit

EDITS = {
    edit.name: edit
    for edit in (*holes.EDITS, *tile.EDITS, *objects.EDITS, *paste.EDITS, *summary.EDITS, *enlarging.EDITS)
}
"""Every edit by its name."""

inpaint = as_edit_function(EDITS["inpaint"])
remove = as_edit_function(EDITS["remove"])
outpaint = as_edit_function(EDITS["outpaint"])
boost = as_edit_function(EDITS["boost"])
harmonise = as_edit_function(EDITS["harmonise"])
summarise = as_edit_function(EDITS["summarise"])
enlarge = as_edit_function(EDITS["enlarge"])
make_tileable = as_edit_function(EDITS["make_tileable"])

__all__ = [
    "EDITS",
    "LOOP",
    "Edit",
    "Edited",
    "Edits",
    "LoopOptions",
    "boost",
    "enlarge",
    "harmonise",
    "inpaint",
    "loop",
    "make_tileable",
    "outpaint",
    "remove",
    "run_edit",
    "summarise",
]
