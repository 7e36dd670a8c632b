"""The external network, the router and the floating IPs (X1 to X4)."""

from typing import Literal

from rack.site.model import Address, Cidr, Model
from rack.site.names import Name
from rack.site.networks import Range


class PublicNetwork(Model):
    """The flat external network behind the router (X1)."""

    name: Name = "public"
    """Its name in Neutron."""
    subnet: Name = "public_subnet"
    """Its name in Neutron."""
    physnet: Literal["datacentre"] = "datacentre"
    """TripleO's name for the controllers' br-ex."""
    cidr: Cidr
    """Mostly that of `networks.external` (NET007)."""
    gateway: Address
    """The way to the public network."""
    pool: Range
    """Floating IPs and the router's address."""


class FloatingIp(Model):
    """A floating IP on an instance (X3)."""

    instance: Name
    """Its name."""
    address: Address | None = None
    """A chosen address of the public pool; any free one where left out."""


class ExternalAccessSpec(Model):
    """The way out of the tenant's network, and in (X1 to X4)."""

    network: PublicNetwork
    router: Name = "public_router"
    """Its name in Neutron (X2)."""
    floating_ips: tuple[FloatingIp, ...] = ()
