"""`gpdm run`: encodings and oddities of files, and pictures that carry a workflow."""

from __future__ import annotations

import codecs
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from cli.graphs import check, copying, graph, load, prompt_of, run, save
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gpdm import GPDMError
from gpdm.cli.main import main
from gpdm.cli.workflow import metadata, read_workflow

pytestmark = pytest.mark.usefixtures("working_folder")

TEXT = json.dumps(copying())
EDITOR = graph([load(1), save(2, 1, "good")], [(1, 1, 0, 2, 0)])


def run_file(name: str, *more: str) -> int:
    return main(["run", name, "--out", "o", "--device", "cpu", *more])


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        TEXT.encode("utf-16-le"),
        TEXT.encode(),
        b"\r\n " + TEXT.encode() + b"\n",
        TEXT.encode() + b"\r\n\x1a",
        TEXT.encode() + b"\0\0",
    ],
    ids=[
        "utf-8-bom",
        "utf-16-le",
        "utf-16-be",
        "utf-32-le",
        "utf-16-le-without-bom",
        "utf-8",
        "blanks",
        "ctrl-z",
        "nul",
    ],
)
def test_encodings(data: bytes) -> None:
    Path("wf.json").write_bytes(data)
    assert read_workflow(Path("wf.json")) == copying()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_no_json_are_read_as_null_and_never_written(number: str) -> None:
    text = json.dumps(EDITOR | {"extra": {"zoom": 12345}}).replace("12345", number)
    Path("wf.json").write_text(text)
    assert read_workflow(Path("wf.json"))["extra"] == {"zoom": None}
    assert run_file("wf.json") == 0
    with Image.open("o/good_00001_.png") as result:
        stored = json.loads(result.info["workflow"], parse_constant=lambda text: pytest.fail(text))
    assert stored["extra"] == {"zoom": None}


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    Path("wf.json").write_text('{"1": {"class_type": "a\\ud800b"}, "2": "\\ud83d\\ude00"}')
    assert read_workflow(Path("wf.json")) == {"1": {"class_type": "a?b"}, "2": "\U0001f600"}


@pytest.mark.parametrize(
    "workflow",
    [
        copying() | {"//": "a comment", "version": 1, "last_node_id": 9, "extra": {}, "groups": [], "7": None},
        {"prompt": copying(), "client_id": "x", "extra_data": {"extra_pnginfo": {"workflow": EDITOR}}},
        {"prompt": copying() | {"version": "2"}},
        {"output": copying(), "workflow": EDITOR},
        {"workflow": EDITOR},
        {"workflow": copying()},
        {"workflow_api": copying()},
        {"workflow": json.dumps(EDITOR)},
        {"prompt": TEXT},
        TEXT,
        {"input": {"workflow": copying()}},
        {"prompt": {}, "extra_data": {"extra_pnginfo": {"workflow": EDITOR}}},
        [3, "8b7c", copying(), {"extra_pnginfo": {"workflow": EDITOR}}, ["2"]],
        {"8b7c": {"prompt": [3, "8b7c", copying(), {}, ["2"]], "outputs": {}, "status": {}}},
        EDITOR,
        copying() | {"1": copying()["1"] | {"_meta": None}},
        copying() | {"1": copying()["1"] | {"_meta": {"title": None}, "is_changed": [None]}},
    ],
)
def test_what_people_have_around_a_workflow(workflow: Any) -> None:
    assert [node.type for node in check(workflow)] == ["LoadImage", "SaveImage"]


