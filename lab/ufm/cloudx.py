"""UFM's CloudX interface: translates Neutron's networks and ports into members of the PKey table. No I/O.

A network's segmentation ID is its PKey. The GUID of a port is:

- the last 8 bytes of its DHCP client ID (option 61), which networking-mlnx's `mlnx_infiniband` sets for a VF;
- for a compute's port without a client ID: its MAC with 00:00 in the middle, as in the driver;
- for every other port (DHCP server, router): the port GUID of the HCA of the host it is bound to. The IPoIB interface
  of such a port is a child of the HCA's interface, so the HCA's port must be a member of the partition.
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
    """The networks and ports that Neutron has sent. Not thread-safe.

    Every call is idempotent and calls may arrive in any order: networking-mlnx repeats a call after an error, and sends
    a port before its network if the network is flat.
    """

    def __init__(self, hosts: Mapping[str, str], stored: Mapping[str, Any] | None = None) -> None:
        """Read what `dump` returned.

        Args:
            hosts: host name as in `binding:host_id` → port GUID of its HCA (16 digits).
            stored: the result of `dump`; None for a fresh installation.
        """
        stored = stored or {"networks": {}, "ports": {}}
        self.hosts = dict(hosts)
        self.networks: dict[str, int] = dict(stored["networks"])
        self.ports: dict[str, Binding] = {port: Binding(**fields) for port, fields in stored["ports"].items()}

    def dump(self) -> dict[str, Any]:
        """Return networks and ports for the state file."""
        return {"networks": self.networks, "ports": {port: asdict(binding) for port, binding in self.ports.items()}}

    def add_network(self, table: Table, network: Mapping[str, Any]) -> None:
        """Create the network's partition without members.

        Raises:
            BadRequestError: the network has no ID, or its segmentation ID is not a PKey.
        """
        identity, segment = object_id(network), _segment(network)
        self.networks[identity] = segment
        if segment not in table.partitions:
            table.add(segment, {})

    def remove_network(self, table: Table, identity: str) -> None:
        """Remove the network's ports, and its partition if it has no other members."""
        segment = self.networks.pop(identity, None)
        for port in [port for port, binding in self.ports.items() if binding.network == identity]:
            self.remove_port(table, port)
        if segment in table.partitions and not table.partitions[segment].members:
            table.delete(segment)

    def add_port(self, table: Table, port: Mapping[str, Any]) -> None:
        """Add the port's GUID to its network's partition.

        Has no effect if the network has no PKey (flat) or the port's host has no HCA.

        Raises:
            BadRequestError: the port has no ID, or its client ID, MAC or segmentation ID is invalid.
        """
        identity, network = object_id(port), str(port.get("network_id"))
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
        """Remove the port's GUID from its partition unless another Neutron port needs it there."""
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


def object_id(network_or_port: Mapping[str, Any]) -> str:
    """Return the object's ID.

    Raises:
        BadRequestError: the object has no ID.
    """
    if not isinstance(network_or_port.get("id"), str):
        raise BadRequestError("id: missing")
    return str(network_or_port["id"])


def _last_8_bytes(client_id: str) -> str:
    return guid("".join(client_id.split(":")[-8:]))


def _segment(network: Mapping[str, Any]) -> int:
    segment = network.get("provider:segmentation_id")
    if isinstance(segment, bool) or not isinstance(segment, int) or not 0 < segment < MANAGEMENT:
        raise BadRequestError(f"provider:segmentation_id: {segment!r} is not a PKey")
    return segment
