"""Each stand-in against known right values."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from gpdm.cli.standins import STAND_INS, Session


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a small picture."""
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((26, 22)).convert("RGB").save("in.png")
    return tmp_path


def test_load_image_gives_alpha_as_a_mask(folder: Path) -> None:
    Image.new("RGBA", (4, 3), (255, 0, 0, 51)).save("alpha.png")
    image, mask = STAND_INS["LoadImage"](Session((folder,), folder)).execute("alpha.png")  # type: ignore[attr-defined]
    assert image.shape == (1, 3, 4, 3) and mask.shape == (1, 3, 4)
    assert torch.allclose(mask, torch.tensor(0.8))
    _, empty = STAND_INS["LoadImage"](Session((folder,), folder)).execute("in.png")  # type: ignore[attr-defined]
    assert empty.shape == (1, 64, 64) and float(empty.max()) == 0


def test_load_image_gives_the_frames_of_an_animation_as_a_batch(folder: Path) -> None:
    frames = [Image.new("L", (5, 4), value) for value in (0, 128, 255)]
    frames[0].save("film.gif", save_all=True, append_images=frames[1:])
    image, _ = STAND_INS["LoadImage"](Session((folder,), folder)).execute("film.gif")  # type: ignore[attr-defined]
    assert image.shape == (3, 4, 5, 3)
    assert [round(float(frame.mean()) * 255) for frame in image] == [0, 128, 255]


def test_load_image_honours_exif_and_takes_one_picture_of_an_mpo(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4)).save("turned.jpg", exif=exif)
    image, _ = STAND_INS["LoadImage"](Session((folder,), folder)).execute("turned.jpg")  # type: ignore[attr-defined]
    assert image.shape == (1, 6, 4, 3)
    Image.new("RGB", (6, 4)).save("camera.mpo", save_all=True, append_images=[Image.new("RGB", (6, 4))])
    image, _ = STAND_INS["LoadImage"](Session((folder,), folder)).execute("camera.mpo")  # type: ignore[attr-defined]
    assert image.shape == (1, 4, 6, 3)


def test_load_image_mask_takes_the_channel(folder: Path) -> None:
    Image.new("RGB", (3, 2), (0, 51, 255)).save("colour.png")
    load = STAND_INS["LoadImageMask"](Session((folder,), folder))
    found = [float(load.execute("colour.png", channel)[0].mean()) for channel in ("red", "green", "blue", "alpha")]  # type: ignore[attr-defined]
    assert found == pytest.approx([0, 0.2, 1, 0])
    assert load.execute("colour.png", "alpha")[0].shape == (1, 2, 3)  # type: ignore[attr-defined]


def test_image_batch_scales_the_second_to_the_first(folder: Path) -> None:
    first, second = torch.zeros(1, 4, 6, 3), torch.ones(2, 8, 12, 3)
    (both,) = STAND_INS["ImageBatch"](Session((), folder)).execute(first, second)  # type: ignore[attr-defined]
    assert both.shape == (3, 4, 6, 3)
    assert both.mean((1, 2, 3)).tolist() == [0, 1, 1]


def test_image_scale_keeps_the_aspect_ratio_for_a_zero_side(folder: Path) -> None:
    scale = STAND_INS["ImageScale"](Session((), folder))
    picture = torch.rand(1, 20, 30, 3)
    for method in ("nearest-exact", "bilinear", "area", "bicubic", "lanczos"):
        (scaled,) = scale.execute(picture, method, 0, 40, "disabled")  # type: ignore[attr-defined]
        assert scaled.shape == (1, 40, 60, 3)
    (cropped,) = scale.execute(picture, "area", 20, 20, "center")  # type: ignore[attr-defined]
    assert torch.allclose(cropped, picture[:, :, 5:25])
    (cropped,) = scale.execute(picture, "area", 30, 10, "center")  # type: ignore[attr-defined]
    assert torch.allclose(cropped, picture[:, 5:15])
    assert scale.execute(picture, "area", 9000, 1, "center")[0].shape == (1, 1, 9000, 3)  # type: ignore[attr-defined]
