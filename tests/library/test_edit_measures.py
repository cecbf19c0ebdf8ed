"""The benchmark of edits: its measures against known answers, its holes, and its table from known rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import gpdm
from benchmarks.edits.cases import CASES, HOLES, KINDS, HoleCase
from benchmarks.edits.measure import chosen_cases, fill_measures, fill_row, output_file
from benchmarks.edits.measures import (
    band_mask,
    changed_outside,
    high_pass_energy,
    patch_distance,
    seam,
    sharpness,
)
from benchmarks.edits.methods import FILLS, TILES, Output, painted
from benchmarks.edits.report import fill_table, measured, tile_table
from benchmarks.edits.shapes import border_rectangle, ellipse, lines
from benchmarks.edits.sheet import GAP, TITLE, rolled, write_sheet
from benchmarks.programs import NotInstalled, run_gmic

SIDE = 40


@pytest.fixture
def noise() -> Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def mask() -> Tensor:
    mask = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.bool)
    mask[..., 12:28, 12:28] = True
    return mask


def checkerboard(contrast: float = 1.0) -> Tensor:
    place = torch.arange(SIDE)
    return (((place + place[:, None]) % 2) * 2.0 - 1).expand(1, 3, -1, -1) * contrast


def test_the_energy_of_a_checkerboard() -> None:
    # A pixel of 1 has four neighbours of -1 and four of 1: it differs from the mean by 8 / 9.
    everywhere = torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool)
    assert high_pass_energy(checkerboard(), everywhere) == pytest.approx((8 / 9) ** 2)


def test_a_slope_has_no_high_frequencies(mask: Tensor) -> None:
    slope = torch.linspace(-1, 1, SIDE).expand(1, 3, SIDE, SIDE)
    assert high_pass_energy(slope, mask) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("contrast", [0.0, 0.5, 1.0, 2.0])
def test_sharpness_is_the_square_of_the_contrast(mask: Tensor, contrast: float) -> None:
    image = torch.where(mask, checkerboard(contrast), checkerboard())
    assert sharpness(image, mask) == pytest.approx(contrast**2)


def test_sharpness_leaves_out_the_edge_of_a_flat_hole(mask: Tensor) -> None:
    image = torch.where(mask, 1.0, checkerboard(0.1))
    assert sharpness(image, mask) == 0


def test_the_sharpness_of_a_single_pixel(noise: Tensor) -> None:
    pixel = torch.zeros(1, 1, SIDE, SIDE, dtype=torch.bool)
    pixel[..., 20, 20] = True
    assert sharpness(noise, pixel) > 0


def test_pixels_changed_outside(noise: Tensor, mask: Tensor) -> None:
    image = noise.clone()
    image[..., 15, 15] = 0
    assert changed_outside(image, noise, mask) == 0
    image[:, 1, 3, 4] += 1e-6
    image[..., 5, 6] = 0
    assert changed_outside(image, noise, mask) == 2


def test_a_copied_hole_has_patches_of_the_outside(mask: Tensor) -> None:
    assert patch_distance(checkerboard(), mask) == 0


def test_the_distance_of_a_flat_hole_in_a_flat_picture(mask: Tensor) -> None:
    # Only patches that are entirely inside differ in all pixels.
    image = torch.where(mask, 0.5, 0.0).expand(1, 3, -1, -1)
    assert 0 < patch_distance(image, mask) < 0.25**2
    entire = torch.zeros_like(mask)
    entire[..., :-7, :] = True
    assert patch_distance(torch.where(entire, 0.5, 0.0).expand(1, 3, -1, -1), entire) == pytest.approx(0.25**2, rel=0.2)


def test_noise_is_further_than_its_blurred_image(noise: Tensor, mask: Tensor) -> None:
    blurred = torch.where(mask, torch.nn.functional.avg_pool2d(noise, 5, 1, 2), noise)
    assert patch_distance(noise, mask) > patch_distance(blurred, mask)


def test_the_seam_of_a_slope_is_like_its_surroundings(mask: Tensor) -> None:
    slope = torch.linspace(-1, 1, SIDE).expand(1, 3, SIDE, SIDE)
    assert seam(slope, mask) == pytest.approx(1, rel=1e-4)


def test_the_seam_of_noise(noise: Tensor, mask: Tensor) -> None:
    assert seam(noise, mask) == pytest.approx(1, abs=0.15)


def test_the_seam_of_a_brighter_hole_in_a_slope(mask: Tensor) -> None:
    # Steps of 1 pixel are `step` in x and 0 in y; the border adds 5 of them on all four borders.
    step = 2 / (SIDE - 1)
    slope = torch.linspace(-1, 1, SIDE).expand(1, 3, SIDE, SIDE)
    horizontal = torch.where(mask, slope + 5 * step, slope)
    # Left 6, right 4 and, with no step around, top and bottom 5: (6 + 4 + 5 + 5) / (1 + 1).
    assert seam(horizontal, mask) == pytest.approx(10, rel=1e-4)


def test_the_seam_of_a_flat_picture(mask: Tensor) -> None:
    assert seam(torch.zeros(1, 3, SIDE, SIDE), mask) == 1


@pytest.mark.parametrize(("axes", "pixels"), [("x", 8 * SIDE), ("y", 8 * SIDE), ("both", 16 * SIDE - 64)])
def test_the_band(axes: str, pixels: int) -> None:
    mask = band_mask((SIDE, SIDE), axes, 8)
    assert int(mask.sum()) == pixels
    assert bool(mask[0, 0, 20, 0]) == (axes != "y")
    assert bool(mask[0, 0, -1, 20]) == (axes != "x")


def test_the_size_of_an_ellipse() -> None:
    mask = ellipse((0.5, 0.5, 0.5, 0.25), (100, 160))
    assert int(mask.sum()) == pytest.approx(torch.pi * 25 * 12.5, rel=0.02)
    assert bool(mask[0, 0, 50, 80])


@pytest.mark.parametrize("border", ["left", "right", "top", "bottom"])
def test_a_rectangle_touches_its_border(border: str) -> None:
    mask = border_rectangle(border, 0.5, (100, 160))[0, 0]
    edges = {"left": mask[:, 0], "right": mask[:, -1], "top": mask[0], "bottom": mask[-1]}
    assert int(mask.sum()) == 40 * 25
    assert {name for name, edge in edges.items() if bool(edge.any())} == {border}
    assert int(edges[border].sum()) == 40


def test_lines_are_thin() -> None:
    from gpdm.edits.masks import thickness

    assert 3 <= thickness(lines((170, 256))) <= 8


@pytest.mark.parametrize("case", HOLES, ids=lambda case: case.name)
def test_a_hole_is_a_small_part_of_its_picture(case: Any) -> None:
    image, mask = case.load()
    assert mask.shape[2:] == image.shape[2:]
    assert 0.01 < float(mask.double().mean()) < 0.16


def test_there_are_twelve_pictures_with_every_kind_of_hole() -> None:
    assert {kind: sum(case.kind == kind for case in HOLES) for kind in KINDS} == dict.fromkeys(KINDS, 12)
    assert len({case.image for case in HOLES}) == 12
    assert len(CASES) == len(set(CASES))


def test_the_hole_is_hidden_from_the_methods(noise: Tensor, mask: Tensor) -> None:
    given = painted(noise, mask)
    assert torch.equal(given[~mask.expand_as(given)], noise[~mask.expand_as(noise)])
    assert given[0, :, 20, 20].tolist() == [1, -1, 1]


def test_truth_is_the_picture_itself(noise: Tensor, mask: Tensor) -> None:
    assert FILLS["truth"](noise, mask, 0) == Output(noise, mask)


@pytest.mark.parametrize("axes", ["x", "y", "both"])
def test_a_cross_fade_meets_itself(noise: Tensor, axes: str) -> None:
    output = TILES["cross-fade"](noise, axes)
    assert changed_outside(output.image, noise, output.mask) == 0
    if axes != "y":
        assert torch.allclose(output.image[..., 0], output.image[..., -1], atol=1e-6)
    if axes != "x":
        assert torch.allclose(output.image[..., 0, :], output.image[..., -1, :], atol=1e-6)


def test_a_program_that_is_missing_is_named(noise: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NotInstalled, match="gmic"):
        run_gmic("blur 1", noise)


def fill_entry(case: str, method: str, sharp: float, edge: float, distance: float) -> dict[str, Any]:
    row = {"case": case, "method": method, "sharpness": sharp, "seam": edge, "distance": distance}
    return {"what": "fill", "kind": "ellipse", "changed_outside": 0, "seconds": 1.0, **row}


ROWS = [
    fill_entry("a", "gpdm", 0.6, 1.1, 0.02),
    fill_entry("b", "gpdm", 0.8, 0.7, 0.04),
    fill_entry("a", "G'MIC", 0.5, 0.6, 0.01),
    fill_entry("b", "G'MIC", 0.5, 0.6, 0.05),
    fill_entry("a", "OpenCV", 1.0, 1.2, 0.01),
    {"what": "fill", "case": "c", "kind": "128", "method": "gpdm", "seconds": 8.0},
    {"what": "fill", "case": "d", "kind": "64", "method": "gpdm", "seconds": 2.0},
    {"what": "tile", "case": "e", "method": "gpdm", "wrap_x": 0.5, "sharpness": 0.9, "changed_outside": 0},
]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fill outside", 0),
        ("fill sharpness", 0.7 / 0.5),
        ("fill distance", 1.0),
        ("fill seam, G'MIC", 0.5),
        ("fill seam, OpenCV", 0.5),  # case a alone
        ("fill seconds", 8.0),
        ("fill growth", 4.0),
        ("tile wrap", 2.0),
        ("tile sharpness", 0.9),
    ],
)
def test_the_values_of_the_targets(key: str, value: float) -> None:
    assert measured(ROWS)[key] == pytest.approx(value)


def test_the_tables_have_medians() -> None:
    assert "| all | gpdm | 2 | 0 | 0.700 | 1.40 | 30.00 | 1.40 | 0.90 | 0.200 | 1.0 |" in fill_table(ROWS)
    assert "| gpdm | 1 | 0.50 | 0.50 to 0.50 | 0.90 | 0.90 | - | - | - |" in tile_table(ROWS)


def test_a_row_holds_the_median_of_the_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    def darkened(image: Tensor, mask: Tensor, seed: int) -> Output:
        outside = image.clone()
        outside[..., 0, :seed] = 0  # changes as many pixels outside as the number of the seed
        return Output(outside + mask * seed * torch.rand(image.shape, generator=torch.Generator().manual_seed(0)), mask)

    monkeypatch.setitem(FILLS, "gpdm", darkened)
    case = HoleCase("wood", "ellipse")
    rows = [fill_measures(case, "gpdm", seed)[0] for seed in range(3)]
    row, _ = fill_row(case, "gpdm")
    assert row["changed_outside"] == 2
    assert row["sharpness"] == pytest.approx(sorted(each["sharpness"] for each in rows)[1], rel=1e-5)
    assert row["seeds"] == 3


def test_words_choose_cases() -> None:
    assert list(chosen_cases(["wood ellipse", "pier tile"])) == ["wood ellipse", "pier tile x"]
    with pytest.raises(SystemExit, match="no case has nothing in its name"):
        chosen_cases(["nothing"])


def test_the_sheet_shows_the_outputs_that_exist(tmp_path: Path) -> None:
    wood = CASES["wood ellipse"].load()[0]
    for case, method in (("wood ellipse", "truth"), ("wood ellipse", "gpdm"), ("wood tile both", "gpdm")):
        gpdm.to_pil(wood).save(output_file(tmp_path, case, method))
    write_sheet(tmp_path, tmp_path / "sheet.jpg")
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        assert sheet.size == (3 * (256 + GAP), 2 * (120 + TITLE + GAP))


def test_a_tile_is_shown_with_its_borders_in_the_middle() -> None:
    picture = Image.new("RGB", (8, 6))
    picture.putpixel((0, 0), (255, 0, 0))
    assert rolled(picture, "both").getpixel((4, 3)) == (255, 0, 0)
    assert rolled(picture, "x").getpixel((4, 0)) == (255, 0, 0)


def test_without_outputs_there_is_no_sheet(tmp_path: Path) -> None:
    write_sheet(tmp_path, tmp_path / "sheet.jpg")
    assert not (tmp_path / "sheet.jpg").exists()


def test_without_rows_nothing_is_measured() -> None:
    assert measured([]) == {}
