"""Bidirectional similarity: against brute force, and the contract of a loss."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
import torch
from torch import Generator, Tensor

from gpdm import (
    BidirectionalLoss,
    GPDMError,
    Level,
    Optimizer,
    OptionError,
    OutputState,
    PyramidSchedule,
    Reference,
    synthesize,
    value_and_gradient,
)
from gpdm.borders import BORDERS, patch_weights, wrap
from gpdm.images import size_of
from gpdm.losses import bidirectional
from gpdm.losses.base import check_loss
from gpdm.losses.bidirectional import BidirectionalObjective
from library.problems import evaluated, objective_of, picture

P = 5
REFERENCES = [picture(14, 17, seed=1), picture(11, 13, seed=3)]
IMAGE = picture(13, 16, seed=2)


def bound(
    references: Sequence[Tensor | Reference],
    size: tuple[int, int] = (13, 16),
    weight: Tensor | None = None,
    **options: object,
) -> BidirectionalObjective:
    objective = objective_of(BidirectionalLoss(**({"patch_size": P} | options)), references, size, weight=weight)  # type: ignore[arg-type]
    assert isinstance(objective, BidirectionalObjective)
    return objective


def fresh_state() -> OutputState:
    return OutputState(Generator())


def patches(image: Tensor, p: int = P) -> Tensor:
    rows, columns = (length - p + 1 for length in size_of(image))
    return torch.stack([image[0, :, y : y + p, x : x + p].flatten() for y in range(rows) for x in range(columns)])


def simakov(references: list[Tensor], image: Tensor, completeness: float = 1.0, border: str = "free") -> Tensor:
    """Equation 1 of Simakov et al. with mean squared differences; differentiable for fixed matches."""
    queries, keys = patches(wrap(image, P, border)), torch.cat([patches(x) for x in references])
    pairs = (queries[:, None] - keys[None]).square().mean(2)
    return pairs.amin(1).mean() + completeness * pairs.amin(0).mean()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("completeness", [1.0, 0.3])
@pytest.mark.parametrize("number", [1, 2])
def test_value_and_gradient_agree_with_brute_force(border: str, completeness: float, number: int) -> None:
    references = REFERENCES[:number]
    value, gradient = evaluated(bound(references, border=border, completeness=completeness), IMAGE)
    leaf = IMAGE.double().requires_grad_()
    expected = simakov([x.double() for x in references], leaf, completeness, border)
    expected.backward()
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert leaf.grad is not None
    assert torch.allclose(gradient.double(), leaf.grad, rtol=1e-3, atol=1e-7)


def test_completeness_0_is_coherence_alone() -> None:
    crop = REFERENCES[0][..., 2:12, 3:15]
    assert float(evaluated(bound(REFERENCES, size_of(crop), completeness=0.0), crop)[0]) == pytest.approx(0, abs=1e-6)
    assert float(evaluated(bound(REFERENCES, size_of(crop)), crop)[0]) > 0.01
    value = evaluated(bound(REFERENCES, completeness=0.0), IMAGE)[0]
    assert float(value) == pytest.approx(float(simakov(REFERENCES, IMAGE, 0.0)), rel=1e-4)


def test_an_image_that_contains_the_reference_is_complete() -> None:
    """Other content costs coherence only."""
    coherence = float(simakov(REFERENCES[:1], IMAGE, 0.0))
    padded = torch.cat([IMAGE, torch.zeros(1, 3, 1, 16)], 2)
    image = torch.cat([padded, REFERENCES[0]], 3)
    value = float(evaluated(bound(REFERENCES[:1], size_of(image), completeness=100.0), image)[0])
    assert 0.01 < value < 2 * coherence


@pytest.mark.parametrize("border", ["free", "circular"])
def test_value_and_gradient_of_the_reference_itself_are_zero(border: str) -> None:
    reference = IMAGE if border == "free" else IMAGE.repeat(1, 1, 2, 2)
    value, gradient = evaluated(bound([reference], border=border), IMAGE)
    assert float(value) == pytest.approx(0, abs=1e-6)
    assert torch.allclose(gradient, torch.zeros_like(gradient), atol=1e-7)


def test_between_two_searches_the_loss_is_quadratic() -> None:
    """Matches are fixed, so that central differences are exact."""
    objective, state = bound([x.double() for x in REFERENCES], every=100), fresh_state()
    image = IMAGE.double()
    value, gradient = value_and_gradient(objective, image, 0, state)
    for seed in range(3):
        direction = torch.randn(image.shape, generator=Generator().manual_seed(seed), dtype=torch.float64)
        values = [float(value_and_gradient(objective, image + step * direction, 99, state)[0]) for step in (-0.5, 0.5)]
        assert values[1] - values[0] == pytest.approx(float((gradient * direction).sum()), rel=1e-9)
        assert sum(values) / 2 > float(value)


@pytest.mark.parametrize("every", [1, 3])
def test_every_output_has_a_search_every_few_steps(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    searches = []
    original = bidirectional.nearest

    def counted(*arguments: object) -> object:
        searches.append(arguments)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(bidirectional, "nearest", counted)
    objective, first, second = bound(REFERENCES, every=every, completeness=0.0), fresh_state(), fresh_state()
    for step in range(7):
        objective.sample(IMAGE + step, step, first)
        assert len(searches) == 1 + step // every
    objective.sample(IMAGE, 0, second)
    assert len(searches) == 2 + 6 // every


def test_outputs_are_independent() -> None:
    images = [IMAGE, picture(13, 16, seed=4)]
    alone = [evaluated(bound(REFERENCES), image) for image in images]
    objective, states = bound(REFERENCES), [fresh_state(), fresh_state()]
    for step in range(2):
        for image, state, (value, gradient) in zip(images, states, alone, strict=True):
            shared_value, shared_gradient = value_and_gradient(objective, image, step, state)
            assert torch.equal(shared_value, value)
            assert torch.equal(shared_gradient, gradient)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("completeness", [0.0, 0.3])
def test_weights_of_patches_in_both_directions(border: str, completeness: float) -> None:
    """Coherence is weighted by output patches and completeness by reference patches. Weight 0 excludes a patch."""
    generator = Generator().manual_seed(7)
    maps = [torch.rand(1, 1, *size_of(x), generator=generator, dtype=torch.float64) for x in REFERENCES]
    output = torch.rand(1, 1, 13, 16, generator=generator, dtype=torch.float64)
    maps[0][..., 12:], output[..., :7] = 0, 0
    references, leaf = [x.double() for x in REFERENCES], IMAGE.double().requires_grad_()
    weighted = [Reference(*pair) for pair in zip(references, maps, strict=True)]
    objective = bound(weighted, weight=output, border=border, completeness=completeness)
    value, gradient = evaluated(objective, leaf.detach())
    key_weights = torch.cat([patch_weights(each, P, exclude=True).flatten() for each in maps])
    query_weights = patch_weights(output, P, border).flatten()
    queries = patches(wrap(leaf, P, border))[query_weights > 0]
    keys = torch.cat([patches(x) for x in references])[key_weights > 0]
    key_weights, query_weights = key_weights[key_weights > 0], query_weights[query_weights > 0]
    pairs = (queries[:, None] - keys[None]).square().mean(2)
    expected = (pairs.amin(1) * query_weights).sum() / query_weights.sum()
    expected = expected + completeness * (pairs.amin(0) * key_weights).sum() / key_weights.sum()
    expected.backward()
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert leaf.grad is not None
    assert torch.allclose(gradient, leaf.grad, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("border", ["free", "circular"])
def test_descent_lowers_the_loss(border: str) -> None:
    reference = picture(24, 26, seed=1)
    loss = BidirectionalLoss(every=2, patch_size=P, border=border)
    result = synthesize(
        reference, loss=loss, optimizer=Optimizer(num_steps=50, lr=0.1), pyramid=PyramidSchedule(coarse_dim=24)
    )
    losses = result.losses[0][0]
    assert losses[-1] < 0.3 * losses[0]
    # A search can only lower the loss, since it considers all matches.
    assert float(simakov([reference], result.images, border=border)) < 1.1 * float(losses[-1])


def test_the_result_of_a_seed_does_not_depend_on_the_batch_size() -> None:
    def run(seed: int, number: int = 1) -> Tensor:
        loss, optimizer = BidirectionalLoss(every=2), Optimizer(num_steps=3)
        return synthesize(picture(24, 26), loss=loss, optimizer=optimizer, seed=seed, num_outputs=number).images

    assert torch.equal(run(5, 2), torch.cat([run(5), run(6)]))


def test_missing_faiss_is_refused_before_any_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    steps = []
    with pytest.raises(GPDMError, match="pip install faiss-cpu"):
        synthesize(picture(), loss=BidirectionalLoss(search="faiss"), on_step=steps.append)
    assert not steps


def test_a_level_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(OptionError, match=r"^a patch of 31x31 does not fit pyramid level 0.*coarse_dim of at least"):
        synthesize(picture(40, 40), loss=BidirectionalLoss(patch_size=31))
    levels = PyramidSchedule(coarse_dim=12).levels([(24, 26)], (24, 26))
    check_loss(BidirectionalLoss(patch_size=12), levels)
    with pytest.raises(OptionError, match="a patch of 13x13 does not fit"):
        check_loss(BidirectionalLoss(patch_size=13), levels)


def test_newton_is_refused() -> None:
    with pytest.raises(OptionError, match=r"method = 'newton'.*second derivative"):
        synthesize(picture(), loss=BidirectionalLoss(), optimizer=Optimizer(method="newton"))


def test_memory_grows_with_references_and_output() -> None:
    loss = BidirectionalLoss()

    def needed(reference_pixels: int, pixels: int) -> tuple[int, int]:
        return loss.memory(Level(0, 1.0, (pixels // 20, 20), ((reference_pixels // 10, 10),)))

    minimum, full = needed(1000, 2000)
    assert minimum == full
    assert needed(2000, 2000)[0] - minimum == needed(1000, 3000)[0] - minimum > 1000 * 49 * 4 * 3
    with pytest.raises(OptionError, match="memory"):
        synthesize(picture(), loss=loss, memory=10**6)


@pytest.mark.parametrize(
    "options", [{"patch_size": 0}, {"completeness": -1.0}, {"every": 0}, {"search": "fast"}, {"border": "round"}]
)
def test_bad_options_are_refused_by_name(options: dict) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        BidirectionalLoss(**options)
