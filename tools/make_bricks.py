"""Makes the sample texture of bricks, workflows/inputs/bricks.png: computed, and this project's own work.

python tools/make_bricks.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.lattices import BRICKS  # noqa: E402
from gpdm import to_pil  # noqa: E402

if __name__ == "__main__":
    to_pil(BRICKS.image(160)).save(ROOT / "workflows" / "inputs" / "bricks.png", optimize=True)
