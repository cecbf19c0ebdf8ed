"""Evaluations as text, plots and maps."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gpdm import diversity, evaluate, evaluation_maps, evaluation_plot, evaluation_text, source_map
from gpdm.evaluation.copying import PATCH_SIZE
from gpdm.evaluation.drawing import LINE_COLOUR, SERIES_COLOURS, Axes
from gpdm.evaluation.judgement import judge
from gpdm.evaluation.maps import CORNER_COLOURS, MAX_ERROR, UNCHANGED, copy_map, copy_map_key, error_map
from gpdm.evaluation.metrics import DESCRIPTIONS, Evaluation
from gpdm.evaluation.report import MAX_DECIBELS, distance_axes, pale, spectra_axes
from gpdm.evaluation.sifid import LAYERS, load_inception, sifid
from library.problems import picture

REFERENCE = picture(48, 60, seed=1)
OTHER = picture(48, 60, seed=2)
SAME, DIFFERENT = evaluate(REFERENCE, REFERENCE), evaluate(REFERENCE, OTHER)


def gradient(height: int, width: int) -> Tensor:
    """The four corner colours and their bilinear mixture, (3, h, w) in [0, 1]."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    weights = torch.stack([(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x])
    return torch.einsum("khw,kc->chw", weights, torch.tensor(CORNER_COLOURS))


def test_text_has_the_scores_of_each_image_in_columns_and_the_descriptions() -> None:
    text = evaluation_text([SAME, DIFFERENT], ["a", "a long name"])
    table, descriptions = (part.splitlines() for part in text.split("\n\n"))
    assert len({len(line) for line in table}) == 1, "columns are not aligned"
    assert [line[-len("a long name") - 2 :].strip() for line in table[:1]] == ["a long name"]
    names = list(SAME.scores)
    assert len(table) == len(names) + 1
    for line, name in zip(table[1:], names, strict=True):
        assert line.startswith(name)
        assert line[len(name) :].split() == [f"{e.scores[name]:.4f}" for e in (SAME, DIFFERENT)]
    assert descriptions == [f"{name}: {DESCRIPTIONS[name]}" for name in names]
    ends = [[match.end() for match in re.finditer(r"-?\d+\.\d{4}", line)] for line in table[1:]]
    assert all(each == [len(table[0]) - len("a long name") - 2, len(table[0])] for each in ends)


def test_text_has_the_diversity_only_if_there_is_one() -> None:
    assert "diversity" not in evaluation_text([SAME], ["a"])
    text = evaluation_text([SAME, DIFFERENT], ["one", "two"], 0.1234567)
    assert re.search(r"^diversity +0\.1235  \(of all\)$", text, re.MULTILINE)
    assert f"diversity: {DESCRIPTIONS['diversity']}" in text


def test_text_has_added_scores() -> None:
    text = evaluation_text([SAME.with_score("SIFID", 0.5)], ["one"])
    assert re.search(r"^SIFID +0\.5000$", text, re.MULTILINE)
    assert f"SIFID: {DESCRIPTIONS['SIFID']}" in text


