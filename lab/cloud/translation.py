"""Translate the files of `openstack overcloud deploy` to settings of the lab's nova and neutron.

Names, types and defaults are those of tripleo-heat-templates 14.3.0 (`deployment/neutron/neutron-plugin-ml2.yaml`,
`neutron-base.yaml`, `neutron-api-container-puppet.yaml`, `neutron-plugin-ml2-mlnx-sdn-assist-container-puppet.yaml`,
`neutron-mlnx-agent-container-puppet.yaml`, `nova/nova-compute-container-puppet.yaml`); MlnxSDNToken was
added to stable/wallaby later and has no default either. Options that TripleO would not set are not set here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.cloud import heat, puppet
from lab.cloud.expansion import expand
from lab.cloud.heat import Environment, Parameters
from lab.process import LabError

SERVICES = "OS::TripleO::Services::"
NONE = "OS::Heat::None"

STACK = "overcloud"
"""The stack's name if `--stack` is omitted."""

OFF_BY_DEFAULT = frozenset(
    (
        "ComputeNeutronOvsAgent",
        "NeutronDhcpAgent",
        "NeutronL3Agent",
        "NeutronMetadataAgent",
        "NeutronMlnxAgent",
        "NeutronOvsAgent",
    )
)
"""Services that are OS::Heat::None until an environment file says otherwise (overcloud-resource-registry-puppet)."""

GONE_FILTERS = frozenset(("AvailabilityZoneFilter",))
"""Scheduler filters of Wallaby that 2024.1 does not have: placement always does their work."""

Ini = Mapping[str, Mapping[str, str | int | bool | Sequence[str]]]


@dataclass(frozen=True)
class DeployFiles:
    """The files in the command line of `openstack overcloud deploy`, as paths on this machine."""

    templates: Path
    roles: Path
    networks: Path
    vips: Path
    baremetal: Path
    environments: Sequence[Path]
    """In the order of the command line; stock files of `templates` among them."""


@dataclass(frozen=True)
class ComputeHardware:
    """The hardware of one compute as its firmware shows it to Linux; nova's virt driver reports it."""

    node: str
    """The plan's name of the node, e.g. "compute-1", which is also its name in the fabric."""
    vfs: int
    """Number of virtual functions of the ConnectX-6; 0 if SR-IOV is off."""
    gpus: int = 8
    gpu_ids: tuple[str, str] = ("10de", "20f1")
    """PCI vendor and product, hexadecimal."""
    gpu_type: str = "type-PF"
    """Nova's type of the GPU. An A100 has the SR-IOV capability, so nova's libvirt driver records it as type-PF,
    whatever the alias says."""
    pf_ids: tuple[str, str] = ("15b3", "101b")
    vf_ids: tuple[str, str] = ("15b3", "101c")
    pf_name: str = "ib2"
    """The network interface of the ConnectX-6's port 1."""
    cells: int = 2
    """Number of NUMA cells. The GPUs are distributed over them; the ConnectX-6 is on the last one."""
    threads: int = 32
    """CPU threads of one cell, numbered cell by cell."""
    memory_mib: int = 512 * 1024
    """Memory of one cell in MiB."""


@dataclass(frozen=True)
class Agent:
    """A neutron agent that TripleO would run on a host."""

    host: str
    type: str
    binary: str
    topic: str
    configurations: Mapping[str, Any]


@dataclass(frozen=True)
class Compute:
    """The settings of nova-compute on one host."""

    host: str
    """Fully qualified."""
    aliases: tuple[str, ...]
    """[pci] alias, JSON."""
    device_specs: tuple[str, ...]
    """[pci] device_spec, JSON."""
    dedicated: str
    """[compute] cpu_dedicated_set; empty: not set."""
    shared: str
    reserved_mib: int


@dataclass(frozen=True)
class Overcloud:
    """The settings of nova and neutron of the deployed cloud."""

    controllers: tuple[str, ...]
    """Hosts that run neutron's API, fully qualified."""
    computes: tuple[Compute, ...]
    ml2: Ini
    """ml2_conf.ini."""
    authorities: Mapping[str, str]
    """Additional certificate authorities of the nodes: name → PEM."""
    neutron: Mapping[str, str | int | bool]
    """[DEFAULT] of neutron.conf."""
    agents: tuple[Agent, ...]
    aliases: tuple[str, ...]
    """[pci] alias of nova's API and scheduler, JSON."""
    enabled_filters: tuple[str, ...]
    """Empty: nova's own default."""
    available_filters: tuple[str, ...]
    notes: tuple[str, ...]
    """Remarks for the operator, one line each."""


