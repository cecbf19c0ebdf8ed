"""Recorded steps: that a step is the same work every time, and that replaying it makes the same picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import gpdm
from gpdm import CombinedLoss, Keep, Optimizer, OutputState, PyramidSchedule, Reference, SWDLoss
from gpdm.kernels.choose import say_once
from gpdm.losses import swd_binned
from gpdm.optimizers import base, cuda_graphs
from gpdm.optimizers.cuda_graphs import (
    QUEUED_STEPS,
    WARMUP_STEPS,
    GraphedStep,
    QueueLimit,
    map_tensors,
    recorder_for,
)
from gpdm.transport.binned import bin_range
from library.problems import objective_of, picture


class Recorder:
    """Stands in for CUDA graphs: replaying does the recorded work on the recorded tensors, and asks nobody for anything."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def record(self, work: Callable[[], object]) -> Callable[[], None]:
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            work()

        return replay


@dataclass(frozen=True)
class Pair:
    numbers: Tensor
    rest: tuple[Tensor, str]


def test_replays_follow_the_numbers_and_only_they_may_change() -> None:
    recorder, total = Recorder(), torch.zeros(2)

    def work(given: Pair) -> Tensor:
        total.add_(given.numbers * given.rest[0])
        return total.sum()

    step, expected = GraphedStep(work, recorder), torch.zeros(2)
    for i in range(10):
        numbers, factor = torch.tensor([float(i), 1.0]), torch.tensor(2.0)
        expected += numbers * factor
        assert step(Pair(numbers, (factor, "same"))) == expected.sum()
        assert torch.equal(total, expected)
    assert (recorder.recorded, recorder.replayed) == (1, 10 - WARMUP_STEPS)
    # A result stays what it was when the next one comes.
    first = step(Pair(torch.ones(2), (torch.tensor(1.0), "same")))
    kept = float(first)
    step(Pair(torch.ones(2), (torch.tensor(1.0), "same")))
    assert float(first) == kept
    # Another text, another shape: nothing of the old recording may be used.
    before = recorder.replayed
    step(Pair(torch.ones(2), (torch.tensor(1.0), "other")))
    step(Pair(torch.ones(1), (torch.tensor(1.0), "other")))
    assert recorder.replayed == before


