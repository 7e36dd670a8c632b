"""Overcloud nodes, which only user stack on the undercloud can enter: steps on them, and orders for the programs there.

The orders are the inputs of `factory.py` and `wave.py`, which set the nodes' adapters (H1 to H3, B1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_command import remote

from access.ssh import SshHost, as_stack
from onhost.undercloud.orders import NodeOrder, SshAccess, WaveMember, WaveOrder, encode
from rack import firmware
from rack.plan import Host, Plan
from rack.site import Role, Site

NODE_PROGRAM = "/home/stack/node.py"
"""Path of `onhost/undercloud/node.py` on the undercloud."""
KINDS = {Role.CONTROLLER: "controller", Role.COMPUTE: "compute"}
PAUSES = (1.0, 15.0)
"""Shortest and longest pause between two polls of a node, in seconds: a server takes minutes to boot."""


def node_access(site: Site) -> SshAccess:
    """Return how user stack enters overcloud nodes."""
    return SshAccess(user=site.ssh.overcloud_user, port=site.ssh.node_port, stack=site.cloud.name)


@dataclass(frozen=True)
class NodeHost:
    """An overcloud node. Its steps are run by `node.py` on the undercloud, as user stack.

    TripleO authorises only a key of stack on the nodes, so the operator's machine cannot enter them, not even through a
    bastion.
    """

    undercloud: SshHost
    name: str
    address: str
    access: SshAccess
    host_key: pulumi.Input[str]
    """The node's key as a line of known_hosts, as read on the undercloud."""
    program: pulumi.Resource
    """The file `node.py`."""

    def run(
        self,
        name: str,
        create: pulumi.Input[str],
        *,
        delete: str = ":",
        stdin: pulumi.Input[str] = "",
        quiet: bool = False,
        opts: pulumi.ResourceOptions,
    ) -> remote.Command:
        """Register a step on the node. `create` and `delete` are scripts that run as root; see `SshHost.run`."""
        program = f"python3 {NODE_PROGRAM}"
        return self.undercloud.run(
            name,
            as_stack(f"exec {program} create"),
            delete=as_stack(f"exec {program} delete"),
            stdin=pulumi.Output.all(self.host_key, create, stdin).apply(lambda found: self._order(delete, *found)),
            quiet=quiet,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[self.program])),
        )

    def _order(self, delete: str, host_key: str, create: str, given: str) -> str:
        order = NodeOrder(self.name, self.address, host_key.strip(), self.access, create, delete, given)
        return encode(order, indent=1)


def wave_order(
    plan: Plan, role: Role, nodes: Sequence[Host], host_keys: Sequence[str], *, check_list: bool
) -> WaveOrder:
    """Return the order of `wave.py` or `factory.py` for nodes of one role. `host_keys`: lines of a known_hosts file."""
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