@dataclass(frozen=True)
class _Role:
    """A role of roles_data with its hosts of node-info."""

    name: str
    services: frozenset[str]
    """The services that run: in the role's list, and not mapped to OS::Heat::None by the registry."""
    hosts: tuple[str, ...]


def translate(files: DeployFiles, hardware: Mapping[str, ComputeHardware]) -> Overcloud:
    """Read the files as TripleO does.

    Raises:
        LabError: a file or parameter is missing or has the wrong type; a host is no node of the rack.
    """
    environment = heat.merge(files.environments)
    parameters = Parameters(environment.parameters)
    roles = _roles(files, environment, parameters.text("CloudDomain", "localdomain"))
    parameters.words("DnsServers", [])  # resolv.conf of the hosts, which does not affect nova and neutron
    heat.maps(heat.load(files.vips), str(files.vips))
    controllers = tuple(_hosts(roles, "NeutronApi"))
    notes: list[str] = []
    enabled = parameters.words("NovaSchedulerEnabledFilters", [])
    for name in sorted(GONE_FILTERS & set(enabled)):
        notes.append(f"nova 2024.1 has no {name}: placement does its work")
    return Overcloud(
        controllers=controllers,
        computes=tuple(_computes(roles, environment, hardware)),
        ml2=_ml2(environment, parameters, roles),
        authorities=puppet.authorities(parameters.map("CAMap")),
        neutron=_neutron(parameters, roles, files.networks),
        agents=tuple(_agents(roles, environment, hardware, notes)),
        aliases=_controller_aliases(roles, environment),
        enabled_filters=tuple(name for name in enabled if name not in GONE_FILTERS),
        available_filters=parameters.words("NovaSchedulerAvailableFilters", []),
        notes=tuple(notes),
    )


# ---------------------------------------------------------------------------------------------------- roles and hosts


def _roles(files: DeployFiles, environment: Environment, domain: str) -> list[_Role]:
    services = {
        role.get("name"): frozenset(role.get("ServicesDefault") or ())
        for role in heat.maps(heat.load(files.roles), str(files.roles))
    }
    groups = heat.maps(heat.load(files.baremetal), str(files.baremetal))
    instances = [instance for instance in expand(groups, STACK) if instance.provisioned]
    found = []
    for name in (str(group["name"]) for group in groups):
        if name not in services:
            raise LabError(f"{files.baremetal}: role {name} is not in {files.roles}")
        found.append(
            _Role(
                name,
                frozenset(s for s in _short(services[name]) if _runs(s, environment.registry)),
                tuple(f"{instance.hostname}.{domain}" for instance in instances if instance.role == name),
            )
        )
    for needed in ("NeutronApi", "NovaApi", "NovaCompute"):
        if not list(_hosts(found, needed)):
            raise LabError(f"No host of {files.baremetal} has a role with {SERVICES}{needed}")
    return found


def _short(services: frozenset[str]) -> Iterator[str]:
    return (service.removeprefix(SERVICES) for service in services)


def _runs(service: str, registry: Mapping[str, Any]) -> bool:
    return bool(registry.get(SERVICES + service, NONE if service in OFF_BY_DEFAULT else service) != NONE)


def _hosts(roles: Sequence[_Role], service: str) -> Iterator[str]:
    return (host for role in roles if service in role.services for host in role.hosts)


# ------------------------------------------------------------------------------------------------------------ neutron


