"""How UFM spells PKeys and GUIDs, and the shapes in which it answers (ufm-rest-api: 2.3).

UFM says `0x5` where people write `0x0005` or `0x8005`, and 16 bare hex digits where they write `0xB859:9F03…`. One
spelling is made here, on the way in and on the way out, so that nothing else has to compare spellings. The answers to a
GET come flat, wrapped under the PKey or wrapped under a zero-padded one, by release; they all become a `Partition`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

PKEY_NUMBER = 0x7FFF
"""The bits of a partition's number; bit 15 is a port's full membership in it: 0x800a and 0xa are one partition."""

MANAGEMENT = 0x7FFF
"""The partition that UFM makes and keeps for itself."""

Membership = Literal["full", "limited"]

QOS: Mapping[str, Sequence[float]] = {
    "mtu_limit": (2, 4),
    "service_level": range(16),
    "rate_limit": (2.5, 5, 10, 14, 20, 25, 30, 40, 56, 60, 80, 100, 112, 120, 168, 200, 300),
}
"""A partition's quality of service: the MTU in KiB, the service level, the rate in Gb/s; each with what UFM takes."""


def pkey(value: str) -> str:
    """The partition's number as UFM spells it: lower-case hex, unpadded, without the membership bit.

    Raises:
        ValueError: no hex number of up to 16 bits.
    """
    if not re.fullmatch(r"0[xX][0-9a-fA-F]{1,4}", value):
        raise ValueError(f"found {value!r}; write the PKey as a hex string, e.g. '0x65'")
    return hex(int(value, 16) & PKEY_NUMBER)


def usable_pkey(value: str) -> str:
    """`pkey` of a partition that may be made: 0x1 to 0x7ffe.

    Raises:
        ValueError: it is none, or it is reserved.
    """
    spelled = pkey(value)
    if int(spelled, 16) in (0, MANAGEMENT):
        raise ValueError(f"found {value!r}; write a PKey from '0x1' to '0x7ffe' (0x7fff is UFM's own)")
    return spelled


def guid(value: str) -> str:
    """A port's GUID as UFM spells it: 16 lower-case hex digits.

    Raises:
        ValueError: no 64-bit GUID, or all zeros.
    """
    digits = re.sub(r"[:.\s-]", "", value).lower().removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{16}", digits) or int(digits, 16) == 0:
        raise ValueError(
            f"found {value!r}; write a port GUID of 16 hex digits, e.g. 'b8599f0300b00011' (from `ibstat`)"
        )
    return digits


@dataclass(frozen=True)
class Member:
    """How a port belongs to a partition."""

    membership: str
    """full: talks to all members; limited: talks to full members only."""
    index0: bool
    """Whether the PKey stands first in the port's P_Key table; a port has one such PKey."""


@dataclass(frozen=True)
class Partition:
    """A partition as UFM holds it."""

    pkey: str
    """0x65"""
    members: Mapping[str, Member] = field(default_factory=dict)
    """By GUID, 16 lower-case hex digits."""
    ip_over_ib: bool | None = None
    """Whether it has an IPoIB multicast group; None where UFM does not say."""
    name: str = ""
    """UFM's own, api_pkey_0x65, or one that was given (from release 6.22 on)."""
    qos: Mapping[str, float] = field(default_factory=dict)
    """By the keys of `QOS`; empty where it was not asked for."""


def parse(wanted: str, document: Mapping[str, object]) -> Partition | None:
    """The partition `wanted` in the answer to a GET of it, flat or wrapped; None for `{}`: UFM does not have it.

    Raises:
        ValueError: the document is no partition, or another one.
    """
    wrapped = {key: value for key, value in document.items() if re.match(r"0[xX]", key)}
    if not wrapped:
        return _flat(wanted, document) if document else None
    for key, value in wrapped.items():
        if pkey(key) == wanted:
            return _flat(wanted, _mapping(value)) if value else None
    raise ValueError(f"another partition than {wanted}")


def parse_all(document: Mapping[str, object]) -> dict[str, Partition]:
    """The partitions in the answer to a GET of them all with `guids_data=true`, by PKey.

    Raises:
        ValueError: the document holds something else.
    """
    found = {pkey(key): _flat(pkey(key), _mapping(value)) for key, value in document.items() if re.match(r"0[xX]", key)}
    if document and not found:
        raise ValueError("no partition at all")
    return found


def _flat(number: str, document: Mapping[str, object]) -> Partition:
    if not document.keys() & {"guids", "partition", "ip_over_ib"}:
        raise ValueError("none of a partition's fields")
    members = document.get("guids") or []
    if not isinstance(members, Sequence) or isinstance(members, str):
        raise ValueError("guids is no list")
    ip_over_ib = document.get("ip_over_ib")
    qos = _mapping(document.get("qos_conf") or {})
    return Partition(
        number,
        dict(_member(m) for m in members),
        ip_over_ib if isinstance(ip_over_ib, bool) else None,
        str(document.get("partition") or ""),
        {key: float(value) for key, value in qos.items() if key in QOS and isinstance(value, int | float)},
    )


def _member(document: object) -> tuple[str, Member]:
    entry = _mapping(document)
    how = Member(str(entry.get("membership") or "full").lower(), entry.get("index0") is True)
    return guid(str(entry.get("guid"))), how


def _mapping(document: object) -> Mapping[str, object]:
    if not isinstance(document, Mapping):
        raise ValueError("no object where UFM has one")
    return document
