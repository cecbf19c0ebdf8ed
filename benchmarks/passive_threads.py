"""Lets waiting OpenMP threads sleep, unless OMP_WAIT_POLICY is set. Import it before torch: timings with spinning threads are suspect."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
