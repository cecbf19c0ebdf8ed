"""Evaluations as text and pictures: everything is told, and shown where it is."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import diversity, evaluate, evaluation_maps, evaluation_plot, evaluation_text
from gpdm.evaluation.drawing import SERIES
from gpdm.evaluation.metrics import MEANINGS, PATCH, Evaluation
from gpdm.evaluation.report import CORNERS, DECIBELS, WORST, copy_map, copy_map_key, error_map
from library.problems import picture

REFERENCE = picture(48, 60, seed=1)
OTHER = picture(48, 60, seed=2)
SAME, DIFFERENT = evaluate(REFERENCE, REFERENCE), evaluate(REFERENCE, OTHER)


def gradient(height: int, width: int) -> Tensor:
    """The four corner colours, mixed evenly in between; (3, h, w) in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    weights = torch.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x])
    return torch.einsum("khw,kc->chw", weights, torch.tensor(CORNERS))


def test_text_has_every_figure_under_its_picture_and_what_it_means() -> None:
    text = evaluation_text([SAME, DIFFERENT], ["a", "a long name"])
    table, meanings = (part.splitlines() for part in text.split("\n\n"))
    assert len({len(line) for line in table}) == 1, "columns are not aligned"
    assert [line[-len("a long name") - 2 :].strip() for line in table[:1]] == ["a long name"]
    names = list(SAME.figures)
    assert len(table) == len(names) + 1
    for line, name in zip(table[1:], names, strict=True):
        assert line.startswith(name)
        assert line[len(name) :].split() == [f"{e.figures[name]:.4f}" for e in (SAME, DIFFERENT)]
    assert meanings == [f"{name}: {MEANINGS[name]}" for name in names]
    ends = [[match.end() for match in re.finditer(r"-?\d+\.\d{4}", line)] for line in table[1:]]
    assert all(each == [len(table[0]) - len("a long name") - 2, len(table[0])] for each in ends)


def test_text_has_the_diversity_of_all_only_if_there_is_one() -> None:
    assert "diversity" not in evaluation_text([SAME], ["a"])
    text = evaluation_text([SAME, DIFFERENT], ["one", "two"], 0.1234567)
    assert re.search(r"^diversity +0\.1235  \(of all\)$", text, re.MULTILINE)
    assert f"diversity: {MEANINGS['diversity']}" in text


def test_text_has_figures_that_were_added() -> None:
    text = evaluation_text([SAME.with_figure("SIFID", 0.5)], ["one"])
    assert re.search(r"^SIFID +0\.5000$", text, re.MULTILINE)
    assert f"SIFID: {MEANINGS['SIFID']}" in text


@pytest.mark.parametrize("number", [1, 2, 7])
@pytest.mark.parametrize("width", [960, 700])
def test_plot_has_a_line_for_each_figure_and_a_colour_for_each_picture(number: int, width: int) -> None:
    evaluations = [DIFFERENT] * (number - 1) + [evaluate(REFERENCE, OTHER, tiles="circular")]
    evaluations = [replace(e, figures=SAME.figures) for e in evaluations]
    plot = evaluation_plot(evaluations, [f"picture {i}" for i in range(number)], width)
    assert (plot.mode, plot.width) == ("RGB", width)
    more = evaluation_plot([e.with_figure("SIFID", 0.0) for e in evaluations], ["a"] * number, width)
    assert more.height - plot.height == 20
    pixels = np.asarray(plot)
    for colour in SERIES[:number]:
        assert (pixels == colour).all(2).any()
    assert not any((pixels == colour).all(2).any() for colour in SERIES[number:])


def line_of(evaluation: Evaluation) -> np.ndarray:
    """The pixels of its spectrum: (points, 2), rows and columns."""
    plot = np.asarray(evaluation_plot([evaluation], ["a"]))[40:292, 60:462]
    return np.argwhere((plot == SERIES[0]).all(2))


def with_decibels(value: float) -> Evaluation:
    frequencies = torch.linspace(1 / 48, 0.5, 24)
    return replace(SAME, spectra=(frequencies, torch.ones(24), torch.full((24,), 10 ** (value / 10))))


