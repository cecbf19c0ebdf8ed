"""`--seed`: the same range and the same answer in `gpdm run` and in the tasks."""

from __future__ import annotations

import pytest

from gpdm.cli.main import build_parser, main

COMMANDS = [["run", "w.json"], ["reshuffle", "a.png", "-o", "out.png"], ["style", "a.png", "b.png", "-o", "out.png"]]
EVERY_COMMAND = pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])


@EVERY_COMMAND
@pytest.mark.parametrize("seed", ["-1", str(2**64), "1.5", "many", "", "9" * 5000])
def test_a_seed_out_of_range_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], command: list[str], seed: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, f"--seed={seed}"])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "is not allowed: it must be a whole number from 0 to 18446744073709551615" in error
    assert len(error.splitlines()) == 1


@EVERY_COMMAND
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_ends_of_the_range_are_seeds(command: list[str], seed: int) -> None:
    assert build_parser().parse_args([*command, "--seed", str(seed)]).seed == seed
