"""`PKey`: a partition of the fabric and the ports that belong to it.

Members are a map `host/port` → GUID, so that a diff names the host. Who owns the rest of the partition?

    ownership         writes             members we do not declare
    "authoritative"   one PUT, the whole are drift: a refresh shows them as foreign/<GUID>, the next `up` removes them
    "additive"        ours only          are reported in `foreign` and never touched: Neutron's SDN driver adds VM ports
                                         to the tenant's PKeys, and to take one away would cut off a running VM

What a life looks like:

- check finds every mistake at once and calls nobody. Unknown values, as in a first preview, pass.
- preview asks UFM what a create would meet: that a partition is there as declared and will be adopted, or that it
  differs and in what.
- create adopts a partition that is as declared without a write. One that differs is refused, the difference named,
  unless `adopt` says to take it over: nobody loses a member by surprise. What a failed create made goes again.
- read writes down what is there in the shape of the inputs, so that the preview after a refresh shows what `up` will
  do. A member whose membership or index0 differs from the others' is written as `GUID (limited)`, at its host's name.
- update is one PUT in authoritative mode, whatever the number of members; UFM applies only the difference. Quality
  of service has a call of its own before release 6.24.
- delete removes what we own: the partition if it holds nobody else, else our members. UFM itself deletes a partition
  with its last member.
- import (`pulumi import ufm:index:PKey NAME 0xb`) takes all members for ours, named by what UFM knows of their ports.

Writes are read back: an error names the members that UFM did not take.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import pulumi
from pulumi.output import Unknown

from providers.ufm import errors, inventory, partition
from providers.ufm.errors import NotTakenError, TakeoverError
from providers.ufm.partition import QOS, Member, Membership, Partition
from providers.ufm.provider import Diff, Failure, Found, Kind, Made, Props, was_dynamic

FOREIGN = "foreign/"
"""Before the GUID of a member that the program does not declare. No host may be named so."""

AUTHORITATIVE = "authoritative"
DEFAULTS: Props = {"membership": "full", "index0": False, "ownership": AUTHORITATIVE, "adopt": False}
CHOICES = {"membership": ("full", "limited"), "ownership": (AUTHORITATIVE, "additive")}
SWITCHES = ("index0", "ip_over_ib", "adopt")

OWNERS = ("qos", "partition_name")
"""What the partition's one owner alone may set."""

NAMES, QOS_BY_PUT = (6, 22), (6, 24)
"""The releases from which a PUT of members takes a name, and quality of service (ufm-rest-api: 2.2)."""

NAMED = 10
"""How many members an error names before it says how many more there are."""


@dataclass(frozen=True)
class Declared:
    """A partition as the program (or the state) has it."""

    pkey: str
    members: Mapping[str, str]
    """`host/port` → GUID."""
    how: Member
    """The same for all members: UFM's POST knows no other (ufm-rest-api: 2.4)."""
    ip_over_ib: bool | None
    """None: as found."""
    authoritative: bool
    qos: Mapping[str, float]
    """What of it is declared; the rest stays as found."""
    name: str | None
    """None: as found."""

    @classmethod
    def of(cls, props: Props) -> "Declared":
        """From checked inputs, or from outputs that `read` wrote: foreign members and remarks are no declaration."""
        members = sorted(props["members"].items())
        ours = {name: str(text).split()[0] for name, text in members if not name.startswith(FOREIGN)}
        how = Member(props["membership"], props["index0"])
        authoritative = props["ownership"] == AUTHORITATIVE
        qos, name = props.get("qos") or {}, props.get("partition_name")
        return cls(props["pkey"], ours, how, props.get("ip_over_ib"), authoritative, qos, name)

    def foreign(self, found: Partition | None) -> list[str]:
        """GUIDs in the partition that are not ours."""
        return sorted(set(found.members if found else ()) - set(self.members.values()))

    def held(self, found: Partition | None) -> list[str]:
        """GUIDs of ours in the partition."""
        return sorted(set(found.members if found else ()) & set(self.members.values()))

    def settings(self, found: Partition | None) -> Props:
        """What a write says besides the members. `ip_over_ib` stays as found unless we own the partition and say so."""
        keep = found is not None and (self.ip_over_ib is None or not self.authoritative)
        return {
            "membership": self.how.membership,
            "index0": self.how.index0,
            "ip_over_ib": found.ip_over_ib if found and keep else self.ip_over_ib,
        }

    def unmet(self, found: Partition | None) -> dict[str, str]:
        """Our members that are not as declared: name → what is wrong with it."""
        there = found.members if found else {}
        wrong = {name: _remark(there.get(guid), self.how) for name, guid in self.members.items()}
        return {name: remark for name, remark in wrong.items() if remark}

    def differences(self, found: Partition) -> list[str]:
        """What would change at UFM if the partition were made as declared; empty when it is so already."""
        return [*self.of_members(found), *self.of_name(found), *self.of_qos(found)]

    def of_members(self, found: Partition) -> list[str]:
        texts = [f"{name}: {remark}" for name, remark in self.unmet(found).items()]
        if self.authoritative:
            texts += [f"{guid}: not declared" for guid in self.foreign(found)]
            if self.ip_over_ib is not None and found.ip_over_ib is not None and found.ip_over_ib != self.ip_over_ib:
                texts.append(f"ip_over_ib: {found.ip_over_ib}")
        return texts

    def of_name(self, found: Partition) -> list[str]:
        return [f"partition_name: {found.name!r}"] if self.name not in (None, found.name) else []

    def of_qos(self, found: Partition) -> list[str]:
        return [f"{key}: {found.qos.get(key)}" for key, value in self.qos.items() if found.qos.get(key) != value]


