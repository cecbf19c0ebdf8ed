"""The pack in a real ComfyUI server, in a subprocess. Set COMFYUI_PATH (and COMFYUI_PYTHON) to run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from gpdm.cli.definitions import all_definitions
from gpdm.cli.workflow import read_prompt, to_api

ROOT = Path(__file__).resolve().parents[2]
NEED_MODEL = [
    ROOT / "workflows" / f"{name}.json" for name in ("diffusion_init", "diffusion_tileable", "inpaint_to_latent")
]
RUNNABLE = sorted({*(ROOT / "workflows").glob("*.json")} - {*NEED_MODEL})
"""The shipped workflow files that need no model."""
COMFYUI = os.environ.get("COMFYUI_PATH")
pytestmark = pytest.mark.skipif(not COMFYUI, reason="COMFYUI_PATH names no ComfyUI checkout")
PORT = 8199 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])  # each process of pytest-xdist has a server


def call(path: str, data: Any = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}{path}", None if data is None else json.dumps(data).encode()
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        body = answer.read()
    return json.loads(body) if body else None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    base = tmp_path_factory.mktemp("comfy")
    (base / "custom_nodes").mkdir()
    (base / "custom_nodes" / "ComfyUI-GPDM").symlink_to(ROOT)
    shutil.copytree(ROOT / "workflows" / "inputs", base / "input")
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    command = [python, "main.py", "--cpu", "--port", str(PORT), "--base-directory", str(base), "--disable-auto-launch"]
    command += ["--database-url", f"sqlite:///{base / 'comfy.db'}"]
    log = base / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=str(COMFYUI), stdout=output, stderr=subprocess.STDOUT)
    try:
        for _ in range(240):
            try:
                call("/system_stats")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, log.read_text()[-2000:]
                time.sleep(0.5)
        yield base
    finally:
        process.terminate()
        process.wait(20)


def prompt(num_steps: int, height: int) -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "pavilion.jpg"}},
        "2": {
            "class_type": "GPDM_Optimizer",
            "inputs": {"method": "adam", "lr": 0.01, "num_steps": num_steps, "tolerance": 0.0, "window": 50},
        },
        "3": {
            "class_type": "GPDM_Reshuffle",
            "inputs": {"reference": ["1", 0], "optimizer": ["2", 0], "seed": 3, "num_outputs": 1, "height": height},
        },
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "result"}},
    }


def history(prompt_id: str, seconds: float) -> dict[str, Any]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done := call(f"/history/{prompt_id}"):
            return done[prompt_id]
        time.sleep(0.05)
    raise AssertionError(f"the prompt did not end within {seconds} s")


def test_loads_without_a_warning(server: Path, comfyui_pack: ModuleType) -> None:
    nodes = {name for name in call("/object_info") if name.startswith("GPDM_")}
    assert nodes == set(comfyui_pack.NODE_CLASS_MAPPINGS)
    lines = [line for line in (server / "server.log").read_text().splitlines() if "GPDM" in line]
    assert len(lines) == 1, lines
    assert "IMPORT FAILED" not in lines[0]
    assert {"compare", "reshuffle"} <= set(call("/workflow_templates")["ComfyUI-GPDM"])


def test_runs(server: Path) -> None:
    done = history(call("/prompt", {"prompt": prompt(3, 32)})["prompt_id"], 60)
    assert done["status"]["status_str"] == "success", done["status"]
    with Image.open(server / "output" / done["outputs"]["4"]["images"][0]["filename"]) as result:
        assert result.size == (48, 32)


def test_a_saved_distribution_can_be_chosen_and_loaded(server: Path) -> None:
    nodes = prompt(3, 32)
    nodes["5"] = {
        "class_type": "GPDM_SaveDistribution",
        "inputs": {"images": ["1", 0], "filename_prefix": "looks/lake", "patch_size": 7},
    }
    done = history(call("/prompt", {"prompt": {key: nodes[key] for key in "15"}})["prompt_id"], 60)
    assert done["status"]["status_str"] == "success", done["status"]
    name = "looks/lake_00001_.safetensors [output]"
    table = call("/object_info/GPDM_LoadDistribution")["GPDM_LoadDistribution"]["input"]["required"]
    assert name in table["file"][0]
    nodes["5"] = {"class_type": "GPDM_LoadDistribution", "inputs": {"file": name, "weight": 1.0}}
    nodes["3"]["inputs"] |= {"references": ["5", 0], "seed": 4}
    done = history(call("/prompt", {"prompt": nodes})["prompt_id"], 60)
    assert done["status"]["status_str"] == "success", done["status"]
    nodes["5"]["inputs"]["file"] = "../main.py"
    done = history(call("/prompt", {"prompt": nodes})["prompt_id"], 60)
    assert done["status"]["status_str"] == "error" and "outside the folders" in json.dumps(done["status"])


@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.stem)
def test_shipped_workflows_run(server: Path, path: Path) -> None:
    """At a height of 44 pixels, with quality fast."""
    nodes = to_api(read_prompt(json.loads(path.read_text()), all_definitions()))
    for node in nodes.values():
        if isinstance(node["inputs"].get("quality"), str):  # not that of a file
            node["inputs"]["quality"] = "fast"
        if "frames" in node["inputs"]:
            node["inputs"]["frames"] = 4
        if "quality" in node["inputs"] and isinstance(node["inputs"].get("height"), int):  # not a map of a material
            node["inputs"]["height"] = 44
        for side in ("output_width", "output_height"):
            if node["inputs"].get(side):
                node["inputs"][side] = 44
        if node["class_type"] == "ImageScale":
            node["inputs"]["height"] = 44
    done = history(call("/prompt", {"prompt": nodes})["prompt_id"], 300)
    assert done["status"]["status_str"] == "success", done["status"]
    assert any(output.get("images") for output in done["outputs"].values())


def test_nodes_behind_a_map_that_is_not_connected_do_not_run(server: Path, comfyui_pack: ModuleType) -> None:
    inputs = comfyui_pack.NODE_CLASS_MAPPINGS["GPDM_MaterialTileable"].INPUT_TYPES()["required"]
    nodes: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "cobbles_height.png"}},
        "2": {"class_type": "ImageScale", "inputs": {"upscale_method": "area", "crop": "disabled", "image": ["1", 0]}},
        "3": {"class_type": "GPDM_MaterialTileable", "inputs": {name: x[1]["default"] for name, x in inputs.items()}},
        "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 4], "filename_prefix": "height"}},
        "5": {"class_type": "ImageInvert", "inputs": {"image": ["3", 1]}},
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "normal"}},
    }
    nodes["2"]["inputs"] |= {"width": 44, "height": 44}
    nodes["3"]["inputs"]["height"] = ["2", 0]
    done = history(call("/prompt", {"prompt": nodes})["prompt_id"], 60)
    assert done["status"]["status_str"] == "success", done["status"]
    assert [name for name, output in done["outputs"].items() if output.get("images")] == ["4"]


@pytest.mark.parametrize("path", NEED_MODEL, ids=lambda path: path.stem)
def test_shipped_workflows_lack_nothing_but_a_checkpoint(server: Path, path: Path) -> None:
    nodes = to_api(read_prompt(json.loads(path.read_text()), all_definitions()))
    try:
        answer = call("/prompt", {"prompt": nodes})  # outputs that need no checkpoint are made
        assert history(answer["prompt_id"], 300)["status"]["status_str"] == "success"
    except urllib.error.HTTPError as error:
        answer = json.loads(error.read())
    errors = [(node["class_type"], each["type"]) for node in answer["node_errors"].values() for each in node["errors"]]
    assert errors == [("CheckpointLoaderSimple", "value_not_in_list")]


def test_interrupt_stops_within_a_second(server: Path) -> None:
    prompt_id = call("/prompt", {"prompt": prompt(10000, 128)})["prompt_id"]
    time.sleep(3)
    asked = time.monotonic()
    call("/interrupt", {})
    done = history(prompt_id, 5)
    assert time.monotonic() - asked < 1
    assert done["status"]["status_str"] == "error"
    assert "execution_interrupted" in [message[0] for message in done["status"]["messages"]]
