"""The README keeps its promises: the two lines, the Python example, the files it names."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import gpdm
from gpdm.cli.definitions import all_definitions
from gpdm.cli.main import build_parser
from gpdm.cli.workflow import read_prompt
from library.problems import picture

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def first_block(heading: str) -> list[str]:
    section = README.split(f"\n## {heading}\n", 1)[1]
    return section.split("```", 2)[1].split("\n", 1)[1].strip().replace("\\\n", "").splitlines()


@pytest.mark.parametrize("heading", ["Quick start", "Tests"])
def test_first_block_is_one_command(heading: str) -> None:
    assert len(first_block(heading)) == 1


def test_quick_start_makes_a_picture_as_large_as_its_sample() -> None:
    (file,) = re.findall(r"gpdm run (\S+)", first_block("Quick start")[0])
    prompt = read_prompt(json.loads((ROOT / file).read_text()), all_definitions())
    inputs = {node.type: node.inputs for node in prompt.values()}
    with Image.open(ROOT / "workflows" / "inputs" / inputs["LoadImage"]["image"]) as sample:
        width, height = sample.size
    assert inputs["GPDM_Reshuffle"]["height"] == 0
    assert f"a new picture of {width} x {height} pixels" in README


def test_sections_come_in_their_order() -> None:
    titles = re.findall(r"^## (.*)$", README, re.MULTILINE)
    order = [
        "Quick start",
        "Install in ComfyUI",
        "Nodes",
        "Tasks",
        "Edits",
        "Looks",
        "Materials",
        "What the field does",
    ]
    assert titles[:10] == [*order, "Python", "Tests"]


def test_everything_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", README)
    assert len(links) > 10
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_node_is_in_the_list(comfyui_pack) -> None:
    for name in comfyui_pack.NODE_DISPLAY_NAME_MAPPINGS.values():
        assert f"- **{name}**: " in README


def test_no_line_is_longer_than_100_characters() -> None:
    assert [line for line in README.splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "workflows").glob("*.json")))
def test_every_workflow_is_linked(name: str) -> None:
    assert f"(workflows/{name}.json)" in README


@pytest.mark.parametrize("task", gpdm.TASKS.values(), ids=gpdm.TASKS)
def test_the_command_of_a_task_is_one_that_runs(task: gpdm.Task) -> None:
    command = re.search(rf"^gpdm {task.command} (?:.*\\\n)?.*$", README, re.MULTILINE)
    assert command is not None
    options = build_parser().parse_args(command[0].replace("\\\n", " ").split()[1:])
    assert options.task.task == task.name
    assert str(options.out) == f"{task.command}.png"
    for given in task.pictures:
        files = getattr(options, given.name)
        for file in [files] if given.start else files:
            assert (ROOT / file).is_file()


@pytest.mark.parametrize("edit", gpdm.EDITS.values(), ids=gpdm.EDITS)
def test_an_edit_is_in_the_table_of_nodes_and_has_a_command(edit: gpdm.Edit) -> None:
    assert f"| GPDM {edit.title} |" in README.split("**Which node do I take?**", 1)[1].split("**Which setting", 1)[0]
    command = re.search(rf"^gpdm {edit.command} (?:.*\\\n)?.*$", README, re.MULTILINE)
    assert command is not None
    options = build_parser().parse_args(command[0].replace("\\\n", " ").split()[1:])
    assert (options.edit.edit, str(options.out)) == (edit.name, f"{edit.command}.png")
    images = options.image if isinstance(options.image, list) else [options.image]
    for file in (*images, *([options.mask] if edit.needs_mask else [])):
        assert (ROOT / file).is_file()


@pytest.mark.parametrize("match", gpdm.MATCHES.values(), ids=gpdm.MATCHES)
def test_a_match_is_in_the_table_of_nodes_and_has_a_command(match: gpdm.Match) -> None:
    assert f"| GPDM {match.title} |" in README.split("**Which node do I take?**", 1)[1].split("**Which setting", 1)[0]
    command = re.search(rf"^gpdm {match.command} (?:.*\\\n)?.*$", README, re.MULTILINE)
    assert command is not None
    options = build_parser().parse_args(command[0].replace("\\\n", " ").split()[1:])
    assert (options.match.match, str(options.out)) == (match.name, f"{match.command}.png")
    for file in (options.reference, *options.image):
        assert (ROOT / file).is_file()


def test_the_feature_table_names_commands_and_flags_that_exist() -> None:
    table = README.split("## What the field does", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len(rows) > 20 and {len(row) for row in rows} == {6}
    assert {cell for row in rows for cell in row[1:5]} <= {"yes", "no", "partly"}
    here = " ".join(row[5] for row in rows)
    commands: Any = next(action for action in build_parser()._actions if action.dest == "command").choices
    assert set(re.findall(r"`(?:gpdm )?([a-z]+)", here)) <= set(commands)
    known = {flag for parser in commands.values() for flag in parser._option_string_actions}
    assert set(re.findall(r"(--[a-z-]+)", here)) <= known


def test_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "\n".join(README.split("## Python", 1)[1].split("```python\n", 1)[1].split("```", 1)[0].splitlines())
    assert "num_steps=100" in code
    code = code.replace("num_steps=100", "num_steps=2").replace("workflows/inputs", str(ROOT / "workflows" / "inputs"))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert {path.name for path in tmp_path.iterdir()} == {"out_0.png", "out_1.png", "loss.png"}


def test_example_of_masks_and_canvas_runs() -> None:
    blocks = README.split("## Python", 1)[1].split("## Tests", 1)[0].split("```python\n")
    code = blocks[2].split("```", 1)[0]
    assert code.count('quality="fast"') == 3
    short = replace(gpdm.TASKS["reshuffle"].recipe("fast"), optimizer=gpdm.Optimizer(num_steps=2))
    reference = picture(64, 96)
    names: dict = {"gpdm": gpdm, "reference": reference, "short": short}
    exec(compile(code.replace('quality="fast"', "recipe=short"), "README.md", "exec"), names)
    assert torch.equal(names["kept"][..., :48], reference[..., :48])
    assert torch.equal(names["mixed"].flip(2), names["mixed"])
    assert names["tile"].shape == reference.shape
