"""What an operator writes: one structured object a stack, `rack:site`, strict and typed.

Every model is frozen and refuses unknown keys; keys are camelCase in YAML. `parse` reports every problem at once as
`ConfigError`: the path in the YAML, what was found, what to write instead, and a design rule's ID (`rack.rules`).
Secrets are no part of the site: they are Pulumi config secrets of their own (`SECRETS`).

Addresses are missing from the guide's copy; the defaults are TripleO's customary ones.
"""

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from rack import names

SECRETS = {
    "ufmPassword": "UFM's admin password, 4 to 30 letters, digits or _; replaces the default 123456 (guide step U7)",
    "ufmLicense": "UFM's licence file, its text (U4); not needed with `ufm.host` left out",
    "ipmiPassword": "the password of the nodes' IPMI controllers (C6)",
}
"""The stack's secrets, set by `pulumi config set --secret KEY`; each with what it is for."""


class ConfigError(Exception):
    """The configuration cannot be deployed; the text lists every problem, nothing has been touched."""

    problems: tuple[str, ...]
    """One line each: path, what was found, what to write."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        head = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{head} in rack:site; nothing was touched:\n" + "\n".join(f"  - {p}" for p in problems))


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Role(StrEnum):
    """The overcloud's roles, named as TripleO names them (O1)."""

    CONTROLLER = "Controller"
    COMPUTE = "ComputeSriovIB"


Vlan = Annotated[int, Field(ge=1, le=4094)]


class Range(Model):
    """Addresses from `start` to `end`, both included."""

    start: IPv4Address
    end: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return self.start <= address <= self.end

    def overlaps(self, other: "Range") -> bool:
        return self.start <= other.end and other.start <= self.end

    def __str__(self) -> str:
        return f"{self.start}-{self.end}"


class Provisioning(Model):
    """The 1GbE network that TripleO calls ctlplane (D3)."""

    cidr: IPv4Network = IPv4Network("192.168.24.0/24")
    gateway: IPv4Address
    dhcp: Range
    """The overcloud nodes' range: UFM and switch management stay outside of it (D5)."""
    inspection: Range
    dns: tuple[IPv4Address, ...] = Field(min_length=1)
    ntp: tuple[str, ...] = Field(min_length=1)


class External(Model):
    """The public Ethernet network of undercloud, controllers and UFM node (D3)."""

    cidr: IPv4Network
    gateway: IPv4Address
    pool: Range
    vlan: Vlan
    mtu: int = Field(default=1500, ge=576, le=9216)
    interface: str = "eno2"


class ControlNetwork(Model):
    """An overcloud network over IPoIB: its VLAN number is its control PKey (D4)."""

    cidr: IPv4Network
    vlan: Annotated[int, Field(ge=1, le=4094)]
    pool: Range
    mtu: int = Field(default=2044, ge=576, le=4092)
    """2044 fits datagram IPoIB over a 2 KiB link MTU."""


class TenantNetworks(Model):
    """Segmentation ids that Neutron may give to tenants on the InfiniBand physnet: PKeys too (D4)."""

    physnet: str = "ibnet"
    vlans: tuple[Vlan, Vlan] = (101, 200)


class Networks(Model):
    provisioning: Provisioning
    external: External
    control: Mapping[Literal["Storage", "StorageMgmt", "InternalApi"], ControlNetwork]
    tenant: TenantNetworks = TenantNetworks()


class Ssh(Model):
    """How the hosts are reached. Host keys are always verified."""

    user: str = "root"
    """On the UFM node and the undercloud."""
    overcloud_user: str = "heat-admin"
    """On the overcloud nodes; TripleO makes it."""
    port: int = Field(default=22, ge=1, le=65535)
    private_key_file: Path
    """Read on the machine that runs pulumi; its public half lies beside it as FILE.pub."""
    known_hosts_file: Path
    """Holds the host keys of the UFM node and the undercloud. Overcloud nodes' keys are read through the undercloud."""


