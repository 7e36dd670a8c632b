"""Deployment files of the overcloud: networks, VIPs, roles, nodes, NICs (O1, O2), SDN (O3) and environment (O4)."""

import json
import re
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import yaml

from rack.plan import DEPLOY_FOLDER, HOSTNAMES, PROFILES, Plan
from rack.site import Role
from rack.tripleo.header import headed

SERVICES = "OS::TripleO::Services::"

UFM_CA = "rack-ufm"
"""Name of UFM's certificate authority in CAMap."""
UFM_CA_FILE = f"/etc/pki/ca-trust/source/anchors/{UFM_CA}.pem"
"""Where TripleO writes it. neutron_api mounts the folder, so a new authority needs no restart."""
SYSTEM_CAS = "/etc/pki/tls/certs/ca-bundle.crt"
"""The system's authorities, mounted in neutron_api too."""
ML2_CONFIG = "neutron::config::plugin_ml2_config"
"""Puppet's key for options of ml2_conf.ini that its modules do not know."""
ML2_FILE = "/var/lib/config-data/puppet-generated/neutron/etc/neutron/plugins/ml2/ml2_conf.ini"
"""ml2_conf.ini on the controllers, from where the container neutron_api has it."""


def lower(network: str) -> str:
    """Return TripleO's `name_lower` of a network: InternalApi → internal_api."""
    return re.sub(r"(?<=.)([A-Z])", r"_\1", network).lower()


class _Dumper(yaml.SafeDumper):
    """Writes a list that occurs twice in full, not as an alias like `*id001`, which is hard to review."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    """Write a text of several lines as a block."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _dump(document: Any) -> str:
    return str(yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=120))


# One deployment renders each document several times, and most of them do not depend on what differs: the ports, UFM's
# authority. PyYAML takes 20 ms for the roles.
@lru_cache(maxsize=64)
def _dumped(json_text: str) -> str:
    return _dump(json.loads(json_text))


def _document(plan: Plan, step: str, document: Any) -> str:
    return headed(plan, step, _dumped(json.dumps(document)))


def network_data(plan: Plan) -> str:
    """Return `network_data_ib_vm.yaml` (O1). Wallaby has no PKey field: `vlan` is the network's PKey in decimal."""
    n = plan.site.networks
    documents: list[dict[str, Any]] = [
        _network(name, net.mtu, net.cidr, net.pool, net.vlan) for name, net in sorted(n.control.items())
    ]
    external = _network("External", n.external.mtu, n.external.cidr, n.external.pool, n.external.vlan)
    external["subnets"]["external_subnet"]["gateway_ip"] = str(n.external.gateway)
    return _document(plan, "O1", [*documents, external])


def _network(name: str, mtu: int, cidr: object, pool: Any, vlan: int) -> dict[str, Any]:
    return {
        "name": name,
        "name_lower": lower(name),
        "vip": True,
        "mtu": mtu,
        "subnets": {
            f"{lower(name)}_subnet": {
                "ip_subnet": str(cidr),
                "allocation_pools": [{"start": str(pool.start), "end": str(pool.end)}],
                "vlan": vlan,
            }
        },
    }


def vip_data(plan: Plan) -> str:
    """Return `vip-data-ib-vm.yaml` (O1): a virtual address on every network that controllers are on."""
    networks = [*(lower(name) for name in sorted(plan.site.networks.control)), "external", "ctlplane"]
    return _document(plan, "O1", [{"network": name, "dns_name": plan.site.cloud.name} for name in networks])


def role_networks(plan: Plan, role: Role) -> list[str]:
    """Return the names of the role's networks.

    Controllers are on every network. Computes are not on External and StorageMgmt, as in TripleO's own roles.
    """
    control = sorted(plan.site.networks.control)
    return [*control, "External"] if role == Role.CONTROLLER else [n for n in control if n != "StorageMgmt"]


def roles_data(plan: Plan) -> str:
    """Return `roles_data_ib_vm.yaml` (O1): TripleO's roles Controller and ComputeSriovIB on this rack's networks."""
    return _document(plan, "O1", roles(plan))


def roles(plan: Plan) -> list[dict[str, Any]]:
    """Return the content of roles_data: one entry per role."""
    return [_role(plan, Role(role["name"]), role) for role in _stock_roles()]


@cache
def _stock_roles() -> list[dict[str, Any]]:
    roles: list[dict[str, Any]] = yaml.safe_load(files(__package__).joinpath("roles.yaml").read_text())
    return roles


