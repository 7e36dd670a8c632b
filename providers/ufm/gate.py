"""`PKeyGate`: waits until somebody else has put members into a partition.

The tenant's PKeys are written by Neutron's SDN driver, which works through a journal of its own: the OpenStack API
calls a network and its ports ACTIVE whether UFM has heard of them or not (a wrong token, say, shows nowhere else). The
gate looks where it counts, at UFM, and writes nothing.

    create, update   poll with back-off until every member is in the partition; name the missing at the time limit
    read             members that have gone are drift: the next `up` waits for them again
    delete           nothing, for nothing was made
"""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import pulumi
from pulumi.output import Unknown

from providers.ufm import partition
from providers.ufm.errors import CancelledError, PartitionError
from providers.ufm.provider import Failure, Found, Kind, Made, Props, was_dynamic

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 10.0
"""Seconds between two looks: short at first, for Neutron's driver mostly needs a second."""


class MissingMembersError(PartitionError):
    """Members are missing after the time limit."""

    remedy: ClassVar[str] = (
        "compare MlnxSDNUrl and MlnxSDNToken with UFM (a 401 in neutron's server.log means the token), see whether "
        "table sdn_journal of neutron drains, then run pulumi again"
    )


class PKeyGateKind(Kind):
    urn_type = "ufm:index:PKeyGate"
    importable = False
    compared = ("pkey", "members")
    replacing = ("pkey",)

    def check(self, news: Props) -> tuple[Props, list[Failure]]:
        inputs: Props = dict(news)
        failures: list[Failure] = []
        for key, spell in (("pkey", partition.usable_pkey), ("members", _spelled)):
            if isinstance(inputs.get(key), Unknown):
                continue
            try:
                inputs[key] = spell(inputs[key])
            except ValueError as error:
                failures.append(Failure(key, str(error)))
        return inputs, failures

    def create(self, props: Props) -> Made:
        return Made(props["pkey"], self._wait(props))

    def update(self, _olds: Props, news: Props) -> Props:
        return self._wait(news)

    def read(self, id_: str, props: Props) -> Found | None:
        missing = self._missing(props)
        if len(missing) == len(props["members"]):
            return None
        there = {name: guid for name, guid in props["members"].items() if name not in missing}
        found = {**props, "members": there}
        return Found(id_, _outputs(found), found)

    def delete(self, _props: Props) -> None:
        """Nothing: it made nothing."""

    def _wait(self, props: Props) -> Props:
        deadline, pause = time.monotonic() + props["timeout"], FIRST_PAUSE
        while missing := self._missing(props):
            if time.monotonic() + pause > deadline:
                names = ", ".join(f"{name} ({guid})" for name, guid in sorted(missing.items()))
                raise MissingMembersError(
                    f"after {props['timeout']:.0f} s these are no members: {names}",
                    host=self.client.host,
                    pkey=props["pkey"],
                )
            self.say("progress", f"PKey {props['pkey']}: waiting for {len(missing)} of {len(props['members'])} members")
            if self.session.cancelled.wait(pause):
                raise CancelledError("given up waiting for members", host=self.client.host, pkey=props["pkey"])
            pause = min(pause * 1.5, LONGEST_PAUSE)
        return _outputs(props)

    def _missing(self, props: Props) -> dict[str, str]:
        """Members that UFM does not have, or has no partition for."""
        found = self.client.get_pkey(props["pkey"])
        there = found.members if found else {}
        return {name: guid for name, guid in props["members"].items() if guid not in there}


def _outputs(props: Props) -> Props:
    return {**props, "member_count": len(props["members"])}


def _spelled(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: guid if isinstance(guid, Unknown) else partition.guid(guid) for name, guid in members.items()}


class PKeyGate(pulumi.CustomResource):
    """Exists once every member is in the partition at UFM."""

    pkey: pulumi.Output[str]
    members: pulumi.Output[dict[str, str]]
    """`host/port` → GUID."""
    member_count: pulumi.Output[int]

    def __init__(
        self,
        name: str,
        *,
        pkey: pulumi.Input[str],
        members: pulumi.Input[Mapping[str, pulumi.Input[str]]],
        timeout: float = 120,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`timeout` in seconds; a changed one alone changes nothing."""
        props = {"pkey": pkey, "members": members, "timeout": timeout, "member_count": None}
        opts = pulumi.ResourceOptions.merge(opts, was_dynamic("PKeyGate"))
        super().__init__(PKeyGateKind.urn_type, name, props, opts)
