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

from PIL import Image, ImageDraw, ImageFont, ImageOps

from gpdm.cli.main import main as gpdm
from gpdm.cli.run import all_definitions
from gpdm.cli.workflow import read_prompt

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS, INPUTS, PICTURES = ROOT / "workflows", ROOT / "workflows" / "inputs", ROOT / "docs" / "pictures"
ZOOMED, GAP = 200, 10  # results are enlarged, in whole pixels, to at most this height
TITLES = {
    "reshuffle": "Reshuffle",
    "retarget": "Retarget",
    "style_transfer": "Style transfer",
    "texture_synthesis": "Texture synthesis",
    "composed": "Composed graph, two outputs",
    "compare": "Published settings, ours, patch nearest neighbours",
    "diffusion_init": "Any picture as the start",
}


def make(name: str, folder: Path) -> tuple[int, list[Path], list[Path]]:
    """Runs one workflow unless its results are in `folder`; returns the height it worked at, its input pictures and its results."""
    if name == "diffusion_init":
        inputs, height = [INPUTS / "starry_night.jpg", INPUTS / "pavilion.jpg"], 192
        small, result = folder / "init.png", folder / "out" / "GPDM_diffusion_init_00001_.png"
        if not result.exists():
            small.parent.mkdir(parents=True, exist_ok=True)
            Image.open(inputs[1]).resize((288, height), Image.Resampling.LANCZOS).save(small)
            command = ["reshuffle", str(inputs[0]), "--init", str(small), "--height", str(height), "--coarse-dim", "64"]
            assert gpdm([*command, "-o", str(result)]) == 0
        return height, inputs, [result]
    prompt = read_prompt(json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8")), all_definitions())
    inputs = [INPUTS / node.inputs["image"] for node in prompt.values() if node.type == "LoadImage"]
    height = next(node.inputs["height"] for node in prompt.values() if "height" in node.inputs)
    if not list(folder.glob("GPDM_*.png")):
        assert gpdm(["run", str(WORKFLOWS / f"{name}.json"), "--out", str(folder)]) == 0
    results = [
        file for file in sorted(folder.glob("GPDM_*.png")) if "_plot_" not in file.name and "_maps_" not in file.name
    ]
    return height, inputs, results


def strip(height: int, inputs: list[Path], results: list[Path]) -> Image.Image:
    """Inputs and results side by side at one scale: inputs as the work saw them, pixels enlarged alike."""
    seen = [Image.open(file).convert("RGB") for file in inputs]
    seen = [
        picture.resize((round(picture.width * height / picture.height), height), Image.Resampling.LANCZOS)
        for picture in seen
    ]
    zoom = max(1, ZOOMED // height)
    pictures = [
        ImageOps.scale(picture, zoom, Image.Resampling.NEAREST)
        for picture in [*seen, *(Image.open(file).convert("RGB") for file in results)]
    ]
    sheet = Image.new(
        "RGB", (sum(p.width for p in pictures) + GAP * (len(pictures) - 1), max(p.height for p in pictures)), "white"
    )
    x = 0
    for picture in pictures:
        sheet.paste(picture, (x, 0))
        x += picture.width + GAP
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws thumbnails and the README's grid.")
    parser.add_argument("--keep", type=Path, default=None, help="folder that keeps the results")
    keep = parser.parse_args().keep or Path(tempfile.mkdtemp())
    strips = {name: strip(*make(name, keep / name)) for name in TITLES}
    for name, sheet in strips.items():
        thumbnail = sheet.copy()
        thumbnail.thumbnail((768, 768), Image.Resampling.LANCZOS)
        thumbnail.save(WORKFLOWS / f"{name}.jpg", quality=88)
    grid = Image.new(
        "RGB", (max(s.width for s in strips.values()), sum(s.height + 48 for s in strips.values())), "white"
    )
    draw, font, y = ImageDraw.Draw(grid), ImageFont.load_default(20), 0
    for name, sheet in strips.items():
        draw.text((0, y + 8), TITLES[name], fill="black", font=font)
        grid.paste(sheet, (0, y + 36))
        y += sheet.height + 48
    PICTURES.mkdir(parents=True, exist_ok=True)
    grid.save(PICTURES / "grid.jpg", quality=88)


if __name__ == "__main__":
    main()
