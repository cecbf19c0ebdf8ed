"""Widget values of a saved node, by input name."""

from __future__ import annotations

from typing import Any

from ..definitions import CONTROL_VALUES, Definition
from .graph import SavedNode

EMPTY = (None, "")


def widget_values(node: SavedNode, definition: Definition) -> dict[str, Any]:
    """Returns the value of every widget of which the file or the definition gives one.

    Files list them by position, with extra places for seed controls and upload buttons. Widgets that the file does not
    have, because they were appended later, get the default of today; so do those that are null there.
    """
    table = node.values if isinstance(node.values, dict) else _by_position(node, definition)[0]
    found = {given.name: given.options["default"] for given in definition.widgets if "default" in given.options}
    found |= {name: value for name, value in table.items() if value is not None}
    widgets = [given for given in definition.inputs_for(found) if given.is_widget]
    added = {given.name: given.options["default"] for given in widgets if "default" in given.options}
    return {given.name: (added | found)[given.name] for given in widgets if given.name in added | found}


def surplus_values(node: SavedNode, definition: Definition) -> list[Any]:
    """Returns the values in the file behind those of the widgets; empty ones at the end do not count."""
    rest = [] if isinstance(node.values, dict) else _by_position(node, definition)[1]
    while rest and rest[-1] in EMPTY:
        rest.pop()
    return rest


def _by_position(node: SavedNode, definition: Definition) -> tuple[dict[str, Any], list[Any]]:
    """Returns the values of widgets by name, and those that are left."""
    # Where no input is a widget, as in Preview as Text, the values are what the editor showed last.
    rest = list(node.values) if isinstance(node.values, list) and definition.widgets else []
    table: dict[str, Any] = {}
    while rest:
        # A choice may add widgets behind itself.
        widgets = [given for given in definition.inputs_for(table) if given.is_widget]
        if len(table) == len(widgets):
            break
        given = widgets[len(table)]
        table[given.name] = rest.pop(0)
        del rest[: given.extra_values]
        following = widgets[len(table)].type if len(table) < len(widgets) else ""
        if given.has_control and rest and _is_control(rest[0], following):
            rest.pop(0)
    # The editor puts the upload button behind all other widgets.
    if has_upload(definition) and rest and rest[0] == "image":
        rest.pop(0)
    return table, rest


def _is_control(value: Any, following: str) -> bool:
    """Returns True if a value is that of a seed's control; in the oldest files that is a truth value."""
    return value in CONTROL_VALUES or (isinstance(value, bool) and following != "BOOLEAN")


def has_upload(definition: Definition) -> bool:
    """Returns True if the editor gives the node a button that uploads a picture."""
    return any(given.options.get("image_upload") for given in definition.widgets)
