"""The loss curve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gpdm import Optimizer, SWDLoss, loss_curve, synthesize
from gpdm.evaluation.drawing import LINE_COLOUR
from gpdm.evaluation.loss_curve import _extended
from library.problems import picture


def test_the_curve_falls_with_the_loss() -> None:
    result = synthesize(picture(24, 24), optimizer=Optimizer(num_steps=30), loss=SWDLoss(num_proj=8), num_outputs=2)
    plot = loss_curve(result)
    assert (plot.size, plot.mode) == ((960, 480), "RGB")
    line = (np.asarray(plot) == LINE_COLOUR).all(2)[46:400]
    columns = np.flatnonzero(line.any(0))
    first, last = (np.flatnonzero(line[:, columns[i]]).mean() for i in (2, -3))
    assert last > first + 50, "the curve does not end well below its start"


def test_the_mean_uses_the_last_loss_of_a_converged_output() -> None:
    table = torch.tensor([[1.0, 0.8, float("nan"), float("nan")], [0.4, 0.2, 0.1, 0.1]])
    assert _extended(table)[0].tolist() == pytest.approx([1.0, 0.8, 0.8, 0.8])
    assert torch.equal(_extended(table)[1], table[1])


def test_a_single_step_is_drawn() -> None:
    result = synthesize(picture(21, 21), optimizer=Optimizer(num_steps=1), loss=SWDLoss(num_proj=2))
    assert (np.asarray(loss_curve(result)) == LINE_COLOUR).all(2).any()
