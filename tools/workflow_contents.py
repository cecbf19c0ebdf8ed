"""Contents of the shipped workflow files.

Those of tasks, edits and matches follow from their records; the others are written here.

A shipped file is a promise: change values and texts here, never node ids or the order of inputs in the nodes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gpdm import EDITS, MAPS, MATCHES, MATERIALS, TASKS, Edit, Match, MaterialTask, Task


@dataclass
class Box:
    """One node of a workflow: its widget values and its links."""

    type: str
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Input name -> (index of the box, output slot)."""
    title: str = ""
    text: str = ""


@dataclass
class Column:
    """A group of boxes under one heading."""

    title: str
    boxes: list[Box]
    drop: int = 0
    """How much lower its boxes begin, so that a link may pass above them."""


def note(text: str) -> Box:
    return Box("Note", text=text)


def load(file: str, title: str) -> Box:
    return Box("LoadImage", {"image": file}, title=title)


def save(index: int, prefix: str) -> Box:
    return Box("SaveImage", {"filename_prefix": prefix}, {"images": (index, 0)})


def save_slot(index: int, slot: int, prefix: str) -> Box:
    return Box("SaveImage", {"filename_prefix": prefix}, {"images": (index, slot)})


def curve(index: int) -> Box:
    return Box("PreviewImage", links={"images": (index, 1)}, title="Loss curve")


def sources(index: int) -> Box:
    return Box("PreviewImage", links={"images": (index, 2)}, title="Where each pixel came from")


def two_by_two(index: int) -> list[Box]:
    """Returns two boxes that show two by two copies of a picture; the second follows the first."""
    again = {"direction": "right", "match_image_size": True, "spacing_width": 0, "spacing_color": "white"}
    return [
        Box("ImageStitch", again, {"image1": (index, 0), "image2": (index, 0)}, title="Twice across"),
        Box(
            "ImageStitch",
            again | {"direction": "down"},
            {"image1": (index + 1, 0), "image2": (index + 1, 0)},
            title="Twice down",
        ),
    ]


def model(prompt: str, negative: str, index: int) -> list[Box]:
    """Returns three boxes, the first at an index: a diffusion model, and the prompts that it encodes."""
    return [
        Box("CheckpointLoaderSimple", {"ckpt_name": "v1-5-pruned-emaonly-fp16.safetensors"}),
        Box("CLIPTextEncode", {"text": prompt}, {"clip": (index, 1)}, title="Prompt"),
        Box("CLIPTextEncode", {"text": negative}, {"clip": (index, 1)}, title="Negative prompt"),
    ]


HOW = "Load Image shows no picture? Click its upload button and choose {files} from this pack's folder workflows/inputs, or any picture of your own.\n\n"
SPEED = (
    "Time grows with the number of pixels. For a quick look set quality to draft, or height to 128: a taller picture is "
    "scaled down first. 0 uses all of its pixels."
)

