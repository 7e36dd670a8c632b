"""The lab's parts for all that stands in the rack, and the wiring of its fabric."""

from collections.abc import Sequence
from pathlib import Path

from lab.cloud import Cloud
from lab.fabric.part import FabricPart
from lab.fabric.topology import Fabric, Hca, Switch
from lab.hosts import HostsPart
from lab.process import Part
from lab.racked import racked
from lab.ufm.part import UfmPart
from lab.ufm.server import HostFacts
from rack.plan import Plan


def parts(stack: Path) -> Sequence[Part]:
    """All four for the rack in a stack's file, each before those that need it.

    Raises:
        ConfigError: the file describes no rack.
    """
    plan = racked(stack)
    ufm = plan.site.ufm
    facts = {h.name: HostFacts(h.guid, str(h.address)) for h in plan.hosts}
    return FabricPart(wiring(plan)), UfmPart(str(ufm.address), ufm.port, facts), Cloud(), HostsPart(plan, stack)


def wiring(plan: Plan) -> Fabric:
    """The rack's cables, and a switch port for each VF: ibsim has no virtual ports, so a VF is an HCA of its own."""
    if plan.site.ufm.host is None:
        raise ValueError("the lab's OpenSM runs on the UFM node: the stack's site needs ufm.host")
    switch = plan.site.fabric.switch
    hcas = [Hca(link.host, f"0x{link.guid}", switch.name, link.switch_port) for link in plan.links]
    for host in plan.computes:
        for vf in range(plan.site.compute.vfs):
            guid = f"0x{host.guid[:6]}{0xFF00 + vf:04x}{host.guid[10:]}"
            hcas.append(Hca(f"{host.name}-vf{vf}", guid, switch.name, len(hcas) + 1, host.name, vf))
    return Fabric((Switch(switch.name, f"0x{switch.guid}", max(switch.ports, len(hcas))),), tuple(hcas), "ufm")
