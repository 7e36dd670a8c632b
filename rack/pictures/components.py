"""The components of a stack and what each waits for, from the state: `pulumi stack export`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rack.pictures.svg import GREY, PALETTE, Picture, fitted

BOX, GAP_X, GAP_Y, LEFT, TOP = (140, 44), 30, 26, 24, 60
OUTSIDE = "pulumi:"
"""Types of the stack itself and of providers, which are no component."""


class StateError(Exception):
    """The text is no state of Pulumi. The text says what was found and what to pass."""


def read(text: str) -> Mapping[str, set[str]]:
    """Return the components that each component of a state depends on, without what follows from others.

    Raises:
        StateError: the text is not the output of `pulumi stack export`.
    """
    try:
        document = json.loads(text)
        resources = (document.get("deployment") or document["checkpoint"]["latest"])["resources"]
        owner = {one["urn"]: one for one in resources}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StateError("--state: found no state of Pulumi; pass the output of `pulumi stack export`") from None
    graph: dict[str, set[str]] = {}
    for one in resources:
        here = _component(one, owner)
        if here:
            needs = {_component(owner[urn], owner) for urn in _needed(one) if urn in owner}
            graph.setdefault(here, set()).update(name for name in needs if name and name != here)
    return _reduced(graph)


def _needed(resource: Mapping[str, Any]) -> set[str]:
    of_properties = (resource.get("propertyDependencies") or {}).values()
    return {*(resource.get("dependencies") or ()), *(urn for some in of_properties for urn in some or ())}


def _component(resource: Mapping[str, Any], owner: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the component below the stack to which a resource belongs: `Overcloud overcloud`."""
    above = resource
    while (parent := owner.get(str(above.get("parent")))) and parent["type"] != "pulumi:pulumi:Stack":
        above = parent
    if above["type"].startswith(OUTSIDE):
        return None
    return f"{above['type'].rpartition(':')[2]} {above['urn'].rpartition('::')[2]}"


def _reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return the graph without edges that follow from longer paths."""

    def reached(start: str) -> set[str]:
        found, left = set[str](), list(graph[start])
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += graph[one]
        return found

    below = {name: reached(name) for name in graph}
    return {
        name: {one for one in needs if not any(one in below[other] for other in needs if other != one)}
        for name, needs in graph.items()
    }


def draw(stack: str, graph: Mapping[str, set[str]]) -> Picture:
    """Return the picture: what comes first is on the left."""
    picture = Picture(f"{stack}: components")
    picture.text(LEFT, 30, f"{stack}: components, and what each waits for", size=18, bold=True)
    places = _places(graph)
    for name, needs in sorted(graph.items()):
        for need in sorted(needs):
            (x1, y1), (x2, y2) = places[need], places[name]
            picture.line(x1 + BOX[0], y1 + BOX[1] / 2, x2, y2 + BOX[1] / 2, stroke=GREY, kind="need", arrow=True)
    for name, (x, y) in sorted(places.items(), key=lambda item: item[1]):
        kind, _, label = name.partition(" ")
        picture.rect(x, y, *BOX, fill="#f5f7fa", stroke=PALETTE[0], kind="component", rounded=4, about=name)
        picture.text(x + BOX[0] / 2, y + 19, fitted(kind, BOX[0] - 12), anchor="middle", bold=True)
        picture.text(x + BOX[0] / 2, y + 35, fitted(label, BOX[0] - 12), anchor="middle", size=11, fill=GREY)
    return picture


def _places(graph: Mapping[str, set[str]]) -> dict[str, tuple[float, float]]:
    """Return the corner of each box: a column per length of the longest path, near what the box waits for."""
    rank: dict[str, int] = {}

    def ranked(name: str) -> int:
        if name not in rank:
            rank[name] = 0  # Ends a cycle, which Pulumi does not allow.
            rank[name] = max((ranked(need) + 1 for need in graph[name]), default=0)
        return rank[name]

    columns: dict[int, list[str]] = {}
    for name in sorted(graph):
        columns.setdefault(ranked(name), []).append(name)
    places: dict[str, tuple[float, float]] = {}
    for column in sorted(columns):
        names: Sequence[str] = sorted(columns[column], key=lambda name: (_height(name, graph, places), name))
        for row, name in enumerate(names):
            places[name] = (LEFT + column * (BOX[0] + GAP_X), TOP + row * (BOX[1] + GAP_Y))
    return places


def _height(name: str, graph: Mapping[str, set[str]], places: Mapping[str, tuple[float, float]]) -> float:
    above = [places[need][1] for need in graph[name] if need in places]
    return sum(above) / len(above) if above else 0.0
