"""`PKeyOwner`: marks PKeys at UFM as those of one stack, so that no other stack changes or deletes them.

The mark of PKey 0x65 is a group of UFM, `pulumi_pkey_0x65`, without members. Its description names project, stack, the
stack's ID and the time:

    owned by fabric/prod 1a2b3c4d since 2026-12-01T09:00:00Z

A group changes nothing in the fabric, UFM keeps it across restarts and upgrades, its name is unique, and UFM's web
interface shows it. The name of a partition cannot be set before release 6.22, and an access token has no text. The mark
belongs to a PKey rather than to UFM, because one UFM may serve several clusters.

Project and stack are taken from the resource's URN. So a state that was copied into another stack does not own what the
first stack owns.

    create, update   mark PKeys without a mark. Refuse those of another stack, unless `take_from` is that stack's ID
    preview, diff    read the marks too, so that a preview and an `up` of a stack that lost its PKeys fail at once.
                     UFM that does not answer is reported, and compares nothing
    read             a mark that is missing is drift; a mark of another stack is an error
    delete           remove the stack's own marks

`PKeyOwnerGuard` makes `pulumi destroy` fail before anything is deleted: it depends on everything else, so it is deleted
first, and its delete only checks the marks.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar

import pulumi
from pulumi.output import Unknown

from . import errors, partition
from .client import Client
from .errors import NotTakenError, OwnedError
from .handler import CheckFailure, CheckResult, CreateResult, DiffResult, Props, ReadResult, ResourceHandler

GROUP = "pulumi_pkey_"
"""Prefix of the groups' names; UFM's own groups have letters, digits and underscores too, e.g. Alarmed_Devices."""
ID = re.compile("[0-9a-f]{8}")
NOT_WRITTEN = "nothing was written"
_MARK = re.compile(rf"owned by ([^/\s]+)/([^/\s]+) ({ID.pattern}) since (\S+)")


@dataclass(frozen=True)
class PKeyMark:
    """The owner of a PKey. `stack_id` is None while the stack has none: in the preview of its first `up`."""

    project: str
    stack: str
    stack_id: str | None
    since: str = ""
    """UTC, in ISO 8601."""

    def __str__(self) -> str:
        return f"owned by {self.project}/{self.stack} {self.stack_id} since {self.since}"

    @classmethod
    def parse(cls, text: str) -> "PKeyMark | None":
        """Return the mark in the description of a group, or None if it is another text."""
        found = _MARK.fullmatch(text)
        return cls(*found.groups()) if found else None

    def same(self, other: "PKeyMark") -> bool:
        """Return whether both are of one stack."""
        return (self.project, self.stack, self.stack_id) == (other.project, other.stack, other.stack_id)


Marks = Mapping[str, PKeyMark | None]
"""PKey → its mark; None: it has none."""


class MarkedHandler(ResourceHandler):
    """Reads and compares marks."""

    importable = False
    compared: ClassVar[tuple[str, ...]] = ("owner", "pkeys")

    def check(self, inputs: Props) -> CheckResult:
        """Check the stack's ID, the PKeys and `take_from`, and spell the PKeys as UFM does."""
        failures = [
            CheckFailure(key, f"found {inputs.get(key)!r}; write the eight hexadecimal digits of a stack's ID")
            for key in ("owner", "take_from")
            if not isinstance(inputs.get(key, ""), Unknown) and not _is_id(inputs.get(key, ""), key)
        ]
        pkeys = inputs.get("pkeys")
        if isinstance(pkeys, Unknown):
            return CheckResult(inputs, failures)
        try:
            spelled = sorted({partition.usable_pkey(pkey) for pkey in pkeys or ()})
            if not spelled:
                raise ValueError(f"found {pkeys!r}; write at least one PKey")
        except (TypeError, ValueError) as error:
            return CheckResult(inputs, [*failures, CheckFailure("pkeys", str(error))])
        return CheckResult({**inputs, "pkeys": spelled}, failures)

    def read(self, id_: str, state: Props) -> ReadResult | None:
        """Return what is marked.

        Raises:
            OwnedError: another stack has marked one of the PKeys.
        """
        marks = self._marks(self.client, state["pkeys"])
        self._refuse_others(marks, state)
        marked = [pkey for pkey, mark in marks.items() if mark]
        found = {**state, "pkeys": marked}
        return ReadResult(id_, found, found) if marked else None

    def _mine(self, props: Props) -> PKeyMark:
        head, project = self.urn.split("::")[:2]
        owner = props["owner"]
        return PKeyMark(project, head.rpartition(":")[2], None if isinstance(owner, Unknown) else str(owner))

    def _marks(self, client: Client, pkeys: Sequence[str]) -> Marks:
        """Return the marks of the PKeys.

        Raises:
            OwnedError: a group has the name of a mark, but not its text.
        """
        groups = client.groups()
        return {pkey: self._parsed(pkey, groups.get(GROUP + pkey)) for pkey in pkeys}

    def _parsed(self, pkey: str, text: str | None) -> PKeyMark | None:
        mark = PKeyMark.parse(text) if text is not None else None
        if text is not None and mark is None:
            problem = f"its group {GROUP}{pkey} has the description {text!r}, which names no owner"
            remedy = "if no stack uses the PKey, delete this group in UFM (Managed Elements > Groups)"
            raise OwnedError(problem, host=self.client.host, pkey=pkey, remedy=remedy)
        return mark

    def _refuse_others(self, marks: Marks, props: Props, take_from: str = "", done: str = NOT_WRITTEN) -> None:
        """Raise OwnedError if a PKey has the mark of a stack that is neither this one nor `take_from`."""
        mine = self._mine(props)
        for pkey, mark in marks.items():
            if mark and not mark.same(mine) and mark.stack_id != (take_from or None):
                whose = f"stack {mark.stack} of project {mark.project} (ID {mark.stack_id}, since {mark.since})"
                remedy = f"use that stack, or take the PKeys over: take_from = {mark.stack_id}"
                raise OwnedError(f"it belongs to {whose}, so {done}", host=self.client.host, pkey=pkey, remedy=remedy)


