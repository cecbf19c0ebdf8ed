"""The loss curve is a picture that shows the run."""

from __future__ import annotations

import numpy as np

from gpdm import Optimizer, SWDLoss, loss_curve, synthesize
from library.problems import picture


def test_loss_curve_falls_where_the_loss_falls() -> None:
    result = synthesize(picture(24, 24), optimizer=Optimizer(num_steps=30), loss=SWDLoss(num_proj=8), num_outputs=2)
    plot = loss_curve(result)
    assert (plot.size, plot.mode) == ((960, 480), "RGB")
    line = (np.asarray(plot) == (31, 99, 190)).all(2)[46:400]
    columns = np.flatnonzero(line.any(0))
    first, last = (np.flatnonzero(line[:, columns[i]]).mean() for i in (2, -3))
    assert last > first + 50, "the curve must end well below its start"


def test_a_single_step_can_be_drawn() -> None:
    result = synthesize(picture(21, 21), optimizer=Optimizer(num_steps=1), loss=SWDLoss(num_proj=2))
    assert (np.asarray(loss_curve(result)) == (31, 99, 190)).all(2).any()
