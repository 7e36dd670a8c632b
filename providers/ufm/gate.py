"""`PKeyGate`: waits until other writers have added members to a partition.

Neutron's SDN driver writes a tenant's PKeys asynchronously, through a journal: the OpenStack API reports a network and
its ports as ACTIVE even if UFM has rejected them, e.g. because of a wrong token. The gate reads the partition at UFM
and writes nothing.

While UFM does not answer, the driver's entries get stuck. networking-mlnx of Wallaby (18.0.0) sends them again after
`processing_timeout`, 100 s, but looks only every `maintenance_interval`, 300 s. The gate waits longer than both.

    create, update   poll with back-off until every member is in the partition; name the missing ones after the timeout
    read             members that have left are drift: the next `up` waits for them again
    delete           does nothing
"""

import time
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.output import Unknown

from . import partition
from .errors import CancelledError, CertificateError, MissingMembersError, UnavailableError, UnreachableError
from .handler import CheckFailure, CheckResult, CreateResult, Props, ReadResult, ResourceHandler
from .provider import dynamic_alias

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
"""Seconds between two polls; short at first, because Neutron's driver usually needs a second."""

RESEND = 400
"""Seconds after which the driver has sent every entry again: its processing_timeout and its maintenance_interval."""

TIMEOUT = RESEND + 200
"""Default timeout in seconds. The rest is for UFM's start and for networks, which are sent before their ports."""

LATE = 30
"""Seconds after which the gate says what it waits for."""

EXPLANATION = f"if UFM did not answer Neutron for a while, Neutron sends the members again up to {RESEND} s later"


class PKeyGateHandler(ResourceHandler):
    """Implements `PKeyGate` by polling the partition."""

    pulumi_type = "ufm:index:PKeyGate"
    importable = False
    compared = ("pkey", "members")
    replacing = ("pkey",)

    def check(self, inputs: Props) -> CheckResult:
        """Return PKey and GUIDs in UFM's spelling."""
        checked: Props = dict(inputs)
        failures: list[CheckFailure] = []
        for key, spell in (("pkey", partition.usable_pkey), ("members", _spelled)):
            if isinstance(checked.get(key), Unknown):
                continue
            try:
                checked[key] = spell(checked[key])
            except ValueError as error:
                failures.append(CheckFailure(key, str(error)))
        return CheckResult(checked, failures)

    def create(self, inputs: Props) -> CreateResult:
        """Wait for the members.

        Raises:
            MissingMembersError: some are missing after the timeout.
            CancelledError: the user interrupted the wait.
        UnreachableError, UnavailableError: UFM still does not answer at the timeout.
        """
        return CreateResult(inputs["pkey"], self._wait(inputs))

    def update(self, state: Props, inputs: Props) -> Props:
        """Wait for the members, as `create` does."""
        return self._wait(inputs)

    def read(self, id_: str, state: Props) -> ReadResult | None:
        """Return the members that are present; None if all are missing."""
        missing = self._missing(state)
        if len(missing) == len(state["members"]):
            return None
        present = {name: guid for name, guid in state["members"].items() if name not in missing}
        inputs = {**state, "members": present}
        return ReadResult(id_, _outputs(inputs), inputs)

    def delete(self, state: Props) -> None:
        """Do nothing: the gate wrote nothing."""

    def _wait(self, inputs: Props) -> Props:
        pkey, timeout = inputs["pkey"], inputs["timeout"]
        began, pause, explained = time.monotonic(), FIRST_PAUSE, False
        while True:
            missing, silence = self._look(inputs)
            if not missing and not silence:
                return _outputs(inputs)
            elapsed = time.monotonic() - began
            if elapsed + pause > timeout:
                raise silence or self._error(inputs, missing)
            what = "UFM to answer" if silence else f"{len(missing)} of {len(inputs['members'])} members"
            self.log("progress", f"PKey {pkey}: waiting for {what}, {elapsed:.0f} of {timeout:.0f} s")
            if elapsed > LATE and not explained:
                self.log(
                    "info", f"PKey {pkey}: still waiting for {_names(missing) if missing else what}; {EXPLANATION}"
                )
                explained = True
            if self.session.cancelled.wait(pause):
                raise CancelledError("cancelled while waiting for members", host=self.client.host, pkey=pkey)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _look(self, inputs: Props) -> tuple[dict[str, str], UnreachableError | UnavailableError | None]:
        """Return the missing members, or why UFM does not tell them."""
        try:
            return self._missing(inputs), None
        except CertificateError:
            raise
        except (UnreachableError, UnavailableError) as error:
            return {}, error

    def _error(self, inputs: Props, missing: Mapping[str, str]) -> MissingMembersError:
        problem = f"still not members after {inputs['timeout']:.0f} s: {_names(missing)}"
        return MissingMembersError(problem, host=self.client.host, pkey=inputs["pkey"])

    def _missing(self, inputs: Props) -> dict[str, str]:
        """Return the members that are not in the partition: name → GUID."""
        current = self.client.get_pkey(inputs["pkey"])
        present = current.members if current else {}
        return {name: guid for name, guid in inputs["members"].items() if guid not in present}


def _names(members: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({guid})" for name, guid in sorted(members.items()))


def _outputs(inputs: Props) -> Props:
    return {**inputs, "member_count": len(inputs["members"])}


def _spelled(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: guid if isinstance(guid, Unknown) else partition.guid(guid) for name, guid in members.items()}


class PKeyGate(pulumi.CustomResource):
    """Is created once every member is in the partition at UFM."""

    pkey: pulumi.Output[str]
    """In UFM's spelling: 0x65."""
    members: pulumi.Output[dict[str, str]]
    """`host/port` → GUID."""
    member_count: pulumi.Output[int]
    """The number of members."""

    def __init__(
        self,
        name: str,
        *,
        pkey: pulumi.Input[str],
        members: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        timeout: float = TIMEOUT,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a gate.

        Args:
            name: the resource's name.
            pkey: 0x1 to 0x7ffe, as a string; a change replaces the gate.
            members: `host/port` → GUID in any common spelling.
            timeout: seconds to wait; a change of the timeout alone causes no update.
            opts: Pulumi's resource options.
        """
        props = {"pkey": pkey, "members": members, "timeout": timeout, "member_count": None}
        opts = pulumi.ResourceOptions.merge(opts, dynamic_alias("PKeyGate"))
        super().__init__(PKeyGateHandler.pulumi_type, name, props, opts)
