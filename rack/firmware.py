"""Firmware parameters per role, and the waves in which nodes reboot to apply them (H1 to H3, B1)."""

from collections.abc import Mapping, Sequence

from rack.plan import Host, Plan
from rack.site import Role, Site

IB = 1
"""Value of LINK_TYPE_P1 for InfiniBand."""


def guide_parameters(site: Site, role: Role) -> Mapping[str, int]:
    """Return the parameters that the guide sets for a role, with the numbers that `mstconfig query` shows."""
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
    """Return the parameters of a role: the guide's, and those of the configuration."""
    return {**guide_parameters(site, role), **{p.name: p.value for p in site.firmware.parameters if p.role == role}}


def reboot_waves(plan: Plan, role: Role) -> Sequence[tuple[Host, ...]]:
    """Return the nodes of a role in groups that reboot together, in order.

    Controllers reboot one by one, because Galera and RabbitMQ must keep their quorum.
    """
    size = 1 if role == Role.CONTROLLER else plan.site.firmware.max_unavailable
    nodes = plan.role(role)
    return tuple(nodes[start : start + size] for start in range(0, len(nodes), size))