def test_the_same_tensor_with_new_numbers_is_given_as_another() -> None:
    """What is copied is decided by identity: an argument may not be changed in place between calls, and ours are not."""
    recorder, seen = Recorder(), []
    step = GraphedStep(lambda given: seen.append(given.clone()) or given.sum(), recorder)
    for i in range(6):
        step(torch.tensor([float(i)]))
    assert [float(x) for x in seen] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_what_cannot_be_recorded_is_done_piece_by_piece_and_said_and_not_tried_again(
    error: type[Exception], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refuses(Recorder):
        def record(self, work: Callable[[], object]) -> Callable[[], None]:
            try:
                raise error("operation not permitted when stream is capturing\nand much more")
            finally:
                raise RuntimeError("the recording was not ended")

    monkeypatch.setattr(cuda_graphs, "_failed", [])
    step = GraphedStep(lambda given: given.sum(), Refuses())
    assert [float(step(torch.tensor([float(i)]))) for i in range(8)] == list(range(8))
    (record,) = caplog.records
    assert (
        "launched piece by piece from now on: operation not permitted when stream is capturing" in record.getMessage()
    )
    monkeypatch.setattr(cuda_graphs, "CUDARecorder", Recorder)
    assert recorder_for(torch.device("cuda"), "torch") is None


def test_which_devices_record(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    cuda = torch.device("cuda")
    monkeypatch.setattr(cuda_graphs, "_failed", [])
    monkeypatch.setattr(cuda_graphs, "CUDARecorder", Recorder)
    say_once.cache_clear()
    allocators = {"native": Recorder, "cudaMallocAsync": type(None)}
    for allocator, kind in allocators.items():
        monkeypatch.setattr(torch.cuda, "get_allocator_backend", lambda allocator=allocator: allocator)
        with caplog.at_level("INFO"):
            assert type(recorder_for(cuda, "triton")) is kind
            assert type(recorder_for(cuda, "triton")) is kind
        assert type(recorder_for(cuda, "torch")) is Recorder
        assert recorder_for(torch.device("cpu"), "torch") is None
    (record,) = caplog.records
    assert "--disable-cuda-malloc" in record.getMessage()
    monkeypatch.setattr(torch.version, "hip", "6.0")
    assert recorder_for(cuda, "torch") is None


def test_copies_forget_what_was_worked_out_from_the_old_numbers() -> None:
    bins = bin_range(torch.zeros(2), torch.ones(2), 8)
    scale = bins.scale
    other = map_tensors(lambda x: 2 * x, (bins, [torch.ones(1)], "text"))
    assert isinstance(other, tuple) and other[0].number == 8 and other[2] == "text"
    assert torch.equal(other[0].scale, scale / 2)
    assert float(other[1][0]) == 2


LOSSES = {
    "default": SWDLoss(num_proj=8),
    "l1, circular": SWDLoss(num_proj=8, distance="l1", border="circular"),
    "independent, reused": SWDLoss(num_proj=8, projections="independent", reuse=4),
    "many projections": SWDLoss(num_proj=140, small_patches=0.0, patch_size=3),
}


class Log(TorchDispatchMode):
    """What torch is asked to do: operations, shapes, and every number that is not in a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[object] = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        options = options or {}
        self.calls.append((str(function), _shapes(arguments), _shapes(tuple(sorted(options.items())))))
        return function(*arguments, **options)


def _shapes(value: object) -> object:
    if isinstance(value, Tensor):
        return tuple(value.shape), value.stride(), str(value.dtype)
    if isinstance(value, (tuple, list)):
        return tuple(_shapes(each) for each in value)
    return repr(value)


NEEDS_THE_HOST = ("_local_scalar_dense", "nonzero", "unique", "masked_select", "is_nonzero", "equal.default")


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_a_step_is_the_same_work_every_time_and_asks_the_device_for_nothing(name: str, weighted: bool) -> None:
    """What a CUDA graph demands: it knows nothing of the host's variables."""
    loss, reference, image = LOSSES[name], picture(70, 66, seed=1), picture(64, 72, seed=2)
    g, weight = Generator().manual_seed(3), None
    references = Reference(reference)
    if weighted:
        references = Reference(reference, torch.rand(70, 66, generator=g))
        weight = torch.rand(1, 1, 64, 72, generator=g)
    objective = objective_of(loss, references, (64, 72), weight=weight)
    assert objective.capturable
    state, into, logs = OutputState(Generator().manual_seed(0)), torch.zeros_like(image), []
    for step in range(3):
        sample = map_tensors(torch.clone, objective.sample(image, step, state))
        with Log() as log:
            objective.evaluate(image, sample, into)
        logs.append(log.calls)
    assert len(logs[1]) > 10
    assert logs[1] == logs[2]  # at the first step buffers are made
    asked = [call for call in logs[1] if any(word in str(call) for word in NEEDS_THE_HOST)]
    assert not asked


@pytest.mark.parametrize("keep", [None, Keep(picture(24, 24, seed=5), torch.eye(24)[None, None])], ids=["free", "kept"])
@pytest.mark.parametrize("symmetry", gpdm.SYMMETRIES)
def test_a_projection_is_the_same_work_every_time_and_asks_the_device_for_nothing(
    symmetry: str, keep: Keep | None
) -> None:
    canvas, logs = gpdm.Canvas(size=(24, 24), symmetry=symmetry, keep=keep), []
    for seed in range(2):
        image = picture(24, 24, seed=seed)
        with Log() as log:
            assert canvas.project_(image) is image
        logs.append(log.calls)
    assert logs[0] == logs[1]
    assert not [call for call in logs[0] if any(word in str(call) for word in NEEDS_THE_HOST)]
    assert bool(logs[0]) == canvas.has_projection


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    recorder = Recorder()
    monkeypatch.setattr(base, "recorder_for", lambda device, backend: recorder)
    return recorder


@pytest.mark.parametrize(
    ("method", "border"),
    [("adam", "free"), ("adam", "circular y"), ("newton", "free"), ("sgd", "free"), ("adam picture", "free")],
)
def test_replayed_steps_make_the_same_picture(
    method: str, border: str, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> gpdm.Synthesis:
        return gpdm.synthesize(
            picture(64, 64, seed=1),
            num_outputs=2,
            loss=SWDLoss(num_proj=6, border=border),
            pyramid=PyramidSchedule(coarse_dim=64),
            optimizer=Optimizer(
                method=method, lr=0.5 if method == "sgd" else 0.03, num_steps=45, fine_steps=0, window=20
            ),
        )

    replayed = made()
    assert recorder.recorded == 2 * len(replayed.levels), "one for each output and level"
    assert recorder.replayed > 2 * 30
    monkeypatch.setattr(base, "recorder_for", lambda device, backend: None)
    plain = made()
    assert torch.equal(replayed.images, plain.images)
    for a, b in zip(replayed.losses, plain.losses, strict=True):
        assert torch.equal(a.nan_to_num(), b.nan_to_num())


class Projection(TorchDispatchMode):
    """Counts flips, which nothing but the symmetry does, and what restores kept pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.flips = self.restored = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.flips += str(function) == "aten.flip.default"
        self.restored += str(function) == "aten.where.self_out"
        return function(*arguments, **(options or {}))


KEPT = Keep(picture(64, 64, seed=5), torch.nn.functional.pad(torch.ones(20, 24), (30, 10, 5, 39)))


@pytest.mark.parametrize("method", ["adam", "newton", "sgd", "adam picture"])
@pytest.mark.parametrize(
    ("symmetry", "keep"),
    [("mirror x", None), ("none", KEPT), ("mirror both", KEPT), ("rotate 90", KEPT)],
    ids=["symmetric", "kept", "symmetric and kept", "turned and kept"],
)
def test_the_projection_is_recorded_with_the_step(
    symmetry: str, keep: Keep | None, method: str, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Tensor] = []

    def made() -> gpdm.Synthesis:
        shown.clear()
        return gpdm.synthesize(
            picture(64, 64, seed=1),
            num_outputs=2,
            loss=SWDLoss(num_proj=6),
            pyramid=PyramidSchedule(coarse_dim=50),
            optimizer=Optimizer(method=method, lr=0.5 if method == "sgd" else 0.03, num_steps=12, fine_steps=0),
            symmetry=symmetry,
            keep=keep,
            on_step=lambda info: shown.append(info.image.clone()),
        )

    replayed, steps = made(), list(shown)
    assert len(replayed.levels) > 1
    assert recorder.recorded == 2 * len(replayed.levels), "one for each output and level"
    assert recorder.replayed == 2 * len(replayed.levels) * (12 - WARMUP_STEPS)
    monkeypatch.setattr(base, "recorder_for", lambda device, backend: None)
    plain = made()
    assert torch.equal(replayed.images, plain.images)
    for a, b in zip(replayed.losses, plain.losses, strict=True):
        assert torch.equal(a, b)
    assert len(steps) == len(shown)
    assert all(torch.equal(a, b) for a, b in zip(steps, shown, strict=True)), "projected after every step"
    if keep is not None:
        inside = (KEPT.mask >= 0.5).expand(2, 3, 64, 64)
        assert torch.equal(replayed.images[inside], KEPT.image.expand(2, 3, 64, 64)[inside])
    elif symmetry == "mirror x":
        assert torch.equal(replayed.images, replayed.images.flip(3))


def test_the_projection_is_in_the_recorded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is replayed projects: a recording that left the projection to the host would pass all but this."""
    counts: list[tuple[int, int]] = []

    class Counts(Recorder):
        def record(self, work: Callable[[], object]) -> Callable[[], None]:
            def replay() -> None:
                with Projection() as done:
                    work()
                counts.append((done.flips, done.restored))

            return replay

    monkeypatch.setattr(base, "recorder_for", lambda device, backend: Counts())
    gpdm.synthesize(
        picture(32, 32, seed=1),
        loss=SWDLoss(num_proj=6),
        pyramid=PyramidSchedule(coarse_dim=32),
        optimizer=Optimizer(num_steps=6, fine_steps=0),
        symmetry="mirror both",
        keep=Keep(picture(32, 32, seed=5), torch.eye(32)),
    )
    assert counts == [(2, 1)] * (6 - WARMUP_STEPS)


@pytest.mark.parametrize(
    "loss",
    [
        SWDLoss(num_proj=6, solver="exact", distance="l1", coherence=0.0),
        CombinedLoss(first=SWDLoss(num_proj=6), second=gpdm.BidirectionalLoss()),
        SWDLoss(num_proj=6, stride=3, small_patches=0.0),
    ],
    ids=["exact", "a sum with another", "a grid that moves"],
)
def test_what_is_not_capturable_is_not_recorded(
    loss: gpdm.Loss, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> gpdm.Synthesis:
        return gpdm.synthesize(
            picture(24, 26, seed=1),
            loss=loss,
            pyramid=PyramidSchedule(coarse_dim=24),
            optimizer=Optimizer(num_steps=12, fine_steps=0),
        )

    images = made().images
    monkeypatch.setattr(base, "recorder_for", lambda device, backend: None)
    assert torch.equal(made().images, images)
    assert recorder.recorded == 0


def test_a_subsample_that_moves_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, size = SWDLoss(num_proj=8, coherence=0.0), (40, 44)
    assert objective_of(loss, picture(*size), size).capturable
    monkeypatch.setattr(swd_binned, "COUNTED_PATCHES", 500)
    assert not objective_of(loss, picture(*size), size).capturable
    # With weights all patches are counted.
    assert objective_of(loss, picture(*size), size, weight=torch.ones(1, 1, *size)).capturable


def test_the_host_waits_for_a_cpu_at_no_time() -> None:
    limit = QueueLimit(torch.device("cpu"))
    for _ in range(100):
        limit.step()
    assert not limit.events


@pytest.mark.parametrize("steps", [1, QUEUED_STEPS - 1, QUEUED_STEPS, 2 * QUEUED_STEPS, 10 * QUEUED_STEPS + 3])
def test_the_host_is_at_most_twice_the_limit_ahead_of_a_gpu(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []

    class Event:
        def record(self) -> None:
            self.at = limit.steps

        def synchronize(self) -> None:
            waited.append(self.at)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    limit = QueueLimit(torch.device("cuda"))
    for _ in range(steps):
        limit.step()
        assert limit.steps - max(waited, default=0) <= 2 * QUEUED_STEPS
    assert waited == [QUEUED_STEPS * i for i in range(1, steps // QUEUED_STEPS)]