def _ml2(environment: Environment, p: Parameters, roles: Sequence[_Role]) -> Ini:
    drivers = p.words("NeutronMechanismDrivers", "ovn")
    if "ovn" in drivers:
        raise LabError("NeutronMechanismDrivers has ovn, and the lab has no OVN: use environments/services/neutron-ovs")
    sections: dict[str, Mapping[str, str | int | bool | Sequence[str]]] = {
        "ml2": {
            "type_drivers": _join(p.words("NeutronTypeDrivers", "geneve,vxlan,vlan,flat")),
            "tenant_network_types": _join(p.words("NeutronNetworkType", "geneve")),
            "mechanism_drivers": _join(drivers),
            "extension_drivers": _join(p.words("NeutronPluginExtensions", "qos,port_security,dns")),
            "path_mtu": 0,
            "overlay_ip_version": 4,
        },
        "ml2_type_flat": {"flat_networks": _join(p.words("NeutronFlatNetworks", "datacentre"))},
        "ml2_type_vlan": {"network_vlan_ranges": _join(p.words("NeutronNetworkVLANRanges", "datacentre:1:1000"))},
        "ml2_type_vxlan": {"vni_ranges": _join(p.words("NeutronVniRanges", ["1:65536"])), "vxlan_group": "224.0.0.1"},
        "ml2_type_gre": {"tunnel_id_ranges": _join(p.words("NeutronTunnelIdRanges", ["1:4094"]))},
        "ml2_type_geneve": {"vni_ranges": _join(p.words("NeutronVniRanges", ["1:65536"])), "max_header_size": 38},
        "securitygroup": {"enable_security_group": True},
    }
    if _sdn_assist(environment.registry):
        sections["sdn"] = _sdn(p)
    api = next(role.name for role in roles if "NeutronApi" in role.services and role.hosts)
    for section, options in puppet.ml2_options(environment.hieradata(api)).items():
        sections[section] = {**sections.get(section, {}), **options}
    return sections


def _sdn_assist(registry: Mapping[str, Any]) -> bool:
    """Return whether the registry maps NeutronCorePlugin to the template that configures [sdn]."""
    target = str(registry.get(SERVICES + "NeutronCorePlugin"))
    return target == SERVICES + "NeutronCorePluginMLNXSDN" or "neutron-plugin-ml2-mlnx-sdn-assist" in target


def _sdn(p: Parameters) -> dict[str, str | int | bool]:
    for name in ("MlnxSDNUsername", "MlnxSDNPassword"):
        p.text(name)  # the template has no default for them, although the driver does not use them (guide step O3)
    section: dict[str, str | int | bool] = {
        "url": p.text("MlnxSDNUrl"),
        "domain": p.text("MlnxSDNDomain", "cloudx"),
        "token": p.text("MlnxSDNToken"),
        "sync_enabled": p.flag("MlnxSDNSyncEnabled", True),
    }
    if p.flag("MultiInterfaceEnabled", False):
        section["bind_normal_ports"] = True
        section["bind_normal_ports_physnets"] = p.text("BindNormalPortsPhysnet", "datacentre")
    return section


def _neutron(p: Parameters, roles: Sequence[_Role], networks: Path) -> dict[str, str | int | bool]:
    dhcp = p.number("NeutronDhcpAgentsPerNetwork", 0) or len(list(_hosts(roles, "NeutronDhcpAgent")))
    l3_ha = p.text("NeutronL3HA", "")
    several = len(list(_hosts(roles, "NeutronL3Agent"))) > 1 and not p.flag("NeutronEnableDVR", False)
    return {
        "service_plugins": _join(p.words("NeutronServicePlugins", "qos,ovn-router,trunk,segments,port_forwarding,log")),
        "dns_domain": p.text("NeutronDnsDomain", "openstacklocal"),
        "global_physnet_mtu": p.number("NeutronGlobalPhysnetMtu", 0) or _tenant_mtu(networks),
        "dhcp_agents_per_network": max(dhcp, 1),
        # tripleo::profile::base::neutron::server enables it with several controllers (guide step X2 uses --no-ha)
        "l3_ha": Parameters({"NeutronL3HA": l3_ha}).flag("NeutronL3HA") if l3_ha else several,
    }


def _tenant_mtu(networks: Path) -> int:
    """Return TripleO's TenantNetPhysnetMtu: the MTU of network data's Tenant network in bytes."""
    for network in heat.maps(heat.load(networks), str(networks)):
        if network.get("name") == "Tenant":
            return Parameters(network).number("mtu", 1500)
    return 1500


