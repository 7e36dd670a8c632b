"""Messages for pydantic's errors: path in the YAML, value found, what to write instead."""

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from rack.site.schema import dotted, keys, type_at

SECRET_WORDS = ("password", "token", "license", "secret")
KEY = "[key]"
"""Last part of the location of an error about a mapping's key instead of its value, in pydantic."""

CREDENTIALS = re.compile(r"[^\s/:@]+:[^\s/@]+(@|$)|\?")
"""`user:password`, `user:password@host`, or the query of a URL."""

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
    where, expected, parent = dotted(loc) or root, type_at(model, loc), type_at(model, loc[:-1])
    if parent and parent.key and KEY in error["loc"]:
        return f"{where}: not a valid name; write {parent.key.describe()}"
    if error["type"] == "extra_forbidden" or KEY in error["loc"]:
        return f"{where}: {unknown(str(loc[-1]), parent.allowed_keys if parent else (), model)}"
    description = expected.describe() if expected else "a value that docs/configuration.md allows"
    if error["type"] == "missing":
        return f"{where}: missing; write {description}"
    reason = error["msg"].removeprefix("Value error, ")
    if reason.startswith("found "):
        return f"{where}: {reason}"
    if isinstance(error["input"], str) and _may_hold_credentials(where, error["input"]):
        return f"{where}: found a text that may contain a password; write {description} without one"
    hint = f" ({reason})" if error["type"] == "value_error" and reason else ""
    return f"{where}: found {shown(error['input'])}; write {description}{hint}"


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


def _may_hold_credentials(key: str, text: str) -> bool:
    match = CREDENTIALS.search(text)
    return bool(match) and ("@" in text or "://" in text or key.lower().endswith("user"))


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
