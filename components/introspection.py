"""Introspection (I1, I2): nodes made ready for deployment, and their ports in the fabric known.

What this component enforces: nodes are introspected when they are new, and again while UFM has not shown their ports;
what introspection finds is compared with the configuration, which may leave interface and GUIDs to it (O2); then nodes
are configured and provided. At the time limit the step fails and names node, port and GUID.

The work is `nodes.py`'s, which runs on the undercloud as stack; this component says what to do. What
follows from a port is made by `known`: at once where the configuration has every port, so that a first preview shows
it, after introspection otherwise.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pulumi

from components import local
from components.undercloud import CLEANING, PAUSES, Undercloud
from rack.plan import HcaPort, Plan, UnknownPortError
from rack.site import UfmSpec

T = TypeVar("T")

RECORD = "/home/stack/introspection.json"
"""What nodes.py has done and seen."""


class Introspection(pulumi.ComponentResource):
    ready: list[pulumi.Resource]
    """What must be done before ports are members of PKeys."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        undercloud: Undercloud,
        token: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`token`: for UFM's REST API."""
        super().__init__("rack:cloud:Introspection", name, None, opts)
        self._plan = plan
        minutes = f"{plan.site.undercloud.introspection_minutes + CLEANING}m"
        self._nodes = undercloud.nodes_job(
            f"{name}-nodes",
            "introspect",
            undercloud.program_mark,
            stdin=pulumi.Output.secret(token).apply(lambda token: json.dumps(order(plan, token))),
            delete=f"rm -f {RECORD}",
            quiet=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=undercloud.ready,
                custom_timeouts=pulumi.CustomTimeouts(create=minutes, update=minutes),
            ),
        )
        self.ready = [self._nodes]
        self.register_outputs({})

    def known(self, make: Callable[[Plan], T]) -> pulumi.Input[T]:
        """What `make` makes of the plan with every port known; it may hold outputs."""
        if self._plan.has_all_ports:
            return make(self._plan)
        # Ports only; the token is on standard input, and what is secret could not be shown in a diff of members.
        return pulumi.Output.unsecret(self._nodes.stdout).apply(
            lambda text: pulumi.Output.from_input(make(self._found(text)))
        )

    def _found(self, text: str) -> Plan:
        ports = {name: HcaPort(**port) for name, port in json.loads(text).items()}
        try:
            return self._plan.with_ports(ports)
        except UnknownPortError as error:
            raise pulumi.RunError(str(error)) from None


def order(plan: Plan, token: str) -> dict[str, Any]:
    """What `nodes.py introspect` reads: all of it follows from the plan but the token. Times in seconds."""
    undercloud = plan.site.undercloud
    return {
        "ufm": api(plan.site.ufm, token),
        "nodes": {host.name: host.guid_or_none for host in plan.hosts},
        "interface": plan.site.fabric.interface,
        "boot_mode": undercloud.boot_mode,
        "repeats": undercloud.introspection_repeats,
        "limit": undercloud.introspection_minutes * 60,
        "pauses": PAUSES,
        "record": RECORD,
    }


def api(ufm: UfmSpec, token: str) -> dict[str, Any]:
    """How UFM is reached from the undercloud.

    Raises:
        RunError: the file of UFM's certificate authority can't be read.
    """
    authority = local.read("ufm.caFile", ufm.ca_file) if ufm.ca_file else None
    return {"url": ufm.url, "ca": authority, "insecure": ufm.insecure, "token": token}
