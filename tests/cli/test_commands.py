"""The task commands: files in, files out, one line for every mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from gpdm import TASKS, GPDMError, Task, evaluate, from_pil, to_pil
from gpdm.cli import evaluate as eval_command
from gpdm.cli import files
from gpdm.cli import main as main_module
from gpdm.cli.main import build_parser, main
from gpdm.evaluation.metrics import DESCRIPTIONS, EvaluationOptions
from gpdm.evaluation.sifid import LAYERS
from library.problems import picture

QUICK = ["--num-steps", "1", "--num-proj", "2", "--device", "cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.linear_gradient("L").resize((30, 24)).convert("RGB").save("ref.png")
    Image.radial_gradient("L").resize((24, 22)).convert("RGB").save("content.png")
    Image.new("RGBA", (24, 24), (9, 99, 199, 128)).save("alpha.png")
    left = Image.new("L", (30, 24), 0)
    left.paste(255, (0, 0, 15, 24))
    left.save("left.png")
    return tmp_path


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_is_a_command_with_masks_kept_pixels_and_tiling(
    folder: Path, task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = ["ref.png" for _ in task.pictures]
    flags = ["--mask", "left.png", "--weight", "2", "--tile", "x", "--symmetry", "mirror y", *QUICK]
    assert main([task.command, *pictures, "-o", "new/out.png", *flags, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["saved"] == ["new/out.png"]
    with pytest.raises(SystemExit):
        build_parser().parse_args([task.command, "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert task.summary in said
    assert all(picture.help in said for picture in task.pictures)


def pixels(name: str) -> torch.Tensor:
    with Image.open(name) as image:
        return from_pil(image)


def test_a_mask_leaves_out_what_is_white_in_it(folder: Path) -> None:
    """A picture that differs from the reference only under the mask makes the same output."""
    other = Image.open("ref.png")
    other.paste((255, 0, 0), (0, 0, 15, 24))
    other.save("other.png")
    for name in ("ref", "other"):
        assert main(["reshuffle", f"{name}.png", "-o", f"out_{name}.png", "--mask", "left.png", *QUICK]) == 0
    assert torch.equal(pixels("out_ref.png"), pixels("out_other.png"))
    assert main(["reshuffle", "other.png", "-o", "out_unmasked.png", *QUICK]) == 0
    assert not torch.equal(pixels("out_other.png"), pixels("out_unmasked.png"))


def test_a_mask_may_be_the_transparency_of_a_picture(folder: Path) -> None:
    """As the mask editor of ComfyUI saves it: what is painted is transparent."""
    painted = Image.open("ref.png").convert("RGBA")
    painted.putalpha(Image.open("left.png").point(lambda value: 255 - value))
    painted.save("painted.png")
    for name in ("left", "painted"):
        assert main(["reshuffle", "ref.png", "-o", f"out_{name}.png", "--mask", f"{name}.png", *QUICK]) == 0
    assert torch.equal(pixels("out_left.png"), pixels("out_painted.png"))


def test_kept_pixels_stay(folder: Path) -> None:
    assert main(["reshuffle", "ref.png", "-o", "out.png", "--keep", "left.png", *QUICK]) == 0
    assert torch.equal(pixels("out.png")[..., :15], pixels("ref.png")[..., :15])
    assert not torch.equal(pixels("out.png"), pixels("ref.png"))
    Image.new("RGB", (30, 24), (1, 2, 3)).save("plain.png")
    more = ["--keep", "left.png", "--keep-picture", "plain.png"]
    assert main(["reshuffle", "ref.png", "-o", "out.png", *more, *QUICK]) == 0
    assert torch.equal(pixels("out.png")[..., :15], pixels("plain.png")[..., :15])


def test_flags_of_references_are_given_in_their_order(folder: Path) -> None:
    Image.new("RGB", (30, 24), "white").save("white.png")
    Image.new("RGB", (30, 24), "black").save("black.png")
    steps = ["--num-steps", "100", "--detail", "0", "--device", "cpu"]
    command = ["reshuffle", "white.png", "black.png", "-o", "out.png", *steps]
    assert main([*command, "--region", "left.png"]) == 0
    assert pixels("out.png")[..., :9].mean() > 0.3 > -0.3 > pixels("out.png")[..., 21:].mean()
    assert main([*command, "--region", "-", "--region", "left.png"]) == 0
    assert pixels("out.png")[..., :9].mean() < -0.3 < 0.3 < pixels("out.png")[..., 21:].mean()
    assert main([*command, "--weight", "0"]) == 0
    assert pixels("out.png").mean() < -0.3


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        (["reshuffle", "ref.png"], (30, 24)),
        (["reshuffle", "ref.png", "--height", "22"], (28, 22)),
        (["reshuffle", "ref.png", "content.png"], (30, 24)),
        (["reshuffle", "ref.png", "--init", "content.png"], (24, 22)),
        (["retarget", "ref.png", "--width-factor", "1.2"], (36, 24)),
        (["texture", "ref.png", "--width-factor", "2", "--height-factor", "1"], (60, 24)),
        (["texture", "ref.png", "--output-width", "40", "--output-height", "25"], (40, 25)),
        (["style", "ref.png", "content.png"], (24, 22)),
    ],
)
def test_tasks(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], size: tuple[int, int]) -> None:
    assert main([*arguments, "-o", "new/out.png", *QUICK, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["saved"] == ["new/out.png"]
    assert report["levels"][-1]["size"] == [size[1], size[0]]
    assert report["levels"][-1]["steps"] == [1]
    with Image.open("new/out.png") as result:
        assert result.size == size


def test_several_outputs_get_an_index(folder: Path) -> None:
    assert main(["reshuffle", "ref.png", "-o", "out.jpg", "--num-outputs", "10", *QUICK]) == 0
    assert sorted(path.name for path in folder.glob("out*")) == [f"out_{i:02d}.jpg" for i in range(1, 11)]


@pytest.mark.parametrize("quality", ["fast", "draft"])
def test_variety_changes_a_picture_at_every_quality(folder: Path, quality: str) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 72, 3), dtype=np.uint8)).save("large.png")
    flags = {"fast": ["--num-steps", "3", "--fine-steps", "3"], "draft": ["--num-steps", "2"]}[quality]
    for variety in ("0", "10"):
        assert (
            main(["reshuffle", "large.png", "-o", f"{variety}.png", "--quality", quality, *flags, "--variety", variety])
            == 0
        )
    assert Path("0.png").read_bytes() != Path("10.png").read_bytes()


def test_alpha_is_kept_or_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reshuffle", "alpha.png", "-o", "out.png", *QUICK]) == 0
    with Image.open("out.png") as result:
        assert result.mode == "RGBA"
    assert main(["reshuffle", "alpha.png", "-o", "out.jpg", *QUICK]) == 2
    assert "no transparency" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reshuffle", "no.png", "-o", "out.png"], "there is no file no.png"),
        (["reshuffle", "ref.png", "-o", "out.gif"], "must end in one of"),
        (["reshuffle", "ref.png", "-o", "."], "must end in one of"),
        (["reshuffle", "ref.png", "-o", "out.png", "--pyr-factor", "1.0"], "pyr_factor = 1.0"),
        (["retarget", "ref.png", "-o", "out.png", "--height-factor", "0.1"], "a larger output"),
        (["reshuffle", "text.png", "-o", "out.png"], "text.png: it is not a picture that Pillow can read"),
        (["reshuffle", "float.tif", "-o", "out.png"], "float.tif: the picture has floating-point values from 7 to 7"),
        (["reshuffle", "ref.png", "-o", "ref.png/a/out.png"], "ref.png is a file, not a folder"),
        (["reshuffle", "ref.png", "-o", "out.png", "--init", "content.png", "--source", "noise"], "contradict"),
        (["style", "ref.png", "content.png", "-o", "out.png", "--quality", "draft"], "has no effect at quality draft"),
        (["reshuffle", "ref.png", "-o", "out.png", "--mask", "no.png"], "there is no file no.png"),
        (
            ["reshuffle", "ref.png", "-o", "out.png", "--mask", "left.png", "--mask", "left.png"],
            "--mask appears 2 times",
        ),
        (["reshuffle", "ref.png", "-o", "out.png", "--weight", "-1"], "weight = -1.0 is not allowed"),
        (["reshuffle", "ref.png", "-o", "out.png", "--mask", "white.png"], "covers the entire reference"),
        (
            ["reshuffle", "ref.png", "-o", "out.png", "--region", "left.png"],
            "the regions leave 360 of 720 pixels of the output without a reference",
        ),
        (["reshuffle", "ref.png", "-o", "out.png", "--keep", "black.png"], "keeps nothing"),
        (["reshuffle", "ref.png", "-o", "out.png", "--keep-picture", "ref.png"], "needs --keep"),
        (
            ["retarget", "ref.png", "-o", "out.png", "--keep", "left.png", "--keep-picture", "ref.png"],
            "output's aspect ratio",
        ),
        (["texture", "ref.png", "-o", "out.png", "--tile", "both", "--border", "circular x"], "set the border to free"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    for colour in ("white", "black"):
        Image.new("L", (30, 24), colour).save(f"{colour}.png")
    Path("text.png").write_text("not a picture")
    Image.new("F", (30, 24), 7).save("float.tif")
    assert main([*arguments, *QUICK]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert not list(folder.glob("out*"))


@pytest.mark.parametrize(
    ("arguments", "page"),
    [
        (["style", "a.png", "b.png", "-o", "out.png", "--init", "c.png"], "gpdm style --help"),
        (["run", "w.json", "--height", "30"], "gpdm run --help"),
        (["eval", "a.png", "b.png", "--seed", "3"], "gpdm eval --help"),
        (["--height", "30", "eval", "a.png", "b.png"], "gpdm --help"),
    ],
)
def test_an_unrecognized_flag_names_the_help_page_of_its_command(
    capsys: pytest.CaptureFixture[str], arguments: list[str], page: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.startswith("gpdm: ") and error.endswith(f"; see {page}\n") and len(error.splitlines()) == 1


def test_the_device_that_ran_out_of_memory_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(main_module, "_work", fail)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["reshuffle", "ref.png", "-o", "out.png"]) == 2
    assert capsys.readouterr().err.startswith("gpdm: not enough memory on device cpu;")


def test_a_broken_picture_is_a_clear_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("broken.png").write_bytes(Path("ref.png").read_bytes()[:60])
    assert main(["reshuffle", "broken.png", "-o", "out.png", *QUICK]) == 2
    assert "cannot be read as a picture" in capsys.readouterr().err


def test_a_failed_write_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out.png").write_bytes(b"the old picture")

    def fail(*arguments: object, **options: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        files.save_picture(Image.new("RGB", (2, 2)), Path("out.png"))
    assert main(["reshuffle", "ref.png", "-o", "out.png", *QUICK]) == 2
    assert Path("out.png").read_bytes() == b"the old picture"
    assert not list(folder.glob(".out*"))


def test_flags_are_generated_with_the_recipe_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    for command, expected in (("style", "default 256"), ("retarget", "default 1.5"), ("reshuffle", "default 28")):
        with pytest.raises(SystemExit):
            build_parser().parse_args([command, "--help"])
        assert expected in " ".join(capsys.readouterr().out.split())


WRONG_CALLS = pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["reshuffle"], "required"),
        (["sculpt"], "invalid choice"),
        (["reshuffle", "a", "-o", "b", "--lr", "x"], "--lr"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)


@WRONG_CALLS
def test_a_wrong_call_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in said and len(said.splitlines()) == 1


@pytest.mark.slow
@WRONG_CALLS
def test_the_installed_command_answers_a_wrong_call_in_one_line(arguments: list[str], message: str) -> None:
    command = [Path(sys.executable).with_name("gpdm"), *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert message in answer.stderr and len(answer.stderr.splitlines()) == 1


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reference, the same once more, and others that it can be compared with."""
    monkeypatch.chdir(tmp_path)
    for name, seed, size in (
        ("ref", 0, (48, 52)),
        ("other", 1, (48, 52)),
        ("wide", 2, (46, 60)),
        ("small", 3, (43, 60)),
    ):
        to_pil(picture(*size, seed=seed)).save(f"{name}.png")
    Image.open("ref.png").save("same.png")
    Image.open("ref.png").convert("L").save("grey.png")
    return tmp_path


