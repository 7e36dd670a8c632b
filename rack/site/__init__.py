"""What an operator writes: one structured object a stack, `rack:site`, strict and typed.

Every model is frozen, refuses unknown keys and turns nothing into something else: a text is no number, `true` no 1.
Keys are camelCase in YAML. `parse` reports every problem at once as `ConfigError`: the path in the YAML, what was
found, what to write instead, and a design rule's ID (`rack.rules`). Secrets are no part of the site: they are Pulumi
config secrets of their own (`SECRETS`).

The docstrings of the fields are the text of `docs/configuration.md`. Addresses are missing from the guide's copy; the
defaults are TripleO's customary ones.
"""

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from rack.distribution import DISTRIBUTIONS, Distribution, Release, registry_of
from rack.site import problems
from rack.site.names import (
    ContainerImage,
    ContainerTag,
    CpuList,
    FirmwareRelease,
    Folder,
    Guid,
    HexId,
    HostFile,
    Hostname,
    IbInterface,
    Interface,
    KernelArgs,
    Kind,
    Label,
    Mac,
    Name,
    ParameterName,
    PciAddress,
    RegistryUser,
    RepositoryId,
    Timezone,
    Url,
    User,
)

SECRETS = {
    "ufmPassword": "UFM's admin password, 4 to 30 letters, digits or _; replaces the default 123456 (guide step U7)",
    "ufmLicense": "UFM's licence file, its text (U4); not needed with `ufm.host` left out",
    "ipmiPassword": "the password of the nodes' IPMI controllers (C6)",
    "ufmPreviousPassword": "only while `ufmPassword` changes: the former one; then `pulumi config rm` it (U7)",
    "registryPassword": "only with `undercloud.registry.user`: that user's password or token (C3)",
}
"""The stack's secrets, set by `pulumi config set --secret KEY`; each with what it is for."""

OCCASIONAL_SECRETS = {"ufmPreviousPassword", "registryPassword"}
"""Those that not every stack has, or for a while only."""


class ConfigError(Exception):
    """The configuration cannot be deployed; the text lists every problem, nothing has been touched."""

    problems: tuple[str, ...]
    """One line each: path, what was found, what to write."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        head = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{head} in rack:site; nothing was touched:\n" + "\n".join(f"  - {p}" for p in problems))


class Model(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


class Role(StrEnum):
    """The overcloud's roles, named as TripleO names them (O1)."""

    CONTROLLER = "Controller"
    COMPUTE = "ComputeSriovIB"


def _unicast(address: IPv4Address) -> IPv4Address:
    if address.is_multicast or address.is_reserved or address.is_unspecified:
        raise ValueError(f"found {address}; write the address of a host")
    return address


def _roomy(network: IPv4Network) -> IPv4Network:
    if not 8 <= network.prefixlen <= 30:
        raise ValueError(f"found {network}; write a network with a prefix from /8 to /30")
    return network


def _one_line(path: Path) -> Path:
    if "\n" in str(path):
        raise ValueError("the path of a file, not its content")
    return path


Address = Annotated[IPv4Address, AfterValidator(_unicast)]
Cidr = Annotated[IPv4Network, AfterValidator(_roomy)]
File = Annotated[Path, AfterValidator(_one_line), Kind("a path, from the project's folder or from `~`")]
Vlan = Annotated[int, Field(ge=1, le=4094)]
Port = Annotated[int, Field(ge=1, le=65535)]


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


class Ssh(Model):
    """How the hosts are reached. Host keys are always verified."""

    user: User = "root"
    """On the UFM node and the undercloud."""
    overcloud_user: User | None = None
    """On the overcloud nodes. Left out: the one that the deployment makes, heat-admin with RDO's Wallaby, tripleo-admin
    with Red Hat's 17.1."""
    port: Port = 22
    """Of every host."""
    private_key_file: File
    """Read on the machine that runs pulumi; its public half lies beside it as FILE.pub."""
    known_hosts_file: File
    """Holds the host keys of the UFM node and the undercloud. Overcloud nodes' keys are read through the undercloud."""


