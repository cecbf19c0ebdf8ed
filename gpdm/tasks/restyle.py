"""Style transfer: the layout of one picture, the patches of another."""

from __future__ import annotations

from ..guess import InitialGuess
from ..losses.swd import SWDLoss
from ..pyramid import PyramidSchedule
from .base import Changes, Example, Picture, Recipe, Task
from .output import by_start

TASKS = (
    Task(
        name="style_transfer",
        title="Style Transfer",
        command="style",
        summary="The content picture with the texture, grain and colours of the style picture.",
        advice="For larger strokes and a freer result connect a GPDM Pyramid Schedule and set coarse_dim below 256, for example "
        "to 64.",
        pictures=(
            Picture(
                name="style",
                help="Picture that supplies texture, grain and colours. A larger one is scaled down until its shorter side is that of "
                "the content.",
            ),
            Picture(
                name="content",
                help="Picture that sets the layout and the size. A batch makes one output from each.",
                start=True,
            ),
        ),
        prepare=by_start,
        settings=Recipe(
            # With more coherence the strokes of the style replace the content.
            loss=SWDLoss(coherence=0.0003),
            pyramid=PyramidSchedule(coarse_dim=256),
            # A little noise, so that seeds differ.
            guess=InitialGuess(source="image", image_noise_sigma=0.05),
        ),
        paper=Changes(guess={"image_noise_sigma": 0.0}),
        resizes=False,
        aliases=("gpdm", "style", "restyle", "painting", "texture transfer", "colour transfer"),
        example=Example(
            pictures={"style": "starry_night.jpg", "content": "cat.jpg"},
            values={},
            note="The cat is painted with the strokes of the Starry Night.",
        ),
    ),
)