def test_a_title_in_the_file_is_that_of_the_node() -> None:
    assert prompt_of({"1": {"class_type": "LoadImage", "_meta": {"title": "Mine"}}})["1"].title == "Mine"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.json is empty"),
        (b" \n", "x.json is empty"),
        (b"\0\1\2\3", "x.json is neither JSON nor a picture that Pillow can read"),
        (b"\xff\xfe\xff", "x.json is neither a picture that Pillow can read nor text in UTF-8 (byte 2)"),
        ('{"a": "gr\u00fcn"}'.encode("latin-1"), "nor text in UTF-8 (byte 9); save it as UTF-8"),
        (b'{"a": 1,\n // what\n "b": 2}', "x.json: JSON has no comments; remove the one in line 2"),
        (b'{"a": 1, /* what */ "b": 2}', "x.json: JSON has no comments; remove the one in line 1"),
        (b'# what\n{"a": 1}', "x.json: JSON has no comments; remove the one in line 1"),
        (b'{"a": 1,\n}', "x.json: JSON has no trailing commas; remove the one in or before line"),
        (b'{"a": [1,]}', "x.json: JSON has no trailing commas; remove the one in or before line 1"),
        (
            b'{"a": 1 "b": 2}',
            "x.json is neither JSON nor a picture that Pillow can read: Expecting ',' delimiter in line 1",
        ),
        (b"{", "x.json is neither JSON nor a picture"),
        (b"[" * 100_000, "x.json is neither JSON of a workflow nor a picture: its brackets are too deep"),
        (b"9" * 5_000, "x.json: a number in it has 5000 digits, 9999999999...; make it shorter"),
        (b"null", "x.json is not a ComfyUI workflow"),
        (b"7", "x.json is not a ComfyUI workflow"),
        (b'{"nodes": [], "links": []}', "no output node"),
    ],
)
def test_garbage_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], data: bytes, message: str) -> None:
    Path("x.json").write_bytes(data)
    assert run_file("x.json") == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1 and len(error) < 300


@pytest.mark.parametrize(("name", "message"), [(".", "is a folder"), ("no.json", "there is no file no.json")])
def test_what_is_no_file_is_one_line(capsys: pytest.CaptureFixture[str], name: str, message: str) -> None:
    assert run_file(name) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_a_picture_that_gpdm_run_wrote_runs_again() -> None:
    assert run(EDITOR) == 0
    assert run_file("o/good_00001_.png", "--image", "other.png") == 0
    with Image.open("o/good_00002_.png") as result:
        assert result.size == (30, 24)
        assert "workflow" not in result.info, "the editor's file is not what was run"
    assert run_file("o/good_00002_.png") == 0
    with Image.open("o/good_00003_.png") as result:
        assert result.size == (30, 24)


def png(name: str, chunks: list[bytes]) -> None:
    """Writes a small PNG with further chunks, each given as its type and content."""
    Image.new("RGB", (2, 2)).save(name, format="PNG")
    data = Path(name).read_bytes()
    added = b"".join(struct.pack(">I", len(each) - 4) + each + struct.pack(">I", zlib.crc32(each)) for each in chunks)
    Path(name).write_bytes(data[:-12] + added + data[-12:])


@pytest.mark.parametrize(
    "chunk",
    [
        b"tEXtprompt\0" + TEXT.encode(),
        b"zTXtprompt\0\0" + zlib.compress(TEXT.encode()),
        b"iTXtprompt\0\0\0\0\0" + TEXT.encode(),
        b"iTXtprompt\0\1\0en\0prompt\0" + zlib.compress(TEXT.encode()),
        b"tEXtPrompt\0" + TEXT.encode(),
        b"tEXtprompt\0" + TEXT.replace("in.png", "é.png").encode("latin-1"),
        b"comfprompt\0" + TEXT.encode(),
        b"tEXtprompt\0" + TEXT.encode() + b" " * 3_000_000,
        b"zTXtprompt\0\0" + zlib.compress(TEXT.encode() + b" " * 3_000_000),
    ],
    ids=["tEXt", "zTXt", "iTXt", "iTXt-packed", "capital", "latin-1", "comf", "3-MB", "3-MB-packed"],
)
def test_text_chunks_of_png(chunk: bytes) -> None:
    png("wf.png", [chunk])
    assert set(read_workflow(Path("wf.png"))) == {"1", "2"}


