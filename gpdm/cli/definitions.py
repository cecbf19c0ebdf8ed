"""Definitions of node types: their inputs and outputs.

They are read from tables, so that a workflow file is checked before torch is loaded. `tools/make_tables.py` writes
nodes.json from the classes that can run here; comfy_nodes.json is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import GPDMError

VALUE_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "BOUNDING_BOX")
"""Types of inputs that are widgets: their value stands in the file, unless a link takes its place."""

CONTROL_VALUES = ("fixed", "increment", "decrement", "randomize")
"""Values of the widget after a seed. It tells the editor how to change the seed, and is no input."""


@dataclass(frozen=True)
class Input:
    """One input of a node type."""

    name: str
    type: str
    """INT, FLOAT, STRING, BOOLEAN, COMBO, BOUNDING_BOX, or the type of a socket."""
    required: bool
    choices: tuple[Any, ...] | None
    """Values of a COMBO. None if only a running ComfyUI knows them, such as installed models."""
    options: Mapping[str, Any]
    added: Mapping[Any, tuple[Input, ...]] = field(default_factory=dict)
    """Inputs that a choice adds behind this one, by the choice."""

    @property
    def is_widget(self) -> bool:
        """True if the input is a widget, whose value the file holds when nothing is linked to it."""
        return self.type in VALUE_TYPES and not self.options.get("forceInput")

    @property
    def extra_values(self) -> int:
        """Number of values behind this one in a file that repeat its parts and are no inputs."""
        return 4 if self.type == "BOUNDING_BOX" else 0

    @property
    def has_control(self) -> bool:
        """True if the editor puts a control widget behind the input, as it does for every seed."""
        return bool(
            self.options.get("control_after_generate", self.type == "INT" and self.name in ("seed", "noise_seed"))
        )


@dataclass(frozen=True)
class Definition:
    """One node type."""

    type: str
    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    output_names: tuple[str, ...]
    is_output: bool
    runs_here: bool
    """False for nodes that only ComfyUI can run."""
    display_name: str
    """Name that the editor shows."""

    @property
    def widgets(self) -> list[Input]:
        """Inputs in the order in which a saved workflow lists their values."""
        return [given for given in self.inputs if given.is_widget]

    def input(self, name: str) -> Input | None:
        """Returns the input called `name`, or None. It may be one that a choice adds."""
        added = [each for given in self.inputs for more in given.added.values() for each in more]
        return next((given for given in (*self.inputs, *added) if given.name == name), None)

    def inputs_for(self, values: Mapping[str, Any]) -> list[Input]:
        """Returns the inputs of a node with these values: those that its choices add stand behind the choices."""
        return [each for given in self.inputs for each in (given, *given.added.get(_key(values.get(given.name)), ()))]


def from_class(type_name: str, node_class: Any) -> Definition:
    """Returns the definition of a V1 node class."""
    return _definition(type_name, table_row(node_class), runs_here=True)


def table_row(node_class: Any) -> dict[str, Any]:
    """Returns a V1 node class as a row of a table, whose keys are those of a server of ComfyUI."""
    return {
        "input": node_class.INPUT_TYPES(),
        "output": node_class.RETURN_TYPES,
        "output_name": getattr(node_class, "RETURN_NAMES", node_class.RETURN_TYPES),
        "output_node": getattr(node_class, "OUTPUT_NODE", False),
    }


def all_definitions() -> dict[str, Definition]:
    """Returns every known node type: the pack's, the stand-ins, and those of ComfyUI that can only be checked.

    The last need a model, and shipped workflows use them.
    """
    rows = [(file, row) for file in ("comfy_nodes", "nodes") for row in _table(file).items()]
    return {name: _definition(name, row, file == "nodes") for file, (name, row) in rows}


def _table(file: str) -> dict[str, Any]:
    return json.loads(Path(__file__).with_name(f"{file}.json").read_text(encoding="utf-8"))


def _definition(type_name: str, row: Mapping[str, Any], runs_here: bool) -> Definition:
    """Returns the definition in a row of a table."""
    given = [
        each
        for group in ("required", "optional")
        for name, spec in row["input"].get(group, {}).items()
        for each in _inputs(name, spec, group == "required")
    ]
    return Definition(
        type_name,
        tuple(given),
        tuple(row["output"]),
        tuple(row.get("output_name", row["output"])),
        row.get("output_node", False),
        runs_here,
        row.get("display_name", type_name),
    )


def _inputs(name: str, spec: Any, required: bool) -> list[Input]:
    """Returns the inputs of one specification, in any form that ComfyUI has: one, or as many as may grow."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    if isinstance(kind, (list, tuple)):
        return [Input(name, "COMBO", required, tuple(kind), options)]
    if kind == "COMFY_AUTOGROW_V3":
        return _grown(name, options["template"], required)
    if kind == "COMFY_DYNAMICCOMBO_V3":
        added = {option["key"]: _added(name, option["inputs"]) for option in options["options"]}
        return [Input(name, "COMBO", required, tuple(added), options, added)]
    if kind == "COMFY_MATCHTYPE_V3":
        return [Input(name, options["template"]["allowed_types"], required, None, options)]
    choices = tuple(options["options"]) if kind == "COMBO" and "options" in options else None
    return [Input(name, kind, required, choices, options)]


def _added(name: str, table: Mapping[str, Any]) -> tuple[Input, ...]:
    """Returns the inputs that a choice of the input `name` adds."""
    return tuple(
        each
        for group in ("required", "optional")
        for short, spec in table.get(group, {}).items()
        for each in _inputs(f"{name}.{short}", spec, group == "required")
    )


def _grown(name: str, template: Mapping[str, Any], required: bool) -> list[Input]:
    """Returns the inputs of a template: at least `min` are required, up to `max` are possible."""
    (spec,) = [spec for group in template["input"].values() for spec in group.values()]
    names = template.get("names") or [f"{template['prefix']}{number}" for number in range(template["max"])]
    return [
        each
        for number, short in enumerate(names)
        for each in _inputs(f"{name}.{short}", spec, required and number < template["min"])
    ]


def _key(value: Any) -> Any:
    """Returns a value that can be looked up; what a damaged file has in its place can not."""
    return value if isinstance(value, str) else None


def require(definitions: Mapping[str, Definition], type_name: str, where: str) -> Definition:
    """Returns the definition of a node type.

    Raises:
        GPDMError: The type is unknown.
    """
    if type_name not in definitions:
        raise GPDMError(
            f"{where} is of unknown type {type_name!r}; check the spelling, or run the file in ComfyUI if it has that node"
        )
    return definitions[type_name]
