"""The nodes' adapter firmware and BIOS (H1 to H4, B1), and ACS on the computes' PCIe bridges (B2).

What this component enforces: adapters are asked first and only what differs is set; nodes reboot in waves, one resource
each, and none begins before the one before it has come back healthy and as wanted; a compute is disabled in nova and
empty before anything on it is changed. What Linux shows of the BIOS is checked, the rest printed as a check-list.

The work is `wave.py`'s, a job on the undercloud as stack: its key opens the nodes, and no reboot of theirs cuts it off.
This component ships it and says what to do.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import pulumi
from pulumi_command import remote

from components.overcloud import Overcloud
from components.ssh import as_stack
from components.undercloud import Undercloud
from rack import firmware, tripleo
from rack.plan import Host, Plan
from rack.site import Role

PROGRAM = "/home/stack/wave.py"
KINDS = {Role.CONTROLLER: "controller", Role.COMPUTE: "compute"}
PAUSES = (1.0, 15.0)
"""Seconds between two looks at a node, the first and the longest: a server boots for minutes."""
REBOOTS = 2
"""One for ADVANCED_PCI_SETTINGS, one for what it shows (B1)."""
ASKING = 15
"""Minutes for all that is no waiting."""


class Firmware(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        plan: Plan,
        undercloud: Undercloud,
        overcloud: Overcloud,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("rack:cloud:Firmware", name, None, opts)
        self._name, self._plan = name, plan
        self._undercloud, self._overcloud = undercloud.host, overcloud
        self._text = files("onhost.undercloud").joinpath("wave.py").read_text()
        last = self._undercloud.file(
            f"{name}-program",
            PROGRAM,
            self._text,
            owner="stack",
            opts=pulumi.ResourceOptions(parent=self, depends_on=overcloud.ready),
        )
        for role in Role:
            for number, nodes in enumerate(firmware.reboot_waves(plan, role), start=1):
                last = self._wave(role, number, nodes, last)
        self.ready: list[pulumi.Resource] = [last]
        """What must be done before instances are placed."""
        self.register_outputs({})

    def _wave(self, role: Role, number: int, nodes: Sequence[Host], before: remote.Command) -> remote.Command:
        keys = pulumi.Output.all(*(self._overcloud.host_keys[node.name] for node in nodes))
        minutes = f"{self._minutes}m"
        return self._undercloud.job(
            f"{self._name}-{KINDS[role]}s-{number}",
            as_stack(
                f": program {tripleo.digest(self._text)}",
                f". ~/{self._plan.site.cloud.name}rc",
                f"exec python3 {PROGRAM}",
            ),
            delete=":",
            stdin=keys.apply(lambda keys: json.dumps(order(self._plan, role, nodes, keys, check_list=number == 1))),
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[before],
                custom_timeouts=pulumi.CustomTimeouts(create=minutes, update=minutes),
            ),
        )

    @property
    def _minutes(self) -> int:
        """SSH and the services of a node have `rebootMinutes` each."""
        limits = self._plan.site.firmware
        drain = limits.drain_minutes if limits.instances == "drain" else 0
        return (2 * REBOOTS + 2) * limits.reboot_minutes + drain + ASKING


def order(
    plan: Plan, role: Role, nodes: Sequence[Host], host_keys: Sequence[str], *, check_list: bool
) -> dict[str, Any]:
    """What `wave.py` reads: all of it follows from the plan but the host keys. Times in seconds."""
    site, own = plan.site, plan.site.firmware
    return {
        "kind": KINDS[role],
        "nodes": [{"name": n.name, "address": str(n.address), "hostname": n.hostname} for n in nodes],
        "host_keys": [key.strip() for key in host_keys],
        "ssh": {"user": site.overcloud_user, "port": site.ssh.port},
        "tool": own.tool,
        "device": (own.controller_hca if role == Role.CONTROLLER else None) or site.compute.hca,
        "settings": dict(firmware.parameters(site, role)),
        "minimum_release": own.minimum_release,
        "instances": own.instances,
        "alone": len(plan.controllers) == 1,
        "boot_mode": site.undercloud.boot_mode,
        "kernel_args": site.compute.kernel_args,
        "gpu": f"{site.compute.gpu.vendor_id}:{site.compute.gpu.product_id}",
        "drain_limit": own.drain_minutes * 60,
        "reboot_limit": own.reboot_minutes * 60,
        "pauses": PAUSES,
        "check_list": check_list,
    }
