"""Options: dataclass fields with default, range and help text in one place.

Widgets, tooltips, command-line flags, help pages and validation are generated from `describe`.
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
    """Returns a dataclass field with help text, inclusive range `[ge, le]` or choices, and the step of its widget."""
    spec = {"help": help, "ge": ge, "le": le, "step": step, "choices": choices}
    return dataclasses.field(default=default, metadata={"option": spec})


@dataclass(frozen=True)
class OptionSpec:
    """The description of one option. `type` is the type of the default: bool, int, float or str."""

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
        """The allowed values in words, for error messages and help pages."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[self.type]
        if self.ge is None and self.le is None:
            return kind
        return f"{kind} from {self.ge:g} to {self.le:g}"

    def check(self, value: Any) -> Any:
        """Returns `value` in the option's type; raises `OptionError` if its type, range or choice is wrong."""
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
    """Returns the options of a class or an object, in the order of their definition.

    The defaults are those of the class, or the values of the object.
    """
    specs = []
    for field in dataclasses.fields(options):  # type: ignore[arg-type]
        if "option" in field.metadata:
            value = field.default if isinstance(options, type) else getattr(options, field.name)
            specs.append(OptionSpec(field.name, type(field.default), value, **field.metadata["option"]))
    return tuple(specs)


class Options:
    """Base of the option dataclasses. On creation every value is checked and converted to its option's type.

    Raises:
        OptionError: A value has the wrong type, or is out of range.
    """

    def __post_init__(self) -> None:
        for spec in describe(type(self)):
            # `object.__setattr__`, because the dataclass is frozen.
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))


def check_int(name: str, value: object, least: int | None = None) -> int:
    """Returns `value` as an int; raises `OptionError` if it is not a whole number, or below `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or (least is not None and value < least):
        raise OptionError(name, value, "it must be a whole number" + ("" if least is None else f" from {least} on"))
    return int(value)
