"""Creates the lab's services for a stack's file, and the topology of its fabric from the plan."""

from collections.abc import Sequence
from pathlib import Path

from lab.cloud.service import CloudService
from lab.fabric.service import FabricService
from lab.fabric.topology import Hca, Switch, Topology
from lab.hosts.part import HostsPart
from lab.inventory import inventory_plan
from lab.service import Service
from lab.ufm.service import UfmService
from lab.ufm.settings import HostFacts
from rack.plan import Plan


def services(stack: Path) -> Sequence[Service]:
    """Return the four services for the rack of a stack's file; a service comes after those it depends on.

    Raises:
        ConfigError: the site in the file is invalid.
        LabError: a spare in the file is invalid.
    """
    plan = inventory_plan(stack)
    ufm = plan.site.ufm
    facts = {h.name: HostFacts(h.guid, str(h.address)) for h in plan.hosts}
    return (
        FabricService(topology(plan)),
        UfmService(str(ufm.address), ufm.port, facts),
        CloudService(),
        HostsPart(plan, stack),
    )


def topology(plan: Plan) -> Topology:
    """Return the cabling of the plan, with one more switch port per VF.

    ibsim has no virtual ports. A VF is therefore simulated as an HCA with a switch port of its own.

    Raises:
        ValueError: the site has no ufm.host, on which OpenSM runs.
    """
    if plan.site.ufm.host is None:
        raise ValueError("the lab's OpenSM runs on the UFM host: add ufm.host to the stack's site")
    switch = plan.site.fabric.switch
    hcas = [Hca(link.host, f"0x{link.guid}", switch.name, link.switch_port) for link in plan.links]
    for host in plan.computes:
        for vf in range(plan.site.compute.vfs):
            guid = f"0x{host.guid[:6]}{0xFF00 + vf:04x}{host.guid[10:]}"
            hcas.append(Hca(f"{host.name}-vf{vf}", guid, switch.name, len(hcas) + 1, host.name, vf))
    return Topology((Switch(switch.name, f"0x{switch.guid}", max(switch.ports, len(hcas))),), tuple(hcas), "ufm")
