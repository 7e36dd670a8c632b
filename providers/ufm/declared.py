"""`DeclaredPartition`: a partition as the program or the state declares it, compared with the one at UFM."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from . import member
from .handler import Props
from .partition import Member, Partition

FOREIGN = "foreign/"
"""Prefix of the name of a member that the program does not declare. A declared member may not use it."""

AUTHORITATIVE = "authoritative"


@dataclass(frozen=True)
class DeclaredPartition:
    """A partition as the program (or the state) declares it."""

    pkey: str
    members: Mapping[str, str]
    """`host/port` → GUID."""
    common: Member
    """How the ports belong to it, unless `wanted` says otherwise."""
    wanted: Mapping[str, Member]
    """How each port belongs to it, by GUID."""
    ip_over_ib: bool | None
    """None: keep UFM's value."""
    authoritative: bool
    qos: Mapping[str, float]
    """The declared keys; the others keep UFM's values."""
    name: str | None
    """None: keep UFM's value."""

    @classmethod
    def of(cls, props: Props) -> "DeclaredPartition":
        """Convert checked inputs, or outputs that `read` returned: the result omits foreign members."""
        common = Member(props["membership"], props["index0"])
        members = sorted(props["members"].items())
        own = {name: member.parse(text, common) for name, text in members if not name.startswith(FOREIGN)}
        authoritative = props["ownership"] == AUTHORITATIVE
        qos, title = props.get("qos") or {}, props.get("partition_name")
        guids = {name: guid for name, (guid, _) in own.items()}
        return cls(props["pkey"], guids, common, dict(own.values()), props.get("ip_over_ib"), authoritative, qos, title)

    @property
    def one_index0(self) -> bool:
        """Whether all members have the same index0: UFM's PUT takes one value for all of them."""
        return len({wanted.index0 for wanted in self.wanted.values()}) == 1

    def groups(self, guids: Iterable[str]) -> list[tuple[Member, list[str]]]:
        """Return `guids` by how they belong to the partition: UFM's POST takes one membership and index0 per call."""

        def key(guid: str) -> tuple[str, bool]:
            return self.wanted[guid].membership, self.wanted[guid].index0

        return [(Member(*how), list(found)) for how, found in groupby(sorted(guids, key=key), key)]

    def foreign_guids(self, current: Partition | None) -> list[str]:
        """Return the GUIDs in the partition that are not declared."""
        return sorted(set(current.members if current else ()) - set(self.members.values()))

    def own_guids(self, current: Partition | None) -> list[str]:
        """Return the declared GUIDs that are in the partition."""
        return sorted(set(current.members if current else ()) & set(self.members.values()))

    def write_options(self, current: Partition | None) -> Props:
        """Return what a write contains besides the members and the quality of service.

        `ip_over_ib` keeps UFM's value unless the ownership is authoritative and the input is set.
        """
        keep = current is not None and (self.ip_over_ib is None or not self.authoritative)
        name = {"partition_name": self.name} if self.name else {}
        return {"ip_over_ib": current.ip_over_ib if current and keep else self.ip_over_ib, **name}

    def unmet(self, current: Partition | None) -> dict[str, str]:
        """Return the declared members that are missing or different at UFM: name → what was found."""
        members = current.members if current else {}
        remarks = {name: remark(members.get(guid), self.wanted[guid]) for name, guid in self.members.items()}
        return {name: text for name, text in remarks.items() if text}

    def differences(self, current: Partition) -> list[str]:
        """Return what a write would change at UFM; empty if the partition is as declared."""
        return [*self.member_differences(current), *self.setting_differences(current), *self.qos_differences(current)]

    def member_differences(self, current: Partition) -> list[str]:
        """Return what differs in the members."""
        texts = [f"{name}: {text}" for name, text in self.unmet(current).items()]
        if self.authoritative:
            texts += [f"{guid}: not declared" for guid in self.foreign_guids(current)]
        return texts

    def setting_differences(self, current: Partition) -> list[str]:
        """Return what differs in the partition's IPoIB group and name."""
        found = []
        if self.authoritative and self.ip_over_ib is not None and current.ip_over_ib not in (None, self.ip_over_ib):
            found.append(f"ip_over_ib: {current.ip_over_ib}")
        return found + ([f"partition_name: {current.name!r}"] if self.name not in (None, current.name) else [])

    def qos_differences(self, current: Partition) -> list[str]:
        """Return UFM's quality of service where it is not the declared one."""
        return [f"{key}: {current.qos.get(key)}" for key, value in self.qos.items() if current.qos.get(key) != value]


def remark(current: Member | None, wanted: Member) -> str:
    """Return how a member differs from the wanted one in a word or two; empty if it does not."""
    if current is None:
        return "missing"
    index0 = "index0" if current.index0 else "not index0"
    return ", ".join(
        ([current.membership] if current.membership != wanted.membership else [])
        + ([index0] if current.index0 != wanted.index0 else [])
    )
