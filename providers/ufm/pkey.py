"""`PKey`: a partition of the fabric and the ports that belong to it.

Members are a map `host/port` → GUID, so that a diff names the host. Who owns the rest of the partition?

    ownership         writes             members we do not declare
    "authoritative"   one PUT, the whole are drift: a refresh shows them as foreign/<GUID>, the next `up` removes them
    "additive"        ours only          are reported in `foreign` and never touched: Neutron's SDN driver adds VM ports
                                         to the tenant's PKeys, and to take one away would cut off a running VM

What a life looks like:

- check finds every mistake at once and calls nobody. Unknown values, as in a first preview, pass.
- create adopts a partition that is as declared without a write. One that differs is refused, the difference named,
  unless `adopt` says to take it over: nobody loses a member by surprise. What a failed create made goes again.
- read writes down what is there in the shape of the inputs, so that the preview after a refresh shows what `up` will
  do. A member whose membership or index0 differs from the others' is written as `GUID (limited)`, at its host's name.
- update is one PUT in authoritative mode, whatever the number of members; UFM applies only the difference.
- delete removes what we own: the partition if it holds nobody else, else our members. UFM itself deletes a partition
  with its last member.

Writes are read back: an error names the members that UFM did not take.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, Resource, UpdateResult
from pulumi.output import Unknown

from providers.ufm import partition
from providers.ufm.errors import NotTakenError, TakeoverError
from providers.ufm.partition import Member, Membership, Partition
from providers.ufm.provider import Props, UfmProvider

FOREIGN = "foreign/"
"""Before the GUID of a member that the program does not declare. No host may be named so."""

AUTHORITATIVE = "authoritative"
DEFAULTS: Props = {"membership": "full", "index0": False, "ownership": AUTHORITATIVE, "adopt": False}
CHOICES = {"membership": ("full", "limited"), "ownership": (AUTHORITATIVE, "additive")}
SWITCHES = ("index0", "ip_over_ib", "adopt")

NAMED = 10
"""How many members an error names before it says how many more there are."""

log = logging.getLogger(__name__)


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

    @classmethod
    def of(cls, props: Props) -> "Declared":
        """From checked inputs, or from outputs that `read` wrote: foreign members and remarks are no declaration."""
        members = sorted(props["members"].items())
        ours = {name: str(text).split()[0] for name, text in members if not name.startswith(FOREIGN)}
        how = Member(props["membership"], props["index0"])
        return cls(props["pkey"], ours, how, props.get("ip_over_ib"), props["ownership"] == AUTHORITATIVE)

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
        texts = [f"{name}: {remark}" for name, remark in self.unmet(found).items()]
        if self.authoritative:
            texts += [f"{guid}: not declared" for guid in self.foreign(found)]
            if self.ip_over_ib is not None and found.ip_over_ib is not None and found.ip_over_ib != self.ip_over_ib:
                texts.append(f"ip_over_ib: {found.ip_over_ib}")
        return texts


def _remark(found: Member | None, wanted: Member) -> str:
    """How a member differs from the wanted form, in a word or two; empty when it does not."""
    if found is None:
        return "missing"
    index0 = "index0" if found.index0 else "not index0"
    return ", ".join(
        ([found.membership] if found.membership != wanted.membership else [])
        + ([index0] if found.index0 != wanted.index0 else [])
    )


class PKeyProvider(UfmProvider):
    compared = ("pkey", "members", "membership", "index0", "ip_over_ib", "ownership")
    replacing = ("pkey",)

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """The inputs in UFM's spelling, with every failure there is."""
        inputs = {**DEFAULTS, **news}
        failures: list[CheckFailure] = []
        if not isinstance(inputs.get("pkey"), Unknown):
            inputs["pkey"] = _spelled(partition.usable_pkey, inputs.get("pkey"), "pkey", failures)
        if not isinstance(inputs.get("members"), Unknown):
            inputs["members"] = _members(inputs.get("members"), failures)
        for key, allowed in CHOICES.items():
            if not isinstance(inputs[key], Unknown) and inputs[key] not in allowed:
                failures.append(CheckFailure(key, f"found {inputs[key]!r}; write {' or '.join(map(repr, allowed))}"))
        for key in SWITCHES:
            if not isinstance(inputs.get(key, False), Unknown | bool):
                failures.append(CheckFailure(key, f"found {inputs[key]!r}; write true or false"))
        return CheckResult(inputs, failures)

    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        if news.get("ownership") != AUTHORITATIVE:
            news = {key: value for key, value in news.items() if key != "ip_over_ib"}
        result = super().diff(id_, olds, news)
        # A port has one PKey at index 0: the old partition must let go of it before the new one takes it.
        result.delete_before_replace = bool(result.replaces) and olds.get("index0") is True
        return result

    def create(self, props: Props) -> CreateResult:
        declared = Declared.of(props)
        found = self.client.get_pkey(declared.pkey)
        if found and declared.authoritative and not props["adopt"]:
            self._refuse(declared, "it exists and differs", declared.differences(found))
        try:
            after = self._write(declared, found)
        except NotTakenError:
            if not found:  # A failed create leaves nothing behind, or the next one would meet a stranger.
                self._withdraw(declared, self.client.get_pkey(declared.pkey))
            raise
        return CreateResult(declared.pkey, _outputs(props, declared, after))

    def read(self, id_: str, props: Props) -> ReadResult:
        declared = Declared.of(props)
        found = self.client.get_pkey(declared.pkey)
        if found is None:
            return ReadResult("", {})
        inputs = {**_inputs(props), **_as_found(declared, found)}
        # Without inputs the preview after a refresh would not show the drift (pulumi #13839).
        return ReadResult(id_, _outputs(inputs, declared, found), inputs)

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        before, declared = Declared.of(olds), Declared.of(news)
        found = self.client.get_pkey(declared.pkey)
        if declared.authoritative and not before.authoritative and not news["adopt"]:
            strangers = [f"{guid}: not declared" for guid in declared.foreign(found)]
            self._refuse(declared, "it has other members, which authoritative ownership would remove", strangers)
        dropped = set(before.members.values()) - set(declared.members.values())
        return UpdateResult(_outputs(news, declared, self._write(declared, found, dropped)))

    def delete(self, _id: str, props: Props) -> None:
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
        if unmet:
            raise self._not_taken(declared, f"UFM accepted the write but did not take {_some(unmet)}")
        return after

    def _set(self, declared: Declared, found: Partition | None) -> Partition | None:
        if found and not declared.differences(found):
            return found
        evicted = declared.foreign(found)
        if evicted:
            log.warning("PKey %s: removing members that are not declared: %s", declared.pkey, _some(evicted))
        return self.client.set_guids(declared.pkey, declared.members.values(), **declared.settings(found))

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
            log.warning("PKey %s: kept, as it holds members that are not ours: %s", declared.pkey, _some(foreign))
        if left and (declared.held(left) or not left.members):
            raise self._not_taken(declared, "UFM accepted the removal but still has it")

    def _refuse(self, declared: Declared, why: str, differences: list[str]) -> None:
        if differences:
            raise TakeoverError(f"{why}: {_some(differences)}", host=self.client.host, pkey=declared.pkey)

    def _not_taken(self, declared: Declared, problem: str) -> NotTakenError:
        return NotTakenError(problem, host=self.client.host, pkey=declared.pkey)


