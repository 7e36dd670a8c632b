"""The PKey table: the partitions, their members and the members' memberships. No I/O.

Sources: the section "PKey GUIDs REST API" of NVIDIA's UFM Enterprise REST API guide, and what clients met in production
(nv-config-manager PR #72, #37): PUT replaces the members, removing the last member deletes the partition, removing a
GUID that is not a member is not an error, a GUID has index 0 in one partition only.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from lab.ufm.errors import BadRequestError, ForbiddenError, NotFoundError

MANAGEMENT = 0x7FFF
"""The partition of all ports. UFM manages it itself: the API cannot change it."""

MEMBERSHIPS = ("full", "limited")
RATES = (2.5, 10, 30, 5, 20, 40, 60, 80, 120, 14, 56, 112, 168, 25, 100, 200, 300)
"""Gb/s, in the order of InfiniBand's codes, which start at 2 (`enum ib_rate` in Linux' ib_verbs.h)."""
MTU_CODES = {2: 4, 4: 5}
"""Kibibytes → InfiniBand's code (opensm(8): "mtu=4 for 2048")."""

PKEY = re.compile(r"0[xX]([0-9a-fA-F]{1,4})")
GUID = re.compile(r"(?:0[xX])?([0-9a-fA-F]{16})")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")


def pkey(value: object) -> int:
    """Return the number of a PKey that the API may change, written as "0x65", "0x0065" or "0X65".

    Raises:
        BadRequestError: the value is not such a string, or not between 0x1 and 0x7ffe.
        ForbiddenError: the value is the management PKey.
    """
    match = PKEY.fullmatch(value) if isinstance(value, str) else None
    number = int(match[1], 16) if match else 0
    if number == MANAGEMENT:
        raise ForbiddenError(f"PKey {spell(MANAGEMENT)} is managed by UFM")
    if not 0 < number < MANAGEMENT:
        raise BadRequestError(f"pkey: {value!r} is not a hexadecimal string between 0x0 and 0x7fff")
    return number


def spell(number: int) -> str:
    """Return a PKey as UFM writes it: lower case, no leading zero."""
    return f"0x{number:x}"


def guid(value: object) -> str:
    """Return a GUID as UFM writes it: 16 lower-case digits, no 0x.

    Raises:
        BadRequestError: the value is not a GUID.
    """
    match = GUID.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1], 16):
        raise BadRequestError(f"guids: {value!r} is not a GUID of 16 hexadecimal digits")
    return match[1].lower()


@dataclass(frozen=True)
class Member:
    """How a GUID belongs to a partition."""

    membership: str = "full"
    index0: bool = False


@dataclass(frozen=True)
class Qos:
    """Settings of a partition's IPoIB multicast group, and the service level of its paths."""

    mtu_limit: int = 2
    """2 or 4 kibibytes."""
    service_level: int = 0
    rate_limit: float = 2.5
    """Gb/s."""

    def changed(self, values: Mapping[str, object]) -> "Qos":
        """Return a copy with the fields that are in `values`; other keys are ignored.

        Raises:
            BadRequestError: a value is out of range.
        """
        fields = {name: value for name, value in values.items() if name in asdict(self)}
        domains: dict[str, Sequence[float]] = {"mtu_limit": (2, 4), "service_level": range(16), "rate_limit": RATES}
        for name, value in fields.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value not in domains[name]:
                raise BadRequestError(f"{name}: {value!r}: write one of {', '.join(map(str, domains[name]))}")
        return replace(self, **fields)  # type: ignore[arg-type]

    def flags(self) -> str:
        """Return the flags for OpenSM's partitions.conf: opensm(8), "mgroup_flag"."""
        return f"rate={RATES.index(self.rate_limit) + 2},mtu={MTU_CODES[self.mtu_limit]},sl={self.service_level}"


@dataclass
class Partition:
    """One PKey."""

    name: str
    ip_over_ib: bool = True
    members: dict[str, Member] = field(default_factory=dict)
    qos: Qos = Qos()
    """The settings that the API shows."""
    programmed_qos: Qos = Qos()
    """The settings in OpenSM. PUT of qos_conf takes effect at UFM's next start (nvidia-ufm-api `UpdatePKeyQoS`)."""


