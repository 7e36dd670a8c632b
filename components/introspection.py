"""Introspection (I1, I2): nodes are made available for deployment, and their ports in the fabric become known.

What this component enforces: a node is introspected when it is new, and again while UFM has not shown its port; the
result is compared with the configuration, which may leave interface and GUIDs out (O2); then the nodes are configured
and provided. A timeout names node, port and GUID.

`onhost/undercloud/nodes.py` does the work; this component sends it orders. Inputs that depend on ports are made with
`with_ports`: at once where the configuration has every port, so that the first preview shows them; otherwise after
introspection.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pulumi

from components.base import Component
from components.undercloud import PAUSES, Undercloud
from onhost.undercloud.orders import IntrospectOrder, UfmApi, encode
from rack.plan import HcaPort, Plan, UnknownPortError

T = TypeVar("T")

RECORD = "/home/stack/introspection.json"
"""The file on the undercloud in which nodes.py records its work."""


class Introspection(Component):
    """The job that introspects new nodes and finds their ports."""

    TYPE = "rack:cloud:Introspection"

    ready: list[pulumi.Resource]
    """Resources that memberships in PKeys depend on."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        undercloud: Undercloud,
        token: pulumi.Input[str],
        ca: str | pulumi.Output[str] | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Introspect the plan's nodes. `token`, `ca`: of UFM's REST API."""
        super().__init__(name, opts)
        self._plan, self._ca = plan, ca
        self._nodes = undercloud.nodes_job(
            f"{name}-nodes",
            "introspect",
            undercloud.program_mark,
            stdin=pulumi.Output.secret(token).apply(
                lambda token: self.with_ca(plan, lambda plan: encode(introspect_order(plan, token)))
            ),
            delete=f"rm -f {RECORD}",
            quiet=True,
            opts=self._child(*undercloud.ready),
        )
        self.ready = [self._nodes]
        self.register_outputs({})

    def with_ports(self, make: Callable[[Plan], T | pulumi.Output[T]]) -> pulumi.Input[T]:
        """Return `make` of the plan with every port known. The result of `make` may contain outputs."""
        if self._plan.has_all_ports:
            return make(self._plan)
        # The result has ports only, no token. Secret members could not be shown in a diff.
        return pulumi.Output.unsecret(self._nodes.stdout).apply(
            lambda text: pulumi.Output.from_input(make(self._found(text)))
        )

    def with_ca(self, plan: Plan, make: Callable[[Plan], T]) -> T | pulumi.Output[T]:
        """Return `make` of the plan with the authority of UFM's certificate, which exists once UFM is installed."""
        if self._ca is None or isinstance(self._ca, str):
            return make(replace(plan, ufm_ca=self._ca))
        return self._ca.apply(lambda ca: make(replace(plan, ufm_ca=ca)))

    def for_deployment(self, make: Callable[[Plan], T]) -> pulumi.Input[T]:
        """Return `make` of the plan with every port and the authority of UFM's certificate."""
        return self.with_ports(lambda plan: self.with_ca(plan, make))

    def _found(self, text: str) -> Plan:
        ports = {name: HcaPort(**port) for name, port in json.loads(text).items()}
        try:
            return self._plan.with_ports(ports)
        except UnknownPortError as error:
            raise pulumi.RunError(str(error)) from None


def introspect_order(plan: Plan, token: str) -> IntrospectOrder:
    """Return the order of `nodes.py introspect`. `token`: for UFM's REST API."""
    undercloud = plan.site.undercloud
    return IntrospectOrder(
        ufm=ufm_access(plan, token),
        nodes={host.name: host.guid_or_none for host in plan.hosts},
        interface=plan.site.fabric.interface,
        boot_mode=undercloud.boot_mode,
        repeats=undercloud.introspection_repeats,
        limit=undercloud.introspection_minutes * 60,
        pauses=PAUSES,
        record=RECORD,
    )


def ufm_access(plan: Plan, token: str) -> UfmApi:
    """Return how programs on the undercloud reach UFM's REST API."""
    ufm = plan.site.ufm
    return UfmApi(url=ufm.url, ca=plan.ufm_ca, name=ufm.server_name, insecure=ufm.insecure, token=token)