class UfmHost(Model):
    """The node that runs UFM (U1 to U6). Left out: UFM runs already and only its REST API is used."""

    guid: names.Guid
    fabric_interface: str = "ib0"
    fabric_address: IPv4Interface = IPv4Interface("11.11.11.253/24")
    """The dummy address that the installer wants on the fabric interface (U3)."""
    management_interface: str = "eth0"
    installer_image: str = "mellanox/ufm-enterprise-installer:latest"
    image: str = "mellanox/ufm-enterprise:latest"
    files_dir: str = "/var/ufm_files"
    license_dir: str = "/home/ubuntu/UFM_lic"


class Ufm(Model):
    address: IPv4Address
    """On the provisioning network, outside of the overcloud's ranges (D5)."""
    port: int = Field(default=443, ge=1, le=65535)
    user: str = "admin"
    ca_file: Path | None = None
    """The authority of UFM's certificate; the system's where left out."""
    token_generation: int = Field(default=1, ge=1)
    """Raise it to rotate the API access token (U8)."""
    host: UfmHost | None = None

    @property
    def url(self) -> str:
        return f"https://{self.address}" + ("" if self.port == 443 else f":{self.port}")


class Undercloud(Model):
    address: IPv4Address
    hostname: str = "rdo-director.localdomain"
    interface: str = "eno1"
    root_gib: int = Field(default=100, ge=100)
    """Size of the root partition that C1 asks for, in GiB."""
    images_dir: str = "/home/stack/images"
    container_namespace: str = "quay.io/tripleowallaby"
    mlnx_container_namespace: str = "quay.io/tripleowallaby"
    boot_mode: Literal["bios", "uefi"] = "bios"


class Ipmi(Model):
    address: IPv4Address
    user: str = "admin"


class Node(Model):
    """A bare-metal node of the overcloud."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    role: Role
    address: IPv4Address
    """On the provisioning network; given to the node for good."""
    guid: names.Guid
    """Port GUID of the HCA's first port, the only wired one (D6)."""
    mac: names.Mac
    """Of the interface it boots from."""
    ipmi: Ipmi


class Gpu(Model):
    """The GPU model of the computes (O4, T1)."""

    alias: str = "a100"
    vendor_id: str = Field(default="10de", pattern=r"^[0-9a-f]{4}$")
    product_id: str = Field(default="20f1", pattern=r"^[0-9a-f]{4}$")
    device_type: Literal["type-PCI", "type-PF"] = "type-PCI"


class Compute(Model):
    """What the computes share: hardware is identical within a role (D7)."""

    hca: str = "c5:00.0"
    """PCI address of the ConnectX-6's first function (B1)."""
    vfs: int = Field(default=8, ge=1, le=127)
    """NUM_OF_VFS: one number for firmware (H2), documents (O4) and checks."""
    gpu: Gpu = Gpu()
    dedicated_cpus: str = "2-63"
    shared_cpus: str = "0-1"
    reserved_memory_mib: int = Field(default=4096, ge=512)
    kernel_args: str = "amd_iommu=on iommu=pt"
    max_acc_out_read: int = Field(default=44, ge=0, le=127)


class Switch(Model):
    """A managed InfiniBand switch (D1)."""

    name: str
    guid: names.Guid
    model: str = "MQM8700"
    ports: int = Field(default=40, ge=2, le=64)


class Fabric(Model):
    switch: Switch
    interface: str = "ib2"
    """The nodes' IPoIB interface on the wired port, as Linux names it (O2)."""


class Image(Model):
    """A guest image built by disk-image-create (G1, G2)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    elements: tuple[str, ...] = Field(min_length=1)
    release: str = "8-stream"
    gpu_builder: bool = False
    """Its elements need a build host with a CUDA GPU (G2)."""


class Flavor(Model):
    name: str = "m1.gpu"
    ram_mib: int = 8192
    disk_gib: int = 40
    vcpus: int = 8
    gpus: int = 1


class TenantNetwork(Model):
    """The tenant's network over InfiniBand (T2)."""

    name: str = "ib_tenant_net"
    subnet: str = "ib_subnet"
    vlan: Vlan = 101
    cidr: IPv4Network = IPv4Network("11.11.11.0/24")
    dns: tuple[IPv4Address, ...] = ()


