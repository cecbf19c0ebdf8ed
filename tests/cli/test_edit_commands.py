"""The commands of edits: their flags, files and reports, and one line for every mistake."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli.edit_files import CPU, command, random_values, values
from PIL import Image

from gpdm import EDITS, Edit, describe
from gpdm.cli.commands import EditCommand, read_commands
from gpdm.cli.edit_flags import add_parser
from gpdm.cli.host import StepBar
from gpdm.cli.main import build_parser, main

EVERY_EDIT = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)

pytestmark = pytest.mark.usefixtures("edit_folder")


def report(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@EVERY_EDIT
def test_every_edit_is_a_command_that_tells_what_it_did(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    told = report(capsys, [*command(edit, "new/out.png"), "--mask-out", "new/mask.png", "--seed", "3"])
    assert told["saved"] == ["new/out.png", "new/mask.png"]
    assert (told["device"], told["seed"]) == ("cpu", 3)
    with Image.open("new/out.png") as out, Image.open("new/mask.png") as mask:
        assert (mask.mode, mask.size) == ("L", out.size)
        assert set(np.unique(np.asarray(mask))) <= {0, 255}
        assert told["changed"] == [pytest.approx((np.asarray(mask) > 0).mean(), abs=1e-6)]


@EVERY_EDIT
def test_the_help_page_has_the_texts_of_the_record(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args([edit.command, "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert edit.summary in said and edit.image_help in said
    assert edit.mask_help is None or edit.mask_help in said
    assert ("--reference" in said) == edit.takes_references
    assert all(f"--{spec.name.replace('_', '-')} " in said for spec in describe(edit.options))


@pytest.mark.parametrize("row", read_commands().edits, ids=lambda row: row.name)
def test_flags_are_the_options_of_the_edit(row: EditCommand) -> None:
    assert row.options == describe(EDITS[row.edit].options)


@EVERY_EDIT
def test_several_seeds_make_numbered_files(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    told = report(capsys, [*command(edit), "--num-outputs", "2", "--seed", "4", "--mask-out", "m.png"])
    assert told["saved"] == ["out_1.png", "out_2.png", "m_1.png", "m_2.png"]
    assert main([*command(edit), "--seed", "5"]) == 0
    assert Path("out.png").read_bytes() == Path("out_2.png").read_bytes()


def test_a_command_without_references_has_no_flags_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    parsers = argparse.ArgumentParser().add_subparsers()
    add_parser(parsers, replace(read_commands().edits[0], takes_references=False))
    with pytest.raises(SystemExit):
        parsers.choices["inpaint"].parse_args(["in.png", "hole.png", "-o", "out.png", "--reference", "other.png"])
    assert "unrecognized arguments: --reference" in capsys.readouterr().err


def test_options_have_flags() -> None:
    assert main(["outpaint", "in.png", "-o", "out.png", "--left", "3", "--right", "0", "--top", "5", *CPU]) == 0
    assert values("out.png").shape == (41, 43, 3)
    assert np.array_equal(values("out.png")[5:, 3:], values("in.png"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("inpaint in.png -o out.png", "the following arguments are required: mask; see gpdm inpaint --help"),
        ("outpaint -o out.png", "the following arguments are required: image"),
        ("inpaint in.png hole.png", "the following arguments are required: -o/--out"),
        ("inpaint in.png other.png hole.png -o out.png", "unrecognized arguments: hole.png"),
        ("outpaint in.png other.png -o out.png", "unrecognized arguments: other.png"),
        ("inpaint in.png hole.png -o out.png --left 3", "unrecognized arguments: --left 3"),
        ("outpaint in.png -o out.png --mask hole.png", "unrecognized arguments: --mask hole.png"),
        ("inpaint in.png hole.png -o out.png --grow few", "invalid int value: 'few'"),
        ("inpaint in.png hole.png -o out.png --intent fill", "invalid choice: 'fill'"),
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
        ("inpaint no.png hole.png -o out.png", "there is no file no.png"),
        ("inpaint in.png no.png -o out.png", "there is no file no.png"),
        ("inpaint in.png - -o out.png", "there is no file -"),
        ("inpaint in.png hole.png -o out.png --reference no.png", "there is no file no.png"),
        ("inpaint in.png hole.png -o out.png --source-mask no.png", "there is no file no.png"),
        ("inpaint in.png hole.png -o out.gif", "cannot write out.gif: its name must end in one of"),
        ("inpaint in.png hole.png -o out.png --mask-out out.txt", "cannot write out.txt: its name must end in one of"),
        ("inpaint in.png hole.png -o in.png/out.png", "in.png is a file, not a folder"),
        ("inpaint in.png hole.png -o out.png --mask-out out.png", "--out and --mask-out are both out.png"),
        ("inpaint in.png hole.png -o out.png --grow -2", "grow = -2 is not allowed: it must be a whole number from -1"),
        ("inpaint in.png hole.png -o out.png --num-outputs 0", "num_outputs = 0 is not allowed"),
        ("inpaint in.png hole.png -o out.png --device hpu", "device 'hpu' is not known"),
        ("inpaint in.png hole.png -o out.tif --bits 16", "cannot write out.tif with 16 bits per channel"),
        ("inpaint clear.png hole.png -o out.jpg", "cannot write out.jpg: .jpg has no transparency and the output has"),
        ("inpaint in.png text.png -o out.png", "text.png: it is not a picture that Pillow can read"),
        ("inpaint in.png black.png -o out.png", "the mask is empty; paint the part of the picture that changes"),
        ("inpaint in.png white.png -o out.png", "nothing is left to fill the hole with"),
        ("remove in.png black.png -o out.png", "the mask is empty"),
        ("inpaint in.png in.png -o out.png", "in.png is both picture and mask, and nothing in it is transparent"),
        ("inpaint none.png hole.png -o out.png", "none.png is transparent everywhere"),
        ("inpaint in.png hole.png -o out.png --reference none.png", "none.png is transparent everywhere"),
        ("inpaint in.png hole.png -o out.png --reference faint.png", "faint.png has no pixel that is at least half"),
        ("inpaint in.png hole.png -o out.png --reference in.png --source-mask hole.png", "leave out one flag"),
        ("inpaint frames.tif hole.png -o out.png --num-outputs 3", "there are 2 pictures or frames"),
        ("outpaint in.png -o out.png --left 0 --right 0", "left = 0 is not allowed: nothing is added"),
        ("harmonise in.png -o out.png", "harmonise needs either a mask or --original"),
        ("harmonise in.png hole.png --original other.png -o out.png", "leave out one of the two"),
        ("harmonise in.png --original no.png -o out.png", "there is no file no.png"),
        ("harmonise in.png --original in.png -o out.png", "nothing in the picture differs visibly from original"),
        ("harmonise white.png --original black.png -o out.png", "100% of the picture differ from original"),
        ("harmonise in.png --original frames.tif -o out.png", "there are 2 originals for 1 picture(s)"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2_before_any_work(
    edit_folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    Path("text.png").write_text("not a picture")
    Image.fromarray((random_values(4) >> 8).astype(np.uint8)).save("clear.png")
    for name, alpha in (("none", 0), ("faint", 90)):
        Image.new("RGBA", (40, 36), (9, 99, 199, alpha)).save(f"{name}.png")
    Image.open("in.png").save("frames.tif", save_all=True, append_images=[Image.open("other.png")])
    before = sorted(edit_folder.iterdir())
    assert main(arguments.split()) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert sorted(edit_folder.iterdir()) == before


def test_a_mask_is_found_from_the_picture_before_the_paste(capsys: pytest.CaptureFixture[str]) -> None:
    with Image.open("in.png") as original:
        pasted = original.convert("RGB")
    pasted.paste((255, 0, 0), (12, 10, 28, 24))
    pasted.save("pasted.png")
    command = ["harmonise", "pasted.png", "-o", "out.png", "--edge", "0", "--mask-out", "found.png", *CPU]
    report(capsys, [*command, "--original", "in.png"])
    assert np.array_equal(np.argwhere(values("found.png")[..., 0] > 0)[[0, -1]], [[10, 12], [23, 27]])
    assert main(["harmonise", "pasted.png", "found.png", "-o", "again.png", "--edge", "0", *CPU]) == 0
    assert np.array_equal(values("again.png"), values("out.png"))


def test_an_error_of_the_library_names_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inpaint", "in.png", "black.png", "-o", "out.png", "--source-mask", "hole.png", *CPU]) == 2
    assert capsys.readouterr().err.endswith("(image: in.png; mask: black.png; source-mask: hole.png)\n")


def test_a_bar_moves_from_step_to_step(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[float] = []
    monkeypatch.setattr(StepBar, "show", lambda _, done: shown.append(done))
    assert main([*command(EDITS["inpaint"]), "--num-outputs", "2"]) == 0
    assert shown == sorted(shown) and shown[-1] == 1.0 and 0.5 in shown
