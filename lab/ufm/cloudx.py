"""Neutron's networks and ports as UFM's CloudX interface takes them, turned into members of the PKey table. Pure.

A network's segmentation ID is its PKey. A port's GUID is
- the last 8 bytes of its DHCP client ID (option 61), which networking-mlnx's `mlnx_infiniband` gives a VF's port;
- of a port without one that belongs to a compute: its MAC with 00:00 in the middle, the driver's own rule;
- of every other port (DHCP server, router): the port GUID of the HCA of the host it is bound to. Its IPoIB interface is
  a child of that HCA's, so the HCA's port is what must be in the partition.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lab.ufm.errors import BadRequestError
from lab.ufm.partitions import MANAGEMENT, Member, Partition, Table, guid


@dataclass(frozen=True)
class Binding:
    """A Neutron port that is a member of a partition."""

    network: str
    pkey: int
    guid: str


class CloudX:
    """What Neutron has told. Not thread-safe. Every call may come again, and in any order with others: the driver
    repeats what it is not sure of, and sends a port before its network where the network is flat."""

    def __init__(self, hosts: Mapping[str, str], stored: Mapping[str, Any] | None = None) -> None:
        """`hosts`: host name as in `binding:host_id` → port GUID of its HCA (16 digits)."""
        stored = stored or {"networks": {}, "ports": {}}
        self.hosts = dict(hosts)
        self.networks: dict[str, int] = dict(stored["networks"])
        self.ports: dict[str, Binding] = {port: Binding(**fields) for port, fields in stored["ports"].items()}

    def dump(self) -> dict[str, Any]:
        return {"networks": self.networks, "ports": {port: asdict(binding) for port, binding in self.ports.items()}}

    def add_network(self, table: Table, network: Mapping[str, Any]) -> None:
        """Creates the network's partition, empty.

        Raises:
            BadRequestError: no ID, or the segmentation ID is no PKey.
        """
        identity, segment = identified(network), _segment(network)
        self.networks[identity] = segment
        if segment not in table.partitions:
            table.add(segment, {})

    def remove_network(self, table: Table, identity: str) -> None:
        """Removes the network's ports and, unless somebody else has members in it, its partition."""
        segment = self.networks.pop(identity, None)
        for port in [port for port, binding in self.ports.items() if binding.network == identity]:
            self.remove_port(table, port)
        if segment in table.partitions and not table.partitions[segment].members:
            table.delete(segment)

    def add_port(self, table: Table, port: Mapping[str, Any]) -> None:
        """Adds the port's GUID to its network's partition. Without effect where the network has no PKey (flat) or the
        port's host has no HCA.

        Raises:
            BadRequestError: no ID, or client ID, MAC or the segmentation ID that comes along make no member.
        """
        identity, network = identified(port), str(port.get("network_id"))
        segment = self.networks.get(network) or (_segment(port["network"]) if port.get("network") else None)
        member = self._guid(port)
        binding = Binding(network, segment, member) if segment and member else None
        if self.ports.get(identity) != binding:
            self.remove_port(table, identity)
        if binding is None:
            return
        partition = table.partitions.get(binding.pkey, Partition(""))
        table.add(binding.pkey, {binding.guid: partition.members.get(binding.guid, Member())})
        self.ports[identity] = binding

    def remove_port(self, table: Table, identity: str) -> None:
        """Removes the port's GUID from its partition when no other port of Neutron's needs it there."""
        binding = self.ports.pop(identity, None)
        if binding is None or any(
            (other.pkey, other.guid) == (binding.pkey, binding.guid) for other in self.ports.values()
        ):
            return
        if binding.pkey in table.partitions:
            table.remove(binding.pkey, [binding.guid])

    def _guid(self, port: Mapping[str, Any]) -> str | None:
        for option in port.get("extra_dhcp_opts") or ():
            if option.get("opt_name") in ("client-id", "61"):
                return _last_8_bytes(str(option.get("opt_value")))
        if str(port.get("device_owner")).startswith("compute:"):
            mac = str(port.get("mac_address")).replace(":", "")
            return guid(f"{mac[:6]}0000{mac[6:]}")
        return self.hosts.get(str(port.get("binding:host_id")))


def identified(thing: Mapping[str, Any]) -> str:
    """The thing's ID.

    Raises:
        BadRequestError: it has none.
    """
    if not isinstance(thing.get("id"), str):
        raise BadRequestError("id: missing")
    return str(thing["id"])


def _last_8_bytes(client_id: str) -> str:
    return guid("".join(client_id.split(":")[-8:]))


def _segment(network: Mapping[str, Any]) -> int:
    segment = network.get("provider:segmentation_id")
    if isinstance(segment, bool) or not isinstance(segment, int) or not 0 < segment < MANAGEMENT:
        raise BadRequestError(f"provider:segmentation_id: {segment!r} is no PKey")
    return segment