class Instance(Model):
    """A GPU VM pinned to a compute (T5)."""

    name: str
    port: str
    compute: str
    """Name of a node with the role ComputeSriovIB."""
    image: str


class Tenant(Model):
    flavor: Flavor = Flavor()
    network: TenantNetwork = TenantNetwork()
    user: str = "stack"
    """The account in the guest images."""
    instances: tuple[Instance, ...] = ()


class PublicNetwork(Model):
    """The flat external network behind the router (X1)."""

    name: str = "public"
    subnet: str = "public_subnet"
    physnet: str = "datacentre"
    cidr: IPv4Network
    gateway: IPv4Address
    pool: Range


class FloatingIp(Model):
    instance: str
    address: IPv4Address | None = None
    """A chosen address of the public pool; any free one where left out (X3)."""


class ExternalAccess(Model):
    network: PublicNetwork
    router: str = "public_router"
    floating_ips: tuple[FloatingIp, ...] = ()


class Bandwidth(Model):
    """The GPUDirect RDMA test between two instances (B4 to B6)."""

    server: str
    client: str
    size: int = Field(default=32768, ge=2)
    """Message size in bytes."""
    cuda: bool = True
    minimum_gbps: float = Field(default=190.0, gt=0)
    """The guide measured 194.23 of 200; our gate leaves 2 % for the server's build."""
    clock_mhz: int | None = Field(default=None, ge=210, le=1410)
    """Lock the GPU clock; only where the result needs it, never above the A100's 1410 MHz."""


class Cloud(Model):
    name: str = "overcloud"
    domain: str = "localdomain"
    timezone: str = "UTC"


class Site(Model):
    """A rack and the cloud on it."""

    cloud: Cloud = Cloud()
    ssh: Ssh
    networks: Networks
    ufm: Ufm
    undercloud: Undercloud
    nodes: tuple[Node, ...] = Field(min_length=1)
    compute: Compute = Compute()
    fabric: Fabric
    images: tuple[Image, ...] = ()
    tenant: Tenant = Tenant()
    external_access: ExternalAccess | None = None
    bandwidth: Bandwidth | None = None


def parse(document: object) -> Site:
    """The site in `document` (the value of `rack:site`), checked against every design rule.

    Raises:
        ConfigError: with every problem found.
    """
    from rack import rules  # rules read the models above

    try:
        site = Site.model_validate(document)
    except ValidationError as error:
        raise ConfigError(tuple(_problem(dict(e)) for e in error.errors())) from None
    broken = rules.check(site)
    if broken:
        raise ConfigError(tuple(str(b) for b in broken))
    return site


def load_stack_file(path: Path) -> Site:
    """The site of a `Pulumi.<stack>.yaml`, for readers without an engine (the lab, the tests).

    Raises:
        ConfigError: the file has no `rack:site`, or it is broken.
    """
    config = (yaml.safe_load(path.read_text()) or {}).get("config") or {}
    if "rack:site" not in config:
        raise ConfigError((f"{path.name}: config: found no key rack:site; copy it from Pulumi.reference.yaml",))
    return parse(config["rack:site"])


def _problem(error: dict[str, Any]) -> str:
    where = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error["loc"]).lstrip(".") or "rack:site"
    kind, found = error["type"], error.get("input")
    if kind == "extra_forbidden":
        return f"{where}: unknown key; remove it or see docs/configuration.md for the keys that exist"
    if kind == "missing":
        return f"{where}: missing; write it"
    text = error["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if text.startswith("found ") else f"{where}: found {found!r}; {text}"
