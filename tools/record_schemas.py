"""Records what saved workflow files depend on: the inputs, combo values and outputs of every node, in their order.

python tools/record_schemas.py            add what is new to tests/pack/schemas.json; exit 1 if a promise is broken
python tools/record_schemas.py --check    write nothing; exit 1 if something is new or a promise is broken
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpdm.cli.pack import load_pack

SCHEMAS = Path(__file__).resolve().parent.parent / "tests" / "pack" / "schemas.json"


def schema(node: Any) -> dict[str, Any]:
    """Returns what saved files depend on in one node class."""
    return {
        "inputs": {
            group: [[name, spec[0]] for name, spec in table.items()] for group, table in node.INPUT_TYPES().items()
        },
        "outputs": [list(pair) for pair in zip(node.RETURN_NAMES, node.RETURN_TYPES, strict=True)],
    }


def broken_promises(promised: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns a line for each part of `promised` that `now` lacks or has elsewhere.

    Additions at the end are allowed.
    """
    lines = []
    for node, old in promised.items():
        if node not in now:
            lines.append(f"node {node} is gone")
            continue
        if now[node]["outputs"][: len(old["outputs"])] != old["outputs"]:
            lines.append(f"{node}: an output has changed")
        for group, inputs in old["inputs"].items():
            new_inputs = now[node]["inputs"].get(group, [])
            for place, (name, kind) in enumerate(inputs):
                if place >= len(new_inputs) or new_inputs[place][0] != name:
                    lines.append(f"{node}: input {name} has moved or gone")
                    continue
                new_kind = new_inputs[place][1]
                if (new_kind[: len(kind)] if isinstance(kind, list) else new_kind) != kind:
                    lines.append(f"{node}.{name}: its type or a combo value has changed")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Records node schemas.")
    parser.add_argument("--check", action="store_true", help="Write nothing; exit 1 if the file is out of date.")
    check = parser.parse_args().check
    promised = json.loads(SCHEMAS.read_text(encoding="utf-8"))
    now = {name: schema(node) for name, node in load_pack().NODE_CLASS_MAPPINGS.items()}
    if broken := broken_promises(promised, now):
        print("saved workflow files would break:\n" + "\n".join(broken), file=sys.stderr)
        return 1
    if promised == now:
        return 0
    if check:
        print("out of date: schemas.json; run python tools/record_schemas.py", file=sys.stderr)
        return 1
    # Nodes keep their order, so that a difference shows additions alone.
    SCHEMAS.write_text(json.dumps({name: now[name] for name in [*promised, *now]}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
