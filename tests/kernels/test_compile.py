"""Triton compiles the kernels for several GPUs without one, in another process, since in this one it may interpret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("Triton's compiler comes with its package for Linux", allow_module_level=True)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path_factory.mktemp("triton"))}
    command = [sys.executable, str(Path(__file__).with_name("compile.py")), "--json", "--products"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.slow
def test_every_kernel_compiles(report: list[dict]) -> None:
    assert {(row["kernel"], row["capability"]) for row in report} >= {
        (kernel, 90) for kernel in ("_project_and_count", "_backproject", "_compare", "_adam", "_weighted_mse")
    }
    assert {80, 90} == {row["capability"] for row in report}
    assert all(row["bytes"] > 1000 for row in report)


def test_products_use_tensor_cores_in_tf32_and_few_registers_are_spilled(report: list[dict]) -> None:
    for row in report:
        if row["kernel"] in ("_project_and_count", "_backproject"):
            instruction = "wgmma.mma_async" if row["capability"] == 90 else "mma.sync"
            assert any(name.startswith(instruction) and ".tf32.tf32" in name for name in row["products"]), row
        assert row["shared"] <= 99 * 1024, row  # the limit of a program on the smallest of these GPUs
        assert row["spilled"] <= 256, row