class PKeyOwnerHandler(MarkedHandler):
    """Implements `PKeyOwner` with UFM's groups."""

    pulumi_type = "ufm:index:PKeyOwner"
    compared = ("owner", "pkeys", "take_from")

    def preview(self, inputs: Props) -> None:
        """Raise what `create` would raise: the PKeys belong to another stack."""
        marks = self._present(inputs)
        self._refuse_others(marks, inputs, inputs.get("take_from", ""))
        for pkey, mark in marks.items():
            if mark and not mark.same(self._mine(inputs)):
                self.log("warning", f"PKey {pkey} of {mark.project}/{mark.stack} ({mark.stack_id}) is taken over")

    def diff(self, state: Props, inputs: Props) -> DiffResult:
        """Compare the marks at UFM too: another stack may have taken the PKeys over."""
        diff = super().diff(state, inputs)
        marks = self._present(inputs)
        self._refuse_others(marks, inputs, self._permitted(state, inputs))
        return replace(diff, changes=diff.changes or None in marks.values(), replaces=[])

    def create(self, inputs: Props) -> CreateResult:
        """PKeyMark the PKeys.

        Raises:
            OwnedError: another stack has marked one of them; none was marked.
            NotTakenError: UFM does not show a mark that it has accepted.
        """
        try:
            self._claim(inputs, inputs.get("take_from", ""))
        except OwnedError:
            self._release(inputs["pkeys"], inputs)  # the PKeys marked before another stack claimed one
            raise
        return CreateResult(inputs["owner"], inputs)

    def update(self, state: Props, inputs: Props) -> Props:
        """PKeyMark the PKeys and remove the marks of the others, as `create` does."""
        self._claim(inputs, self._permitted(state, inputs))
        self._release(sorted(set(state["pkeys"]) - set(inputs["pkeys"])), state)
        return inputs

    def delete(self, state: Props) -> None:
        """Remove the stack's own marks."""
        self._release(state["pkeys"], state)

    def _permitted(self, state: Props, inputs: Props) -> str:
        """Return the stack to take from. Once done, the same input takes nothing: the other stack may be back."""
        take_from: str = inputs.get("take_from", "")
        return take_from if take_from != state.get("take_from", "") else ""

    def _present(self, inputs: Props) -> Marks:
        """Return the marks at UFM, none if UFM does not answer."""
        if isinstance(inputs["pkeys"], Unknown):
            return {}
        try:
            return self._marks(self.session.preview_client, inputs["pkeys"])
        except (errors.UnreachableError, errors.AuthenticationError, errors.UnavailableError) as error:
            self.log("info", f"owner of the PKeys: not compared with UFM: {error}")
            return {}

    def _claim(self, inputs: Props, take_from: str) -> None:
        marks = self._marks(self.client, inputs["pkeys"])
        self._refuse_others(marks, inputs, take_from)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        mine = self._mine(inputs)
        text = str(PKeyMark(mine.project, mine.stack, mine.stack_id, now))
        for pkey, mark in marks.items():
            if mark is None or not mark.same(mine):
                write = self.client.describe_group if mark else self.client.create_group
                found = self._parsed(pkey, write(GROUP + pkey, text))
                self._refuse_others({pkey: found}, inputs)  # another stack was faster
                if found is None:
                    problem = f"UFM accepted the group {GROUP}{pkey} but does not show it"
                    raise NotTakenError(problem, host=self.client.host, pkey=pkey)

    def _release(self, pkeys: Sequence[str], state: Props) -> None:
        for pkey, mark in self._marks(self.client, pkeys).items():
            if mark and mark.same(self._mine(state)):
                self.client.delete_group(GROUP + pkey)


