"""The commands for materials: their flags, files and reports, and one line for every mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpdm import MAPS, MATERIALS, MaterialTask, Task, describe
from gpdm.cli.commands import MaterialCommand, read_commands
from gpdm.cli.files import save_bytes
from gpdm.cli.main import build_parser, main
from gpdm.pictures.deep import encode_png

EVERY = pytest.mark.parametrize("material", MATERIALS.values(), ids=MATERIALS)
SIDE = 40


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with maps and a mask; the height has 16 bits, and the metallic map one value."""
    monkeypatch.chdir(tmp_path)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    height = (np.sin(rows / 3) * np.cos(columns / 4) + 1) / 2
    colour = np.stack([height, 1 - height, np.sin(columns / 5) ** 2], -1)
    Image.fromarray((colour * 255).astype(np.uint8)).save("color.png")
    Image.fromarray((height * 200).astype(np.uint8)).save("rough.png")
    Image.new("RGB", (SIDE, SIDE), (128, 128, 255)).save("normal.png")
    Image.new("L", (SIDE, SIDE), 7).save("metal.png")
    Image.new("L", (SIDE, SIDE + 1), 7).save("taller.png")
    save_bytes(encode_png((height[..., None] * 65535).astype(np.uint16), {}), Path("height.png"))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[16:22, 15:24] = 255
    Image.fromarray(mask).save("mask.png")
    painted = Image.open("color.png").convert("RGBA")
    painted.putalpha(Image.fromarray(255 - mask))
    painted.save("painted.png")


def command(material: MaterialTask, out: str = "new") -> list[str]:
    """A command line with four maps, quick."""
    maps = [
        "--base-color",
        "color.png",
        "--roughness",
        "rough.png",
        "--height",
        "height.png",
        "--metallic",
        "metal.png",
    ]
    quick = ["--num-steps", "2", "--fine-steps", "2"] if isinstance(material.record, Task) else ["--mask", "mask.png"]
    if material.mask_help is None and not isinstance(material.record, Task):
        quick = []
    return [material.command, *maps, *quick, "-o", out, "--device", "cpu"]


@EVERY
def test_every_record_is_a_command_that_writes_its_maps(
    material: MaterialTask, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command(material), "--seed", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = ["base_color", "roughness", "metallic", "height", "preview"]
    assert told["saved"] == [str(Path("new", f"{name}.png")) for name in names]
    assert (told["seed"], told["normals"]) == (3, None)
    with Image.open("new/metallic.png") as metal, Image.open("new/height.png") as height:
        assert metal.mode == "L" and set(np.unique(np.asarray(metal))) == {7}
        assert height.mode == "I;16" and len(np.unique(np.asarray(height))) > 256
    with Image.open("new/base_color.png") as colour, Image.open("new/preview.png") as preview:
        assert (colour.mode, preview.mode, preview.size) == ("RGB", "RGB", colour.size)


@pytest.mark.parametrize("name", ["material_tileable", "material_inpaint"])
def test_what_is_kept_has_the_values_of_the_files(name: str) -> None:
    assert main(command(MATERIALS[name])) == 0
    for given, made in (("color", "base_color"), ("rough", "roughness"), ("height", "height")):
        same = np.asarray(Image.open(f"{given}.png")) == np.asarray(Image.open(f"new/{made}.png"))
        assert same[10, 10].all() and 0.2 < same.mean() < 1


def test_the_transparency_of_a_base_color_that_is_the_mask_is_no_part_of_it() -> None:
    flags = ["material-inpaint", "--base-color", "painted.png", "--mask", "painted.png", "-o", "new", "--device", "cpu"]
    assert main(flags) == 0
    with Image.open("new/base_color.png") as colour:
        assert colour.mode == "RGB"


def test_several_outputs_have_numbered_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command(MATERIALS["material_inpaint"]), "--num-outputs", "2", "--bits", "8", "--json"]) == 0
    saved = json.loads(capsys.readouterr().out)["saved"]
    assert saved[:2] == [str(Path("new", f"base_color_{number}.png")) for number in (1, 2)]
    assert len(saved) == 10
    with Image.open("new/height_2.png") as height:
        assert height.mode == "L"


@EVERY
def test_the_help_page_has_a_flag_for_every_map_and_option(
    material: MaterialTask, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args([material.command, "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert material.summary in said and all(f"{kind.flag} FILE" in said for kind in MAPS.values())
    assert ("--mask" in said) == (material.mask_help is not None)
    assert not any(f" --{name} " in said for name in material.hidden if name not in MAPS)


@pytest.mark.parametrize("row", [x for x in read_commands().materials if not x.has_quality], ids=lambda row: row.name)
def test_flags_of_an_edit_are_its_options(row: MaterialCommand) -> None:
    material = MATERIALS[row.material]
    assert not isinstance(material.record, Task)
    assert row.options["edit"] == tuple(x for x in describe(material.record.options) if x.name not in material.hidden)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["material", "-o", "new"], "needs at least one map; give one of --base-color, --normal,"),
        (["material", "--height", "none.png", "-o", "new"], "none.png"),
        (["material", "--height", "color.png", "-o", "new"], r"height is in colour .*\(height: color.png\)"),
        (
            ["material", "--base-color", "color.png", "--roughness", "taller.png", "-o", "new"],
            r"base_color is 40x40 and roughness is 40x41; .*\(base-color: color.png; roughness: taller.png\)",
        ),
        (["material", "--base-color", "color.png", "-o", "rough.png"], "rough.png is a file, not a folder"),
        (["material", "--height", "height.png", "-o", "."], "height.png is a given map and would be overwritten"),
        (["material", "--height", "height.png", "-o", "new", "--tile", "z"], "--tile"),
        (
            ["material", "--normal", "normal.png", "-o", "new", "--normals", "from_height"],
            "needs a normal and a height map",
        ),
        (["material", "--height", "height.png", "-o", "new", "--quality", "draft", "--lr", "1"], "no effect"),
        (["material-inpaint", "--height", "height.png", "-o", "new"], "--mask"),
        (["material-tile", "--height", "height.png", "-o", "new", "--band", "-1"], "band"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2 and not Path("new").exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(said, error), error
