"""How one member of a `PKey` is written: as a GUID, with what differs from the other members in parentheses.

    b8599f0300b00011                       membership and index0 of the PKey
    b8599f0300b00011 (limited)             another membership
    b8599f0300b00011 (limited, index0)     both

A program may also write `{"guid": …, "membership": "limited", "index0": True}`. The state contains the text, so a
changed membership is one line of a diff.
"""

import re
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

from pulumi.output import Unknown

from . import partition
from .partition import Member, Membership

MEMBERSHIPS = ("full", "limited")
WORDS: Mapping[str, tuple[str, object]] = {
    **{word: ("membership", word) for word in MEMBERSHIPS},
    "index0": ("index0", True),
    "not index0": ("index0", False),
}
"""A word in parentheses → the setting that it stands for, and its value."""

TEXT = re.compile(r"(?P<guid>[^()]*?)\s*(?:\((?P<words>[^()]*)\))?")


class PKeyMember(TypedDict):
    """A member whose membership or index0 is not that of the other members."""

    guid: str
    membership: NotRequired[Membership]
    index0: NotRequired[bool]


class MemberError(ValueError):
    """A part of a member is invalid; `key` names it: guid, membership, index0 or another one; empty for the whole."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(problem)
        self.key = key


def settings(value: Any) -> dict[str, Any]:
    """Return `guid` in UFM's spelling, and `membership` and `index0` if they are written. Unknown values stay.

    Raises:
        MemberError: the value is neither a GUID's text nor such a mapping, or a part of it is invalid.
    """
    found = dict(value) if isinstance(value, Mapping) else _words(value)
    for key, setting in found.items():
        if not isinstance(setting, Unknown):
            found[key] = _checked(key, setting)
    if "guid" not in found:
        raise MemberError("guid", "it is missing; write the port's GUID of 16 hex digits")
    return found


def text(found: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    """Return the member as text, with the settings that differ from the `common` ones; an unknown one as unknown."""
    if any(isinstance(value, Unknown) for value in found.values()):
        return next(value for value in found.values() if isinstance(value, Unknown))
    different = [
        word for word, (key, value) in WORDS.items() if key in found and found[key] == value != common.get(key)
    ]
    return f"{found['guid']} ({', '.join(different)})" if different else found["guid"]


def parse(value: str, common: Member) -> tuple[str, Member]:
    """Return GUID and membership of a member's text in the state."""
    found = settings(value)
    return found["guid"], Member(found.get("membership", common.membership), found.get("index0", common.index0))


def _words(value: Any) -> dict[str, Any]:
    match = TEXT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise MemberError("", f"found {value!r}; write a string of hex digits")
    found: dict[str, Any] = {"guid": match["guid"]}
    for word in [w.strip() for w in match["words"].split(",")] if match["words"] is not None else []:
        key, setting = WORDS.get(word, (None, None))
        if key is None or key in found:
            raise MemberError("", f"found ({match['words']}); write some of {', '.join(WORDS)}, each setting once")
        found[key] = setting
    return found


def _checked(key: str, value: Any) -> Any:
    if key == "guid":
        try:
            if not isinstance(value, str):
                raise ValueError(f"found {value!r}; write a string of hex digits")
            return partition.guid(value)
        except ValueError as error:
            raise MemberError("" if isinstance(value, str) else key, str(error)) from None
    if key == "membership" and value not in MEMBERSHIPS:
        raise MemberError(key, f"found {value!r}; write {' or '.join(map(repr, MEMBERSHIPS))}")
    if key == "index0" and not isinstance(value, bool):
        raise MemberError(key, f"found {value!r}; write true or false")
    if key not in PKeyMember.__annotations__:
        raise MemberError(key, f"found {key!r}; write guid, membership or index0")
    return value
