"""Scopes: the graph of a file and every graph that stands in it as a node, each in its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import GPDMError
from ..definitions import Definition
from .graph import BYPASSED, MUTED, Graph, SavedNode, read_graph
from .groups import PREFIXES, group_instance
from .instances import Instance, subgraph_instance

MOST_NODES = 20_000
"""Most nodes of a workflow, with the inner ones of all instances."""


@dataclass(eq=False)
class Scope:
    """One graph in its place. The scope of the file itself has no parent."""

    graph: Graph
    path: tuple[str, ...] = ()
    """Ids of the nodes that it stands for, from the outermost."""
    kinds: tuple[str, ...] = ()
    """Types of these nodes."""
    parent: Scope | None = None
    instance: Instance | None = None
    children: dict[str, Scope] = field(default_factory=dict)
    """Scopes of the nodes that are instances, by node id."""

    def key(self, node: str) -> str:
        """Returns the id of a node in the prompt, as the editor exports it: those of the path before its own."""
        return ":".join((*self.path, node))

    @property
    def overrides(self) -> Mapping[tuple[str, str], Any]:
        """Values of widgets in the graph that the node it stands for gives."""
        return {} if self.instance is None else self.instance.overrides


def open_scopes(workflow: Mapping[str, Any], definitions: Mapping[str, Definition]) -> Scope:
    """Returns the scope of a workflow file in the editor's format, with the scopes in it.

    Raises:
        GPDMError: A graph contains itself, or there are more than `MOST_NODES` nodes.
        KeyError, TypeError, IndexError, ValueError: A graph is damaged.
    """
    saved, groups = _subgraphs(workflow), _groups(workflow)
    subgraphs: dict[str, Graph] = {}
    top = Scope(read_graph(workflow))
    count, stack = len(top.graph.nodes), [top]
    while stack:
        scope = stack.pop()
        for node in scope.graph.nodes.values():
            if node.type in saved:
                if node.type not in subgraphs:
                    subgraphs[node.type] = read_graph(saved[node.type])
                if node.title == node.type:
                    node.title = str(saved[node.type].get("name") or node.type)
                instance = subgraph_instance(subgraphs[node.type], node, dict(scope.overrides), definitions)
            elif node.type in groups and node.type not in definitions:
                instance = group_instance(groups[node.type], node, definitions)
            else:
                continue
            child = Scope(
                instance.graph, (*scope.path, node.id), (*scope.kinds, node.type), parent=scope, instance=instance
            )
            if node.type in scope.kinds:
                raise GPDMError(f"node {child.key('')[:-1]} ({node.title}) contains itself; break the cycle in ComfyUI")
            count += len(instance.graph.nodes)
            if count > MOST_NODES:
                raise GPDMError(f"the workflow has more than {MOST_NODES} nodes, with those of its subgraphs")
            scope.children[node.id] = child
            stack.append(child)
    return top


def every_node(top: Scope) -> Iterator[tuple[Scope, SavedNode, bool]]:
    """Yields the nodes of a file with their scopes, and whether they execute. Those of an instance come behind it.

    A node does not execute if it is an instance, or if it or an instance around it is muted or bypassed.
    """
    stack = [(top, node, True) for node in reversed(top.graph.nodes.values())]
    while stack:
        scope, node, is_active = stack.pop()
        is_active = is_active and node.mode not in (MUTED, BYPASSED)
        child = scope.children.get(node.id)
        yield scope, node, is_active and child is None
        if child is not None:
            stack += [(child, inner, is_active) for inner in reversed(child.graph.nodes.values())]


def _subgraphs(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the definitions of subgraphs by id, also those that stand in other definitions."""
    found: dict[str, Any] = {}
    stack = [workflow]
    while stack:
        inner = stack.pop().get("definitions")
        graphs = inner.get("subgraphs") if isinstance(inner, dict) else None
        for graph in graphs if isinstance(graphs, list) else []:
            found[str(graph["id"])] = graph
            stack.append(graph)
    return found


def _groups(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the saved groups by the types of their nodes."""
    extra = workflow.get("extra")
    groups = extra.get("groupNodes") if isinstance(extra, dict) else None
    items = groups.items() if isinstance(groups, dict) else ()
    return {prefix + name: group for name, group in items for prefix in PREFIXES}