def canvas(width: int = 100, height: int = 80) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white picture and a pen for it."""
    image = Image.new("RGB", (width, height), "white")
    return image, ImageDraw.Draw(image)


def pixels_of(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """The pixels of exactly this colour, (height, width), bool."""
    return (np.asarray(image) == colour).all(2)


@pytest.mark.parametrize(
    ("x", "y", "position"),
    [
        (0.0, -2.0, (10, 70)),
        (4.0, 2.0, (90, 20)),
        (1.0, 0.0, (30, 45)),
        (1.0, 9.0, (30, 20)),  # beyond the range: at its end
        (1.0, -9.0, (30, 70)),
    ],
)
def test_axes_map_values_to_pixels(x: float, y: float, position: tuple[float, float]) -> None:
    axes = Axes(canvas()[1], (10, 20, 90, 70), (0, 4), (-2, 2))
    assert (axes.x(x), axes.y(y)) == position


def test_axes_draw_lines_through_points() -> None:
    image, draw = canvas()
    Axes(draw, (10, 20, 90, 70), (0, 4), (-2, 2)).polyline([(0, 0), (4, 0)], LINE_COLOUR, 2)
    rows, columns = np.nonzero(pixels_of(image, LINE_COLOUR))
    assert rows.mean() == pytest.approx(45, abs=1) and rows.max() - rows.min() <= 2
    assert columns.min() == pytest.approx(10, abs=1) and columns.max() == pytest.approx(90, abs=1)


def test_axes_draw_a_single_point_as_a_dot() -> None:
    image, draw = canvas()
    Axes(draw, (10, 20, 90, 70), (0, 4), (-2, 2)).polyline([(1, 0)], LINE_COLOUR, 2)
    rows, columns = np.nonzero(pixels_of(image, LINE_COLOUR))
    assert (rows.mean(), columns.mean()) == pytest.approx((45, 30), abs=0.5)
    assert 3 <= rows.max() - rows.min() <= 5


@pytest.mark.parametrize(("value", "height"), [(1.0, 51), (0.5, 26), (0.0, 1)])
def test_axes_draw_bars_from_the_bottom(value: float, height: int) -> None:
    image, draw = canvas()
    Axes(draw, (10, 20, 90, 70), (0, 4), (0, 1)).bar(1, value, 9, LINE_COLOUR)
    expected = np.zeros((80, 100), bool)
    expected[71 - height : 71, 30:40] = True
    assert (pixels_of(image, LINE_COLOUR) == expected).all()


@pytest.mark.parametrize("number", [1, 2, 7])
@pytest.mark.parametrize("width", [960, 700])
def test_the_plot_has_a_row_for_each_score_and_a_colour_for_each_image(number: int, width: int) -> None:
    evaluations = [DIFFERENT] * (number - 1) + [evaluate(REFERENCE, OTHER, tiles="circular")]
    evaluations = [replace(e, scores=SAME.scores) for e in evaluations]
    plot = evaluation_plot(evaluations, [f"picture {i}" for i in range(number)], width)
    assert (plot.mode, plot.width) == ("RGB", width)
    more = evaluation_plot([e.with_score("SIFID", 0.0) for e in evaluations], ["a"] * number, width)
    assert more.height - plot.height == 20
    for i, colour in enumerate(SERIES_COLOURS):
        assert pixels_of(plot, colour).any() == (i < number)


def with_decibels(value: float) -> Evaluation:
    """An evaluation whose spectrum is constant."""
    frequencies = torch.linspace(1 / 48, 0.5, 24)
    return replace(SAME, spectra=(frequencies, torch.ones(24), torch.full((24,), 10 ** (value / 10))))


@pytest.mark.parametrize(
    ("evaluation", "decibels"),
    [
        (with_decibels(0.0), 0.0),
        (with_decibels(6.0), 6.0),
        (with_decibels(-6.0), -6.0),
        (with_decibels(11.0), 11.0),
        (with_decibels(40.0), MAX_DECIBELS),
        (replace(SAME, spectra=(*SAME.spectra[:2], torch.zeros_like(SAME.spectra[2]))), -MAX_DECIBELS),
    ],
    ids=["0", "6", "-6", "11", "beyond the plot", "flat image"],
)
def test_spectra_are_drawn_at_their_decibels(evaluation: Evaluation, decibels: float) -> None:
    axes = spectra_axes(canvas()[1], 960)
    left, top, right, bottom = axes.box
    line = pixels_of(evaluation_plot([evaluation], ["a"]), SERIES_COLOURS[0])
    rows, columns = np.nonzero(line[: bottom + 5, : right + 5])
    assert rows.mean() == pytest.approx(axes.y(decibels), abs=2)
    assert rows.max() - rows.min() <= 2
    assert columns.min() == pytest.approx(axes.x(float(evaluation.spectra[0][0])), abs=2)
    assert columns.max() == pytest.approx(right, abs=2)
    assert left < columns.min() and top - 2 <= rows.min()


def bars(plot: Image.Image, axes: Axes, colour: tuple[int, int, int]) -> np.ndarray:
    """The pixels of a colour inside the plot of distances, (rows, columns), bool."""
    left, top, right, bottom = axes.box
    return pixels_of(plot, colour)[top:bottom, left:right]


@pytest.mark.parametrize(
    ("kind", "group", "name", "value"),
    [("all", 5, "all 5x5 at 0.5", 0.4), ("all", 8, "all 3x3 at 0.25", 0.1), ("detail", 3, "detail 11x11 at 1", 0.2)],
)
def test_bars_are_at_their_group_and_as_high_as_their_value(kind: str, group: int, name: str, value: float) -> None:
    evaluation = replace(SAME, per_scale=dict.fromkeys(SAME.per_scale, 0.0) | {"all 3x3 at 1": 0.4, name: value})
    axes = distance_axes(canvas()[1], 960, [evaluation])
    assert axes.y_range == (0, 0.4)
    colour = SERIES_COLOURS[0] if kind == "all" else pale(SERIES_COLOURS[0])
    heights = bars(evaluation_plot([evaluation], ["a"]), axes, colour).sum(0)
    left, right = (round(axes.x(group + i) - axes.box[0]) for i in (0, 1))
    assert heights[left + 2 : right - 2].max() == pytest.approx(axes.box[3] - axes.y(value), abs=3)
    heights[left - 1 : right] = 0
    heights[: round(axes.x(1) - axes.box[0])] = 0
    assert heights.max() <= 3, "another bar is not empty"


def test_bars_of_several_images_are_side_by_side() -> None:
    even = replace(SAME, per_scale=dict.fromkeys(SAME.per_scale, 0.5))
    axes, plot = distance_axes(canvas()[1], 960, [even]), evaluation_plot([even] * 3, ["a", "b", "c"])
    colours = [c for colour in SERIES_COLOURS[:3] for c in (colour, pale(colour))]
    columns = [bars(plot, axes, colour)[60:240].all(0) for colour in colours]
    widths = [int(x.sum()) for x in columns]
    assert min(widths) > 12 * 2
    assert max(widths) - min(widths) <= 12
    firsts = [int(x.argmax()) for x in columns]
    assert firsts == sorted(firsts)


def test_a_plot_of_equal_images_can_be_drawn() -> None:
    assert not any(SAME.per_scale.values())
    assert isinstance(evaluation_plot([SAME], ["same"]), Image.Image)


def test_the_copy_map_of_the_reference_is_the_gradient_of_its_key() -> None:
    """It is bright, and each pixel has the colour of its position."""
    result = copy_map(SAME.sources, [REFERENCE], (48, 60))
    assert result.shape == (1, 3, 48, 60)
    inside = slice(PATCH_SIZE // 2, -(PATCH_SIZE // 2))
    expected = gradient(48, 60) * 2 - 1
    assert torch.allclose(result[0, :, inside, inside], expected[:, inside, inside], atol=1e-5)
    white = copy_map_key([torch.ones_like(REFERENCE)])
    assert torch.allclose(result[..., inside, inside], white[..., inside, inside], atol=1e-5)


@pytest.mark.parametrize("columns", [slice(10, 20), slice(40, 50)], ids=["left", "right"])
def test_the_copy_map_shows_the_source_of_a_piece(columns: slice) -> None:
    """If two halves are exchanged, so are the colours."""
    halves = REFERENCE.split(30, 3)
    swapped = torch.cat(halves[::-1], 3)
    result = copy_map(evaluate(REFERENCE, swapped).sources, [REFERENCE], (48, 60))
    expected = torch.cat((gradient(48, 60) * 2 - 1).split(30, 2)[::-1], 2)[None]
    assert torch.allclose(result[..., 5:-5, columns], expected[..., 5:-5, columns], atol=1e-5)


def test_the_copy_map_of_noise_is_dark() -> None:
    noise = torch.rand(1, 3, 48, 60, generator=torch.Generator().manual_seed(0)) * 2 - 1
    brightness = [
        float(copy_map(evaluation.sources, [REFERENCE], (48, 60)).add(1).div(2).mean())
        for evaluation in (SAME, evaluate(REFERENCE, noise))
    ]
    assert brightness[1] < 0.5 * brightness[0]
    assert copy_map(evaluate(REFERENCE, noise).sources, [REFERENCE], (48, 60)).min() >= -1


def test_the_key_has_the_references_side_by_side_in_their_colours() -> None:
    references = [REFERENCE[..., :44], picture(64, 50, seed=3)]
    key = copy_map_key(references)
    assert key.shape == (1, 3, 64, 94)
    palette = gradient(64, 94)
    brightness = (key[0] + 1) / 2 / palette
    assert brightness.std(0).max() < 1e-4, "channels have different brightness"
    grey = torch.cat([torch.nn.functional.pad(references[0], (0, 0, 0, 16), value=1.0), references[1]], 3)[0].mean(0)
    assert torch.allclose(brightness[0], 0.2 + 0.8 * (grey + 1) / 2, atol=1e-5)


@pytest.mark.parametrize(("index", "columns"), [(0, slice(0, 44)), (1, slice(44, 94))])
def test_each_reference_has_other_colours_in_copy_maps(index: int, columns: slice) -> None:
    references = [REFERENCE[..., :44], picture(64, 50, seed=3)]
    image = references[index]
    height, width = image.shape[2:]
    result = copy_map(evaluate(references, image).sources, references, (height, width))
    expected = (gradient(64, 94) * 2 - 1)[:, :height, columns]
    assert torch.allclose(result[0, :, 3:-3, 3:-3], expected[:, 3:-3, 3:-3], atol=1e-5)


def positions(height: int, width: int, reference: int = 0) -> Tensor:
    """The sources of a copy of a reference, (3, h, w)."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.full_like(rows, reference), rows, columns])


