"""What the adapters' firmware must hold, role by role, and which nodes may reboot at once for it (H1 to H3, B1)."""

from collections.abc import Mapping, Sequence

from rack.plan import Host, Plan
from rack.site import Role, Site

IB = 1
"""LINK_TYPE_P1's number for InfiniBand."""


def guide_parameters(site: Site, role: Role) -> Mapping[str, int]:
    """The guide's parameters of a role's adapters, by the numbers that `mstconfig query` shows."""
    if role == Role.CONTROLLER:
        return {"LINK_TYPE_P1": IB}
    return {
        "LINK_TYPE_P1": IB,
        "SRIOV_EN": 1,
        "NUM_OF_VFS": site.compute.vfs,
        "ATS_ENABLED": 1,
        "ADVANCED_PCI_SETTINGS": 1,
        "MAX_ACC_OUT_READ": site.compute.max_acc_out_read,
    }


def parameters(site: Site, role: Role) -> Mapping[str, int]:
    """The guide's and the site's own."""
    return {**guide_parameters(site, role), **{p.name: p.value for p in site.firmware.parameters if p.role == role}}


def reboot_waves(plan: Plan, role: Role) -> Sequence[tuple[Host, ...]]:
    """Which nodes reboot together, in order. Controllers hold the quorum of Galera and RabbitMQ: one by one."""
    size = 1 if role == Role.CONTROLLER else plan.site.firmware.max_unavailable
    nodes = plan.role(role)
    return tuple(nodes[start : start + size] for start in range(0, len(nodes), size))
