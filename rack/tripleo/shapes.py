"""The documents' shapes, as strict as the site's: what TripleO's tools would pass over in silence is an unknown key.

Of tripleo-heat-templates 14.3.0 and tripleo-ansible; only what this rack uses, so that a key more is told. Addresses
and ranges are left to the real tools (`rack.wallaby`).
"""

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rack.site.names import HexId, Kind, Text

Free = Annotated[dict[str, Any], Kind("a mapping")]
"""What TripleO hands on as it is."""
Capabilities = Annotated[
    str, Text("capabilities like 'profile:control,boot_option:local'", r"\w+:[\w.-]+(,\w+:[\w.-]+)*")
]
PKey = Annotated[int, Field(ge=1, le=0x7FFE)]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class IpmiNode(Shape):
    """A node of instackenv.json (C6)."""

    name: str
    pm_type: Literal["ipmi"]
    pm_addr: IPv4Address
    pm_user: str
    pm_password: str
    ports: tuple[Free, ...]
    capabilities: Capabilities
    arch: str | None = None
    cpu: str | None = None
    disk: str | None = None
    memory: str | None = None
    pm_port: str | None = None

    @property
    def capability(self) -> dict[str, str]:
        return dict(pair.split(":", 1) for pair in self.capabilities.split(","))


class Subnet(Shape):
    ip_subnet: str
    allocation_pools: tuple[Free, ...]
    vlan: PKey
    gateway_ip: str | None = None
    routes: tuple[Free, ...] | None = None
    physical_network: str | None = None


class Network(Shape):
    """An entry of network data (O1)."""

    name: str
    name_lower: str
    vip: bool = False
    mtu: int = 1500
    dns_domain: str | None = None
    service_net_map_replace: str | None = None
    admin_state_up: bool | None = None
    shared: bool | None = None
    subnets: Annotated[Mapping[str, Subnet], Kind("a mapping of subnets by their names")]


class Vip(Shape):
    """An entry of vip data (O1): TripleO has no schema for it."""

    network: str
    name: str | None = None
    dns_name: str | None = None
    ip_address: str | None = None
    subnet: str | None = None


class RoleNetwork(Shape):
    subnet: str


class Role(Shape):
    """A role of roles data (O1); rendering passes over unknown keys, and the role loses what they were meant for."""

    name: str
    description: str = ""
    count_default: int = Field(default=0, alias="CountDefault")
    hostname_format_default: str = Field(default="", alias="HostnameFormatDefault")
    services_default: tuple[str, ...] = Field(alias="ServicesDefault")
    role_parameters_default: Free = Field(default={}, alias="RoleParametersDefault")
    tags: tuple[str, ...] = ()
    networks: Annotated[Mapping[str, RoleNetwork], Kind("a mapping of networks by their names")]
    networks_skip_config: tuple[str, ...] = ()
    default_route_networks: tuple[str, ...] = ()
    disable_constraints: bool = False
    disable_upgrade_deployment: bool = False
    upgrade_batch_size: int = 1
    update_serial: int = 1


class OnNetwork(Shape):
    network: str
    subnet: str | None = None
    vif: bool = False
    fixed_ip: str | None = None
    port: str | None = None


class NetworkConfig(Shape):
    template: str
    default_route_network: tuple[str, ...] = ()
    network_config_update: bool | None = None
    net_config_data_lookup: Free | None = None


class Defaults(Shape):
    image: Free | None = None
    profile: str | None = None
    networks: tuple[OnNetwork, ...] = ()
    network_config: NetworkConfig


class Instance(Shape):
    hostname: str
    name: str
    networks: tuple[OnNetwork, ...] = ()
    provisioned: bool = True
    managed: bool = True
    image: Free | None = None
    profile: str | None = None
    network_config: NetworkConfig | None = None
    config_drive: Free | None = None


class NodeGroup(Shape):
    """A role of node-info (O1)."""

    name: str
    count: int
    hostname_format: str
    defaults: Defaults
    instances: tuple[Instance, ...]


class ImageEntry(Shape):
    """An entry of ContainerImagePrepare (C3): a misspelt `includes` sends every image to the entry."""

    push_destination: bool | str
    image_set: Free = Field(alias="set")
    tag_from_label: str | None = None
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    modify_role: Literal["tripleo-modify-image"] | None = None
    modify_vars: Free = {}
    modify_append_tag: str | None = None
    modify_only_with_labels: tuple[str, ...] = ()
    modify_only_with_source: tuple[str, ...] = ()
    pull_source: str | None = None
    multi_arch: bool = False


class Passthrough(Shape):
    """A device of NovaPCIPassthrough (O4): the parameter is JSON, so Heat takes anything."""

    devname: str | None = None
    physical_network: str | None = None
    vendor_id: HexId | None = None
    product_id: HexId | None = None
    address: Any = None
    trusted: str | None = None


class Alias(Shape):
    """An alias of nova (O4), after nova's own schema."""

    name: str
    vendor_id: HexId
    product_id: HexId
    device_type: Literal["type-PCI", "type-PF", "type-VF"]
    capability_type: Literal["pci"] | None = None
    numa_policy: Literal["required", "preferred", "legacy", "socket"] | None = None


class Environment(Shape):
    """An environment file of Heat (O3, O4)."""

    resource_registry: Free = {}
    parameter_defaults: Free = {}