def test_the_source_map_of_a_copy_is_the_gradient_of_the_key() -> None:
    result = source_map(positions(48, 60), [(48, 60)], REFERENCE)
    assert torch.allclose(result[0] / 2 + 0.5, gradient(48, 60), atol=1e-6)


@pytest.mark.parametrize(("reference", "columns"), [(0, slice(0, 30)), (1, slice(30, 50))])
def test_each_reference_has_its_part_of_the_colours_in_source_maps(reference: int, columns: slice) -> None:
    sizes = [(40, 30), (40, 20)]
    result = source_map(positions(*sizes[reference], reference), sizes, torch.zeros(1, 3, *sizes[reference]))
    assert torch.allclose(result[0] / 2 + 0.5, gradient(40, 50)[..., columns], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_has_no_source_is_the_image_darkened(channels: int) -> None:
    image, source = picture(48, 60, channels, seed=3), positions(48, 60)
    source[:, :, 30:] = -1
    result = source_map(source, [(48, 60)], image)
    assert torch.allclose(result[0, :, :, :30] / 2 + 0.5, gradient(48, 60)[..., :30], atol=1e-6)
    colours = image[:, :3] if channels > 2 else image[:, :1].expand(-1, 3, -1, -1)
    assert torch.allclose((result + 1)[..., 30:], UNCHANGED * (colours + 1)[..., 30:], atol=1e-6)


def test_error_maps_are_bright_at_errors_and_black_elsewhere() -> None:
    assert (error_map(SAME) == -1).all()
    image = REFERENCE.clone()
    image[..., 20:30, 25:35] = torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(0)).round() * 2 - 1
    result = error_map(evaluate(REFERENCE, image))
    assert result.shape == (1, 3, 48, 60)
    elsewhere = result.clone()
    elsewhere[..., 20:30, 25:35] = -1
    assert (elsewhere[..., :13, :] == -1).all()
    assert result[..., 20:30, 25:35].mean() > elsewhere.mean() + 0.8


