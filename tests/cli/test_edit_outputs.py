"""Pictures and masks of the commands of edits: what is outside the mask stays exactly, and references of any kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli.edit_files import EXACT, HOLE, KINDS, RANDOM, command, random_values, values
from cli.formats import png
from PIL import Image

from gpdm import EDITS, Edit
from gpdm.cli.main import main
from gpdm.cli.pictures import read_picture

EVERY_EDIT = pytest.mark.parametrize(
    "edit", [edit for edit in EDITS.values() if edit.keeps_rest], ids=lambda edit: edit.name
)

pytestmark = pytest.mark.usefixtures("edit_folder")


def check_exact(edit: Edit, given: np.ndarray, written: np.ndarray) -> None:
    """Asserts that a picture (H, W, C) has the given values where mask.png is black, in all or in their rectangle."""
    same = values("mask.png")[..., 0] == 0
    assert 0 < same.sum() < same.size
    expected = given[same] if same.shape == given.shape[:2] else given.reshape(-1, given.shape[2])
    assert np.array_equal(written[same], expected), edit.name


@pytest.mark.parametrize("channels", KINDS)
@EVERY_EDIT
def test_outside_the_mask_are_the_given_values(edit: Edit, channels: int) -> None:
    """Also the colours under transparent pixels, which are noise here."""
    given = (random_values(channels) >> 8).astype(np.uint8)
    Image.fromarray(given.squeeze()).save("in.png")
    assert main([*command(edit), "--mask-out", "mask.png"]) == 0
    with Image.open("out.png") as out:
        assert out.mode == KINDS[channels]
    check_exact(edit, given, values("out.png"))


@pytest.mark.parametrize("channels", KINDS)
@EVERY_EDIT
def test_outside_the_mask_are_the_given_values_of_16_bits(edit: Edit, channels: int) -> None:
    given = random_values(channels)
    Path("in.png").write_bytes(png(given))
    assert main([*command(edit), "--mask-out", "mask.png"]) == 0
    written = read_picture(Path("out.png"))
    assert (written.bits, read_picture(Path("mask.png")).bits) == (16, 8)
    check_exact(edit, given, (written.frames[0].permute(1, 2, 0).double().numpy() * 65535).round())


@pytest.mark.parametrize(("grow", "margin"), [("0", 0), ("2", 2), ("-1", 4)])
def test_the_mask_that_is_written_has_grown(grow: str, margin: int) -> None:
    assert main([*command(EDITS["inpaint"]), "--grow", grow, "--mask-out", "mask.png"]) == 0
    expected = np.zeros((36, 40), np.uint8)
    expected[14 - margin : 22 + margin, 16 - margin : 24 + margin] = 255
    assert np.array_equal(values("mask.png")[..., 0], expected)


@pytest.mark.parametrize("channels", [2, 4])
def test_an_opaque_alpha_channel_stays(channels: int) -> None:
    given = (random_values(channels) >> 8).astype(np.uint8)
    given[..., -1] = 255
    Image.fromarray(given).save("in.png")
    assert main([*command(EDITS["inpaint"]), *EXACT]) == 0
    assert np.array_equal(values("out.png")[~HOLE], given[~HOLE])
    assert (values("out.png")[..., -1] == 255).all()


def test_a_format_without_transparency_takes_an_opaque_picture() -> None:
    Image.open("in.png").convert("RGBA").save("in.png")
    assert main(command(EDITS["inpaint"], "out.bmp")) == 0
    assert values("out.bmp").shape == (36, 40, 3)


@pytest.mark.parametrize(
    ("flags", "name", "bits"),
    [([], "out.png", 16), (["--bits", "8"], "out.png", 8), ([], "out.tif", 8), (["--bits", "8"], "out.tif", 8)],
)
def test_the_depth_is_that_of_the_picture_or_as_asked(
    capsys: pytest.CaptureFixture[str], flags: list[str], name: str, bits: int
) -> None:
    Path("in.png").write_bytes(png(RANDOM[..., :3]))
    assert main([*command(EDITS["inpaint"], name), *EXACT, *flags]) == 0
    assert read_picture(Path(name)).bits == bits
    notice = "gpdm: out.tif is written with 8 bits per channel and the picture has 16; a .png file keeps them"
    assert (notice in capsys.readouterr().err) == (name == "out.tif" and not flags)


def test_the_depth_of_a_reference_does_not_count() -> None:
    Path("other.png").write_bytes(png(RANDOM[..., :3]))
    assert main([*command(EDITS["inpaint"]), "--reference", "other.png"]) == 0
    assert read_picture(Path("out.png")).bits == 8


def test_a_mask_may_be_transparent_instead_of_white() -> None:
    for name in ("hole", "painted"):
        assert main(["inpaint", "in.png", f"{name}.png", "-o", f"out_{name}.png", *EXACT]) == 0
    assert np.array_equal(values("out_hole.png"), values("out_painted.png"))


@pytest.mark.parametrize("given", ["painted.png", "./painted.png"])
def test_a_picture_that_is_its_own_mask_becomes_opaque(given: str) -> None:
    """Its transparency is what was painted in the mask editor."""
    assert main(["inpaint", "in.png", "hole.png", "-o", "expected.png", *EXACT]) == 0
    assert main(["inpaint", "painted.png", given, "-o", "out.png", *EXACT]) == 0
    assert np.array_equal(values("out.png"), values("expected.png"))


def test_a_mask_of_another_size_is_scaled() -> None:
    Image.open("hole.png").resize((80, 72), Image.Resampling.NEAREST).save("large.png")
    for name in ("hole", "large"):
        assert main(["inpaint", "in.png", f"{name}.png", "-o", f"out_{name}.png", *EXACT]) == 0
    assert np.array_equal(values("out_hole.png"), values("out_large.png"))


@pytest.mark.parametrize(
    ("kind", "reference", "filling", "notice"),
    [
        ("RGB", ("RGB", (255, 0, 0)), (255, 0, 0), ""),
        ("RGB", ("L", 70), (70, 70, 70), "in.png is RGB, other.png is grey; all are used as RGB"),
        ("RGB", ("RGBA", (1, 2, 3, 255)), (1, 2, 3), ""),
        ("L", ("RGB", (255, 0, 0)), (76,), "in.png is grey, other.png is RGB; all are used as grey"),
        ("L", ("LA", (70, 255)), (70,), ""),
        ("LA", ("RGB", (9, 9, 9)), (9, 255), "in.png is grey+alpha, other.png is RGB; all are used as grey+alpha"),
        ("RGBA", ("L", 70), (70, 70, 70, 255), "in.png is RGBA, other.png is grey; all are used as RGBA"),
        ("RGBA", ("RGBA", (1, 2, 3, 255)), (1, 2, 3, 255), "in.png is RGBA, other.png is RGB; all are used as RGBA"),
    ],
)
def test_a_reference_gives_patches_in_the_channels_of_the_picture(
    capsys: pytest.CaptureFixture[str], kind: str, reference: tuple, filling: tuple, notice: str
) -> None:
    """A reference of one colour fills the hole with it."""
    given = (random_values({name: number for number, name in KINDS.items()}[kind]) >> 8).astype(np.uint8)
    Image.fromarray(given.squeeze()).save("in.png")
    Image.new(reference[0], (20, 18), reference[1]).save("other.png")
    assert main([*command(EDITS["inpaint"]), *EXACT, "--reference", "other.png"]) == 0
    assert np.array_equal(values("out.png")[~HOLE], given[~HOLE])
    assert np.array_equal(values("out.png")[HOLE], np.tile(filling, (HOLE.sum(), 1)))
    said = capsys.readouterr().err
    assert f"gpdm: {notice}\n" in said if notice else "used as" not in said


def test_transparent_pixels_of_a_reference_are_left_out() -> None:
    half = Image.new("RGBA", (30, 20), (0, 0, 255, 255))
    half.paste((255, 0, 0, 0), (0, 0, 15, 20))
    half.save("other.png")
    assert main([*command(EDITS["inpaint"]), *EXACT, "--reference", "other.png"]) == 0
    assert (values("out.png")[HOLE] == (0, 0, 255)).all()


def test_several_references_are_used() -> None:
    """The hole of a picture that is half red and half blue is filled from both."""
    Image.open("red.png").save("first.png")
    Image.new("RGB", (40, 36), (0, 0, 255)).save("second.png")
    halves = Image.open("red.png")
    halves.paste((0, 0, 255), (20, 0, 40, 36))
    halves.save("in.png")
    assert main([*command(EDITS["inpaint"]), *EXACT, "--reference", "first.png", "--reference", "second.png"]) == 0
    found = values("out.png")[HOLE]
    assert {tuple(pixel) for pixel in found.tolist()} == {(255, 0, 0), (0, 0, 255)}


def test_a_source_mask_leaves_out_patches_of_the_picture() -> None:
    """The hole lies across the border of a dark and a light half, of which the mask excludes the light one."""
    given = (RANDOM[..., :3] >> 10).astype(np.uint8)
    given[:, 20:] += 128
    Image.fromarray(given).save("in.png")
    right = np.zeros((36, 40), bool)
    right[:, 20:] = True
    Image.fromarray(right).convert("L").save("right.png")
    assert main([*command(EDITS["inpaint"], "both.png"), *EXACT]) == 0
    assert main([*command(EDITS["inpaint"]), *EXACT, "--source-mask", "right.png"]) == 0
    assert (values("both.png")[HOLE] >= 128).any()
    assert (values("out.png")[HOLE] < 128).all()
    assert np.array_equal(values("out.png")[~HOLE], given[~HOLE])


@pytest.mark.parametrize("flags", [[], ["--num-outputs", "2"]])
def test_each_frame_of_an_animation_makes_one_output(flags: list[str]) -> None:
    first, second = Image.open("in.png"), Image.open("other.png")
    first.save("frames.tif", save_all=True, append_images=[second])
    assert main(["inpaint", "frames.tif", "hole.png", "-o", "out.png", *EXACT, *flags]) == 0
    for name, out in (("in.png", "out_1.png"), ("other.png", "out_2.png")):
        assert np.array_equal(values(out)[~HOLE], values(name)[~HOLE])


def test_maps_of_one_material_change_in_the_same_places() -> None:
    other = (np.asarray(Image.open("in.png").convert("L")).astype(int) // 2).astype(np.uint8)
    Image.fromarray(other).save("grey.png")
    assert (
        main(["tile", "in.png", "grey.png", "--batch", "maps", "--axes", "x", "--mask-out", "m.png", "-o", "out.png"])
        == 0
    )
    first, second = values("out_1.png"), values("out_2.png")
    assert first.shape == second.shape == (36, 40, 3)
    kept = values("m_1.png")[..., 0] == 0
    assert 0 < kept.sum() < kept.size
    assert np.array_equal(first[kept], values("in.png")[kept]) and np.array_equal(second[kept][:, 0], other[kept])


def test_pictures_of_other_sizes_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (30, 36)).save("small.png")
    assert main(["tile", "in.png", "small.png", "-o", "out.png"]) == 2
    assert "in.png is 40x36 and small.png is 30x36; give pictures of one size" in capsys.readouterr().err
    assert not list(Path().glob("out*"))


def test_the_preview_is_the_result_two_by_two_and_seams_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tile", "in.png", "-o", "out.png", "--preview-out", "twice.png"]) == 0
    assert np.array_equal(values("twice.png"), np.tile(values("out.png"), (2, 2, 1)))
    said = capsys.readouterr().err
    assert all(f"seam gradient {axis} {when}: " in said for axis in "xy" for when in ("before", "after"))
