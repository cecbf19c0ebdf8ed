"""Kernels run on a GPU if there is one, and otherwise in Triton's interpreter, which is chosen before their import."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"


@pytest.fixture(autouse=True)
def exact_convolutions() -> Iterator[None]:
    """The oracle's convolutions are sums of products on a GPU: cuDNN has other algorithms, which are not exact."""
    with torch.backends.cudnn.flags(enabled=False):
        yield