def _remark(found: Member | None, wanted: Member) -> str:
    """How a member differs from the wanted form, in a word or two; empty when it does not."""
    if found is None:
        return "missing"
    index0 = "index0" if found.index0 else "not index0"
    return ", ".join(
        ([found.membership] if found.membership != wanted.membership else [])
        + ([index0] if found.index0 != wanted.index0 else [])
    )


class PKeyKind(Kind):
    urn_type = "ufm:index:PKey"
    compared = ("pkey", "members", "membership", "index0", "ip_over_ib", "ownership", *OWNERS)
    replacing = ("pkey",)

    def check(self, news: Props) -> tuple[Props, list[Failure]]:
        inputs = {**DEFAULTS, **news}
        failures: list[Failure] = []
        if not isinstance(inputs.get("pkey"), Unknown):
            inputs["pkey"] = _spelled(partition.usable_pkey, inputs.get("pkey"), "pkey", failures)
        if not isinstance(inputs.get("members"), Unknown):
            inputs["members"] = _members(inputs.get("members"), failures)
        for key, allowed in CHOICES.items():
            if not isinstance(inputs[key], Unknown) and inputs[key] not in allowed:
                failures.append(Failure(key, f"found {inputs[key]!r}; write {' or '.join(map(repr, allowed))}"))
        for key in SWITCHES:
            if not isinstance(inputs.get(key, False), Unknown | bool):
                failures.append(Failure(key, f"found {inputs[key]!r}; write true or false"))
        failures += _owners(inputs)
        return inputs, failures

    def diff(self, olds: Props, news: Props) -> Diff:
        if news.get("ownership") != AUTHORITATIVE:
            news = {key: value for key, value in news.items() if key != "ip_over_ib"}
        diff = super().diff(olds, news)
        # A port has one PKey at index 0: the old partition must let go of it before the new one takes it.
        return Diff(diff.changes, diff.replaces, bool(diff.replaces) and olds.get("index0") is True)

    def preview(self, news: Props) -> None:
        """UFM may not be there yet, or not have its password: then nothing is compared, and that is said."""
        if any(isinstance(value, Unknown) for value in (news["pkey"], news["members"], *news["members"].values())):
            return
        declared = Declared.of(news)
        try:
            found = self.session.impatient.get_pkey(declared.pkey)
        except (errors.UnreachableError, errors.AuthenticationError, errors.UnavailableError) as error:
            self.say("info", f"PKey {declared.pkey}: UFM does not tell what it has: {error}")
            return
        self._supported(declared)
        if found:
            self._meet(declared, found, adopt=news["adopt"])

    def _meet(self, declared: Declared, found: Partition, *, adopt: bool) -> None:
        """Says what a create makes of the partition that is there.

        Raises:
            TakeoverError: it would be refused.
        """
        differences = declared.differences(found)
        if not differences:
            self.say("info", f"PKey {declared.pkey} exists as declared: it is adopted without a write")
        elif declared.authoritative and not adopt:
            self._refuse(declared, "it exists and differs", differences)
        else:
            self.say("warning", f"PKey {declared.pkey} exists and will be changed: {_some(differences)}")

    def create(self, props: Props) -> Made:
        declared = Declared.of(props)
        found = self.client.get_pkey(declared.pkey)
        if found and declared.authoritative and not props["adopt"]:
            self._refuse(declared, "it exists and differs", declared.differences(found))
        self._supported(declared)
        try:
            after = self._write(declared, found)
        except NotTakenError:
            if not found:  # A failed create leaves nothing behind, or the next one would meet a stranger.
                self._withdraw(declared, self.client.get_pkey(declared.pkey))
            raise
        return Made(declared.pkey, _outputs(props, declared, after))

    def read(self, id_: str, props: Props) -> Found | None:
        found = self.client.get_pkey(partition.usable_pkey(id_))
        if found is None:
            return None
        props = props or self._imported(found)
        declared = Declared.of(props)
        inputs = {**_inputs(props), **_as_found(declared, found)}
        # Without inputs the preview after a refresh would not show the drift (pulumi #13839).
        return Found(found.pkey, _outputs(inputs, declared, found), inputs)

    def _imported(self, found: Partition) -> Props:
        """Inputs that would have made what is there."""
        names = {str(port["guid"]): inventory.port_name(port) for port in self.client.ports("Computer")}
        members = {names.get(guid, f"unknown/{guid}"): guid for guid in found.members}
        return {**DEFAULTS, "pkey": found.pkey, "members": members}

    def update(self, olds: Props, news: Props) -> Props:
        before, declared = Declared.of(olds), Declared.of(news)
        found = self.client.get_pkey(declared.pkey)
        if declared.authoritative and not before.authoritative and not news["adopt"]:
            strangers = [f"{guid}: not declared" for guid in declared.foreign(found)]
            self._refuse(declared, "it has other members, which authoritative ownership would remove", strangers)
        self._supported(declared)
        dropped = set(before.members.values()) - set(declared.members.values())
        return _outputs(news, declared, self._write(declared, found, dropped))

    def delete(self, props: Props) -> None:
        declared = Declared.of(props)
        self._withdraw(declared, self.client.get_pkey(declared.pkey))

    def _write(self, declared: Declared, found: Partition | None, dropped: Iterable[str] = ()) -> Partition | None:
        """Makes the partition as declared and returns it as read back; no write where it is so already.

        `dropped`: GUIDs that were ours. Raises NotTakenError.
        """
        if declared.authoritative:
            after = self._set(declared, found)
        else:
            after = self._add(declared, found)
            after = self._remove(declared, after, dropped)
        unmet = [f"{name}: {remark}" for name, remark in declared.unmet(after).items()]
        if unmet or (after and (unmet := declared.of_name(after) + declared.of_qos(after))):
            raise self._not_taken(declared, f"UFM accepted the write but did not take {_some(unmet)}")
        return after

    def _set(self, declared: Declared, found: Partition | None) -> Partition | None:
        if found and not declared.differences(found):
            return found
        evicted = declared.foreign(found)
        if evicted:
            self.say("warning", f"PKey {declared.pkey}: removing members that are not declared: {_some(evicted)}")
        by_put = bool(declared.qos) and self.client.release() >= QOS_BY_PUT
        after = found
        if not found or declared.of_members(found) or declared.of_name(found) or by_put:
            name = {"partition_name": declared.name} if declared.name else {}
            more = {**declared.settings(found), **name, **(declared.qos if by_put else {})}
            after = self.client.set_guids(declared.pkey, declared.members.values(), **more)
        return self._set_qos(declared, after) if after and declared.of_qos(after) else after

    def _set_qos(self, declared: Declared, found: Partition) -> Partition | None:
        self.client.set_qos(declared.pkey, {**found.qos, **declared.qos})
        self.say("warning", f"PKey {declared.pkey}: its quality of service takes effect when UFM is restarted next")
        return self.client.get_pkey(declared.pkey)

    def _add(self, declared: Declared, found: Partition | None) -> Partition | None:
        unmet = [declared.members[name] for name in declared.unmet(found)]
        return self.client.add_guids(declared.pkey, unmet, **declared.settings(found)) if unmet else found

    def _remove(self, declared: Declared, found: Partition | None, dropped: Iterable[str]) -> Partition | None:
        gone = sorted(set(dropped) & set(found.members if found else ()))
        return self.client.remove_guids(declared.pkey, gone) if gone else found

    def _withdraw(self, declared: Declared, found: Partition | None) -> None:
        """Takes what is ours out of UFM."""
        if found is None:
            return
        foreign, held = declared.foreign(found), declared.held(found)
        if declared.authoritative and not foreign:
            left = self.client.delete_pkey(declared.pkey)
        else:
            left = self.client.remove_guids(declared.pkey, held) if held else None
        if declared.authoritative and foreign:
            kept = f"PKey {declared.pkey}: kept, as it holds members that are not ours: {_some(foreign)}"
            self.say("warning", kept)
        # An empty one that is left may be another writer's: Neutron's network has one before its ports.
        if left and (declared.held(left) or (declared.authoritative and not left.members)):
            raise self._not_taken(declared, "UFM accepted the removal but still has it")

    def _supported(self, declared: Declared) -> None:
        if declared.name and self.client.release() < NAMES:
            problem = f"UFM {self.client.version()} has no partition_name (6.22 and later have)"
            raise errors.UnsupportedError(problem, host=self.client.host, pkey=declared.pkey)

    def _refuse(self, declared: Declared, why: str, differences: list[str]) -> None:
        if differences:
            raise TakeoverError(f"{why}: {_some(differences)}", host=self.client.host, pkey=declared.pkey)

    def _not_taken(self, declared: Declared, problem: str) -> NotTakenError:
        return NotTakenError(problem, host=self.client.host, pkey=declared.pkey)


