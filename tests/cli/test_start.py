"""What the terminal answers without loading torch, the tables that this needs, and pictures that are decoded once."""

from __future__ import annotations

import json
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli.graphs import api, copying, run
from PIL import Image

from gpdm import EDITS, MATCHES, TASKS, describe
from gpdm.cli.commands import read_commands
from gpdm.cli.decoding import Decoder
from gpdm.cli.definitions import all_definitions, from_class
from gpdm.cli.pack import load_pack
from gpdm.cli.standins import STAND_INS

ROOT = Path(__file__).resolve().parents[2]
CLASSES = {**STAND_INS, **load_pack().NODE_CLASS_MAPPINGS}

FRESH = """
import sys
from gpdm.cli.main import main
try:
    code = main()
except SystemExit as stopped:
    code = stopped.code
print(code, *sorted({"torch", "numpy", "PIL"} & sys.modules.keys()), file=sys.stderr)
"""
"""Runs the command in a process of its own, and writes its exit code and what it has loaded as the last line."""

pytestmark = pytest.mark.usefixtures("working_folder")


def masked(image: str) -> dict[str, Any]:
    """A graph in API format that loads a mask from a picture and saves it."""
    return {
        "1": {"class_type": "LoadImageMask", "inputs": {"image": image, "channel": "red"}},
        "2": {"class_type": "MaskPreview", "inputs": {"mask": ["1", 0]}},
    }


MODEL = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "x"}},
    "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "3": {"class_type": "VAEDecode", "inputs": {"samples": ["2", 0], "vae": ["1", 2]}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "x"}},
}
FILES = {
    "good.json": api(),
    "range.json": api(num_outputs=0),
    "type.json": api() | {"1": {"class_type": "FaceDetailer"}},
    "model.json": MODEL,
    "missing.json": copying(n1={"class_type": "LoadImage", "inputs": {"image": "no.png"}}),
    "outside.json": copying(n2={"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "../x"}}),
    "nothing.json": {"hello": 1},
}


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("--help", 0, "Runs a ComfyUI workflow file"),
        ("--version", 0, "gpdm "),
        *[(f"{task.command} --help", 0, task.pictures[0].help) for task in TASKS.values()],
        *[(f"{edit.command} --help", 0, edit.image_help) for edit in EDITS.values()],
        *[(f"{match.command} --help", 0, match.image_help) for match in MATCHES.values()],
        ("eval --help", 0, "--tiles"),
        ("run --help", 0, "--validate"),
        ("", 2, "COMMAND"),
        ("sculpt in.png", 2, "invalid choice: 'sculpt'"),
        ("reshuffle in.png", 2, "required: -o/--out"),
        ("reshuffle in.png -o out.png --colour red", 2, "unrecognized arguments: --colour red"),
        ("reshuffle in.png -o out.png --seed -1", 2, "seed = -1 is not allowed"),
        ("reshuffle in.png -o out.png --num-steps 0", 2, "num_steps = 0 is not allowed: it must be a whole number"),
        ("reshuffle in.png -o out.png --num-steps x", 2, "invalid int value: 'x'"),
        ("reshuffle in.png -o out.png --tile round", 2, "invalid choice: 'round'"),
        ("reshuffle in.png -o out.png --weight -1", 2, "weight = -1.0 is not allowed: it must be a number from 0"),
        ("reshuffle in.png -o out.png --device hpu", 2, "device 'hpu' is not known"),
        ("reshuffle in.png -o out.txt", 2, "cannot write out.txt: its name must end in one of"),
        ("reshuffle in.png -o in.png/out.png", 2, "in.png is a file, not a folder"),
        ("reshuffle in.png -o out.png --mask - --mask -", 2, "--mask appears 2 times, but there are 1 references"),
        ("reshuffle in.png -o out.png --init in.png --source noise", 2, "contradict each other"),
        ("reshuffle in.png -o out.png --keep-picture in.png", 2, "--keep-picture needs --keep"),
        ("reshuffle no.png -o out.png", 2, "there is no file no.png"),
        ("style in.png no.png -o out.png", 2, "there is no file no.png"),
        ("reshuffle in.png -o out.png --mask no.png", 2, "there is no file no.png"),
        ("inpaint in.png -o out.png", 2, "required: mask"),
        ("inpaint in.png other.png -o out.png --grow -2", 2, "grow = -2 is not allowed: it must be a whole number"),
        ("inpaint in.png other.png -o out.png --num-outputs 0", 2, "num_outputs = 0 is not allowed"),
        ("inpaint in.png other.png -o out.png --device hpu", 2, "device 'hpu' is not known"),
        ("inpaint in.png other.png -o out.txt", 2, "cannot write out.txt: its name must end in one of"),
        ("inpaint in.png other.png -o out.png --mask-out out.png", 2, "--out and --mask-out are both out.png"),
        ("inpaint in.png no.png -o out.png", 2, "there is no file no.png"),
        ("inpaint in.png other.png -o out.png --reference in.png --source-mask in.png", 2, "leave out one flag"),
        ("outpaint in.png -o in.png/out.png", 2, "in.png is a file, not a folder"),
        ("eval in.png no.png", 2, "there is no file no.png"),
        ("eval in.png in.png --inception no.pth", 2, "there is no file no.pth"),
        ("eval in.png in.png --plot plot.txt", 2, "cannot write plot.txt"),
        ("run no.json", 2, "there is no file no.json"),
        ("run good.json --validate", 0, "good.json: valid, 4 nodes"),
        ("run good.json --set 2.num_outputs=0", 2, "num_outputs = '0' is not allowed"),
        ("run good.json --image no.png", 2, "no.png; check the path after --image"),
        ("run good.json --device hpu", 2, "device 'hpu' is not known"),
        ("run good.json --out in.png/o", 2, "in.png is a file, not a folder"),
        ("run range.json", 2, "num_outputs = 0 is not allowed"),
        ("run type.json", 2, "of unknown type 'FaceDetailer'"),
        ("run model.json", 2, "needs a model"),
        ("run missing.json", 2, "there is no file 'no.png'"),
        ("run outside.json", 2, "is outside the folder out"),
        ("run nothing.json", 2, "not a ComfyUI workflow"),
    ],
)
def test_torch_is_not_loaded_for(command: str, code: int, said: str) -> None:
    for name, content in FILES.items():
        Path(name).write_text(json.dumps(content))
    answer = subprocess.run(
        [sys.executable, "-c", FRESH, *shlex.split(command)], capture_output=True, text=True, check=False
    )
    *lines, last = answer.stderr.splitlines()
    assert last == str(code)
    assert " ".join(said.split()) in " ".join([*answer.stdout.split(), *" ".join(lines).split()])
    assert len(lines) == (code != 0)


