"""Options: dataclass fields with default, range and help text in one place.

Widgets, tooltips, command-line flags, help pages and validation are generated from `describe`.
"""

from __future__ import annotations

import dataclasses
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
    advanced: bool = False,
) -> Any:
    """Returns a dataclass field that describes an option: a number with a range, or a text with choices.

    Arguments:
        default: The value if none is given; its type is the option's type.
        help: What the option does and what happens when it goes up, in at most two sentences.
        ge, le: Smallest and largest value of a number.
        step: Step of the widget's arrows, for a number.
        choices: The values of a text.
        advanced: Whether few people need the option; the editor folds its widget away.
    """
    spec = {"help": help, "ge": ge, "le": le, "step": step, "choices": choices, "advanced": advanced}
    return dataclasses.field(default=default, metadata={"option": spec})


@dataclass(frozen=True)
class OptionSpec:
    """The description of one option. `type` is the type of the default: int, float or str."""

    name: str
    type: type
    default: Any
    help: str
    ge: float | None
    le: float | None
    step: float | None
    choices: tuple[str, ...]
    advanced: bool

    @property
    def allowed(self) -> str:
        """The allowed values in words, for error messages and help pages."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        return f"{'a whole number' if self.type is int else 'a number'} from {self.ge:.10g} to {self.le:.10g}"

    def check(self, value: Any) -> Any:
        """Returns `value` in the option's type; raises `OptionError` if its type, range or choice is wrong."""
        if not self._is_allowed(value):
            raise OptionError(self.name, value, f"it must be {self.allowed}")
        return self.type(value)

    def _is_allowed(self, value: Any) -> bool:
        if self.choices:
            return isinstance(value, str) and value in self.choices
        kind = Integral if self.type is int else Real
        # NaN fails both comparisons.
        return isinstance(value, kind) and not isinstance(value, bool) and self.ge <= value <= self.le  # type: ignore[operator]


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
        raise OptionError(name, value, "it must be a whole number" + ("" if least is None else f", at least {least}"))
    return int(value)
