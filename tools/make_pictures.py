"""Runs the shipped workflows and draws their thumbnails and the README's grid from the results.

    python tools/make_pictures.py            run everything (about ten minutes on two cores), then draw
    python tools/make_pictures.py --keep DIR keep results in DIR, and run only what is not there yet
    python tools/make_pictures.py NAME...    run these workflows only, and draw their thumbnails

Some files need a diffusion model. Their thumbnails show the same GPDM nodes with a photograph in place of a diffusion
result before them, and without what a model does behind them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageSequence
from workflow_contents import all_workflows

from gpdm import LOOP, MATERIALS
from gpdm.cli.definitions import all_definitions
from gpdm.cli.main import main as gpdm
from gpdm.cli.workflow import read_prompt

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS, INPUTS, PICTURES = ROOT / "workflows", ROOT / "workflows" / "inputs", ROOT / "docs" / "pictures"
HELP, LOOPS = ROOT / "web" / "docs", ("sway", "shimmer")
"""Folder of help pages, and the motions that one of them shows."""
GRID_WIDTH, GRID_HEIGHT = 800, 260
GAP = 10
IN_GRID = {
    "reshuffle": "Reshuffle",
    "retarget": "Retarget",
    "style_transfer": "Style transfer",
    "paint": "Paint",
    "stop_and_paint": "Stop, paint, go on",
    "structural_analogy": "Structural analogy",
    "remove_object": "Remove an object",
    "summarise": "Summarise",
    "collage": "Collage",
    "enlarge": "Enlarge",
    "match_look": "Match the look",
    "material_texture": "Materials",
    "half_drop": "Tile with a half drop",
    "kaleidoscope": "Symmetry",
}
"""Workflows of the picture at the top of the README."""

IN_HELP = ("kaleidoscope", "half_drop", "variety")
"""Workflows whose pictures are on help pages."""

WITHOUT_MODEL = {
    "diffusion_init": "reshuffle starry_night.jpg --init pavilion.jpg --coarse-dim 64",
    "diffusion_tileable": "tile wood.jpg",
    "inpaint_to_latent": "inpaint dahlia_painted.png dahlia_painted.png",
}
"""Commands that take the place of workflows with a diffusion model, with files of workflows/inputs."""


def make(name: str, folder: Path) -> tuple[list[Path], list[Path]]:
    """Runs one workflow unless its results are in `folder`, and returns its input pictures and its results."""
    if name in WITHOUT_MODEL:
        words = [str(INPUTS / word) if (INPUTS / word).is_file() else word for word in WITHOUT_MODEL[name].split()]
        inputs, result = (
            list(dict.fromkeys(map(Path, filter(os.path.isfile, words)))),
            folder / f"GPDM_{name}_00001_.png",
        )
        if not result.exists():
            assert gpdm([*words, "-o", str(result)]) == 0
        return inputs, [result]
    prompt = read_prompt(json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8")), all_definitions())
    inputs = [INPUTS / node.inputs["image"] for node in prompt.values() if node.type in ("LoadImage", "LoadImageMask")]
    if not list(folder.glob("GPDM_*.*")):
        assert gpdm(["run", str(WORKFLOWS / f"{name}.json"), "--out", str(folder)]) == 0
    results = [
        file for file in sorted(folder.glob("GPDM_*.*")) if "_plot_" not in file.name and "_maps_" not in file.name
    ]
    return inputs, results


def shown(file: Path) -> Image.Image:
    """Returns an input picture; a painted mask, which is its transparency, is tinted."""
    picture = Image.open(file)
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    tint = Image.new("RGB", picture.size, (230, 0, 180))
    painted = picture.getchannel("A").point([(255 - alpha) * 6 // 10 for alpha in range(256)])
    return Image.composite(tint, picture.convert("RGB"), painted)


def strip(inputs: list[Path], results: list[Path]) -> Image.Image:
    """Returns inputs and results side by side. Inputs are no taller than the first result."""
    made = [Image.open(file).convert("RGB") for file in results]
    return side_by_side([*(at_most(picture, picture.width, made[0].height) for picture in map(shown, inputs)), *made])


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Returns pictures in a row."""
    sheet = Image.new(
        "RGB", (sum(p.width for p in pictures) + GAP * (len(pictures) - 1), max(p.height for p in pictures)), "white"
    )
    x = 0
    for picture in pictures:
        sheet.paste(picture, (x, 0))
        x += picture.width + GAP
    return sheet


