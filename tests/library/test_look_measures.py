"""The benchmark of looks: its measures and other methods against known answers, and its tables from known rows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks.looks.cases import CLIP, FRAMES, PAIRS, clip
from benchmarks.looks.measure import clip_row, output_file, pair_row
from benchmarks.looks.measures import colour_distance, drift, flicker, structure
from benchmarks.looks.methods import GMIC, METHODS, OURS, histograms, reinhard
from benchmarks.looks.report import measured_targets, pair_table, write_report
from benchmarks.looks.report import of as rows_of
from benchmarks.programs import NotInstalled
from library.problems import picture


def frames(noise: float, drifting: float = 0.0) -> Tensor:
    """Returns eight frames of a picture with noise, whose brightness goes up by `drifting` from frame to frame."""
    generator = torch.Generator().manual_seed(0)
    offsets = drifting * torch.arange(8.0)[:, None, None, None]
    return 0.5 * picture().expand(8, -1, -1, -1) + noise * torch.randn(8, 3, 32, 40, generator=generator) + offsets


EVERYWHERE = torch.ones(1, 1, 32, 40, dtype=torch.bool)


def test_a_rearranged_picture_has_the_same_colours_and_no_structure() -> None:
    image = picture()
    order = torch.randperm(32 * 40, generator=torch.Generator().manual_seed(0))
    moved = image.flatten(2)[..., order].view_as(image)
    assert colour_distance(image, moved) == pytest.approx(0, abs=1e-6)
    assert abs(structure(moved, image)) < 0.1


def test_brightness_changes_colours_and_not_structure() -> None:
    image = 0.4 * picture()
    assert structure(0.5 * image + 0.3, image) == pytest.approx(1)
    assert structure(-image, image) == pytest.approx(-1)
    assert colour_distance(image, image + 0.4) > 0.5


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_flicker_that_contrast_explains_is_none(gain: float) -> None:
    given = frames(0.02)
    assert flicker(gain * given - 0.1, given, EVERYWHERE) == pytest.approx(0, abs=1e-6)


def test_flicker_above_the_input_is_the_additional_noise() -> None:
    # The mean absolute difference of two numbers of normal noise is 2 / sqrt(pi) standard deviations.
    quiet = frames(0.0)
    assert flicker(frames(0.03), quiet, EVERYWHERE) == pytest.approx(0.03 * 2 / torch.pi**0.5, rel=0.03)


def test_drift_is_the_change_of_the_mean() -> None:
    assert drift(frames(0.0, 0.01), EVERYWHERE) == pytest.approx(0.01, rel=1e-4)
    assert flicker(frames(0.0, 0.01), frames(0.0), EVERYWHERE) == pytest.approx(0, abs=1e-6)


def test_histograms_gives_each_channel_the_values_of_the_reference() -> None:
    result = histograms(picture(seed=1), picture())
    for ours, theirs in zip(result[0], picture(seed=1)[0], strict=True):
        assert torch.allclose(ours.flatten().sort().values, theirs.flatten().sort().values, atol=1e-5)


def test_reinhard_changes_nothing_for_the_same_picture() -> None:
    image = 0.9 * picture()
    assert torch.allclose(reinhard(image, image), image, atol=0.02)


def test_the_card_comes_in_and_stays() -> None:
    made, still = clip(CLIP.load()[1])
    assert len(made) == FRAMES and 0.5 < still.float().mean() < 1
    card = (made > 0.9).all(1).float().mean((1, 2))
    assert card[0] < card[-1] and card[-1] == pytest.approx(float(card[-2]), abs=0.01)
    assert (made[0] - made[-1]).abs()[:, still[0, 0]].mean() < 0.05


def test_half_of_the_pairs_were_not_tuned_with() -> None:
    assert len(PAIRS) >= 6 and len({pair.name for pair in PAIRS}) == len(PAIRS)
    assert 2 * sum(pair.tuned for pair in PAIRS) <= len(PAIRS)


@pytest.mark.parametrize("method", [name for name in METHODS if name != GMIC])
def test_a_method_gives_a_row(method: str) -> None:
    row, image = pair_row(picture(24, 28, seed=1), picture(), METHODS[method])
    assert image.shape == (1, 3, 32, 40)
    assert set(row) == {"colour", "structure", "seconds"} and row["colour"] >= 0


def test_a_clip_gives_a_row() -> None:
    row, last = clip_row(picture(24, 28, seed=1), frames(0.02), EVERYWHERE, METHODS[OURS])
    assert set(row) == {"flicker", "drift", "colour", "seconds"} and last.shape == (1, 3, 32, 40)


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotInstalled, match="gmic"):
        METHODS[GMIC](picture(), picture())


def row(case: str, method: str, colour: float, structure: float, tuned: bool = True) -> dict:
    values = {"colour": colour, "structure": structure, "seconds": 1.0}
    return {"what": "pair", "case": case, "method": method, "tuned": tuned, **values}


def test_targets_are_ratios_over_the_pairs_that_both_have() -> None:
    rows = [row("a", OURS, 0.1, 0.95), row("b", OURS, 9.0, 0.93, tuned=False), row("a", GMIC, 0.4, 1.0)]
    rows.append({"what": "clip", "case": "clip", "method": OURS, "flicker": 0.002, "drift": 0.0001})
    rows.append({"what": "clip", "case": "clip", "method": GMIC, "flicker": 0.008, "drift": 0.01})
    found = measured_targets(rows)
    assert found == {"G'MIC": pytest.approx(0.25), "structure": pytest.approx(0.94), "flicker": 0.25, "drift": 0.0001}
    assert rows_of(rows, "pair", OURS, tuned=True) == rows[:1]
    assert "| others | gpdm | 1 | 9.000 |" in pair_table(rows)


def test_without_outputs_there_is_no_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_report(tmp_path / "looks.jsonl", tmp_path)
    assert "looks_sheet.jpg is left out" in capsys.readouterr().out
    assert (tmp_path / "looks.md").read_text().startswith("| what |")
    assert output_file(tmp_path, "a on b", "G'MIC transfer_pca").name == "a_on_b_GMIC_transfer_pca.png"
