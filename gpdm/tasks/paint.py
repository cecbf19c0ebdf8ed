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
        summary="A picture with the layout of a rough painting (the daub) and the patches of the reference.",
        advice="Paint with colours of the reference; GPDM Daub makes a daub to begin with, and a palette. To change how closely the daub is followed, connect a GPDM Pyramid Schedule: "
        "coarse_dim 40 is freer than the default 48, and 64 is closer.",
        pictures=(
            Picture(
                name="daub",
                help="Rough painting in flat colours that sets the layout and the size. A batch makes one output from each.",
                start=True,
            ),
            Picture(
                name="reference",
                help="Picture whose patches are used. A larger one is scaled down until its shorter side is that of the daub.",
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
            values={},
            note="The daub says where sky, hills, tree and stars go; the Starry Night says what they look like.",
        ),
    ),
)
