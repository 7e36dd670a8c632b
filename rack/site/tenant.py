"""Configuration of the tenant's flavor, network and instances (T1 to T5)."""

from ipaddress import IPv4Network
from typing import Annotated

from pydantic import AfterValidator, Field

from rack.site.model import Cidr, File, Model, NameServers, Vlan
from rack.site.names import Label, Name, PublicKey, User, UserData

USER_DATA_MAX = 49149
"""Longest user data in bytes: nova takes 65535 characters of Base64."""


def _fits(text: str) -> str:
    size = len(text.encode())
    if size > USER_DATA_MAX:
        raise ValueError(f"found {size} bytes; write at most {USER_DATA_MAX}, nova's limit")
    return text


class Flavor(Model):
    """Flavor of the GPU instances (T1)."""

    name: Name = "m1.gpu"
    """Name in Nova."""
    ram_mib: int = Field(default=8192, ge=512, le=2**26)
    """Memory in MiB."""
    disk_gib: int = Field(default=40, ge=1, le=65536)
    """Disk in GiB."""
    vcpus: int = Field(default=8, ge=1, le=8192)
    """Number of VCPUs. Each uses one dedicated CPU of the host."""
    gpus: int = Field(default=1, ge=1, le=16)
    """Number of GPUs that are passed through."""


class TenantNetwork(Model):
    """Network of the tenant over InfiniBand (T2)."""

    name: Name = "ib_tenant_net"
    """Name of the network in Neutron."""
    subnet: Name = "ib_subnet"
    """Name of the subnet in Neutron."""
    vlan: Vlan = 101
    """Segmentation ID; in hex it is the PKey of the tenant: 101 → 0x65 (D4)."""
    cidr: Cidr = IPv4Network("11.11.11.0/24")
    """Address range; the default follows from the guide's host names, such as host-11-11-11-250."""
    dns: NameServers = ()
    """Name servers that instances get through DHCP."""


class Instance(Model):
    """GPU instance, pinned to a compute (T5)."""

    name: Name
    """Name in Nova."""
    port: Name
    """Name of its port in Neutron, of VNIC type direct (T3)."""
    compute: Label
    """Name of a node with the role ComputeSriovIB."""
    image: Label
    """Name of an image in `images`."""


class KeyPair(Model):
    """Key pair of new instances (T5). cloud-init authorises its public key for the default user of the image.

    If neither `publicKey` nor `existing` is written, nova generates the pair. The private key is then the secret output
    `guestKey` of the stack.
    """

    name: Name = "rack"
    """Name in Nova."""
    public_key: PublicKey | None = None
    """Public key."""
    existing: bool = False
    """Whether the key pair exists in Nova already."""
    private_key_file: File | None = None
    """Path of the private key, without a passphrase, for the login of the bandwidth test (B4)."""

    @property
    def generated(self) -> bool:
        """Return whether nova generates the pair."""
        return not self.public_key and not self.existing


class TenantSpec(Model):
    """Resources of the tenant (T1 to T5)."""

    flavor: Flavor = Flavor()
    network: TenantNetwork = TenantNetwork()
    user: User = "stack"
    """Default user of the guest images: the element cloud-init-config names it stack, CentOS's own image centos."""
    key_pair: KeyPair = KeyPair()
    user_data: Annotated[UserData, AfterValidator(_fits)] | None = None
    """User data of new instances, such as a `#cloud-config` document (T5)."""
    user_data_file: File | None = None
    """Path of a file with the user data, instead of `userData`."""
    replace_instances: bool = False
    """Whether a changed key pair or changed user data replaces the instances: nova cannot change them. With false, only
    new instances have them."""
    instances: tuple[Instance, ...] = ()
