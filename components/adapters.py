"""Orders for the nodes' adapters (H1 to H3, B1): the inputs of `factory.py` and `wave.py` on the undercloud."""

from collections.abc import Sequence

from components.ssh import node_access
from onhost.undercloud.orders import WaveMember, WaveOrder
from rack import firmware
from rack.plan import Host, Plan
from rack.site import Role

KINDS = {Role.CONTROLLER: "controller", Role.COMPUTE: "compute"}
PAUSES = (1.0, 15.0)
"""Shortest and longest pause between two polls of a node, in seconds: a server takes minutes to boot."""


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
