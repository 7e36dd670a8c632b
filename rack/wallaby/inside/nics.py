"""NIC templates (O2), rendered by Ansible's templar and checked by os-net-config's schema and objects."""

import tempfile
from pathlib import Path

import yaml
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from os_net_config import impl_ifcfg, objects, validator
from os_net_config import utils as net_utils

# Nodes have Open vSwitch and an HCA; the machine that runs the check has neither.
net_utils.is_ovs_installed = lambda: True
net_utils.interface_mac = lambda name: "02:00:00:00:00:01"
net_utils.update_sriov_pf_map = lambda *arguments, **more: None


def run(request):
    """Check the NIC template of each role; `interfaces` are the ifcfg files that os-net-config would write."""
    networks, roles = request.load("network_data_ib_vm.yaml"), request.load("roles_data_ib_vm.yaml")
    findings, interfaces = [], {}
    for group in request.load("node-info-ib-vm.yaml"):
        role = next(r for r in roles if r["name"] == group["name"])
        name = Path(group["defaults"]["network_config"]["template"]).name
        path = request.path_in_home(name)
        try:
            entries = _rendered(request.file(name), _variables(networks, role))
        except (AnsibleError, OSError, yaml.YAMLError, KeyError) as error:
            findings.append([path, f"{type(error).__name__}: {str(error)[:400]}"])
            continue
        findings += [[path, text] for text in _faults(entries)]
        interfaces[group["name"]] = _files(entries) if not findings else {}
    return {"findings": findings, "interfaces": interfaces}


def _rendered(path, variables):
    templar = Templar(loader=DataLoader(), variables=variables)
    templar.environment.trim_blocks = True
    out = templar.template(
        path.read_text(),
        preserve_trailing_newlines=True,
        escape_backslashes=False,
        convert_data=False,
        fail_on_undefined=True,
    )
    return yaml.safe_load(out)["network_config"]


def _faults(entries):
    """Return the faults of the entries. Only the schema rejects unknown keys, only the objects check a PKey's range."""
    errors = [text for error in validator.validate_config(entries) for text in _short(error)]
    if errors:
        return errors
    for entry in entries:
        try:
            objects.object_from_json(entry)
        except Exception as error:
            errors.append(f"{entry.get('type')} {entry.get('name', entry.get('parent'))}: {error}")
    return errors


def _short(error):
    """Yield the entry and the first faults of a schema error, which otherwise lists each alternative of the schema."""
    lines = [line.strip(" -") for line in str(error).splitlines()]
    named = [line for line in lines if any(w in line for w in ("Additional", "is not of type", "is not one of"))]
    yield "; ".join([lines[0], *list(dict.fromkeys(named))[:4]])[:700]


def _files(entries):
    """Return the files that os-net-config would write to /etc/sysconfig/network-scripts, name → text."""
    with tempfile.TemporaryDirectory() as root:
        provider = impl_ifcfg.IfcfgNetConfig(noop=True, root_dir=root)
        for entry in entries:
            provider.add_object(objects.object_from_json(entry))
        return {Path(path).name: text for path, text in provider.apply(activate=False).items()}


def _variables(networks, role):
    """Return the variables that overcloud.j2.yaml passes to the templates of a role (`<Role>GroupVars`)."""
    known = {
        "ctlplane_ip": "192.168.24.20",
        "ctlplane_subnet_cidr": 24,
        "ctlplane_mtu": 1500,
        "ctlplane_dns_nameservers": ["192.168.24.250"],
        "ctlplane_gateway_ip": "192.168.24.1",
        "ctlplane_host_routes": [],
        "dns_search_domains": [],
        "neutron_physical_bridge_name": "br-ex",
        "neutron_public_interface_name": "nic1",
        "bond_interface_ovs_options": "bond_mode=active-backup",
        "networks_skip_config": [],
        "role_tags": role.get("tags", []),
        "networks_all": [n["name"] for n in networks],
        "networks_lower": {n["name"]: n["name_lower"] for n in networks},
        "role_networks": list(role["networks"]),
        "default_route_networks": role.get("default_route_networks", []),
    }
    for network in networks:
        known.update(_of_network(network, network["name"] in role["networks"]))
    return known


def _of_network(network, mine):
    lower, (subnet,) = network["name_lower"], network["subnets"].values()
    values = {"mtu": network.get("mtu", 1500)}
    if mine:
        gateway = subnet.get("gateway_ip", "")
        values.update(
            ip=subnet["allocation_pools"][0]["start"],
            cidr=subnet["ip_subnet"].split("/")[1],
            vlan_id=subnet["vlan"],
            gateway_ip=gateway,
            host_routes=[{"default": True, "next_hop": gateway}] if gateway else [],
        )
    return {f"{lower}_{key}": value for key, value in values.items()}