def _inputs(props: Props) -> Props:
    return {key: props[key] for key in (*PKeyKind.compared, "adopt") if key in props}


def _outputs(inputs: Props, declared: Declared, found: Partition | None) -> Props:
    own, name = _inputs(inputs), found.name if found else ""
    return {**own, "member_count": len(own["members"]), "foreign": declared.foreign(found), "partition": name}


def _as_found(declared: Declared, found: Partition) -> Props:
    """What is there, in the shape of the inputs.

    Where all our members differ from the declaration in the same way, the input of that name says so; where some do,
    the remark stands at their GUIDs.
    """
    ours = [found.members[guid] for guid in declared.held(found)]
    memberships, index0s = {m.membership for m in ours}, {m.index0 for m in ours}
    how = Member(
        memberships.pop() if len(memberships) == 1 else declared.how.membership,
        index0s.pop() if len(index0s) == 1 else declared.how.index0,
    )
    members = {}
    for name, guid in declared.members.items():
        if guid in found.members:
            remark = _remark(found.members[guid], how)
            members[name] = f"{guid} ({remark})" if remark else guid
    seen: Props = {"members": members, "membership": how.membership, "index0": how.index0}
    if declared.authoritative:
        members |= {FOREIGN + guid: guid for guid in declared.foreign(found)}
        if declared.ip_over_ib is not None and found.ip_over_ib is not None:
            seen["ip_over_ib"] = found.ip_over_ib
    if declared.qos:
        seen["qos"] = {key: found.qos[key] for key in declared.qos if key in found.qos}
    if declared.name is not None:
        seen["partition_name"] = found.name
    return seen


