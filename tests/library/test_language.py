"""The mechanical part of the language rules (CONTRIBUTING.md): how docstrings and tooltips begin, and names that are retired."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from gpdm import EDITS, MATCHES, TASKS, Edit, Match, Task

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("gpdm", "nodes", "tools", "benchmarks")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in FILES]
EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=IDS)

NO_BEGINNING = (
    "it its he she they their them this that these those who whose whom which what whatever whether how where when why "
    "some any none nothing ones something there here of if so as than and or but because not no"
)
"""Words that begin neither a verb phrase nor a noun phrase that names what is returned."""

RETIRED = (
    "pull pulls pull_bytes drawn drawn_value DRAWN GPU_DRAWN Drawn Pull ReferenceSides TorchSide TritonSide sides heights slopes "
    "SLOPES Passes TorchPasses passes look_up_and_carry_back carry_back corner whole whole_weights WHOLE wide mass masses "
    "advance Repeatable repeatable is_repeatable curvature has_curvature Walk walk Pace pace Captured ALIKE SYNCHRONISED "
    "contest near_enough NEAR_ENOUGH attempt with_less_on_failure Descent descend LevelOptimizer Problem Places places "
    "figures cells instruments told MEANINGS with_figure GRID PATCH BORDER EVERY HIGH WORST WANTED SMALLEST DEPTH "
    "HEIGHTS SMALL LEAST_SIDE"
)
"""Names of the first version that had several meanings, or none that a reader of the field knows."""


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yields (name, docstring) of the module, its classes and its functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text is not None:
                yield getattr(node, "name", "module"), text


def names(path: Path) -> Iterator[str]:
    """Yields every name that a file defines, reads or passes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.arg, ast.keyword)) and node.arg is not None:
            yield node.arg


def first_word(text: str) -> str:
    return re.sub(r"[^\w-].*", "", text.strip().split()[0].strip("\"'`(*")).lower()


def is_phrase(text: str) -> bool:
    """Whether a text may be a sentence or a noun phrase: it has two words or more, a full stop, and a usual first word."""
    question = text.split("\n\n")[0].strip().endswith("?")  # a benchmark states the question that it answers
    return len(text.split()) >= 2 and (question or first_word(text) not in NO_BEGINNING.split())


@EVERY_FILE
def test_docstrings_begin_with_a_verb_or_a_noun_phrase(path: Path) -> None:
    wrong = [f"{name}: {text.splitlines()[0]}" for name, text in docstrings(path) if not is_phrase(text)]
    assert not wrong


@EVERY_FILE
def test_docstrings_end_their_first_sentence(path: Path) -> None:
    wrong = [
        f"{name}: {text.splitlines()[0]}"
        for name, text in docstrings(path)
        if text.split("\n\n")[0].strip()[-1] not in ".:?"
    ]
    assert not wrong


@EVERY_FILE
def test_retired_names_do_not_come_back(path: Path) -> None:
    assert sorted({*RETIRED.split()} & {name.lstrip("_") for name in names(path)}) == []


@EVERY_FILE
def test_prose_lines_are_at_most_120_characters(path: Path) -> None:
    """The formatter keeps code short; docstrings and comments are up to the writer. Help texts and messages may run on."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = path.read_text(encoding="utf-8").splitlines()
    prose = {number for number, line in enumerate(lines, 1) if line.strip().startswith("#")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            prose |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    assert [number for number in sorted(prose) if len(lines[number - 1]) > 120] == []


def texts_of(node: type) -> dict[str, str]:
    """Returns the texts that a person sees on a node, by where they stand."""
    found = {"description": node.DESCRIPTION}
    for table in node.INPUT_TYPES().values():
        found |= {name: spec[1]["tooltip"] for name, spec in table.items()}
    return found | {f"output {name}": text for name, text in zip(node.RETURN_NAMES, node.OUTPUT_TOOLTIPS, strict=True)}


def test_tooltips_are_one_or_two_sentences(comfyui_pack: ModuleType) -> None:
    wrong = []
    for name, node in comfyui_pack.NODE_CLASS_MAPPINGS.items():
        for place, text in texts_of(node).items():
            sentences = re.findall(r"[.!?](?=\s+[A-Za-z0-9`]|$)", text.replace("e.g.", "").replace("Not connected", ""))
            if not (is_phrase(text) and text.endswith(".") and len(sentences) <= 2):
                wrong.append(f"{name}.{place}: {text}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "record", [*TASKS.values(), *EDITS.values(), *MATCHES.values()], ids=lambda record: record.name
)
def test_texts_of_records_are_sentences(record: Task | Edit | Match) -> None:
    """Summary and helps are tooltips too, which are checked above; advice and note stand in help pages and files."""
    for text in (record.summary, record.advice, record.example.note):
        assert len(text.split()) > 2 and text.endswith(".") and not text[0].islower(), text


def test_the_loss_node_shows_seven_widgets_at_most(comfyui_pack: ModuleType) -> None:
    tables = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_SWDLoss"].INPUT_TYPES().values()
    shown = [name for table in tables for name, spec in table.items() if not spec[1].get("advanced")]
    assert set(shown) == {
        "patch_size",
        "num_proj",
        "detail",
        "coherence",
        "coherence_tolerance",
        "small_patches",
        "variety",
    }


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs" / "adr").glob("*.md"))], ids=lambda p: p.name
)
def test_lines_of_documents_are_at_most_100_characters(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > 100 and not (path.name != "README.md" and line.startswith("|"))] == []
