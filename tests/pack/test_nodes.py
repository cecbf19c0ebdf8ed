"""The nodes as ComfyUI sees them: schemas that never change, and execution under inference mode."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gpdm import (
    EDITS,
    MATCHES,
    MATERIALS,
    TASKS,
    BidirectionalLoss,
    Canvas,
    EvaluationOptions,
    GPDMError,
    InitialGuess,
    Level,
    Optimizer,
    OutputOptions,
    OutputState,
    PatchDenoiser,
    PatchNN,
    PyramidSchedule,
    Reference,
    SWDLoss,
    Term,
    diversity,
    evaluate,
    evaluation_plot,
    evaluation_text,
    reshuffle,
    synthesize,
)
from gpdm.cli.host import Bar, TerminalHost
from gpdm.cli.pack import load_pack
from gpdm.evaluation.sifid import LAYERS
from library.problems import picture
from pack.hosts import HalfHost, RecordingHost

SCHEMAS = Path(__file__).with_name("schemas.json")
RECORD = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "record_schemas.py"))
TASK_IDS = [task.node_id for task in TASKS.values()]
MAKERS = ["GPDM_Synthesize", *TASK_IDS]
"""Nodes that make pictures."""
IDS = [
    *MAKERS,
    "GPDM_MixReferences",
    "GPDM_SWDLoss",
    "GPDM_PyramidSchedule",
    "GPDM_InitialGuess",
    "GPDM_Optimizer",
    "GPDM_PatchNN",
    "GPDM_PatchDenoiser",
    "GPDM_BidirectionalLoss",
    "GPDM_CombineLosses",
    "GPDM_Evaluate",
    "GPDM_Reference",
    "GPDM_Canvas",
    "GPDM_RepeatTile",
    "GPDM_SaveDistribution",
    "GPDM_LoadDistribution",
    *(edit.node_id for edit in EDITS.values()),
    "GPDM_Loop",
    *(match.node_id for match in MATCHES.values()),
    *(material.node_id for material in MATERIALS.values()),
    "GPDM_ApplyLUT",
    "GPDM_SaveLUT",
    "GPDM_LoadLUT",
    "GPDM_Resume",
    "GPDM_Collage",
    "GPDM_Daub",
]


def node(pack: ModuleType, name: str) -> Any:
    return pack.NODE_CLASS_MAPPINGS[name]


def image(height: int = 24, width: int = 24, channels: int = 3, seed: int = 0, batch: int = 1) -> Tensor:
    """An IMAGE, made under inference mode as ComfyUI's are."""
    with torch.inference_mode():
        tensor = torch.cat([picture(height, width, channels, seed + i) for i in range(batch)])
        return ((tensor + 1) / 2).movedim(1, -1).contiguous()


def defaults(node_class: Any) -> dict[str, Any]:
    given = {name: spec for table in node_class.INPUT_TYPES().values() for name, spec in table.items()}
    return {name: spec[1]["default"] for name, spec in given.items() if "default" in spec[1]}


QUICK = {"optimizer": Optimizer(num_steps=2, fine_steps=0), "loss": SWDLoss(num_proj=2)}


def test_schemas_only_grow() -> None:
    """Saved files store widget values by position. Additions are recorded with python tools/record_schemas.py."""
    promised = json.loads(SCHEMAS.read_text())
    now = {name: RECORD["schema"](node_class) for name, node_class in load_pack().NODE_CLASS_MAPPINGS.items()}
    assert RECORD["broken_promises"](promised, now) == []
    assert promised == now, "a node or input is new: run python tools/record_schemas.py"


def without_node(now: dict[str, Any]) -> None:
    del now["GPDM_Reshuffle"]


def without_input(now: dict[str, Any]) -> None:
    now["GPDM_Reshuffle"]["inputs"]["optional"].pop(0)


def with_input_first(now: dict[str, Any]) -> None:
    now["GPDM_Reshuffle"]["inputs"]["optional"].insert(0, ["new", "INT"])


def without_combo_value(now: dict[str, Any]) -> None:
    now["GPDM_SWDLoss"]["inputs"]["required"][3][1].pop(0)


