"""The edit that makes a finished picture tile: only a band at its borders changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..borders import SHIFTED, repeated
from ..errors import GPDMError, ImageError, OptionError
from ..evaluation.seams import seam_gradients
from ..images import Size, check_alike, resize, size_of
from ..options import option
from ..pictures.progress import OnProgress, part_of
from ..references import Reference
from .band import fill_band
from .base import Edit, Edited, EditExample, EditInput, EditOptions, EditPreview
from .piece import cover_seam
from .populate import populated

BANDS = (1 / 8, 1 / 4, 3 / 8)
"""Widths of the band that are compared, relative to the length of the picture along the axis."""
FILLED_BAND, BAND_LIMITS = 1 / 4, (16, 128)
"""Width of a band that is filled with patches, relative to the shorter side; the smallest and the largest, in
pixels."""
MIN_BAND = 4
"""Smallest width of a band that is covered with a piece, in pixels."""
BORDERS_OF_AXES = {"x": "circular x", "y": "circular y", "both": "circular", "half drop": "half drop", "brick": "brick"}
"""Border of the result (`borders.BORDERS`) for each value of the option axes."""


@dataclass(frozen=True, kw_only=True)
class TileOptions(EditOptions):
    """Options of `make_tileable`."""

    axes: str = option(
        "both",
        "Directions in which copies of the picture join without a seam: x left to right, y top to bottom. half drop joins "
        "them in both, with each column moved down by half, and brick with each row moved right by half.",
        choices=("both", "x", "y", "half drop", "brick"),
    )
    band: int = option(
        0,
        "Width in pixels of the band that changes, half of it at each border. Higher leaves more room for the transition; "
        "0 tries an eighth, a quarter and three eighths of the picture and takes the narrowest that fits well; for continue "
        "and populate it is a quarter of the shorter side, from 16 to 128.",
        ge=0,
        le=4096,
    )
    intent: str = option(
        "piece",
        "piece covers each seam with one piece of the picture, cut where it fits best, and is the sharpest. continue lets "
        "lines and surfaces go on in the band, and populate fills it with more of what is around, such as stones or stars.",
        choices=("continue", "populate", "piece"),
    )
    batch: str = option(
        "separate",
        "separate changes each picture of a batch by itself. maps takes them as maps of one material, such as colour and "
        "normals, and changes all in the same places.",
        choices=("separate", "maps"),
    )
    patch_size: int = option(
        7,
        "Side of the square patches of continue and populate, in pixels. Higher continues larger structures and copies "
        "larger pieces.",
        ge=3,
        le=31,
        advanced=True,
    )

    @property
    def together(self) -> bool:
        """True for maps of one material."""
        return self.batch == "maps"


def make_tileable(entry: EditInput, options: TileOptions) -> Edited:
    """Returns the picture with a band at its borders that is made anew, so that copies of it join without a seam."""
    size = size_of(entry.image)
    _check_moved(size, options)
    excluded = torch.zeros_like(entry.image[:, :1]) if entry.exclude is None else resize(entry.exclude, size)
    edited = (_with_piece if options.intent == "piece" else _with_patches)(entry, options, excluded >= 0.5)
    border = BORDERS_OF_AXES[options.axes]
    before, after = seam_gradients(entry.image, border), seam_gradients(edited.image, border)
    names = [name for name in before if name.startswith("seam gradient")]
    metrics = {f"{name} {when}": each[name] for name in names for when, each in (("before", before), ("after", after))}
    return replace(edited, metrics=metrics)


def _with_piece(entry: EditInput, options: TileOptions, excluded: Tensor) -> Edited:
    """Returns the picture whose seams are covered with pieces of it, one after the other."""
    if entry.references:
        raise GPDMError(
            "intent piece covers the seams with pieces of the picture itself; set intent to continue or populate to use "
            "patches of references, or leave out the references"
        )
    image, size = entry.image, size_of(entry.image)
    if 0 < options.band < MIN_BAND:
        raise OptionError(
            "band", options.band, f"a piece needs room for its cuts; set it to {MIN_BAND} or more, or to 0"
        )
    _check_band(size, options.axes, options.band or 2 * MIN_BAND, MIN_BAND)
    rows, columns = (torch.arange(length, device=image.device) for length in size)
    source = torch.stack(
        [torch.zeros(size, dtype=torch.int64, device=image.device), *torch.meshgrid(rows, columns, indexing="ij")]
    )
    changed = torch.zeros_like(excluded)
    axes, moved = _axes(options.axes), options.axes in SHIFTED
    if options.axes == "half drop":  # the borders that are moved against each other come last
        axes.reverse()
    for number, name in enumerate(axes):
        # The second seam runs across a picture that tiles already: pieces may be taken across its borders.
        seam = _along(name, image, excluded, source)
        length = size["yx".index(name)]
        on_step = _upright(name, part_of(entry.on_step, number, len(axes)))
        bands = [options.band] if options.band else [max(round(part * length), MIN_BAND) for part in BANDS]
        bands = [band + band % 2 for band in bands]
        image, band, source = _along(
            name,
            *cover_seam(*seam, bands, closed=number > 0, moved=moved and number > 0, seed=entry.seed, on_step=on_step),
        )
        changed |= band
    return Edited(image, changed.to(image), torch.where(changed[0], source, -1))


def _axes(axes: str) -> list[str]:
    """Returns the axes along which a value of the option axes joins copies: x, y or both."""
    return [axes] if axes in ("x", "y") else ["x", "y"]


def _along(axis: str, *images: Tensor) -> tuple[Tensor, ...]:
    """Returns images whose seam along x or y lies at their left and right borders: as they are, or transposed."""
    return images if axis == "x" else tuple(image.transpose(-1, -2) for image in images)


def _upright(axis: str, on_step: OnProgress | None) -> OnProgress | None:
    """Returns the callback for images along an axis (`_along`), which gets them as they are."""
    return None if on_step is None else lambda done, image: on_step(done, *_along(axis, image))


def _with_patches(entry: EditInput, options: TileOptions, excluded: Tensor) -> Edited:
    """Returns the picture whose band is filled with patches."""
    image, size = entry.image, size_of(entry.image)
    band = options.band or min(max(round(FILLED_BAND * min(size)), BAND_LIMITS[0]), BAND_LIMITS[1])
    _check_band(size, options.axes, band, 2 * options.patch_size)
    for reference in entry.references:
        check_alike(reference.image, "reference", image, "image")

    def start(rolled: Tensor, hole: Tensor, references: Sequence[Reference]) -> tuple[Tensor, float]:
        return populated(rolled, hole, references, False, entry.seed, options.patch_size)

    populate = start if options.intent == "populate" else None
    image, changed, source = fill_band(entry, excluded, options.axes, band, populate, options.patch_size)
    return Edited(image, changed.to(image), source)


def _check_band(size: Size, axes: str, band: int, rest: int) -> None:
    """Raises `ImageError` if, along one of the axes, less than `rest` pixels or an eighth are outside the band."""
    for axis in _axes(axes):
        outside = max(rest, -(-size["yx".index(axis)] // 8))
        if size["yx".index(axis)] < band + outside:
            raise ImageError(
                f"the picture is {size[1]}x{size[0]}, too small for a band of {band} pixels and {outside} pixels outside it; "
                "give a larger picture, or lower band"
            )


def _check_moved(size: Size, options: TileOptions) -> None:
    """Raises an error if copies are moved by half of an odd length, or the band is to be filled with patches."""
    if options.axes not in SHIFTED:
        return
    length, name = (size[0], "height") if options.axes == "half drop" else (size[1], "width")
    if length % 2:
        raise ImageError(
            f"the picture is {size[1]}x{size[0]}; {options.axes} moves copies by half the {name}, which must be even, so "
            "crop it by a pixel"
        )
    if options.intent != "piece":
        raise OptionError(
            "axes",
            options.axes,
            f"intent {options.intent} joins plain copies alone",
            "set intent to piece, or axes to both",
        )


EDITS = (
    Edit(
        name="make_tileable",
        title="Make Tileable",
        command="tile",
        summary="Makes copies of a finished picture join without a seam. Only a band at the borders changes.",
        advice="Other seeds take other pieces, if these fit nearly as well. Raise band if objects are cut at the borders, and lower it to keep more of the "
        "picture. If no piece fits, set intent to continue, which copies small patches; if small things such as stars are missing then, to populate.",
        image_help="Picture to make tileable.",
        mask_help=None,
        options=TileOptions,
        apply=make_tileable,
        preview=EditPreview(
            lambda images, options: repeated(images, BORDERS_OF_AXES[options.axes]),
            "The pictures two by two, which shows their seams.",
        ),
        metrics="Difference across the borders, relative to that between neighbouring columns or rows inside, before and "
        "after: 1 is like inside, higher is a visible seam.",
        aliases=("gpdm", "seamless", "tiling", "texture", "repeat", "pattern", "offset"),
        example=EditExample(
            image="starry_night.jpg",
            mask=None,
            values={},
            note="Copies of the output join without a seam in both directions; only a band at its borders differs from the painting.",
        ),
    ),
)
"""The edit of this file."""