class Table:
    """All partitions except the management partition. Not thread-safe. A refused call changes nothing.

    Attributes:
        second_index0: whether a GUID may have index 0 in several partitions.
    """

    second_index0 = False

    def __init__(self, stored: Mapping[str, Any] | None = None) -> None:
        """Read what `dump` returned. OpenSM then gets the QoS that the API shows, because it starts with UFM."""
        self.partitions: dict[int, Partition] = {}
        for key, value in (stored or {}).items():
            members = {member: Member(**fields) for member, fields in value["members"].items()}
            qos = Qos(**value["qos"])
            self.partitions[int(key, 16)] = Partition(value["name"], value["ip_over_ib"], members, qos, qos)

    def dump(self) -> dict[str, Any]:
        """Return the partitions for the state file."""
        return {spell(number): asdict(partition) for number, partition in sorted(self.partitions.items())}

    def create(self, number: int, *, ip_over_ib: bool, name: str | None, qos: Qos) -> None:
        """Create a partition without members.

        Raises:
            BadRequestError: the partition exists.
        """
        if number in self.partitions:
            raise BadRequestError(f"PKey {spell(number)} already exists")
        self.partitions[number] = Partition(_name(number, name), ip_over_ib, qos=qos, programmed_qos=qos)

    def add(
        self, number: int, members: Mapping[str, Member], *, ip_over_ib: bool = True, name: str | None = None
    ) -> None:
        """Add members, or change the membership of present ones; create the partition if it does not exist.

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
        """Replace the members; create the partition, or delete it if `members` is empty.

        Raises:
            BadRequestError: a GUID has index 0 in another partition, or a QoS value is out of range.
        """
        self._check_index0(number, members)
        before = self.partitions.get(number, Partition(_name(number, name)))
        settings = before.qos.changed(qos)
        if not members:
            self.partitions.pop(number, None)
            return
        programmed = before.programmed_qos.changed(qos)
        self.partitions[number] = Partition(name or before.name, ip_over_ib, dict(members), settings, programmed)

    def remove(self, number: int, guids: Iterable[str]) -> None:
        """Remove members; ignore GUIDs that are not members. Removing the last member deletes the partition.

        Raises:
            NotFoundError: the partition does not exist.
        """
        partition = self.find(number)
        had = bool(partition.members)
        for member in guids:
            partition.members.pop(member, None)
        if had and not partition.members:
            del self.partitions[number]

    def delete(self, number: int) -> None:
        """Delete a partition and its members.

        Raises:
            NotFoundError: the partition does not exist.
        """
        self.find(number)
        del self.partitions[number]

    def find(self, number: int) -> Partition:
        """Return a partition.

        Raises:
            NotFoundError: the partition does not exist.
        """
        if number not in self.partitions:
            raise NotFoundError(f"PKey {spell(number)} does not exist")
        return self.partitions[number]

    def _check_index0(self, number: int, members: Mapping[str, Member]) -> None:
        if self.second_index0:
            return
        wanted = {port for port, member in members.items() if member.index0}
        for other, partition in self.partitions.items():
            taken = sorted(port for port in wanted & partition.members.keys() if partition.members[port].index0)
            if other != number and taken:
                raise BadRequestError(f"GUID {taken[0]} has index0 in PKey {spell(other)} already")


def _name(number: int, name: str | None) -> str:
    return name or f"api_pkey_{spell(number)}"


def render(table: Table) -> str:
    """Return OpenSM's partitions.conf.

    One member per line, because OpenSM refuses lines with hundreds of members. Empty partitions are left out, because
    OpenSM 3.3.23 treats a definition without members as a syntax error and ignores the whole file. `indx0` belongs to a
    definition and not to a member, so a partition has one definition for each value of index0.
    """
    definitions = [f"management={spell(MANAGEMENT)},ipoib:ALL=full;"]
    for number, partition in sorted(table.partitions.items()):
        for index0 in (False, True):
            lines = [f"0x{g}={m.membership}" for g, m in sorted(partition.members.items()) if m.index0 == index0]
            if lines:
                flags = (",ipoib" if partition.ip_over_ib else "") + (",indx0" if index0 else "")
                flags += f",{partition.programmed_qos.flags()}"
                definitions.append(f"{partition.name}=0x{number:04x}{flags}:\n" + ",\n".join(lines) + ";")
    return "\n".join(definitions) + "\n"
