"""The cabling as data, and ibsim's net file.

ibsim 0.10 reads ibnetdiscover's format. From its sources (sim_net.c, sim_mad.c) and experiments:

- The file must hold every link at both ends, also links of nodes that are down at first: a switch port that the file
  does not link has no extended speed and later comes up as QDR. The controller unlinks nodes with `Clear`.
- ibsim always reports node GUID + port number as an HCA's port GUID and ignores the console's `Guid "node"[port]`. The
  node GUID is therefore derived from the port GUID here, and `Guid "node"` sets both.
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
"""ibsim's console accepts lines of 127 characters, and a `Link` line has two names."""


def guid(value: str | int) -> int:
    """Return a GUID as a number.

    Accepts "0xb8599f0300b00011", "b8599f0300b00011", "b8:59:9f:03:00:b0:00:11" and the number itself.

    Raises:
        ValueError: the value is not a GUID, does not fit into 64 bits, or is below 2.
    """
    try:
        number = value if isinstance(value, int) else int(value.replace(":", ""), 16)
    except ValueError:
        number = 0
    if not 1 < number < 1 << 64:
        raise ValueError(f"{value!r} is not a GUID: write 16 hexadecimal digits, with or without 0x")
    return number


def text(value: str | int) -> str:
    """Return a GUID as infiniband-diags print it: "0x" and 16 lower-case digits."""
    return f"0x{guid(value):016x}"


def node_guid(port_guid: str | int) -> str:
    """Return the node GUID of the one-port HCA with this port GUID."""
    return text(guid(port_guid) - 1)


@dataclass(frozen=True)
class Switch:
    """A switch."""

    name: str
    guid: str
    ports: int
    """External ports, at most 254. Each VF uses one, so this may exceed the 40 ports of a QM8700."""


@dataclass(frozen=True)
class Trunk:
    """A link between two switches."""

    switch: str
    port: int
    peer: str
    peer_port: int


@dataclass(frozen=True)
class Hca:
    """One cabled port of a host, or a VF. ibsim has no virtual ports: a VF is an HCA with its own switch port."""

    name: str
    port_guid: str
    switch: str
    switch_port: int
    vf_of: str | None = None
    """The HCA that has this virtual function; None for a host's own port."""
    vf_index: int | None = None
    """Index of the virtual function, counted from 0."""

    @property
    def node_guid(self) -> str:
        """Return the node GUID, see `node_guid`."""
        return node_guid(self.port_guid)

    @property
    def kind(self) -> str:
        """Return "host" or "vf"."""
        return "host" if self.vf_of is None else "vf"


@dataclass(frozen=True)
class Topology:
    """All switches, HCAs and links between switches, linked or not.

    Raises:
        ValueError: a name, GUID or switch port is used twice, or a name refers to a missing object.
    """

    switches: tuple[Switch, ...]
    hcas: tuple[Hca, ...]
    manager: str
    """The HCA of UFM's host, where OpenSM runs. Always linked."""
    trunks: tuple[Trunk, ...] = field(default=())

    def __post_init__(self) -> None:
        self._check_names()
        self._check_ends()
        self._check_vfs()

    def _check_names(self) -> None:
        names = [switch.name for switch in self.switches] + [hca.name for hca in self.hcas]
        for name in names:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r}: a node name has 1 to 40 letters, digits, dots, dashes or underscores")
        _once(names, "name")
        _once([guid(switch.guid) for switch in self.switches] + [guid(hca.node_guid) for hca in self.hcas], "node GUID")
        _once([guid(hca.port_guid) for hca in self.hcas], "port GUID")

    def _check_ends(self) -> None:
        ends = [(hca.switch, hca.switch_port) for hca in self.hcas]
        for trunk in self.trunks:
            ends += [(trunk.switch, trunk.port), (trunk.peer, trunk.peer_port)]
        _once(ends, "switch port")
        ports = {switch.name: switch.ports for switch in self.switches}
        for name, port in ends:
            if not 1 <= port <= ports.get(name, 0):
                raise ValueError(f"switch {name!r} has no port {port}")

    def _check_vfs(self) -> None:
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


def net_file(topology: Topology) -> str:
    """Return ibsim's net file with every link up."""
    systems = {hca.name: hca.node_guid for hca in topology.hcas}
    records = [_hca(hca, systems[hca.vf_of or hca.name]) for hca in topology.hcas]
    return "\n".join(records + [_switch(switch, topology) for switch in topology.switches])


def _hca(hca: Hca, system_guid: str) -> str:
    return (
        f"vendid=0x{MELLANOX:x}\ndevid=0x{CONNECTX6 if hca.vf_of is None else CONNECTX6_VF:x}\n"
        f"sysimgguid={system_guid}\ncaguid={hca.node_guid}\n"
        f'Hca\t1 "{hca.name}"\n{_port(1, hca.switch, hca.switch_port)}'
    )


def _switch(switch: Switch, topology: Topology) -> str:
    ends = [_port(hca.switch_port, hca.name, 1) for hca in topology.hcas if hca.switch == switch.name]
    ends += [_port(trunk.port, trunk.peer, trunk.peer_port) for trunk in topology.trunks if trunk.switch == switch.name]
    ends += [_port(trunk.peer_port, trunk.switch, trunk.port) for trunk in topology.trunks if trunk.peer == switch.name]
    return (
        f"vendid=0x{MELLANOX:x}\ndevid=0x{QUANTUM:x}\nsysimgguid={text(switch.guid)}\nswitchguid={text(switch.guid)}\n"
        f'Switch\t{switch.ports} "{switch.name}"\n{"".join(ends)}'
    )


def _port(number: int, peer: str, peer_port: int) -> str:
    return f'[{number}]\t"{peer}"[{peer_port}] lid 0 4xHDR\n'