class UfmHostSpec(Model):
    """The node that runs UFM (U1 to U6). Left out: UFM runs already; its host is not entered, its REST API is used."""

    guid: Guid
    """Port GUID of the wired port."""
    fabric_interface: IbInterface = "ib0"
    """The interface on the fabric; ib0 is the installer's default, ib1 where that is the wired one (U3)."""
    fabric_address: IPv4Interface = IPv4Interface("172.31.255.1/30")
    """The dummy address that the installer wants on the fabric interface (U3); of no network that is in use."""
    management_interface: Interface = "eth0"
    """The interface on the provisioning network (U5)."""
    image: ContainerImage
    """UFM itself, pinned to a release or digest (U5, UFM001). Another one here is an upgrade: docs/operations.md."""
    installer_image: ContainerImage | None = None
    """The guide's separate installer, pinned too (U5). Left out: `image` installs itself, as NVIDIA has it now."""
    image_archive: HostFile | None = None
    """A `docker save` of the images above, a file on the UFM host: nothing is pulled then, no Internet needed (U5)."""
    files_dir: Folder = "/var/ufm_files"
    """UFM's configuration on the host, kept by upgrades (U4)."""
    license_dir: Folder = "/home/ubuntu/UFM_lic"
    """Where the licence is placed, with nothing else in it (U4)."""

    @property
    def images(self) -> tuple[str, ...]:
        """What must be on the host: UFM, and its installer where that is an image of its own."""
        return (self.image, self.installer_image) if self.installer_image else (self.image,)


class UfmSpec(Model):
    """UFM's REST API, and the node it runs on where that is ours."""

    address: Address
    """On the provisioning network, outside of its ranges (D5)."""
    port: Port = 443
    """Of the REST API."""
    user: User = "admin"
    """Whose password `ufmPassword` is (U7)."""
    ca_file: File | None = None
    """The authority of UFM's certificate; the system's where left out."""
    insecure: bool = False
    """Do not verify UFM's certificate: for a first look, never with a password that matters."""
    token_generation: int = Field(default=1, ge=1)
    """Raise it to rotate the API access token (U8)."""
    password_generation: int = Field(default=1, ge=1)
    """Raise it when ufmPassword changes, with the old one in ufmPreviousPassword (U7)."""
    adopt_pkeys: bool = False
    """Take over control PKeys that are there and differ; members that are not declared lose them (I3)."""
    host: UfmHostSpec | None = None

    @property
    def url(self) -> str:
        return f"https://{self.address}" + ("" if self.port == 443 else f":{self.port}")


class Repository(Model):
    """A yum repository of the site's own: with one or more, no other is asked any more, by the undercloud, the
    containers that are rebuilt (C3), the images that are built (C5) or the overcloud's nodes."""

    id: RepositoryId
    """In brackets, the section of the .repo file."""
    baseurl: Url
    """The folder above `repodata`."""
    gpgkey: Url | None = None
    """Of the key that signed the packages. Left out: signatures are not checked."""


class Registry(Model):
    """What the registry that `containerNamespace` names asks for (C3)."""

    user: RegistryUser | None = None
    """Who logs in; the password is the secret `registryPassword`. Left out: no login."""
    ca_file: File | None = None
    """The authority of its certificate, made known to the undercloud; the system's where left out."""
    insecure: bool = False
    """It speaks HTTP, or its certificate is not verified."""


