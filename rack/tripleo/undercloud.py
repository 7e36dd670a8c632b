"""Files of the undercloud itself: `undercloud.conf` (C2), `instackenv.json` (C6) and the site's repositories (C1)."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from rack.plan import PROFILES, REGISTRY_FILE, Plan
from rack.tripleo.header import headed

CONTAINERS_FILE = "/home/stack/containers-prepare-parameter-ib-vm.yaml"
"""The file with the container images that the undercloud reads (C2, C3)."""


def undercloud_conf(plan: Plan) -> str:
    """Return `undercloud.conf` (C2) with every option of the guide that Wallaby's tripleoclient has.

    Differences from the guide's text: `enable_tempest` is omitted, because tripleoclient 16.5.0 has no such option;
    `network_gateway` is a deprecated alias, and the subnet's `gateway` is used instead; the subnet's options are in a
    section of their own, whose header is missing in the guide.
    """
    net, cloud = plan.site.networks.provisioning, plan.site.undercloud
    dns = ",".join(map(str, net.dns))
    content = _ini(
        {
            "DEFAULT": {
                "undercloud_hostname": cloud.hostname,
                "local_ip": f"{cloud.address}/{net.cidr.prefixlen}",
                "undercloud_public_host": plan.site.undercloud.public_address,
                "undercloud_admin_host": plan.site.undercloud.admin_address,
                "undercloud_nameservers": dns,
                "undercloud_ntp_servers": ",".join(net.ntp),
                "subnets": "ctlplane-subnet",
                "local_subnet": "ctlplane-subnet",
                "generate_service_certificate": True,
                "certificate_generation_ca": "local",
                "local_interface": cloud.interface,
                "inspection_interface": "br-ctlplane",
                "undercloud_debug": True,
                "enable_telemetry": False,
                "enable_validations": True,
                "enable_novajoin": False,
                "clean_nodes": cloud.clean_nodes,
                "container_images_file": CONTAINERS_FILE,
                **_registry(plan),
            },
            "ctlplane-subnet": {
                "cidr": net.cidr,
                "dhcp_start": net.dhcp.start,
                "dhcp_end": net.dhcp.end,
                "inspection_iprange": f"{net.inspection.start},{net.inspection.end}",
                "gateway": net.gateway,
                "masquerade": True,
            },
        }
    )
    return headed(plan, "C2", content)


def _registry(plan: Plan) -> dict[str, object]:
    """Return the options for a container registry of the site. The login is a file of its own, as it is secret."""
    cloud, keys = plan.site.undercloud, dict[str, object]()
    if cloud.registry.insecure:
        keys["container_insecure_registries"] = cloud.registry_host
    if cloud.registry.user:
        keys["custom_env_files"] = REGISTRY_FILE
    return keys


def repositories(plan: Plan) -> str:
    """Return `rack.repo` (C1): the site's repositories, for the undercloud, the images built there, and the nodes."""
    sections = {
        repository.id: {
            "name": repository.id,
            "baseurl": repository.baseurl,
            "enabled": 1,
            **({"gpgcheck": 1, "gpgkey": repository.gpgkey} if repository.gpgkey else {"gpgcheck": 0}),
        }
        for repository in plan.site.undercloud.repositories
    }
    return headed(plan, "C1", _ini(sections))


def instackenv(plan: Plan, ipmi_password: str, own: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return `instackenv.json` (C6): the nodes with their IPMI addresses and credentials. The text is secret.

    Args:
        plan: the plan.
        ipmi_password: of the nodes that are not in `own`.
        own: node name → password of its controller.
    """
    nodes = [
        {
            "name": node.name,
            "pm_type": "ipmi",
            "pm_addr": str(node.ipmi.address),
            "pm_user": node.ipmi.user,
            "pm_password": own.get(node.name, ipmi_password),
            "ports": [{"address": node.mac, "physical_network": "ctlplane"}],
            "capabilities": f"profile:{PROFILES[node.role]},boot_option:local",
        }
        for node in plan.site.nodes
    ]
    return json.dumps({"nodes": nodes}, indent=2) + "\n"


def _ini(sections: Mapping[str, Mapping[str, object]]) -> str:
    def value(v: object) -> str:
        return str(v).lower() if isinstance(v, bool) else str(v)

    blocks = [
        "\n".join([f"[{name}]", *(f"{k} = {value(v)}" for k, v in keys.items())]) for name, keys in sections.items()
    ]
    return "\n\n".join(blocks) + "\n"
