"""Messages for pydantic's errors: path in the YAML, value found, what to write instead."""

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from rack.site.names import Text
from rack.site.schema import Type, dotted, keys, type_at

SECRET_WORDS = ("password", "token", "license", "secret")
KEY = "[key]"
"""Last part of the location of an error about a mapping's key instead of its value, in pydantic."""

_HOST = r"([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+"
HARMLESS = re.compile(
    r"[^:@/?\s]*( [^:@/?\s]*)?"  # One or two words without a separator of user, password and host
    r"|[0-9A-Fa-f.:/%\[\]-]+"  # An address, a network, a time, a GUID, a PCI address
    rf"|([a-z]+://)?{_HOST}(:\d{{1,5}})?(/[^?:@\s]*)?(:[\w.-]+)?"  # A URL, or an image of a registry
    r"|[^:@?/\s]*(/[^:@?/\s]*){2,}|[~.]{1,2}/[^:@?/\s]*"  # A path
)
"""Texts that contain no user and password: other texts may be `user:password`, `user/password`, `user:password@host` or
the query of a URL."""

HIDDEN_KEY = "a key that is not shown, since it may contain a password"
ADDRESSES = (IPv4Address, IPv4Interface, IPv4Network)

MAX_SHOWN = 60
"""Number of characters of a value that a message shows."""


def lines(errors: list[ErrorDetails], model: type[BaseModel], root: str) -> tuple[str, ...]:
    """Return one line per error that is not a consequence of another. `root` is the name of the whole document."""
    refused = {e["loc"][:-1] for e in errors if e["loc"][-1:] == (KEY,)}
    return tuple(_line(e, model, root) for e in errors if not _follows(e, refused))


def _follows(error: ErrorDetails, refused: set[tuple[str | int, ...]]) -> bool:
    # pydantic also reports a list as too short if its items are invalid, and every value below an unknown key.
    if error["type"] == "too_short":
        return bool(len(error["input"]) >= error["ctx"]["min_length"])
    return any(error["loc"][: len(r)] == r and error["loc"][-1] != KEY for r in refused)


def _line(error: ErrorDetails, model: type[BaseModel], root: str) -> str:
    loc = tuple(p for p in error["loc"] if p != KEY)
    where, expected, parent = _where(loc, root), type_at(model, loc), type_at(model, loc[:-1])
    if parent and parent.key and KEY in error["loc"]:
        return f"{where}: not a valid name; write {parent.key.describe()}"
    if error["type"] == "extra_forbidden" or KEY in error["loc"]:
        return f"{where}: {unknown(str(loc[-1]), parent.allowed_keys if parent else (), model)}"
    description = expected.describe() if expected else "a value that docs/configuration.md allows"
    if error["type"] == "missing":
        return f"{where}: missing; write {description}"
    reason = error["msg"].removeprefix("Value error, ")
    if expected and expected.hidden:
        found = f"a text of {len(error['input'])} characters" if isinstance(error["input"], str) else "no text"
        return f"{where}: {reason if reason.startswith('found ') else f'found {found}; write {description}'}"
    says_all, text = reason.startswith("found "), error["input"] if isinstance(error["input"], str) else ""
    if "\n" in text.strip():
        return f"{where}: found {shown(text)}; write {description}"
    if _may_hold_credentials(text, expected, where) and not (says_all and text not in reason):
        return f"{where}: found a text that is not shown, since it may contain a password; write {description}"
    if says_all:
        return f"{where}: {reason}"
    hint = f" ({reason})" if error["type"] == "value_error" and reason else ""
    return f"{where}: found {shown(error['input'])}; write {description}{hint}"


def _where(loc: tuple[str | int, ...], root: str) -> str:
    if loc and not HARMLESS.fullmatch(str(loc[-1])):
        return f"{dotted(loc[:-1]) or root}: {HIDDEN_KEY}"
    return dotted(loc) or root


def _may_hold_credentials(text: str, expected: Type | None, where: str) -> bool:
    text = text.strip()
    if where.lower().endswith("user") or (expected and expected.bare in ADDRESSES):
        return len(text.split()) > 1 or not HARMLESS.fullmatch(text)
    with_slashes = expected and any(isinstance(m, Text) and "/" in m.pattern for m in expected.metadata)
    return not (HARMLESS.fullmatch(text) or (with_slashes and HARMLESS.fullmatch(text.replace("/", ""))))


def unknown(key: str, allowed: tuple[str, ...], model: type[BaseModel] | None = None) -> str:
    """Return the advice for an unknown key: the nearest one that is allowed, its place in the model, or all keys."""
    if any(word in key.lower() for word in SECRET_WORDS):
        return "unknown key; remove it, and set secrets with `pulumi config set --secret` (docs/configuration.md)"
    if model and not get_close_matches(key, allowed, n=1):
        elsewhere = [one.path for one in keys(model) if one.path.rpartition(".")[2] == key]
        if len(elsewhere) == 1:
            return f"unknown key; write it as {elsewhere[0]}"
    return f"unknown key; {instead(key, allowed)}"


def instead(name: str, allowed: Sequence[str]) -> str:
    """Return the advice to write the nearest of the allowed names or, if none is near, one of them or nothing."""
    close = get_close_matches(name, allowed, n=1)
    return f"write {close[0]}" if close else f"write one of {', '.join(allowed)}, or remove it"


def shown_text(text: str) -> str:
    """Return a text in quotes, or words that replace it if it may contain a password."""
    return repr(text) if HARMLESS.fullmatch(text) else "a text that is not shown, since it may contain a password"


def shown(value: Any) -> str:
    """Return a short form of a value. Contents of mappings, lists and multi-line strings may be secret and stay out."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "nothing"
    if isinstance(value, str) and "\n" in value.strip():
        return f"a text of {len(value.splitlines())} lines"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
