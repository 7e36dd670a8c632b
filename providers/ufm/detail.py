"""Which properties differ, down to the member: what the engine shows of a diff, and writes into a preview's JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pulumi.runtime import proto

from .handler import Props

ADD, DELETE, UPDATE = "ADD", "DELETE", "UPDATE"


def detailed(state: Props, inputs: Props, keys: Sequence[str], replaces: Sequence[str]) -> dict[str, Any]:
    """Return a PropertyDiff by path, such as `members["compute-1/ib2"]`, for the properties `keys`.

    Args:
        state: the resource's outputs in the state.
        inputs: the new inputs.
        keys: the properties that differ.
        replaces: those of them that replace the resource.
    """
    found = {}
    for key in keys:
        for path, kind in _differences(key, state.get(key), inputs.get(key)):
            name = f"{kind}_REPLACE" if key in replaces else kind
            found[path] = proto.PropertyDiff(kind=getattr(proto.PropertyDiff, name))
    return found


def _differences(path: str, old: Any, new: Any) -> Iterator[tuple[str, str]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for inner in sorted({*old, *new}):
            if old.get(inner) != new.get(inner):
                yield from _differences(f"{path}{_index(inner)}", old.get(inner), new.get(inner))
    else:
        yield path, ADD if old is None else DELETE if new is None else UPDATE


def _index(key: str) -> str:
    """Return a key as an index of a property path (pulumi/sdk: go/common/resource/property_path.go)."""
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'["{escaped}"]'
