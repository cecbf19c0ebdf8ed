"""The terminal face: the `gpdm` command. The only part of the library that touches files."""

import os

# OpenMP threads that wait for work spin by default, which makes small levels 10 to 20 times slower on a machine
# that does anything else. The policy is read once, when torch loads its OpenMP library.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
