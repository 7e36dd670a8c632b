"""`DeclaredPartition`: a partition as the program or the state declares it, compared with the one at UFM."""

from collections.abc import Mapping
from dataclasses import dataclass

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
    member: Member
    """How the ports belong to it. The same for all: UFM's POST takes one membership per call."""
    ip_over_ib: bool | None
    """None: keep UFM's value."""
    authoritative: bool
    qos: Mapping[str, float]
    """The declared keys; the others keep UFM's values."""
    name: str | None
    """None: keep UFM's value."""

    @classmethod
    def of(cls, props: Props) -> "DeclaredPartition":
        """Convert checked inputs, or outputs that `read` returned: these omit foreign members and remarks."""
        members = sorted(props["members"].items())
        own = {name: str(text).split()[0] for name, text in members if not name.startswith(FOREIGN)}
        member = Member(props["membership"], props["index0"])
        authoritative = props["ownership"] == AUTHORITATIVE
        qos, name = props.get("qos") or {}, props.get("partition_name")
        return cls(props["pkey"], own, member, props.get("ip_over_ib"), authoritative, qos, name)

    def foreign_guids(self, current: Partition | None) -> list[str]:
        """Return the GUIDs in the partition that are not declared."""
        return sorted(set(current.members if current else ()) - set(self.members.values()))

    def own_guids(self, current: Partition | None) -> list[str]:
        """Return the declared GUIDs that are in the partition."""
        return sorted(set(current.members if current else ()) & set(self.members.values()))

    def write_options(self, current: Partition | None) -> Props:
        """Return what a write contains besides the members.

        `ip_over_ib` keeps UFM's value unless the ownership is authoritative and the input is set.
        """
        keep = current is not None and (self.ip_over_ib is None or not self.authoritative)
        return {
            "membership": self.member.membership,
            "index0": self.member.index0,
            "ip_over_ib": current.ip_over_ib if current and keep else self.ip_over_ib,
        }

    def unmet(self, current: Partition | None) -> dict[str, str]:
        """Return the declared members that are missing or different at UFM: name → what was found."""
        members = current.members if current else {}
        remarks = {name: remark(members.get(guid), self.member) for name, guid in self.members.items()}
        return {name: text for name, text in remarks.items() if text}

    def differences(self, current: Partition) -> list[str]:
        """Return what a write would change at UFM; empty if the partition is as declared."""
        return [*self.member_differences(current), *self.name_differences(current), *self.qos_differences(current)]

    def member_differences(self, current: Partition) -> list[str]:
        """Return the differences that a write of members removes."""
        texts = [f"{name}: {text}" for name, text in self.unmet(current).items()]
        if self.authoritative:
            texts += [f"{guid}: not declared" for guid in self.foreign_guids(current)]
            if self.ip_over_ib is not None and current.ip_over_ib not in (None, self.ip_over_ib):
                texts.append(f"ip_over_ib: {current.ip_over_ib}")
        return texts

    def name_differences(self, current: Partition) -> list[str]:
        """Return UFM's name of the partition if it is not the declared one."""
        return [f"partition_name: {current.name!r}"] if self.name not in (None, current.name) else []

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
