"""Descriptions of the models' keys and their types, for error messages and the documentation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rack.site.names import Hidden, Kind

Part = str | int
"""One part of a path: a key, or an index of a list."""

WORDS: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
    IPv4Address: "an IPv4 address like 192.168.24.1",
    IPv4Network: "a network like 192.168.24.0/24",
    IPv4Interface: "an address with its prefix like 172.31.255.1/30",
}


@dataclass(frozen=True)
class Type:
    """Type annotation of a key, separated into the bare type and its metadata."""

    bare: Any
    metadata: tuple[Any, ...] = ()

    @classmethod
    def of(cls, annotation: Any) -> "Type":
        """Return the type of an annotation, without `| None`: whether a key is optional follows from its default."""
        if get_origin(annotation) is Annotated:
            inner = cls.of(annotation.__origin__)
            return cls(inner.bare, (*inner.metadata, *_flat(annotation.__metadata__)))
        if get_origin(annotation) in (Union, UnionType):
            return cls.of(next(a for a in get_args(annotation) if a is not type(None)))
        return cls(annotation)

    @classmethod
    def of_field(cls, field: FieldInfo) -> "Type":
        """Return the type of a model's field."""
        inner = cls.of(field.annotation)
        return cls(inner.bare, (*inner.metadata, *field.metadata))

    @property
    def model(self) -> type[BaseModel] | None:
        """Return the model, if the type is one."""
        return self.bare if isinstance(self.bare, type) and issubclass(self.bare, BaseModel) else None

    @property
    def item(self) -> "Type | None":
        """Return the type of a list's items or a mapping's values; None for other types."""
        args = [a for a in get_args(self.bare) if a is not Ellipsis]
        holds = get_origin(self.bare) in (tuple, Mapping)
        return Type.of(args[-1]) if holds else None

    @property
    def hidden(self) -> bool:
        """Return whether no message shows the values."""
        return any(isinstance(m, Hidden) for m in self.metadata)

    @property
    def fields(self) -> dict[str, FieldInfo]:
        """Return a model's fields by their key in the YAML."""
        return {f.alias or name: f for name, f in self.model.model_fields.items()} if self.model else {}

    @property
    def allowed_keys(self) -> tuple[str, ...]:
        """Return the keys that a model or a mapping accepts."""
        literal = get_origin(self.bare) is Mapping and get_origin(get_args(self.bare)[0]) is Literal
        return tuple(self.fields) or (get_args(get_args(self.bare)[0]) if literal else ())

    @property
    def key(self) -> "Type | None":
        """Return the type of a mapping's keys where they are free; None for other types."""
        free = get_origin(self.bare) is Mapping and not self.allowed_keys
        return Type.of(get_args(self.bare)[0]) if free else None

    def describe(self) -> str:
        """Return the description of valid values: `a whole number from 1 to 4094`."""
        named = next((m.description for m in self.metadata if isinstance(m, Kind)), None)
        return named or self._bare() + self._bounds()

    def _bare(self) -> str:
        origin, args = get_origin(self.bare), get_args(self.bare)
        if self.model:
            return f"a mapping with the keys {', '.join(self.fields)}"
        if self.item and origin is Mapping:
            names = self.key.describe() if self.key else ", ".join(self.allowed_keys)
            return f"a mapping of {names}, each {self.item.describe()}"
        if self.item:
            return f"a list{self._size() if args[-1] is Ellipsis else f' of {len(args)}'}, each {self.item.describe()}"
        if origin is Literal:
            return ("one of " if len(args) > 1 else "") + ", ".join(map(str, args))
        if isinstance(self.bare, type) and issubclass(self.bare, StrEnum):
            return f"one of {', '.join(self.bare)}"
        return WORDS[self.bare]

    def _size(self) -> str:
        least = any(isinstance(m, MinLen) for m in self.metadata)
        most = next((m.max_length for m in self.metadata if isinstance(m, MaxLen)), None)
        if most is not None:
            return f" of {'one' if least else 'up'} to {most}"
        return " of one or more" if least else ""

    def _bounds(self) -> str:
        low = next((m.ge for m in self.metadata if isinstance(m, Ge)), None)
        high = next((m.le for m in self.metadata if isinstance(m, Le)), None)
        above = next((m.gt for m in self.metadata if isinstance(m, Gt)), None)
        start = f" above {above}" if above is not None else f" from {low}" if low is not None else ""
        return start + (f" to {high}" if high is not None else "")


def _flat(metadata: tuple[Any, ...]) -> Iterator[Any]:
    for one in metadata:
        yield from one.metadata if isinstance(one, FieldInfo) else (one,)


def type_at(model: type[BaseModel], loc: tuple[Part, ...]) -> Type | None:
    """Return the type of the value at a path; None if the path does not exist."""
    here: Type | None = Type(model)
    for part in loc:
        if here is None:
            return None
        field = here.fields.get(str(part))
        here = Type.of_field(field) if field else here.item
    return here


@dataclass(frozen=True)
class Key:
    """Key in the YAML."""

    path: str
    """`nodes[].ipmi.address`, `networks.control.NAME.vlan`."""
    type: Type
    field: FieldInfo


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[Key]:
    """Yield every key below `model`, parents before children, in the order of the fields."""
    for name, field in Type(model).fields.items():
        path, type_ = prefix + name, Type.of_field(field)
        yield Key(path, type_, field)
        inner = type_.item or type_
        suffix = "" if not type_.item else "[]" if get_origin(type_.bare) is tuple else ".NAME"
        if inner.model:
            yield from keys(inner.model, f"{path}{suffix}.")


def dotted(loc: tuple[Part, ...]) -> str:
    """Return the path in the form `nodes[3].ipmi.address`."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in loc).lstrip(".")
