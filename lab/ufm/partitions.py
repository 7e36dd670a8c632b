"""The PKey table: which GUID is a member of which partition, and how. Pure: no HTTP, no disk, no OpenSM.

Behaviour after NVIDIA's "PKey GUIDs Rest API" and what clients met in production: PUT is a difference, removing the
last member removes the partition, removing a stranger is no error (nv-config-manager PR #72, #37), a GUID has one
index 0.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from lab.ufm.errors import BadRequestError, ForbiddenError, NotFoundError

MANAGEMENT = 0x7FFF
"""The partition of everybody. UFM's own: nobody changes it by the API."""

MEMBERSHIPS = ("full", "limited")
RATES = (2.5, 10, 30, 5, 20, 40, 60, 80, 120, 14, 56, 112, 168, 25, 100, 200, 300)
"""Gb/s, in the order of InfiniBand's own codes for them, which begin at 2 (`enum ib_rate` of Linux' ib_verbs.h)."""
MTU_CODES = {2: 4, 4: 5}
"""Kibibytes → InfiniBand's code (opensm(8): "mtu=4 for 2048")."""

PKEY = re.compile(r"0[xX]([0-9a-fA-F]{1,4})")
GUID = re.compile(r"(?:0[xX])?([0-9a-fA-F]{16})")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")


def pkey(value: object) -> int:
    """A PKey that the API may change: "0x65", "0x0065", "0X65".

    Raises:
        BadRequestError: it is no such string, or not between 0x1 and 0x7ffe.
        ForbiddenError: it is the management PKey.
    """
    match = PKEY.fullmatch(value) if isinstance(value, str) else None
    number = int(match[1], 16) if match else 0
    if number == MANAGEMENT:
        raise ForbiddenError(f"PKey 0x{MANAGEMENT:x} is managed by UFM")
    if not 0 < number < MANAGEMENT:
        raise BadRequestError(f"pkey: {value!r} is not a hexadecimal string between 0x0 and 0x7fff")
    return number


def spell(number: int) -> str:
    """UFM's spelling: lower case, no leading zero."""
    return f"0x{number:x}"


def guid(value: object) -> str:
    """A GUID as UFM spells it: 16 lower-case digits, no 0x.

    Raises:
        BadRequestError: it is none.
    """
    match = GUID.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1], 16):
        raise BadRequestError(f"guids: {value!r} is no GUID of 16 hexadecimal digits")
    return match[1].lower()


@dataclass(frozen=True)
class Member:
    membership: str = "full"
    index0: bool = False


@dataclass(frozen=True)
class Qos:
    """Of a partition: what its IPoIB multicast group is made with, and the service level of its paths."""

    mtu_limit: int = 2
    """2 or 4: kibibytes."""
    service_level: int = 0
    rate_limit: float = 2.5
    """Gb/s."""

    def changed(self, values: Mapping[str, object]) -> "Qos":
        """With those of its fields that are in `values`.

        Raises:
            BadRequestError: one of them is out of its range.
        """
        known = {name: value for name, value in values.items() if name in asdict(self)}
        domains: dict[str, Sequence[float]] = {"mtu_limit": (2, 4), "service_level": range(16), "rate_limit": RATES}
        for name, value in known.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value not in domains[name]:
                raise BadRequestError(f"{name}: {value!r}")
        return replace(self, **known)  # type: ignore[arg-type]

    def flags(self) -> str:
        """As OpenSM's partitions.conf has it: opensm(8), "mgroup_flag"."""
        return f"rate={RATES.index(self.rate_limit) + 2},mtu={MTU_CODES[self.mtu_limit]},sl={self.service_level}"


@dataclass
class Partition:
    name: str
    ip_over_ib: bool = True
    members: dict[str, Member] = field(default_factory=dict)
    qos: Qos = Qos()
    """What was asked for last, and is shown."""
    given: Qos = Qos()
    """What OpenSM is given: PUT of qos_conf takes effect at UFM's next start only (nvidia-ufm-api `UpdatePKeyQoS`)."""


