"""Self-describing options: the one place where a default, its range and its help are written.

Widgets, tooltips, command-line flags, help pages and validation are all generated from `describe`.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from .errors import OptionError


def option(
    default: Any,
    help: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    step: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that knows its help text, its inclusive range `[ge, le]` or its choices, and its widget step."""
    spec = {"help": help, "ge": ge, "le": le, "step": step, "choices": choices}
    return dataclasses.field(default=default, metadata={"option": spec})


@dataclass(frozen=True)
class OptionSpec:
    """What is known about one option. `type` is bool, int, float or str, taken from the default."""

    name: str
    type: type
    default: Any
    help: str
    ge: float | None
    le: float | None
    step: float | None
    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The allowed values in words, for an error message or a help page."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[self.type]
        if self.ge is None and self.le is None:
            return kind
        return f"{kind} from {self.ge:g} to {self.le:g}"

    def check(self, value: Any) -> Any:
        """Returns `value` in the option's own type; raises `OptionError` for a wrong type or range."""
        if not self._has_type(value):
            raise OptionError(self.name, value, f"it must be {self.allowed}", self.help)
        value = self.type(value)
        if self.choices and value not in self.choices:
            raise OptionError(self.name, value, f"it must be {self.allowed}", self.help)
        if (self.ge is not None and value < self.ge) or (self.le is not None and value > self.le):
            raise OptionError(self.name, value, f"it must be {self.allowed}", self.help)
        return value

    def _has_type(self, value: Any) -> bool:
        if self.type is float:
            return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        if self.type is int:
            return isinstance(value, Integral) and not isinstance(value, bool)
        return isinstance(value, self.type)


def describe(options: type | Options) -> tuple[OptionSpec, ...]:
    """The options of a class (with its defaults) or of an object (with its values as defaults), in their written order."""
    specs = []
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        if "option" in field.metadata:
            value = field.default if isinstance(options, type) else getattr(options, field.name)
            specs.append(OptionSpec(field.name, type(field.default), value, **field.metadata["option"]))
    return tuple(specs)


class Options:
    """Base of the option dataclasses: every value is checked, and brought to its own type, when the object is made."""

    def __post_init__(self) -> None:
        for spec in describe(type(self)):
            # The dataclass is frozen; this is the one moment at which it may still be written.
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))


def check_int(name: str, value: object, least: int | None = None) -> int:
    """Returns `value` as an int; raises `OptionError` if it is none, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or (least is not None and value < least):
        raise OptionError(name, value, "it must be a whole number" + ("" if least is None else f" from {least} on"))
    return int(value)
