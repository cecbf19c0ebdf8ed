"""CUDA graphs of steps: every step is the same work, and replaying it gives the same image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import gpdm
from gpdm import (
    CombinedLoss,
    Filters,
    Keep,
    Optimizer,
    OutputState,
    PyramidSchedule,
    Reference,
    SlicedWasserstein,
    SWDLoss,
)
from gpdm.kernels.choose import log_once
from gpdm.losses.reference_cdfs import CountingLimits
from gpdm.optimizers import base, cuda_graphs
from gpdm.optimizers.cuda_graphs import (
    QUEUED_STEPS,
    WARMUP_STEPS,
    GraphedStep,
    QueueLimit,
    map_tensors,
    record_cuda_graph,
    recorder_for,
)
from gpdm.transport.binned import bin_range
from library.problems import objective_of, picture


class FakeRecorder:
    """A stand-in for CUDA graphs: replaying repeats the recorded work on the recorded tensors."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, work: Callable[[], object]) -> Callable[[], None]:
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            work()

        return replay


@dataclass(frozen=True)
class Inputs:
    values: Tensor
    others: tuple[Tensor, str]


def test_replays_use_new_tensor_values_and_end_if_anything_else_changes() -> None:
    recorder, total = FakeRecorder(), torch.zeros(2)

    def work(inputs: Inputs) -> Tensor:
        total.add_(inputs.values * inputs.others[0])
        return total.sum()

    step, expected = GraphedStep(work, recorder), torch.zeros(2)
    for i in range(10):
        values, factor = torch.tensor([float(i), 1.0]), torch.tensor(2.0)
        expected += values * factor
        assert step(Inputs(values, (factor, "same"))) == expected.sum()
        assert torch.equal(total, expected)
    assert (recorder.recorded, recorder.replayed) == (1, 10 - WARMUP_STEPS)
    # The next call does not change an earlier result.
    first = step(Inputs(torch.ones(2), (torch.tensor(1.0), "same")))
    before = float(first)
    step(Inputs(torch.ones(2), (torch.tensor(1.0), "same")))
    assert float(first) == before
    # Another text or shape: the old recording must not be used.
    before = recorder.replayed
    step(Inputs(torch.ones(2), (torch.tensor(1.0), "other")))
    step(Inputs(torch.ones(1), (torch.tensor(1.0), "other")))
    assert recorder.replayed == before


