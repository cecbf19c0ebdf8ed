"""Runs the commands whose results show what fails, and writes web/docs/fails/NAME.jpg.

python tools/make_failures.py            write all (about a minute on two cores)
python tools/make_failures.py NAME...    write those of these records
"""

from __future__ import annotations

import argparse
import shlex
import tempfile
from pathlib import Path

from failures import FAILURES, Failure
from make_pictures import GAP, at_most, shown, side_by_side, strip
from PIL import Image, ImageDraw

from gpdm import (
    COLLAGE,
    EDITS,
    LOOP,
    MAPS,
    MATCHES,
    MATERIALS,
    MIX,
    TASKS,
    Material,
    MaterialTask,
    from_pil,
    lit,
    to_pil,
)
from gpdm.cli.main import main as gpdm

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "web" / "docs" / "fails"
WIDTH = 560
OPTION_COMMANDS = {"variety": "reshuffle", "daub": "daub", "patch_denoiser": "reshuffle", "lattice": "texture"}
"""Command that shows a failure of an option, or of no task, by its name."""


def ellipse(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Returns a mask, white inside an ellipse."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


def given(failure: Failure) -> Image.Image:
    """Returns the picture of a failure, with its mask as transparency."""
    picture = Image.open(ROOT / failure.image)
    if failure.mask is None:
        return picture
    mask = ellipse(picture.size, failure.mask)
    if failure.paste is not None:
        file, box, scale = failure.paste
        with Image.open(ROOT / file) as other:
            size = (round(other.width * scale), round(other.height * scale))
            left, top = (round(edge * scale) for edge in box[:2])
            source = other.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        begin = failure.mask[:2]
        moved = Image.new("RGB", picture.size)
        moved.paste(source, (begin[0] - left, begin[1] - top))
        picture = Image.composite(moved, picture.convert("RGB"), mask)
    picture.putalpha(mask.point([255 - value for value in range(256)]))
    return picture


def draw_material(material: MaterialTask, folder: Path) -> Image.Image:
    """Returns what fails with the sample maps: the given set lit, or its base color with the mask, and the new one."""
    failure, start = FAILURES[material.name], folder / f"{material.name}_given.png"
    maps = {name: ROOT / "workflows" / "inputs" / file for name, file in material.example.maps.items()}
    words = [word for name, file in maps.items() for word in (MAPS[name].flag, str(file))]
    if failure.mask is None:
        to_pil(lit(Material({name: from_pil(Image.open(file)) for name, file in maps.items()}))).save(start)
    else:
        given(failure).save(start)
        words += ["--mask", str(start)]
    assert gpdm([material.command, *words, *shlex.split(failure.flags), "-o", str(folder / material.name)]) == 0
    pictures = [shown(file) for file in (start, folder / material.name / "preview.png")]
    side = (WIDTH - GAP) // 2
    return side_by_side([picture.resize((side, side), Image.Resampling.LANCZOS) for picture in pictures])


def draw_distribution(failure: Failure, folder: Path) -> Image.Image:
    """Returns a new picture made with a picture, and the one made with the saved distribution of it."""
    picture, file = str(ROOT / failure.image), str(folder / "look.safetensors")
    assert gpdm(["distribution", "save", picture, "-o", file]) == 0
    results = [folder / "with_picture.png", folder / "with_file.png"]
    for reference, result in zip((picture, file), results, strict=True):
        assert gpdm(["reshuffle", reference, *failure.flags.split(), "-o", str(result)]) == 0
    return at_most(strip([], results), WIDTH, WIDTH)


def draw_symmetric(failure: Failure, folder: Path) -> Image.Image:
    """Returns a picture and a texture of it with a symmetry."""
    picture, result = ROOT / failure.image, folder / "symmetric.png"
    assert gpdm(["texture", str(picture), *shlex.split(failure.flags), "-o", str(result)]) == 0
    return at_most(strip([picture], [result]), WIDTH, WIDTH)


def draw_painted(failure: Failure, folder: Path) -> Image.Image:
    """Returns the picture of a run that stopped with an ellipse painted on it, and the result."""
    assert failure.mask is not None
    painted, result = folder / "painted.png", folder / "resumed.png"
    with Image.open(ROOT / failure.image) as picture:
        colour = Image.new("RGB", picture.size, (230, 0, 180))
        Image.composite(colour, picture.convert("RGB"), ellipse(picture.size, failure.mask)).save(painted)
    reference = str(ROOT / "workflows" / "inputs" / "pavilion.jpg")
    assert gpdm(["reshuffle", reference, *failure.flags.split(), "--painted", str(painted), "-o", str(result)]) == 0
    return at_most(strip([painted], [result]), WIDTH, WIDTH)


def draw_reference(command: str, failure: Failure, folder: Path) -> Image.Image:
    """Returns the reference of a task, and the result."""
    reference, result = ROOT / failure.image, folder / "result.png"
    assert gpdm([command, str(reference), *shlex.split(failure.flags), "-o", str(result)]) == 0
    return at_most(strip([reference], [result]), WIDTH, WIDTH)


def draw_enlarged(failure: Failure, folder: Path) -> Image.Image:
    """Returns a part of a picture that was scaled down: enlarged with bicubic, with GPDM, and as it was."""
    assert failure.shrunk is not None
    factor, part = failure.shrunk
    picture = Image.open(ROOT / failure.image).convert("RGB")
    picture = picture.crop((0, 0, picture.width // factor * factor, picture.height // factor * factor))
    start, result = folder / "small.png", folder / "enlarged.png"
    small = picture.resize((picture.width // factor, picture.height // factor), Image.Resampling.BICUBIC)
    small.save(start)
    assert gpdm(["enlarge", str(start), *failure.flags.split(), "-o", str(result)]) == 0
    pictures = [small.resize(picture.size, Image.Resampling.BICUBIC), Image.open(result), picture]
    side = (WIDTH - 2 * GAP) // 3
    return side_by_side([each.crop(part).resize((side, side), Image.Resampling.NEAREST) for each in pictures])


def draw_loop(failure: Failure, folder: Path) -> Image.Image:
    """Returns a picture, and the first and the middle one of the frames that are made of it."""
    picture = ROOT / failure.image
    assert gpdm(["loop", str(picture), *failure.flags.split(), "-o", str(folder / "loop")]) == 0
    frames = sorted((folder / "loop").glob("*.png"))
    return at_most(strip([picture], [frames[0], frames[len(frames) // 2]]), WIDTH, WIDTH)


def draw(name: str, folder: Path) -> Image.Image:
    """Returns the picture of what fails, beside the pictures that it was made from."""
    failure = FAILURES[name]
    if name in MATERIALS:
        return draw_material(MATERIALS[name], folder)
    if name == "resume":
        return draw_painted(FAILURES[name], folder)
    if name == "canvas":
        return draw_symmetric(failure, folder)
    if name == "saved_distribution":
        return draw_distribution(failure, folder)
    if name in OPTION_COMMANDS:
        return draw_reference(OPTION_COMMANDS[name], failure, folder)
    if failure.shrunk is not None:
        return draw_enlarged(failure, folder)
    if name == LOOP.name:
        return draw_loop(failure, folder)
    start, result = folder / f"{name}_given.png", folder / f"{name}.png"
    given(failure).save(start)
    if failure.reference is None:
        edit, inputs = EDITS[name], [start]
        words = [edit.command, start, *([start] if edit.needs_mask else [])]
    else:
        inputs = [ROOT / failure.reference, start]
        words = [{**TASKS, MIX.name: MIX, COLLAGE.name: COLLAGE, **MATCHES}[name].command, *inputs]
    assert gpdm([*map(str, words), *failure.flags.split(), "-o", str(result)]) == 0
    return at_most(strip(inputs, [result]), WIDTH, WIDTH)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Draws what fails in each edit, match, record of materials, and some tasks."
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="edit, match, task or record of materials; without one, all"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(FAILURES):
        parser.error(f"there is no record {', '.join(unknown)}; there are {', '.join(FAILURES)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names or FAILURES:
            draw(name, Path(folder)).save(FOLDER / f"{name}.jpg", quality=80)


if __name__ == "__main__":
    main()
