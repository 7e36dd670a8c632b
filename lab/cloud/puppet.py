"""Translate a role's hieradata as Puppet does: options of ml2_conf.ini, and the system's certificate authorities.

Sources: puppet-neutron (`manifests/config.pp`, `manifests/plugins/ml2.pp`,
`manifests/plugins/ml2/mellanox/mlnx_sdn_assist.pp`), openstacklib's type for INI files, puppet-tripleo
(`manifests/profile/base/neutron.pp`, which includes neutron::config; `manifests/trusted_ca.pp`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lab.process import LabError

ML2_CONFIG = "neutron::config::plugin_ml2_config"
ANCHORS = "/etc/pki/ca-trust/source/anchors"
"""Folder on the nodes for additional certificate authorities."""
BUNDLE = "/etc/pki/tls/certs/ca-bundle.crt"
"""File on the nodes with all authorities, which update-ca-trust writes."""

RESOURCE = frozenset(("value", "ensure", "secret"))
"""Parameters of the resource neutron_plugin_ml2."""
DECLARED = frozenset(
    f"{section}/{option}"
    for section, options in {
        "ml2": "type_drivers tenant_network_types mechanism_drivers extension_drivers path_mtu overlay_ip_version "
        "physical_network_mtus",
        "ml2_type_flat": "flat_networks",
        "ml2_type_vlan": "network_vlan_ranges",
        "ml2_type_vxlan": "vni_ranges vxlan_group",
        "ml2_type_gre": "tunnel_id_ranges",
        "ml2_type_geneve": "vni_ranges max_header_size",
        "securitygroup": "enable_security_group",
        "sdn": "token url domain sync_enabled bind_normal_ports bind_normal_ports_physnets",
    }.items()
    for option in options.split()
)
"""Options that puppet-neutron's classes declare, with or without a value."""


def ml2_options(hieradata: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    """Return the additional options of ml2_conf.ini, by section and name.

    Raises:
        LabError: Puppet cannot compile its catalogue, with Puppet's message.
    """
    resources = hieradata.get(ML2_CONFIG, {})
    if not isinstance(resources, Mapping):
        raise _refused(f"parameter 'plugin_ml2_config' expects a Hash value, got {type(resources).__name__}")
    sections: dict[str, dict[str, str]] = {}
    for title, parameters in resources.items():
        _check(title, parameters)
        section, _, option = title.partition("/")
        if str(parameters.get("ensure", "present")) != "absent":
            sections.setdefault(section, {})[option] = _value(parameters.get("value", ""))
    return sections


def _check(title: str, parameters: Any) -> None:
    where = f"Neutron_plugin_ml2[{title}]"
    if title in DECLARED:
        raise _refused(f"Duplicate declaration: {where} is already declared; cannot redeclare")
    if not isinstance(parameters, Mapping):
        raise _refused(f"{where}: no implicit conversion of {type(parameters).__name__} into Hash")
    unknown = sorted(set(parameters) - RESOURCE)
    if unknown:
        raise _refused(f"{where}: no parameter named '{unknown[0]}'")
    section, slash, option = title.partition("/")
    if not (section and slash and option):
        raise _refused(f"Parameter name failed on {where}: Invalid value {title!r}. Valid values match /\\S+\\/\\S+/.")


def _value(value: Any) -> str:
    """Return the value as Puppet writes it: booleans in Python's form, lists with commas."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).capitalize() if str(value).lower() in ("true", "false") else str(value)


def authorities(ca_map: Mapping[str, Any]) -> dict[str, str]:
    """Return TripleO's `CAMap` as name → certificate.

    Raises:
        LabError: an entry has another form, with Puppet's message.
    """
    for name, entry in ca_map.items():
        if not isinstance(entry, Mapping) or entry.keys() != {"content"} or not isinstance(entry["content"], str):
            raise _refused(f"Tripleo::Trusted_ca[{name}]: expects a value for parameter 'content' and no other")
    return {name: entry["content"] for name, entry in ca_map.items()}


def anchor_files(trusted: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Return the path on a node and the content of each additional authority's file."""
    return ((f"{ANCHORS}/{name}.pem", content) for name, content in trusted.items())


def _refused(message: str) -> LabError:
    return LabError(f"Error: Evaluation Error: Error while evaluating a Resource Statement, {message}")
