"""The site that is being written: values by path, typed text, and what the loader would say about it."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from rack import rules
from rack.site import Range, Site, partial
from rack.site.problems import lines
from rack.site.schema import Type, type_at

Document = dict[str, Any]
NOTHING = "-"
"""Typed for an optional key that is to be left out."""
WORDS = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}


def steps(path: str) -> list[str | int]:
    """Return the parts of a path: `nodes[0].ipmi.address` → ["nodes", 0, "ipmi", "address"]."""
    return [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]


def get(site: Document, path: str) -> Any:
    """Return the value at a path; None if there is none."""
    here: Any = site
    for part in steps(path):
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return None
    return here


def put(site: Document, path: str, value: Any) -> None:
    """Write a value at a path, and the mappings above it; None removes the key.

    Raises:
        ValueError: a value above it is no mapping or list. The text names the path.
    """
    *above, last = steps(path)
    here: Any = site
    try:
        for part, following in zip(above, steps(path)[1:], strict=True):
            here = _inner(here, part, isinstance(following, int))
        if value is None:
            here.pop(last, None)
        elif isinstance(here, list) and last == len(here):
            here.append(value)
        else:
            here[last] = value
    except (TypeError, IndexError, AttributeError):
        raise ValueError(f"{path}: found no such place; write a path like nodes[0].ipmi.address") from None


def _inner(here: Any, part: str | int, is_list: bool) -> Any:
    if isinstance(here, list):
        assert isinstance(part, int)
        if part == len(here):
            here.append([] if is_list else {})
        return here[part]
    return here.setdefault(part, [] if is_list else {})


def merge(site: Document, other: Document) -> None:
    """Write the values of `other` into `site`, key by key; lists are replaced."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(site.get(key), dict):
            merge(site[key], value)
        else:
            site[key] = value


def typed(path: str, text: str) -> Any:
    """Return what the text of an answer means for the key at a path, as YAML would have it."""
    kind = type_at(Site, tuple(steps(path)))
    text = text.strip()
    return _meaning(kind, text) if kind else text


def _meaning(kind: Type, text: str) -> Any:
    if kind.model is Range:
        start, _, end = re.sub(r"\s*-\s*|\s+", "-", text).partition("-")
        return {"start": start, "end": end}
    if kind.item:
        fixed = get_args(kind.bare)[-1] is not Ellipsis
        return [_meaning(kind.item, part) for part in re.split(r"[,\s-]+" if fixed else r"[,\s]+", text) if part]
    if kind.bare is bool:
        return WORDS.get(text.lower(), text)
    if kind.bare in (int, float) and re.fullmatch(r"-?\d+(\.\d+)?", text):
        return float(text) if "." in text else int(text)
    if kind.bare not in (str, int, float) and get_args(kind.bare) and text.isdigit():
        return int(text)  # One of some numbers
    return text


def described(path: str) -> str:
    """Return a description of the values of the key at a path."""
    kind = type_at(Site, tuple(steps(path)))
    return kind.describe() if kind else "a value"


def shown(value: Any) -> str:
    """Return a value as one would type it."""
    if isinstance(value, dict) and value.keys() == {"start", "end"}:
        return f"{value['start']}-{value['end']}"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def type_problems(path: str, value: Any) -> list[str]:
    """Return what is wrong with the type of a value at a path."""
    kind = type_at(Site, tuple(steps(path)))
    if kind is None:
        return [f"{path}: unknown key; docs/configuration.md lists all keys"]
    annotation: Any = Annotated[kind.bare, kind, *kind.metadata]
    try:
        TypeAdapter(annotation).validate_json(to_json(value), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        errors = [{**one, "loc": (*steps(path), *one["loc"])} for one in error.errors()]
        return list(lines(errors, Site, path))  # type: ignore[arg-type]
    return []


def problems_of(site: Document, path: str, value: Any) -> list[str]:
    """Return what is wrong with a value at a path: its type, or a design rule that this value breaks."""
    if found := type_problems(path, value):
        return found
    before = set(_broken(site))
    after: Document = _copied(site)
    put(after, path, value)
    # A finding at a key that has no value yet concerns a question that is still to come.
    return [one for one in _broken(after) if one not in before and get(after, one.partition(": ")[0]) is not None]


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return [_copied(one) for one in value] if isinstance(value, list) else value


def _broken(site: Document) -> Iterable[str]:
    """Return the findings of the design rules that can be judged with the values so far."""
    return map(str, rules.check_partial(partial.build(Site, site)))
