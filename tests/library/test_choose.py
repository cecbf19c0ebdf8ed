"""The choice of a backend, and what is logged about it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
import torch

from gpdm import OptionError, SWDLoss
from gpdm.kernels import choose
from library.problems import objective_of, picture

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is cached from other tests, and kernels are not interpreted."""
    monkeypatch.setattr(choose, "is_interpreted", lambda: False)
    for function in (choose.why_not_triton, choose.log_once):
        function.cache_clear()
    yield
    choose.why_not_triton.cache_clear()


def fail_import(monkeypatch: pytest.MonkeyPatch, missing: str, error: Exception) -> None:
    """Makes the import of a module raise an error."""
    real = importlib.import_module

    def imported(name: str, package: str | None = None):
        if name == missing:
            raise error
        return real(name, package)

    monkeypatch.setattr(choose.importlib, "import_module", imported)


def simulate_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], finding: str | Exception | None) -> None:
    """Simulates a GPU of this compute capability, on which the check of the kernels returns or raises `finding`."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")

    class Check:
        @staticmethod
        def disagreement(device: torch.device) -> str | None:
            if isinstance(finding, Exception):
                raise finding
            return finding

    monkeypatch.setattr(
        choose.importlib, "import_module", lambda name, package=None: Check if name == ".triton_check" else object()
    )


@pytest.mark.parametrize(("backend", "device"), [("auto", CPU), ("torch", CPU), ("torch", CUDA)])
def test_torch_is_chosen_without_a_message(
    backend: str, device: torch.device, caplog: pytest.LogCaptureFixture
) -> None:
    assert choose.choose(backend, device) == "torch"
    assert not caplog.records


def test_triton_on_a_cpu_is_refused() -> None:
    with pytest.raises(
        OptionError, match=r"backend = 'triton'.*NVIDIA GPUs, and the image is on cpu.*choose backend auto"
    ):
        objective_of(SWDLoss(backend="triton"), picture(), (32, 40))


def test_without_triton_auto_logs_the_reason_once_and_chooses_torch(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_import(monkeypatch, "triton", ImportError("No module named 'triton'"))
    assert [choose.choose("auto", CUDA) for _ in range(3)] == ["torch"] * 3
    (record,) = caplog.records
    assert "pip install triton, on Windows triton-windows" in record.getMessage()
    assert "plain PyTorch is used on cuda:0" in record.getMessage()
    with pytest.raises(OptionError, match="No module named 'triton'"):
        choose.choose("triton", CUDA)


@pytest.mark.parametrize(
    ("capability", "finding", "reason"),
    [
        ((7, 5), None, r"need compute capability 8.0, and Some GPU has 7.5"),
        ((8, 6), "Triton's compare and PyTorch do not agree on cuda:0", "do not agree"),
        ((9, 0), RuntimeError("no compiler\nfurther lines"), r"do not run here \(RuntimeError: no compiler\)"),
    ],
)
def test_a_gpu_on_which_triton_does_not_work(
    capability: tuple[int, int],
    finding: str | Exception | None,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    simulate_gpu(monkeypatch, capability, finding)
    assert choose.choose("auto", CUDA) == "torch"
    assert len(caplog.records) == 1
    with pytest.raises(OptionError, match=reason):
        choose.choose("triton", CUDA)


def test_a_gpu_on_which_triton_works(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    simulate_gpu(monkeypatch, (8, 0), None)
    assert choose.choose("auto", CUDA) == choose.choose("triton", CUDA) == "triton"
    assert not caplog.records


def test_images_too_large_for_32_bit_indices(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    simulate_gpu(monkeypatch, (9, 0), None)
    assert choose.choose("auto", CUDA, 2**31 - 1) == "triton"
    assert choose.choose("auto", CUDA, 2**31) == "torch"
    assert "2147483648 elements are too many" in caplog.text
    with pytest.raises(OptionError, match="too many"):
        choose.choose("triton", CUDA, 2**31)


def test_kernels_are_for_float32(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    simulate_gpu(monkeypatch, (9, 0), None)
    assert choose.choose("auto", CUDA, 9, torch.float32) == "triton"
    assert choose.choose("auto", CUDA, 9, torch.float64) == "torch"
    assert "the image is torch.float64" in caplog.text


def test_an_amd_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_gpu(monkeypatch, (9, 4), None)
    monkeypatch.setattr(torch.version, "hip", "6.0")
    assert "AMD" in (choose.why_not_triton(CUDA) or "")
