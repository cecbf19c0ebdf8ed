"""Settings of the fuzz tests.

GPDM_FUZZ_EXAMPLES is the number of examples, for longer runs by hand. They are random then.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("GPDM_FUZZ_EXAMPLES")


def fuzz(examples: int) -> settings:
    """Returns settings with this number of examples, the same in every run."""
    return settings(
        max_examples=int(EXAMPLES or examples),
        derandomize=EXAMPLES is None,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