def _role(plan: Plan, name: Role, role: dict[str, Any]) -> dict[str, Any]:
    head: dict[str, Any] = {
        "name": str(name),
        "description": role["description"],
        "CountDefault": len(plan.role(name)),
        "tags": role["tags"],
        "networks": {n: {"subnet": f"{lower(n)}_subnet"} for n in role_networks(plan, name)},
        "HostnameFormatDefault": f"%stackname%-{HOSTNAMES[name]}-%index%",
        "update_serial": role["update_serial"],
    }
    if name == Role.CONTROLLER:
        head["default_route_networks"] = ["External"]
    head["ServicesDefault"] = [SERVICES + service for service in role["services"]]
    return head


def node_info(plan: Plan) -> str:
    """Return `node-info-ib-vm.yaml` (O1): the host name and the fixed ctlplane address of each node.

    Each instance has a `hostname`. Without it, TripleO would use the inventory name, and the availability zone
    `nova:overcloud-computesriov-ib-0.localdomain` of T5 would not exist.
    """
    return _document(plan, "O1", node_groups(plan))


def node_groups(plan: Plan) -> list[dict[str, Any]]:
    """Return the content of node-info: one group per role that has nodes."""
    return [_node_group(plan, role) for role in Role if plan.role(role)]


def _node_group(plan: Plan, role: Role) -> dict[str, Any]:
    networks = [{"network": lower(n), "subnet": f"{lower(n)}_subnet"} for n in role_networks(plan, role)]
    template = "controller" if role == Role.CONTROLLER else "compute"
    network_config: dict[str, Any] = {"template": f"{DEPLOY_FOLDER}/{template}-ib-vm-nics.j2"}
    if role == Role.CONTROLLER:
        network_config["default_route_network"] = ["external"]
    return {
        "name": str(role),
        "count": len(plan.role(role)),
        "hostname_format": f"%stackname%-{HOSTNAMES[role]}-%index%",
        "defaults": {"profile": PROFILES[role], "networks": networks, "network_config": network_config},
        "instances": [
            {
                "hostname": host.short_hostname,
                "name": host.name,
                "networks": [{"network": "ctlplane", "vif": True, "fixed_ip": str(host.address)}, *networks],
            }
            for host in plan.role(role)
        ],
    }


CTLPLANE = """\
- type: interface
  name: {interface}
  mtu: {{{{ ctlplane_mtu }}}}
  use_dhcp: false
  dns_servers: {{{{ ctlplane_dns_nameservers }}}}
  domain: {{{{ dns_search_domains }}}}
  addresses:
  - ip_netmask: {{{{ ctlplane_ip }}}}/{{{{ ctlplane_subnet_cidr }}}}
  routes: {routes}
"""

EXTERNAL = """\
- type: ovs_bridge
  name: {{{{ neutron_physical_bridge_name }}}}
  dns_servers: {{{{ ctlplane_dns_nameservers }}}}
  use_dhcp: false
  mtu: {{{{ external_mtu }}}}
  addresses:
  - ip_netmask: {{{{ external_ip }}}}/{{{{ external_cidr }}}}
  routes: {{{{ [external_host_routes] | flatten | unique }}}}
  members:
  - type: interface
    name: {interface}
    mtu: {{{{ external_mtu }}}}
    primary: true
"""

# The parent has no address, but must be listed: os-net-config only brings up what is listed.
PARENT = """\
- type: ib_interface
  name: {interface}
  use_dhcp: false
"""

# On computes the parent is the PF whose VFs instances use (H2); nothing else in Wallaby creates the VFs. It is not
# listed as an ib_interface too: os-net-config would write its ifcfg file twice and restart the link at every run.
PARENT_WITH_VFS = """\
- type: sriov_pf
  name: {interface}
  numvfs: {vfs}
  promisc: false
  use_dhcp: false
"""

# os-net-config rejects a pkey_id that is not a string.
CHILDREN = """\
{{% for network in role_networks if network not in ['External'] and network not in networks_skip_config | default([]) %}}
- type: ib_child_interface
  parent: {interface}
  pkey_id: "{{{{ lookup('vars', networks_lower[network] ~ '_vlan_id') }}}}"
  mtu: {{{{ lookup('vars', networks_lower[network] ~ '_mtu') }}}}
  use_dhcp: false
  addresses:
  - ip_netmask: {{{{ lookup('vars', networks_lower[network] ~ '_ip') }}}}/{{{{ lookup('vars', networks_lower[network] ~ '_cidr') }}}}
  routes: {{{{ lookup('vars', networks_lower[network] ~ '_host_routes') }}}}
{{% endfor %}}
"""  # noqa: E501


def _nics(plan: Plan, entries: list[str]) -> str:
    return headed(plan, "O2", "".join(["---\nnetwork_config:\n", *entries]))