def _owners(inputs: Props) -> list[Failure]:
    """What is wrong with `qos` and `partition_name`."""
    failures = []
    for key in OWNERS:
        if inputs.get(key) is not None and inputs["ownership"] == "additive":
            failures.append(Failure(key, 'with ownership="additive" another writer has it; leave it out'))
    qos, name = inputs.get("qos", {}), inputs.get("partition_name", "x")
    if not isinstance(name, Unknown) and not (isinstance(name, str) and re.fullmatch(r"[\w.-]{1,64}", name)):
        failures.append(Failure("partition_name", f"found {name!r}; write 1 to 64 letters, digits, '_', '.' or '-'"))
    if isinstance(qos, Unknown):
        return failures
    for key, value in sorted(qos.items()) if isinstance(qos, Mapping) else [("", qos)]:
        if key not in QOS:
            failures.append(Failure(f"qos.{key}", f"found {key or value!r}; write some of {', '.join(QOS)}"))
        elif not isinstance(value, Unknown) and (isinstance(value, bool) or value not in QOS[key]):
            allowed = ", ".join(f"{number:g}" for number in QOS[key])
            failures.append(Failure(f"qos.{key}", f"found {value!r}; write one of {allowed}"))
    return failures


def _spelled(rule: Callable[[str], str], value: Any, where: str, failures: list[Failure]) -> Any:
    if isinstance(value, Unknown):
        return value
    try:
        if not isinstance(value, str):
            raise ValueError(f"found {value!r}; write a string of hex digits")
        return rule(value)
    except ValueError as error:
        failures.append(Failure(where, str(error)))
        return value


