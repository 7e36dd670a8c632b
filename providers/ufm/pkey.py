"""`PKey`: a partition of the fabric and the ports that belong to it.

Members are a map `host/port` → GUID, so that a diff names the host. `ownership` decides about the other members:

    ownership         writes             members that are not declared
    "authoritative"   one PUT, complete  are drift: a refresh shows them as foreign/<GUID>, the next `up` removes them
    "additive"        own members only   are listed in the output `foreign` and never changed, e.g. the VM ports that
                                         Neutron's SDN driver adds to a tenant's PKey

Life cycle:

- check reports every mistake at once and uses no network. Unknown values, as in a first preview, pass.
- preview reads the partition and reports what create would find: a partition as declared, which it adopts, or a
  different one, with the differences.
- create adopts a partition that is as declared, without a write. It refuses a different one and names the differences,
  unless `adopt` is set. A failed create removes what it wrote.
- read returns the partition in the shape of the inputs, so that the preview after a refresh shows what `up` will do. A
  member whose membership or index0 differs from the other members' is written as `GUID (limited)`, see `member`.
- update is one PUT in authoritative mode, whatever the number and memberships of the members; UFM applies only the
  difference. A PUT has one index0 for all members, so members with and without it are written by one POST per
  combination instead. Before release 6.24, quality of service needs a call of its own.
- delete removes the partition if all its members are declared, else the declared members. UFM itself deletes a
  partition with its last member.
- import (`pulumi import ufm:index:PKey NAME 0xb`) declares all members, under the names of UFM's inventory.

Every write is read back: an error names the members that UFM did not take.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal, TypedDict

import pulumi
from pulumi.output import Unknown

from . import errors, inventory, member, partition, pkey_inputs
from .declared import AUTHORITATIVE, FOREIGN, DeclaredPartition
from .errors import NotTakenError, TakeoverError
from .handler import CheckResult, CreateResult, DiffResult, Props, ReadResult, ResourceHandler
from .member import PKeyMember
from .partition import Member, Membership, Partition
from .provider import dynamic_alias

NAME_RELEASE, QOS_RELEASE = (6, 22), (6, 24)
"""The releases from which a PUT of members takes a name, and quality of service."""

SHOWN = 10
"""How many differences a message lists before it counts the rest."""


class PKeyHandler(ResourceHandler):
    """Implements `PKey` with UFM's partition calls."""

    pulumi_type = "ufm:index:PKey"
    compared = pkey_inputs.COMPARED
    replacing = ("pkey",)

    def check(self, inputs: Props) -> CheckResult:
        """See `pkey_inputs.check`."""
        return pkey_inputs.check(inputs)

    def diff(self, state: Props, inputs: Props) -> DiffResult:
        """Compare the inputs with the state; with additive ownership `ip_over_ib` is not compared."""
        if inputs.get("ownership") != AUTHORITATIVE:
            inputs = {key: value for key, value in inputs.items() if key != "ip_over_ib"}
        diff = super().diff(state, inputs)
        # A port has one PKey at index 0: the old partition must release it before the new one takes it.
        return replace(diff, delete_before_replace=bool(diff.replaces) and state.get("index0") is True)

    def preview(self, inputs: Props) -> None:
        """Report what create would find. If UFM cannot be read, report that and compare nothing."""
        if any(isinstance(value, Unknown) for value in (inputs["pkey"], inputs["members"])):
            return
        if any(isinstance(guid, Unknown) for guid in inputs["members"].values()):
            return
        declared = DeclaredPartition.of(inputs)
        try:
            current = self.session.preview_client.get_pkey(declared.pkey)
        except (errors.UnreachableError, errors.AuthenticationError, errors.UnavailableError) as error:
            self.log("info", f"PKey {declared.pkey}: not compared with UFM: {error}")
            return
        self._require_release(declared)
        if current:
            self._preview_adoption(declared, current, adopt=inputs["adopt"])

    def _preview_adoption(self, declared: DeclaredPartition, current: Partition, *, adopt: bool) -> None:
        differences = declared.differences(current)
        if not differences:
            self.log("info", f"PKey {declared.pkey} exists as declared: it will be adopted without a write")
        elif declared.authoritative and not adopt:
            self._refuse(declared, "it exists and differs", differences)
        else:
            self.log("warning", f"PKey {declared.pkey} exists and will be changed: {_listed(differences)}")

    def create(self, inputs: Props) -> CreateResult:
        """Create or adopt the partition.

        Raises:
            TakeoverError: it exists, differs, and `adopt` is not set.
            NotTakenError: UFM did not take some members; what was written has been removed.
            UnsupportedError: this UFM release has no partition names.
        """
        declared = DeclaredPartition.of(inputs)
        current = self.client.get_pkey(declared.pkey)
        if current and declared.authoritative and not inputs["adopt"]:
            self._refuse(declared, "it exists and differs", declared.differences(current))
        self._require_release(declared)
        try:
            written = self._write(declared, current)
        except errors.UfmError as error:
            # Roll back, or the next create would find a partition that differs: UFM took a part, or one of many writes.
            if not current and (isinstance(error, NotTakenError) or not declared.one_index0):
                self._remove_own(declared, self.client.get_pkey(declared.pkey))
            raise
        return CreateResult(declared.pkey, _outputs(inputs, declared, written))

    def read(self, id_: str, state: Props) -> ReadResult | None:
        """Return the partition in the shape of the inputs, for `pulumi import` with all its members."""
        current = self.client.get_pkey(partition.usable_pkey(id_))
        if current is None:
            return None
        state = state or self._imported(current)
        declared = DeclaredPartition.of(state)
        inputs = {**_inputs(state), **_as_found(declared, current)}
        # Without inputs the preview after a refresh would not show the drift (pulumi/pulumi#13839).
        return ReadResult(current.pkey, _outputs(inputs, declared, current), inputs)

    def _imported(self, current: Partition) -> Props:
        """Return inputs that would create `current`.

        Raises:
            AmbiguousPortsError: two of its members have the same host and number at UFM.
        """
        ports = [port for port in self.client.ports("Computer") if port["guid"] in current.members]
        names = {guid: name for name, guid in inventory.by_name(self.client, ports).items()}
        members = {names.get(guid, f"unknown/{guid}"): guid for guid in current.members}
        return {**pkey_inputs.DEFAULTS, "pkey": current.pkey, "members": members}

    def update(self, state: Props, inputs: Props) -> Props:
        """Write the partition as declared and return the outputs.

        Raises:
            TakeoverError: ownership becomes authoritative, the partition has foreign members, and `adopt` is not set.
            NotTakenError: UFM did not take some members.
            UnsupportedError: this UFM release has no partition names.
        """
        before, declared = DeclaredPartition.of(state), DeclaredPartition.of(inputs)
        current = self.client.get_pkey(declared.pkey)
        if declared.authoritative and not before.authoritative and not inputs["adopt"]:
            foreign = [f"{guid}: not declared" for guid in declared.foreign_guids(current)]
            self._refuse(declared, "it has other members, which authoritative ownership would remove", foreign)
        self._require_release(declared)
        dropped = set(before.members.values()) - set(declared.members.values())
        return _outputs(inputs, declared, self._write(declared, current, dropped))

    def delete(self, state: Props) -> None:
        """Delete the partition, or only the declared members if it has others.

        Raises:
            NotTakenError: UFM still has them.
        """
        declared = DeclaredPartition.of(state)
        self._remove_own(declared, self.client.get_pkey(declared.pkey))

    def _write(
        self, declared: DeclaredPartition, current: Partition | None, dropped: Iterable[str] = ()
    ) -> Partition | None:
        """Write the partition unless it is as declared, and return it as read back.

        `dropped`: GUIDs that were declared before. Raises NotTakenError.
        """
        if declared.authoritative:
            written = self._set(declared, current)
        else:
            written = self._add(declared, current)
            written = self._remove(declared, written, dropped)
        unmet = [f"{name}: {text}" for name, text in declared.unmet(written).items()]
        if not unmet and written:
            unmet = declared.setting_differences(written) + declared.qos_differences(written)
        if unmet:
            raise self._not_taken(declared, f"UFM accepted the write but did not apply {_listed(unmet)}")
        return written

    def _set(self, declared: DeclaredPartition, current: Partition | None) -> Partition | None:
        if current and not declared.differences(current):
            return current
        evicted = declared.foreign_guids(current)
        if evicted:
            self.log("warning", f"PKey {declared.pkey}: removing members that are not declared: {_listed(evicted)}")
        written = self._put(declared, current) if declared.one_index0 else self._post_and_remove(declared, current)
        return self._set_qos(declared, written) if written and declared.qos_differences(written) else written

    def _put(self, declared: DeclaredPartition, current: Partition | None) -> Partition | None:
        qos = declared.qos if declared.qos and self.client.release() >= QOS_RELEASE else {}
        if (
            current
            and not qos
            and not declared.member_differences(current)
            and not declared.setting_differences(current)
        ):
            return current
        membership: dict[str, Any] = {guid: wanted.membership for guid, wanted in declared.wanted.items()}
        index0 = next(iter(declared.wanted.values())).index0
        more = {**declared.write_options(current), **qos}
        return self.client.set_guids(
            declared.pkey, declared.members.values(), membership=membership, index0=index0, **more
        )

    def _post_and_remove(self, declared: DeclaredPartition, current: Partition | None) -> Partition | None:
        """Write members of which some have index 0, without a moment at which a port loses it."""
        unmet = [declared.members[name] for name in declared.unmet(current)]
        if current and not unmet and declared.setting_differences(current):
            unmet = sorted(declared.wanted)[:1]  # a POST of a member that is as declared carries the settings
        written = self._post(declared, current, unmet)
        return self._remove(declared, written, declared.foreign_guids(current))

    def _post(self, declared: DeclaredPartition, current: Partition | None, guids: Iterable[str]) -> Partition | None:
        options, written = declared.write_options(current), current
        for how, group in declared.groups(guids):
            each: dict[str, Any] = {"membership": how.membership, "index0": how.index0, **options}
            written = self.client.add_guids(declared.pkey, group, **each)
        return written

    def _set_qos(self, declared: DeclaredPartition, current: Partition) -> Partition | None:
        written = self.client.set_qos(declared.pkey, {**current.qos, **declared.qos})
        self.log("warning", f"PKey {declared.pkey}: its quality of service takes effect at the next restart of UFM")
        return written

    def _add(self, declared: DeclaredPartition, current: Partition | None) -> Partition | None:
        return self._post(declared, current, [declared.members[name] for name in declared.unmet(current)])

    def _remove(
        self, declared: DeclaredPartition, current: Partition | None, dropped: Iterable[str]
    ) -> Partition | None:
        gone = sorted(set(dropped) & set(current.members if current else ()))
        return self.client.remove_guids(declared.pkey, gone) if gone else current

    def _remove_own(self, declared: DeclaredPartition, current: Partition | None) -> None:
        """Remove the declared members from UFM, with the partition if it has no others."""
        if current is None:
            return
        foreign, own = declared.foreign_guids(current), declared.own_guids(current)
        if declared.authoritative and not foreign:
            left = self.client.delete_pkey(declared.pkey)
        else:
            left = self.client.remove_guids(declared.pkey, own) if own else None
        if declared.authoritative and foreign:
            kept = f"PKey {declared.pkey}: kept, because it has members that are not declared: {_listed(foreign)}"
            self.log("warning", kept)
        # With additive ownership, an empty partition may be another writer's, e.g. a Neutron network's without ports.
        if left and (declared.own_guids(left) or (declared.authoritative and not left.members)):
            raise self._not_taken(declared, "UFM accepted the removal but still has it")

    def _require_release(self, declared: DeclaredPartition) -> None:
        if declared.name and self.client.release() < NAME_RELEASE:
            problem = f"UFM {self.client.version()} does not support partition_name, which needs 6.22 or later"
            raise errors.UnsupportedError(problem, host=self.client.host, pkey=declared.pkey)

    def _refuse(self, declared: DeclaredPartition, why: str, differences: list[str]) -> None:
        if differences:
            raise TakeoverError(f"{why}: {_listed(differences)}", host=self.client.host, pkey=declared.pkey)

    def _not_taken(self, declared: DeclaredPartition, problem: str) -> NotTakenError:
        return NotTakenError(problem, host=self.client.host, pkey=declared.pkey)


