"""Kernels run on the GPU where there is one, and in Triton's interpreter elsewhere: it is told so before they are first imported."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def exact_convolutions() -> Iterator[None]:
    """On a GPU the oracle's convolutions shall be sums of products: cuDNN knows other ways, which are not exact."""
    with torch.backends.cudnn.flags(enabled=False):
        yield