def material_sheet(inputs: list[Path], results: list[Path]) -> Image.Image:
    """Returns the given maps above the new ones, and beside them the new set lit. A mask is tinted in the first map."""
    masks = [file for file in inputs if file.stem.endswith("_painted")]
    maps = [file for file in inputs if file not in masks]
    names = [file.stem.split("_", 1)[1] for file in maps]
    made = {name: file for file in results for name in [*names, "preview"] if file.stem.endswith(f"_{name}_00001_")}
    given, new = [*masks, *maps[len(masks) :]], [made[name] for name in names]
    rows = [side_by_side([shown(file) for file in files]) for files in (given, new)]
    both = Image.new("RGB", (rows[0].width, sum(row.height for row in rows) + GAP), "white")
    both.paste(rows[0], (0, 0))
    both.paste(rows[1], (0, rows[0].height + GAP))
    lit = shown(made["preview"]).resize((both.height, both.height), Image.Resampling.LANCZOS)
    return side_by_side([both, lit])


def loop_sheet(inputs: list[Path], results: list[Path]) -> Image.Image:
    """Returns a picture and two frames of the animation that is made of it."""
    frames = frames_of(results[0])
    return side_by_side([shown(inputs[0]), frames[0], frames[len(frames) // 2]])


def frames_of(file: Path) -> list[Image.Image]:
    """Returns the frames of an animation."""
    with Image.open(file) as animation:
        return [frame.convert("RGB") for frame in ImageSequence.Iterator(animation)]


def draw_loops(folder: Path) -> None:
    """Draws the small animations of the help page of GPDM Loop."""
    picture = folder / "small.png"
    at_most(shown(INPUTS / "starry_night.jpg"), 240, 240).save(picture)
    for motion in LOOPS:
        made = folder / f"{motion}.png"
        assert gpdm(["loop", str(picture), "--motion", motion, "--frames", "16", "-o", str(made)]) == 0
        first, *others = frames_of(made)
        first.save(HELP / f"loop_{motion}.webp", save_all=True, append_images=others, duration=100, loop=0, quality=60)


def at_most(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Returns a picture scaled down to fit into `width` and `height`. A smaller one is not enlarged."""
    fitting = picture.copy()
    fitting.thumbnail((width, height), Image.Resampling.LANCZOS)
    return fitting


def titled(title: str, sheet: Image.Image) -> Image.Image:
    """Returns a strip at the size of the grid, under its title."""
    sheet = at_most(sheet, GRID_WIDTH, GRID_HEIGHT)
    group = Image.new("RGB", (max(sheet.width, 400), sheet.height + 34), "white")
    ImageDraw.Draw(group).text((0, 2), title, fill="black", font=ImageFont.load_default(22))
    group.paste(sheet, (0, 34))
    return group


def draw_grid() -> None:
    """Draws the picture at the top of the README from thumbnails."""
    groups = [titled(title, Image.open(WORKFLOWS / f"{name}.jpg")) for name, title in IN_GRID.items()]
    pairs = [groups[i : i + 2] for i in range(0, len(groups), 2)]
    widths = [max(pair[column].width for pair in pairs) for column in (0, 1)]
    height = sum(max(group.height for group in pair) + 2 * GAP for pair in pairs)
    grid = Image.new("RGB", (sum(widths) + 4 * GAP, height), "white")
    y = 0
    for pair in pairs:
        for column, group in enumerate(pair):
            grid.paste(group, (column * (widths[0] + 4 * GAP), y))
        y += max(group.height for group in pair) + 2 * GAP
    PICTURES.mkdir(parents=True, exist_ok=True)
    grid.save(PICTURES / "grid.jpg", quality=82)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws thumbnails and the README's grid.")
    parser.add_argument("--keep", type=Path, default=None, help="folder that keeps the results")
    parser.add_argument("names", nargs="*", metavar="NAME", help="workflow to draw; without one, all")
    options = parser.parse_args()
    if unknown := set(options.names) - set(all_workflows()):
        parser.error(f"there is no workflow {', '.join(unknown)}; there are {', '.join(all_workflows())}")
    keep = options.keep or Path(tempfile.mkdtemp())
    sheets = {LOOP.file: loop_sheet, **{material.file: material_sheet for material in MATERIALS.values()}}
    strips = {name: sheets.get(name, strip)(*make(name, keep / name)) for name in options.names or all_workflows()}
    for name, sheet in strips.items():
        at_most(sheet, 768, 768).save(WORKFLOWS / f"{name}.jpg", quality=88)
        if name in IN_HELP:
            shutil.copyfile(WORKFLOWS / f"{name}.jpg", HELP / "pictures" / f"{name}.jpg")
    if LOOP.file in strips:
        draw_loops(keep / LOOP.file)
    draw_grid()


if __name__ == "__main__":
    main()