def _members(value: Any, failures: list[Failure]) -> Any:
    if not isinstance(value, Mapping) or not value:
        # UFM deletes a partition with its last member, so an empty one could not be kept.
        failures.append(Failure("members", f"found {value!r}; name one port at least: 'host/port': 'GUID'"))
        return value
    members: Props = {}
    holders: dict[str, str] = {}
    for name, text in sorted(value.items()):  # maps lose their order on the wire; failures should not
        where = f'members["{name}"]'
        if name.startswith(FOREIGN):
            failures.append(Failure(where, f"names from {FOREIGN!r} on are UFM's other members; name host/port"))
        members[name] = guid = _spelled(partition.guid, text, where, failures)
        if isinstance(guid, str) and holders.setdefault(guid, name) != name:
            failures.append(Failure(where, f"found {guid!r} again; it is {holders[guid]}'s"))
    return members


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more


class Qos(TypedDict, total=False):
    """A partition's quality of service; what is left out stays as found."""

    mtu_limit: float
    """2 or 4 KiB."""
    service_level: float
    """0 to 15."""
    rate_limit: float
    """Gb/s, one of InfiniBand's: 2.5, 5, 10 … 300."""


class PKey(pulumi.CustomResource):
    """A partition of the InfiniBand fabric with its members (guide step I3)."""

    pkey: pulumi.Output[str]
    """As UFM spells it: 0x65."""
    members: pulumi.Output[dict[str, str]]
    """`host/port` → GUID, 16 lower-case hex digits."""
    member_count: pulumi.Output[int]
    """Members that this resource answers for."""
    foreign: pulumi.Output[list[str]]
    """GUIDs in the partition that the program does not declare, as of the last write or refresh."""
    partition: pulumi.Output[str]
    """UFM's name of it, e.g. api_pkey_0x65."""

    def __init__(
        self,
        name: str,
        *,
        pkey: pulumi.Input[str],
        members: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        membership: pulumi.Input[Membership] = "full",
        index0: pulumi.Input[bool] = False,
        ip_over_ib: pulumi.Input[bool] | None = True,
        ownership: pulumi.Input[Literal["authoritative", "additive"]] = "authoritative",
        adopt: pulumi.Input[bool] = False,
        qos: pulumi.Input[Qos] | None = None,
        partition_name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        pkey: 0x1 to 0x7ffe, as a string; another one replaces the partition.
        members: `host/port` → GUID in any customary spelling; one at least.
        membership: full, or limited (talks to full members only), for all members.
        index0: whether the PKey stands first in the ports' P_Key tables; a port has one such PKey.
        ip_over_ib: whether the partition has an IPoIB multicast group; None leaves it as found. With additive
            ownership it counts only where this resource makes the partition.
        ownership: see the module's text.
        adopt: take over a partition that differs; with authoritative ownership its other members are removed.
        qos: of an authoritative partition. Before release 6.24 it takes effect when UFM is restarted next.
        partition_name: of an authoritative partition, from release 6.22 on.
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
        super().__init__(PKeyKind.urn_type, name, props, pulumi.ResourceOptions.merge(opts, was_dynamic("PKey")))