def _inputs(props: Props) -> Props:
    return {key: props[key] for key in (*pkey_inputs.COMPARED, "adopt") if key in props}


def _outputs(inputs: Props, declared: DeclaredPartition, current: Partition | None) -> Props:
    own, name = _inputs(inputs), current.name if current else ""
    return {**own, "member_count": len(own["members"]), "foreign": declared.foreign_guids(current), "partition": name}


def _as_found(declared: DeclaredPartition, current: Partition) -> Props:
    """Return the partition at UFM in the shape of the inputs.

    If all members are declared alike and all differ from the declaration in the same way, the inputs membership and
    index0 say so; else the text of each one that differs.
    """
    common = _common(declared, [current.members[guid] for guid in declared.own_guids(current)])
    members = {
        name: member.text({"guid": guid, **asdict(current.members[guid])}, asdict(common))
        for name, guid in declared.members.items()
        if guid in current.members
    }
    inputs: Props = {"members": members, "membership": common.membership, "index0": common.index0}
    if declared.authoritative:
        members |= {FOREIGN + guid: guid for guid in declared.foreign_guids(current)}
        if declared.ip_over_ib is not None and current.ip_over_ib is not None:
            inputs["ip_over_ib"] = current.ip_over_ib
    if declared.qos:
        inputs["qos"] = {key: current.qos[key] for key in declared.qos if key in current.qos}
    if declared.name is not None:
        inputs["partition_name"] = current.name
    return inputs


