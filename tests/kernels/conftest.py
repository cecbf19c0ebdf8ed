"""Kernels run on the GPU where there is one, and in Triton's interpreter elsewhere: it is told so before they are first imported."""

from __future__ import annotations

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
