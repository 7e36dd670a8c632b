"""Configuration of the rack's networks (D3, D4, D5)."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rack.site.model import Address, Cidr, LabCidr, Model, NameServers, Vlan
from rack.site.names import Interface, Name, Server


class Range(Model):
    """Range of addresses from `start` to `end`, inclusive."""

    start: Address
    """First address."""
    end: Address
    """Last address."""

    def __contains__(self, address: IPv4Address) -> bool:
        return self.start <= address <= self.end

    @property
    def size(self) -> int:
        """Return the number of addresses; zero or less for a range that ends before it starts."""
        return int(self.end) - int(self.start) + 1

    def overlaps(self, other: "Range") -> bool:
        """Return whether the two ranges have an address in common."""
        return self.start <= other.end and other.start <= self.end

    def __str__(self) -> str:
        return f"{self.start}-{self.end}"


class Provisioning(Model):
    """1GbE network for provisioning; TripleO calls it ctlplane (D3)."""

    cidr: LabCidr = IPv4Network("192.168.24.0/24")
    """Address range; the default is TripleO's."""
    gateway: Address
    """Gateway; usually the undercloud, which masquerades (C2)."""
    dhcp: Range
    """Addresses that TripleO assigns during provisioning. UFM, switch and nodes have addresses outside it (D5)."""
    inspection: Range
    """Addresses of the nodes during introspection, which runs on all nodes at once (I1)."""
    dns: NameServers = Field(min_length=1)
    """Name servers of the undercloud and the overcloud (C2, O4)."""
    ntp: tuple[Server, ...] = Field(min_length=1)
    """Time servers of the undercloud and the overcloud, as names or addresses (C2, O4)."""
    interface: Interface = "eno1"
    """Interface of the overcloud nodes on this network (O2)."""


class External(Model):
    """Public Ethernet network of the undercloud, the controllers and UFM (D3)."""

    cidr: Cidr
    """Address range; usually that of the floating IPs too (NET007)."""
    gateway: Address
    """Default gateway of the controllers."""
    pool: Range
    """Addresses of the controllers and the virtual IP of the public API."""
    vlan: Vlan
    """VLAN of this network on the 1GbE switch."""
    mtu: int = Field(default=1500, ge=576, le=9216)
    """MTU in bytes."""
    interface: Interface = "eno2"
    """Interface of the controllers on this network, a member of br-ex (O2)."""


class ControlNetwork(Model):
    """Overcloud network over IPoIB (D3)."""

    cidr: Cidr
    """Address range; a /24 in the guide."""
    vlan: Vlan
    """VLAN; in hex it is the control PKey of the network: 12 → 0xc (D4)."""
    pool: Range
    """Addresses of the nodes, and the virtual IP."""
    mtu: int = Field(default=2044, ge=576, le=4092)
    """MTU in bytes; 2044 fits datagram IPoIB in a partition with an MTU of 2 KiB."""


class TenantNetworks(Model):
    """Networks that Neutron may create for tenants on InfiniBand."""

    physnet: Name = "ibnet"
    """Name of the physical network that the overcloud maps to the IPoIB driver (O4)."""
    vlans: tuple[Vlan, Vlan] = (101, 200)
    """First and last segmentation ID; in hex they are PKeys: 101 → 0x65 (D4)."""
    client_id_hardware: bool = True
    """Which guests DHCP over IPoIB answers: true for CentOS 8 and later, false for CentOS 7 (T4)."""


class Networks(Model):
    """Networks of the rack, as in the guide's tables (D3)."""

    provisioning: Provisioning
    external: External
    control: Annotated[
        Mapping[Literal["InternalApi", "Storage", "StorageMgmt"], ControlNetwork], AfterValidator(MappingProxyType)
    ]
    """StorageMgmt may be omitted: nothing in the guide's cloud needs it (NET005)."""
    tenant: TenantNetworks = TenantNetworks()