class UndercloudSpec(Model):
    """The node that runs TripleO (C1)."""

    distribution: Release = Release.RDO_WALLABY
    """Whose TripleO it is: the guide's, or Red Hat's, which comes by subscription and runs on RHEL (C1, C3, C5)."""
    address: Address
    """On the provisioning network; the two addresses after it are its public and its admin one (C2)."""
    hostname: Hostname = "rdo-director.localdomain"
    """Its own name (C2)."""
    interface: Interface = "eno1"
    """Its interface on the provisioning network (C2)."""
    root_gib: int = Field(default=100, ge=100)
    """Size of the root partition that C1 asks for, in GiB."""
    images_dir: Folder = "/home/stack/images"
    """Where overcloud and guest images are built (C5, G1)."""
    elements_path: Folder = "/opt/dib-elements"
    """The image elements that diskimage-builder does not carry: mofed, cuda, gpudirect-bench, … (G1, G2)."""
    repositories: tuple[Repository, ...] = ()
    registry: Registry = Registry()
    container_namespace: ContainerImage | None = None
    """The registry's namespace of TripleO's containers (C3). Left out: the distribution's, quay.io/tripleowallaby or
    registry.redhat.io/rhosp-rhel9."""
    mlnx_container_namespace: ContainerImage | None = None
    """That of neutron-mlnx-agent (C3). Left out: as `containerNamespace`."""
    container_tag: ContainerTag | None = None
    """The containers' tag (C3), taken as it is. Left out: the release behind the distribution's, current-tripleo or
    17.1."""
    images_archive: HostFile | None = None
    """A tar of the overcloud's disk images and of ironic-python-agent, a file on the undercloud: none is built or
    installed then (C5). Another archive has another name."""
    boot_mode: Literal["bios", "uefi"] = "bios"
    """How the nodes boot (I1)."""
    clean_nodes: bool = True
    """Whether ironic wipes the disks of nodes that are provided or leave the cloud: some minutes a node (C2)."""
    introspection_minutes: int = Field(default=90, ge=1, le=1440)
    """The time limit until UFM has seen every node's port, repeated introspection included (I2, I4)."""
    introspection_repeats: int = Field(default=2, ge=0, le=10)
    """How often nodes are introspected again whose port UFM has not seen (I2)."""

    @property
    def virtual_addresses(self) -> tuple[IPv4Address, IPv4Address]:
        """Public and admin address: those after its own, as TripleO's samples have them (C2)."""
        return self.address + 1, self.address + 2

    @property
    def software(self) -> Distribution:
        """What the distribution brings; KeyError for one that rule DIST001 refuses."""
        return DISTRIBUTIONS[self.distribution]

    @property
    def namespace(self) -> str:
        """Of TripleO's containers."""
        return self.container_namespace or self.software.container_namespace

    @property
    def registry_host(self) -> str:
        """The registry's; empty where `containerNamespace` names none."""
        return registry_of(self.namespace)


class Ipmi(Model):
    """A node's management controller (C6)."""

    address: Address
    """On the IPMI network."""
    user: User = "admin"
    """Whose password `ipmiPassword` is."""


class Node(Model):
    """A bare-metal node of the overcloud (D1)."""

    name: Label
    """As the inventory calls it, like controller-1 (C6)."""
    role: Role
    """What TripleO makes of it (O1)."""
    address: Address
    """On the provisioning network, outside of its ranges; given to the node for good."""
    guid: Guid | None = None
    """Port GUID of the HCA's first port, the only wired one (D6). Introspection compares it; left out, it is found by
    introspection (I1)."""
    index: Annotated[int, Field(ge=0, le=9999)] | None = None
    """Its number within its role: a deployed host is called after it for good. Left out: one more than that of the node
    before it, so that it is needed where that one has left (NODE003)."""
    mac: Mac
    """Of the interface it boots from."""
    ipmi: Ipmi


class Gpu(Model):
    """The GPU model of the computes (O4, T1)."""

    alias: Name = "a100"
    """What flavor and cloud call it; one name for both (T1)."""
    vendor_id: HexId = "10de"
    """As `lspci -nn` shows it."""
    product_id: HexId = "20f1"
    """As `lspci -nn` shows it."""
    device_type: Literal["type-PCI", "type-PF"] = "type-PCI"
    """type-PF for a GPU whose PCI function offers SR-IOV."""