def _inputs(props: Props) -> Props:
    return {key: props[key] for key in (*PKeyProvider.compared, "adopt") if key in props}


def _outputs(inputs: Props, declared: Declared, found: Partition | None) -> Props:
    own = _inputs(inputs)
    return {**own, "member_count": len(own["members"]), "foreign": declared.foreign(found)}


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
    return seen


def _spelled(rule: Callable[[str], str], value: Any, where: str, failures: list[CheckFailure]) -> Any:
    if isinstance(value, Unknown):
        return value
    try:
        if not isinstance(value, str):
            raise ValueError(f"found {value!r}; write a string of hex digits")
        return rule(value)
    except ValueError as error:
        failures.append(CheckFailure(where, str(error)))
        return value


def _members(value: Any, failures: list[CheckFailure]) -> Any:
    if not isinstance(value, Mapping) or not value:
        # UFM deletes a partition with its last member, so an empty one could not be kept.
        failures.append(CheckFailure("members", f"found {value!r}; name one port at least: 'host/port': 'GUID'"))
        return value
    members: Props = {}
    holders: dict[str, str] = {}
    for name, text in sorted(value.items()):  # maps lose their order on the wire; failures should not
        where = f'members["{name}"]'
        if name.startswith(FOREIGN):
            failures.append(CheckFailure(where, f"names from {FOREIGN!r} on are UFM's other members; name host/port"))
        members[name] = guid = _spelled(partition.guid, text, where, failures)
        if isinstance(guid, str) and holders.setdefault(guid, name) != name:
            failures.append(CheckFailure(where, f"found {guid!r} again; it is {holders[guid]}'s"))
    return members


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more


class PKey(Resource, module="ufm", name="PKey"):
    """A partition of the InfiniBand fabric with its members (guide step I3)."""

    pkey: pulumi.Output[str]
    """As UFM spells it: 0x65."""
    members: pulumi.Output[dict[str, str]]
    """`host/port` → GUID, 16 lower-case hex digits."""
    member_count: pulumi.Output[int]
    """Members that this resource answers for."""
    foreign: pulumi.Output[list[str]]
    """GUIDs in the partition that the program does not declare, as of the last write or refresh."""

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
        """
        props = {
            "pkey": pkey,
            "members": members,
            "membership": membership,
            "index0": index0,
            "ip_over_ib": ip_over_ib,
            "ownership": ownership,
            "adopt": adopt,
            "member_count": None,
            "foreign": None,
        }
        super().__init__(PKeyProvider(), name, props, opts)
