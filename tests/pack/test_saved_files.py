"""Workflow files that people saved: the shipped files of commit 7f4b879, and the values they showed then.

`saved/values.json` was written by that commit's own reader. A file must show the same values for ever; inputs that came
later have their defaults.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gpdm.cli.definitions import all_definitions
from gpdm.cli.main import main
from gpdm.cli.validation import validate
from gpdm.cli.workflow import read_prompt, to_api

SAVED = Path(__file__).with_name("saved")
VALUES = json.loads((SAVED / "values.json").read_text())
EVERY_FILE = pytest.mark.parametrize("name", VALUES)


def workflow(name: str) -> dict[str, Any]:
    return json.loads((SAVED / "workflows" / f"{name}.json").read_text())


@EVERY_FILE
def test_a_saved_file_shows_the_values_it_was_saved_with(name: str) -> None:
    definitions = all_definitions()
    prompt = read_prompt(workflow(name), definitions)
    validate(prompt, definitions)
    now = {number: node["inputs"] for number, node in to_api(prompt).items()}
    assert now.keys() == VALUES[name].keys()
    for number, inputs in VALUES[name].items():
        assert {key: now[number][key] for key in inputs} == inputs
        kind = definitions[prompt[number].type]
        for key in now[number].keys() - inputs.keys():
            later = kind.input(key)
            assert later is not None and now[number][key] == later.options["default"], f"{number}.{key}"


@pytest.mark.parametrize("name", ["reshuffle", "style_transfer"])
def test_a_saved_file_runs(name: str, tmp_path: Path) -> None:
    node = next(each for each in workflow(name)["nodes"] if each["type"].startswith("GPDM_"))
    changes = [f"{node['id']}.height=24", f"{node['id']}.quality=fast"]
    arguments = [text for change in changes for text in ("--set", change)]
    pictures = Path(__file__).resolve().parents[2] / "workflows" / "inputs"
    for each in workflow(name)["nodes"]:
        if each["type"] == "LoadImage":
            arguments += ["--image", f"{each['id']}={pictures / each['widgets_values'][0]}"]
    file = SAVED / "workflows" / f"{name}.json"
    assert main(["run", str(file), "--out", str(tmp_path), "--device", "cpu", *arguments]) == 0
    assert list(tmp_path.glob("GPDM_*.png"))
