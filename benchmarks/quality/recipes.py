"""The recipes, ablations and images that quality is measured for, and the files of their outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import gpdm

from ..common import RESULTS, ROOT, load_image, scaled_size

LONGER_SIDE = 250
"""Largest side of references and outputs, in pixels."""
DIVERSITY_SEEDS = 8
"""Number of seeds for the metric diversity, as in the published values."""
ROWS = RESULTS / "quality.jsonl"
OUTPUTS = ROOT / "out" / "quality"
"""Default folder of the outputs; git ignores it."""

_TASK = gpdm.TASKS["reshuffle"]
BALANCED, PAPER = _TASK.recipe("balanced"), _TASK.recipe("paper")


def changed(recipe: gpdm.Recipe = BALANCED, **parts: dict[str, Any]) -> gpdm.Recipe:
    """Returns the recipe with some options of its parts changed."""
    return replace(recipe, **{name: replace(getattr(recipe, name), **values) for name, values in parts.items()})


DENOISER = changed(_TASK.recipe("denoiser"), pyramid={"coarse_dim": 26})

RECIPES: dict[str, gpdm.Recipe] = {
    "paper": PAPER,
    # tests/reproduce_paper_table.py of the reference implementation.
    "paper-table": replace(changed(PAPER, optimizer={"lr": 0.05}), guess=gpdm.InitialGuess(noise_sigma=0.75)),
    # GPNN (Granot et al., Drop the GAN, CVPR 2022), settings of their table; alpha is that of Efficient-GPNN.
    "patch nearest neighbours": gpdm.Recipe(
        optimizer=gpdm.PatchNN(search="faiss"),
        pyramid=gpdm.PyramidSchedule(pyr_factor=0.75, fine_factor=0.75),
        guess=gpdm.InitialGuess(noise_sigma=0.75),
    ),
    **{name: _TASK.recipe(name) for name in ("draft", "fast", "balanced", "best")},
    # Efficient-SID: its default settings, and those of its best SIFID.
    "denoiser": DENOISER,
    "denoiser, eta 1, 40 steps": changed(DENOISER, optimizer={"eta": 1.0, "num_steps": 40}),
}
ABLATIONS: dict[str, gpdm.Recipe] = {
    "balanced, coherence 0, detail 0, small_patches 0": changed(
        loss={"coherence": 0.0, "detail": 0.0, "small_patches": 0.0}
    ),
    "balanced, small_patches 0": changed(loss={"small_patches": 0.0}),
    "balanced, small_patches 0.7": changed(loss={"small_patches": 0.7}),
    "balanced, detail 0": changed(loss={"detail": 0.0}),
    "balanced, coherence 0": changed(loss={"coherence": 0.0}),
    "balanced, coherence 0.05": changed(loss={"coherence": 0.05}),
    "balanced, coherence_tolerance 0": changed(loss={"coherence_tolerance": 0.0}),
    "balanced, coherence_tolerance 0.02": changed(loss={"coherence_tolerance": 0.02}),
    "balanced, coarse_dim 21": changed(pyramid={"coarse_dim": 21}),
    "balanced, coarse_dim 35": changed(pyramid={"coarse_dim": 35}),
    "balanced, starts 3": changed(guess={"starts": 3}),
    "balanced, noise_sigma 0.5": changed(guess={"noise_sigma": 0.5}),
    "balanced, lr 0.02": changed(optimizer={"lr": 0.02}),
    "balanced, lr 0.06": changed(optimizer={"lr": 0.06}),
    "balanced, adam picture": changed(optimizer={"method": "adam picture"}),
    "balanced, average 0.2": changed(optimizer={"average": 0.2}),
    "balanced, fine_steps 400": changed(optimizer={"fine_steps": 400}),
    "balanced, coherence 0, then patch nearest neighbours": changed(loss={"coherence": 0.0}),
}
REFINED = "balanced, coherence 0, then patch nearest neighbours"
"""The ablation that ends with two steps of patch nearest neighbours at full size, with relaxation 0.5."""


def load_reference(path: Path, longer_side: int = LONGER_SIDE) -> Tensor:
    """Returns the image, scaled down so that no side exceeds `longer_side`, (1, 3, H, W)."""
    return load_image(path, scaled_size(path, longer_side, max))


def run(name: str, reference: Tensor, seed: int) -> Tensor:
    """Returns the output of a recipe or ablation, (1, 3, H, W)."""
    image = gpdm.reshuffle(reference, recipe=(RECIPES | ABLATIONS)[name], seed=seed).images
    if name != REFINED:
        return image
    return gpdm.synthesize(
        reference,
        init=image,
        pyramid=gpdm.PyramidSchedule(coarse_dim=min(reference.shape[2:])),
        optimizer=gpdm.PatchNN(num_steps=2, step=0.5, alpha=10.0),
        seed=seed,
    ).images


def output_file(folder: Path, image: str, recipe: str, seed: int) -> Path:
    """Returns the file of an output."""
    return folder / f"{image}-{recipe.replace(' ', '_').replace(',', '')}-{seed}.png"


def load_outputs(files: list[Path]) -> Tensor:
    """Returns the images of several files of one size, (N, 3, H, W)."""
    return torch.cat([gpdm.from_pil(Image.open(file)) for file in files])
