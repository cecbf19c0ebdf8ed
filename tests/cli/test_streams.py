"""Output that nobody reads any more, or that cannot be written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from gpdm.cli import main as main_module
from gpdm.cli.main import main
from gpdm.cli.streams import exit_code


def streams(monkeypatch: pytest.MonkeyPatch, kind: str) -> Path:
    """Makes a pipe without a reader, or a full disk, the standard output, and a file the standard error stream."""
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr("sys.stdout", open(writing if kind == "closed pipe" else "/dev/full", "w"))  # noqa: SIM115
    if kind != "closed pipe":
        os.close(writing)
    monkeypatch.setattr("sys.stderr", open("errors", "w"))  # noqa: SIM115
    return Path("errors")


def report() -> int:
    print("out.png")
    return 0


def help_page() -> NoReturn:
    print("help")
    sys.exit(0)


@pytest.mark.parametrize("command", [report, help_page])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("closed pipe", ""),
        pytest.param(
            "full disk",
            "gpdm: the output cannot be written: No space left on device\n",
            marks=pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full"),
        ),
    ],
)
def test_output_that_cannot_be_written_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Callable[[], int], kind: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    errors = streams(monkeypatch, kind)
    assert exit_code(command) == 2
    sys.stdout.close()  # as at the end of the process
    sys.stderr.close()
    assert errors.read_text() == message


def test_a_closed_pipe_during_the_work_ends_it_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(options: object) -> NoReturn:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main_module, "_work", fail)
    errors = streams(monkeypatch, "closed pipe")
    assert main(["reshuffle", "a.png", "-o", "out.png"]) == 2
    sys.stdout.close()
    sys.stderr.close()
    assert errors.read_text() == ""


def test_a_process_without_an_error_stream_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert exit_code(lambda: print("lost", file=sys.stderr) or sys.stderr.write("lost")) == 4
    sys.stderr.close()