@pytest.mark.parametrize("value", [0.0, 6.0, -6.0, 11.0])
def test_spectra_are_drawn_at_their_decibels(value: float) -> None:
    rows, columns = line_of(with_decibels(value)).T
    assert rows.mean() == pytest.approx(125 - 125 * value / DECIBELS, abs=2)
    assert rows.max() - rows.min() <= 2
    assert columns.min() == pytest.approx(400 / 24, abs=2)
    assert columns.max() == pytest.approx(400, abs=2)


def test_spectra_beyond_the_plot_are_drawn_at_its_end() -> None:
    assert line_of(with_decibels(40.0))[:, 0].max() <= 2
    flat = replace(SAME, spectra=(SAME.spectra[0], SAME.spectra[1], torch.zeros_like(SAME.spectra[2])))
    assert line_of(flat)[:, 0].min() >= 247


def test_bars_are_as_high_as_their_cells() -> None:
    cells = dict.fromkeys(DIFFERENT.cells, 0.0) | {
        "all 5x5 at 0.5": 0.4,
        "all 3x3 at 0.25": 0.1,
        "detail 11x11 at 1": 0.2,
    }
    plot = np.asarray(evaluation_plot([replace(SAME, cells=cells)], ["a"]))[40:290, 530:940]
    heights = {}
    pale = tuple((c + 2 * 255) // 3 for c in SERIES[0])
    for name, colour in (("all", SERIES[0]), ("detail", pale)):
        tall = (plot == colour).all(2).sum(0)
        heights[name] = [int(tall[round(i * 410 / 12) + 2 : round((i + 1) * 410 / 12) - 2].max()) for i in range(12)]
    assert heights["all"][5] == pytest.approx(250, abs=3)
    assert heights["all"][8] == pytest.approx(62.5, abs=3)
    assert heights["detail"][3] == pytest.approx(125, abs=3)
    assert sum(height > 3 for kind in heights.values() for height in kind) == 3


def test_bars_of_several_pictures_stand_beside_each_other() -> None:
    even = replace(SAME, cells=dict.fromkeys(SAME.cells, 0.5))
    plot = np.asarray(evaluation_plot([even] * 3, ["a", "b", "c"]))[100:280, 530:940]
    colours = [c for own in SERIES[:3] for c in (own, tuple((x + 2 * 255) // 3 for x in own))]
    widths = [int((plot == colour).all(2).all(0).sum()) for colour in colours]
    assert min(widths) > 12 * 2
    assert max(widths) - min(widths) <= 12
    firsts = [int((plot == colour).all(2).all(0).argmax()) for colour in colours]
    assert firsts == sorted(firsts)


def test_a_plot_of_nothing_wrong_can_be_drawn() -> None:
    assert not any(SAME.cells.values())
    assert isinstance(evaluation_plot([SAME], ["same"]), Image.Image)


def test_the_copy_map_of_the_same_picture_is_the_gradient_of_its_key() -> None:
    """Bright, and each pixel has the colour that stands for its own place."""
    found = copy_map(SAME.sources, [REFERENCE], (48, 60))
    assert found.shape == (1, 3, 48, 60)
    inside = slice(PATCH // 2, -(PATCH // 2))
    expected = gradient(48, 60) * 2 - 1
    assert torch.allclose(found[0, :, inside, inside], expected[:, inside, inside], atol=1e-5)
    white = copy_map_key([torch.ones_like(REFERENCE)])
    assert torch.allclose(found[..., inside, inside], white[..., inside, inside], atol=1e-5)


def test_the_copy_map_shows_where_a_piece_comes_from() -> None:
    """Two halves change places: the colours do, too."""
    halves = REFERENCE.split(30, 3)
    swapped = torch.cat(halves[::-1], 3)
    found = copy_map(evaluate(REFERENCE, swapped).sources, [REFERENCE], (48, 60))
    expected = torch.cat((gradient(48, 60) * 2 - 1).split(30, 2)[::-1], 2)[None]
    for columns in (slice(10, 20), slice(40, 50)):
        assert torch.allclose(found[..., 5:-5, columns], expected[..., 5:-5, columns], atol=1e-5)


def test_the_copy_map_of_what_was_put_together_anew_is_dark() -> None:
    noise = torch.rand(1, 3, 48, 60, generator=torch.Generator().manual_seed(0)) * 2 - 1
    brightness = [
        float(copy_map(evaluation.sources, [REFERENCE], (48, 60)).add(1).div(2).mean())
        for evaluation in (SAME, evaluate(REFERENCE, noise))
    ]
    assert brightness[1] < 0.5 * brightness[0]
    assert copy_map(evaluate(REFERENCE, noise).sources, [REFERENCE], (48, 60)).min() >= -1


def test_keys_show_the_references_side_by_side_in_their_colours() -> None:
    references = [REFERENCE[..., :44], picture(64, 50, seed=3)]
    key = copy_map_key(references)
    assert key.shape == (1, 3, 64, 94)
    palette = gradient(64, 94)
    share = (key[0] + 1) / 2 / palette
    assert share.std(0).max() < 1e-4, "all channels are dimmed alike"
    grey = torch.cat([torch.nn.functional.pad(references[0], (0, 0, 0, 16), value=1.0), references[1]], 3)[0].mean(0)
    assert torch.allclose(share[0], 0.2 + 0.8 * (grey + 1) / 2, atol=1e-5)


def test_in_copy_maps_each_reference_has_colours_of_its_own() -> None:
    references = [REFERENCE[..., :44], picture(64, 50, seed=3)]
    palette = gradient(64, 94) * 2 - 1
    for i, columns in ((0, slice(0, 44)), (1, slice(44, 94))):
        own = references[i]
        found = copy_map(evaluate(references, own).sources, references, tuple(own.shape[2:]))  # type: ignore[arg-type]
        expected = palette[:, : own.shape[2], columns]
        assert torch.allclose(found[0, :, 3:-3, 3:-3], expected[:, 3:-3, 3:-3], atol=1e-5)


def test_error_maps_are_black_where_nothing_is_wrong_and_bright_where_something_is() -> None:
    assert (error_map(SAME) == -1).all()
    image = REFERENCE.clone()
    image[..., 20:30, 25:35] = torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(0)).round() * 2 - 1
    found = error_map(evaluate(REFERENCE, image))
    assert found.shape == (1, 3, 48, 60)
    away = found.clone()
    away[..., 20:30, 25:35] = -1
    assert (away[..., :13, :] == -1).all()
    assert found[..., 20:30, 25:35].mean() > away.mean() + 0.8


@pytest.mark.parametrize(
    ("deviation", "colour"),
    [(0.0, (0, 0, 0)), (1 / 3, (1, 0, 0)), (0.5, (1, 0.5, 0)), (2 / 3, (1, 1, 0)), (1.0, (1, 1, 1)), (9.0, (1, 1, 1))],
)
def test_errors_go_from_black_over_red_and_yellow_to_white(deviation: float, colour: tuple[float, ...]) -> None:
    errors = torch.full((2, 3), (deviation * WORST) ** 2)
    found = error_map(replace(SAME, errors=errors))
    expected = torch.tensor(colour)[:, None, None].expand(3, 2, 3) * 2 - 1
    assert torch.allclose(found[0], expected.float(), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_maps_are_the_picture_the_map_the_key_and_the_errors_side_by_side(channels: int) -> None:
    reference, image = picture(48, 60, channels, seed=1), picture(50, 46, channels, seed=2)
    evaluation = evaluate(reference, image)
    maps = evaluation_maps(evaluation, [reference], image)
    gap = 2
    assert maps.shape == (1, 3, 50, 46 * 3 + 60 + 3 * gap)
    shown = image[:, :3] if channels > 2 else image[:, :1].expand(-1, 3, -1, -1)
    parts = [
        shown,
        copy_map(evaluation.sources, [reference], (50, 46)),
        copy_map_key([reference]),
        error_map(evaluation),
    ]
    left = 0
    for part in parts:
        height, width = part.shape[2:]
        assert torch.equal(maps[..., :height, left : left + width], part)
        assert (maps[..., height:, left : left + width] == 1).all()
        assert (maps[..., left + width : left + width + gap] == 1).all()
        left += width + gap
    assert maps.min() >= -1
    assert maps.max() <= 1


def test_maps_with_references_of_different_heights() -> None:
    references = [REFERENCE, picture(130, 44, seed=3)]
    maps = evaluation_maps(evaluate(references, OTHER), references, OTHER)
    assert maps.shape == (1, 3, 130, 60 * 2 + 104 + 60 + 3 * 2)


def test_all_of_it_for_several_pictures() -> None:
    several = torch.cat([REFERENCE, OTHER])
    text = evaluation_text([SAME, DIFFERENT], ["a", "b"], diversity(REFERENCE, several))
    assert text.count("\n") == 2 * (len(SAME.figures) + 1) + 1
