"""Pictures with any channels and transparency in an edit: `prepare_edit`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gpdm import EDITS, ImageError, Reference, prepare_edit, run_edit
from library.problems import picture

INPAINT = EDITS["inpaint"]
HOLE = torch.zeros(1, 1, 40, 44)
HOLE[..., 16:23, 18:26] = 1


def transparent(channels: int, seed: int = 0) -> Tensor:
    """A picture whose left half is transparent above bright colours."""
    image = picture(40, 44, channels, seed)
    image[:, -1] = 1
    image[..., :22] = 1
    image[:, -1, :, :22] = -1
    return image


@pytest.mark.parametrize("given", [1, 2, 3, 4])
@pytest.mark.parametrize("other", [1, 2, 3, 4])
def test_references_get_the_channels_of_the_picture(given: int, other: int) -> None:
    image = transparent(given) if given in (2, 4) else picture(40, 44, given)
    reference = transparent(other, 1) if other in (2, 4) else picture(40, 44, other, 1)
    prepared = prepare_edit(image, reference)
    assert torch.equal(prepared.image, image)
    assert prepared.references is not None and prepared.references[0].image.shape == image.shape
    assert (prepared.note is None) == (given == other)
    results = run_edit(INPAINT, prepared.image, HOLE, references=prepared.references)
    outside = (results.masks == 0).expand_as(image)
    assert torch.equal(results.images[outside], image[outside])


def test_an_opaque_alpha_channel_is_left_out() -> None:
    image = torch.cat([picture(40, 44), torch.ones(1, 1, 40, 44)], 1)
    prepared = prepare_edit(image)
    assert torch.equal(prepared.image, picture(40, 44))
    assert prepared.note is None and prepared.references is None and prepared.source_sizes == [(40, 44)]


def test_transparent_pixels_of_references_are_not_used() -> None:
    prepared = prepare_edit(picture(40, 44), transparent(4, 1))
    assert prepared.references is not None
    assert bool((prepared.references[0].map()[..., :22] == 0).all())
    results = run_edit(INPAINT, prepared.image, HOLE, references=prepared.references)
    columns = results.sources[0, 2][results.masks[0, 0] > 0]
    assert columns.min() >= 22


def test_a_batch_of_references_is_counted_one_by_one() -> None:
    batch = torch.cat([picture(20, 30, seed=seed) for seed in (1, 2)])
    assert prepare_edit(picture(40, 44), [batch, picture(22, 18)]).source_sizes == [(20, 30), (20, 30), (22, 18)]


@pytest.mark.parametrize(
    ("image", "references", "message"),
    [
        (torch.full((1, 4, 8, 8), -1.0), None, "image is transparent everywhere"),
        (picture(channels=3), torch.full((1, 4, 8, 8), -1.0), "reference is transparent everywhere"),
        (picture(channels=5), None, "image has 5 channels"),
        (picture(), Reference(picture(), region=torch.ones(1, 1, 8, 8)), "reference has a region"),
    ],
)
def test_what_cannot_be_used_is_refused(image: Tensor, references: Tensor | None, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        prepare_edit(image, references)
