"""Tasks that rearrange the patches of one picture: reshuffle, retarget and texture."""

from __future__ import annotations

from ..guess import InitialGuess
from ..pyramid import PyramidSchedule
from .base import Changes, Example, Picture, Recipe, Task
from .drop import by_reference_without_dropped
from .output import OutputOptions, by_reference

TASKS = (
    Task(
        name="reshuffle",
        title="Reshuffle",
        command="reshuffle",
        summary="A new picture of the same kind: the patches of the reference in a new arrangement.",
        advice="Change the seed for another picture. For more variety connect a GPDM Pyramid Schedule and set coarse_dim above "
        "28; to stay closer to the reference, set it below 28.",
        pictures=(
            Picture(
                name="reference",
                help="Picture whose patches are used. Several pictures are mixed.",
            ),
        ),
        prepare=by_reference,
        # With the 21 pixels of the paper the layout is often that of the reference.
        settings=Recipe(pyramid=PyramidSchedule(coarse_dim=28)),
        # main.py of the reference implementation, and its README.
        paper=Changes(pyramid={"coarse_dim": 21}),
        resizes=False,
        aliases=("gpdm", "single image generation", "variation", "random sample", "singan", "gpnn"),
        example=Example(
            pictures={"reference": "pavilion.jpg"},
            values={},
            note="The patches of the pavilion are rearranged.",
        ),
    ),
    Task(
        name="retarget",
        title="Retarget",
        command="retarget",
        summary="The reference at another size or aspect ratio. The layout is stretched; details keep their size and are repeated or left out.",
        advice="Set width_factor and height_factor, or output_width and output_height in pixels. To keep more of the stretched layout connect a "
        "GPDM Pyramid Schedule and set coarse_dim above 21. With a value below 21, whole objects are repeated. To keep an object whole and single, connect a mask of it "
        "to keep_mask of GPDM Canvas; to lose one, to mask of GPDM Reference. Where the output is smaller, "
        "what is lost goes first, and quality draft keeps the rest whole; the others squeeze all patches into less room.",
        pictures=(Picture(name="reference", help="Picture to bring to another size or aspect ratio."),),
        prepare=by_reference_without_dropped,
        # tests/retarget.py of the reference implementation, without the 7-pixel blur at full size, which has no effect
        # at the coarsest level.
        settings=Recipe(
            guess=InitialGuess(source="reference", image_noise_sigma=0.1), output=OutputOptions(width_factor=1.5)
        ),
        aliases=("gpdm", "resize", "aspect ratio", "seam carving", "extend", "widen"),
        example=Example(
            pictures={"reference": "pavilion.jpg"},
            values={},
            note="The output is 1.5 times as wide; parts of the building are repeated.",
        ),
    ),
    Task(
        name="texture",
        title="Texture Synthesis",
        command="texture",
        summary="A texture of any size that resembles the reference and can tile.",
        advice="Set width_factor and height_factor, or output_width and output_height in pixels. Set tile to both for a texture that repeats "
        "without a seam.",
        pictures=(Picture(name="reference", help="Sample of the texture. Several pictures are mixed."),),
        prepare=by_reference,
        settings=Recipe(output=OutputOptions(width_factor=1.5, height_factor=1.5)),
        aliases=("gpdm", "texture", "material", "pattern", "quilting", "expand texture", "tileable", "seamless"),
        example=Example(
            pictures={"reference": "wood.jpg"},
            values={"width_factor": 2.0, "height_factor": 2.0},
            note="More of the same wood.",
        ),
    ),
)