def _common(declared: DeclaredPartition, own: Sequence[Member]) -> Member:
    """Return the membership and index0 that the inputs state for all members, given the `own` ones at UFM."""
    if any(wanted != declared.common for wanted in declared.wanted.values()):
        return declared.common
    memberships, index0s = {found.membership for found in own}, {found.index0 for found in own}
    return Member(
        memberships.pop() if len(memberships) == 1 else declared.common.membership,
        index0s.pop() if len(index0s) == 1 else declared.common.index0,
    )


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


class Qos(TypedDict, total=False):
    """A partition's quality of service; omitted keys keep UFM's values."""

    mtu_limit: float
    """2 or 4 KiB."""
    service_level: float
    """0 to 15."""
    rate_limit: float
    """Gb/s, one of InfiniBand's rates: 2.5, 5, 10 … 300."""


class PKey(pulumi.CustomResource):
    """A partition of the InfiniBand fabric with its members."""

    pkey: pulumi.Output[str]
    """In UFM's spelling: 0x65."""
    members: pulumi.Output[dict[str, str]]
    """`host/port` → GUID, 16 lower-case hex digits; with what differs from the other members in parentheses."""
    member_count: pulumi.Output[int]
    """The number of members in `members`."""
    foreign: pulumi.Output[list[str]]
    """GUIDs in the partition that the program does not declare, as of the last write or refresh."""
    partition: pulumi.Output[str]
    """UFM's name of the partition, e.g. api_pkey_0x65."""

    def __init__(
        self,
        name: str,
        *,
        pkey: pulumi.Input[str],
        members: pulumi.Input[Mapping[str, pulumi.Input[str | PKeyMember]]],
        membership: pulumi.Input[Membership] = "full",
        index0: pulumi.Input[bool] = False,
        ip_over_ib: pulumi.Input[bool] | None = True,
        ownership: pulumi.Input[Literal["authoritative", "additive"]] = "authoritative",
        adopt: pulumi.Input[bool] = False,
        qos: pulumi.Input[Qos] | None = None,
        partition_name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a partition.

        Args:
            name: the resource's name.
            pkey: 0x1 to 0x7ffe, as a string; a change replaces the partition.
            members: `host/port` → GUID in any common spelling, or a `PKeyMember`; at least one.
            membership: of members that do not have their own: full, or limited (talks to full members only).
            index0: of members that do not have their own: whether the PKey is the first entry of the port's P_Key
                table; a port has one such PKey.
            ip_over_ib: whether the partition has an IPoIB multicast group; None keeps UFM's value. With additive
                ownership it counts only if this resource creates the partition.
            ownership: authoritative or additive; see the module's docstring.
            adopt: change an existing partition that differs; authoritative ownership removes its other members.
            qos: for authoritative ownership. Before release 6.24 it takes effect at the next restart of UFM.
            partition_name: for authoritative ownership, from release 6.22.
            opts: Pulumi's resource options.
        """
        props = {
            "pkey": pkey,
            "members": members,
            "membership": membership,
            "index0": index0,
            "ip_over_ib": ip_over_ib,
            "ownership": ownership,
            "adopt": adopt,
            "qos": qos,
            "partition_name": partition_name,
            "member_count": None,
            "foreign": None,
            "partition": None,
        }
        opts = pulumi.ResourceOptions.merge(opts, dynamic_alias("PKey"))
        super().__init__(PKeyHandler.pulumi_type, name, props, opts)
