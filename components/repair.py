"""Repairs that no other step does: nova services, ironic's maintenance mode, stopped containers of nodes.

Such a step exists only while the configuration has a counter for it (`rack:repair`, see `access.repair`). An operator
asks for it with `rack drift --repair`: the program does not end by itself what may be maintenance.
"""

from collections.abc import Sequence

import pulumi

from access.nodes import NodeHost
from access.repair import CONTAINERS, MAINTENANCE, SERVICE, Repairs
from access.ssh import as_stack, script
from components.base import Component
from components.overcloud import Overcloud
from components.undercloud import Undercloud
from onhost.drift.containers import UNITS
from rack.plan import Plan

START = f"""\
for unit in {UNITS}; do
  [ -e "$unit" ] || continue
  name=${{unit##*/tripleo_}} name=${{name%.service}}
  [ -n "$(podman ps -q --filter "name=^$name$")" ] || systemctl restart "tripleo_$name"
done"""
"""Starts each container that TripleO keeps running by a unit and that does not run."""


class Repair(Component):
    """The steps that are asked for."""

    TYPE = "rack:cloud:Repair"

    @staticmethod
    def asked(repairs: Repairs, plan: Plan) -> bool:
        """Return whether the configuration asks for one of the steps. Without any, the component is not registered."""
        kinds = (SERVICE, MAINTENANCE, CONTAINERS)
        return any(repairs.of(f"{kind}{host.name}") for host in plan.hosts for kind in kinds)

    def __init__(
        self,
        name: str,
        plan: Plan,
        repairs: Repairs,
        undercloud: Undercloud,
        overcloud: Overcloud,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Register the steps that `repairs` has, after the deployment."""
        super().__init__(name, opts)
        self._repairs, self._host, self._after = repairs, undercloud.host, overcloud.ready
        stack = plan.site.cloud.name
        for host in plan.computes:
            enable = f"openstack compute service set --enable {host.hostname} nova-compute"
            self._on_undercloud(f"{SERVICE}{host.name}", f". ~/{stack}rc", enable)
        for host in plan.hosts:
            end = f"openstack baremetal node maintenance unset {host.name}"
            self._on_undercloud(f"{MAINTENANCE}{host.name}", ". ~/stackrc", end)
        self._on_nodes((*overcloud.controllers, *overcloud.computes))
        self.register_outputs({})

    def _on_undercloud(self, name: str, *lines: str) -> None:
        if self._repairs.of(name):
            self._host.run(name, as_stack(*lines), opts=self._child(*self._after))

    def _on_nodes(self, nodes: Sequence[NodeHost]) -> None:
        for node in nodes:
            name = f"{CONTAINERS}{node.name}"
            if self._repairs.of(name):
                node.run(name, script(START), opts=self._child(*self._after))