def _agents(
    roles: Sequence[_Role], environment: Environment, hardware: Mapping[str, ComputeHardware], notes: list[str]
) -> Iterator[Agent]:
    for role in roles:
        p = environment.role(role.name)
        for host in role.hosts:
            if "NeutronDhcpAgent" in role.services:
                yield Agent(host, "DHCP agent", "neutron-dhcp-agent", "dhcp_agent", {"log_agent_heartbeats": False})
            if "NeutronL3Agent" in role.services:
                yield Agent(host, "L3 agent", "neutron-l3-agent", "l3_agent", _L3)
            if "NeutronMetadataAgent" in role.services:
                yield Agent(host, "Metadata agent", "neutron-metadata-agent", "N/A", {"log_agent_heartbeats": False})
            if role.services & {"NeutronOvsAgent", "ComputeNeutronOvsAgent"}:
                bridges = mappings(p, "NeutronBridgeMappings", "datacentre:br-ex")
                yield Agent(host, "Open vSwitch agent", "neutron-openvswitch-agent", "N/A", _ovs(bridges, p))
            if "NeutronMlnxAgent" in role.services:
                devices = mappings(p, "NeutronPhysicalDevMappings", "")
                yield from _mlnx_agent(host, devices, hardware.get(host), notes)


_L3 = {"agent_mode": "legacy", "handle_internal_only_routers": True, "interface_driver": "multi", "ex_gw_ports": 0}


def _ovs(bridges: Mapping[str, str], p: Parameters) -> dict[str, Any]:
    return {
        "bridge_mappings": bridges,
        "tunnel_types": list(p.words("NeutronTunnelTypes", "vxlan")),
        "tunneling_ip": "127.0.0.1",
        "datapath_type": "system",
        "ovs_hybrid_plug": False,
    }


def _mlnx_agent(
    host: str, devices: Mapping[str, str], hardware: ComputeHardware | None, notes: list[str]
) -> Iterator[Agent]:
    """Yield the Mellanox agent, which does not start if a mapped device is missing: eswitchd refuses the mapping."""
    absent = sorted(set(devices.values()) - ({hardware.pf_name} if hardware else set()))
    if absent:
        notes.append(f"{host}: neutron-mlnx-agent does not start, NeutronPhysicalDevMappings names {absent[0]}")
        return
    yield Agent(host, "Mellanox plugin agent", "neutron-mlnx-agent", "N/A", {"interface_mappings": dict(devices)})


def mappings(p: Parameters, name: str, default: str) -> dict[str, str]:
    """Return the items `physical network:device` as a map."""
    found: dict[str, str] = {}
    for word in p.words(name, default):
        network, colon, device = word.partition(":")
        if not (network and colon and device) or network in found:
            raise LabError(f"Parameter '{name}' is invalid: Invalid mapping: '{word}'")
        found[network] = device
    return found


# --------------------------------------------------------------------------------------------------------------- nova


def _computes(
    roles: Sequence[_Role], environment: Environment, hardware: Mapping[str, ComputeHardware]
) -> Iterator[Compute]:
    for role in roles:
        if "NovaCompute" not in role.services:
            continue
        p = environment.role(role.name)
        for host in role.hosts:
            if host not in hardware:
                raise LabError(f"{host}: no node of the rack has this name; there are {', '.join(sorted(hardware))}")
            yield Compute(
                host,
                aliases=aliases(environment, role.name),
                device_specs=_json(p.maps("NovaPCIPassthrough")),
                dedicated=_join(p.words("NovaComputeCpuDedicatedSet", [])),
                shared=_join(p.words("NovaComputeCpuSharedSet", [])),
                reserved_mib=p.number("NovaReservedHostMemory", 4096, least=512),
            )


def _controller_aliases(roles: Sequence[_Role], environment: Environment) -> tuple[str, ...]:
    return next(aliases(environment, role.name) for role in roles if "NovaApi" in role.services and role.hosts)


def aliases(environment: Environment, role: str) -> tuple[str, ...]:
    """Return `nova::pci::aliases` of a role's hieradata, each as JSON, as puppet-nova writes [pci] alias."""
    value = environment.hieradata(role).get("nova::pci::aliases") or []
    if isinstance(value, str):
        value = json.loads(value)
    return _json(heat.maps(value, f"nova::pci::aliases of {role}ExtraConfig"))


def _json(items: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(json.dumps(item, sort_keys=True) for item in items)


def _join(words: Sequence[str]) -> str:
    return ",".join(words)
