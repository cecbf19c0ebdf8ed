"""Every shipped workflow file: valid, readable on the canvas, and running headless."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from gpdm import EDITS, MATCHES, MATERIALS, TASKS, Keep, from_pil
from gpdm.cli.definitions import all_definitions
from gpdm.cli.main import main
from gpdm.cli.validation import validate
from gpdm.cli.workflow import Link, read_prompt

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "workflows").glob("*.json"))
TASK_FILES = {task.file: task for task in TASKS.values()}
EDIT_FILES = {edit.file: edit for edit in EDITS.values()}
MATCH_FILES = {match.file: match for match in MATCHES.values()}
MATERIAL_FILES = {material.file: material for material in MATERIALS.values()}
NAMES = sorted(
    [
        *TASK_FILES,
        *EDIT_FILES,
        *MATCH_FILES,
        *MATERIAL_FILES,
        "collage",
        "compare",
        "composed",
        "daub",
        "diffusion_init",
        "diffusion_tileable",
        "half_drop",
        "inpaint_to_latent",
        "kaleidoscope",
        "keep_object",
        "keep_part",
        "look_as_lut",
        "loop",
        "masked_reference",
        "mix",
        "mix_strip",
        "patch_denoiser",
        "regions",
        "regular_texture",
        "saved_look",
        "stop_and_paint",
        "style_kept",
        "symmetric_tile",
        "tileable_texture",
        "variety",
    ]
)
MAKERS = ["GPDM_Synthesize", *(task.node_id for task in TASKS.values())]


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def test_the_promised_files_are_there() -> None:
    assert [path.stem for path in FILES] == NAMES
    for path in FILES:
        with Image.open(path.with_suffix(".jpg")) as thumbnail:
            assert max(thumbnail.size) <= 768, path.stem


def test_files_are_what_the_tool_writes() -> None:
    assert (
        subprocess.run([sys.executable, ROOT / "tools" / "make_workflows.py", "--check"], check=False).returncode == 0
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_valid(path: Path) -> None:
    definitions = all_definitions()
    order = validate(read_prompt(read(path), definitions), definitions)
    real = [node for node in read(path)["nodes"] if node["type"] != "Note"]
    assert {node.id for node in order} == {str(node["id"]) for node in real}, "every node takes part"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_links_and_slots_agree(path: Path) -> None:
    workflow = read(path)
    nodes = {node["id"]: node for node in workflow["nodes"]}
    assert workflow["version"] == 0.4 and workflow["last_node_id"] == max(nodes)
    for number, source, slot, target, place, kind in workflow["links"]:
        assert number in nodes[source]["outputs"][slot]["links"]
        assert nodes[target]["inputs"][place]["link"] == number
        assert nodes[source]["outputs"][slot]["type"] == kind
        assert nodes[target]["inputs"][place]["type"] in (kind, "*")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_person_can_read_it(path: Path) -> None:
    workflow = read(path)
    boxes = [(*node["pos"], *node["size"]) for node in workflow["nodes"]]
    title = 30  # drawn above the node's position
    for i, (x, y, width, height) in enumerate(boxes):
        for x2, y2, width2, height2 in boxes[i + 1 :]:
            apart = x + width <= x2 or x2 + width2 <= x or y + height <= y2 - title or y2 + height2 <= y - title
            assert apart, f"{path.stem}: nodes overlap"
        inside = [
            g
            for g in workflow["groups"]
            if g["bounding"][0] <= x
            and x + width <= g["bounding"][0] + g["bounding"][2]
            and g["bounding"][1] <= y - title
            and y + height <= g["bounding"][1] + g["bounding"][3]
        ]
        assert len(inside) == 1, f"{path.stem}: every node lies in one group"
    assert any(node["type"] == "Note" for node in workflow["nodes"])


@pytest.mark.parametrize("name", [*TASK_FILES, pytest.param("compare", marks=pytest.mark.slow), "composed"])
def test_runs_headless(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On tiny pictures. The other files have tests of what they make, below."""
    workflow = read(ROOT / "workflows" / f"{name}.json")
    small = tmp_path / "small.png"
    loads = [node for node in workflow["nodes"] if node["type"] == "LoadImage"]
    with Image.open(ROOT / "workflows" / "inputs" / loads[0]["widgets_values"][0]) as picture:
        picture.resize((28, 24)).save(small)
    arguments = [
        "run",
        str(ROOT / "workflows" / f"{name}.json"),
        "--out",
        str(tmp_path / "out"),
        "--device",
        "cpu",
        "--seed",
        "3",
        "--json",
    ]
    arguments += [text for _ in loads for text in ("--image", str(small))]
    if name == "composed":
        arguments += ["--set", "GPDM_Optimizer.num_steps=2", "--set", "GPDM_PyramidSchedule.coarse_dim=16"]
    making = next(node for node in workflow["nodes"] if node["type"] in MAKERS)
    if name == "compare":  # what is judged has to have some size; the published settings are slow
        arguments += ["--set", "Scale for all.height=44", "--set", "Published settings.quality=fast"]
        arguments += ["--set", "Balanced.quality=fast"]
    else:
        arguments += ["--set", f"{making['id']}.height=21", "--set", f"{making['id']}.quality=fast"]
    assert main(arguments) == 0
    saved = [Path(path) for path in json.loads(capsys.readouterr().out)["saved"]]
    assert [path.name for path in saved if path.name.startswith("GPDM_")]
    previews = any(node["type"] == "PreviewImage" for node in workflow["nodes"])
    assert previews == any(path.name == "preview_00001_.png" for path in saved)
    with Image.open(saved[0]) as result:
        assert "prompt" in result.info
        assert "workflow" not in result.info, "the file on disk is not what was run: values were changed from outside"