def with_other_output(now: dict[str, Any]) -> None:
    now["GPDM_Reshuffle"]["outputs"][1] = ["loss_curve", "STRING"]


@pytest.mark.parametrize(
    "breaks", [without_node, without_input, with_input_first, without_combo_value, with_other_output]
)
def test_a_change_that_breaks_saved_files_is_found(breaks: Callable[[dict[str, Any]], None]) -> None:
    promised = json.loads(SCHEMAS.read_text())
    changed = json.loads(SCHEMAS.read_text())
    breaks(changed)
    assert len(RECORD["broken_promises"](promised, changed)) >= 1


def with_more(now: dict[str, Any]) -> None:
    now["GPDM_New"] = now["GPDM_Reshuffle"]
    now["GPDM_SWDLoss"]["inputs"]["required"][3][1].append("l3")
    now["GPDM_SWDLoss"]["inputs"]["optional"].append(["new", "INT"])


def test_additions_break_nothing() -> None:
    changed = json.loads(SCHEMAS.read_text())
    with_more(changed)
    assert RECORD["broken_promises"](json.loads(SCHEMAS.read_text()), changed) == []


def test_ids(comfyui_pack: ModuleType) -> None:
    assert list(comfyui_pack.NODE_CLASS_MAPPINGS) == IDS
    assert set(comfyui_pack.NODE_DISPLAY_NAME_MAPPINGS) == set(IDS)
    assert comfyui_pack.WEB_DIRECTORY == "./web"


@pytest.mark.parametrize("name", IDS)
def test_everything_is_explained(comfyui_pack: ModuleType, name: str) -> None:
    node_class = node(comfyui_pack, name)
    for table in node_class.INPUT_TYPES().values():
        for input_name, spec in table.items():
            assert len(spec[1]["tooltip"]) > 20, input_name
    assert len(node_class.OUTPUT_TOOLTIPS) == len(node_class.RETURN_TYPES) == len(node_class.RETURN_NAMES)
    assert len(node_class.DESCRIPTION) > 40 and node_class.SEARCH_ALIASES
    assert node_class.CATEGORY.split("/")[0] == "GPDM"
    assert node_class.DISPLAY_NAME.startswith("GPDM ")


@pytest.mark.parametrize("options", [SWDLoss, PyramidSchedule, Optimizer, PatchNN, PatchDenoiser, BidirectionalLoss])
def test_option_nodes_show_and_make_the_core_defaults(comfyui_pack: ModuleType, options: type) -> None:
    node_class = node(comfyui_pack, f"GPDM_{options.__name__}")
    (made,) = node_class().execute(**defaults(node_class))
    assert made == options()
    assert type(made) is options


def test_the_guess_node_shows_and_makes_the_core_default_and_no_picture(comfyui_pack: ModuleType) -> None:
    node_class = node(comfyui_pack, "GPDM_InitialGuess")
    (made,) = node_class().execute(**defaults(node_class))
    assert made == comfyui_pack.nodes.base.Start(InitialGuess())
    assert made.init is None


@pytest.mark.parametrize("name", MAKERS)
def test_runs_under_inference_mode_with_defaults(comfyui_pack: ModuleType, terminal: TerminalHost, name: str) -> None:
    node_class = node(comfyui_pack, name)
    names = [n for n, spec in node_class.INPUT_TYPES()["required"].items() if spec[0] == "IMAGE"]
    pictures = {n: image(seed=i) for i, n in enumerate(names)}
    before = {n: tensor.clone() for n, tensor in pictures.items()}
    with torch.inference_mode():
        images, curve, _ = node_class().execute(**pictures, **defaults(node_class), **QUICK)
    assert images.dim() == 4 and images.shape[-1] == 3 and images.dtype == torch.float32
    assert images.min() >= 0 and images.max() <= 1
    assert curve.shape == (1, 480, 960, 3)
    assert all(torch.equal(pictures[n], before[n]) for n in names), "an input was changed in place"


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_half_precision_and_every_channel_count(
    comfyui_pack: ModuleType, terminal: TerminalHost, channels: int
) -> None:
    node_class = node(comfyui_pack, "GPDM_Reshuffle")
    images, *_ = node_class().execute(reference=image(channels=channels).half(), **defaults(node_class), **QUICK)
    assert images.shape == (1, 24, 24, max(channels, 3)), "Save Image takes three or four channels"


