"""SIFID with random weights: laws, known distances, and a network that is built independently of ours."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpdm.errors import GPDMError, ImageError
from gpdm.evaluation.sifid import LAYERS, SMALLEST, Inception, frechet_distance, load_inception, sifid
from library.problems import picture

PLAN = {"Conv2d_1a_3x3": (3, 32, 2, 0), "Conv2d_2a_3x3": (32, 32, 1, 0), "Conv2d_2b_3x3": (32, 64, 1, 1)}
"""Input channels, output channels, stride and padding; written here anew."""
STRIDE = 2
"""How far apart, in pixels, neighbouring positions are."""


def weights(seed: int = 0) -> dict[str, Tensor]:
    """A state dict whose channels are neither all dead nor all alike, with a key of a later layer."""
    g = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {"Mixed_5b.branch1x1.conv.weight": torch.zeros(64, 192, 1, 1)}
    for name, (inputs, outputs, _, _) in PLAN.items():
        state[f"{name}.conv.weight"] = torch.randn(outputs, inputs, 3, 3, generator=g) / math.sqrt(9 * inputs)
        state[f"{name}.bn.weight"] = 0.5 + torch.rand(outputs, generator=g)
        state[f"{name}.bn.bias"] = 0.5 + 0.3 * torch.randn(outputs, generator=g)
        state[f"{name}.bn.running_mean"] = 0.2 * torch.randn(outputs, generator=g)
        state[f"{name}.bn.running_var"] = 0.3 + torch.rand(outputs, generator=g)
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(7)
    return state


def independent(state: dict[str, Tensor]) -> nn.Sequential:
    """The same network out of modules of torch.nn, which maps values from 0 to 1 itself at its input, in eval mode."""

    class FromUnit(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x - 1

    modules: list[nn.Module] = [FromUnit()]
    for name, (inputs, outputs, stride, padding) in PLAN.items():
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding, bias=False)
        normalisation = nn.BatchNorm2d(outputs, eps=0.001)
        for prefix, module in ((f"{name}.conv.", convolution), (f"{name}.bn.", normalisation)):
            own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            module.load_state_dict(own)
        modules += [convolution, normalisation, nn.ReLU()]
    return nn.Sequential(*modules).double().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network() -> Inception:
    return load_inception(weights())


def test_features_are_those_of_an_independent_network_that_maps_its_input_itself(network: Inception) -> None:
    image = picture(61, 48)
    expected = independent(weights())((image.double() + 1) / 2)
    found = network.features(image)
    assert found.dtype == torch.float64
    assert found.shape == (expected.shape[2] * expected.shape[3], 64)
    assert torch.allclose(found.T.reshape(expected.shape[1:]), expected[0], rtol=1e-9, atol=1e-12)
    assert float(found.std(0).median()) > 0.1, "the weights of this test make features that vary"


def test_running_statistics_and_not_those_of_the_picture(network: Inception) -> None:
    training = independent(weights()).train()
    image = picture(64, 64)
    own_statistics = training((image.double() + 1) / 2)[0].flatten(1).T
    assert not torch.allclose(network.features(image), own_statistics, atol=0.1)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (8, 20)])
def test_features_of_a_part_are_a_part_of_the_features(network: Inception, top: int, left: int) -> None:
    """What is elsewhere in the picture changes nothing, which normalisation by the picture's own statistics would not keep."""
    image = picture(64, 80)
    part = image[..., top : top + 40, left : left + 44]
    whole, own = (grid(network.features(each), each) for each in (image, part))
    rows, columns = own.shape[1:]
    y, x = top // STRIDE, left // STRIDE
    same = whole[:, y : y + rows, x : x + columns]
    # The padding of the third convolution changes the outermost positions.
    assert torch.allclose(own[:, 1:-1, 1:-1], same[:, 1:-1, 1:-1], rtol=1e-9, atol=1e-12)
    elsewhere = image.clone()
    elsewhere[..., 60:, :] = 1
    assert torch.equal(grid(network.features(elsewhere), image)[:, :8], whole[:, :8])