class Table:
    """Every partition but the management one. Not thread-safe. A refused call changes nothing."""

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        self.partitions: dict[int, Partition] = {}
        for key, value in (stored or {}).items():
            members = {member: Member(**fields) for member, fields in value["members"].items()}
            qos = Qos(**value["qos"])
            self.partitions[int(key, 16)] = Partition(value["name"], value["ip_over_ib"], members, qos, qos)

    def dump(self) -> dict[str, Any]:
        """For JSON; what the constructor takes, which then gives OpenSM all that was asked for."""
        return {spell(number): asdict(partition) for number, partition in sorted(self.partitions.items())}

    def create(self, number: int, *, ip_over_ib: bool, name: str | None, qos: Qos) -> None:
        """An empty partition.

        Raises:
            BadRequestError: it exists.
        """
        if number in self.partitions:
            raise BadRequestError(f"PKey {spell(number)} already exists")
        self.partitions[number] = Partition(_name(number, name), ip_over_ib, qos=qos, given=qos)

    def add(
        self, number: int, members: Mapping[str, Member], *, ip_over_ib: bool = True, name: str | None = None
    ) -> None:
        """Adds members, or changes how they belong; creates the partition.

        Raises:
            BadRequestError: a GUID has index 0 in another partition.
        """
        self._check_index0(number, members)
        partition = self.partitions.setdefault(number, Partition(_name(number, name)))
        partition.name = name or partition.name
        partition.ip_over_ib = ip_over_ib
        partition.members.update(members)

    def set(
        self,
        number: int,
        members: Mapping[str, Member],
        *,
        ip_over_ib: bool,
        name: str | None,
        qos: Mapping[str, object],
    ) -> None:
        """Makes `members` the whole membership; creates the partition, or removes it where there are none.

        Raises:
            BadRequestError: a GUID has index 0 in another partition, or a QoS value is out of range.
        """
        self._check_index0(number, members)
        before = self.partitions.get(number, Partition(_name(number, name)))
        settings = before.qos.changed(qos)
        if not members:
            self.partitions.pop(number, None)
            return
        given = before.given.changed(qos)
        self.partitions[number] = Partition(name or before.name, ip_over_ib, dict(members), settings, given)

    def remove(self, number: int, guids: Iterable[str]) -> None:
        """Removes members; those which are none do not matter. The partition goes with its last member.

        Raises:
            NotFoundError: no such partition.
        """
        partition = self.find(number)
        had = bool(partition.members)
        for member in guids:
            partition.members.pop(member, None)
        if had and not partition.members:
            del self.partitions[number]

    def delete(self, number: int) -> None:
        """
        Raises:
            NotFoundError: no such partition.
        """
        self.find(number)
        del self.partitions[number]

    def find(self, number: int) -> Partition:
        """
        Raises:
            NotFoundError: no such partition.
        """
        if number not in self.partitions:
            raise NotFoundError(f"PKey {spell(number)} does not exist")
        return self.partitions[number]

    def _check_index0(self, number: int, members: Mapping[str, Member]) -> None:
        wanted = {member for member, how in members.items() if how.index0}
        for other, partition in self.partitions.items():
            taken = sorted(m for m in wanted & partition.members.keys() if partition.members[m].index0)
            if other != number and taken:
                raise BadRequestError(f"GUID {taken[0]} has index0 in PKey {spell(other)} already")


def _name(number: int, name: str | None) -> str:
    return name or f"api_pkey_{spell(number)}"


def render(table: Table) -> str:
    """OpenSM's partitions.conf: one member a line, since OpenSM refuses lines of hundreds; an empty partition is left
    out, since OpenSM 3.3.23 takes a definition without a member for a syntax error and drops the whole file.

    `indx0` belongs to a definition, not to a member, but a partition may have several definitions."""
    parts = [f"management=0x{MANAGEMENT:x},ipoib:ALL=full;"]
    for number, partition in sorted(table.partitions.items()):
        for index0 in (False, True):
            lines = [f"0x{g}={m.membership}" for g, m in sorted(partition.members.items()) if m.index0 == index0]
            if lines:
                flags = (",ipoib" if partition.ip_over_ib else "") + (",indx0" if index0 else "")
                flags += f",{partition.given.flags()}"
                parts.append(f"{partition.name}=0x{number:04x}{flags}:\n" + ",\n".join(lines) + ";")
    return "\n".join(parts) + "\n"
