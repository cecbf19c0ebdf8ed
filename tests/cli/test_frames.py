"""Animations and files of several pages in the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cli.formats import tiff_pages
from PIL import Image

from gpdm import GPDMError
from gpdm.cli.main import main
from gpdm.cli.pictures import read_mask, read_picture

QUICK = ["--num-steps", "2", "--num-proj", "2", "--device", "cpu"]
GREYS = (40, 120, 200)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.radial_gradient("L").resize((26, 22)).convert("RGB").save("ref.png")
    return tmp_path


def film(name: str, *sizes: tuple[int, int], **options: Any) -> Path:
    """An animation with one flat frame of each size, of the greys in `GREYS`."""
    frames = [Image.new("RGB", size, (grey, grey, grey)) for size, grey in zip(sizes, GREYS, strict=False)]
    frames[0].save(name, save_all=True, append_images=frames[1:], **options)
    return Path(name)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif", "avif"])
def test_all_frames_are_read(folder: Path, suffix: str) -> None:
    frames = read_picture(film(f"film.{suffix}", *[(26, 22)] * 3)).frames
    assert frames.shape[0] == 3 and frames.shape[2:] == (22, 26)
    assert (frames[:, 0, 0, 0] * 255).tolist() == pytest.approx(GREYS, abs=3)


@pytest.mark.parametrize("name", ["film.mpo", "film.ico"])
def test_other_files_of_several_pictures_are_one_picture(folder: Path, name: str) -> None:
    if name.endswith("mpo"):
        film(name, *[(26, 22)] * 3)
    else:
        Image.open("ref.png").save(name, sizes=[(16, 16), (24, 22)])
    assert len(read_picture(Path(name)).frames) == 1


def test_a_picture_for_viewers_without_animations_is_no_frame(folder: Path) -> None:
    frames = read_picture(film("film.png", *[(26, 22)] * 3, default_image=True)).frames
    assert (frames[:, 0, 0, 0] * 255).tolist() == list(GREYS[1:])


def test_frames_of_another_size_are_left_out_with_a_word(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames = read_picture(film("film.tif", (26, 22), (9, 9), (26, 22))).frames
    assert (frames[:, 0, 0, 0] * 255).tolist() == [GREYS[0], GREYS[2]]
    assert caplog.messages == ["film.tif: 1 of 3 frames differ from the first in size; they are left out"]


def test_pages_of_16_bits_keep_their_precision(folder: Path) -> None:
    pages = np.random.default_rng(0).integers(0, 65536, (2, 5, 6, 3)).astype(np.uint16)
    Path("pages.tif").write_bytes(tiff_pages(*pages))
    picture = read_picture(Path("pages.tif"))
    assert picture.bits == 16
    assert np.array_equal((picture.frames.permute(0, 2, 3, 1).double() * 65535).round(), pages)


def test_a_page_that_pillow_cannot_read_is_left_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    page = np.random.default_rng(0).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    Path("pages.tif").write_bytes(tiff_pages(page, page.astype(np.float32)))
    frames = read_picture(Path("pages.tif")).frames
    assert np.array_equal((frames.permute(0, 2, 3, 1) * 255).round(), page[None])
    assert caplog.messages == ["pages.tif: page 2 is of a kind that Pillow cannot read; it is left out"]


def test_frames_with_and_without_transparency_are_brought_to_one_form(folder: Path) -> None:
    frames = [Image.new("L", (4, 3), 9), Image.new("RGBA", (4, 3), (1, 2, 3, 4))]
    frames[0].save("film.tif", save_all=True, append_images=frames[1:])
    assert (read_picture(Path("film.tif")).frames[:, :, 0, 0] * 255).tolist() == [[9, 9, 9, 255], [1, 2, 3, 4]]


def test_each_frame_is_a_reference(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one mask for all of them: the film makes what its frames make as files of their own."""
    film("film.tif", *[(26, 22)] * 3)
    for i, grey in enumerate(GREYS):
        Image.new("RGB", (26, 22), (grey, grey, grey)).save(f"{i}.png")
    mask = Image.new("L", (26, 22), 0)
    mask.paste(255, (0, 0, 9, 22))
    mask.save("mask.png")
    assert main(["reshuffle", "film.tif", "-o", "film.png", "--mask", "mask.png", *QUICK, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["levels"][-1]["reference_sizes"] == [[22, 26]] * 3
    masks = ["--mask", "mask.png"] * 3
    assert main(["reshuffle", "0.png", "1.png", "2.png", "-o", "files.png", *masks, *QUICK]) == 0
    assert torch.equal(read_picture(Path("film.png")).frames, read_picture(Path("files.png")).frames)


@pytest.mark.parametrize(
    "arguments",
    [
        ["style", "ref.png", "film.gif"],
        ["paint", "film.gif", "ref.png"],
        ["reshuffle", "ref.png", "--init", "film.gif"],
    ],
)
def test_each_frame_of_a_start_picture_makes_one_output(folder: Path, arguments: list[str]) -> None:
    film("film.gif", *[(26, 22)] * 3)
    assert main([*arguments, "-o", "out.png", *QUICK]) == 0
    assert sorted(path.name for path in folder.glob("out*")) == ["out_1.png", "out_2.png", "out_3.png"]


def test_the_number_of_frames_and_of_outputs_must_agree(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film("film.gif", *[(26, 22)] * 3)
    assert main(["style", "ref.png", "film.gif", "-o", "out.png", "--num-outputs", "2", *QUICK]) == 2
    error = capsys.readouterr().err
    assert "has 3 pictures and num_outputs is 2" in error and "content: film.gif" in error


@pytest.mark.parametrize(
    "flags", [["--mask", "film.gif"], ["--keep", "film.gif"], ["--keep", "ref.png", "--keep-picture", "film.gif"]]
)
def test_masks_and_kept_pictures_use_the_first_frame_with_a_word(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    film("film.gif", *[(26, 22)] * 3)
    assert main(["reshuffle", "ref.png", "-o", "out.png", *flags, *QUICK]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "gpdm: film.gif has 3 frames; the first one is used here"


def test_a_mask_is_the_first_frame(folder: Path) -> None:
    film("film.tif", *[(26, 22)] * 3)
    assert read_mask(Path("film.tif")) * 255 == pytest.approx(np.full((1, 1, 22, 26), GREYS[0]), abs=1e-3)


def test_eval_takes_every_frame(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(rng.integers(0, 255, (46, 47, 3), dtype=np.uint8)) for _ in range(2)]
    frames[0].save("film.png", save_all=True, append_images=frames[1:])
    frames[1].save("second.png")
    assert main(["eval", "film.png", "film.png", "second.png", "--device", "cpu", "--json"]) == 0
    pictures = json.loads(capsys.readouterr().out)["pictures"]
    assert [found["picture"] for found in pictures] == ["film.png 1", "film.png 2", "second.png"]
    assert [found["copied"] for found in pictures] == [1, 1, 1]
    assert main(["eval", "second.png", "film.png", "--device", "cpu"]) == 0
    assert "film.png 1" in capsys.readouterr().out


def test_many_frames_are_refused_before_they_fill_the_memory(folder: Path) -> None:
    path = film("film.gif", *[(26, 22)] * 3)
    with pytest.raises(GPDMError, match="reading 26x22 pixels times 3 or more frames needs"):
        read_picture(path, memory=36 * 26 * 22 * 2)
