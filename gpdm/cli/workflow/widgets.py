"""Widget values of a saved node, by input name."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..definitions import CONTROL_VALUES, Definition, Input
from .graph import SavedNode

EMPTY = (None, "")
CONTROL = "control_after_generate"
"""Name of the widget behind a seed."""


class WidgetValues(NamedTuple):
    """Values of the widgets of a node, as a file has them."""

    given: dict[str, Any]
    """Values by input name, null where the file has null."""
    control: Any = None
    """Value of the control behind the seed."""
    surplus: tuple[Any, ...] = ()
    """Values behind those of the widgets; empty ones at the end do not count."""


def widget_values(node: SavedNode, definition: Definition) -> dict[str, Any]:
    """Returns the value of every widget of which the file or the definition gives one.

    Widgets that the file does not have, because they were appended later, get the default of today; so do those that
    are null there.
    """
    found = _defaults(definition.widgets)
    found |= {name: value for name, value in read_values(node, definition).given.items() if value is not None}
    widgets = [given for given in definition.inputs_for(found) if given.is_widget]
    found = _defaults(widgets) | found
    return {given.name: found[given.name] for given in widgets if given.name in found}


def read_values(node: SavedNode, definition: Definition) -> WidgetValues:
    """Returns the values as the file has them: by name, or by position with places for controls and upload buttons."""
    if isinstance(node.values, dict):
        return WidgetValues(node.values, node.values.get(CONTROL))
    # Where no input is a widget, as in Preview as Text, the values are what the editor showed last.
    rest = list(node.values) if isinstance(node.values, list) and definition.widgets else []
    given: dict[str, Any] = {}
    control = None
    while rest:
        # A choice may add widgets behind itself.
        widgets = [each for each in definition.inputs_for(given) if each.is_widget]
        if len(given) == len(widgets):
            break
        widget = widgets[len(given)]
        given[widget.name] = rest.pop(0)
        del rest[: widget.extra_values]
        following = widgets[len(given)] if len(given) < len(widgets) else None
        if widget.has_control and rest and _is_control(rest[0], following):
            control = rest.pop(0)
    # The editor puts the upload button behind all other widgets.
    if has_upload(definition) and rest and rest[0] == "image":
        rest.pop(0)
    while rest and rest[-1] in EMPTY:
        rest.pop()
    return WidgetValues(given, control, tuple(rest))


def _defaults(widgets: list[Input]) -> dict[str, Any]:
    return {given.name: given.options["default"] for given in widgets if "default" in given.options}


def _is_control(value: Any, following: Input | None) -> bool:
    """Returns True if a value behind a seed is that of its control and not that of the widget that follows.

    Old files may have no control; in the oldest it is a truth value.
    """
    if value is None or value in CONTROL_VALUES:
        return True
    if following is None or not isinstance(value, (str, bool)):
        return isinstance(value, (str, bool))
    if following.choices is not None:
        return value not in following.choices
    return following.type not in ("STRING", "COMBO", "BOOLEAN")


def has_upload(definition: Definition) -> bool:
    """Returns True if the editor gives the node a button that uploads a picture."""
    return any(given.options.get("image_upload") for given in definition.widgets)
