"""Checks for faults that TripleO's tools ignore: unknown keys, and documents that contradict each other.

The input is a folder as `python -m rack render` writes it, possibly edited by hand. Each document is validated against
its model first; documents that are valid are then compared with each other. All problems are reported at once, each
with the file, the path, the value found and what to write.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rack.site.names import pkey
from rack.tripleo.deployment import ML2_CONFIG
from rack.tripleo.documents import DOCUMENTS, HOME, Document
from rack.tripleo.loaded import (
    CONTAINERS,
    ENV,
    INVENTORY,
    NETWORKS,
    NODES,
    ROLES,
    SDN,
    UNDERCLOUD,
    UNREADABLE,
    VIPS,
    LoadedDocuments,
    Problem,
)
from rack.tripleo.models import IpmiNode, NodeGroup, NodeInstance, NodeNetwork, PassthroughDevice, PciAlias

ALIASES = "nova::pci::aliases"
PUPPET_KEYS = (ALIASES, ML2_CONFIG)
"""The Puppet keys that this rack sets. The Puppet modules, which define all keys, are not installed here."""
PUPPET_SDN = ("token", "url", "domain", "sync_enabled", "bind_normal_ports", "bind_normal_ports_physnets")
"""Options of section sdn that puppet-neutron's class mlnx_sdn_assist declares."""
SDN_PHYSNETS = "sdn/physical_networks"

FLAT_PHYSNET = "datacentre"
"""The physical network of Ethernet. Its VLANs are not PKeys."""


def check(home: Path, wanted: Iterable[Document] = DOCUMENTS) -> list[Problem]:
    """Return all problems of the documents in a folder.

    Args:
        home: a folder like the home directory of the user stack.
        wanted: documents that the folder must contain.
    """
    loaded = LoadedDocuments(home)
    for document in wanted:
        if not (home / document.path).is_file():
            loaded.report(document.path, f"missing; write it with `python -m rack render` ({document.step})")
    for rule in RULES:
        for file, text in rule(loaded):
            loaded.report(file, text)
    return list(dict.fromkeys(loaded.problems))


Findings = Iterator[tuple[str, str]]
"""Pairs of a file and the text of a problem."""
RULES: list[Callable[[LoadedDocuments], Findings]] = []


def _rule(function: Callable[[LoadedDocuments], Findings]) -> Callable[[LoadedDocuments], Findings]:
    RULES.append(function)
    return function


def _found_write(found: object, known: Iterable[str]) -> str:
    """Return `found …; write …` with the known value that is most similar, or with all of them."""
    listed = sorted(known)
    choices = get_close_matches(str(found), listed, n=1) or listed
    return f"found {found!r}; write {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"


