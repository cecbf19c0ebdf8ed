"""The Triton kernels against their oracle."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from kernels.cases import DEVICE, Case, case
from torch import Generator, Tensor

from gpdm.kernels import reference
from gpdm.transport.binned import bin_range, quantize_weights
from library.problems import picture

if sys.platform == "linux":
    import triton  # noqa: F401
else:
    pytest.importorskip("triton", reason="there is no Triton for this system in the test extra")

from gpdm.kernels import (
    triton_adam,
    triton_check,
    triton_compare,
    triton_count,
    triton_gradient,
    triton_kernels,
    triton_mse,
)

KERNELS = ["adam", "backproject", "compare", "project_and_count", "weighted_mse"]

SHAPES = {
    "63 patches": (13, 15, 3, 7, 5, (1, 1)),
    "1000 patches": (28, 43, 3, 4, 3, (1, 1)),
    "7186 patches": (3, 3594, 1, 2, 2, (1, 1)),
    "one patch": (7, 7, 3, 7, 5, (1, 1)),
    "patches of one pixel": (9, 6, 1, 1, 3, (1, 1)),
    "four channels": (12, 20, 4, 3, 17, (1, 1)),
    "sixteen channels": (4, 5, 16, 3, 2, (1, 1)),
    "many filters": (6, 9, 1, 4, 131, (1, 1)),
    "large patches": (15, 18, 1, 15, 2, (1, 1)),
    "stride": (23, 40, 3, 7, 5, (2, 3)),
    "stride beyond the patch": (23, 40, 3, 3, 5, (5, 4)),
}
"""Height, width, channels, patch size, number of filters, stride."""


@pytest.fixture
def uninitialised_memory_is_nan() -> Iterator[None]:
    """New memory is filled with NaN."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


def test_kernels_have_the_names_of_the_oracle() -> None:
    names = [name for name in vars(triton_kernels) if not name.startswith("_")]
    assert sorted(names) == sorted(KERNELS)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_have_the_signatures_of_the_oracle(name: str) -> None:
    kernel, oracle = (inspect.signature(getattr(module, name)) for module in (triton_kernels, reference))
    assert kernel == oracle


WEIGHTED = [(name, False) for name in SHAPES] + [(name, True) for name in ("63 patches", "sixteen channels", "stride")]


@pytest.mark.parametrize(("name", "weighted"), WEIGHTED)
def test_counts_equal_those_of_the_oracle(name: str, weighted: bool) -> None:
    c, stride = case(*SHAPES[name]), SHAPES[name][5]
    weights = c.weights if weighted else None
    counts = triton_count.project_and_count(c.image, c.filters, c.bins, stride, weights)
    assert torch.equal(counts, reference.project_and_count(c.image, c.filters, c.bins, stride, weights))
    assert counts.sum(1).tolist() == [c.weights.sum() if weighted else c.weights.numel()] * len(c.filters)
    assert len(counts.unique()) > 1 or c.weights.numel() == 1


@pytest.mark.slow
@pytest.mark.usefixtures("uninitialised_memory_is_nan")
@pytest.mark.parametrize(("name", "weighted"), WEIGHTED)
def test_gradients_equal_those_of_the_oracle(name: str, weighted: bool) -> None:
    c, stride = case(*SHAPES[name]), SHAPES[name][5]
    weights = c.weights.float() if weighted else None
    gradient = triton_gradient.backproject(c.image, c.filters, c.bins, c.bin_gradients, stride, weights)
    expected = reference.backproject(c.image, c.filters, c.bins, c.bin_gradients, stride, weights)
    assert torch.equal(gradient, expected)
    assert expected.abs().sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("patch", range(1, 16))
def test_every_patch_size(patch: int) -> None:
    c = case(patch + 2, patch + 3, 1, patch, 3)
    arguments = c.image, c.filters, c.bins
    assert torch.equal(triton_count.project_and_count(*arguments), reference.project_and_count(*arguments))
    gradient = triton_gradient.backproject(*arguments, c.bin_gradients)
    assert torch.equal(gradient, reference.backproject(*arguments, c.bin_gradients))


def test_sums_of_weights_do_not_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_count, "COUNT_SHARDS", 1)
    c = case(40, 60, 1, 1, 1)
    c.bins.low.fill_(1e6)  # all projections fall into the first bin
    weights = quantize_weights(torch.full_like(c.weights, 0.7))
    counts = triton_count.project_and_count(c.image, c.filters, c.bins, (1, 1), weights)
    assert int(counts[0, 0]) == 40 * 60 * 2**20 > 2**31