def test_a_file_that_is_no_picture_is_refused_before_torch_is_loaded() -> None:
    Path("text.png").write_text("hello")
    Path("text.json").write_text(json.dumps(masked("text.png")))
    answer = subprocess.run(
        [sys.executable, "-c", FRESH, "run", "text.json"], capture_output=True, text=True, check=False
    )
    error, last = answer.stderr.splitlines()
    assert error.endswith("text.png: it is not a picture that Pillow can read; convert it to PNG")
    assert last == "2 PIL numpy"


@pytest.mark.parametrize("name", ["commands", "nodes"])
def test_the_tables_are_those_of_the_library(name: str) -> None:
    made = runpy.run_path(str(ROOT / "tools" / "make_tables.py"))[name]()
    assert (ROOT / "gpdm" / "cli" / f"{name}.json").read_text() == made, "run python tools/make_tables.py"


@pytest.mark.parametrize("command", read_commands().tasks, ids=lambda command: command.name)
def test_flags_are_the_options_of_the_task(command: Any) -> None:
    settings = TASKS[command.task].settings
    for part, specs in command.options.items():
        known = {spec.name: spec for spec in describe(getattr(settings, part))}
        assert list(specs) == [known[spec.name] for spec in specs]


@pytest.mark.parametrize("name", CLASSES)
def test_a_definition_in_the_table_is_that_of_the_class(name: str) -> None:
    """All but the texts, which only the editor shows."""

    def seen(given: Any) -> Any:
        return given.name, given.type, given.required, given.choices, given.has_control, given.is_widget

    here, there = all_definitions()[name], from_class(name, CLASSES[name])
    assert list(map(seen, here.inputs)) == list(map(seen, there.inputs))
    for given, other in zip(here.inputs, there.inputs, strict=True):
        ends = ("default", "min", "max")
        assert [given.options.get(end) for end in ends] == [other.options.get(end) for end in ends]
        assert given.added.keys() == other.added.keys()
    assert (here.outputs, here.output_names, here.is_output) == (there.outputs, there.output_names, there.is_output)


@pytest.mark.parametrize(
    ("graph", "count"),
    [
        (copying(), 1),
        (masked("in.png"), 1),
        (copying(n3={"class_type": "LoadImage", "inputs": {"image": "other.png"}}), 1),
        (
            copying()
            | {
                "5": {"class_type": "LoadImage", "inputs": {"image": "other.png"}},
                "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "other"}},
            },
            2,
        ),
    ],
    ids=["a picture", "a mask", "a picture that no output needs", "two pictures"],
)
def test_a_picture_is_decoded_once(monkeypatch: pytest.MonkeyPatch, graph: Any, count: int) -> None:
    decode, decoded = Decoder.decode, []

    def counted(self: Decoder) -> Any:
        decoded.append(self)
        return decode(self)

    monkeypatch.setattr(Decoder, "decode", counted)
    assert run(graph) == 0
    assert len(decoded) == count


@pytest.mark.parametrize(
    ("graph", "count"), [(copying(), 1), (masked("in.png"), 0)], ids=["a picture", "a mask, whose colours do not count"]
)
def test_a_damaged_colour_profile_is_reported_for(capsys: pytest.CaptureFixture[str], graph: Any, count: int) -> None:
    Image.new("RGB", (4, 3)).save("in.png", icc_profile=b"damaged")
    assert run(graph) == 0
    assert capsys.readouterr().err.count("its colours are used as they are") == count


def test_one_file_in_two_nodes_is_the_same_in_both() -> None:
    second = {"5": {"class_type": "LoadImage", "inputs": {"image": "in.png"}}}
    saved = {"6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "second"}}}
    assert run(copying() | second | saved) == 0
    assert Path("o/good_00001_.png").read_bytes() == Path("o/second_00001_.png").read_bytes()
