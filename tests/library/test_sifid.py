"""SIFID with random weights: laws, known distances, and an independent implementation of the network."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gpdm.errors import GPDMError, ImageError
from gpdm.evaluation.sifid import LAYERS, MIN_SIDE, Inception, frechet_distance, load_inception, sifid
from library.problems import picture

CONVOLUTIONS = {"Conv2d_1a_3x3": (3, 32, 2, 0), "Conv2d_2a_3x3": (32, 32, 1, 0), "Conv2d_2b_3x3": (32, 64, 1, 1)}
"""Input channels, output channels, stride and padding of each convolution."""
STRIDE = 2
"""Distance of neighbouring positions, in pixels."""


def weights(seed: int = 0) -> dict[str, Tensor]:
    """A state dict with features that vary, and with a key of a later layer."""
    g = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {"Mixed_5b.branch1x1.conv.weight": torch.zeros(64, 192, 1, 1)}
    for name, (inputs, outputs, _, _) in CONVOLUTIONS.items():
        state[f"{name}.conv.weight"] = torch.randn(outputs, inputs, 3, 3, generator=g) / math.sqrt(9 * inputs)
        state[f"{name}.bn.weight"] = 0.5 + torch.rand(outputs, generator=g)
        state[f"{name}.bn.bias"] = 0.5 + 0.3 * torch.randn(outputs, generator=g)
        state[f"{name}.bn.running_mean"] = 0.2 * torch.randn(outputs, generator=g)
        state[f"{name}.bn.running_var"] = 0.3 + torch.rand(outputs, generator=g)
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(7)
    return state


def independent(state: dict[str, Tensor]) -> nn.Sequential:
    """The same network from modules of torch.nn in eval mode. Its input has values from 0 to 1."""

    class FromUnit(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x - 1

    modules: list[nn.Module] = [FromUnit()]
    for name, (inputs, outputs, stride, padding) in CONVOLUTIONS.items():
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding, bias=False)
        normalisation = nn.BatchNorm2d(outputs, eps=0.001)
        for prefix, module in ((f"{name}.conv.", convolution), (f"{name}.bn.", normalisation)):
            values = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            module.load_state_dict(values)
        modules += [convolution, normalisation, nn.ReLU()]
    return nn.Sequential(*modules).double().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def network() -> Inception:
    return load_inception(weights())


def test_features_are_those_of_an_independent_network(network: Inception) -> None:
    image = picture(61, 48)
    expected = independent(weights())((image.double() + 1) / 2)
    features = network.features(image)
    assert features.dtype == torch.float64
    assert features.shape == (expected.shape[2] * expected.shape[3], 64)
    assert torch.allclose(features.T.reshape(expected.shape[1:]), expected[0], rtol=1e-9, atol=1e-12)
    assert float(features.std(0).median()) > 0.1, "the weights of this test give constant features"


def test_normalisation_uses_running_statistics(network: Inception) -> None:
    training = independent(weights()).train()
    image = picture(64, 64)
    own_statistics = training((image.double() + 1) / 2)[0].flatten(1).T
    assert not torch.allclose(network.features(image), own_statistics, atol=0.1)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (8, 20)])
def test_features_of_a_crop_are_a_crop_of_the_features(network: Inception, top: int, left: int) -> None:
    """Normalisation by the statistics of the image would make features depend on distant pixels."""
    image = picture(64, 80)
    crop = image[..., top : top + 40, left : left + 44]
    features, crop_features = (grid(network.features(x), x) for x in (image, crop))
    rows, columns = crop_features.shape[1:]
    y, x = top // STRIDE, left // STRIDE
    expected = features[:, y : y + rows, x : x + columns]
    # The padding of the third convolution changes the outermost positions.
    assert torch.allclose(crop_features[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], rtol=1e-9, atol=1e-12)
    changed = image.clone()
    changed[..., 60:, :] = 1
    assert torch.equal(grid(network.features(changed), image)[:, :8], features[:, :8])


def grid(features: Tensor, image: Tensor) -> Tensor:
    """Features as (64, rows, columns)."""
    rows, columns = ((side - 3) // 2 - 1 for side in image.shape[2:])
    return features.T.reshape(64, rows, columns)


@pytest.mark.parametrize(
    "wrong", [lambda image: (image + 1) / 2, lambda image: 2 * (image / 255) - 1], ids=["0 to 1", "reference code"]
)
def test_an_image_in_another_range_has_other_features(network: Inception, wrong: Callable[[Tensor], Tensor]) -> None:
    image = picture(48, 48)
    assert sifid(network, image, wrong(image)) > 0.1


@pytest.mark.parametrize("image", [picture(96, 96), picture(33, 50, seed=3), torch.full((1, 3, 40, 40), 0.3)])
def test_equal_images_have_distance_0(network: Inception, image: Tensor) -> None:
    assert 0 <= sifid(network, image, image) < 1e-9


def test_the_distance_is_symmetric_for_images_of_any_sizes(network: Inception) -> None:
    first, second = picture(64, 48), picture(40, 72, seed=5)
    forward, backward = sifid(network, first, second), sifid(network, second, first)
    assert forward > 0.01
    assert forward == pytest.approx(backward, rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_distance_grows_with_noise(seed: int) -> None:
    network, image = load_inception(weights(seed)), picture(80, 80, seed=seed)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    distances = [sifid(network, image, image + strength * noise) for strength in (0, 0.02, 0.05, 0.1, 0.2)]
    assert all(less < more for less, more in pairwise(distances))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_distance_grows_with_blur(seed: int) -> None:
    network, image = load_inception(weights(seed)), picture(80, 80, seed=seed)
    distances = [sifid(network, image, blurred(image, side)) for side in (1, 3, 7, 15)]
    assert all(less < more for less, more in pairwise(distances))


def blurred(image: Tensor, side: int) -> Tensor:
    return F.avg_pool2d(F.pad(image, (side // 2,) * 4, mode="reflect"), side, 1)


def test_grey_is_repeated_to_rgb(network: Inception) -> None:
    grey = picture(40, 40, channels=1)
    assert torch.equal(network.features(grey), network.features(grey.repeat(1, 3, 1, 1)))
    assert sifid(network, grey, grey.repeat(1, 3, 1, 1)) < 1e-9


@pytest.mark.parametrize("alpha", [-1.0, 0.5])
def test_alpha_is_ignored(network: Inception, alpha: float) -> None:
    image = picture(40, 40)
    with_alpha = torch.cat([image, torch.full((1, 1, 40, 40), alpha)], 1)
    assert torch.equal(network.features(with_alpha), network.features(image))


def test_image_and_weights_are_not_changed() -> None:
    state, image = weights(), picture(40, 40).double()
    before, kept = {key: value.clone() for key, value in state.items()}, image.clone()
    sifid(load_inception(state), image, image)
    assert torch.equal(image, kept)
    assert all(torch.equal(state[key], before[key]) for key in before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_may_have_any_precision(dtype: torch.dtype) -> None:
    state = {key: value.to(dtype) if value.is_floating_point() else value for key, value in weights().items()}
    assert load_inception(state).features(picture(40, 40)).dtype == torch.float64


def test_the_distance_of_gaussians_with_diagonal_covariances() -> None:
    g = torch.Generator().manual_seed(2)
    mean, other_mean = torch.randn(2, 64, generator=g, dtype=torch.float64)
    a, b = torch.rand(2, 64, generator=g, dtype=torch.float64) * 4
    a[:20], b[10:30] = 0, 0
    expected = (mean - other_mean).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert frechet_distance(mean, a.diag(), other_mean, b.diag()) == pytest.approx(float(expected), rel=1e-12)


def test_the_distance_of_gaussians_whose_covariances_do_not_commute() -> None:
    """In two dimensions the trace of the root of M is the root of tr M + 2 sqrt(det M)."""
    a = torch.tensor([[2.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
    b = torch.tensor([[1.0, -0.7], [-0.7, 3.0]], dtype=torch.float64)
    assert not torch.allclose(a @ b, b @ a)
    product = a @ b
    common = math.sqrt(float(product.trace()) + 2 * math.sqrt(float(torch.linalg.det(product))))
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    expected = 5 + float(a.trace() + b.trace()) - 2 * common
    assert frechet_distance(mean, a, torch.zeros_like(mean), b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("rank", [1, 10, 63])
def test_the_distance_is_0_for_equal_covariances_of_any_rank(rank: int) -> None:
    g = torch.Generator().manual_seed(rank)
    samples = 3 * torch.randn(500, rank, generator=g, dtype=torch.float64) @ torch.randn(rank, 64, generator=g).double()
    mean, covariance = samples.mean(0), samples.T.cov()
    assert 0 <= frechet_distance(mean, covariance, mean, covariance) < 1e-12 * float(covariance.trace()) * 64


def test_statistics_are_the_mean_and_the_unbiased_covariance_over_positions(network: Inception) -> None:
    """Compared with the formula of the paper, which needs the eigenvalues of the product of the covariances."""
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


def test_the_needed_keys_are_those_of_three_layers() -> None:
    parts = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    assert [f"{name}.{part}" for name in CONVOLUTIONS for part in parts] == KEYS


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
        (
            torch.zeros(1, 3, 40, MIN_SIDE - 1),
            f"{MIN_SIDE - 1}x40 pixels; SIFID needs at least {MIN_SIDE} on the shorter side",
        ),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["reference", "image"])
def test_unusable_images_are_refused(network: Inception, image: Tensor, problem: str, first: bool) -> None:
    usable = torch.zeros(1, 3, 40, 40)
    with pytest.raises(ImageError, match=problem):
        sifid(network, *((image, usable) if first else (usable, image)))


def test_the_smallest_image(network: Inception) -> None:
    assert len(network.features(picture(MIN_SIDE, MIN_SIDE))) == 4
    assert math.isfinite(sifid(network, picture(MIN_SIDE, MIN_SIDE), picture(40, MIN_SIDE)))