def views(image: Tensor) -> dict[str, Tensor]:
    """The same image in other memory layouts."""
    _, channels, height, width = image.shape
    larger = image.new_full((1, channels + 1, height + 2, 2 * width), 99.0)
    larger[:, 1:, 2:, ::2] = image
    return {
        "channels last": image.contiguous(memory_format=torch.channels_last),
        "part of a larger tensor": larger[:, 1:, 2:, ::2],
        "transposed": image.transpose(2, 3).contiguous().transpose(2, 3),
    }


@pytest.mark.parametrize("name", ["channels last", "part of a larger tensor", "transposed"])
def test_memory_layout_has_no_effect(name: str) -> None:
    c = case(8, 17, number=3)
    image, filters = views(c.image)[name], c.filters.transpose(2, 3).contiguous().transpose(2, 3)
    assert torch.equal(image, c.image) and not image.is_contiguous()
    counts = triton_count.project_and_count(image, filters, c.bins)
    assert torch.equal(counts, triton_count.project_and_count(c.image, c.filters, c.bins))
    bin_gradients = c.bin_gradients.T.contiguous().T
    gradient = triton_gradient.backproject(image, filters, c.bins, bin_gradients)
    assert torch.equal(gradient, triton_gradient.backproject(c.image, c.filters, c.bins, c.bin_gradients))


def natural(height: int = 12, width: int = 22) -> Case:
    """An image with independent filters of unit length."""
    generator = Generator().manual_seed(3)
    image = picture(height, width, seed=1).to(DEVICE)
    filters = F.normalize(torch.randn(9, 147, generator=generator)).reshape(9, 3, 7, 7).to(DEVICE)
    projections = reference.project(image, filters, (1, 1)).flatten(1)
    bins = bin_range(projections.amin(1) - 0.01, projections.amax(1) + 0.01, 128)  # no end lies at the edge of a bin
    bin_gradients = torch.randn(9, 128, generator=generator).to(DEVICE)
    return Case(image, filters, bins, bin_gradients, torch.ones(1, device=DEVICE))


def test_counts_and_gradients_of_an_image_within_the_precision_of_tensor_cores() -> None:
    c = natural()
    counts, expected = (m.project_and_count(c.image, c.filters, c.bins) for m in (triton_count, reference))
    # TF32 moves a projection by about 1 % of a bin, and each patch that changes its bin counts twice (H100: 3 %).
    assert (counts - expected).abs().sum() <= (0.06 * expected.sum() if DEVICE.type == "cuda" else 4)
    smooth = torch.linspace(-1, 2, 128, device=DEVICE).expand(9, 128)  # neighbouring bins have nearly the same gradient
    gradient, expected = (m.backproject(c.image, c.filters, c.bins, smooth) for m in (triton_gradient, reference))
    assert float((gradient - expected).norm() / expected.norm()) < 1e-2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "columns", "programs", "expected"),
    [(64, 2, 264, 1), (1024, 9, 264, 36), (2048, 17, 264, 137), (100, 3, 2, 50), (5, 1, 10, 1)],
)
def test_tiles_are_as_high_as_is_soonest_done(height: int, columns: int, programs: int, expected: int) -> None:
    assert triton_gradient.height_of_tiles(height, 7, columns, programs) == expected


