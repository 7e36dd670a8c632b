"""UFM's records of systems, ports, links and virtual ports, made from the nodes of the fabric's controller.

A host that is powered off is not in them, as on a real fabric (guide step I2). Values that only hardware has
(temperature, serial numbers, firmware) are "N/A" or omitted.

The fabric has one HCA with one port per host. `Appearance` shows it as irregular as a real one: UFM takes names from
node descriptions, which a host without rdma-ndd leaves as `localhost ibp202s0f0`, and the ports of a dual-port HCA
have one system GUID (infra-controller `docs/playbooks/ib_runbook.md`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Node = Mapping[str, Any]
"""An element of `lab.fabric.client.FabricClient.nodes`."""
Record = dict[str, Any]


def bare(guid: str) -> str:
    """Return a GUID as UFM writes it: without 0x."""
    return guid.removeprefix("0x")


@dataclass(frozen=True)
class Appearance:
    """How UFM shows a host of the fabric. Empty fields: as the fabric has it."""

    description: str = ""
    """Its node description, which is UFM's `system_name` too: `r-ufm77 mlx5_0`."""
    system: str = ""
    """The node with whose system GUID it is shown: the first port of the same HCA or host."""
    number: int = 1
    """The number of its port on the HCA."""


class FabricResources:
    """UFM's records of everything that is linked on the fabric at one moment."""

    def __init__(
        self,
        nodes: Iterable[Node],
        trunks: Iterable[Mapping[str, Any]],
        addresses: Mapping[str, str],
        appearances: Mapping[str, Appearance] | None = None,
    ) -> None:
        """Prepare the records.

        Args:
            nodes: the nodes of the fabric; nodes that are not linked are ignored.
            trunks: the links between switches.
            addresses: node name → IP address, where known.
            appearances: node name → how UFM shows it.
        """
        nodes = list(nodes)
        self._appearances = appearances or {}
        self._system_guids = {node["name"]: bare(node["node_guid"]) for node in nodes}
        linked = [node for node in nodes if node["linked"]]
        self._switches = {node["name"]: node for node in linked if node["kind"] == "switch"}
        self._hosts = {node["name"]: node for node in linked if node["kind"] == "host"}
        self._vfs = [node for node in linked if node["kind"] == "vf"]
        self._addresses = addresses
        ends = [((n["switch"], n["switch_port"]), (n["name"], 1)) for n in self._hosts.values()]
        ends += [((t["switch"], t["port"]), (t["peer"], t["peer_port"])) for t in trunks]
        self._pairs = ends
        self._peer = dict(ends) | {peer: end for end, peer in ends}

    def guids(self) -> dict[str, str]:
        """Return port GUID → node name for hosts and VFs."""
        return {bare(node["port_guid"]): node["name"] for node in [*self._hosts.values(), *self._vfs]}

    def systems(self) -> list[Record]:
        """Return one record per switch and host."""
        systems: dict[str, Record] = {}
        for node in [*self._switches.values(), *self._hosts.values()]:
            record = systems.setdefault(self._system_guid(node), self._system(node))
            record["ports"] = sorted({*record["ports"], *self._system(node)["ports"]})
        return list(systems.values())

    def ports(self) -> list[Record]:
        """Return one record per switch port and HCA port."""
        switches = [(node, number) for node in self._switches.values() for number in range(1, node["ports"] + 1)]
        return [self._port(node, number) for node, number in switches + [(host, 1) for host in self._hosts.values()]]

    def _appearance(self, node: Node) -> Appearance:
        return self._appearances.get(node["name"], Appearance())

    def _description(self, node: Node) -> str:
        return self._appearance(node).description or str(node["name"])

    def _system_guid(self, node: Node) -> str:
        return self._system_guids[self._appearance(node).system or node["name"]]

    def _number(self, node: Node, number: int) -> int:
        """Return the number of a port as UFM shows it."""
        return number if node["kind"] == "switch" else self._appearance(node).number

    def links(self) -> list[Record]:
        """Return one record per link."""
        return [self._link(end, peer) for end, peer in self._pairs]

    def vports(self) -> list[Record]:
        """Return one record per VF of a running VM."""
        return [self._vport(vf, self._hosts[vf["vf_of"]]) for vf in self._vfs if vf["vf_of"] in self._hosts]

    def _node(self, name: str) -> Node:
        return self._switches.get(name) or self._hosts[name]

    def _name(self, node: Node, number: int) -> str:
        """Return a port's name: the GUID of the HCA port or switch, and the port number."""
        return f"{bare(node['port_guid'])}_{self._number(node, number)}"

    def _display(self, node: Node, number: int) -> str:
        return str(number) if node["kind"] == "switch" else f"HCA-1/{self._number(node, number)}"

    def _system(self, node: Node) -> Record:
        switch = node["kind"] == "switch"
        guid = self._system_guid(node)
        return {
            "system_guid": guid,
            "guid": guid,
            "name": guid,
            "system_name": self._description(node),
            "type": "switch" if switch else "host",
            "role": "tor" if switch else "endpoint",
            "ip": self._addresses.get(node["name"], "0.0.0.0"),  # noqa: S104
            "model": "MQM8700" if switch else "Computer",
            "description": "MQM8700" if switch else "Computer",
            "vendor": "Mellanox",
            "technology": "HDR",
            "state": "active",
            "severity": "Info",
            "total_alarms": 0,
            "temperature": "N/A",
            "fw_version": "N/A",
            "sw_version": "N/A",
            "psid": "N/A",
            "sm_mode": "noSM",
            "server_operation_mode": "Switch" if switch else "Stand_Alone",
            "has_ufm_agent": False,
            "is_managed": True,
            "is_manual_ip": False,
            "mirroring_template": False,
            "script": "N/A",
            "url": "",
            "capabilities": [],
            "groups": [],
            "modules": [],
            "ports": [self._name(node, number) for number in range(1, node["ports"] + 1)],
        }

    def _port(self, node: Node, number: int) -> Record:
        switch = node["kind"] == "switch"
        peer = self._peer.get((node["name"], number))
        up, kind = peer is not None, "Switch" if switch else "Computer"
        return {
            "name": self._name(node, number),
            "guid": bare(node["port_guid"]),
            "number": self._number(node, number),
            "external_number": self._number(node, number),
            "label": self._display(node, number),
            "dname": self._display(node, number),
            "description": f"{kind} IB Port",
            "node_description": self._description(node),
            "system_name": self._description(node),
            "systemID": self._system_guid(node),
            "lid": node["lid"],
            "physical_state": "Link Up" if up else "Polling",
            "logical_state": "Active" if up else "Down",
            "mtu": 4096,
            "active_speed": "HDR" if up else None,
            "enabled_speed": ["SDR", "DDR", "QDR", "FDR", "EDR", "HDR"],
            "supported_speed": ["SDR", "DDR", "QDR", "FDR", "EDR", "HDR"],
            "active_width": "4x" if up else None,
            "enabled_width": ["1x", "4x"],
            "supported_width": ["1x", "4x"],
            "severity": "Info",
            "high_ber_severity": "N/A",
            "tier": 1 if switch else 0,
            "mirror": "disable",
            "path": " / ".join(("default", f"{kind}: {self._description(node)}", self._display(node, number))),
            "capabilities": [],
            **self._peer_fields(peer),
        }

    def _peer_fields(self, peer: tuple[str, int] | None) -> Record:
        if peer is None:
            return dict.fromkeys(("peer", "peer_port_dname", "peer_node_name", "peer_node_description"))
        node, number = self._node(peer[0]), peer[1]
        return {
            "peer": self._name(node, number),
            "peer_port_dname": self._display(node, number),
            "peer_node_name": self._description(node),
            "peer_node_description": self._description(node),
        }

    def _link(self, end: tuple[str, int], peer: tuple[str, int]) -> Record:
        (source, number), (destination, other) = (self._node(end[0]), end[1]), (self._node(peer[0]), peer[1])
        return {
            "source_guid": self._system_guid(source),
            "source_port": str(self._number(source, number)),
            "source_port_dname": self._display(source, number),
            "source_port_name": self._name(source, number),
            "source_port_node_description": self._description(source),
            "destination_guid": self._system_guid(destination),
            "destination_port": str(self._number(destination, other)),
            "destination_port_dname": self._display(destination, other),
            "destination_port_name": self._name(destination, other),
            "destination_port_node_description": self._description(destination),
            "width": "4x",
            "severity": "Info",
            "capabilities": [],
            "name": f"{self._name(source, number)}:{self._name(destination, other)}",
        }

    def _vport(self, vf: Node, host: Node) -> Record:
        return {
            "virtual_port_guid": bare(vf["port_guid"]),
            "virtual_port_state": "Active",
            "virtual_port_lid": vf["lid"],
            "system_guid": self._system_guid(host),
            "system_name": self._description(host),
            "system_ip": self._addresses.get(host["name"], "0.0.0.0"),  # noqa: S104
            "node_description": self._description(host),
            "port_guid": bare(host["port_guid"]),
            "port_name": self._name(host, 1),
            "physical_port_number": self._number(host, 1),
        }


def selected(records: Iterable[Record], filters: Mapping[str, Callable[[Record], object]]) -> list[Record]:
    """Return the records that every filter accepts."""
    return [record for record in records if all(accepts(record) for accepts in filters.values())]