class PKeyOwnerGuardHandler(MarkedHandler):
    """Implements `PKeyOwnerGuard`: `delete` checks, everything else does nothing."""

    pulumi_type = "ufm:index:PKeyOwnerGuard"

    def create(self, inputs: Props) -> CreateResult:
        """Do nothing."""
        return CreateResult(inputs["owner"], inputs)

    def read(self, id_: str, state: Props) -> ReadResult | None:
        """Return the state: there is nothing at UFM."""
        return ReadResult(id_, state, state)

    def update(self, state: Props, inputs: Props) -> Props:
        """Do nothing."""
        return inputs

    def delete(self, state: Props) -> None:
        """Check the marks.

        Raises:
            OwnedError: another stack owns the PKeys now.
        """
        self._refuse_others(self._marks(self.client, state["pkeys"]), state, done="nothing was deleted")


def _is_id(value: object, key: str) -> bool:
    return isinstance(value, str) and (bool(ID.fullmatch(value)) or (key == "take_from" and not value))


class PKeyOwner(pulumi.CustomResource):
    """The mark of a stack on PKeys. Resources that write these PKeys depend on it."""

    owner: pulumi.Output[str]
    """As declared."""
    pkeys: pulumi.Output[list[str]]
    """The marked PKeys, in UFM's spelling."""

    def __init__(
        self,
        name: str,
        *,
        owner: pulumi.Input[str],
        pkeys: pulumi.Input[Sequence[pulumi.Input[str]]],
        take_from: pulumi.Input[str] = "",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the owner.

        Args:
            name: the resource's name.
            owner: the stack's ID, eight hexadecimal digits.
            pkeys: PKeys that this stack manages.
            take_from: the ID of the stack whose marks are replaced; used once. Empty: none.
            opts: Pulumi's resource options.
        """
        props = {"owner": owner, "pkeys": pkeys, "take_from": take_from}
        super().__init__(PKeyOwnerHandler.pulumi_type, name, props, opts)


class PKeyOwnerGuard(pulumi.CustomResource):
    """Refuses to be deleted while another stack owns the PKeys. It depends on everything that must stay then."""

    def __init__(
        self,
        name: str,
        *,
        owner: pulumi.Input[str],
        pkeys: pulumi.Input[Sequence[pulumi.Input[str]]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the guard.

        Args:
            name: the resource's name.
            owner: as of the `PKeyOwner`.
            pkeys: as of the `PKeyOwner`.
            opts: Pulumi's resource options.
        """
        super().__init__(PKeyOwnerGuardHandler.pulumi_type, name, {"owner": owner, "pkeys": pkeys}, opts)
