"""Pydantic models of the documents that reject unknown keys, which TripleO's tools ignore.

The keys are those of tripleo-heat-templates 14.3.0 and tripleo-ansible 6.0.0, limited to what this rack uses, so that
any other key is reported. The Wallaby tools check addresses and ranges (`rack.wallaby`).
"""

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rack.site.names import HexId, Kind, Text

AnyMapping = Annotated[dict[str, Any], Kind("a mapping")]
"""A mapping that TripleO passes on unchanged."""
Capabilities = Annotated[
    str, Text("capabilities like 'profile:control,boot_option:local'", r"\w+:[\w.-]+(,\w+:[\w.-]+)*")
]
VlanId = Annotated[int, Field(ge=1, le=0x7FFE)]
"""A VLAN that is also a PKey."""


class DocumentModel(BaseModel):
    """Base of all models: strict types, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class IpmiNode(DocumentModel):
    """A node of instackenv.json (C6)."""

    name: str
    pm_type: Literal["ipmi"]
    pm_addr: IPv4Address
    pm_user: str
    pm_password: str
    ports: tuple[AnyMapping, ...]
    capabilities: Capabilities
    arch: str | None = None
    cpu: str | None = None
    disk: str | None = None
    memory: str | None = None
    pm_port: str | None = None

    @property
    def capability(self) -> dict[str, str]:
        """The capabilities, name → value."""
        return dict(pair.split(":") for pair in self.capabilities.split(","))


class SubnetData(DocumentModel):
    """A subnet of network data (O1)."""

    ip_subnet: str
    allocation_pools: tuple[AnyMapping, ...]
    vlan: VlanId
    gateway_ip: str | None = None
    routes: tuple[AnyMapping, ...] | None = None
    physical_network: str | None = None


class NetworkData(DocumentModel):
    """A network of network data (O1)."""

    name: str
    name_lower: str
    vip: bool = False
    mtu: int = 1500
    dns_domain: str | None = None
    service_net_map_replace: str | None = None
    admin_state_up: bool | None = None
    shared: bool | None = None
    subnets: Annotated[Mapping[str, SubnetData], Kind("a mapping of subnets by their names")]


class VipData(DocumentModel):
    """A virtual address of VIP data (O1). TripleO has no schema for it."""

    network: str
    name: str | None = None
    dns_name: str | None = None
    ip_address: str | None = None
    subnet: str | None = None


class RoleNetwork(DocumentModel):
    """A network of a role (O1)."""

    subnet: str


class RoleData(DocumentModel):
    """A role of roles data (O1). Rendering ignores unknown keys, and the role then lacks what they should set."""

    name: str
    description: str = ""
    count_default: int = Field(default=0, alias="CountDefault")
    hostname_format_default: str = Field(default="", alias="HostnameFormatDefault")
    services_default: tuple[str, ...] = Field(alias="ServicesDefault")
    role_parameters_default: AnyMapping = Field(default={}, alias="RoleParametersDefault")
    tags: tuple[str, ...] = ()
    networks: Annotated[Mapping[str, RoleNetwork], Kind("a mapping of networks by their names")]
    networks_skip_config: tuple[str, ...] = ()
    default_route_networks: tuple[str, ...] = ()
    disable_constraints: bool = False
    disable_upgrade_deployment: bool = False
    upgrade_batch_size: int = 1
    update_serial: int = 1


class NodeNetwork(DocumentModel):
    """A network of a node or of all nodes of a role (O1)."""

    network: str
    subnet: str | None = None
    vif: bool = False
    fixed_ip: str | None = None
    port: str | None = None


class NetworkConfig(DocumentModel):
    """The NIC template of a role or an instance (O1, O2)."""

    template: str
    default_route_network: tuple[str, ...] = ()
    network_config_update: bool | None = None
    net_config_data_lookup: AnyMapping | None = None


class NodeDefaults(DocumentModel):
    """What all nodes of a role have in common (O1)."""

    image: AnyMapping | None = None
    profile: str | None = None
    networks: tuple[NodeNetwork, ...] = ()
    network_config: NetworkConfig


class NodeInstance(DocumentModel):
    """One node of a role (O1)."""

    hostname: str
    name: str
    networks: tuple[NodeNetwork, ...] = ()
    provisioned: bool = True
    managed: bool = True
    image: AnyMapping | None = None
    profile: str | None = None
    network_config: NetworkConfig | None = None
    config_drive: AnyMapping | None = None


class NodeGroup(DocumentModel):
    """The nodes of one role in node-info (O1)."""

    name: str
    count: int
    hostname_format: str
    defaults: NodeDefaults
    instances: tuple[NodeInstance, ...]


class ImageEntry(DocumentModel):
    """An entry of ContainerImagePrepare (C3). Without `includes`, for example misspelt, it applies to every image."""

    push_destination: bool | str
    image_set: AnyMapping = Field(alias="set")
    tag_from_label: str | None = None
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    modify_role: Literal["tripleo-modify-image"] | None = None
    modify_vars: AnyMapping = {}
    modify_append_tag: str | None = None
    modify_only_with_labels: tuple[str, ...] = ()
    modify_only_with_source: tuple[str, ...] = ()
    pull_source: str | None = None
    multi_arch: bool = False


class PassthroughDevice(DocumentModel):
    """A device of NovaPCIPassthrough (O4). The type of the parameter is JSON, so Heat accepts any content."""

    devname: str | None = None
    physical_network: str | None = None
    vendor_id: HexId | None = None
    product_id: HexId | None = None
    address: Any = None
    trusted: str | None = None


class PciAlias(DocumentModel):
    """A PCI alias of nova (O4), with the keys of nova's own schema."""

    name: str
    vendor_id: HexId
    product_id: HexId
    device_type: Literal["type-PCI", "type-PF", "type-VF"]
    capability_type: Literal["pci"] | None = None
    numa_policy: Literal["required", "preferred", "legacy", "socket"] | None = None


class HeatEnvironment(DocumentModel):
    """A Heat environment file (O3, O4)."""

    resource_registry: AnyMapping = {}
    parameter_defaults: AnyMapping = {}
