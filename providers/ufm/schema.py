"""The package's Pulumi schema, from which SDKs for other languages are generated.

It is read from the resource classes: types from their annotations, descriptions from their docstrings. The names of
properties are those of the wire.
"""

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Awaitable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, ForwardRef, Literal, NotRequired, Union, get_args, get_origin

import pulumi

from .admin import AdminPassword
from .gate import PKeyGate
from .inventory import FUNCTION, find_members
from .owner import PKeyOwner, PKeyOwnerGuard
from .pkey import PKey
from .provider import Provider
from .token import AccessToken

Spec = dict[str, Any]

RESOURCES: Mapping[str, type[pulumi.CustomResource]] = {
    f"ufm:index:{resource.__name__}": resource
    for resource in (PKey, PKeyGate, PKeyOwner, PKeyOwnerGuard, AccessToken, AdminPassword)
}
PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}
CONTAINERS: Mapping[Any, tuple[str, str]] = {
    Sequence: ("array", "items"),
    list: ("array", "items"),
    Mapping: ("object", "additionalProperties"),
    dict: ("object", "additionalProperties"),
}
"""Type → its name in a schema, and the key of the type that it contains."""

SECRETS = {"password", "previousPassword", "token"}
"""Properties that are secrets wherever they occur."""

ABSENT = {"self", "name", "opts", "return"}
"""Parameters that are no properties."""


def schema(version: str) -> Spec:
    """Return the schema of the package at this version."""
    types: Spec = {}
    inputs, required = _inputs(Provider, types)
    wire = {_camel(name): spec for name, spec in inputs.items()}
    return {
        "name": "ufm",
        "displayName": "NVIDIA UFM",
        "version": version,
        "description": "InfiniBand partitions and access to the REST API of NVIDIA UFM Enterprise.",
        "keywords": ["pulumi", "ufm", "infiniband", "kind/native", "category/network"],
        "config": {"variables": wire, "required": [_camel(name) for name in required]},
        "provider": {
            "description": inspect.getdoc(Provider),
            "inputProperties": wire,
            "requiredInputs": [_camel(name) for name in required],
        },
        "resources": {token: _resource(resource, types) for token, resource in RESOURCES.items()},
        "functions": {FUNCTION: _function(types)},
        "types": types,
    }


def _resource(resource: type, types: Spec) -> Spec:
    inputs, required = _inputs(resource, types)
    outputs = _outputs(resource, types)
    return {
        "description": inspect.getdoc(resource),
        "inputProperties": inputs,
        "requiredInputs": required,
        "properties": {**outputs, **{name: spec for name, spec in inputs.items() if name not in outputs}},
        "required": sorted(outputs),
    }


def _function(types: Spec) -> Spec:
    inputs, required = _parameters(find_members, types, ABSENT | {"provider", "depends_on"})
    members = {"type": "object", "additionalProperties": {"type": "string"}, "description": "`host/number` → GUID."}
    return {
        "description": (inspect.getdoc(find_members) or "").partition("\n")[0],
        "inputs": {"type": "object", "properties": inputs, "required": required},
        "outputs": {"type": "object", "properties": {"members": members}, "required": ["members"]},
    }


def _inputs(resource: type, types: Spec) -> tuple[Spec, list[str]]:
    constructor: Any = resource.__init__  # type: ignore[misc]
    return _parameters(constructor, types, ABSENT)


def _parameters(function: Any, types: Spec, absent: set[str]) -> tuple[Spec, list[str]]:
    """Return the properties that a function's parameters describe, and the names of those without a default."""
    texts = _arguments(inspect.getdoc(function) or "")
    found: Spec = {}
    required = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in absent:
            continue
        found[name] = _property(name, parameter.annotation, texts[name], types)
        default = parameter.default
        if default is inspect.Parameter.empty:
            required.append(name)
        elif isinstance(default, bool | int | float | str) and default != "":
            found[name]["default"] = default
    return found, required


def _outputs(resource: type, types: Spec) -> Spec:
    """Return the properties that the annotations of a resource's class describe, with the texts below them."""
    texts = _attributes(resource)
    return {
        name: _property(name, get_args(hint)[0], texts[name], types)
        for name, hint in inspect.get_annotations(resource).items()
    }


def _property(name: str, annotation: Any, text: str, types: Spec) -> Spec:
    secret = {"secret": True} if _camel(name) in SECRETS else {}
    return {**_type(annotation, types), "description": text, **secret}


def _type(annotation: Any, types: Spec) -> Spec:
    """Return the schema of a type; add the types that it refers to."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in PLAIN:
        return {"type": PLAIN[annotation]}
    if typing.is_typeddict(annotation):
        return _reference(annotation, types)
    if origin in (Union, UnionType):
        return _union(arguments, types)
    if origin is Literal:
        return {"type": "string"}
    if origin is NotRequired:
        return _type(arguments[0], types)
    if origin in CONTAINERS:
        kind, inner = CONTAINERS[origin]
        return {"type": kind, inner: _type(arguments[-1], types)}
    raise TypeError(f"{annotation} has no schema")


def _union(parts: Sequence[Any], types: Spec) -> Spec:
    kinds: list[Spec] = []
    for part in parts:
        # `pulumi.Input` of a type is the type, an awaitable of it, or "Output[T]".
        if part is NoneType or get_origin(part) is Awaitable or isinstance(part, ForwardRef):
            continue
        spec = _type(part, types)
        kinds += [kind for kind in spec.get("oneOf", [spec]) if kind not in kinds]
    return kinds[0] if len(kinds) == 1 else {"oneOf": kinds}


def _reference(annotation: Any, types: Spec) -> Spec:
    token = f"ufm:index:{annotation.__name__}"
    if token not in types:
        texts = _attributes(annotation)
        types[token] = {
            "type": "object",
            "description": inspect.getdoc(annotation),
            "properties": {
                name: {**_type(hint, types), **({"description": texts[name]} if name in texts else {})}
                for name, hint in inspect.get_annotations(annotation).items()
            },
            "required": sorted(annotation.__required_keys__),
        }
    return {"$ref": f"#/types/{token}"}


def _arguments(docstring: str) -> dict[str, str]:
    """Return the description of each parameter from a docstring's section Args."""
    section = re.split(r"\n\S", docstring.partition("Args:\n")[2])[0]
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


def _attributes(of: type) -> dict[str, str]:
    """Return the text below each annotated attribute of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(of))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        attribute.target.id: re.sub(r"\s+", " ", text.value.value)
        for attribute, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)
