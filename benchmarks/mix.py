"""Do mixed references have the shares that were asked for, and is a blend between them?

    python -m benchmarks.mix [--side 80] [--quality fast] [--sheet FILE]

For each pair of pictures: the fraction of the patches of a patchwork whose nearest patch is one of the second picture,
against its share; and the held-out distances of blends to both pictures, for five shares of the second one.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

import gpdm
from gpdm.evaluation.metrics import PATCH_SIZES, SCALES, held_out
from gpdm.patches.nearest import all_patches, least_distances

from .common import RESULTS, ROOT, Rows, load_image, provenance, scaled_size
from .sheets import sheet_of

PAIRS = (
    ("starry_night", "canyon"),
    ("tissue", "satellite"),
    ("dahlia", "wood"),
    ("pavilion", "cat"),
    ("coffee", "pier"),
    ("hubble", "rocket"),
)
PATCHWORK_SHARES = (0.0, 0.3, 0.7, 1.0)
BLEND_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def picture(name: str, side: int, device: str = "cpu") -> Tensor:
    """Returns one of the pictures of the repository with a shorter side of `side` pixels."""
    path = next(ROOT.glob(f"*/inputs/{name}.*"))
    return load_image(path, scaled_size(path, side, min), device)


def nearer_to_second(image: Tensor, references: Sequence[Tensor]) -> float:
    """Returns the fraction of the 7x7 patches of an image that are nearer to a patch of the second reference."""
    patches = all_patches([image], 7)
    first, second = (least_distances(all_patches([reference], 7), patches) for reference in references)
    return float((second < first).float().mean())


def distance(reference: Tensor, image: Tensor) -> float:
    """Returns the held-out distance of an image, as `gpdm.evaluate` does."""
    values = [held_out([reference], image, size, scale) for size in PATCH_SIZES for scale in SCALES]
    return sum(values) / len(values)


def mixed(pair: Sequence[Tensor], share: float, mode: str, quality: str) -> Tensor:
    """Returns a mixture of two pictures, in which the second one has a share."""
    given = [gpdm.Reference(image, weight) for image, weight in zip(pair, (1 - share, share), strict=True)]
    return gpdm.mix(given, mode=mode, quality=quality).images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=80, help="shorter side of the pictures, in pixels")
    parser.add_argument("--quality", choices=gpdm.QUALITIES, default="fast")
    parser.add_argument("--sheet", type=Path, help="file for all outputs, one row for each pair")
    options = parser.parse_args()
    rows = Rows(RESULTS / "mix.jsonl", {"side": options.side, "quality": options.quality, **provenance("cpu")})
    shown: list[list[Tensor]] = []
    for names in PAIRS:
        pair = [picture(name, options.side) for name in names]
        shown.append(list(pair))
        for share in PATCHWORK_SHARES:
            made = mixed(pair, share, "patchwork", options.quality)
            rows.add("patchwork", pair=" + ".join(names), share=share, measured=nearer_to_second(made, pair))
            shown[-1].append(made)
        for share in BLEND_SHARES:
            made = mixed(pair, share, "blend", options.quality)
            distances = [distance(reference, made) for reference in pair]
            rows.add("blend", pair=" + ".join(names), share=share, to_first=distances[0], to_second=distances[1])
            shown[-1].append(made)
    if options.sheet:
        sheet_of(shown).save(options.sheet, quality=85)


if __name__ == "__main__":
    with torch.no_grad():
        main()
