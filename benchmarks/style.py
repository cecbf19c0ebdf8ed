"""Does style transfer keep the layout and the colours of the content when asked, and how near is it to the style?

    python -m benchmarks.style [--side 96] [--quality fast] [--sheet FILE]

For each pair of style and content, at a coarsest level of 28 pixels, for layout 0, 0.7 and 1, with and without the
colours of the content: the correlation of the blurred luminance with that of the content, the held-out distance to the
style (to the recoloured one where colours are kept), and the distance of the colours (single pixels) to the content.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import gpdm
from gpdm.borders import gaussian_blur
from gpdm.evaluation.metrics import held_out
from gpdm.pictures.forms import grey
from gpdm.tasks.restyle import recoloured

from .common import RESULTS, Rows, provenance
from .mix import distance, picture
from .sheets import sheet_of

PAIRS = (
    ("starry_night", "cat"),
    ("tissue", "rocket"),
    ("canyon", "pavilion"),
    ("wood", "dahlia"),
    ("hubble", "coffee"),
    ("pier", "satellite"),
)
LAYOUTS = (0.0, 0.7, 1.0)


def layout_kept(image: Tensor, content: Tensor) -> float:
    """Returns the correlation of the blurred luminances."""
    blurred = [gaussian_blur(grey(x), 2.0, "free").flatten() for x in (image, content)]
    return float(torch.corrcoef(torch.stack(blurred))[0, 1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=96, help="shorter side of the pictures, in pixels")
    parser.add_argument("--quality", choices=gpdm.QUALITIES, default="fast")
    parser.add_argument("--sheet", type=Path, help="file for all outputs, one row for each pair")
    options = parser.parse_args()
    rows = Rows(RESULTS / "style.jsonl", {"side": options.side, "quality": options.quality, **provenance("cpu")})
    recipe = gpdm.TASKS["style_transfer"].recipe(options.quality)
    recipe = replace(recipe, pyramid=replace(recipe.pyramid, coarse_dim=28))
    shown: list[list[Tensor]] = []
    for names in PAIRS:
        style, content = (picture(name, options.side) for name in names)
        shown.append([style, content])
        for colours in ("no", "yes"):
            aim = style if colours == "no" else recoloured(gpdm.Reference(style), content).image
            for layout in LAYOUTS:
                made = gpdm.style_transfer(style, content, recipe=recipe, layout=layout, keep_colours=colours).images
                rows.add(
                    "style",
                    pair=" -> ".join(names),
                    layout=layout,
                    keep_colours=colours,
                    correlation=layout_kept(made, content),
                    to_style=distance(aim, made),
                    colours_to_content=held_out([content], made, 1, 1.0),
                )
                shown[-1].append(made)
    if options.sheet:
        sheet_of(shown).save(options.sheet, quality=85)


if __name__ == "__main__":
    with torch.no_grad():
        main()
