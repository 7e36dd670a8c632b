"""The nodes' adapter firmware and BIOS (H1 to H4, B1), and ACS on the computes' PCIe bridges (B2).

What this component enforces: adapters are queried first and only what differs is set; nodes reboot in waves, one
resource per wave, and a wave starts once the nodes of the wave before are healthy and as wanted; a compute is disabled
in nova and empty before anything on it is changed. BIOS settings that Linux shows are checked, the others printed as a
check-list.

`onhost/undercloud/wave.py` does the work, as a job on the undercloud: stack's key opens the nodes there, and a reboot
of a node does not interrupt it. This component ships the program and its orders.
"""

from collections.abc import Sequence
from functools import partial

import pulumi
from pulumi_command import remote

from access.nodes import KINDS, wave_order
from access.ssh import as_stack
from components.base import Component, untracked
from components.overcloud import Overcloud
from components.undercloud import Undercloud
from onhost import shipping
from onhost.undercloud.orders import encode
from rack import firmware, tripleo
from rack.plan import Host, Plan
from rack.site import Role

PROGRAM = "/home/stack/wave.py"


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
        self.held: dict[str, pulumi.Output[str]] = {}
        """Node to the firmware that its adapter holds: release and settings, as its wave has read them."""
        for role in Role:
            for number, nodes in enumerate(firmware.reboot_waves(plan, role), start=1):
                last = self._wave(role, number, nodes, last)
                self.held |= {node.name: last.stdout.apply(partial(held_by, node.name)) for node in nodes}
        self.ready: list[pulumi.Resource] = [last]
        """Resources that instances depend on."""
        self.register_outputs({})

    def _wave(self, role: Role, number: int, nodes: Sequence[Host], before: remote.Command) -> remote.Command:
        keys = pulumi.Output.all(*(untracked(self._overcloud.host_keys[node.name]) for node in nodes))
        return self._undercloud.job(
            f"{self._name}-{KINDS[role]}s-{number}",
            as_stack(
                f": program {tripleo.digest(self._text)}",
                f"exec python3 {PROGRAM}",
            ),
            delete=":",
            stdin=keys.apply(lambda keys: encode(wave_order(self._plan, role, nodes, keys, check_list=number == 1))),
            opts=self._child(before),
        )


def held_by(node: str, report: str) -> str:
    """Return what a wave's report says of the firmware of a node; nothing if it does not say anything."""
    head = f"{node}: firmware "
    return "".join(line.removeprefix(head) for line in report.splitlines() if line.startswith(head))
