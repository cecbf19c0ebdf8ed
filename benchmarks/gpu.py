"""Starts `benchmarks.speed.gpu` from any folder; that module lists what is checked and timed.

python benchmarks/gpu.py [--device cuda] [--parts ...] [--budget 540] [--out benchmarks/results/gpu.jsonl]
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    runpy.run_module("benchmarks.speed.gpu", run_name="__main__", alter_sys=True)
