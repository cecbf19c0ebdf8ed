"""References: images whose patches the output uses, their weights, and working units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

from .borders import patch_weights
from .distributions.stored import PatchDistribution
from .errors import ImageError, OptionError
from .images import Size, Units, check_alike, check_image, resize, resize_known, scaled, size_of
from .options import Options, option


@dataclass(frozen=True, kw_only=True)
class ReferenceOptions(Options):
    """Settings of one reference."""

    weight: float = option(
        1.0,
        "Weight of each patch of this picture relative to those of the other references. Higher makes the output more "
        "like this picture; a larger picture counts more, because it has more patches.",
        ge=0.0,
        le=1000.0,
        step=0.1,
    )


@dataclass(frozen=True)
class Reference:
    """An image whose patches the output uses, their weight, and the region of the output that uses them."""

    image: Tensor
    """Image, (B, C, h, w); pictures in [-1, 1]. A batch of B images is B references."""
    weight: Tensor | float = 1.0
    """Weight of the patches: a number, or a map of the pixels, (h, w), (1, 1, h, w) or (B, 1, h, w), not negative. The
    weight of a patch is the mean over its pixels, and 0 if it touches a pixel of weight 0. Only ratios matter. Of two
    references with equal weights the larger one counts more, because it has more patches."""
    region: Tensor | None = None
    """Region of the output that uses this reference: a map of any size, (H, W) or (1, 1, H, W), not negative, which is
    resized to the output. None: the output uses it outside all regions. References with one region form one
    distribution."""
    distribution: PatchDistribution | None = None
    """A saved distribution in place of the patches of the image, which is then only a stand-in of its size."""

    @classmethod
    def of_distribution(
        cls, distribution: PatchDistribution, weight: float = 1.0, region: Tensor | None = None
    ) -> Reference:
        """Returns a reference whose patches are known by their saved distribution alone."""
        return cls(distribution.stand_in(distribution.size), weight, region, distribution)

    def at(self, scale: float, border: str = "free") -> Reference:
        """Returns this reference resized by `scale`. Pixels of weight 0 do not contribute; the image is 0 there.

        Arguments:
            scale: Size of the result relative to this reference.
            border: One of `borders.BORDERS`, of the output, for the region.
        """
        size = scaled(size_of(self.image), scale)
        region = self.region
        if region is not None:
            region = resize(region, scaled(size_of(region), scale), border)
        if self.distribution is not None:
            return self._saved_at(size, scale, region)
        if not isinstance(self.weight, Tensor):
            return Reference(resize(self.image, size), self.weight, region)
        known = (self.weight > 0).to(self.image)
        image, fraction = resize_known(self.image, known, size)
        weight, _ = resize_known(self.weight, known, size)
        return Reference(image, torch.where(fraction >= 0.5, weight, torch.zeros_like(weight)), region)

    def _saved_at(self, size: Size, scale: float, region: Tensor | None) -> Reference:
        assert self.distribution is not None
        stand_in = self.distribution.stand_in(size).to(self.image)
        return Reference(stand_in, self.weight, region, self.distribution.at(scale))

    def map(self) -> Tensor:
        """Returns the weight of every pixel, (1, 1, h, w)."""
        if isinstance(self.weight, Tensor):
            return self.weight
        return self.image.new_full((1, 1, *size_of(self.image)), self.weight)


def masked_reference(
    image: Tensor, mask: Tensor | None = None, weight: float = 1.0, region: Tensor | None = None
) -> Reference:
    """Returns a reference without the part that a painted mask covers.

    Arguments:
        image: Pictures, (B, C, h, w) in [-1, 1].
        mask: Maps of any size, (1, 1, H, W) or (B, 1, H, W), values from 0 to 1. Pixels covered by half or more have
            weight 0, others are weighted by their uncovered fraction. None, or a mask of zeros: nothing is left out.
        weight: Weight of an uncovered pixel.
        region: As in `Reference`.

    Raises:
        ImageError: The mask covers all of the picture, or there are several masks, but not one for each picture.
    """
    if mask is None or not bool(mask.any()):
        return Reference(image, weight, region)
    if len(mask) not in (1, len(image)):
        raise ImageError(
            f"there are {len(mask)} masks for {len(image)} picture(s); give one mask, or one for each picture"
        )
    covered = resize(mask.to(image), size_of(image)).clamp(0, 1)
    uncovered = torch.where(covered >= 0.5, torch.zeros_like(covered), 1 - covered)
    if not bool(uncovered.any()):
        raise ImageError("the mask covers the entire reference; leave part of it unmasked")
    return Reference(image, weight * uncovered, region)


Images = Tensor | Reference | Sequence[Tensor | Reference]
"""Type of references as they are given: images (B, C, H, W), `Reference`s, or a list of either."""


def as_references(reference: Images) -> list[Reference]:
    """Splits images, references or batches of either into references of one image each.

    Returns:
        References with images (1, C, h, w), weights that are numbers or maps (1, 1, h, w), and regions (1, 1, H, W) or
        None. All are on one device, and maps have the dtype of their image.

    Raises:
        ImageError: `reference` is of another type, an image, weight or region is unusable, the list is empty, or
            channels or devices differ.
        OptionError: A weight that is a number is negative or not finite, or no reference has a weight above 0.
    """
    references: list[Reference] = []
    for name, item in named_references(reference):
        references += _split(item, name)
    first = references[0].image
    for i, other in enumerate(references, start=1):
        check_alike(other.image, f"reference {i}", first, "reference 1")
    if not any(_max_weight(x.weight) > 0 for x in references):
        raise OptionError.saying("all references have weight 0; give at least one a weight above 0")
    return references


def named_references(reference: Images) -> list[tuple[str, Reference]]:
    """Returns images or references as a list of references, which may be batches, with their names in messages.

    Raises:
        ImageError: `reference` is of another type, or an empty list.
    """
    if not isinstance(reference, (Tensor, Reference, Iterable)):
        raise ImageError(
            f"reference must be a tensor, a Reference or a list of these, not {type(reference).__name__}; give a picture"
        )
    items = [reference] if isinstance(reference, (Tensor, Reference)) else list(reference)
    if not items:
        raise ImageError("reference is an empty list; give at least one image")
    names = ["reference"] if len(items) == 1 else [f"reference[{i}]" for i in range(len(items))]
    return [
        (name, item if isinstance(item, Reference) else Reference(item))
        for name, item in zip(names, items, strict=True)
    ]


def _split(reference: Reference, name: str) -> list[Reference]:
    """Checks one reference with a batch of images and splits it into references of one image each."""
    images = check_image(reference.image, name).split(1)
    weights: Sequence[Tensor | float] = [1.0] * len(images)
    if reference.distribution is not None:
        _check_distribution(reference, reference.distribution, name)
    if isinstance(reference.weight, Tensor):
        maps = _check_map(reference.weight, f"the weight of {name}", images[0])
        if size_of(maps) != size_of(images[0]) or len(maps) not in (1, len(images)):
            height, width = size_of(images[0])
            raise ImageError(
                f"the weight of {name} has shape {tuple(reference.weight.shape)} and {name} is {width}x{height} "
                "(width x height); resize the weight to the picture"
            )
        weights = maps.expand(len(images), -1, -1, -1).split(1)
    else:
        weight = reference.weight
        if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= weight < float("inf"):
            raise OptionError("weight", weight, "it must be a number, at least 0, or a map of the picture's pixels")
        weights = [float(weight)] * len(images)
    region = reference.region
    if region is not None:
        region = _check_map(region, f"the region of {name}", images[0])
        if len(region) != 1:
            raise ImageError(f"the region of {name} is a batch of {len(region)} maps; give one")
    return [
        Reference(image, weight, region, reference.distribution) for image, weight in zip(images, weights, strict=True)
    ]


def _check_distribution(reference: Reference, distribution: PatchDistribution, name: str) -> None:
    """Raises `ImageError` if a saved distribution cannot be used with these channels, or has a map of weights."""
    if reference.image.shape[1] != distribution.channels:
        kinds = {1: "grey pictures", 3: "colour pictures"}
        raise ImageError(
            f"{name} is a saved distribution of {kinds.get(distribution.channels, f'{distribution.channels} channels')}, "
            "and the run has other channels; save the distribution from pictures like those of the run"
        )
    if isinstance(reference.weight, Tensor):
        raise ImageError(f"{name} is a saved distribution, which has no pixels to mask; mask the pictures when saving")


def distributions_of(
    references: Sequence[Reference], value_range: tuple[float, float] | Units | None
) -> list[PatchDistribution]:
    """Returns the saved distributions among references of data with a range, or None for data without one.

    Raises:
        OptionError: There are some, and the data are no pictures in [-1, 1].
    """
    distributions = [x.distribution for x in references if x.distribution is not None]
    if distributions and value_range != (-1.0, 1.0):
        raise OptionError("value_range", value_range, "a saved distribution is one of pictures in [-1, 1]")
    return distributions


def check_pictures(references: Sequence[Reference], use: str) -> None:
    """Raises `OptionError` if a reference is a saved distribution; `use` says for what patches are needed."""
    if any(reference.distribution is not None for reference in references):
        raise OptionError.saying(
            f"a saved distribution has no patches to copy, and {use}; use pictures as references, or change that setting"
        )


def _check_map(values: Tensor, name: str, like: Tensor) -> Tensor:
    """Returns a map as (B, 1, H, W), with the dtype of `like`."""
    maps = values[None, None] if values.dim() == 2 else values
    maps = check_image(maps.to(like.dtype) if maps.dtype == torch.bool else maps, name)
    if maps.shape[1] != 1 or maps.amin() < 0:
        raise ImageError(
            f"{name} has shape {tuple(values.shape)} and values from {float(maps.amin()):g}; "
            "it must be one map (H, W) of non-negative values"
        )
    if maps.device != like.device:
        raise ImageError(f"{name} is on {maps.device} and its picture on {like.device}; move them to one device")
    return maps.to(like.dtype)


def _max_weight(weight: Tensor | float) -> float:
    return float(weight.amax()) if isinstance(weight, Tensor) else weight


def masked_at(references: Sequence[Reference], scale: float) -> list[Reference]:
    """Returns the references at a scale if one of them has a map of weights; else at full size.

    Without weight maps every patch is usable at every scale, so no resizing is needed.
    """
    if not any(isinstance(x.weight, Tensor) for x in references):
        return list(references)
    return [x.at(scale) for x in references]


def check_patches(references: Sequence[Reference], patch_size: int) -> None:
    """Raises `OptionError` if all patches have weight 0 because of the maps of weights."""
    if any(isinstance(x.weight, Tensor) for x in references):
        reference_patch_weights(references, patch_size)


def reference_patch_weights(references: Sequence[Reference], patch_size: int) -> list[Tensor] | None:
    """Returns the weights of all patches of each reference, (rows, columns); None if all weights are equal.

    Raises:
        OptionError: All patches have weight 0.
    """
    numbers = {x.weight for x in references if not isinstance(x.weight, Tensor)}
    if len(numbers) == 1 and not any(isinstance(x.weight, Tensor) for x in references):
        return None
    weights = [patch_weights(x.map(), patch_size, exclude=True) for x in references]
    if not any(bool((x > 0).any()) for x in weights):
        sizes = ", ".join(f"{x.image.shape[3]}x{x.image.shape[2]}" for x in references)
        raise OptionError.saying(
            f"no {patch_size}x{patch_size} patch of the reference is free of masked or transparent pixels at {sizes} "
            "pixels; mask less, lower patch_size or raise coarse_dim"
        )
    return weights


def sizes_of(references: Sequence[Reference]) -> list[Size]:
    """Returns height and width of each reference, in pixels."""
    return [size_of(x.image) for x in references]
