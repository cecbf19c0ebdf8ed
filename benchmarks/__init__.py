"""Benchmarks of speed and quality. README.md says which script answers which question.

Importing this package lets waiting OpenMP threads sleep, unless OMP_WAIT_POLICY is set. That must happen before
torch is loaded: spinning threads make timings of small levels unreliable on a machine that does anything else.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
