"""Runs the shipped workflows and draws their thumbnails and the README's grid from what they made.

    python tools/make_pictures.py            run everything (about ten minutes on two cores), then draw
    python tools/make_pictures.py --keep DIR keep results in DIR, and run only what is not there yet

diffusion_init.json needs a model. Its thumbnail shows the same GPDM nodes with a photograph in place of the diffusion result.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from gpdm.cli.main import main as gpdm

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS, INPUTS, PICTURES = ROOT / "workflows", ROOT / "workflows" / "inputs", ROOT / "docs" / "pictures"
HEIGHT, GAP = 256, 10
TITLES = {
    "reshuffle": "Reshuffle",
    "retarget": "Retarget",
    "style_transfer": "Style transfer",
    "texture_synthesis": "Texture synthesis",
    "composed": "Composed graph, two outputs",
    "diffusion_init": "Any picture as the start",
}


def make(name: str, folder: Path) -> list[Path]:
    """Runs one workflow unless its results are in `folder`; returns its input pictures and its results."""
    if name == "diffusion_init":
        inputs = [INPUTS / "starry_night.jpg", INPUTS / "pavilion.jpg"]
        small, result = folder / "init.png", folder / "out" / "GPDM_diffusion_init_00001_.png"
        if not result.exists():
            small.parent.mkdir(parents=True, exist_ok=True)
            Image.open(inputs[1]).resize((288, 192), Image.Resampling.LANCZOS).save(small)
            command = ["reshuffle", str(inputs[0]), "--init", str(small), "--height", "192", "--coarse-dim", "64"]
            assert gpdm([*command, "-o", str(result)]) == 0
        return [*inputs, result]
    workflow = json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))
    inputs = [INPUTS / node["widgets_values"][0] for node in workflow["nodes"] if node["type"] == "LoadImage"]
    if not list(folder.glob("GPDM_*.png")):
        assert gpdm(["run", str(WORKFLOWS / f"{name}.json"), "--out", str(folder)]) == 0
    return [*inputs, *sorted(folder.glob("GPDM_*.png"))]


def strip(files: list[Path]) -> Image.Image:
    """Inputs and results side by side at one height; results keep their pixels crisp."""
    pictures = []
    for file in files:
        picture = Image.open(file).convert("RGB")
        scale = HEIGHT / picture.height
        how = Image.Resampling.NEAREST if scale == int(scale) else Image.Resampling.LANCZOS
        pictures.append(picture.resize((round(picture.width * scale), HEIGHT), how))
    sheet = Image.new("RGB", (sum(p.width for p in pictures) + GAP * (len(pictures) - 1), HEIGHT), "white")
    x = 0
    for picture in pictures:
        sheet.paste(picture, (x, 0))
        x += picture.width + GAP
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws thumbnails and the README's grid.")
    parser.add_argument("--keep", type=Path, default=None, help="folder that keeps the results")
    keep = parser.parse_args().keep or Path(tempfile.mkdtemp())
    strips = {name: strip(make(name, keep / name)) for name in TITLES}
    for name, sheet in strips.items():
        thumbnail = sheet.copy()
        thumbnail.thumbnail((768, 768), Image.Resampling.LANCZOS)
        thumbnail.save(WORKFLOWS / f"{name}.jpg", quality=88)
    width = max(sheet.width for sheet in strips.values())
    grid = Image.new("RGB", (width, len(strips) * (HEIGHT + 44)), "white")
    draw, font = ImageDraw.Draw(grid), ImageFont.load_default(22)
    for row, (name, sheet) in enumerate(strips.items()):
        draw.text((0, row * (HEIGHT + 44) + 8), TITLES[name], fill="black", font=font)
        grid.paste(sheet, (0, row * (HEIGHT + 44) + 38))
    PICTURES.mkdir(parents=True, exist_ok=True)
    grid.thumbnail((1200, 2400), Image.Resampling.LANCZOS)
    grid.save(PICTURES / "grid.jpg", quality=88)


if __name__ == "__main__":
    main()
