"""Design rules: conditions across several keys of the configuration, which the models alone cannot check.

Each rule is a small unit with an ID, the guide's step, a statement and a check, in the module of its subject. To add
one, write it there and list it in `RULES`. `docs/configuration.md` has one line per rule.
"""

from contextlib import suppress
from dataclasses import replace

from rack.rules import (
    compute,
    firmware,
    hardware,
    images,
    networks,
    nodes,
    offline,
    pkeys,
    reserved,
    software,
    tenant,
    ufm,
)
from rack.rules.registry import Finding, Rule
from rack.site import Site

__all__ = ["RULES", "Finding", "Rule", "check"]

RULES: tuple[Rule, ...] = (
    reserved.cloud_named,
    reserved.image_names_free,
    reserved.ufm_folders_dedicated,
    reserved.tenant_network_named,
    networks.networks_apart,
    networks.ranges_inside,
    networks.provisioning_ranges,
    networks.addresses_unique,
    networks.control_networks,
    networks.ranges_large_enough,
    networks.public_network,
    networks.external_pools,
    networks.physnet_names,
    networks.servers_apart,
    networks.tenant_networks_large_enough,
    networks.entered_hosts_apart,
    networks.no_broadcast_addresses,
    networks.control_networks_isolated,
    networks.no_loopback,
    pkeys.control_pkeys,
    pkeys.pkeys_apart,
    pkeys.tenant_vlan,
    nodes.hosts_unique,
    nodes.controllers_odd,
    nodes.indexes_unique,
    nodes.hostnames_short,
    nodes.undercloud_named,
    nodes.switch_ports,
    nodes.switch_model,
    tenant.cpus_apart,
    images.images_unique,
    images.image_sources,
    images.elements_complete,
    images.ofed_recent,
    images.variables_used,
    images.repository_patterns,
    images.builder_used,
    images.variables_without_secrets,
    images.elements_exist,
    images.one_system,
    images.disk_holds_images,
    tenant.instances_placed,
    tenant.enough_vfs,
    firmware.firmware_parameters,
    compute.iommu_on,
    compute.gpu_device_type,
    tenant.instances_named,
    tenant.enough_cpus,
    hardware.numa_nodes,
    hardware.cpus_exist,
    hardware.gpu_beside_adapter,
    hardware.cpus_beside_gpu,
    hardware.enough_gpus,
    hardware.enough_memory,
    hardware.enough_disk,
    tenant.key_pair_source,
    tenant.login_possible,
    tenant.user_data_source,
    tenant.floating_ips,
    tenant.bandwidth_ends,
    tenant.bandwidth_images,
    ufm.images_pinned,
    ufm.dummy_address,
    ufm.archive_tags,
    ufm.ufm_folders,
    ufm.one_way_to_verify,
    ufm.docker_key,
    software.distribution_fits,
    software.registry_named,
    software.registry_chosen,
    software.registry_login,
    software.repositories_unique,
    software.release_package_used,
    reserved.interfaces_apart,
    reserved.ipmi_addresses_apart,
    reserved.stack_can_read,
    offline.packages_are_here,
    offline.containers_are_here,
    offline.disk_images_are_here,
    offline.guest_images_are_here,
    offline.ufm_is_here,
    offline.servers_are_here,
    offline.mirrors_are_here,
)
"""All rules, in the order of the findings and of the documentation. Rules that prevent a loss of data come first."""


def check(site: Site) -> list[Finding]:
    """Return every place that breaks a rule, in the order of the rules."""
    return [replace(found, rule=rule.id) for rule in RULES for found in rule.check(site)]


def check_partial(site: Site) -> list[Finding]:
    """Return what `check` finds without the unknown values of a partial site (`rack.site.partial`).

    A rule ends where it needs such a value, with whatever error: the invalid value itself is reported by its type.
    """
    found: list[Finding] = []
    for rule in RULES:
        with suppress(Exception):
            found.extend(replace(one, rule=rule.id) for one in rule.check(site))
    return found