def test_a_cut_off_png_still_gives_its_workflow() -> None:
    info = PngInfo()
    info.add_text("prompt", TEXT)
    Image.effect_noise((200, 200), 50).save("wf.png", pnginfo=info)
    data = Path("wf.png").read_bytes()
    Path("wf.png").write_bytes(data[: len(data) // 2])
    assert read_workflow(Path("wf.png")) == copying()


@pytest.mark.parametrize(("name", "options"), [("a.webp", {}), ("a.webp", {"lossless": True}), ("a.jpg", {})])
def test_exif_of_webp_and_jpeg(name: str, options: dict[str, Any]) -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + TEXT
    exif[0x010F] = "workflow:" + json.dumps(EDITOR)
    Image.new("RGB", (8, 8)).save(name, exif=exif, **options)
    assert read_workflow(Path(name)) == EDITOR
    assert run_file(name) == 0


def test_of_both_the_workflow_goes_before_the_prompt() -> None:
    png("wf.png", [b"tEXtprompt\0" + TEXT.encode(), b"tEXtworkflow\0" + json.dumps(EDITOR).encode()])
    assert read_workflow(Path("wf.png")) == EDITOR


@pytest.mark.parametrize("workflow", ["null", "{}", "[]", "", "{", '{"a": 1,}'])
def test_the_prompt_is_used_where_the_workflow_is_empty_or_damaged(workflow: str) -> None:
    png("wf.png", [b"tEXtworkflow\0" + workflow.encode(), b"tEXtprompt\0" + TEXT.encode()])
    assert read_workflow(Path("wf.png")) == copying()


@pytest.mark.parametrize("name", ["plain.png", "plain.webp", "plain.jpg", "plain.gif", "plain.bmp", "plain.tif"])
def test_a_picture_without_a_workflow_is_one_line(capsys: pytest.CaptureFixture[str], name: str) -> None:
    Image.new("RGB", (8, 8)).save(name)
    assert run_file(name) == 2
    assert capsys.readouterr().err.startswith(f"gpdm: {name} is a picture without a workflow; give a file that")


@pytest.mark.parametrize(
    ("chunk", "message"),
    [
        (b"tEXtworkflow\0{", "the workflow in wf.png is neither JSON"),
        (b"tEXtworkflow\0null", "wf.png is a picture without a workflow"),
        (b"zTXtprompt\0\0garbage", "a text in wf.png is damaged"),
        (b"zTXtprompt\0\0" + zlib.compress(bytes(5001)), "a text in wf.png is longer than 5000 bytes"),
    ],
)
def test_a_damaged_workflow_in_a_picture_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], chunk: bytes, message: str
) -> None:
    monkeypatch.setattr(metadata, "LONGEST", 5000)
    png("wf.png", [chunk])
    assert run_file("wf.png") == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


def test_the_content_decides_what_a_file_is_and_not_its_name() -> None:
    png("picture.json", [b"tEXtprompt\0" + TEXT.encode()])
    Path("text.png").write_text(TEXT)
    assert read_workflow(Path("picture.json")) == read_workflow(Path("text.png")) == copying()


def test_pictures_of_a_workflow_in_a_picture_are_searched_beside_it() -> None:
    Path("there").mkdir()
    png("there/wf.png", [b"tEXtprompt\0" + TEXT.encode()])
    Path("in.png").rename("there/in.png")
    assert run_file("there/wf.png") == 0


@pytest.mark.parametrize(
    "workflow",
    [
        {"prompt": {}},
        [copying(), copying()],
        {"a": {"prompt": [1, "a", copying()]}, "b": {"prompt": [2, "b", copying()]}},
        {"prompt": "{"},
        "text",
    ],
    ids=["empty", "several", "several-runs", "damaged", "text"],
)
def test_what_holds_no_workflow_or_several_is_refused(workflow: Any) -> None:
    with pytest.raises(GPDMError, match="not a ComfyUI workflow"):
        check(workflow)


def test_of_a_prompt_and_a_workflow_in_one_file_the_prompt_runs() -> None:
    assert [
        node.id for node in check({"workflow": graph([load(8), save(9, 1)], [(1, 8, 0, 9, 0)]), "prompt": copying()})
    ] == ["1", "2"]