def grid(features: Tensor, image: Tensor) -> Tensor:
    """Features as (64, rows, columns)."""
    rows, columns = ((side - 3) // 2 - 1 for side in image.shape[2:])
    return features.T.reshape(64, rows, columns)


def test_the_range_matters(network: Inception) -> None:
    """A picture from 0 to 1, or divided by 255 and mapped again as in the reference implementation, is another picture."""
    image = picture(48, 48)
    for wrong in ((image + 1) / 2, 2 * (image / 255) - 1):
        assert sifid(network, image, wrong) > 0.1


def test_the_same_picture(network: Inception) -> None:
    for image in (picture(96, 96), picture(33, 50, seed=3), torch.full((1, 3, 40, 40), 0.3)):
        assert 0 <= sifid(network, image, image) < 1e-9


def test_symmetric_and_free_of_size(network: Inception) -> None:
    first, second = picture(64, 48), picture(40, 72, seed=5)
    there, back = sifid(network, first, second), sifid(network, second, first)
    assert there > 0.01
    assert there == pytest.approx(back, rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_grows_with_noise(seed: int) -> None:
    network, image = load_inception(weights(seed)), picture(80, 80, seed=seed)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    figures = [sifid(network, image, image + strength * noise) for strength in (0, 0.02, 0.05, 0.1, 0.2)]
    assert all(less < more for less, more in pairwise(figures))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_grows_with_blur(seed: int) -> None:
    network, image = load_inception(weights(seed)), picture(80, 80, seed=seed)
    figures = [sifid(network, image, blurred(image, side)) for side in (1, 3, 7, 15)]
    assert all(less < more for less, more in pairwise(figures))


def blurred(image: Tensor, side: int) -> Tensor:
    return F.avg_pool2d(F.pad(image, (side // 2,) * 4, mode="reflect"), side, 1)


def test_grey_counts_as_rgb_and_alpha_does_not_count(network: Inception) -> None:
    grey, colour = picture(40, 40, channels=1), picture(40, 40)
    assert torch.equal(network.features(grey), network.features(grey.repeat(1, 3, 1, 1)))
    for opacity in (-1.0, 0.5):
        with_alpha = torch.cat([colour, torch.full((1, 1, 40, 40), opacity)], 1)
        assert torch.equal(network.features(with_alpha), network.features(colour))
    assert sifid(network, grey, grey.repeat(1, 3, 1, 1)) < 1e-9


def test_neither_picture_nor_weights_are_changed() -> None:
    state, image = weights(), picture(40, 40).double()
    before, kept = {key: value.clone() for key, value in state.items()}, image.clone()
    sifid(load_inception(state), image, image)
    assert torch.equal(image, kept)
    assert all(torch.equal(state[key], before[key]) for key in before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision(dtype: torch.dtype) -> None:
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in weights().items()}
    assert load_inception(state).features(picture(40, 40)).dtype == torch.float64


def test_distance_of_gaussians_with_diagonal_covariances() -> None:
    g = torch.Generator().manual_seed(2)
    mean, other_mean = torch.randn(2, 64, generator=g, dtype=torch.float64)
    a, b = torch.rand(2, 64, generator=g, dtype=torch.float64) * 4
    a[:20], b[10:30] = 0, 0
    expected = (mean - other_mean).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert frechet_distance(mean, a.diag(), other_mean, b.diag()) == pytest.approx(float(expected), rel=1e-12)


def test_distance_of_gaussians_whose_covariances_do_not_commute() -> None:
    """For two dimensions: the trace of the root of M is the root of tr M + 2 sqrt(det M)."""
    a = torch.tensor([[2.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
    b = torch.tensor([[1.0, -0.7], [-0.7, 3.0]], dtype=torch.float64)
    assert not torch.allclose(a @ b, b @ a)
    product = a @ b
    common = math.sqrt(float(product.trace()) + 2 * math.sqrt(float(torch.linalg.det(product))))
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    expected = 5 + float(a.trace() + b.trace()) - 2 * common
    assert frechet_distance(mean, a, torch.zeros_like(mean), b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rank", [1, 10, 63])
def test_distance_is_zero_for_the_same_covariance_of_any_rank(rank: int) -> None:
    g = torch.Generator().manual_seed(rank)
    samples = 3 * torch.randn(500, rank, generator=g, dtype=torch.float64) @ torch.randn(rank, 64, generator=g).double()
    mean, covariance = samples.mean(0), samples.T.cov()
    assert 0 <= frechet_distance(mean, covariance, mean, covariance) < 1e-12 * float(covariance.trace()) * 64


def test_statistics_are_the_mean_and_the_unbiased_covariance_over_positions(network: Inception) -> None:
    """The distance by hand, with the root of the product of the covariances out of its eigenvalues, as it is in the paper."""
    means, covariances = [], []
    for image in (picture(72, 80), picture(80, 72, seed=5)):
        features = network.features(image)
        deviation = features - features.mean(0)
        means.append(features.mean(0))
        covariances.append(deviation.T @ deviation / (len(features) - 1))
    common = torch.linalg.eigvals(covariances[0] @ covariances[1]).sqrt().real.sum()
    expected = (means[0] - means[1]).square().sum() + covariances[0].trace() + covariances[1].trace() - 2 * common
    assert sifid(network, picture(72, 80), picture(80, 72, seed=5)) == pytest.approx(float(expected), rel=1e-6)


KEYS = [key for layer in LAYERS for key in layer.shapes()]


def test_needed_keys_are_those_of_the_three_layers() -> None:
    parts = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    assert [f"{name}.{part}" for name in PLAN for part in parts] == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(key: str) -> None:
    state = weights()
    del state[key]
    with pytest.raises(GPDMError, match=rf"no {key} among the weights; give the state dict of Inception-v3.*\.pth"):
        load_inception(state)


@pytest.mark.parametrize("key", KEYS)
def test_a_wrong_shape_is_named(key: str) -> None:
    state = weights()
    state[key] = state[key][:5]
    with pytest.raises(GPDMError, match=rf"{key} has shape \(5.* must have .*; give the state dict of Inception-v3"):
        load_inception(state)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("Conv2d_2a_3x3.bn.bias", torch.full((32,), torch.nan), "not finite"),
        ("Conv2d_2a_3x3.bn.running_var", torch.full((32,), -1.0), "variances below 0"),
        (
            "Conv2d_2a_3x3.bn.bias",
            torch.zeros(32, dtype=torch.int64),
            "torch.int64 and must be a floating-point tensor",
        ),
        ("Conv2d_2a_3x3.bn.bias", [0.0] * 32, "is list and must be a floating-point tensor"),
    ],
)
def test_unusable_values_are_named(key: str, value: object, problem: str) -> None:
    state: dict[str, object] = {**weights(), key: value}
    with pytest.raises(GPDMError, match=rf"{key} .*{problem}.*Inception-v3"):
        load_inception(state)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (torch.zeros(1, 2, 40, 40), "2 channels; convert it to grey"),
        (torch.zeros(1, 5, 40, 40), "5 channels"),
        (torch.zeros(2, 3, 40, 40), "batch of 2 pictures; compare them one by one"),
        (torch.zeros(3, 40, 40), "must be \\(B, C, H, W\\)"),
        (torch.full((1, 3, 40, 40), torch.nan), "NaN"),
        (torch.zeros(1, 3, 40, SMALLEST - 1), f"{SMALLEST - 1}x40; {SMALLEST} pixels"),
    ],
)
def test_unusable_pictures_are_refused(network: Inception, image: Tensor, problem: str) -> None:
    usable = torch.zeros(1, 3, 40, 40)
    for pair in ((image, usable), (usable, image)):
        with pytest.raises(ImageError, match=problem):
            sifid(network, *pair)


def test_the_smallest_picture(network: Inception) -> None:
    assert len(network.features(picture(SMALLEST, SMALLEST))) == 4
    assert math.isfinite(sifid(network, picture(SMALLEST, SMALLEST), picture(40, SMALLEST)))