def judge(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert main(["eval", *arguments, "--device", "cpu", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_eval_tells_the_figures_as_text(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "ref.png", "other.png", "same.png", "--device", "cpu"]) == 0
    table, meanings = (part.splitlines() for part in capsys.readouterr().out.strip("\n").split("\n\n"))
    assert table[0].split() == ["other", "same"]
    cells = {line[:24].strip(): line[24:].split() for line in table[1:]}
    assert cells["coherence"][1] == "0.0000" != cells["coherence"][0]
    assert cells["copied"][1] == "1.0000"
    assert cells["diversity"][1:] == ["(of", "all)"]
    assert [line.split(":")[0] for line in meanings] == list(cells)
    assert not list(judged.glob("*.txt"))


def test_eval_finds_nothing_wrong_with_the_same_picture(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = judge(capsys, "ref.png", "same.png")
    (found,) = report["pictures"]
    assert (report["reference"], found["picture"], report["device"]) == ("ref.png", "same.png", "cpu")
    assert report["diversity"] is None
    assert report["saved"] == []
    assert "text" not in report
    for name in ("held-out distance", "detail distance", "coherence", "completeness", "high frequencies"):
        assert found[name] == pytest.approx(0, abs=1e-6)
    assert found["copied"] == found["largest verbatim region"] == 1
    assert set(found["per_scale"].values()) == {0.0}
    assert found.keys() - {"picture", "per_scale"} <= DESCRIPTIONS.keys()


def test_eval_tells_what_the_library_finds(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = judge(capsys, "ref.png", "wide.png", "other.png", "--tiles", "circular y")
    reference = from_pil(Image.open("ref.png"))
    for name, found in zip(("wide", "other"), report["pictures"], strict=True):
        expected = evaluate(reference, from_pil(Image.open(f"{name}.png")), tiles="circular y")
        assert {score: found[score] for score in expected.scores} == pytest.approx(dict(expected.scores))
        assert found["per_scale"] == pytest.approx(dict(expected.per_scale))
        assert "seam" in found


def test_eval_measures_diversity_of_pictures_of_one_size(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(capsys, "ref.png", "same.png", "ref.png")["diversity"] == 0
    assert judge(capsys, "ref.png", "same.png", "other.png")["diversity"] > 0.1
    assert judge(capsys, "ref.png", "same.png", "wide.png")["diversity"] is None


def test_eval_draws_plots_and_maps(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = judge(capsys, "ref.png", "wide.png", "--plot", "new/plot.jpg", "--maps", "maps.png")
    assert report["saved"] == ["maps.png", "new/plot.jpg"]
    with Image.open("maps.png") as maps, Image.open("new/plot.jpg") as plot:
        assert maps.size == (60 + 60 + 52 + 60 + 6, 48)
        assert maps.mode == plot.mode == "RGB"
        assert plot.size[0] == 960
        assert from_pil(maps)[..., :46, :60].equal(from_pil(Image.open("wide.png")))


def test_eval_draws_how_often_parts_are_used(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = judge(capsys, "ref.png", "same.png", "other.png", "--occurrence", "new/use.png", "--maps", "maps.png")
    assert report["saved"] == ["maps_1.png", "maps_2.png", "new/use_1.png", "new/use_2.png"]
    assert report["pictures"][0]["unused"] == 0
    with Image.open("new/use_1.png") as use:
        assert use.size[0] == 5 * 52


def test_eval_gives_maps_of_several_pictures_an_index(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = judge(capsys, "ref.png", "same.png", "other.png", "--maps", "maps.png")
    assert report["saved"] == ["maps_1.png", "maps_2.png"]
    for name, file in (("same", "maps_1.png"), ("other", "maps_2.png")):
        assert from_pil(Image.open(file))[..., :52].equal(from_pil(Image.open(f"{name}.png")))


def test_eval_measures_sifid_with_weights_of_the_user(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    g = torch.Generator().manual_seed(0)
    state = {key: torch.rand(shape, generator=g) * 0.1 for layer in LAYERS for key, shape in layer.shapes().items()}
    torch.save(state, "inception.pth")
    report = judge(capsys, "ref.png", "same.png", "other.png", "--inception", "inception.pth")
    same, other = (found["SIFID"] for found in report["pictures"])
    assert same == pytest.approx(0, abs=1e-6)
    assert other > 0
    assert "SIFID" not in judge(capsys, "ref.png", "same.png")["pictures"][0]


def test_eval_searches_as_it_is_told(
    judged: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)  # as if it were not installed
    judge(capsys, "ref.png", "same.png", "--search", "exact")
    assert main(["eval", "ref.png", "same.png", "--search", "faiss", "--device", "cpu"]) == 2
    assert "pip install faiss-cpu" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "faiss", ModuleType("faiss"))
    given: list[object] = []

    def seen(reference: object, images: object, options: object, **_: object) -> None:
        given.append(options)
        raise GPDMError("seen")

    monkeypatch.setattr(eval_command, "judge", seen)
    assert main(["eval", "ref.png", "same.png", "--search", "faiss", "--device", "cpu"]) == 2
    assert given == [EvaluationOptions(search="faiss")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.png", "same.png"], "there is no file no.png"),
        (["ref.png", "same.png", "no.png"], "there is no file no.png"),
        (["ref.png", "same.png", "--plot", "out.txt"], "cannot write out.txt: its name must end in one of"),
        (["ref.png", "same.png", "--maps", "out.gif"], "cannot write out.gif: its name must end in one of"),
        (["ref.png", "same.png", "--maps", "out.png", "--plot", "."], "must end in one of"),
        (["ref.png", "same.png", "--inception", "no.pth"], "there is no file no.pth"),
        (["ref.png", "same.png", "--inception", "ref.png"], "cannot read weights from ref.png"),
        (["ref.png", "same.png", "small.png"], "gpdm: small.png is 60x43 pixels; evaluation needs"),
        (["small.png", "same.png"], "gpdm: small.png is 60x43 pixels; evaluation needs at least 44"),
    ],
)
def test_eval_refuses_what_it_cannot_do_before_any_work(
    judged: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(eval_command, "judge", work)
    before = sorted(judged.iterdir())
    assert main(["eval", *arguments, "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert sorted(judged.iterdir()) == before


def test_eval_leaves_no_half_written_file(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("plot.png").write_bytes(b"the old plot")
    before = sorted(judged.iterdir())

    def fail(self: Image.Image, target: Path, **_: object) -> None:
        Path(target).write_bytes(b"half a picture")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    assert main(["eval", "ref.png", "same.png", "--plot", "plot.png", "--device", "cpu"]) == 2
    assert Path("plot.png").read_bytes() == b"the old plot"
    assert sorted(judged.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["a"], "pictures"), (["a", "b", "--tiles", "round"], "--tiles"), (["a", "b", "--search", "fast"], "--search")],
)
def test_eval_answers_a_wrong_call_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["eval", *arguments])
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in error
    assert len(error.splitlines()) == 1


def test_drop_is_another_name_of_mask(folder: Path) -> None:
    for flag in ("--mask", "--drop"):
        arguments = ["ref.png", flag, "left.png", "-o", f"out{flag}.png", "--width-factor", "0.8"]
        assert main(["retarget", *arguments, *QUICK]) == 0
    assert Path("out--mask.png").read_bytes() == Path("out--drop.png").read_bytes()
