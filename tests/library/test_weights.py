"""Reading files of Inception weights: both formats, and errors that name the file and the remedy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gpdm.errors import GPDMError
from gpdm.evaluation.inception_weights import load_inception_file
from gpdm.evaluation.sifid import LAYERS, load_inception


def state_dict() -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return {key: torch.rand(shape, generator=g) for layer in LAYERS for key, shape in layer.shapes().items()}


def write(path: Path, content: Any) -> Path:
    if path.suffix == ".safetensors":
        pytest.importorskip("safetensors.torch").save_file(content, path)
    else:
        torch.save(content, path)
    return path


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.PTH", "w.safetensors"])
def test_weights_are_read_as_they_were_written(tmp_path: Path, name: str) -> None:
    state = state_dict()
    loaded = load_inception_file(write(tmp_path / name, state | {"fc.weight": torch.zeros(3)})).weights
    expected = load_inception(state).weights
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[key], expected[key]) for key in expected)


def test_the_older_format_of_pytorch_is_read(tmp_path: Path) -> None:
    torch.save(state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert load_inception_file(tmp_path / "old.pth").weights


def assert_refused(path: Path, problem: str) -> None:
    """Asserts that the error names the problem, the file and the network in one line."""
    with pytest.raises(GPDMError, match=problem) as refused:
        load_inception_file(path)
    message = str(refused.value)
    assert path.name in message
    assert "Inception-v3" in message
    assert "weights_only" not in message, "PyTorch advises to load the file in a way that can run code"
    assert "\n" not in message


@pytest.mark.parametrize("name", ["none.pth", "none.safetensors"])
def test_a_missing_file_is_refused(tmp_path: Path, name: str) -> None:
    assert_refused(tmp_path / name, "there is no file .*none.* check the path")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    assert_refused(tmp_path / "folder.pth", "there is no file")


@pytest.mark.parametrize("name", ["w.onnx", "w", "w.ckpt"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    assert_refused(tmp_path / name, r"its name must end in one of \.pth, \.pt, \.safetensors")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("damage", ["empty", "noise", "text", "half", "page"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, damage: str) -> None:
    path = write(tmp_path / name, state_dict())
    content = path.read_bytes()
    noise = bytes(torch.randint(256, (500,), generator=torch.Generator().manual_seed(1)).tolist())
    damaged = {
        "empty": b"",
        "noise": noise,
        "text": b"weights",
        "half": content[: len(content) // 2],
        "page": b"<!DOCTYPE html><html>",
    }
    path.write_bytes(damaged[damage])
    assert_refused(path, "is not a readable state dict; give the state dict")


class ArbitraryObject:
    """An object that is no tensor."""


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (torch.zeros(3), "holds Tensor and not a state dict"),
        ([torch.zeros(3)], "holds list and not a state dict"),
        (
            {"state_dict": state_dict()},
            "does not hold the expected Inception-v3 weights: there is no Conv2d_1a_3x3.conv.weight among the weights",
        ),
        ({"Conv2d_1a_3x3.conv.weight": torch.zeros(8, 3, 3, 3)}, r"Conv2d_1a_3x3.conv.weight has shape \(8, 3, 3, 3\)"),
        (ArbitraryObject(), "is not a readable state dict"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: Any, problem: str) -> None:
    assert_refused(write(tmp_path / "w.pth", content), problem)


def test_safetensors_is_needed_only_for_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    assert load_inception_file(write(tmp_path / "w.pth", state_dict())).weights
    (tmp_path / "w.safetensors").write_bytes(b"")
    with pytest.raises(GPDMError, match="needs the package safetensors, which is not installed; install it or use"):
        load_inception_file(tmp_path / "w.safetensors")
