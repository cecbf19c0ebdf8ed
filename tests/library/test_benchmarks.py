"""The benchmarks, which use the insides of the package, load after a change of it, and their reports add up."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from gpdm.edits.motion import on_circle
from library.problems import picture

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
    if path.stem != "__init__"
)


@pytest.fixture(autouse=True)
def wait_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the environment as it is: the package sets the policy where there is none."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")


@pytest.mark.parametrize("module", MODULES)
def test_a_benchmark_loads(module: str) -> None:
    importlib.import_module(module)


def test_the_power_of_the_pixels() -> None:
    from benchmarks.common import exponent

    assert exponent({128: 3.0, 256: 3.0 * 4**0.8, 512: 3.0 * 16**0.8}) == pytest.approx(0.8)
    assert exponent({128: 3.0}) is None


def test_targets_are_ratios_of_the_times_that_were_measured() -> None:
    from benchmarks.speed.reach import measured

    rows = [
        {"what": "picture", "method": "Algorithm 1", "size": 256, "seconds": 100.0},
        {"what": "picture", "method": "fast", "size": 256, "seconds": 4.0},
        {"what": "picture", "method": "fast", "size": 1024, "seconds": 64.0},
        {"what": "calls", "size": 28, "value": 90.0},
    ]
    assert measured(rows) == pytest.approx(
        {"calls": 90.0, "fast 256": 25.0, "fast 1024": 64.0, "exponent, picture": 1.0}
    )


def test_points_on_a_circle_have_the_jerk_of_a_circle() -> None:
    from benchmarks.loop import measured

    first, second = picture(64, 64, seed=1), picture(64, 64, seed=2)
    values = measured(picture(64, 64), picture(64, 64) + 0.01 * on_circle(first, second, 12))
    assert values["jerk"] == pytest.approx(values["jerk_of_a_circle"], rel=1e-3)
    assert values["last_to_first"] == pytest.approx(values["frame_to_frame"], rel=0.2)
    assert abs(values["high_frequencies"]) < 0.2 and values["held_out"] < 0.05


@pytest.mark.parametrize(
    ("value", "verdict"), [(None, "not measured"), (20.0, "missed"), (30.0, "as required"), (50.0, "as desired")]
)
def test_a_target_says_whether_it_is_met(value: float | None, verdict: str) -> None:
    from benchmarks.targets import Target

    assert verdict in Target("speed", "speed", 25.0, 50.0, higher_is_better=True).verdict(value)
