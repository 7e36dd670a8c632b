"""The nodes' adapter firmware and BIOS (H1 to H4, B1), and ACS on the computes' PCIe bridges (B2).

What this component enforces: adapters are queried first and only what differs is set; nodes reboot in waves, one
resource per wave, and a wave starts once the nodes of the wave before are healthy and as wanted; a compute is disabled
in nova and empty before anything on it is changed. BIOS settings that Linux shows are checked, the others printed as a
check-list.

`onhost/undercloud/wave.py` does the work, as a job on the undercloud: stack's key opens the nodes there, and a reboot
of a node does not interrupt it. This component ships the program and its orders.
"""

from collections.abc import Sequence

import pulumi
from pulumi_command import remote

from components.base import Component
from components.overcloud import Overcloud
from components.ssh import as_stack, node_access
from components.undercloud import Undercloud
from onhost import shipping
from onhost.undercloud.orders import WaveMember, WaveOrder, encode
from rack import firmware, tripleo
from rack.plan import Host, Plan
from rack.site import Role

PROGRAM = "/home/stack/wave.py"
KINDS = {Role.CONTROLLER: "controller", Role.COMPUTE: "compute"}
PAUSES = (1.0, 15.0)
"""Shortest and longest pause between two looks at a node, in seconds: a server boots for minutes."""


class Firmware(Component):
    """Waves of nodes, controllers first, whose firmware is brought to what the guide asks for."""

    TYPE = "rack:cloud:Firmware"

    def __init__(
        self,
        name: str,
        plan: Plan,
        undercloud: Undercloud,
        overcloud: Overcloud,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Ship the program and order one wave after the other."""
        super().__init__(name, opts)
        self._plan = plan
        self._undercloud, self._overcloud = undercloud.host, overcloud
        self._text = shipping.program("undercloud.wave")
        last = self._undercloud.file(
            f"{name}-program",
            PROGRAM,
            self._text,
            owner="stack",
            opts=self._child(*overcloud.ready),
        )
        for role in Role:
            for number, nodes in enumerate(firmware.reboot_waves(plan, role), start=1):
                last = self._wave(role, number, nodes, last)
        self.ready: list[pulumi.Resource] = [last]
        """Resources that instances depend on."""
        self.register_outputs({})

    def _wave(self, role: Role, number: int, nodes: Sequence[Host], before: remote.Command) -> remote.Command:
        keys = pulumi.Output.all(*(self._overcloud.host_keys[node.name] for node in nodes))
        return self._undercloud.job(
            f"{self._name}-{KINDS[role]}s-{number}",
            as_stack(
                f": program {tripleo.digest(self._text)}",
                f". ~/{self._plan.site.cloud.name}rc",
                f"exec python3 {PROGRAM}",
            ),
            delete=":",
            stdin=keys.apply(lambda keys: encode(wave_order(self._plan, role, nodes, keys, check_list=number == 1))),
            opts=self._child(before),
        )


def wave_order(
    plan: Plan, role: Role, nodes: Sequence[Host], host_keys: Sequence[str], *, check_list: bool
) -> WaveOrder:
    """Return the order of `wave.py` for nodes of one role. `host_keys`: lines of a known_hosts file."""
    site, own = plan.site, plan.site.firmware
    return WaveOrder(
        kind=KINDS[role],
        nodes=[WaveMember(name=n.name, address=str(n.address), hostname=n.hostname) for n in nodes],
        host_keys=[key.strip() for key in host_keys],
        ssh=node_access(site),
        tool=own.tool,
        device=(own.controller_hca if role == Role.CONTROLLER else None) or site.compute.hca,
        settings=dict(firmware.parameters(site, role)),
        minimum_release=own.minimum_release,
        instances=own.instances,
        alone=len(plan.controllers) == 1,
        boot_mode=site.undercloud.boot_mode,
        kernel_args=site.compute.kernel_args,
        gpu=f"{site.compute.gpu.vendor_id}:{site.compute.gpu.product_id}",
        read_request=site.compute.max_read_request if role == Role.COMPUTE else None,
        drain_limit=own.drain_minutes * 60,
        reboot_limit=own.reboot_minutes * 60,
        pauses=PAUSES,
        check_list=check_list,
    )
