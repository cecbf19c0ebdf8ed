"""Paint to image: a daub of flat colours gives the layout, another picture the patches."""

from __future__ import annotations

from ..guess import InitialGuess
from ..pyramid import PyramidSchedule
from .base import Example, Picture, Recipe, Task
from .output import by_start

TASKS = (
    Task(
        name="paint",
        title="Paint",
        command="paint",
        summary="A picture with the layout of a daub and the patches of the reference.",
        advice="Paint with colours of the reference. Lower coarse_dim of a GPDM Pyramid Schedule to 40 for a freer result; "
        "raise it to 64 to follow the daub closely.",
        pictures=(
            Picture(
                name="daub",
                help="Painting in flat colours that gives the layout and the size of the output. A batch makes one output "
                "from each.",
                start=True,
            ),
            Picture(
                name="reference",
                help="Picture whose patches are used. It is scaled down to the daub if it is larger.",
            ),
        ),
        prepare=by_start,
        settings=Recipe(
            pyramid=PyramidSchedule(coarse_dim=48), guess=InitialGuess(source="image", image_noise_sigma=0.1)
        ),
        resizes=False,
        aliases=("gpdm", "paint to image", "sketch", "daub", "scribble", "layout", "turn a drawing into a picture"),
        example=Example(
            pictures={"daub": "daub.png", "reference": "starry_night.jpg"},
            values={"height": 192},
            note="The daub says where sky, hills, tree and stars go; the Starry Night says what they look like.",
        ),
    ),
)