NO_MODEL = "No checkpoint? Put one into ComfyUI's folder models/checkpoints and choose it in Load Checkpoint; for a look without one, "
PLAIN_SAMPLER = {"seed": 0, "steps": 20, "cfg": 7.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
DROP = 70
"""Drop of a column whose neighbours are linked past it, in pixels."""

BESIDE = (
    "What is connected to references replaces the patches of the input reference, which still sets the size. "
    "For more pictures chain further GPDM Reference nodes."
)

WORKFLOWS: dict[str, list[Column]] = {
    "masked_reference": [
        Column(
            "1  The picture",
            [
                load("pavilion_painted.png", "Reference"),
                note(
                    HOW.format(files="pavilion_painted.png")
                    + "A mask is painted over the building: right-click the picture and choose Open in MaskEditor to see or "
                    "change it. What is painted is left out, so the result shows only sky, lake and trees.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  Without what is painted",
            [Box("GPDM_Reference", {}, {"image": (0, 0), "mask": (0, 1)}), note(BESIDE)],
            drop=DROP,
        ),
        Column(
            "3  Reshuffle",
            [Box("GPDM_Reshuffle", {"seed": 0}, {"reference": (0, 0), "references": (2, 0)})],
        ),
        Column("4  Result", [save(4, "GPDM_masked"), curve(4)]),
    ],
    "keep_part": [
        Column(
            "1  The picture",
            [
                load("dahlia_painted.png", "Reference"),
                note(
                    HOW.format(files="dahlia_painted.png")
                    + "A mask is painted over the flower: right-click the picture and choose Open in MaskEditor to see or "
                    "change it. The flower stays exactly as it is. Everything around it is made anew, so that the picture tiles."
                    "\n\n" + SPEED
                ),
            ],
        ),
        Column("2  What stays", [Box("GPDM_Canvas", {}, {"keep_mask": (0, 1)})], drop=DROP),
        Column(
            "3  Reshuffle",
            [
                Box(
                    "GPDM_Reshuffle",
                    {"seed": 1, "tile": "both"},
                    {"reference": (0, 0), "canvas": (2, 0)},
                )
            ],
        ),
        Column("4  Two by two copies", two_by_two(3), drop=DROP),
        Column("5  Result", [save(3, "GPDM_keep"), save(5, "GPDM_keep_2x2")]),
    ],
    "keep_object": [
        Column(
            "1  The picture",
            [
                load("pavilion_painted.png", "Reference"),
                note(
                    HOW.format(files="pavilion_painted.png")
                    + "A mask is painted over the building: right-click the picture and choose Open in MaskEditor to see or "
                    "change it. The picture becomes wider; the building is moved, but neither stretched nor repeated."
                    "\n\n" + SPEED
                ),
            ],
        ),
        Column("2  What stays whole", [Box("GPDM_Canvas", {}, {"keep_mask": (0, 1)})], drop=DROP),
        Column(
            "3  Retarget",
            [
                Box(
                    "GPDM_Retarget",
                    {"seed": 0, "width_factor": 1.6},
                    {"reference": (0, 0), "canvas": (2, 0)},
                )
            ],
        ),
        Column("4  Result", [save(3, "GPDM_keep_object"), curve(3)]),
    ],
    "regions": [
        Column(
            "1  The pictures",
            [
                load("starry_night.jpg", "Sky"),
                load("canyon.jpg", "Ground"),
                load("wood.jpg", "A little of this in the ground"),
                Box("LoadImageMask", {"image": "sky_region.png", "channel": "red"}, title="Where the sky is"),
                note(
                    HOW.format(files="starry_night.jpg, canyon.jpg, wood.jpg and sky_region.png")
                    + "Three references for one picture. The sky has a region (white in the mask); the other two have none, "
                    "so they share the rest, by weight.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  References in a chain",
            [
                Box("GPDM_Reference", {}, {"image": (0, 0), "region": (3, 0)}, title="Sky: has a region"),
                Box("GPDM_Reference", {}, {"image": (1, 0), "references": (5, 0)}, title="Ground: weight 1"),
                Box(
                    "GPDM_Reference", {"weight": 0.5}, {"image": (2, 0), "references": (6, 0)}, title="Wood: weight 0.5"
                ),
                note(BESIDE),
            ],
        ),
        Column(
            "3  Reshuffle",
            [Box("GPDM_Reshuffle", {"seed": 0, "height": 192}, {"reference": (0, 0), "references": (7, 0)})],
        ),
        Column("4  Result", [save(9, "GPDM_regions"), curve(9)]),
    ],
    "mix": [
        Column(
            "1  The pictures",
            [
                load("starry_night.jpg", "a"),
                load("canyon.jpg", "b"),
                note(
                    HOW.format(files="starry_night.jpg and canyon.jpg")
                    + "The same two pictures mixed in three ways, half of each. patchwork has parts of both side by side; blend "
                    "makes new things between them, in colours between theirs; scattered blends large shapes and fills them with "
                    "sharp detail of either. share_of_b says how much of b there is.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  Three ways",
            [
                Box(
                    "GPDM_MixReferences",
                    {"seed": 0, "height": 160, "mode": mode},
                    {"a": (0, 0), "b": (1, 0)},
                    title=mode.capitalize(),
                )
                for mode in ("patchwork", "blend", "scattered")
            ],
        ),
        Column("3  Results", [save(index, f"GPDM_mix_{index - 2}") for index in (3, 4, 5)]),
    ],
    "mix_strip": [
        Column(
            "1  The pictures",
            [
                load("starry_night.jpg", "Left"),
                load("canyon.jpg", "Right"),
                note(
                    HOW.format(files="starry_night.jpg and canyon.jpg")
                    + "A strip that changes from one picture to the other: gradient is left to right, and output_width makes room "
                    "for it. Set mode to blend for things between them instead of parts of both. Pictures at references of the "
                    "node, from GPDM Reference, are further stops on the way.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  From left to right",
            [
                Box(
                    "GPDM_MixReferences",
                    {
                        "seed": 0,
                        "gradient": "left to right",
                        "height": 96,
                        "output_width": 384,
                        "output_height": 96,
                        "quality": "fast",
                    },
                    {"a": (0, 0), "b": (1, 0)},
                )
            ],
        ),
        Column("3  Result", [save(3, "GPDM_mix_strip"), curve(3)]),
    ],
    "collage": [
        Column(
            "1  The pictures",
            [
                load("canyon.jpg", "a"),
                load("starry_night.jpg", "b"),
                note(
                    HOW.format(files="canyon.jpg and starry_night.jpg")
                    + "Two pictures in a row. Outside the transition they stay as they are, bit for bit; the seam is made of patches "
                    "of both. Raise transition for more room to grow together. Up to four more pictures go to c, d, e and f; set "
                    "arrangement to grid for them."
                ),
            ],
        ),
        Column("2  Collage", [Box("GPDM_Collage", {"seed": 0}, {"a": (0, 0), "b": (1, 0)})]),
        Column("3  Result", [save(3, "GPDM_collage"), curve(3)]),
    ],
    "loop": [
        Column(
            "1  The picture",
            [
                load("starry_night.jpg", "Picture"),
                note(
                    HOW.format(files="starry_night.jpg")
                    + "The painting sways, and the last frame leads back to the first. Paint a mask on Load Image, in its mask "
                    "editor, and only what is painted moves. Set motion to shimmer for ripples that stay in place; 24 frames at "
                    "12 frames per second are a loop of two seconds. For a video connect frames to Video Combine or Create "
                    "Video in place of Save Animated WEBP.\n\n"
                    "Time grows with the number of pixels and of frames: set frames to 8 for a quick look."
                ),
            ],
        ),
        Column("2  Motion", [Box("GPDM_Loop", {"seed": 0}, {"image": (0, 0), "mask": (0, 1)})]),
        Column(
            "3  The loop",
            [
                Box(
                    "SaveAnimatedWEBP",
                    {"filename_prefix": "GPDM_loop", "fps": 12.0, "lossless": False, "quality": 80},
                    {"images": (2, 0)},
                )
            ],
        ),
    ],
    "daub": [
        Column(
            "1  The picture",
            [
                load("canyon.jpg", "Reference"),
                note(
                    HOW.format(files="canyon.jpg and canyon_daub_painted.png")
                    + "GPDM Daub turns the picture into a daub of six flat colours, with a palette of them. On the daub another "
                    "arrangement was painted with these colours, and GPDM Paint makes a picture of it.\n\nFor your own: run once, "
                    "paint on daub_00001_.png in the mask editor or any program, picking colours from palette_00001_.png, and load it at "
                    "Painted daub.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  Daub",
            [
                Box("GPDM_Daub", {}, {"images": (0, 0)}),
                save(2, "daub"),
                save_slot(2, 1, "palette"),
                load("canyon_daub_painted.png", "Painted daub"),
            ],
            drop=DROP,
        ),
        Column("3  Paint", [Box("GPDM_Paint", {"seed": 0}, {"daub": (5, 0), "reference": (0, 0)})]),
        Column("4  Result", [save(6, "GPDM_daub"), curve(6)]),
    ],
    "style_kept": [
        Column(
            "1  The pictures",
            [
                load("starry_night.jpg", "Style"),
                load("cat.jpg", "Content"),
                Box("GPDM_PyramidSchedule", {"coarse_dim": 64}),
                note(
                    HOW.format(files="starry_night.jpg and cat.jpg")
                    + "The strokes of a style in the colours of the content: keep_colours is yes. Below, larger strokes from a "
                    "coarse_dim of 64, which alone would lose the content; with layout 1 the output stays bright and dark where "
                    "the content is, at every level. For several styles chain GPDM Reference nodes into references.\n\n"
                    + SPEED
                ),
            ],
        ),
        Column(
            "2  Style transfer",
            [
                Box(
                    "GPDM_StyleTransfer",
                    {"seed": 0, "height": 128, "keep_colours": "yes"},
                    {"style": (0, 0), "content": (1, 0)},
                    title="Colours kept",
                ),
                Box(
                    "GPDM_StyleTransfer",
                    {"seed": 0, "height": 128, "layout": 1.0},
                    {"style": (0, 0), "content": (1, 0), "pyramid": (2, 0)},
                    title="Larger strokes, layout kept",
                ),
            ],
        ),
        Column("3  Results", [save(4, "GPDM_style_kept"), save(5, "GPDM_style_layout")]),
    ],
    "tileable_texture": [
        Column(
            "1  The sample",
            [
                load("dahlia.jpg", "Reference"),
                note(
                    HOW.format(files="dahlia.jpg")
                    + "A wallpaper: tile is set to both on GPDM Texture Synthesis, so the output repeats without a seam. "
                    "Set tile to x for a strip that repeats only from left to right.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  A texture that tiles",
            [
                Box(
                    "GPDM_TextureSynthesis",
                    {"seed": 0, "width_factor": 1.0, "height_factor": 1.0, "tile": "both"},
                    {"reference": (0, 0)},
                )
            ],
        ),
        Column("3  Two by two copies", two_by_two(2), drop=DROP),
        Column("4  Result", [save(2, "GPDM_tile"), save(4, "GPDM_tile_2x2")]),
    ],
    "symmetric_tile": [
        Column(
            "1  The sample",
            [
                load("starry_night.jpg", "Reference"),
                note(
                    HOW.format(files="starry_night.jpg")
                    + "A painted tile: GPDM Canvas makes the output unchanged by a quarter turn, and tile lets it repeat. "
                    "Try the mirror symmetries too.\n\n" + SPEED
                ),
            ],
        ),
        Column("2  Symmetry", [Box("GPDM_Canvas", {"symmetry": "rotate 90"})], drop=DROP),
        Column(
            "3  A texture with it",
            [
                Box(
                    "GPDM_TextureSynthesis",
                    {"seed": 0, "height": 256, "output_width": 256, "output_height": 256, "tile": "both"},
                    {"reference": (0, 0), "canvas": (2, 0)},
                )
            ],
        ),
        Column("4  Two by two copies", two_by_two(3), drop=DROP),
        Column("5  Result", [save(3, "GPDM_symmetric"), save(5, "GPDM_symmetric_2x2")]),
    ],
    "kaleidoscope": [
        Column(
            "1  The sample",
            [
                load("starry_night.jpg", "Reference"),
                note(
                    HOW.format(files="starry_night.jpg")
                    + "A kaleidoscope: on GPDM Canvas symmetry is kaleidoscope 6, which has six mirrors through the centre. Try the "
                    "other numbers, and rotate, which turns without mirrors. Any size will do; what lies outside the largest "
                    "circle goes on as a larger picture would.\n\n" + SPEED
                ),
            ],
        ),
        Column("2  Symmetry", [Box("GPDM_Canvas", {"symmetry": "kaleidoscope 6"})], drop=DROP),
        Column(
            "3  A texture with it",
            [
                Box(
                    "GPDM_TextureSynthesis",
                    {"seed": 0, "height": 256, "output_width": 256, "output_height": 256},
                    {"reference": (0, 0), "canvas": (2, 0)},
                )
            ],
        ),
        Column("4  Result", [save(3, "GPDM_kaleidoscope")]),
    ],
    "half_drop": [
        Column(
            "1  The picture",
            [
                load("starry_night.jpg", "Picture"),
                note(
                    HOW.format(files="starry_night.jpg")
                    + "Wallpaper and cloth often repeat with a half drop: each column of tiles is moved down by half, so that copies "
                    "do not stand in rows. Above, the picture itself is made to join so, and only a band at its borders changes. "
                    "Below, a new texture does. brick moves rows instead, and mirrored uses mirror images.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  Tiles with a half drop",
            [
                Box("GPDM_MakeTileable", {"seed": 0, "axes": "half drop"}, {"image": (0, 0)}),
                Box(
                    "GPDM_TextureSynthesis",
                    {"seed": 0, "height": 192, "width_factor": 1.0, "height_factor": 1.0, "tile": "half drop"},
                    {"reference": (0, 0)},
                ),
            ],
        ),
        Column(
            "3  In use",
            [
                Box("GPDM_RepeatTile", {"tile": "half drop", "columns": 3, "rows": 2}, {"images": (2, 0)}),
                Box("GPDM_RepeatTile", {"tile": "half drop", "columns": 3, "rows": 2}, {"images": (3, 0)}),
            ],
            drop=DROP,
        ),
        Column("4  Results", [save(4, "GPDM_half_drop"), save(5, "GPDM_half_drop_texture")]),
    ],
    "composed": [
        Column(
            "1  The picture",
            [
                load("dahlia.jpg", "Reference"),
                note(
                    HOW.format(files="dahlia.jpg")
                    + "Every part of a synthesis as its own node. Leave one out and its defaults hold.\n\nThis setting: orthonormal projections, a larger coarsest level (more variety), a blurred reference with noise as the start, 150 steps a level."
                ),
            ],
        ),
        Column(
            "2  How",
            [
                Box("GPDM_SWDLoss", {"projections": "orthonormal"}),
                Box("GPDM_PyramidSchedule", {"coarse_dim": 28, "pyr_factor": 0.75}),
                Box("GPDM_InitialGuess", {"source": "reference", "image_noise_sigma": 0.75, "blur": 1.0}),
                Box("GPDM_Optimizer", {"num_steps": 150, "fine_steps": 150}),
            ],
            drop=DROP,
        ),
        Column(
            "3  Synthesize",
            [
                Box(
                    "GPDM_Synthesize",
                    {"seed": 5, "height": 160, "num_outputs": 2, "width_factor": 1.25},
                    {"reference": (0, 0), "loss": (2, 0), "pyramid": (3, 0), "guess": (4, 0), "optimizer": (5, 0)},
                )
            ],
        ),
        Column("4  Result", [save(6, "GPDM_composed"), curve(6)]),
    ],
    "stop_and_paint": [
        Column(
            "1  The picture",
            [
                load("pavilion.jpg", "Reference"),
                note(
                    HOW.format(files="pavilion.jpg and pavilion_stopped_painted.png")
                    + "A run stops after its third level, when the layout is there and the details are not. Its small picture is "
                    "saved; a tower was painted on it, and the run goes on from there.\n\nFor your own: run once, paint on "
                    "stopped_00001_.png in the mask editor or any program, and load it at Painted. The first part does not run again: "
                    "its state is kept. Pixels that you do not paint on stay as they were.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  Stop",
            [
                Box("GPDM_PyramidSchedule", {"coarse_dim": 28, "stop_after": 3}),
                Box("GPDM_Reshuffle", {"seed": 5, "height": 192}, {"reference": (0, 0), "pyramid": (2, 0)}),
            ],
            drop=DROP,
        ),
        Column("3  Paint", [save(3, "stopped"), load("pavilion_stopped_painted.png", "Painted")]),
        Column("4  Go on", [Box("GPDM_Resume", {}, {"state": (3, 2), "painted": (5, 0)})]),
        Column("5  Result", [save(6, "GPDM_stop_and_paint"), curve(6)]),
    ],
    "saved_look": [
        Column(
            "1  The pictures",
            [
                load("starry_night.jpg", "Look"),
                load("pavilion.jpg", "Content"),
                note(
                    HOW.format(files="starry_night.jpg and pavilion.jpg")
                    + "The patch distribution of the painting is saved as a file of about one megabyte, from which the painting cannot "
                    "be read, and paints the content. Share the file in place of a picture; one made of a hundred pictures is no "
                    "larger.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  Save it",
            [
                Box("GPDM_SaveDistribution", {}, {"images": (0, 0)}),
                note(
                    "In another workflow GPDM Load Distribution takes the place of this node: copy the file into ComfyUI's folder "
                    "input, or choose it in output, and press R. A saved distribution has no patches to copy: the coherence term is "
                    "off, and quality draft and the edits need pictures."
                ),
            ],
            drop=DROP,
        ),
        Column(
            "3  Use it as reference",
            [
                Box(
                    "GPDM_StyleTransfer",
                    {"seed": 0, "height": 192},
                    {"style": (0, 0), "content": (1, 0), "references": (3, 0)},
                )
            ],
        ),
        Column("4  Result", [save(5, "GPDM_saved_look"), curve(5)]),
    ],
    "look_as_lut": [
        Column(
            "1  The pictures",
            [
                load("starry_night.jpg", "Reference"),
                load("cat.jpg", "Picture"),
                load("pavilion.jpg", "Another picture"),
                note(
                    HOW.format(files="starry_night.jpg, cat.jpg and pavilion.jpg")
                    + "The picture gets the colours of the reference. The same change, as a LUT, is applied to another picture, and "
                    "saved as a .cube file, which programs for photographs and video read. A LUT suits pictures with colours like those of the "
                    "picture that it was made with."
                ),
            ],
        ),
        Column(
            "2  A look",
            [Box("GPDM_MatchLook", {}, {"images": (1, 0), "reference": (0, 0)})],
        ),
        Column(
            "3  The same, as a LUT",
            [
                Box("GPDM_ApplyLUT", {"smoothing": 0.01}, {"images": (2, 0), "lut": (4, 1)}),
                Box("GPDM_SaveLUT", {"filename_prefix": "GPDM_look"}, {"lut": (4, 1)}),
                note(
                    "In another workflow GPDM Load LUT takes the place of GPDM Match Look: copy the file into ComfyUI's folder input, "
                    "or choose it in output, and press R. For a long clip, match some frames and apply the LUT to all."
                ),
            ],
            drop=DROP,
        ),
        Column("4  Result", [save(4, "GPDM_look_1_picture"), save(5, "GPDM_look_2_other")]),
    ],
    "compare": [
        Column(
            "1  The picture",
            [
                load("dahlia.jpg", "Reference"),
                Box(
                    "ImageScale",
                    {"upscale_method": "lanczos", "width": 0, "height": 96, "crop": "disabled"},
                    {"image": (0, 0)},
                    title="Scale for all",
                ),
                note(
                    HOW.format(files="dahlia.jpg")
                    + "The same picture reshuffled in three ways, and judged. The published method is slow on a CPU: about a minute at this size."
                ),
            ],
        ),
        Column(
            "2  Three ways",
            [
                Box(
                    "GPDM_Reshuffle", {"seed": 0, "quality": "paper"}, {"reference": (1, 0)}, title="Published settings"
                ),
                Box("GPDM_Reshuffle", {"seed": 0}, {"reference": (1, 0)}, title="Balanced"),
                Box("GPDM_PatchNN"),
                Box(
                    "GPDM_Reshuffle",
                    {"seed": 0},
                    {"reference": (1, 0), "optimizer": (5, 0)},
                    title="Patch nearest neighbours",
                ),
            ],
        ),
        Column(
            "3  One batch",
            [
                Box("ImageBatch", {}, {"image1": (3, 0), "image2": (4, 0)}),
                Box("ImageBatch", {}, {"image1": (7, 0), "image2": (6, 0)}),
                save(8, "GPDM_compare"),
            ],
        ),
        Column(
            "4  Judged",
            [
                Box(
                    "GPDM_Evaluate",
                    {"names": "published, balanced, patch NN"},
                    {"reference": (1, 0), "images": (8, 0)},
                ),
                note(
                    "Plot: the figures, and behind them sharpness by frequency (a line at 0 is as sharp as the reference) and distances by patch size and "
                    "scale.\n\nMaps, one row a picture: the picture; where its patches come from (bright: moved in one piece, dark: put together anew); the key to "
                    "these colours; where it is unlike the reference (bright).\n\nLow distances and a bright copy map are a copy, not a success."
                ),
            ],
        ),
        Column("5  Result", [save_slot(10, 1, "GPDM_compare_plot"), save_slot(10, 2, "GPDM_compare_maps")]),
    ],
    "variety": [
        Column(
            "1  The picture",
            [
                load("canyon.jpg", "Reference"),
                Box(
                    "ImageScale",
                    {"upscale_method": "lanczos", "width": 0, "height": 96, "crop": "disabled"},
                    {"image": (0, 0)},
                    title="Scale for all",
                ),
                note(
                    HOW.format(files="canyon.jpg")
                    + "The same picture reshuffled by patch nearest neighbours, without and with a limit on repeats. Without one some "
                    "parts appear again and again, and others never."
                ),
            ],
        ),
        Column(
            "2  Without and with a limit",
            [
                Box("GPDM_PatchNN", {"alpha": 0.001, "num_steps": 4, "search": "approximate"}, title="Variety 0"),
                Box(
                    "GPDM_PatchNN",
                    {"alpha": 0.001, "num_steps": 4, "search": "approximate", "variety": 3.0},
                    title="Variety 3",
                ),
                Box("GPDM_Reshuffle", {"seed": 0}, {"reference": (1, 0), "optimizer": (3, 0)}, title="No limit"),
                Box("GPDM_Reshuffle", {"seed": 0}, {"reference": (1, 0), "optimizer": (4, 0)}, title="Limited repeats"),
                note(
                    "GPDM SWD Loss, Inpaint, Remove Object and Outpaint have the same setting. Use about 1 to fill holes, 3 for patch "
                    "nearest neighbours, and up to 10 for the loss. Higher may leave soft seams, since patches fit less well."
                ),
            ],
        ),
        Column("3  One batch", [Box("ImageBatch", {}, {"image1": (5, 0), "image2": (6, 0)}), save(8, "GPDM_variety")]),
        Column(
            "4  Judged",
            [
                Box("GPDM_Evaluate", {"names": "variety 0, variety 3"}, {"reference": (1, 0), "images": (8, 0)}),
                note(
                    "The reference in colours of how often its parts are used: dark blue unused, pale evenly, red repeated. In the figures "
                    "these are unused and most used."
                ),
            ],
        ),
        Column("5  Result", [save_slot(10, 3, "GPDM_variety_occurrence")]),
    ],
    "patch_denoiser": [
        Column(
            "1  The picture",
            [
                load("pavilion.jpg", "Reference"),
                note(
                    HOW.format(files="pavilion.jpg")
                    + "Diffusion by patches, without a network: noise becomes a picture in ten steps at each of a few sizes. Edges "
                    "are sharp, since large pieces are copied. Whole objects are repeated or left out, and where two of "
                    "them meet there may be a soft seam: try some seeds.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  The published settings",
            [
                Box("GPDM_PatchDenoiser"),
                Box("GPDM_PyramidSchedule", {"coarse_dim": 26, "pyr_factor": 0.5, "fine_factor": 0.5}),
                note(
                    "The optimizer and the sizes go together: the coarsest is 1.7 times the patch, and each is twice the one "
                    "before. A lower coarse_dim stays closer to the reference; a higher one repeats smaller parts. The authors "
                    "also use eta 1 with num_steps 40, at four times the cost."
                ),
            ],
            drop=DROP,
        ),
        Column(
            "3  Reshuffle",
            [
                Box(
                    "GPDM_Reshuffle",
                    {"seed": 0, "num_outputs": 2, "height": 160},
                    {"reference": (0, 0), "optimizer": (2, 0), "pyramid": (3, 0)},
                )
            ],
        ),
        Column("4  Result", [save(5, "GPDM_patch_denoiser"), curve(5)]),
    ],
    "regular_texture": [
        Column(
            "1  A regular texture",
            [
                load("bricks.png", "Reference"),
                note(
                    HOW.format(files="bricks.png")
                    + "Bricks, tiles, weave: patterns that repeat. From noise, as every texture starts, rows of bricks break off and "
                    "bend. From the lattice the picture starts as random blocks of the texture that are in line, so that rows "
                    "go on.\n\nA picture without at least two rows and two columns of a pattern is refused, and the message says "
                    "how far it repeats.\n\n" + SPEED
                ),
            ],
        ),
        Column(
            "2  Start from the lattice",
            [
                Box("GPDM_InitialGuess", {"source": "lattice"}),
                Box("GPDM_PyramidSchedule", {"coarse_dim": 40}),
                note(
                    "At the coarsest size a part of the pattern needs three pixels or more: raise coarse_dim for finer ones."
                ),
            ],
            drop=DROP,
        ),
        Column(
            "3  More of it",
            [
                Box(
                    "GPDM_TextureSynthesis",
                    {"seed": 0, "quality": "fast"},
                    {"reference": (0, 0), "pyramid": (3, 0)},
                    title="From noise",
                ),
                Box(
                    "GPDM_TextureSynthesis",
                    {"seed": 0, "quality": "fast"},
                    {"reference": (0, 0), "guess": (2, 0), "pyramid": (3, 0)},
                    title="From the lattice",
                ),
            ],
        ),
        Column("4  Result", [save(5, "GPDM_regular_1_noise"), save(6, "GPDM_regular_2_lattice")]),
    ],
    "diffusion_tileable": [
        Column(
            "1  Any diffusion model",
            [
                *model("old oak planks from above, close, even light, photograph", "text, watermark, frame", 0),
                Box("EmptyLatentImage", {"width": 512, "height": 512, "batch_size": 1}),
            ],
        ),
        Column(
            "2  A picture from the prompt",
            [
                Box(
                    "KSampler",
                    PLAIN_SAMPLER,
                    {"model": (0, 0), "positive": (1, 0), "negative": (2, 0), "latent_image": (3, 0)},
                ),
                Box("VAEDecode", {}, {"samples": (4, 0), "vae": (0, 2)}),
                note(
                    NO_MODEL
                    + "connect the IMAGE of a Load Image to GPDM Make Tileable in place of that of VAE Decode.\n\nThe "
                    "diffusion result becomes a tile: only a band at its borders changes. GPDM Inpaint, Remove Object, Outpaint "
                    "and Harmonise take a diffusion result in the same way."
                ),
            ],
        ),
        Column("3  Make it tile", [Box("GPDM_MakeTileable", {"seed": 0}, {"image": (5, 0)})]),
        Column("4  Two by two copies", two_by_two(7), drop=DROP),
        Column("5  Result", [save(7, "GPDM_diffusion_tile"), save(9, "GPDM_diffusion_tile_2x2")]),
    ],
    "inpaint_to_latent": [
        Column(
            "1  The picture",
            [
                load("dahlia_painted.png", "Picture"),
                note(
                    HOW.format(files="dahlia_painted.png")
                    + "The mask is painted over the flower: right-click the picture and choose Open in MaskEditor to see or change "
                    "it.\n\nGPDM Inpaint fills the hole with what is around it. A diffusion model then changes that part a "
                    "little: its output mask is the noise mask of the latent. A higher denoise lets the model invent more.\n\n"
                    + NO_MODEL
                    + "the picture of GPDM Inpaint is saved all the same."
                ),
            ],
        ),
        Column("2  Fill the hole", [Box("GPDM_Inpaint", {"seed": 0}, {"image": (0, 0), "mask": (0, 1)})]),
        Column(
            "3  Any diffusion model",
            [
                *model("dark green leaves, out of focus", "flower, text", 3),
            ],
            drop=DROP,
        ),
        Column(
            "4  The filling as the start",
            [
                Box("VAEEncode", {}, {"pixels": (2, 0), "vae": (3, 2)}),
                Box("SetLatentNoiseMask", {}, {"samples": (6, 0), "mask": (2, 1)}),
                Box(
                    "KSampler",
                    PLAIN_SAMPLER | {"denoise": 0.4},
                    {"model": (3, 0), "positive": (4, 0), "negative": (5, 0), "latent_image": (7, 0)},
                ),
                Box("VAEDecode", {}, {"samples": (8, 0), "vae": (3, 2)}),
            ],
        ),
        Column("5  Result", [save(2, "GPDM_filled"), save(9, "GPDM_filled_diffusion")], drop=DROP),
    ],
    "diffusion_init": [
        Column(
            "1  Any diffusion model",
            [
                *model("a village under a swirling night sky, hills, a tall cypress tree", "text, watermark, frame", 0),
                Box("EmptyLatentImage", {"width": 512, "height": 512, "batch_size": 1}),
            ],
        ),
        Column(
            "2  A layout from the prompt",
            [
                Box(
                    "KSampler",
                    PLAIN_SAMPLER,
                    {"model": (0, 0), "positive": (1, 0), "negative": (2, 0), "latent_image": (3, 0)},
                ),
                Box("VAEDecode", {}, {"samples": (4, 0), "vae": (0, 2)}),
                note(
                    "The diffusion result gives the layout; GPDM gives it the patches of the reference. Any workflow that ends in an IMAGE can take the place of columns 1 and 2.\n\nTo keep more of the layout, raise coarse_dim; to free the result from it, lower coarse_dim or raise image_noise_sigma."
                ),
            ],
        ),
        Column(
            "3  The look",
            [
                load("starry_night.jpg", "Reference"),
                Box("GPDM_PyramidSchedule", {"coarse_dim": 64}),
                Box("GPDM_InitialGuess", {"source": "image"}, {"init": (5, 0)}),
            ],
        ),
        Column(
            "4  Synthesize",
            [Box("GPDM_Synthesize", {"seed": 0}, {"reference": (7, 0), "pyramid": (8, 0), "guess": (9, 0)})],
        ),
        Column("5  Result", [save(10, "GPDM_diffusion_init"), curve(10)]),
    ],
}


def task_workflow(task: Task) -> list[Column]:
    """Returns the workflow of a task: its pictures, its node with the values of its example, and the result."""
    files = task.example.pictures
    loads = [load(files[picture.name], picture.name.capitalize()) for picture in task.pictures]
    hint = HOW.format(files=" and ".join(files[picture.name] for picture in task.pictures))
    node = Box(
        task.node_id,
        {"seed": 0, **task.example.values},
        {picture.name: (index, 0) for index, picture in enumerate(task.pictures)},
    )
    made = len(loads) + 1
    return [
        Column(
            "1  The picture" + "s" * (len(loads) > 1),
            [*loads, note(f"{hint}{task.example.note} {task.advice}\n\n{SPEED}")],
        ),
        Column(f"2  {task.title.capitalize()}", [node]),
        Column("3  Result", [save(made, f"GPDM_{task.command}"), curve(made)]),
    ]


MASK_HOW = (
    "A mask is painted: right-click the picture and choose Open in MaskEditor to see it, or to paint another. What is "
    "painted comes out of Load Image as MASK, which is connected.\n\n"
)


def edit_workflow(edit: Edit) -> list[Column]:
    """Returns the workflow of an edit: its picture and mask, its node with the values of its example, and the result.

    The mask is that of the picture's own file, or comes from another file.
    """
    example = edit.example
    loads, links = [load(example.image, "Picture")], {"image": (0, 0)}
    if example.mask is not None:
        links["mask"] = (0, 1)
        if example.mask != example.image:
            loads.append(Box("LoadImageMask", {"image": example.mask, "channel": "alpha"}, title="Part that changes"))
            links["mask"] = (1, 0)
    files = dict.fromkeys(file for file in (example.image, example.mask) if file is not None)
    hint = HOW.format(files=" and ".join(files)) + ("" if example.mask is None else MASK_HOW)
    made = len(loads) + 1
    results = [save(made, f"GPDM_{edit.command}")]
    if edit.keeps_rest:
        results.append(sources(made))
    if edit.preview is not None:
        results.append(Box("PreviewImage", links={"images": (made, 3)}, title="Preview of the result in use"))
    if edit.metrics is not None:
        slot = 3 if edit.preview is None else 4
        results.append(Box("PreviewAny", links={"source": (made, slot)}, title="Metrics"))
    return [
        Column("1  The picture", [*loads, note(f"{hint}{example.note} {edit.advice}")]),
        Column(f"2  {edit.title.capitalize()}", [Box(edit.node_id, {"seed": 0, **example.values}, links)]),
        Column("3  Result", results),
    ]


def match_workflow(match: Match) -> list[Column]:
    """Returns the workflow of a match: its pictures, its node with the values of its example, and the result."""
    example = match.example
    hint = HOW.format(files=f"{example.reference} and {example.image}")
    seed = {"seed": 0} if match.is_random else {}
    node = Box(match.node_id, {**seed, **example.values}, {"images": (1, 0), "reference": (0, 0)})
    return [
        Column(
            "1  The pictures",
            [
                load(example.reference, "Reference"),
                load(example.image, "Picture"),
                note(f"{hint}{example.note} {match.advice}"),
            ],
        ),
        Column(f"2  {match.title.capitalize()}", [node]),
        Column("3  Result", [save(3, f"GPDM_{match.command}")]),
    ]


def material_workflow(material: MaterialTask) -> list[Column]:
    """Returns the workflow of a task or edit of materials: its maps, its node, and the new maps."""
    example = material.example
    loads = [load(file, name.replace("_", " ").capitalize()) for name, file in example.maps.items()]
    links = {name: (index, 0) for index, name in enumerate(example.maps)}
    if example.mask is not None:
        loads.append(Box("LoadImageMask", {"image": example.mask, "channel": "alpha"}, title="Part to fill"))
        links = {"mask": (len(loads) - 1, 0), **links}
    files = [*example.maps.values(), *([] if example.mask is None else [example.mask])]
    made, outputs = len(loads) + 1, [*MAPS, "preview"]
    text = HOW.format(files=f"{', '.join(files[:-1])} and {files[-1]}")
    return [
        Column("1  The maps", [*loads, note(f"{text}{example.note} {material.advice}")]),
        Column(f"2  {material.title.capitalize()}", [Box(material.node_id, {"seed": 0, **example.values}, links)]),
        Column(
            "3  The new maps",
            [
                save_slot(made, outputs.index(name), f"GPDM_{material.name}_{name}")
                for name in ("preview", *example.maps)
            ],
        ),
    ]


def all_workflows() -> dict[str, list[Column]]:
    """Returns the columns of every shipped file, by its name without suffix."""
    tasks = {task.file: task_workflow(task) for task in TASKS.values()}
    edits = {edit.file: edit_workflow(edit) for edit in EDITS.values()}
    matches = {match.file: match_workflow(match) for match in MATCHES.values()}
    materials = {material.file: material_workflow(material) for material in MATERIALS.values()}
    return {**tasks, **edits, **matches, **materials, **WORKFLOWS}
