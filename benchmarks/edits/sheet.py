"""The contact sheet of the benchmark of edits: every case as a row of pictures at full size."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import gpdm

from .cases import CASES, LONGER_SIDE, HoleCase, TileCase
from .measure import output_file
from .methods import FILLS, painted
from .methods import TILES as TILE_METHODS

GAP, TITLE = 8, 18
Picture = Image.Image


def case_pictures(case: HoleCase | TileCase, outputs: Path) -> dict[str, Picture]:
    """Returns the pictures of a case by title, of those methods that have an output; none if there is no output.

    A picture with a hole comes first, with the hole in magenta; of a picture that is larger than the others, the middle
    is shown. A picture that is made tileable is rolled, so that opposite borders meet in the middle.
    """
    if isinstance(case, TileCase):
        tiles = saved_pictures(case.name, list(TILE_METHODS), outputs)
        return {method: rolled(picture, case.axes) for method, picture in tiles.items()}
    fills = saved_pictures(case.name, list(FILLS), outputs)
    if not fills:
        return {}
    pictures = {"hole": gpdm.to_pil(painted(*case.load())), **fills}
    return {title: middle(picture) for title, picture in pictures.items()} if case.timed else pictures


def saved_pictures(case: str, methods: list[str], outputs: Path) -> dict[str, Picture]:
    """Returns the outputs of a case that exist, by method."""
    files = {method: output_file(outputs, case, method) for method in methods}
    return {method: Image.open(file).convert("RGB") for method, file in files.items() if file.exists()}


def middle(picture: Picture) -> Picture:
    """Returns the middle of a picture, a square of `LONGER_SIDE` pixels."""
    left, top = (picture.width - LONGER_SIDE) // 2, (picture.height - LONGER_SIDE) // 2
    return picture.crop((left, top, left + LONGER_SIDE, top + LONGER_SIDE))


def rolled(picture: Picture, axes: str) -> Picture:
    """Returns a picture rolled by half along axes: x, y or both."""
    image = gpdm.from_pil(picture)
    shifts = {axis: image.shape[axis] // 2 for axis, name in ((2, "y"), (3, "x")) if axes in (name, "both")}
    return gpdm.to_pil(image.roll(list(shifts.values()), list(shifts)))


def band(title: str, pictures: dict[str, Picture], columns: int) -> Picture:
    """Returns a row of the sheet: the pictures side by side under their titles."""
    height = TITLE + max(picture.height for picture in pictures.values())
    row = Image.new("RGB", (columns * (LONGER_SIDE + GAP), height + GAP), "white")
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(12)
    for i, (name, picture) in enumerate(pictures.items()):
        text = f"{title}: {name}" if i == 0 else name
        draw.text((i * (LONGER_SIDE + GAP) + 1, 2), text, fill="black", font=font)
        row.paste(picture, (i * (LONGER_SIDE + GAP), TITLE))
    return row


def write_sheet(outputs: Path, file: Path) -> None:
    """Writes the contact sheet of all cases that have an output."""
    rows = {name: pictures for name, case in CASES.items() if (pictures := case_pictures(case, outputs))}
    if not rows:
        print(f"{file.name} is left out: {outputs} has no outputs")
        return
    columns = max(len(pictures) for pictures in rows.values())
    bands = [band(name, pictures, columns) for name, pictures in rows.items()]
    sheet = Image.new("RGB", (bands[0].width, sum(part.height for part in bands)), "white")
    top = 0
    for part in bands:
        sheet.paste(part, (0, top))
        top += part.height
    sheet.save(file, quality=70, optimize=True)
