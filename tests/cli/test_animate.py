"""The stand-in for Save Animated WEBP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gpdm.cli.session import Session
from gpdm.cli.standins import STAND_INS
from library.problems import picture


@pytest.mark.parametrize(("lossless", "limit"), [(True, 0.6), (False, 12.0)])
def test_a_batch_becomes_the_frames_of_one_file(tmp_path: Path, lossless: bool, limit: float) -> None:
    session = Session((tmp_path,), tmp_path)
    node: Any = STAND_INS["SaveAnimatedWEBP"](session)
    images = (picture(20, 30).repeat(3, 1, 1, 1) * 0.3).movedim(1, -1) / 2 + 0.5
    images[1] *= 0.5
    images[2] *= 0.8
    inputs = {"filename_prefix": "a", "fps": 10.0, "lossless": lossless, "quality": 90, "method": "fastest"}
    assert node.run(images=images, **inputs) == () == node.run(images=images, **inputs)
    assert [path.name for path in session.saved] == ["a_00001_.webp", "a_00002_.webp"]
    with Image.open(session.saved[0]) as file:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)]
        assert file.info["loop"] == 0 and file.info["duration"] == 100
    assert len(frames) == 3
    assert np.abs(np.stack(frames) - images.numpy() * 255).mean() < limit
