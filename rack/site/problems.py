"""pydantic's errors in the operator's words: where in the YAML, what was found, what to write instead."""

import json
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from rack.site.schema import dotted, type_at

SECRET_WORDS = ("password", "token", "license", "secret")
KEY = "[key]"
"""How pydantic marks that a mapping's key is meant, not its value."""

LONGEST = 60
"""Characters of a found value that are shown."""


def lines(errors: list[ErrorDetails], model: type[BaseModel], root: str) -> tuple[str, ...]:
    """One line for each error that tells something new; `root` names the document as a whole."""
    refused = {e["loc"][:-1] for e in errors if e["loc"][-1:] == (KEY,)}
    return tuple(_line(e, model, root) for e in errors if not _follows(e, refused))


def _follows(error: ErrorDetails, refused: set[tuple[str | int, ...]]) -> bool:
    # A list counts as too short when its items are broken; what lies below an unknown key is broken anyway.
    if error["type"] == "too_short":
        return bool(len(error["input"]) >= error["ctx"]["min_length"])
    return any(error["loc"][: len(r)] == r and error["loc"][-1] != KEY for r in refused)


def _line(error: ErrorDetails, model: type[BaseModel], root: str) -> str:
    loc = tuple(p for p in error["loc"] if p != KEY)
    where, held, above = dotted(loc) or root, type_at(model, loc), type_at(model, loc[:-1])
    if error["type"] == "extra_forbidden" or KEY in error["loc"]:
        return f"{where}: {_unknown(str(loc[-1]), above.allowed_keys if above else ())}"
    says = held.describe() if held else "what docs/configuration.md names"
    if error["type"] == "missing":
        return f"{where}: missing; write {says}"
    reason = error["msg"].removeprefix("Value error, ")
    if reason.startswith("found "):
        return f"{where}: {reason}"
    hint = f" ({reason})" if error["type"] == "value_error" and reason else ""
    return f"{where}: found {shown(error['input'])}; write {says}{hint}"


def _unknown(key: str, known: tuple[str, ...]) -> str:
    if any(word in key.lower() for word in SECRET_WORDS):
        return "unknown key; secrets are set by `pulumi config set --secret`, see docs/configuration.md"
    close = get_close_matches(key, known, n=1)
    return "unknown key; " + (f"write {close[0]}" if close else f"write one of {', '.join(known)}, or remove it")


def shown(value: Any) -> str:
    """What was found, short, and never the inside of something that may hold a secret."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if value is None:
        return "nothing"
    if isinstance(value, str) and "\n" in value.strip():
        return f"a text of {len(value.splitlines())} lines"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
