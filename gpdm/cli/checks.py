"""Checks of a node that only a run needs: what can be executed here, which files exist, and which names are allowed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..errors import GPDMError
from .definitions import Definition
from .overrides import picture_inputs
from .session import Session
from .workflow import Link, Node, Prompt


class RunChecks:
    """Checks for `validate`. Each raises `GPDMError` that names the node."""

    def __init__(self, definitions: Mapping[str, Definition], session: Session) -> None:
        self.definitions = definitions
        self.session = session

    def type(self, node: Node) -> None:
        """Refuses a node that needs a model."""
        if not self.definitions[node.type].runs_here:
            raise GPDMError(
                f"{node.name} is of type {node.type!r}, which needs a model; open the file in ComfyUI, which can run it"
            )

    def pictures(self, node: Node) -> None:
        """Refuses a node that loads a picture which does not exist or cannot be read."""
        profiles = "IMAGE" in self.definitions[node.type].outputs
        for _, name in picture_inputs([node], self.definitions):
            value = node.inputs.get(name)
            if isinstance(value, str):
                with _naming(node):
                    self.session.check(value, profiles)

    def file_name(self, node: Node) -> None:
        """Refuses a node that would write outside of the folder of results."""
        prefix = node.inputs.get("filename_prefix")
        if isinstance(prefix, str):
            with _naming(node):
                self.session.target(prefix)


@contextmanager
def _naming(node: Node) -> Iterator[None]:
    """Puts the name of a node in front of an error."""
    try:
        yield
    except GPDMError as error:
        raise GPDMError(f"{node.name}: {error}") from error


def say_what_is_unknown(prompt: Prompt, definitions: Mapping[str, Definition]) -> None:
    """Logs a warning for nodes of unknown type that something is linked to and that nothing needs: outputs, perhaps."""
    needed = {value.node for node in prompt.values() for value in node.inputs.values() if isinstance(value, Link)}
    unknown = [
        node.name + ("" if node.title == node.type else f" of type {node.type}")
        for node in prompt.values()
        if node.type not in definitions
        and node.id not in needed
        and any(isinstance(value, Link) for value in node.inputs.values())
    ]
    if unknown:
        logging.getLogger("gpdm").warning("left out, since their types are not known here: %s", ", ".join(unknown))
