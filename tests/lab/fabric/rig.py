"""Topologies for tests: the guide's rack with two VFs per compute, and fat trees."""

from pathlib import Path

from lab.fabric.service import FabricService
from lab.fabric.topology import Hca, Switch, Topology, Trunk

HOSTS = ("ufm", "controller-1", "controller-2", "compute-1", "compute-2")
VFS = 2

GUIDS = {host: f"0xb8599f0300b000{number}1" for number, host in enumerate(HOSTS)}
"""Host → port GUID."""


def rack() -> Topology:
    hosts = [Hca(name, GUIDS[name], "qm8700", number) for number, name in enumerate(HOSTS, start=1)]
    vfs = [
        Hca(f"compute-{c}-vf-{v}", f"0xb8599f0300b1{c}{v}01", "qm8700", 10 * c + v, f"compute-{c}", v)
        for c in (1, 2)
        for v in range(VFS)
    ]
    return Topology((Switch("qm8700", "0xb8599f0300a00000", 41),), (*hosts, *vfs), "ufm")


def fat_tree(leaves: int, spines: int, hosts: int) -> Topology:
    """Return a tree with `hosts` hosts per leaf on the first ports, then the spines; the first host is the manager."""
    switches = [Switch(f"spine-{s}", f"0xb8599f0300d{s:04x}0", leaves) for s in range(spines)]
    switches += [Switch(f"leaf-{leaf}", f"0xb8599f0300c{leaf:04x}0", hosts + spines) for leaf in range(leaves)]
    trunks = [
        Trunk(f"leaf-{leaf}", hosts + s + 1, f"spine-{s}", leaf + 1) for leaf in range(leaves) for s in range(spines)
    ]
    hcas = [
        Hca(f"host-{leaf * hosts + h}", f"0xb8599f0300b{leaf * hosts + h:04x}1", f"leaf-{leaf}", h + 1)
        for leaf in range(leaves)
        for h in range(hosts)
    ]
    return Topology(tuple(switches), tuple(hcas), "host-0", tuple(trunks))


def silent(line: str) -> None:
    """Ignore a line of progress."""


def started(folder: Path, fabric: Topology | None = None) -> FabricService:
    service = FabricService(fabric or rack(), folder)
    service.start(silent)
    return service
