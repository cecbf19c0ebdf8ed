"""SIFID, the single-image FID of SinGAN: the Frechet distance between Inception features of two images.

Shaham et al., SinGAN, ICCV 2019, section 4. The caller supplies the weights; nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import GPDMError, ImageError
from ..images import check_image, size_of

WEIGHTS_HINT = (
    "give the state dict of Inception-v3, as in torchvision's inception_v3_google-0cc3c7bd.pth (which SinGAN uses) "
    "or pytorch-fid's pt_inception-2015-12-05-6726825d.pth"
)
MIN_SIDE = 9
"""Minimum side of an image, in pixels. It gives two feature positions in each direction, enough for a covariance."""
BATCH_NORM_EPSILON = 0.001
"""Epsilon of Inception-v3's batch normalisation."""


@dataclass(frozen=True)
class Layer:
    """A 3x3 convolution without bias, batch normalisation and ReLU, with its name in the state dict."""

    name: str
    inputs: int
    outputs: int
    stride: int = 1
    padding: int = 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the keys of the layer's weights in a state dict, and their shapes."""
        normalisation = ("weight", "bias", "running_mean", "running_var")
        return {f"{self.name}.conv.weight": (self.outputs, self.inputs, 3, 3)} | {
            f"{self.name}.bn.{name}": (self.outputs,) for name in normalisation
        }


LAYERS = (
    Layer("Conv2d_1a_3x3", 3, 32, stride=2),
    Layer("Conv2d_2a_3x3", 32, 32),
    Layer("Conv2d_2b_3x3", 32, 64, padding=1),
)


@dataclass(frozen=True)
class Inception:
    """Inception-v3 (Szegedy et al., CVPR 2016) up to its first max pooling. `load_inception` creates it."""

    weights: Mapping[str, Tensor]
    """All weights of `LAYERS`, float64 on the CPU."""

    def features(self, image: Tensor) -> Tensor:
        """Returns the features at all positions, (positions, 64), float64, on the CPU.

        Positions are at half the resolution of the image. As in SinGAN's code (SIFID/inception.py, block 0) features
        are taken before the first pooling. pytorch-fid takes its 64 dimensions after it, and other reports take 192
        dimensions before the second, so that their values are on other scales.

        Arguments:
            image: (1, C, H, W) in [-1, 1]. Grey (C = 1) is repeated to RGB, and the alpha of RGBA (C = 4) is ignored.

        Raises:
            ImageError: `image` is unusable, a batch of several, has another number of channels, or a side below
                `MIN_SIDE`.
        """
        # The network was trained on values from -1 to 1, the range of images here. pytorch-fid and SinGAN map 0..1 to
        # it; the reference implementation of GPDM divides -1..1 by 255 before that, so that the network gets a nearly
        # constant -1.
        x = _as_rgb(image)
        with torch.no_grad():
            for layer in LAYERS:
                kernel, *normalisation = (self.weights[key] for key in layer.shapes())
                x = F.conv2d(x, kernel, stride=layer.stride, padding=layer.padding)
                x = _normalised(x, *normalisation).relu_()
            return x[0].flatten(1).T.contiguous()


def _as_rgb(image: Tensor) -> Tensor:
    count, channels, height, width = check_image(image, "image").shape
    if count != 1:
        raise ImageError(f"image is a batch of {count} pictures; compare them one by one")
    if channels not in (1, 3, 4):
        raise ImageError(f"image has {channels} channels; convert it to grey (1), RGB (3) or RGBA (4)")
    if min(size_of(image)) < MIN_SIDE:
        raise ImageError(
            f"image is {width}x{height} pixels; SIFID needs at least {MIN_SIDE} on the shorter side; use a larger picture"
        )
    return image[:, :3].to("cpu", torch.float64).expand(-1, 3, -1, -1)


def _normalised(x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    # With the running statistics of training. The reference implementation of GPDM never calls eval(), and so uses
    # those of the image, which removes the differences that are to be measured.
    return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=BATCH_NORM_EPSILON)


def load_inception(state: Mapping[str, Tensor]) -> Inception:
    """Returns the network with the weights of a state dict of Inception-v3; keys of later layers are ignored.

    Arguments:
        state: Tensors under keys such as "Conv2d_1a_3x3.conv.weight" and "Conv2d_1a_3x3.bn.running_mean".

    Raises:
        GPDMError: A key is missing, or its value is not a finite floating-point tensor of the right shape.
    """
    shapes = {key: shape for layer in LAYERS for key, shape in layer.shapes().items()}
    return Inception({key: _checked(state, key, shape) for key, shape in shapes.items()})


def _checked(state: Mapping[str, object], key: str, shape: tuple[int, ...]) -> Tensor:
    if key not in state:
        raise GPDMError(f"there is no {key} among the weights; {WEIGHTS_HINT}")
    value = state[key]
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise GPDMError(f"{key} is {kind} and must be a floating-point tensor; {WEIGHTS_HINT}")
    if tuple(value.shape) != shape:
        raise GPDMError(f"{key} has shape {tuple(value.shape)} and must have {shape}; {WEIGHTS_HINT}")
    if not torch.isfinite(value).all() or (key.endswith("running_var") and bool((value < 0).any())):
        raise GPDMError(f"{key} holds values that are not finite, or variances below 0; {WEIGHTS_HINT}")
    return value.detach().to("cpu", torch.float64)


def sifid(network: Inception, reference: Tensor, image: Tensor) -> float:
    """Returns the squared Frechet distance between the features of two images, 0 for the same statistics.

    Arguments:
        network: See `load_inception`. Values from different weights are on different scales.
        reference, image: (1, C, H, W) in [-1, 1], of any sizes; see `Inception.features`.

    Raises:
        ImageError: See `Inception.features`.
    """
    x, y = network.features(image), network.features(reference)
    return frechet_distance(x.mean(0), x.T.cov(), y.mean(0), y.T.cov())


def frechet_distance(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_covariance: Tensor) -> float:
    """Returns |m1 - m2|^2 + tr(C1 + C2 - 2 (C1^1/2 C2 C1^1/2)^1/2), between two Gaussians (Dowson and Landau, 1982).

    Arguments:
        mean, other_mean: (D,), float64.
        covariance, other_covariance: (D, D), float64, symmetric, without negative eigenvalues.
    """
    # The trace of the last root is the sum of the singular values of C1^1/2 C2^1/2. Roots of the eigenvalues of the
    # product would turn rounding errors of 1e-16 into 1e-8, for each feature that is constant in an image.
    common = torch.linalg.svdvals(_root(covariance) @ _root(other_covariance)).sum()
    spread = covariance.trace() + other_covariance.trace() - 2 * common
    return float(((mean - other_mean).square().sum() + spread).clamp(min=0))


def _root(covariance: Tensor) -> Tensor:
    """Returns the symmetric square root of a covariance matrix, (D, D)."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T