class Compute(Model):
    """What the computes share: hardware is identical within a role (D7)."""

    hca: PciAddress = "c5:00.0"
    """The ConnectX-6's first function (B1)."""
    vfs: int = Field(default=8, ge=1, le=127)
    """Virtual functions: NUM_OF_VFS of the firmware (H2) and what the cloud makes of it (O2)."""
    gpu: Gpu = Gpu()
    dedicated_cpus: CpuList = "2-63"
    """CPUs of the instances, isolated from the host; follow the GPU's NUMA node (O4)."""
    shared_cpus: CpuList = "0-1"
    """CPUs of the host (O4)."""
    reserved_memory_mib: int = Field(default=4096, ge=512)
    """The host's memory in MiB, kept from instances (O4)."""
    kernel_args: KernelArgs = "amd_iommu=on iommu=pt"
    """`intel_iommu=on iommu=pt` on Intel (O4)."""
    max_acc_out_read: int = Field(default=44, ge=0, le=127)
    """MAX_ACC_OUT_READ of the firmware; 44 suits 200 Gb/s over PCIe Gen4 (H3)."""


class FirmwareParameter(Model):
    """A parameter of the adapters' firmware beyond the guide's."""

    role: Role
    """Whose adapters have it."""
    name: ParameterName
    """As `mstconfig query` lists it."""
    value: int = Field(ge=0, le=2**32 - 1)
    """The number in `mstconfig query`: 1 where it prints `True(1)`."""


class FirmwareSpec(Model):
    """The adapters' firmware, and what its change may do to a cloud in use (H1 to H3, B1)."""

    tool: Literal["auto", "mstconfig", "mlxconfig"] = "auto"
    """mstflint's, as in the guide, or MFT's. auto: what the host has; where it has neither, mstflint is installed."""
    controller_hca: PciAddress | None = None
    """The controllers' adapter; at `compute.hca` where left out (H1)."""
    minimum_release: FirmwareRelease | None = None
    """Adapters with an older one are refused (H1); any will do where left out."""
    parameters: tuple[FirmwareParameter, ...] = ()
    max_unavailable: int = Field(default=1, ge=1)
    """Computes that may be down at once: a wave. Controllers are always rebooted one by one."""
    instances: Literal["refuse", "drain"] = "refuse"
    """On a compute that must reboot: refuse names them and changes nothing; drain takes no new ones and waits until all
    are gone. With a GPU or VF passed through they cannot be migrated (B1)."""
    drain_minutes: int = Field(default=480, ge=1, le=10080)
    """How long drain waits in one run; the next run goes on."""
    reboot_minutes: int = Field(default=30, ge=1, le=240)
    """Until a rebooted node's SSH answers, and again until its services are healthy."""


class Switch(Model):
    """A managed InfiniBand switch (D1)."""

    name: Label
    """Its node description on the fabric."""
    guid: Guid
    """System GUID."""
    model: Name = "MQM8700"
    """Its part number."""
    ports: int = Field(default=40, ge=2, le=64)
    """How many it has."""


class FabricSpec(Model):
    """The InfiniBand fabric of a single rack (D1)."""

    switch: Switch
    interface: IbInterface | None = None
    """The overcloud nodes' IPoIB interface on the wired port, as Linux names it: ib2 in the guide (O2). Introspection
    compares it; left out, it finds it."""


class Image(Model):
    """A guest image, built by disk-image-create (G1, G2) or brought as a file."""

    name: Label
    """Its name in Glance and of its file."""
    elements: tuple[Name, ...] = ()
    """disk-image-create's elements, in order."""
    file: File | None = None
    """A finished qcow2, on the machine that runs pulumi: nothing is built then. Another image has another path."""
    release: Name = "8-stream"
    """DIB_RELEASE."""
    gpu_builder: bool = False
    """Its elements need a build host with a CUDA GPU (G2)."""


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


