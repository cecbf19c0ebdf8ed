"""Stand-ins that load pictures, give values or show them, against known right values, which ComfyUI gives too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cli.made import ROWS, grey, made, mask
from PIL import Image

from gpdm import GPDMError
from gpdm.cli.standins import STAND_INS, Session


def test_a_switch_passes_one_of_two_on() -> None:
    assert made("ComfySwitchNode", switch=True, on_false=1, on_true=2) == (2,)
    assert made("ComfySwitchNode", switch=False, on_false=1, on_true=2) == (1,)


def test_a_mask_in_place_of_a_picture_is_refused() -> None:
    stand_in = STAND_INS["ImageInvert"](Session((), Path()))
    assert torch.equal(stand_in.run(image=grey(ROWS))[0], 1 - grey(ROWS))
    for wrong in (mask(ROWS), None, 3):
        with pytest.raises(GPDMError, match="input image takes IMAGE, but another type was given"):
            stand_in.run(image=wrong)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("PrimitiveInt", 7),
        ("PrimitiveFloat", 0.5),
        ("PrimitiveString", "a"),
        ("PrimitiveStringMultiline", "a\nb"),
        ("PrimitiveBoolean", True),
    ],
)
def test_primitives_give_their_value(kind: str, value: Any) -> None:
    assert made(kind, value=value) == (value,)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("scores", "scores"),
        (3, "3"),
        (True, "True"),
        (None, "None"),
        ({"a": ["é"]}, '{\n    "a": [\n        "é"\n    ]\n}'),
    ],
)
def test_preview_any_shows_and_passes_on_the_text(value: Any, text: str) -> None:
    session = Session((), Path())
    assert STAND_INS["PreviewAny"](session, "Scores").execute(value) == (text,)  # type: ignore[attr-defined]
    assert session.texts == [("Scores", text)]


def test_load_image_gives_alpha_as_a_mask(working_folder: Path) -> None:
    Image.new("RGBA", (4, 3), (255, 0, 0, 51)).save("alpha.png")
    image, transparent = made("LoadImage", Session((working_folder,), working_folder), image="alpha.png")
    assert image.shape == (1, 3, 4, 3) and transparent.shape == (1, 3, 4)
    assert torch.allclose(transparent, torch.tensor(0.8))
    _, empty = made("LoadImage", Session((working_folder,), working_folder), image="in.png")
    assert empty.shape == (1, 64, 64) and float(empty.max()) == 0


def test_load_image_gives_the_frames_of_an_animation_as_a_batch(working_folder: Path) -> None:
    frames = [Image.new("L", (5, 4), value) for value in (0, 128, 255)]
    frames[0].save("film.gif", save_all=True, append_images=frames[1:])
    image, _ = made("LoadImage", Session((working_folder,), working_folder), image="film.gif")
    assert image.shape == (3, 4, 5, 3)
    assert [round(float(frame.mean()) * 255) for frame in image] == [0, 128, 255]


def test_load_image_honours_exif_and_takes_one_picture_of_an_mpo(working_folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save("turned.jpg", exif=exif)
    assert made("LoadImage", Session((working_folder,), working_folder), image="turned.jpg")[0].shape == (1, 6, 4, 3)
    Image.new("RGB", (6, 4)).save("camera.mpo", save_all=True, append_images=[Image.new("RGB", (6, 4))])
    assert made("LoadImage", Session((working_folder,), working_folder), image="camera.mpo")[0].shape == (1, 4, 6, 3)


def test_load_image_mask_takes_the_channel(working_folder: Path) -> None:
    Image.new("RGB", (3, 2), (0, 51, 255)).save("colour.png")
    session = Session((working_folder,), working_folder)
    found = [
        made("LoadImageMask", session, image="colour.png", channel=c)[0] for c in ("red", "green", "blue", "alpha")
    ]
    assert [float(each.mean()) for each in found] == pytest.approx([0, 0.2, 1, 0])
    assert found[3].shape == (1, 2, 3)


@pytest.mark.parametrize("name", ["in.png", "in.png [input]", "sub\\two.png", "one.png [output]", "one.png[output]"])
def test_pictures_are_found_in_the_folders_that_comfyui_marks(working_folder: Path, name: str) -> None:
    (working_folder / "sub").mkdir()
    (working_folder / "results").mkdir()
    for path in ("sub/two.png", "results/one.png"):
        Image.new("RGB", (2, 2)).save(working_folder / path)
    assert Session((working_folder,), working_folder / "results").find(name).is_file()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", (9.5, 9, True)),
        ("a * b - 2 ** 3", (9.5, 9, True)),
        ("floor(a / 2) * 2", (6.0, 6, True)),
        ("max(1, int(a / b))", (2.0, 2, True)),
        ("sum(values) + sum(a, 1) + values[0]", (24.5, 24, True)),
        ("a > b and not a == 7", (0.0, 0, False)),
        ("1 if 0 < b <= 2.5 else 2", (1.0, 1, True)),
        ("-a // 2 % 3", (2.0, 2, True)),
    ],
)
def test_a_formula(expression: str, expected: tuple[float, int, bool]) -> None:
    assert made("ComfyMathExpression", expression=expression, **{"values.b": 2.5, "values.a": 7}) == expected


@pytest.mark.parametrize(
    "expression",
    ["", "a +", "a / 0", "z", "9 ** 99999 % 7", "pow(9, 9999)", "1e308 * 10 ** 300", "'a'", "a.real", "open(1)", "(lambda: 1)()", "values", "sqrt(-1)", "sum()", "[1] * 3", "sum(values * 3)", "1e999", "-" * 5000 + "1", "(-2) ** 0.5"],
)  # fmt: skip
def test_a_formula_that_is_refused(expression: str) -> None:
    with pytest.raises(GPDMError, match=r"^expression = .* cannot be computed"):
        made("ComfyMathExpression", expression=expression, **{"values.a": 7})
