"""Files among the flags of a command, notices, and the files that an error names."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from gpdm.cli import main as main_module
from gpdm.cli.files import save_picture
from gpdm.cli.main import build_parser, main
from gpdm.cli.notices import printed_notices
from gpdm.cli.task_flags import NONE

QUICK = ["--num-steps", "2", "--num-proj", "2", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate("abc"):
        Image.radial_gradient("L").resize((26 + i, 22)).convert("RGB").save(f"{name}.png")
    Image.new("L", (26, 22), 255).save("white.png")
    Image.new("RGB", (4, 4)).save("tiny.png")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        "style A B C -o out.png",
        "style A B -o out.png C",
        "style A -o out.png B C",
        "style -o out.png A B C",
        "style A -o out.png B --mask - C --json",
        "style --out=out.png A B -- C",
    ],
)
def test_the_last_picture_is_the_content_wherever_the_flags_stand(arguments: str) -> None:
    options = build_parser().parse_args(arguments.split())
    assert (options.style, options.content, options.out) == ([Path("A"), Path("B")], Path("C"), Path("out.png"))


@pytest.mark.parametrize("arguments", ["paint A B C -o out.png", "paint A -o out.png B C", "paint A B -o out.png C"])
def test_the_first_picture_is_the_daub(arguments: str) -> None:
    options = build_parser().parse_args(arguments.split())
    assert (options.daub, options.reference) == (Path("A"), [Path("B"), Path("C")])


def test_references_and_pictures_to_evaluate_may_stand_between_flags() -> None:
    assert build_parser().parse_args(["reshuffle", "A", "-o", "out.png", "B"]).reference == [Path("A"), Path("B")]
    assert build_parser().parse_args(["eval", "A", "B", "--plot", "p.png", "C"]).pictures == [Path("B"), Path("C")]


def test_names_may_begin_with_a_dash_after_two_dashes() -> None:
    options = build_parser().parse_args(["style", "-o", "out.png", "A", "--", "-B", "-C"])
    assert (options.style, options.content) == ([Path("A"), Path("-B")], Path("-C"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("style A -o out.png", "the following arguments are required: content"),
        ("style -o out.png", "the following arguments are required: style, content"),
        ("paint A -o out.png", "the following arguments are required: reference"),
        ("style A B", "the following arguments are required: -o/--out"),
        ("reshuffle A -o out.png --unknown B", "unrecognized arguments: --unknown B"),
    ],
)
def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments.split())
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"gpdm: {message}; see gpdm {arguments.split()[0]} --help\n"


def test_the_help_page_shows_the_files_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["style", "--help"])
    assert "style [style ...] content" in " ".join(capsys.readouterr().out.split())


def test_several_styles_are_mixed(folder: Path) -> None:
    assert main(["style", "a.png", "b.png", "-o", "out.png", "c.png", *QUICK]) == 0
    with Image.open("out.png") as result:
        assert result.size == (28, 22)


@pytest.mark.parametrize(
    ("arguments", "message", "files"),
    [
        (["style", "a.png", "tiny.png", "c.png"], "does not fit", "(style: a.png, tiny.png; content: c.png)"),
        (
            ["reshuffle", "a.png", "b.png", "--mask", "-", "--mask", "white.png"],
            "covers",
            "(reference: b.png; mask: white.png)",
        ),
        (["reshuffle", "a.png", "--mask", "white.png"], "covers the entire", "(reference: a.png; mask: white.png)"),
        (
            ["reshuffle", "a.png", "--region", "tiny.png"],
            "pixels of the output without a reference",
            "(reference: a.png; region: tiny.png)",
        ),
        (
            ["retarget", "a.png", "--keep", "white.png"],
            "covers the entire picture",
            "(reference: a.png; keep: white.png)",
        ),
        (
            ["retarget", "a.png", "--keep", "white.png", "--keep-picture", "c.png"],
            "aspect ratio",
            "(reference: a.png; keep: white.png; keep-picture: c.png)",
        ),
        (["reshuffle", "a.png", "--init", "tiny.png"], "does not fit", "(reference: a.png; init: tiny.png)"),
    ],
)
def test_an_error_of_the_library_names_the_files(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, files: str
) -> None:
    assert main([*arguments, "-o", "out.png", *QUICK]) == 2
    error = capsys.readouterr().err
    assert message in error and error.endswith(f"{files}\n") and len(error.splitlines()) == 1


def test_notices_are_lines_that_appear_once_per_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(options: object) -> dict[str, object]:
        for text in ("one\nnotice", "one\nnotice", "another"):
            logging.getLogger("gpdm").warning(text)
        logging.getLogger("gpdm.kernels").warning("from a module")
        logging.getLogger("gpdm").info("too quiet")
        return {"saved": [], "seconds": 0.0, "device": "cpu"}

    monkeypatch.setattr(main_module, "_work", run)
    for _ in range(2):
        assert main(["reshuffle", "a.png", "-o", "out.png"]) == 0
        said = capsys.readouterr().err.splitlines()
        assert said == ["gpdm: one notice", "gpdm: another", "gpdm: from a module", "0.0 s on cpu"]
    assert not logging.getLogger("gpdm").handlers


def test_notices_of_others_are_none_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with printed_notices():
        logging.getLogger("other").warning("not ours")
    assert "gpdm:" not in capsys.readouterr().err


def test_names_that_the_stream_cannot_show_are_written_by_number(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with open(1, "w", encoding="ascii", closefd=False) as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert main(["reshuffle", "a.png", "-o", "ü.png", *QUICK]) == 0
    assert capfdbinary.readouterr().out == b"\\xfc.png\n"


def test_an_error_while_writing_names_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    assert main(["reshuffle", "a.png", "-o", "out.png", *QUICK]) == 2
    assert capsys.readouterr().err == "gpdm: cannot write out.png: No space left on device\n"


def test_a_name_may_be_as_long_as_the_system_allows(folder: Path) -> None:
    name = "a" * 251 + ".png"
    assert main(["reshuffle", "a.png", "-o", name, *QUICK]) == 0
    assert Path(name).is_file()


def test_an_output_is_written_through_a_link(folder: Path) -> None:
    (folder / "real").mkdir()
    Path("link.png").symlink_to(folder / "real" / "out.png")
    assert main(["reshuffle", "a.png", "-o", "link.png", *QUICK]) == 0
    assert Path("link.png").is_symlink() and [path.name for path in (folder / "real").iterdir()] == ["out.png"]


@pytest.mark.parametrize("flags", [["--mask", "white.png"], ["--bits", "16"], ["--init", "tiny.png"]])
def test_no_folder_is_made_for_a_run_that_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    assert main(["reshuffle", "a.png", "-o", "new/folder/out.jpg", *flags, *QUICK]) == 2
    assert not Path("new").exists()
    assert main(["reshuffle", "a.png", "-o", "new/folder/out.jpg", *QUICK]) == 0
    assert Path("new/folder/out.jpg").is_file()


def test_a_folder_that_takes_no_files_is_refused_before_any_work(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root has all permissions, but cannot write into /sys, for example."""

    def fail(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("tempfile.TemporaryFile", fail)
    assert main(["reshuffle", "a.png", "-o", "there/out.png", *QUICK]) == 2
    message = "cannot write into the folder there: Operation not permitted; choose another with --out or -o"
    assert capsys.readouterr().err == f"gpdm: {message}\n"


def test_an_error_before_writing_names_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted", "/there/.out-x1y2z3.png")

    monkeypatch.setattr("tempfile.mkstemp", fail)
    with pytest.raises(OSError, match=r"^cannot write out\.png: Operation not permitted$"):
        save_picture(Image.new("L", (2, 2)), Path("out.png"))


def test_the_home_folder_may_be_meant_in_quotes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    flags = ["--mask", "~/m.png", "--mask", "-", "--keep", "~/k.png"]
    options = build_parser().parse_args(["reshuffle", "~/a.png", "~nobody-is-called-so/a.png", "-o", "~/o.png", *flags])
    assert options.reference == [folder / "a.png", Path("~nobody-is-called-so/a.png")]
    assert (options.out, options.mask, options.keep) == (folder / "o.png", [folder / "m.png", NONE], folder / "k.png")


@pytest.mark.parametrize("address", ["http://x/a.png", "https://x.org/a.png", "file:///a.png"])
def test_an_address_is_no_file(capsys: pytest.CaptureFixture[str], address: str) -> None:
    with pytest.raises(SystemExit):
        main(["reshuffle", address, "-o", "out.png"])
    reason = f"argument reference: {address} is an address on the network; save it and give the name of the file"
    assert capsys.readouterr().err == f"gpdm: {reason}; see gpdm reshuffle --help\n"
