"""The rack's networks (D3, D4, D5)."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rack.site.model import Address, Cidr, Model, Vlan
from rack.site.names import Hostname, Interface, Name


class Range(Model):
    """Addresses from `start` to `end`, both included."""

    start: Address
    """The first one."""
    end: Address
    """The last one."""

    def __contains__(self, address: IPv4Address) -> bool:
        return self.start <= address <= self.end

    @property
    def size(self) -> int:
        """How many addresses."""
        return int(self.end) - int(self.start) + 1

    def overlaps(self, other: "Range") -> bool:
        return self.start <= other.end and other.start <= self.end

    def __str__(self) -> str:
        return f"{self.start}-{self.end}"


class Provisioning(Model):
    """The 1GbE network that TripleO calls ctlplane (D3)."""

    cidr: Cidr = IPv4Network("192.168.24.0/24")
    """TripleO's customary one."""
    gateway: Address
    """Mostly the undercloud itself, which masquerades (C2)."""
    dhcp: Range
    """What TripleO gives out while it provisions; UFM, switch and nodes have their addresses outside of it (D5)."""
    inspection: Range
    """What nodes get while they are introspected, all at once (I1)."""
    dns: tuple[Address, ...] = Field(min_length=1)
    """Name servers of undercloud and overcloud (C2, O4)."""
    ntp: tuple[Hostname, ...] = Field(min_length=1)
    """Time servers of undercloud and overcloud, names or addresses (C2, O4)."""
    interface: Interface = "eno1"
    """The overcloud nodes' interface on this network (O2)."""


class External(Model):
    """The public Ethernet network of undercloud, controllers and UFM node (D3)."""

    cidr: Cidr
    """The network of floating IPs too, mostly (NET007)."""
    gateway: Address
    """The controllers' default route."""
    pool: Range
    """The controllers' own addresses and the public API's virtual one."""
    vlan: Vlan
    """The 1GbE switch's VLAN number of this network."""
    mtu: int = Field(default=1500, ge=576, le=9216)
    """Bytes."""
    interface: Interface = "eno2"
    """The controllers' interface on this network, a member of br-ex (O2)."""


class ControlNetwork(Model):
    """An overcloud network over IPoIB (D3)."""

    cidr: Cidr
    """A /24 in the guide."""
    vlan: Vlan
    """In hex it is the network's control PKey: 12 → 0xc (D4)."""
    pool: Range
    """The nodes' own addresses and the virtual one."""
    mtu: int = Field(default=2044, ge=576, le=4092)
    """Bytes; 2044 fits datagram IPoIB over a 2 KiB link MTU."""


class TenantNetworks(Model):
    """What Neutron may give to tenants on InfiniBand."""

    physnet: Name = "ibnet"
    """The physical network that O4 maps to the IPoIB driver."""
    vlans: tuple[Vlan, Vlan] = (101, 200)
    """First and last segmentation ID, PKeys too: 101 → 0x65 (D4)."""


class Networks(Model):
    """The rack's networks, as the guide's tables list them (D3)."""

    provisioning: Provisioning
    external: External
    control: Annotated[
        Mapping[Literal["InternalApi", "Storage", "StorageMgmt"], ControlNetwork], AfterValidator(MappingProxyType)
    ]
    """StorageMgmt may be left out: nothing of the guide's cloud needs it alone (NET005)."""
    tenant: TenantNetworks = TenantNetworks()
