"""The commands of matches: their flags, files and reports, and one line for every mistake."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from cli.edit_files import CPU, HOLE, KINDS, random_values, values
from cli.formats import png
from PIL import Image

from gpdm import MATCHES, Match, describe, to_pil
from gpdm.cli.commands import MatchCommand, read_commands
from gpdm.cli.main import build_parser, main
from gpdm.cli.pictures import read_picture
from library.problems import grainy

EVERY_MATCH = pytest.mark.parametrize("match", MATCHES.values(), ids=MATCHES)

pytestmark = pytest.mark.usefixtures("references")


@pytest.fixture
def references(edit_folder: Path) -> None:
    """Writes other.png and more.png, pictures with grain, beside the files of edits."""
    for seed, name in enumerate(("other", "more")):
        to_pil(grainy(36, 40, seed=seed) + 0.2 * seed).save(f"{name}.png")


def command(match: Match, *more: str, images: Sequence[str] = ("in.png",), out: str = "out.png") -> list[str]:
    """The arguments of a match of in.png with other.png."""
    return [match.command, "other.png", *images, "-o", out, *more, *CPU]


def report(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@EVERY_MATCH
def test_every_match_is_a_command_that_tells_what_it_did(match: Match, capsys: pytest.CaptureFixture[str]) -> None:
    told = report(capsys, command(match, out="new/out.png"))
    assert (told["saved"], told["device"], "seed" in told) == (["new/out.png"], "cpu", match.is_random)
    assert values("new/out.png").shape == values("in.png").shape
    assert not np.array_equal(values("new/out.png"), values("in.png"))


@EVERY_MATCH
def test_the_help_page_has_the_texts_of_the_record(match: Match, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args([match.command, "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert all(text in said for text in (match.summary, match.reference_help, match.image_help, match.mask_help))
    assert ("--seed" in said) == match.is_random
    assert all(f"--{spec.name.replace('_', '-')} " in said for spec in describe(match.options))


@pytest.mark.parametrize("row", read_commands().matches, ids=lambda row: row.name)
def test_flags_are_the_options_of_the_match(row: MatchCommand) -> None:
    assert row.options == describe(MATCHES[row.match].options)


@EVERY_MATCH
def test_several_pictures_and_frames_make_numbered_files(match: Match, capsys: pytest.CaptureFixture[str]) -> None:
    Image.open("in.png").save("frames.tif", save_all=True, append_images=[Image.open("other.png")])
    told = report(capsys, command(match, images=["in.png", "other.png"]))
    assert told["saved"] == ["out_1.png", "out_2.png"]
    told = report(capsys, command(match, images=["frames.tif"], out="f.png"))
    assert told["saved"] == ["f_1.png", "f_2.png"]
    assert np.array_equal(values("f_2.png"), values("out_2.png"))


@pytest.mark.parametrize("channels", KINDS)
@EVERY_MATCH
def test_outside_the_mask_are_the_given_values_of_16_bits(match: Match, channels: int) -> None:
    """Also the colours under transparent pixels, which are noise here."""
    given = random_values(channels)
    Path("in.png").write_bytes(png(given))
    Image.open("other.png").convert("L" if channels < 3 else "RGB").save("other.png")
    assert main(command(match, "--mask", "hole.png")) == 0
    written = read_picture(Path("out.png"))
    assert written.bits == 16
    assert np.array_equal(
        (written.frames[0].permute(1, 2, 0).double().numpy() * 65535).round()[~HOLE], given[~HOLE].astype(float)
    )


@EVERY_MATCH
def test_an_opaque_alpha_channel_stays(match: Match) -> None:
    Image.open("in.png").convert("RGBA").save("in.png")
    assert main(command(match)) == 0
    assert values("out.png").shape == (36, 40, 4) and (values("out.png")[..., 3] == 255).all()


@EVERY_MATCH
def test_more_references_count(match: Match) -> None:
    assert main(command(match)) == 0
    assert main(command(match, "--reference", "more.png", out="both.png")) == 0
    assert not np.array_equal(values("out.png"), values("both.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("match-look in.png -o out.png", "the following arguments are required: IMAGE; see gpdm match-look --help"),
        ("match-look other.png in.png", "the following arguments are required: -o/--out"),
        ("match-look other.png in.png -o out.png --seed 3", "unrecognized arguments: --seed 3"),
        ("match-look other.png in.png -o out.png --luminance off", "invalid choice: 'off'"),
    ],
)
def test_a_wrong_call_is_one_line(capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments.split())
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in said and len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("match-look no.png in.png -o out.png", "there is no file no.png"),
        ("match-look other.png no.png -o out.png", "there is no file no.png"),
        ("match-look other.png in.png -o out.png --mask no.png", "there is no file no.png"),
        ("match-look other.png in.png -o out.png --reference no.png", "there is no file no.png"),
        ("match-look other.png in.png -o out.gif", "cannot write out.gif: its name must end in one of"),
        ("match-look other.png in.png -o in.png/out.png", "in.png is a file, not a folder"),
        ("match-look other.png in.png -o out.png --strength 2", "strength = 2.0 is not allowed"),
        ("match-look other.png in.png -o out.png --device hpu", "device 'hpu' is not known"),
        ("match-look other.png in.png -o out.tif --bits 16", "cannot write out.tif with 16 bits per channel"),
        ("match-look other.png clear.png -o out.jpg", "cannot write out.jpg: .jpg has no transparency"),
        ("match-look other.png in.png small.png -o out.png", "in.png is 40x36 and small.png is 9x8; give pictures of"),
        ("match-look other.png in.png -o out.png --mask black.png", "the mask is empty; paint the part"),
        ("match-look none.png in.png -o out.png", "none.png"),
        ("match-look faint.png in.png -o out.png", "reference has no pixel that is at least half opaque"),
        ("match-look other.png none.png -o out.png", "image is transparent everywhere"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2_before_any_work(
    edit_folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    Image.fromarray((random_values(4) >> 8).astype(np.uint8)).save("clear.png")
    Image.new("RGB", (9, 8), "green").save("small.png")
    for name, alpha in (("none", 0), ("faint", 90)):
        Image.new("RGBA", (40, 36), (9, 99, 199, alpha)).save(f"{name}.png")
    before = sorted(edit_folder.iterdir())
    assert main(arguments.split()) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert sorted(edit_folder.iterdir()) == before


def test_a_lut_is_written_and_takes_the_place_of_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    look = MATCHES["match_look"]
    told = report(capsys, command(look, "--lut", "new/look.cube", "--strength", "0.7"))
    assert told["saved"] == ["out.png", "new/look.cube"]
    assert main([look.command, "new/look.cube", "in.png", "-o", "again.png", *CPU]) == 0
    assert np.abs(values("again.png").astype(int) - values("out.png")).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("match-look other.png in.png -o out.png --lut look.png", "cannot write look.png: its name must end in .cube"),
        ("match-look other.png in.png -o out.png --lut in.png/look.cube", "in.png is a file, not a folder"),
        ("match-look no.cube in.png -o out.png", "there is no file no.cube"),
        ("match-look bad.cube in.png -o out.png", "bad.cube: line 1: 'nothing' is not known in a .cube file"),
        ("match-look in.png bad.cube -o out.png", "bad.cube: it is not a picture"),
        ("match-look bad.cube in.png -o out.png --every 2", "bad.cube is a LUT, with which --every has no effect"),
        ("match-look bad.cube in.png -o out.png --reference in.png", "with which --reference has no effect"),
    ],
)
def test_a_mistake_with_a_lut_is_one_line(
    edit_folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    Path("bad.cube").write_text("nothing")
    before = sorted(edit_folder.iterdir())
    assert main(arguments.split()) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert sorted(edit_folder.iterdir()) == before
