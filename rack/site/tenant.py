"""The tenant's flavor, network and instances (T1 to T5)."""

from ipaddress import IPv4Network

from pydantic import Field

from rack.site.model import Address, Cidr, Model, Vlan
from rack.site.names import Label, Name, User


class Flavor(Model):
    """The flavor of GPU instances (T1)."""

    name: Name = "m1.gpu"
    """Its name in Nova."""
    ram_mib: int = Field(default=8192, ge=512)
    """MiB."""
    disk_gib: int = Field(default=40, ge=1)
    """GiB."""
    vcpus: int = Field(default=8, ge=1)
    """Each is a dedicated CPU of the host."""
    gpus: int = Field(default=1, ge=1, le=16)
    """GPUs passed through."""


class TenantNetwork(Model):
    """The tenant's network over InfiniBand (T2)."""

    name: Name = "ib_tenant_net"
    """Its name in Neutron."""
    subnet: Name = "ib_subnet"
    """Its name in Neutron."""
    vlan: Vlan = 101
    """Segmentation ID; in hex the tenant's PKey: 101 → 0x65 (D4)."""
    cidr: Cidr = IPv4Network("11.11.11.0/24")
    """As the guide's host names show it: host-11-11-11-250."""
    dns: tuple[Address, ...] = ()
    """Name servers that DHCP gives to instances."""


class Instance(Model):
    """A GPU instance pinned to a compute (T5)."""

    name: Name
    """Its name in Nova."""
    port: Name
    """Its port of VNIC type direct (T3)."""
    compute: Label
    """Name of a node with the role ComputeSriovIB."""
    image: Label
    """Name of one of `images`."""


class TenantSpec(Model):
    """What the tenant gets (T1 to T5)."""

    flavor: Flavor = Flavor()
    network: TenantNetwork = TenantNetwork()
    user: User = "stack"
    """The account in the guest images."""
    instances: tuple[Instance, ...] = ()