class BandwidthSpec(Model):
    """The GPUDirect RDMA test between two instances (B4 to B6)."""

    server: Name
    """An instance."""
    client: Name
    """An instance on another compute."""
    size: int = Field(default=32768, ge=2, le=8388608)
    """Message size in bytes."""
    cuda: bool = True
    """Memory of the GPU, else of the host."""
    minimum_gbps: float = Field(default=190.0, gt=0, le=400)
    """Gb/s. The guide measured 194.23 of 200; the default leaves 2 % for the server's build."""
    clock_mhz: int | None = Field(default=None, ge=210, le=1410)
    """Lock the GPU clock, in MHz; only where the result needs it, never above the A100's 1410."""


class Cloud(Model):
    """Names and time of the overcloud (O4, O5)."""

    name: Label = "overcloud"
    """TripleO's stack; hosts are called after it: overcloud-controller-0."""
    domain: Hostname = "localdomain"
    """Of the hosts: overcloud-controller-0.localdomain."""
    timezone: Timezone = "UTC"
    """Of the overcloud nodes."""


class Site(Model):
    """A rack and the cloud on it."""

    protect: bool = True
    """UFM, control PKeys, undercloud and overcloud can't be destroyed, nor can a mistake replace them. false: for test
    environments, and for an `up` before a stack is given up."""
    cloud: Cloud = Cloud()
    ssh: Ssh
    networks: Networks
    ufm: UfmSpec
    undercloud: UndercloudSpec
    nodes: tuple[Node, ...] = Field(min_length=1)
    compute: Compute = Compute()
    firmware: FirmwareSpec = FirmwareSpec()
    fabric: FabricSpec
    images: tuple[Image, ...] = ()
    tenant: TenantSpec = TenantSpec()
    external_access: ExternalAccessSpec | None = None
    """Left out: instances are reached over the tenant's network only."""
    bandwidth: BandwidthSpec | None = None
    """Left out: no test."""
    internet: bool = True
    """false: nothing may come from it, and the rules OFF001 to OFF005 tell what still would."""

    @property
    def overcloud_user(self) -> str:
        """The account on the overcloud nodes."""
        return self.ssh.overcloud_user or self.undercloud.software.overcloud_user

    @property
    def indexes(self) -> tuple[int, ...]:
        """Each node's number within its role, in the order of `nodes`."""
        following = dict.fromkeys(Role, 0)
        found = []
        for node in self.nodes:
            index = following[node.role] if node.index is None else node.index
            following[node.role] = index + 1
            found.append(index)
        return tuple(found)


def parse(document: object) -> Site:
    """The site in `document` (the value of `rack:site`), checked against every design rule.

    Raises:
        ConfigError: with every problem found. Design rules are checked once the types hold.
    """
    from rack import rules  # rules read the models above

    try:
        # By way of JSON, strictly: YAML and the engine hand over JSON's types, and pydantic's strict mode then takes
        # the texts of addresses and paths, but no "8443" or true for a number.
        site = Site.model_validate_json(to_json(document, fallback=str), strict=True, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ConfigError(problems.lines(error.errors(), Site, "rack:site")) from None
    broken = rules.check(site)
    if broken:
        raise ConfigError(tuple(str(b) for b in broken))
    return site


def load_stack_file(path: Path) -> Site:
    """The site of a `Pulumi.<stack>.yaml`, for readers without an engine (the lab, the tests).

    Raises:
        ConfigError: the file is no YAML, has no `rack:site`, or that is broken.
        OSError: the file cannot be read.
    """
    try:
        document = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ConfigError((f"{path.name}: found no YAML: {error}",)) from None
    config = document.get("config") if isinstance(document, dict) else None
    if not isinstance(config, dict) or "rack:site" not in config:
        raise ConfigError((f"{path.name}: config: found no key rack:site; copy it from Pulumi.reference.yaml",))
    return parse(config["rack:site"])