def _duplicates(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


@_rule
def networks_are_distinct(loaded: LoadedDocuments) -> Findings:
    """Report VLANs and names that two networks share: a VLAN is a PKey, so both would be one partition."""
    vlans = [(net.name, subnet.vlan) for net in loaded.networks for subnet in net.subnets.values()]
    for vlan in _duplicates(vlan for _, vlan in vlans):
        names = ", ".join(name for name, v in vlans if v == vlan)
        yield NETWORKS, f"vlan: found {vlan} on {names}; give each network a VLAN of its own"
    for name in _duplicates(net.name_lower for net in loaded.networks):
        yield NETWORKS, f"name_lower: found {name!r} twice; give each network a name of its own"


@_rule
def control_pkeys_are_outside_the_tenant_range(loaded: LoadedDocuments) -> Findings:
    """Report control networks whose PKey Neutron could give to a tenant (D4)."""
    for text in loaded.parameter_list("NeutronNetworkVLANRanges"):
        physnet, _, bounds = text.partition(":")
        found = re.fullmatch(r"(\d+):(\d+)", bounds)
        if not found:
            yield ENV, f"parameter_defaults.NeutronNetworkVLANRanges: found {text!r}; write PHYSNET:FIRST:LAST"
        elif physnet != FLAT_PHYSNET:
            yield from _networks_inside(loaded, text, range(int(found[1]), int(found[2]) + 1))


def _networks_inside(loaded: LoadedDocuments, text: str, tenant_vlans: range) -> Findings:
    for net in loaded.networks:
        for name, subnet in net.subnets.items():
            if net.name != "External" and subnet.vlan in tenant_vlans:
                yield (
                    NETWORKS,
                    f"{net.name}.subnets.{name}.vlan: found {subnet.vlan} (PKey {pkey(subnet.vlan)}), inside the "
                    f"tenants' {text}; write one outside, here and in UFM, or move NeutronNetworkVLANRanges in {ENV}",
                )


@_rule
def vips_are_on_networks(loaded: LoadedDocuments) -> Findings:
    """Report virtual addresses on unknown networks or subnets, and two on one network."""
    known = {net.name_lower: net for net in loaded.networks if net.vip}
    for i, vip in enumerate(loaded.vips if known else []):
        if vip.network in known:
            if vip.subnet and vip.subnet not in known[vip.network].subnets:
                yield VIPS, f"[{i}].subnet: {_found_write(vip.subnet, known[vip.network].subnets)}"
        elif vip.network != "ctlplane":
            yield VIPS, f"[{i}].network: {_found_write(vip.network, [*known, 'ctlplane'])}"
    for name in _duplicates(vip.network for vip in loaded.vips):
        yield VIPS, f"network: found {name!r} twice; a network has one virtual address"


@_rule
def roles_are_on_networks(loaded: LoadedDocuments) -> Findings:
    """Report unknown networks and subnets of roles. Rendering ignores them, and the role lacks the network."""
    known = {net.name: net for net in loaded.networks}
    for role in loaded.roles if known else []:
        for name, attached in role.networks.items():
            if name not in known:
                yield ROLES, f"{role.name}.networks.{name}: no network of {NETWORKS}; {_found_write(name, known)}"
            elif attached.subnet not in known[name].subnets:
                text = _found_write(attached.subnet, known[name].subnets)
                yield ROLES, f"{role.name}.networks.{name}.subnet: {text}"


@_rule
def node_groups_match_roles(loaded: LoadedDocuments) -> Findings:
    """Report node groups without a role, and groups whose networks are not those of their role."""
    roles = {role.name: role for role in loaded.roles}
    lower = {net.name: net.name_lower for net in loaded.networks}
    for group in loaded.nodes if roles and lower else []:
        if group.name not in roles:
            yield NODES, f"name: no role of {ROLES}; {_found_write(group.name, roles)}"
            continue
        wanted = {lower[name] for name in roles[group.name].networks if name in lower}
        for path, networks in _network_lists(group):
            found = {attached.network for attached in networks} - {"ctlplane"}
            if found != wanted:
                yield NODES, f"{path}: found {', '.join(sorted(found)) or 'none'}; write {', '.join(sorted(wanted))}"


def _network_lists(group: NodeGroup) -> Iterator[tuple[str, tuple[NodeNetwork, ...]]]:
    """Yield the networks of the group's defaults and of each instance that has its own, each with its path."""
    yield f"{group.name}.defaults.networks", group.defaults.networks
    for instance in group.instances:
        if instance.networks:
            yield f"{group.name}.instances.{instance.name}.networks", instance.networks


@_rule
def nodes_are_on_subnets(loaded: LoadedDocuments) -> Findings:
    """Report unknown subnets of node groups."""
    known = {net.name_lower: net for net in loaded.networks}
    for path, networks in (found for group in loaded.nodes for found in _network_lists(group)):
        for attached in networks:
            network = known.get(attached.network)
            if network and attached.subnet and attached.subnet not in network.subnets:
                yield NODES, f"{path}.{attached.network}.subnet: {_found_write(attached.subnet, network.subnets)}"


@_rule
def instances_are_inventory_nodes(loaded: LoadedDocuments) -> Findings:
    """Report instances that no inventory node can become, wrong counts, and duplicate host names."""
    known = {node.name: node for node in loaded.inventory}
    for group in loaded.nodes if known else []:
        if group.count != len(group.instances):
            text = f"{group.name}.count: found {group.count}; write {len(group.instances)}, the number of instances"
            yield NODES, text
        for instance in group.instances:
            yield from _instance_and_node(group, instance, known)
    for name in _duplicates(instance.hostname for group in loaded.nodes for instance in group.instances):
        yield NODES, f"hostname: found {name!r} twice; each host has its own"


def _instance_and_node(group: NodeGroup, instance: NodeInstance, known: Mapping[str, IpmiNode]) -> Findings:
    if instance.name not in known:
        path = f"{group.name}.instances.{instance.hostname}.name"
        yield NODES, f"{path}: no node of {INVENTORY}; {_found_write(instance.name, known)}"
        return
    node, wanted = known[instance.name], group.defaults.profile
    if wanted and node.capability.get("profile") != wanted:
        yield (
            INVENTORY,
            f"{instance.name}.capabilities: found {node.capabilities!r}; "
            f"write profile:{wanted} in it, as {NODES} requires",
        )


@_rule
def named_files_exist(loaded: LoadedDocuments) -> Findings:
    """Report paths on the undercloud that a document names and that are not in the folder."""
    named = [(NODES, f"{g.name}.defaults.network_config.template", g.defaults.network_config.template)
             for g in loaded.nodes]  # fmt: skip
    if "container_images_file" in loaded.undercloud:
        named.append((UNDERCLOUD, "container_images_file", loaded.undercloud["container_images_file"]))
    for file, path, name in named:
        if not name.startswith(f"{HOME}/") or not (loaded.home / name.removeprefix(f"{HOME}/")).is_file():
            yield file, f"{path}: {_found_write(name, (f'{HOME}/{d.path}' for d in DOCUMENTS))}"


@_rule
def images_are_prepared_once(loaded: LoadedDocuments) -> Findings:
    """Report images of a later entry that the entry for all images does not exclude: it would prepare them again."""
    general = [entry for entry in loaded.containers if not entry.includes]
    if loaded.containers and len(general) != 1:
        yield CONTAINERS, f"ContainerImagePrepare: found {len(general)} entries without includes; write one"
        return
    for image in (image for entry in loaded.containers for image in entry.includes):
        if not any(re.search(pattern, image) for entry in general for pattern in entry.excludes):
            yield (
                CONTAINERS,
                f"ContainerImagePrepare: {image} is prepared twice; write it in excludes of the first entry",
            )


@_rule
def passthrough_devices_match_mappings(loaded: LoadedDocuments) -> Findings:
    """Report devices of `NovaPCIPassthrough` with unknown keys, or on another interface than Neutron's mapping."""
    parameters = loaded.environment.get("ComputeSriovIBParameters")
    given = parameters.get("NovaPCIPassthrough", UNREADABLE) if isinstance(parameters, dict) else UNREADABLE
    path = "parameter_defaults.ComputeSriovIBParameters.NovaPCIPassthrough"
    mapped = dict(pair.partition(":")[::2] for pair in loaded.parameter_list("NeutronPhysicalDevMappings"))
    for i, device in enumerate(loaded.items(PassthroughDevice, ENV, path, given)):
        if device.physical_network and mapped.get(device.physical_network) != device.devname:
            known = [f"{name} on {interface}" for name, interface in mapped.items()]
            yield ENV, f"{path}[{i}]: {_found_write(f'{device.physical_network} on {device.devname}', known)}"


@_rule
def pci_aliases_are_the_same(loaded: LoadedDocuments) -> Findings:
    """Report PCI aliases that differ: nova's API and its computes must use one name and one description of the GPU."""
    aliases = {}
    for role in (role.name for role in loaded.roles):
        extra, path = loaded.environment.get(f"{role}ExtraConfig"), f"parameter_defaults.{role}ExtraConfig"
        if not isinstance(extra, dict):
            continue
        for key in extra:
            similar = get_close_matches(key, PUPPET_KEYS, cutoff=0.8)
            if similar and key not in PUPPET_KEYS:
                yield ENV, f"{path}.{key}: unknown key; write {similar[0]}"
        aliases[role] = loaded.items(PciAlias, ENV, f"{path}.{ALIASES}", extra.get(ALIASES, UNREADABLE))
    if len({tuple(listed) for listed in aliases.values()}) > 1:
        roles = " and ".join(sorted(aliases))
        yield ENV, f"{ALIASES}: found different ones for {roles}; write the same for both"


@_rule
def ml2_options_are_puppet_resources(loaded: LoadedDocuments) -> Findings:
    """Report options of ml2_conf.ini that Puppet refuses: another form, or an option that its modules declare too."""
    path = f"parameter_defaults.ControllerExtraConfig.{ML2_CONFIG}"
    given = _ml2_options(loaded)
    if not isinstance(given, dict):
        yield ENV, f"{path}: found {given!r}; write a mapping like `sdn/cert_verify: {{value: true}}`"
        return
    for option, resource in given.items():
        section, _, name = str(option).partition("/")
        if not (section and name and isinstance(resource, dict) and resource.keys() == {"value"}):
            yield ENV, f"{path}.{option}: found {resource!r}; write `SECTION/OPTION: {{value: VALUE}}`"
        elif section == "sdn" and name in PUPPET_SDN:
            yield ENV, f"{path}.{option}: Puppet sets this option from the parameters of {SDN}; write it there only"


def _ml2_options(loaded: LoadedDocuments) -> Any:
    extra = loaded.environment.get("ControllerExtraConfig")
    return extra.get(ML2_CONFIG, {}) if isinstance(extra, dict) else {}


@_rule
def sdn_url_has_no_trailing_slash(loaded: LoadedDocuments) -> Findings:
    """Report a trailing slash: networking-mlnx appends paths that start with one."""
    url = str(loaded.environment.get("MlnxSDNUrl", ""))
    if url.endswith("/"):
        yield SDN, f"parameter_defaults.MlnxSDNUrl: found {url!r}; write it without the slash at its end"


@_rule
def physical_networks_match(loaded: LoadedDocuments) -> Findings:
    """Report names of physical networks in O3 and O4 that NeutronNetworkVLANRanges does not contain."""
    ranges = {text.partition(":")[0] for text in loaded.parameter_list("NeutronNetworkVLANRanges")}
    named = [(SDN, "BindNormalPortsPhysnet", loaded.environment.get("BindNormalPortsPhysnet"))]
    for key in ("NeutronPhysicalDevMappings", "MultiInterfaceDriverMappings", "NeutronBridgeMappings"):
        named += [(ENV, key, pair.partition(":")[0]) for pair in loaded.parameter_list(key)]
    option = f"ControllerExtraConfig.{ML2_CONFIG}.{SDN_PHYSNETS}.value"
    named += [(ENV, option, name) for name in _sdn_physnets(loaded)]
    for file, key, physnet in named:
        if physnet is not None and ranges and physnet not in ranges:
            text = f"{_found_write(physnet, ranges)}, as in NeutronNetworkVLANRanges"
            yield file, f"parameter_defaults.{key}: {text}"


def _sdn_physnets(loaded: LoadedDocuments) -> list[str]:
    given = _ml2_options(loaded)
    resource = given.get(SDN_PHYSNETS) if isinstance(given, dict) else None
    return str(resource.get("value")).split(",") if isinstance(resource, dict) else []
