"""Losses of single terms, terms at some scales, and own references with regions."""

from __future__ import annotations

import pytest
import torch

from gpdm import Canvas, Level, LossOn, OptionError, Reference, SWDLoss, as_references, bind
from gpdm.losses.base import check_loss, loss_memory
from gpdm.losses.combined import own_references
from gpdm.losses.parts import LossOfTerms, TermAtScales
from library.problems import evaluated, picture

SQUARED = SWDLoss(num_proj=4, coherence=0.0)


def at_scales(lowest: float, below: float) -> LossOfTerms:
    """A distance to references of its own at some scales."""
    terms = LossOn.of(SQUARED, picture(60, 44)).terms()
    return LossOfTerms(tuple((weight, TermAtScales(term, lowest, below)) for weight, term in terms))


def level(scale: float) -> Level:
    return Level(0, scale, (round(60 * scale),) * 2, ((round(60 * scale),) * 2,))


@pytest.mark.parametrize(("scale", "expected"), [(0.4, False), (0.5, True), (0.79, True), (0.8, False), (1.0, False)])
def test_a_term_is_active_from_the_lowest_scale_to_below_the_end(scale: float, expected: bool) -> None:
    ((_, term),) = at_scales(0.5, 0.8).terms()
    assert term.active(level(scale)) is expected
    assert (loss_memory(at_scales(0.5, 0.8), level(scale)) > (0, 0)) is expected


def test_only_active_terms_have_a_gradient() -> None:
    image, references = picture(30, 30), as_references(picture(30, 22))
    canvas = Canvas(size=(60, 60)).at(0.5)
    both = LossOfTerms((*SQUARED.terms(), *at_scales(0.6, 2.0).terms()))
    value, gradient = evaluated(bind(both, references, canvas), image)
    expected = evaluated(bind(SQUARED, references, canvas), image)
    assert torch.equal(value, expected[0]) and torch.equal(gradient, expected[1])


def test_a_term_is_checked_where_it_is_active() -> None:
    check_loss(at_scales(0.5, 2.0), [level(0.1), level(0.6)])
    with pytest.raises(OptionError, match="a patch of 7x7 does not fit"):
        check_loss(at_scales(0.05, 2.0), [level(0.1)])


def test_the_references_of_a_term_at_some_scales_are_known() -> None:
    assert len(own_references(at_scales(0.5, 0.8), picture())) == 1


def test_own_references_have_their_regions() -> None:
    left = torch.zeros(40, 50)
    left[:, :20] = 1
    given = [Reference(picture(40, 36), region=left), Reference(picture(30, 44, seed=1), region=1 - left)]
    image, canvas = picture(40, 50, seed=2), Canvas(size=(40, 50))
    own = bind(LossOn.of(SQUARED, given), as_references(picture()), canvas)
    expected = bind(SQUARED, as_references(given), canvas)
    for one, other in zip(evaluated(own, image), evaluated(expected, image), strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-9)
