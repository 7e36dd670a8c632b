"""The fabric as data, and the file ibsim builds it from.

ibsim 0.10 reads ibnetdiscover's form. What its sources (sim_net.c, sim_mad.c) and trials say:

- The file holds every link, on both of its ends, and those of nodes that are down at first too: a switch port which
  the file does not link has no extended speed and comes up as QDR later. The controller takes links down by `Clear`.
- An HCA's port GUID is its node GUID + the port's number in every answer, whatever the console's `Guid "node"[port]`
  says. So the node GUID follows from the port GUID here, and `Guid "node"` sets both.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MELLANOX = 0x2C9
QUANTUM = 0xD2F0
"""Device ID of a Quantum (HDR) switch, as in a QM8700."""
CONNECTX6 = 0x101B
CONNECTX6_VF = 0x101C

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""ibsim's console takes lines of 127 characters, and a `Link` line holds two names."""


def guid(value: str | int) -> int:
    """A GUID as a number: "0xb8599f0300b00011", "b8599f0300b00011", "b8:59:9f:03:00:b0:00:11" or the number itself.

    Raises:
        ValueError: it is none, or does not fit 64 bits, or is below 2.
    """
    try:
        number = value if isinstance(value, int) else int(value.replace(":", ""), 16)
    except ValueError:
        number = 0
    if not 1 < number < 1 << 64:
        raise ValueError(f"{value!r} is no GUID: write 16 hexadecimal digits, with or without 0x")
    return number


def text(value: str | int) -> str:
    """A GUID as infiniband-diags print it: "0x" and 16 lower-case digits."""
    return f"0x{guid(value):016x}"


def node_guid(port_guid: str | int) -> str:
    """The GUID of the one-port HCA that has this port."""
    return text(guid(port_guid) - 1)


@dataclass(frozen=True)
class Switch:
    name: str
    guid: str
    ports: int
    """External ports, at most 254. A VF's HCA takes one, so more than the 40 of a QM8700 may be needed."""


@dataclass(frozen=True)
class Trunk:
    """A link between two switches."""

    switch: str
    port: int
    peer: str
    peer_port: int


@dataclass(frozen=True)
class Hca:
    """One wired port of a host, or a VF. ibsim has no virtual ports: a VF is an HCA with a switch port of its own."""

    name: str
    port_guid: str
    switch: str
    switch_port: int
    vf_of: str | None = None
    """The HCA whose virtual function it is; None for a host's own port."""
    vf_index: int | None = None
    """From 0."""

    @property
    def node_guid(self) -> str:
        return node_guid(self.port_guid)

    @property
    def kind(self) -> str:
        return "host" if self.vf_of is None else "vf"


@dataclass(frozen=True)
class Topology:
    """Every switch and HCA there is, linked or not.

    Raises:
        ValueError: names, GUIDs or switch ports are used twice, or something refers to what is not there.
    """

    switches: tuple[Switch, ...]
    hcas: tuple[Hca, ...]
    manager: str
    """The HCA that OpenSM runs on (UFM's host): always linked."""
    trunks: tuple[Trunk, ...] = field(default=())

    def __post_init__(self) -> None:
        names = [switch.name for switch in self.switches] + [hca.name for hca in self.hcas]
        for name in names:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r}: a node's name has 1 to 40 letters, digits, dots, dashes or underscores")
        _once(names, "name")
        _once([guid(switch.guid) for switch in self.switches] + [guid(hca.node_guid) for hca in self.hcas], "node GUID")
        _once([guid(hca.port_guid) for hca in self.hcas], "port GUID")
        ends = [(hca.switch, hca.switch_port) for hca in self.hcas]
        for trunk in self.trunks:
            ends += [(trunk.switch, trunk.port), (trunk.peer, trunk.peer_port)]
        _once(ends, "switch port")
        ports = {switch.name: switch.ports for switch in self.switches}
        for name, port in ends:
            if not 1 <= port <= ports.get(name, 0):
                raise ValueError(f"switch {name!r} has no port {port}")
        hosts = {hca.name for hca in self.hcas if hca.vf_of is None}
        for hca in self.hcas:
            if hca.vf_of is not None and (hca.vf_of not in hosts or hca.vf_index is None):
                raise ValueError(f"VF {hca.name!r} needs the name of its host's HCA and an index")
        if self.manager not in hosts:
            raise ValueError(f"the manager's HCA {self.manager!r} is not in the fabric")


def _once(values: Iterable[object], what: str) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what} {hex(value) if isinstance(value, int) else value!r} is used twice")
        seen.add(value)


def net_file(fabric: Topology) -> str:
    """ibsim's file for `fabric`, every link up."""
    systems = {hca.name: hca.node_guid for hca in fabric.hcas}
    records = [_hca(hca, systems[hca.vf_of or hca.name]) for hca in fabric.hcas]
    return "\n".join(records + [_switch(switch, fabric) for switch in fabric.switches])


def _hca(hca: Hca, system_guid: str) -> str:
    return (
        f"vendid=0x{MELLANOX:x}\ndevid=0x{CONNECTX6 if hca.vf_of is None else CONNECTX6_VF:x}\n"
        f"sysimgguid={system_guid}\ncaguid={hca.node_guid}\n"
        f'Hca\t1 "{hca.name}"\n{_port(1, hca.switch, hca.switch_port)}'
    )


def _switch(switch: Switch, fabric: Topology) -> str:
    ends = [_port(hca.switch_port, hca.name, 1) for hca in fabric.hcas if hca.switch == switch.name]
    ends += [_port(trunk.port, trunk.peer, trunk.peer_port) for trunk in fabric.trunks if trunk.switch == switch.name]
    ends += [_port(trunk.peer_port, trunk.switch, trunk.port) for trunk in fabric.trunks if trunk.peer == switch.name]
    return (
        f"vendid=0x{MELLANOX:x}\ndevid=0x{QUANTUM:x}\nsysimgguid={text(switch.guid)}\nswitchguid={text(switch.guid)}\n"
        f'Switch\t{switch.ports} "{switch.name}"\n{"".join(ends)}'
    )


def _port(number: int, peer: str, peer_port: int) -> str:
    return f'[{number}]\t"{peer}"[{peer_port}] lid 0 4xHDR\n'