@pytest.mark.slow
@pytest.mark.parametrize("height", [1, 3, 4, 9])
def test_the_gradient_has_the_same_bits_with_any_tiles(height: int, monkeypatch: pytest.MonkeyPatch) -> None:
    c = natural(9, 28)
    arguments = c.image, c.filters, c.bins, c.bin_gradients
    expected = triton_gradient.backproject(*arguments)
    monkeypatch.setattr(triton_gradient, "height_of_tiles", lambda *_: height)
    assert torch.equal(triton_gradient.backproject(*arguments), expected)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_counts_do_not_depend_on_the_number_of_shards(shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    c = natural(9, 28)  # 66 patches, in two programs
    expected = triton_count.project_and_count(c.image, c.filters, c.bins)
    monkeypatch.setattr(triton_count, "COUNT_SHARDS", shards)
    assert torch.equal(triton_count.project_and_count(c.image, c.filters, c.bins), expected)


@pytest.mark.usefixtures("uninitialised_memory_is_nan")
@pytest.mark.parametrize("bins", [128, 512, 100])
@pytest.mark.parametrize("distance", ["l1", "l2"])
def test_distance_and_bin_gradients(distance: str, bins: int) -> None:
    generator = Generator().manual_seed(bins)
    number = 4
    grid = bin_range(torch.full((number,), -1.0), torch.tensor([1.0, 2.0, 0.5, 9.0]), bins)
    grid = type(grid)(grid.low.to(DEVICE), grid.width.to(DEVICE), bins)
    cdf_p = torch.rand(number, bins, generator=generator).cumsum(1)
    cdf_p[1, bins // 3 : bins // 2] = cdf_p[1, bins // 3]  # a gap in the reference
    cdf_p = (cdf_p / cdf_p[:, -1:]).to(DEVICE)
    counts = torch.randint(0, 50, (number, bins), generator=generator)
    counts[2] = 0
    counts[2, 5] = 2**40  # all in one bin
    counts[3, : bins // 2] = 0
    value, bin_gradients = triton_compare.compare(cdf_p, counts.to(DEVICE), grid.width, distance)
    expected, expected_gradients = reference.compare(cdf_p, counts.to(DEVICE), grid.width, distance)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert torch.allclose(bin_gradients, expected_gradients, rtol=1e-4, atol=1e-5)
    if distance == "l1":
        assert torch.equal(bin_gradients, expected_gradients)


@pytest.mark.parametrize("transposed", [False, True], ids=["contiguous", "transposed"])
def test_adam_agrees_with_torch(transposed: bool) -> None:
    generator = Generator().manual_seed(0)
    image = torch.randn(1, 3, 37, 41, generator=generator).to(DEVICE)
    iterate = image.transpose(2, 3).contiguous().transpose(2, 3) if transposed else image.clone()
    moments = [torch.zeros_like(iterate), torch.zeros_like(iterate)]
    leaf = image.clone().requires_grad_()
    adam = torch.optim.Adam([leaf], lr=0.03, betas=(0.9, 0.99))
    for n in range(1, 4):
        gradient = torch.randn(1, 3, 37, 41, generator=generator).to(DEVICE)
        rates = torch.tensor([0.03 / (1 - 0.9**n), (1 - 0.99**n) ** 0.5], device=DEVICE)
        triton_adam.adam(iterate, gradient / 64, *moments, rates, 64.0, (0.9, 0.99))
        leaf.grad = gradient
        adam.step()
    assert torch.allclose(iterate, leaf.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("uninitialised_memory_is_nan")
@pytest.mark.parametrize("module", [reference, triton_mse], ids=["oracle", "triton"])
@pytest.mark.parametrize("channels_last", ["", "image", "into"])
@pytest.mark.parametrize(("height", "width", "channels"), [(7, 9, 3), (40, 41, 1), (32, 32, 16)])
def test_weighted_mse(height: int, width: int, channels: int, channels_last: str, module: ModuleType) -> None:
    """`channels_last` names the argument with that memory layout."""
    generator = Generator().manual_seed(0)
    image, target, gradient = (
        torch.randn(1, channels, height, width, generator=generator).to(DEVICE) for _ in range(3)
    )
    weight = torch.rand(1, 1, height, width, generator=generator).to(DEVICE)
    leaf = image.clone().requires_grad_()
    cost = 0.3 * (weight * (leaf - target).square()).sum()
    cost.backward()
    assert leaf.grad is not None
    copy, into = image.clone(), gradient.clone()
    if channels_last == "image":
        copy = copy.contiguous(memory_format=torch.channels_last)
    elif channels_last == "into":
        into = into.contiguous(memory_format=torch.channels_last)
    value = module.weighted_mse(copy, target, weight, into, 0.3)
    assert value.shape == ()
    assert float(value) == pytest.approx(float(cost.detach()), rel=1e-5)
    assert torch.allclose(into, gradient + leaf.grad, rtol=1e-5, atol=1e-5)
    assert torch.equal(copy, image)


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_the_check_names_a_kernel_that_is_wrong(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(triton_kernels, name)

    def wrong(*arguments):
        if name == "adam":
            return real(*arguments[:-1], (0.9, 0.8))
        result = real(*arguments)
        return (result[0] * 1.01, *result[1:]) if isinstance(result, tuple) else result + (result == result.max())

    monkeypatch.setattr(triton_kernels, name, wrong)
    assert triton_check.disagreement(DEVICE) == f"Triton's {name} and PyTorch do not agree on {DEVICE}"


def test_the_check_notices_a_gradient_that_is_not_added(monkeypatch: pytest.MonkeyPatch) -> None:
    real = triton_kernels.weighted_mse

    def wrong(image: Tensor, target: Tensor, weight: Tensor, into: Tensor, factor: float) -> Tensor:
        return real(image, target, weight, into.clone(), factor)

    monkeypatch.setattr(triton_kernels, "weighted_mse", wrong)
    assert triton_check.disagreement(DEVICE) == f"Triton's weighted_mse and PyTorch do not agree on {DEVICE}"


def test_the_check_passes() -> None:
    assert triton_check.disagreement(DEVICE) is None