@pytest.mark.parametrize("name", ["diffusion_init", "diffusion_tileable"])
def test_a_file_with_a_model_is_valid_but_says_that_it_needs_comfyui(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(ROOT / "workflows" / f"{name}.json")
    assert main(["run", path, "--validate"]) == 0
    assert main(["run", path, "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "CheckpointLoaderSimple" in message and "open the file in ComfyUI" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", TASK_FILES)
def test_the_workflow_of_a_task_shows_its_example(name: str) -> None:
    task, nodes = TASK_FILES[name], read(ROOT / "workflows" / f"{name}.json")["nodes"]
    loaded = [node["widgets_values"][0] for node in nodes if node["type"] == "LoadImage"]
    assert loaded == [task.example.pictures[picture.name] for picture in task.pictures]
    prompt = read_prompt(read(ROOT / "workflows" / f"{name}.json"), all_definitions())
    (making,) = [node for node in prompt.values() if node.type in MAKERS]
    assert making.inputs.items() >= task.example.values.items()
    (note,) = [node["widgets_values"][0] for node in nodes if node["type"] == "Note"]
    assert task.example.note in note and task.advice in note


def small_copy(file: str, folder: Path, size: tuple[int, int] = (48, 40)) -> Path:
    """A small copy of a sample picture, with its mask."""
    with Image.open(ROOT / "workflows" / "inputs" / file) as picture:
        picture.resize(size).save(folder / f"{Path(file).stem}.png")
    return folder / f"{Path(file).stem}.png"


@pytest.mark.parametrize("name", EDIT_FILES)
def test_the_workflow_of_an_edit_runs_headless(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On small copies of its pictures, with a seed from outside."""
    edit, file = EDIT_FILES[name], ROOT / "workflows" / f"{name}.json"
    loads = [node for node in read(file)["nodes"] if node["type"] in ("LoadImage", "LoadImageMask")]
    copies = [small_copy(node["widgets_values"][0], tmp_path) for node in loads]
    arguments = [text for copy in copies for text in ("--image", str(copy))]
    out = tmp_path / "out"
    assert main(["run", str(file), "--out", str(out), "--device", "cpu", "--seed", "3", "--json", *arguments]) == 0
    saved = [Path(path) for path in json.loads(capsys.readouterr().out)["saved"]]
    assert [path.name for path in saved if path.name.startswith(f"GPDM_{edit.command}_0")]
    previews = any(node["type"] == "PreviewImage" for node in read(file)["nodes"])
    assert previews == any(path.name == "preview_00001_.png" for path in saved)
    shows_text = any(node["type"] == "PreviewAny" for node in read(file)["nodes"])
    assert shows_text == (edit.metrics is not None)
    assert pixels(saved[0]).shape[2] >= 40


@pytest.mark.parametrize("name", EDIT_FILES)
def test_the_workflow_of_an_edit_shows_its_example(name: str) -> None:
    edit, nodes = EDIT_FILES[name], read(ROOT / "workflows" / f"{name}.json")["nodes"]
    loaded = [node["widgets_values"][0] for node in nodes if node["type"] in ("LoadImage", "LoadImageMask")]
    example = edit.example
    assert loaded == list(dict.fromkeys(file for file in (example.image, example.mask) if file is not None))
    prompt = read_prompt(read(ROOT / "workflows" / f"{name}.json"), all_definitions())
    (making,) = [node for node in prompt.values() if node.type == edit.node_id]
    assert making.inputs.items() >= example.values.items()
    assert isinstance(making.inputs.get("mask"), Link) == (example.mask is not None)
    (note,) = [node["widgets_values"][0] for node in nodes if node["type"] == "Note"]
    assert example.note in note and edit.advice in note


@pytest.mark.parametrize("name", MATERIAL_FILES)
def test_the_workflow_of_a_material_runs_headless(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On small copies of its maps, all of which come out again."""
    material, file = MATERIAL_FILES[name], ROOT / "workflows" / f"{name}.json"
    loads = [node for node in read(file)["nodes"] if node["type"] in ("LoadImage", "LoadImageMask")]
    copies = [small_copy(node["widgets_values"][0], tmp_path) for node in loads]
    arguments = [text for copy in copies for text in ("--image", str(copy))]
    if name == "material_texture":
        arguments += ["--set", "GPDM_MaterialTexture.quality=draft"]
    out = tmp_path / "out"
    assert main(["run", str(file), "--out", str(out), "--device", "cpu", "--seed", "3", "--json", *arguments]) == 0
    saved = [Path(path).name for path in json.loads(capsys.readouterr().out)["saved"]]
    names = ["preview", *material.example.maps]
    assert sorted(saved) == sorted(f"GPDM_{material.name}_{each}_00001_.png" for each in names)
    prompt = read_prompt(read(file), all_definitions())
    (making,) = [node for node in prompt.values() if node.type == material.node_id]
    assert making.inputs.items() >= material.example.values.items()
    (note,) = [node["widgets_values"][0] for node in read(file)["nodes"] if node["type"] == "Note"]
    assert material.example.note in note and material.advice in note


def run_small(name: str, folder: Path, *more: str) -> list[Path]:
    """Runs a workflow at a height of 36 pixels, fast; returns the files whose names begin with GPDM_."""
    assert main(["run", str(ROOT / "workflows" / f"{name}.json"), "--out", str(folder), "--device", "cpu", *more]) == 0
    return sorted(folder.glob("GPDM_*.png"))


def pixels(path: Path) -> Tensor:
    with Image.open(path) as image:
        return from_pil(image)


def test_the_kept_part_stays_and_copies_meet(tmp_path: Path) -> None:
    small = [text for each in ("height=36", "quality=fast") for text in ("--set", f"GPDM_Reshuffle.{each}")]
    kept, copies = run_small("keep_part", tmp_path, *small)
    reference = pixels(ROOT / "workflows" / "inputs" / "dahlia_painted.png")
    expected = Keep(reference[:, :3], (1 - reference[:, 3:]) / 2).at((36, 54), "circular")
    inside = expected.mask[0, 0] >= 0.5
    assert 400 < int(inside.sum()) < 900
    assert torch.allclose(pixels(kept)[0][:, inside], expected.image[0][:, inside], atol=1 / 127)
    assert (pixels(kept)[0][:, ~inside] - expected.image[0][:, ~inside]).abs().mean() > 0.05
    assert torch.equal(pixels(copies), pixels(kept).repeat(1, 1, 2, 2))


def test_the_kept_object_is_moved(tmp_path: Path) -> None:
    small = [text for each in ("height=40", "quality=fast") for text in ("--set", f"GPDM_Retarget.{each}")]
    (made,) = run_small("keep_object", tmp_path, *small)
    reference = pixels(ROOT / "workflows" / "inputs" / "pavilion_painted.png")
    kept = Keep(reference[:, :3], (1 - reference[:, 3:]) / 2).at((40, 60), "free")
    _, columns = (kept.mask[0, 0] >= 0.5).nonzero().T
    middle = (int(columns.min()) + int(columns.max()) + 1) / 2
    shift = round(1.6 * middle) - round(middle)
    inside = kept.mask[0, 0] >= 0.5
    best = min(
        float((pixels(made)[0][:, :, at : at + 60][:, inside] - kept.image[0][:, inside]).abs().mean())
        for at in (shift - 1, shift, shift + 1)
    )
    assert pixels(made).shape[2:] == (40, 96)
    assert best < 1 / 100


@pytest.mark.slow
def test_what_is_painted_is_left_out(tmp_path: Path) -> None:
    """The building is the only red thing: without it no pixel is much redder than green."""
    settings = ("GPDM_Reshuffle.height=48", "GPDM_Reshuffle.quality=fast")
    (made,) = run_small("masked_reference", tmp_path, *(text for each in settings for text in ("--set", each)))
    with Image.open(ROOT / "workflows" / "inputs" / "pavilion_painted.png") as reference:
        seen = from_pil(reference.convert("RGB").resize((72, 48), Image.Resampling.BOX))

    def reddest(image: Tensor) -> float:
        return float((image[0] - image[1]).flatten().topk(40).values.mean())

    assert reddest(pixels(made)[0]) < 0.35 < 0.5 < reddest(seen[0])


@pytest.mark.slow
def test_copies_of_a_tile_meet_without_a_seam(tmp_path: Path) -> None:
    small = ["--set", "GPDM_TextureSynthesis.height=40", "--set", "GPDM_TextureSynthesis.quality=fast"]
    tile, copies = run_small("tileable_texture", tmp_path, *small)
    one, four = pixels(tile), pixels(copies)
    assert torch.equal(four, one.repeat(1, 1, 2, 2))
    steps = (four[..., 1:] - four[..., :-1]).abs().mean((0, 1, 2))
    assert steps[one.shape[3] - 1] < 2.5 * steps.median()


@pytest.mark.slow
def test_a_symmetric_tile_is_unchanged_by_a_quarter_turn(tmp_path: Path) -> None:
    small = [f"GPDM_TextureSynthesis.{name}" for name in ("height=40", "output_width=40", "output_height=40")]
    more = [text for setting in (*small, "GPDM_TextureSynthesis.quality=fast") for text in ("--set", setting)]
    tile, _ = run_small("symmetric_tile", tmp_path, *more)
    assert torch.equal(pixels(tile).rot90(1, (2, 3)), pixels(tile))


@pytest.mark.slow
def test_left_and_right_of_a_kaleidoscope_are_mirror_images(tmp_path: Path) -> None:
    small = [f"GPDM_TextureSynthesis.{name}" for name in ("height=40", "output_width=40", "output_height=40")]
    more = [text for setting in (*small, "GPDM_TextureSynthesis.quality=fast") for text in ("--set", setting)]
    (made,) = run_small("kaleidoscope", tmp_path, *more)
    image = pixels(made)
    assert float((image - image.flip(3)).abs().mean()) < 0.1 * float((image - image.roll(20, 3)).abs().mean())


@pytest.mark.slow
def test_columns_of_a_half_drop_are_moved_down_by_half(tmp_path: Path) -> None:
    small = ["--set", "GPDM_TextureSynthesis.height=40", "--set", "GPDM_TextureSynthesis.quality=fast"]
    for file in run_small("half_drop", tmp_path, *small):
        image = pixels(file)
        height, width = image.shape[2] // 2, image.shape[3] // 3
        first, second = image[..., :height, :width], image[..., :height, width : 2 * width]
        assert torch.equal(second, first.roll(height // 2, 2))
        steps = (image[..., 1:] - image[..., :-1]).abs().mean((0, 1, 2))
        assert steps[width - 1] < 2.5 * steps.median()


@pytest.mark.slow
def test_regions_put_the_sky_above(tmp_path: Path) -> None:
    small = ["--set", "GPDM_Reshuffle.height=48", "--set", "GPDM_Reshuffle.quality=fast"]
    (made,) = run_small("regions", tmp_path, *small)
    image = pixels(made)[0]
    blue = image[2] - image[0]
    assert blue[:15].mean() > 0.2 > 0.0 > blue[-11:].mean()


def test_the_example_chains_a_diffusion_result_into_the_guess() -> None:
    prompt = read_prompt(read(ROOT / "workflows" / "diffusion_init.json"), all_definitions())
    guess = next(node for node in prompt.values() if node.type == "GPDM_InitialGuess")
    link = guess.inputs["init"]
    assert isinstance(link, Link) and prompt[link.node].type == "VAEDecode"


def test_a_diffusion_result_becomes_a_tile() -> None:
    prompt = read_prompt(read(ROOT / "workflows" / "diffusion_tileable.json"), all_definitions())
    (tile,) = [node for node in prompt.values() if node.type == "GPDM_MakeTileable"]
    link = tile.inputs["image"]
    assert isinstance(link, Link) and prompt[link.node].type == "VAEDecode"


def test_a_filling_is_the_start_of_a_sampler_and_its_mask_the_noise_mask() -> None:
    prompt = read_prompt(read(ROOT / "workflows" / "inpaint_to_latent.json"), all_definitions())
    (sampler,) = [node for node in prompt.values() if node.type == "KSampler"]
    masked = prompt[sampler.inputs["latent_image"].node]
    encoded, mask = prompt[masked.inputs["samples"].node], masked.inputs["mask"]
    assert (masked.type, encoded.type) == ("SetLatentNoiseMask", "VAEEncode")
    assert prompt[mask.node].type == "GPDM_Inpaint" and mask.slot == 1
    assert encoded.inputs["pixels"] == Link(mask.node, 0)
    assert sampler.inputs["denoise"] < 0.6


def test_the_filling_is_saved_without_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = small_copy("dahlia_painted.png", tmp_path)
    arguments = ["--out", str(tmp_path / "out"), "--image", str(small), "--device", "cpu"]
    main(["run", str(ROOT / "workflows" / "inpaint_to_latent.json"), *arguments])
    assert "CheckpointLoaderSimple" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["GPDM_filled_00001_.png"]


@pytest.mark.parametrize(("name", "made"), [*((name, 1) for name in MATCH_FILES), ("look_as_lut", 3)])
def test_matches_change_small_pictures(
    name: str, made: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow = read(ROOT / "workflows" / f"{name}.json")
    arguments = ["run", str(ROOT / "workflows" / f"{name}.json"), "--out", str(tmp_path / "out"), "--device", "cpu"]
    for number, node in enumerate(node for node in workflow["nodes"] if node["type"] == "LoadImage"):
        small = tmp_path / f"{number}.png"
        with Image.open(ROOT / "workflows" / "inputs" / node["widgets_values"][0]) as picture:
            picture.convert("RGB").resize((80, 64)).save(small)
        arguments += ["--image", str(small)]
    assert main([*arguments, "--json"]) == 0
    saved = [Path(path) for path in json.loads(capsys.readouterr().out)["saved"]]
    assert len(saved) == made and sum(path.suffix == ".cube" for path in saved) == (name == "look_as_lut")
    with Image.open(next(path for path in saved if path.suffix == ".png")) as result:
        assert result.size == (80, 64)