def controller_nics(plan: Plan) -> str:
    """Return `controller-ib-vm-nics.j2` (O2): ctlplane on Ethernet, External on br-ex, PKey children.

    Raises:
        UnknownPortError: introspection has not found the IPoIB interface yet.
    """
    interface, networks = plan.interface, plan.site.networks
    return _nics(
        plan,
        [
            CTLPLANE.format(interface=networks.provisioning.interface, routes="{{ ctlplane_host_routes }}"),
            EXTERNAL.format(interface=networks.external.interface),
            PARENT.format(interface=interface),
            CHILDREN.format(interface=interface),
        ],
    )


def compute_nics(plan: Plan) -> str:
    """Return `compute-ib-vm-nics.j2` (O2): ctlplane on Ethernet with the default route, VFs, PKey children.

    Raises:
        UnknownPortError: introspection has not found the IPoIB interface yet.
    """
    interface, vfs = plan.interface, plan.site.compute.vfs
    routes = "{{ [ctlplane_host_routes, [{'default': true, 'next_hop': ctlplane_gateway_ip}]] | flatten | unique }}"
    return _nics(
        plan,
        [
            CTLPLANE.format(interface=plan.site.networks.provisioning.interface, routes=routes),
            PARENT_WITH_VFS.format(interface=interface, vfs=vfs),
            CHILDREN.format(interface=interface),
        ],
    )


def containers_prepare(plan: Plan) -> str:
    """Return `containers-prepare-parameter-ib-vm.yaml` (C3): four images are rebuilt with python3-networking-mlnx."""
    return _document(plan, "C3", container_environment(plan))


def container_environment(plan: Plan) -> dict[str, Any]:
    """Return the content of containers-prepare-parameter.

    The third entry of the guide has `name_prefix: openstack` without a hyphen, which gives the image name
    `openstackneutron-mlnx-agent`. Here all three entries have the hyphen.
    """
    cloud = plan.site.undercloud
    tag = cloud.container_tag or cloud.software.container_tag
    # A registry of the site may contain no other tag than the configured one, so no label is looked up.
    label = {} if cloud.container_tag else {"tag_from_label": cloud.software.tag_label}
    rebuilt = ["nova-compute", "neutron-server", "neutron-dhcp-agent", "neutron-l3-agent"]

    def image_set(namespace: str) -> dict[str, Any]:
        return {"namespace": namespace, "name_prefix": "openstack-", "name_suffix": "", "tag": tag}

    entries: list[dict[str, Any]] = [
        {
            "push_destination": True,
            "excludes": ["nova-compute", "neutron-server", "neutron-dhcp", "neutron-l3", "neutron-mlnx"],
            "set": {**image_set(cloud.namespace), "neutron_driver": None},
            **label,
        },
        {
            "push_destination": True,
            "set": {**image_set(cloud.namespace), "rhel_containers": "false"},
            "includes": rebuilt,
            "modify_role": "tripleo-modify-image",
            "modify_append_tag": "-updated",
            "modify_vars": {
                "tasks_from": "yum_install.yml",
                "yum_repos_dir_path": "/etc/yum.repos.d",
                "yum_packages": ["python3-networking-mlnx"],
            },
        },
        {
            "push_destination": True,
            "set": {**image_set(cloud.mlnx_container_namespace or cloud.namespace), "rhel_containers": "false"},
            "includes": ["neutron-mlnx-agent"],
        },
    ]
    return {"parameter_defaults": {"ContainerImagePrepare": entries}}


def registry_login(plan: Plan, password: str) -> str:
    """Return `containers-registry-ib-vm.yaml` (C3): the login at the container registry. The text is secret.

    The undercloud installation and the deployment use it to download images. Nodes need no login: they pull from the
    undercloud.
    """
    content, digest_of = (_dump(registry_environment(plan, secret)) for secret in (password, ""))
    return headed(plan, "C3", content, digest_of)


def registry_environment(plan: Plan, password: str) -> dict[str, Any]:
    """Return the content of containers-registry."""
    cloud = plan.site.undercloud
    credentials = {cloud.registry_host: {cloud.registry.user: password}}
    return {"parameter_defaults": {"ContainerImageRegistryCredentials": credentials}}


def ml2_sdn(plan: Plan, token: str) -> str:
    """Return `neutron-ml2-mlnx-sdn-vm.yaml` (O3): how Neutron's driver connects to UFM. The text is secret."""
    content, digest_of = (_dump(sdn_environment(plan, secret)) for secret in (token, ""))
    return headed(plan, "O3", content, digest_of)