def test_every_new_tensor_is_copied() -> None:
    """Tensors are compared by identity, so callers pass new ones in place of changed ones."""
    recorder, inputs = FakeRecorder(), []
    step = GraphedStep(lambda x: inputs.append(x.clone()) or x.sum(), recorder)
    for i in range(6):
        step(torch.tensor([float(i)]))
    assert [float(x) for x in inputs] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_after_a_failed_capture_a_warning_is_logged_and_nothing_is_captured_any_more(
    error: type[Exception], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(work: Callable[[], object]) -> Callable[[], None]:
        try:
            raise error("operation not permitted when stream is capturing\nand much more")
        finally:
            raise RuntimeError("the recording was not ended")

    monkeypatch.setattr(cuda_graphs, "_capture_errors", [])
    step = GraphedStep(lambda x: x.sum(), fail)
    assert [float(step(torch.tensor([float(i)]))) for i in range(8)] == list(range(8))
    (record,) = caplog.records
    assert "launched one by one from now on: operation not permitted when stream is capturing" in record.getMessage()
    assert recorder_for(torch.device("cuda"), "torch") is None


@pytest.fixture
def no_capture_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets failed captures of other tests."""
    monkeypatch.setattr(cuda_graphs, "_capture_errors", [])


@pytest.mark.parametrize(
    ("device", "backend", "allocator", "records"),
    [
        ("cuda", "torch", "native", True),
        ("cuda", "triton", "native", True),
        ("cuda", "torch", "cudaMallocAsync", True),
        ("cuda", "triton", "cudaMallocAsync", False),
        ("cpu", "torch", "native", False),
        ("cpu", "torch", "cudaMallocAsync", False),
    ],
)
def test_devices_and_backends_that_record(
    device: str, backend: str, allocator: str, records: bool, no_capture_errors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_allocator_backend", lambda: allocator)
    assert recorder_for(torch.device(device), backend) is (record_cuda_graph if records else None)


def test_amd_gpus_do_not_record(no_capture_errors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", "6.0")
    assert recorder_for(torch.device("cuda"), "torch") is None


def test_an_allocator_that_prevents_recording_is_logged_once(
    no_capture_errors: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log_once.cache_clear()
    monkeypatch.setattr(torch.cuda, "get_allocator_backend", lambda: "cudaMallocAsync")
    with caplog.at_level("INFO"):
        for _ in range(2):
            recorder_for(torch.device("cuda"), "triton")
    (record,) = caplog.records
    assert "--disable-cuda-malloc" in record.getMessage()


def test_copies_of_dataclasses_have_no_cached_values_of_the_original() -> None:
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


class OperationLog(TorchDispatchMode):
    """A log of all operations, with the shapes of tensors and all other arguments."""

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
        return tuple(_shapes(item) for item in value)
    return repr(value)


SYNCHRONISING = ("_local_scalar_dense", "nonzero", "unique", "masked_select", "is_nonzero", "equal.default")
"""Operations that copy a value from the device to the host."""


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
def test_every_step_does_the_same_operations_and_none_synchronises(name: str, weighted: bool) -> None:
    """The requirements of a CUDA graph, which does not see the host's variables."""
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
        with OperationLog() as log:
            objective.evaluate(image, sample, into)
        logs.append(log.calls)
    assert len(logs[1]) > 10
    assert logs[1] == logs[2]  # the first step also allocates buffers
    assert not [call for call in logs[1] if any(name in str(call) for name in SYNCHRONISING)]


@pytest.mark.parametrize("keep", [None, Keep(picture(24, 24, seed=5), torch.eye(24)[None, None])], ids=["free", "kept"])
@pytest.mark.parametrize("symmetry", gpdm.SYMMETRIES)
def test_every_projection_does_the_same_operations_and_none_synchronises(symmetry: str, keep: Keep | None) -> None:
    canvas, logs = gpdm.Canvas(size=(24, 24), symmetry=symmetry, keep=keep), []
    canvas.project_(picture(24, 24))  # the first computes where copies are; it is before all steps
    for seed in range(2):
        image = picture(24, 24, seed=seed)
        with OperationLog() as log:
            assert canvas.project_(image) is image
        logs.append(log.calls)
    assert logs[0] == logs[1]
    assert not [call for call in logs[0] if any(name in str(call) for name in SYNCHRONISING)]
    assert bool(logs[0]) == canvas.has_projection


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> FakeRecorder:
    """The recorder of all steps."""
    recorder = FakeRecorder()
    monkeypatch.setattr(base, "recorder_for", lambda device, backend: recorder)
    return recorder


@pytest.mark.parametrize(
    ("method", "border"),
    [("adam", "free"), ("adam", "circular y"), ("newton", "free"), ("sgd", "free"), ("adam picture", "free")],
)
def test_replayed_steps_give_the_same_images(
    method: str, border: str, recorder: FakeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> gpdm.Synthesis:
        return gpdm.synthesize(
            picture(64, 64, seed=1),
            num_outputs=2,
            loss=SWDLoss(num_proj=6, border=border),
            pyramid=PyramidSchedule(coarse_dim=64),
            optimizer=Optimizer(
                method=method, lr=0.5 if method == "sgd" else 0.03, num_steps=45, fine_steps=0, window=20
            ),
        )

    replayed = run()
    assert recorder.recorded == 2 * len(replayed.levels), "one recording for each output and level"
    assert recorder.replayed > 2 * 30
    monkeypatch.setattr(base, "recorder_for", lambda device, backend: None)
    plain = run()
    assert torch.equal(replayed.images, plain.images)
    for a, b in zip(replayed.losses, plain.losses, strict=True):
        assert torch.equal(a.nan_to_num(), b.nan_to_num())


class ProjectionCounter(TorchDispatchMode):
    """Counts flips, which only the symmetry needs, and the operation that restores kept pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.flips = self.restored = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        self.flips += str(function) == "aten.flip.default"
        self.restored += str(function) == "aten.where.self_out"
        return function(*arguments, **(options or {}))


KEPT = Keep(picture(64, 64, seed=5), torch.nn.functional.pad(torch.ones(20, 24), (30, 10, 5, 39)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "symmetry", "keep"),
    [
        ("adam", "mirror x", None),
        ("adam", "none", KEPT),
        ("adam", "rotate 90", KEPT),
        ("newton", "mirror both", KEPT),
        ("sgd", "mirror x", None),
        ("adam picture", "none", KEPT),
    ],
)
def test_the_projection_is_recorded_with_the_step(
    method: str, symmetry: str, keep: Keep | None, recorder: FakeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Tensor] = []

    def run() -> gpdm.Synthesis:
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

    replayed, steps = run(), list(shown)
    assert len(replayed.levels) > 1
    assert recorder.recorded == 2 * len(replayed.levels), "one recording for each output and level"
    assert recorder.replayed == 2 * len(replayed.levels) * (12 - WARMUP_STEPS)
    monkeypatch.setattr(base, "recorder_for", lambda device, backend: None)
    plain = run()
    assert torch.equal(replayed.images, plain.images)
    for a, b in zip(replayed.losses, plain.losses, strict=True):
        assert torch.equal(a, b)
    assert len(steps) == len(shown)
    assert all(torch.equal(a, b) for a, b in zip(steps, shown, strict=True)), "images after the steps differ"
    if keep is not None:
        inside = (KEPT.mask >= 0.5).expand(2, 3, 64, 64)
        assert torch.equal(replayed.images[inside], KEPT.image.expand(2, 3, 64, 64)[inside])
    elif symmetry == "mirror x":
        assert torch.equal(replayed.images, replayed.images.flip(3))


def test_the_recorded_work_includes_the_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A projection that the host does after each replay would pass all other tests."""
    counts: list[tuple[int, int]] = []

    def record(work: Callable[[], object]) -> Callable[[], None]:
        def replay() -> None:
            with ProjectionCounter() as counter:
                work()
            counts.append((counter.flips, counter.restored))

        return replay

    monkeypatch.setattr(base, "recorder_for", lambda device, backend: record)
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
    ids=["exact", "sum with another", "random grid offset"],
)
def test_losses_that_are_not_capturable_are_not_recorded(
    loss: gpdm.Loss, recorder: FakeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> gpdm.Synthesis:
        return gpdm.synthesize(
            picture(24, 26, seed=1),
            loss=loss,
            pyramid=PyramidSchedule(coarse_dim=24),
            optimizer=Optimizer(num_steps=12, fine_steps=0),
        )

    images = run().images
    monkeypatch.setattr(base, "recorder_for", lambda device, backend: None)
    assert torch.equal(run().images, images)
    assert recorder.recorded == 0


@pytest.mark.parametrize(
    ("output_patches", "weighted", "capturable"),
    [(2**18, False, True), (500, False, False), (500, True, True)],  # with weights all patches are counted
)
def test_a_subsample_with_random_offset_is_not_capturable(
    output_patches: int, weighted: bool, capturable: bool
) -> None:
    term = SlicedWasserstein(filters=(Filters(number=8),), limits=CountingLimits(output_patches=output_patches))
    canvas = gpdm.Canvas(size=(40, 44), weight=torch.ones(1, 1, 40, 44) if weighted else None)
    assert term.bind([Reference(picture(40, 44))], canvas, 2**30).capturable == capturable


def test_the_queue_of_a_cpu_has_no_limit() -> None:
    limit = QueueLimit(torch.device("cpu"))
    for _ in range(100):
        limit.step()
    assert not limit.events


@pytest.mark.parametrize("steps", [1, QUEUED_STEPS - 1, QUEUED_STEPS, 2 * QUEUED_STEPS, 10 * QUEUED_STEPS + 3])
def test_at_most_twice_the_limit_is_queued_on_a_gpu(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    finished: list[int] = []

    class FakeEvent:
        def record(self) -> None:
            self.at = limit.steps

        def synchronize(self) -> None:
            finished.append(self.at)

    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    limit = QueueLimit(torch.device("cuda"))
    for _ in range(steps):
        limit.step()
        assert limit.steps - max(finished, default=0) <= 2 * QUEUED_STEPS
    assert finished == [QUEUED_STEPS * i for i in range(1, steps // QUEUED_STEPS)]