def test_result_is_the_core_result(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    """The node adds nothing of its own: same seed, same picture."""
    node_class = node(comfyui_pack, "GPDM_Synthesize")
    images, *_ = node_class().execute(reference=image(), **(defaults(node_class) | {"seed": 9}), **QUICK)
    recipe = replace(TASKS["reshuffle"].recipe(), **QUICK)
    core = reshuffle(image().movedim(-1, 1) * 2 - 1, recipe=recipe, seed=9).images
    assert torch.allclose(images, ((core + 1) / 2).movedim(1, -1), atol=1e-6)


@pytest.mark.parametrize("values", [255, 65535])
def test_values_of_files_survive_the_way_to_the_core_and_back(comfyui_pack: ModuleType, values: int) -> None:
    """Save Image cuts off the fraction, so that a value that is a little too low would be saved as the next lower one."""
    convert = comfyui_pack.nodes.convert
    given = (torch.arange(values + 1) / values).view(1, 1, -1, 1).expand(-1, -1, -1, 3)
    assert torch.equal(convert.from_core(convert.to_core(given, "image")), given)


def test_init_and_guess(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    synthesize, guess = node(comfyui_pack, "GPDM_Synthesize"), node(comfyui_pack, "GPDM_InitialGuess")
    start = image(26, 30, seed=4)
    values = defaults(guess) | {"source": "image"}
    with torch.inference_mode():
        (connected,) = guess().execute(init=start, **values)
        by_guess, *_ = synthesize().execute(reference=image(), guess=connected, **defaults(synthesize), **QUICK)
        by_init, *_ = synthesize().execute(reference=image(), init=start, **defaults(synthesize), **QUICK)
        (options_only,) = guess().execute(**values)
        by_both, *_ = synthesize().execute(
            reference=image(), init=start, guess=options_only, **defaults(synthesize), **QUICK
        )
    assert by_init.shape == (1, 26, 30, 3)
    assert torch.equal(by_guess, by_init) and torch.equal(by_both, by_init)
    with pytest.raises(GPDMError, match="disconnect one"):
        synthesize().execute(reference=image(), init=start, guess=connected, **defaults(synthesize), **QUICK)
    with pytest.raises(GPDMError, match="choose source image"):
        (noise,) = guess().execute(**defaults(guess))
        synthesize().execute(reference=image(), init=start, guess=noise, **defaults(synthesize), **QUICK)


@pytest.mark.parametrize("name", ["GPDM_Reshuffle", "GPDM_Retarget", "GPDM_TextureSynthesis"])
def test_the_picture_of_a_guess_is_what_tasks_start_from(
    comfyui_pack: ModuleType, terminal: TerminalHost, name: str
) -> None:
    task, guess = node(comfyui_pack, name), node(comfyui_pack, "GPDM_InitialGuess")
    start = image(26, 30, seed=4)
    with torch.inference_mode():
        (connected,) = guess().execute(init=start, **(defaults(guess) | {"source": "image"}))
        quick = QUICK | {"optimizer": Optimizer(num_steps=1, method="adam", lr=1e-6)}
        images, *_ = task().execute(
            reference=image(),
            guess=connected,
            pyramid=PyramidSchedule(coarse_dim=24),
            **(
                defaults(task) | {"output_width": 30, "output_height": 26}
                if name != "GPDM_Reshuffle"
                else defaults(task)
            ),
            **quick,
        )
    assert images.shape == (1, 26, 30, 3)
    assert torch.allclose(images, start, atol=1e-4)


def test_style_transfer_refuses_a_guess_with_a_picture(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    task, guess = node(comfyui_pack, "GPDM_StyleTransfer"), node(comfyui_pack, "GPDM_InitialGuess")
    (connected,) = guess().execute(init=image(), **(defaults(guess) | {"source": "image"}))
    with pytest.raises(GPDMError, match="starts from the content"):
        task().execute(style=image(), content=image(), guess=connected, **defaults(task), **QUICK)


class AutogradObjective:
    """The mean colour of the reference, differentiated by autograd, which inference mode forbids."""

    backend = "torch"
    capturable = False

    def __init__(self, reference: Tensor, weight: float) -> None:
        self.reference, self.weight = reference, weight

    def sample(self, image: Tensor, step: int, state: OutputState) -> None:
        """Nothing is random."""

    def evaluate(self, image: Tensor, sample: None, into: Tensor) -> Tensor:
        with torch.enable_grad():
            leaf = image.detach().requires_grad_()
            value = self.weight * (leaf.mean((2, 3)) - self.reference.mean((2, 3))).square().sum()
            (gradient,) = torch.autograd.grad(value, leaf)
        into.add_(gradient)
        return value.detach()


class AutogradLoss:
    """A loss of somebody else's, with one term, itself."""

    border = "free"
    per_output = False
    patch_size = 1

    def __init__(self) -> None:
        self.bound = 0

    def terms(self) -> tuple[tuple[float, Term], ...]:
        return ((1.0, self),)

    def check(self, level: Level, references: Sequence[Reference]) -> None:
        pass

    def active(self, level: Level) -> bool:
        return True

    def memory(self, level: Level) -> tuple[int, int]:
        return 0, 0

    def bind(
        self,
        references: Sequence[Reference],
        canvas: Canvas,
        memory: int,
        weight: float = 1.0,
        image: Tensor | None = None,
    ) -> AutogradObjective:
        self.bound += 1
        return AutogradObjective(references[0].image, weight)


def test_a_loss_that_needs_autograd_works_under_inference_mode(
    comfyui_pack: ModuleType, terminal: TerminalHost
) -> None:
    node_class, loss = node(comfyui_pack, "GPDM_Synthesize"), AutogradLoss()
    with torch.inference_mode():
        images, *_ = node_class().execute(
            reference=image(),
            **defaults(node_class),
            loss=loss,
            optimizer=Optimizer(num_steps=2, method="adam"),
        )
    assert loss.bound > 0
    assert not images.is_inference(), "nodes behind this one may want gradients too"


def test_a_batch_of_references_is_one_distribution(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    node_class = node(comfyui_pack, "GPDM_Reshuffle")
    images, *_ = node_class().execute(reference=image(batch=3), **defaults(node_class), **QUICK)
    assert images.shape[0] == 1


def test_progress_previews_and_cancel(comfyui_pack: ModuleType) -> None:
    node_class = node(comfyui_pack, "GPDM_Reshuffle")
    quick = {
        "optimizer": Optimizer(num_steps=5, fine_steps=0),
        "loss": SWDLoss(num_proj=2),
        "pyramid": PyramidSchedule(pyr_factor=0.5),
    }
    host = RecordingHost()
    before = comfyui_pack.nodes.host.use(host)
    try:
        node_class().execute(reference=image(), **(defaults(node_class) | {"num_outputs": 2}), **quick)
        assert len(host.steps) == host.checks == 20
        steps, totals = zip(*host.steps, strict=True)
        assert list(steps) == sorted(steps) and steps[-1] == totals[0] and len(set(totals)) == 1
        assert 0 < steps[0] < 0.1 * totals[0]
        assert host.rooms[0] > 2 * 24 * 24 * 4
        assert 1 <= len(host.previews) <= 3, "at most about four a second"
        assert host.previews[0].mode == "RGB" and max(host.previews[0].size) <= 512
        comfyui_pack.nodes.host.use(cancelling := RecordingHost(cancel_at=7))
        with pytest.raises(InterruptedError):
            node_class().execute(reference=image(), **defaults(node_class), **quick)
        assert len(cancelling.steps) == 6, "cancelled within one step"
    finally:
        comfyui_pack.nodes.host.use(before)


def test_the_browser_is_told_of_changes_only_and_large_pictures_are_made_small_where_they_are(
    comfyui_pack: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, host, copied = comfyui_pack.nodes.host, RecordingHost(), []
    real = module.to_pil
    monkeypatch.setattr(module, "to_pil", lambda image: copied.append(tuple(image.shape[2:])) or real(image))
    report = module.Reporter(host)
    picture = torch.rand(1, 3, 1100, 2100) * 0.1
    picture[..., 1050:] += 0.8

    def told(done: float) -> None:
        report(module.StepInfo(0, 1, 0, 1, 0, 1000, done, picture, torch.zeros(())))

    for done in (0.1, 0.1001, 0.1002, 0.5, 0.5001):
        told(done)
    assert [step for step, _ in host.steps] == [100, 500] and host.checks == 5
    assert copied == [(275, 525)], "a mean over 4x4 pixels"
    (preview,) = host.previews
    assert preview.size == (512, 268)
    left, right = (np.asarray(preview)[:, part].mean() for part in (slice(0, 250), slice(262, None)))
    assert left == pytest.approx(127.5 * 1.05, abs=1) and right == pytest.approx(127.5 * 1.85, abs=1)


@pytest.mark.parametrize("channels", [1, 2, 5, 8, 16])
def test_any_number_of_channels_has_previews(
    comfyui_pack: ModuleType, terminal: TerminalHost, monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    """Of more than four channels the first three are shown."""
    host, shown = comfyui_pack.nodes.host, []
    report = host.Reporter(host.current())
    assert report.host is terminal
    monkeypatch.setattr(Bar, "update", lambda bar, step, preview=None: shown.append(preview))
    result = synthesize(picture(24, 24, channels), value_range=None, on_step=report, **QUICK)
    assert result.images.shape == (1, channels, 24, 24)
    previews = [each for each in shown if each is not None]
    assert previews and all(each.mode == "RGB" for each in previews)


def test_quality_chooses_the_recipe_and_a_file_without_it_gets_balanced(
    comfyui_pack: ModuleType, terminal: TerminalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    node_class = node(comfyui_pack, "GPDM_Reshuffle")
    seen: list[Any] = []

    def run(task: Any, *tensors: Tensor, recipe: Any, **more: Any) -> Any:
        seen.append(recipe)
        raise InterruptedError

    monkeypatch.setattr(comfyui_pack.nodes.base, "run_task", run)
    values = defaults(node_class)
    for given in ({"quality": "paper"}, {"quality": "fast", "loss": SWDLoss(num_proj=3)}, {"memory": 300}, None):
        arguments = values | given if given else {"seed": 0, "num_outputs": 1, "height": 0}
        with pytest.raises(InterruptedError):
            node_class().execute(reference=image(), **arguments)
    recipe = TASKS["reshuffle"].recipe
    assert (seen[0].loss, seen[0].optimizer) == (recipe("paper").loss, recipe("paper").optimizer)
    assert (seen[1].loss.num_proj, seen[1].optimizer) == (3, recipe("fast").optimizer)
    assert seen[2].output.memory == 300
    assert (seen[3].loss, seen[3].optimizer) == (recipe().loss, recipe().optimizer)


@pytest.mark.parametrize("wrong", [(image() * 255).to(torch.uint8), torch.rand(1, 24, 24, 5), torch.rand(24, 24, 3)])
def test_what_is_no_image_is_refused(comfyui_pack: ModuleType, terminal: TerminalHost, wrong: Tensor) -> None:
    node_class = node(comfyui_pack, "GPDM_Reshuffle")
    with pytest.raises(GPDMError, match="reference"):
        node_class().execute(reference=wrong, **defaults(node_class), **QUICK)


def test_results_go_where_the_host_wants_them(comfyui_pack: ModuleType) -> None:
    before = comfyui_pack.nodes.host.use(HalfHost(torch.device("cpu")))
    try:
        node_class = node(comfyui_pack, "GPDM_Reshuffle")
        results = node_class().execute(reference=image(), **defaults(node_class), **QUICK)
    finally:
        comfyui_pack.nodes.host.use(before)
    assert [result.dtype for result in results[:2]] == [torch.float16, torch.float16]


def test_a_level_smaller_than_the_patch_is_a_clear_error(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    node_class = node(comfyui_pack, "GPDM_Retarget")
    with pytest.raises(GPDMError, match=r"a patch of 7x7 does not fit .* a larger output"):
        node_class().execute(reference=image(40, 40), **(defaults(node_class) | {"height_factor": 0.1}))


def judged(pack: ModuleType, **changes: Any) -> Any:
    node_class = node(pack, "GPDM_Evaluate")
    with torch.inference_mode():
        return node_class().execute(**(defaults(node_class) | {"reference": image(48, 50), "tiles": "free"} | changes))


@pytest.mark.parametrize("batch", [1, 2])
def test_evaluate_tells_and_shows_every_picture(comfyui_pack: ModuleType, terminal: TerminalHost, batch: int) -> None:
    reference, images = image(48, 50), image(46, 60, seed=0, batch=batch)
    before = reference.clone(), images.clone()
    text, plot, maps, occurrence = judged(comfyui_pack, reference=reference, images=images)
    assert isinstance(text, str)
    assert text.splitlines()[0].split() == ["picture", "1", "picture", "2"][: 2 * batch]
    assert ("diversity" in text) is (batch > 1)
    assert plot.shape[0] == 1 and plot.shape[2:] == (960, 3)
    assert maps.shape == (batch, 48, 60 * 3 + 50 + 3 * 2, 3)
    for tensor in (plot, maps, occurrence):
        assert tensor.dtype == torch.float32 and not tensor.is_inference()
        assert tensor.min() >= 0 and tensor.max() <= 1
    assert torch.allclose(maps[:, :46, :60], images, atol=1e-6)
    assert torch.equal(reference, before[0]) and torch.equal(images, before[1]), "an input was changed in place"


def test_evaluate_says_what_the_library_finds(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    images = image(46, 60, seed=3, batch=2)
    text, plot, _, _ = judged(comfyui_pack, reference=image(48, 50, batch=2), images=images, tiles="circular x")
    references, pictures = (x.movedim(-1, 1) * 2 - 1 for x in (image(48, 50, batch=2), images))
    found = [evaluate(references, picture, tiles="circular x") for picture in pictures.split(1)]
    names = ["picture 1", "picture 2"]
    assert text == evaluation_text(found, names, diversity(references[:1], pictures))
    assert torch.equal(plot[0], torch.from_numpy(np.asarray(evaluation_plot(found, names)) / np.float32(255)))


def test_evaluate_finds_nothing_wrong_with_the_same_picture(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    text, _, maps, _ = judged(comfyui_pack, images=image(48, 50))
    assert {"coherence 0.0000", "copied 1.0000"} <= {" ".join(line.split()) for line in text.splitlines()}
    assert float(maps[0, :, -50:].max()) == 0, "the error map must be black"


def test_evaluate_takes_weights_from_a_path(comfyui_pack: ModuleType, terminal: TerminalHost, tmp_path: Path) -> None:
    g = torch.Generator().manual_seed(0)
    state = {key: torch.rand(shape, generator=g) * 0.1 for layer in LAYERS for key, shape in layer.shapes().items()}
    torch.save(state, tmp_path / "w.pth")
    text, _, _, _ = judged(comfyui_pack, images=image(48, 50), inception_weights=f" {tmp_path / 'w.pth'} ")
    assert "SIFID" in text
    with pytest.raises(GPDMError, match="there is no file"):
        judged(comfyui_pack, images=image(48, 50), inception_weights=str(tmp_path / "no.pth"))


def test_evaluate_searches_as_it_is_told(
    comfyui_pack: ModuleType, terminal: TerminalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def seen(reference: Any, images: Any, options: Any, **_: Any) -> None:
        given.append(options)
        raise InterruptedError

    monkeypatch.setattr(comfyui_pack.nodes.measure, "judge", seen)
    with pytest.raises(InterruptedError):
        judged(comfyui_pack, images=image(48, 50), search="faiss", tiles="circular y")
    assert given == [EvaluationOptions(tiles="circular y", search="faiss")]


def test_evaluate_shows_progress_and_can_be_cancelled(comfyui_pack: ModuleType) -> None:
    before = comfyui_pack.nodes.host.use(host := RecordingHost())
    try:
        judged(comfyui_pack, images=image(48, 50, batch=2))
        assert host.steps == [(1, 2), (2, 2)]
        comfyui_pack.nodes.host.use(cancelling := RecordingHost(cancel_at=2))
        with pytest.raises(InterruptedError):
            judged(comfyui_pack, images=image(48, 50, batch=3))
        assert cancelling.steps == [(1, 3)]
    finally:
        comfyui_pack.nodes.host.use(before)


@pytest.mark.parametrize("wrong", [(image(48, 50) * 255).to(torch.uint8), torch.rand(1, 48, 50, 5), image(30, 50)])
def test_evaluate_refuses_what_it_cannot_judge(comfyui_pack: ModuleType, terminal: TerminalHost, wrong: Tensor) -> None:
    with pytest.raises(GPDMError, match="image"):
        judged(comfyui_pack, images=wrong)


def test_pictures_of_evaluate_go_where_the_host_wants_them(comfyui_pack: ModuleType) -> None:
    before = comfyui_pack.nodes.host.use(HalfHost(torch.device("cpu")))
    try:
        _, plot, maps, _ = judged(comfyui_pack, images=image(48, 50))
    finally:
        comfyui_pack.nodes.host.use(before)
    assert plot.dtype == maps.dtype == torch.float16


def test_nearest_neighbours_through_the_optimizer_socket(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    node_class, option_class = node(comfyui_pack, "GPDM_Reshuffle"), node(comfyui_pack, "GPDM_PatchNN")
    with torch.inference_mode():
        (optimizer,) = option_class().execute(**(defaults(option_class) | {"num_steps": 2}))
        arguments = defaults(node_class) | {"num_outputs": 2, "seed": 4}
        images, curve, _ = node_class().execute(reference=image(), **arguments, optimizer=optimizer)
    core = reshuffle(
        image().movedim(-1, 1) * 2 - 1,
        seed=4,
        recipe=replace(
            TASKS["reshuffle"].recipe(), optimizer=PatchNN(num_steps=2), output=OutputOptions(num_outputs=2)
        ),
    )
    assert torch.allclose(images, ((core.images + 1) / 2).movedim(1, -1), atol=1e-6)
    assert curve.shape == (1, 480, 960, 3)


def test_nearest_neighbours_show_progress_and_can_be_cancelled(comfyui_pack: ModuleType) -> None:
    node_class = node(comfyui_pack, "GPDM_Reshuffle")
    arguments = defaults(node_class) | {"num_outputs": 2, "optimizer": PatchNN(num_steps=3)}
    before = comfyui_pack.nodes.host.use(host := RecordingHost())
    try:
        node_class().execute(reference=image(), **arguments)
        steps = [step for step, _ in host.steps]
        assert steps == sorted(steps) and len(steps) == host.checks > 4
        assert host.rooms[0] > PatchNN().memory(None, Level(0, 1.0, (24, 24), ((24, 24),)))[0]
        comfyui_pack.nodes.host.use(cancelling := RecordingHost(cancel_at=3))
        with pytest.raises(InterruptedError):
            node_class().execute(reference=image(), **arguments)
        assert len(cancelling.steps) == 2
    finally:
        comfyui_pack.nodes.host.use(before)


def test_bidirectional_similarity_through_the_loss_socket(comfyui_pack: ModuleType, terminal: TerminalHost) -> None:
    node_class, option_class = node(comfyui_pack, "GPDM_Reshuffle"), node(comfyui_pack, "GPDM_BidirectionalLoss")
    with torch.inference_mode():
        (loss,) = option_class().execute(**(defaults(option_class) | {"every": 1}))
        images, *_ = node_class().execute(
            reference=image(), **(defaults(node_class) | {"seed": 4}), **(QUICK | {"loss": loss})
        )
    recipe = replace(TASKS["reshuffle"].recipe(), loss=BidirectionalLoss(every=1), optimizer=QUICK["optimizer"])
    core = reshuffle(image().movedim(-1, 1) * 2 - 1, seed=4, recipe=recipe).images
    assert torch.allclose(images, ((core + 1) / 2).movedim(1, -1), atol=1e-6)
    with pytest.raises(GPDMError, match="newton"):
        node_class().execute(reference=image(), **defaults(node_class), loss=loss, optimizer=Optimizer(method="newton"))
