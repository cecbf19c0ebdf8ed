"""Checks what must hold before a change lands: format, lint, types, generated files, tests.

python tools/check.py          check, as CI does; exit 1 if something fails
python tools/check.py --fix    first correct what can be corrected and write generated files
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable

FIX = [
    [PYTHON, "-m", "ruff", "check", "--fix", "--quiet", "."],
    [PYTHON, "-m", "ruff", "format", "--quiet", "."],
    [PYTHON, "tools/record_schemas.py"],
    [PYTHON, "tools/make_tables.py"],
    [PYTHON, "tools/make_docs.py"],
    [PYTHON, "tools/make_workflows.py"],
]
CHECK = [
    [PYTHON, "-m", "ruff", "format", "--check", "."],
    [PYTHON, "-m", "ruff", "check", "."],
    [PYTHON, "-m", "basedpyright", "--level", "error", "--pythonpath", PYTHON],
    [PYTHON, "tools/record_schemas.py", "--check"],
    [PYTHON, "tools/make_tables.py", "--check"],
    [PYTHON, "tools/make_docs.py", "--check"],
    [PYTHON, "tools/make_workflows.py", "--check"],
    [PYTHON, "-m", "pytest", "-q", "-m", "slow or not slow", "-n", "auto", "--dist", "worksteal"],
]


def run(command: list[str]) -> bool:
    """Runs a command, which writes to this terminal, and returns whether it succeeds."""
    print("+", " ".join(["python", *command[1:]]), flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Format, lint, types, generated files, tests.")
    parser.add_argument("--fix", action="store_true", help="First correct what can be corrected.")
    if parser.parse_args().fix:
        for command in FIX:
            run(command)
    # All of them run, so that one call shows everything.
    failed = [command for command in CHECK if not run(command)]
    for command in failed:
        print("failed:", " ".join(["python", *command[1:]]), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