def sdn_environment(plan: Plan, token: str) -> dict[str, Any]:
    """Return the content of neutron-ml2-mlnx-sdn."""
    ufm = plan.site.ufm
    return {
        "resource_registry": {f"{SERVICES}NeutronCorePlugin": f"{SERVICES}NeutronCorePluginMLNXSDN"},
        "parameter_defaults": {
            "MlnxSDNUrl": plan.sdn_url,
            # The nodes' /etc/hosts: the name in UFM's certificate need not be in the DNS.
            **({"ExtraHostFileEntries": [f"{ufm.address} {ufm.server_name}"]} if ufm.server_name else {}),
            "MlnxSDNUsername": "",
            "MlnxSDNPassword": "",
            "MlnxSDNToken": token,
            "MlnxSDNDomain": "cloudx",
            "MlnxSDNSyncEnabled": True,
            "MultiInterfaceEnabled": True,
            "BindNormalPortsPhysnet": plan.site.networks.tenant.physnet,
            "NeutronCorePlugin": "neutron.plugins.ml2.plugin.Ml2Plugin",
            # Both stock files before this one set an incomplete list; the last file takes precedence.
            "NeutronMechanismDrivers": ["mlnx_sdn_assist", "mlnx_infiniband", "openvswitch"],
        },
    }


def ib_env(plan: Plan) -> str:
    """Return `ib-env-vm.yaml` (O4, O6, T4): time, DNS, GPU alias, CPUs, passthrough, physical networks, ml2_conf.ini.

    Raises:
        UnknownPortError: introspection has not found the IPoIB interface yet.
    """
    return _document(plan, "O4", ib_environment(plan))


def ib_environment(plan: Plan) -> dict[str, Any]:
    """Return the content of ib-env.

    Raises:
        UnknownPortError: introspection has not found the IPoIB interface yet.
    """
    site, ib = plan.site, plan.interface
    physnet, (low, high) = site.networks.tenant.physnet, site.networks.tenant.vlans
    gpu = {"vendor_id": site.compute.gpu.vendor_id, "product_id": site.compute.gpu.product_id}
    alias = {"name": site.compute.gpu.alias, **gpu, "device_type": site.compute.gpu.device_type}
    # Both roles need the alias: nova-api and the scheduler check the flavor, nova-compute claims the device.
    aliases = {"nova::pci::aliases": [alias]}
    return {
        "parameter_defaults": {
            "NtpServer": list(site.networks.provisioning.ntp),
            "DnsServers": [str(a) for a in site.networks.provisioning.dns],
            "CloudDomain": site.cloud.domain,
            "TimeZone": site.cloud.timezone,
            "NeutronNetworkType": ["vlan"],
            "NeutronTypeDrivers": ["flat", "vlan"],
            "NeutronNetworkVLANRanges": ["datacentre:1:1000", f"{physnet}:{low}:{high}"],
            "NeutronFlatNetworks": ["datacentre"],
            "NeutronBridgeMappings": ["datacentre:br-ex"],
            "NeutronPhysicalDevMappings": [f"{physnet}:{ib}"],
            "MultiInterfaceDriverMappings": ["datacentre:openvswitch", f"{physnet}:ipoib"],
            "IPoIBPhysicalInterface": ib,
            "NeutronPluginExtensions": ["qos", "port_security"],
            "NovaSchedulerEnabledFilters": [
                "AvailabilityZoneFilter",
                "ComputeFilter",
                "ComputeCapabilitiesFilter",
                "ImagePropertiesFilter",
                "ServerGroupAntiAffinityFilter",
                "ServerGroupAffinityFilter",
                "PciPassthroughFilter",
                "NUMATopologyFilter",
                "AggregateInstanceExtraSpecsFilter",
            ],
            "ControllerExtraConfig": {**aliases, ML2_CONFIG: _ml2_options(plan)},
            "ComputeSriovIBExtraConfig": aliases,
            "ComputeSriovIBParameters": {
                "KernelArgs": site.compute.kernel_args,
                "TunedProfileName": "cpu-partitioning",
                "IsolCpusList": site.compute.dedicated_cpus,
                "NovaComputeCpuDedicatedSet": [site.compute.dedicated_cpus],
                "NovaComputeCpuSharedSet": [site.compute.shared_cpus],
                "NovaReservedHostMemory": site.compute.reserved_memory_mib,
                "NovaPCIPassthrough": [{"devname": ib, "physical_network": physnet}, gpu],
            },
            **({"CAMap": {UFM_CA: {"content": plan.ufm_ca}}} if plan.ufm_ca else {}),
        }
    }


def _ml2_options(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return the options of ml2_conf.ini that TripleO has no parameter for, as Puppet's resources.

    The guide edits the file by hand for two of them: the SDN driver is restricted to InfiniBand (O6), and DHCP answers
    guests that identify themselves by hardware address (T4). networking-mlnx verifies UFM's certificate by default in
    some releases only.
    """
    tenant = plan.site.networks.tenant
    options = {
        "sdn/physical_networks": tenant.physnet,
        "sdn/cert_verify": not plan.site.ufm.insecure,
        "sdn/cert_path": UFM_CA_FILE if plan.ufm_ca else SYSTEM_CAS,
        "mlnx/client_id_hardware": tenant.client_id_hardware,
    }
    return {option: {"value": value} for option, value in options.items()}
