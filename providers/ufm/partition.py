"""UFM's spelling of PKeys and GUIDs, and the shapes of its answers about partitions.

UFM writes `0x5` where people write `0x0005` or `0x8005`, and 16 bare hex digits where they write `0xB859:9F03…`. This
module converts every spelling to UFM's on input and on output, so that other modules compare plain strings. The answer
to a GET is flat, wrapped under the PKey or wrapped under a zero-padded PKey, depending on the release; each becomes a
`Partition`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

PKEY_NUMBER = 0x7FFF
"""The bits of a partition's number; bit 15 marks a port's full membership: 0x800a and 0xa are one partition."""

MANAGEMENT = 0x7FFF
"""The partition that UFM creates and manages itself."""

Membership = Literal["full", "limited"]

QOS: Mapping[str, Sequence[float]] = {
    "mtu_limit": (2, 4),
    "service_level": range(16),
    "rate_limit": (2.5, 5, 10, 14, 20, 25, 30, 40, 56, 60, 80, 100, 112, 120, 168, 200, 300),
}
"""The keys of a partition's quality of service with UFM's values: MTU in KiB, service level, rate in Gb/s."""


def pkey(value: str) -> str:
    """Return the partition's number in UFM's spelling: lower-case hex, unpadded, without the membership bit.

    Raises:
        ValueError: `value` is not a hex number of up to 16 bits.
    """
    if not re.fullmatch(r"0[xX][0-9a-fA-F]{1,4}", value):
        raise ValueError(f"found {value!r}; write the PKey as a hex string, e.g. '0x65'")
    return hex(int(value, 16) & PKEY_NUMBER)


def usable_pkey(value: str) -> str:
    """Return `pkey(value)` if the partition may be created: 0x1 to 0x7ffe.

    Raises:
        ValueError: `value` is not a PKey, or it is reserved.
    """
    spelled = pkey(value)
    if int(spelled, 16) in (0, MANAGEMENT):
        raise ValueError(f"found {value!r}; write a PKey from '0x1' to '0x7ffe' (UFM reserves 0x7fff)")
    return spelled


def guid(value: str) -> str:
    """Return a port's GUID in UFM's spelling: 16 lower-case hex digits.

    Raises:
        ValueError: `value` is not a 64-bit GUID, or all zeros.
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
    """Whether the PKey is the first entry of the port's P_Key table; a port has one such PKey."""


@dataclass(frozen=True)
class Partition:
    """A partition as UFM has it."""

    pkey: str
    """0x65"""
    members: Mapping[str, Member] = field(default_factory=dict)
    """By GUID, 16 lower-case hex digits."""
    ip_over_ib: bool | None = None
    """Whether it has an IPoIB multicast group; None if UFM does not tell."""
    name: str = ""
    """UFM's default, api_pkey_0x65, or a configured one (from release 6.22)."""
    qos: Mapping[str, float] = field(default_factory=dict)
    """By the keys of `QOS`; empty if it was not requested."""


def parse(wanted: str, document: Mapping[str, object]) -> Partition | None:
    """Return the partition `wanted` from the answer to its GET; None for `{}`: UFM does not have it.

    Raises:
        ValueError: the document is not a partition, or another one.
    """
    wrapped = {key: value for key, value in document.items() if re.match(r"0[xX]", key)}
    if not wrapped:
        return _flat(wanted, document) if document else None
    for key, value in wrapped.items():
        if pkey(key) == wanted:
            return _flat(wanted, _mapping(value)) if value else None
    raise ValueError(f"another partition than {wanted}")


def parse_all(document: Mapping[str, object]) -> dict[str, Partition]:
    """Return the partitions from the answer to a GET of all of them with `guids_data=true`, by PKey.

    Raises:
        ValueError: the document contains something else.
    """
    found = {pkey(key): _flat(pkey(key), _mapping(value)) for key, value in document.items() if re.match(r"0[xX]", key)}
    if document and not found:
        raise ValueError("not one partition")
    return found


def _flat(number: str, document: Mapping[str, object]) -> Partition:
    if not document.keys() & {"guids", "partition", "ip_over_ib"}:
        raise ValueError("none of a partition's fields")
    members = document.get("guids") or []
    if not isinstance(members, Sequence) or isinstance(members, str):
        raise ValueError("guids is not a list")
    ip_over_ib = document.get("ip_over_ib")
    qos = _mapping(document.get("qos_conf") or {})
    return Partition(
        number,
        dict(_member(member) for member in members),
        ip_over_ib if isinstance(ip_over_ib, bool) else None,
        str(document.get("partition") or ""),
        {key: float(value) for key, value in qos.items() if key in QOS and isinstance(value, int | float)},
    )


def _member(document: object) -> tuple[str, Member]:
    entry = _mapping(document)
    member = Member(str(entry.get("membership") or "full").lower(), entry.get("index0") is True)
    return guid(str(entry.get("guid"))), member


def _mapping(document: object) -> Mapping[str, object]:
    if not isinstance(document, Mapping):
        raise ValueError("not a JSON object")
    return document
