"""Configuration of the public network, the router and the floating IPs (X1 to X4)."""

from typing import Literal

from rack.site.model import Address, Cidr, Model
from rack.site.names import Name
from rack.site.networks import Range


class PublicNetwork(Model):
    """Flat external network behind the router (X1)."""

    name: Name = "public"
    """Name of the network in Neutron."""
    subnet: Name = "public_subnet"
    """Name of the subnet in Neutron."""
    physnet: Literal["datacentre"] = "datacentre"
    """TripleO's name for the controllers' br-ex."""
    cidr: Cidr
    """Address range; usually that of `networks.external` (NET007)."""
    gateway: Address
    """Gateway of the router."""
    pool: Range
    """Addresses for floating IPs and the router."""


class FloatingIp(Model):
    """Floating IP of an instance (X3)."""

    instance: Name
    """Name of the instance."""
    address: Address | None = None
    """Address from the public pool. If omitted, Neutron chooses a free one."""


class ExternalAccessSpec(Model):
    """Access from the tenant's network to the public network and back (X1 to X4)."""

    network: PublicNetwork
    router: Name = "public_router"
    """Name of the router in Neutron (X2)."""
    floating_ips: tuple[FloatingIp, ...] = ()
