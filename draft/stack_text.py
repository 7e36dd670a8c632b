"""The text of the new stack file."""

import os
from typing import Any

import yaml

from draft.document import Document
from rack.site import Site, json_schema, stack_file
from rack.site.schema import Type

SHORT = 4
"""A list or mapping of at most so many plain values is written on one line."""


class _Dumper(yaml.SafeDumper):
    """Writes a text in quotes where Pulumi's parser would read something else, and short values on one line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


def _text(dumper: _Dumper, value: str) -> yaml.Node:
    try:
        plain = stack_file.read(f"a: {value}".encode()) == {"a": value}
    except stack_file.StackFileError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if plain else '"')


def _sequence(dumper: _Dumper, value: list[Any]) -> yaml.Node:
    short = all(not isinstance(one, dict | list) for one in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)


def _mapping(dumper: _Dumper, value: dict[str, Any]) -> yaml.Node:
    short = len(value) <= SHORT and all(not isinstance(one, dict | list) for one in value.values())
    keys = value.keys() in ({"start", "end"}, {"address"}, {"address", "user"}, {"name", "port", "compute", "image"})
    return dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=short and keys)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _sequence)
_Dumper.add_representer(dict, _mapping)


def text(site: Document, beside: Document, stack: str) -> str:
    """Return the text of a stack file.

    Args:
        site: the value of `rack:site`.
        beside: the other content of the file: the salt and secrets that Pulumi wrote.
        stack: the stack's name.
    """
    config = {**beside.get("config", {}), "rack:site": _ordered(site)}
    head = f"# yaml-language-server: $schema={os.path.relpath(json_schema.FILE)}\n"
    head += f"# Stack {stack}, begun with `rack new`. docs/configuration.md explains each key.\n"
    return head + _yaml({**beside, "config": config})


def answers(site: Document) -> str:
    """Return the text of an answers file."""
    return _yaml(_ordered(site))


def _ordered(value: Any, kind: Type | None = None) -> Any:
    """Return the value with the keys in the order of the models."""
    kind = kind or Type(Site)
    if isinstance(value, dict):
        fields = kind.fields
        known = [key for key in fields if key in value] if fields else list(value)
        inner = {key: Type.of_field(fields[key]) if fields else kind.item for key in known}
        return {key: _ordered(value[key], inner[key]) for key in known}
    return [_ordered(one, kind.item) for one in value] if isinstance(value, list) else value


def _yaml(content: Document) -> str:
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True))