@pytest.mark.parametrize(
    ("deviation", "colour"),
    [(0.0, (0, 0, 0)), (1 / 3, (1, 0, 0)), (0.5, (1, 0.5, 0)), (2 / 3, (1, 1, 0)), (1.0, (1, 1, 1)), (9.0, (1, 1, 1))],
)
def test_colours_of_errors_go_from_black_over_red_and_yellow_to_white(
    deviation: float, colour: tuple[float, ...]
) -> None:
    errors = torch.full((2, 3), (deviation * MAX_ERROR) ** 2)
    result = error_map(replace(SAME, errors=errors))
    expected = torch.tensor(colour)[:, None, None].expand(3, 2, 3) * 2 - 1
    assert torch.allclose(result[0], expected.float(), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_maps_are_image_copy_map_key_and_error_map_side_by_side(channels: int) -> None:
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


def test_text_of_several_images_has_a_line_and_a_description_for_each_score() -> None:
    text = evaluation_text([SAME, DIFFERENT], ["a", "b"], diversity(REFERENCE, torch.cat([REFERENCE, OTHER])))
    assert text.count("\n") == 2 * (len(SAME.scores) + 1) + 1


def test_a_judgement_has_the_evaluations_the_diversity_and_the_reports() -> None:
    done: list[int] = []
    judgement = judge(REFERENCE, [REFERENCE, OTHER], on_each=done.append)
    assert done == [1, 2]
    assert [x.scores for x in judgement.evaluations] == [SAME.scores, DIFFERENT.scores]
    assert judgement.diversity == diversity(REFERENCE, torch.cat([REFERENCE, OTHER]))
    assert judgement.text(["a", "b"]) == evaluation_text([SAME, DIFFERENT], ["a", "b"], judgement.diversity)
    plot = evaluation_plot([SAME, DIFFERENT], ["a", "b"])
    assert np.array_equal(np.asarray(judgement.plot(["a", "b"])), np.asarray(plot))
    for result, evaluation, image in zip(judgement.maps(), (SAME, DIFFERENT), (REFERENCE, OTHER), strict=True):
        assert torch.equal(result, evaluation_maps(evaluation, [REFERENCE], image))


@pytest.mark.parametrize("images", [[OTHER], [OTHER, picture(50, 46)]], ids=["one", "two sizes"])
def test_images_that_cannot_be_compared_have_no_diversity(images: list[Tensor]) -> None:
    assert judge(REFERENCE, images).diversity is None


def test_a_judgement_has_sifid_with_a_network() -> None:
    g = torch.Generator().manual_seed(0)
    state = {key: torch.rand(shape, generator=g) for layer in LAYERS for key, shape in layer.shapes().items()}
    network = load_inception(state)
    judgement = judge([REFERENCE, picture(64, 50)], [OTHER], network=network)
    assert judgement.evaluations[0].scores["SIFID"] == sifid(network, REFERENCE, OTHER)


def test_an_exception_of_a_callback_stops_the_evaluation() -> None:
    def stop(done: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        judge(REFERENCE, [REFERENCE, OTHER], on_each=stop)
