"""Rendered documents, parsed as TripleO parses them. tests/conformance checks them with the Wallaby tools."""

import configparser
import json
import re
from dataclasses import FrozenInstanceError, replace
from typing import Any
from unittest.mock import Mock

import jinja2
import pytest
import yaml
from hypothesis import given

from rack import tripleo
from rack.plan import DEPLOY_FOLDER, Plan
from rack.site import Role
from rack.site.load import parse
from rack.tripleo import deployment
from rack.tripleo.deployment import lower
from rack.tripleo.documents import DOCUMENTS as ALL_DOCUMENTS
from rack.tripleo.documents import rendered as all_rendered
from tests import yamls
from tests.rack import sites
from tests.rack.sites import DROP, documents
from tests.rack.test_plan import DOCUMENTS, rendered

YAML_FILES = [
    n for n in DOCUMENTS if n not in ("undercloud.conf", "instackenv.json", "controller_nics", "compute_nics")
]


def loaded(name: str, plan: Plan) -> Any:
    return yamls.load(DOCUMENTS[name](plan))


def nics(text: str, plan: Plan, role: Role) -> list[dict[str, Any]]:
    """Return the entries of a NIC template, rendered with the variables of TripleO's overcloud.j2.yaml."""
    networks = loaded("network_data", plan)
    mine = next(r["networks"] for r in loaded("roles_data", plan) if r["name"] == role)
    known: dict[str, Any] = {
        "ctlplane_mtu": 1500,
        "ctlplane_dns_nameservers": ["192.168.24.250"],
        "dns_search_domains": [],
        "ctlplane_ip": "192.168.24.11",
        "ctlplane_subnet_cidr": 24,
        "ctlplane_host_routes": [],
        "ctlplane_gateway_ip": "192.168.24.1",
        "neutron_physical_bridge_name": "br-ex",
        "role_networks": list(mine),
        "networks_lower": {n["name"]: n["name_lower"] for n in networks},
    }
    for net in networks:
        (subnet,) = net["subnets"].values()
        known |= {
            f"{net['name_lower']}_vlan_id": subnet["vlan"],
            f"{net['name_lower']}_mtu": net["mtu"],
            f"{net['name_lower']}_ip": subnet["allocation_pools"][0]["start"],
            f"{net['name_lower']}_cidr": subnet["ip_subnet"].partition("/")[2],
            f"{net['name_lower']}_host_routes": [],
        }
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.globals["lookup"] = lambda kind, name: known[name]
    environment.filters["flatten"] = lambda lists: [x for part in lists for x in part]
    environment.filters["unique"] = list  # Ansible's filter returns a list too; there are no duplicates here
    config = yamls.load(environment.from_string(text).render(**known))
    return list(config["network_config"])


def of_type(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [entry for entry in entries if entry["type"] == kind]


@given(documents())
def test_no_document_contains_a_yaml_anchor(written: dict[str, Any]) -> None:
    plan = Plan(parse(written))
    for name in YAML_FILES:
        events = list(yaml.parse(DOCUMENTS[name](plan), Loader=yaml.CSafeLoader))
        assert not [e for e in events if getattr(e, "anchor", None)], name


def test_undercloud_conf_has_the_options_of_the_guide() -> None:
    conf = configparser.ConfigParser(interpolation=None, default_section="none")
    conf.read_string(DOCUMENTS["undercloud.conf"](sites.plan()))
    assert conf.sections() == ["DEFAULT", "ctlplane-subnet"]
    # The options of the guide except enable_tempest and network_gateway, which Wallaby does not have.
    assert set(conf["DEFAULT"]) == {
        "undercloud_hostname", "local_ip", "undercloud_public_host", "undercloud_admin_host",
        "undercloud_nameservers", "undercloud_ntp_servers", "subnets", "local_subnet",
        "generate_service_certificate", "certificate_generation_ca", "local_interface",
        "inspection_interface", "undercloud_debug", "enable_telemetry", "enable_validations",
        "enable_novajoin", "clean_nodes", "container_images_file",
    }  # fmt: skip
    assert dict(conf["ctlplane-subnet"]) == {
        "cidr": "192.168.24.0/24",
        "dhcp_start": "192.168.24.50",
        "dhcp_end": "192.168.24.99",
        "inspection_iprange": "192.168.24.100,192.168.24.149",
        "gateway": "192.168.24.1",
        "masquerade": "true",
    }
    assert conf["DEFAULT"]["local_ip"] == "192.168.24.1/24"
    assert conf["DEFAULT"]["local_subnet"] in conf.sections()


def test_lists_in_undercloud_conf_are_joined_by_commas() -> None:
    plan = sites.plan(
        {"networks.provisioning.dns": ["10.0.0.2", "10.0.0.3"], "networks.provisioning.ntp": ["a", "b.c"]}
    )
    text = DOCUMENTS["undercloud.conf"](plan)
    assert "undercloud_nameservers = 10.0.0.2,10.0.0.3\n" in text
    assert "undercloud_ntp_servers = a,b.c\n" in text


def test_node_cleaning_follows_the_site() -> None:
    for cleaned, option in ((True, "clean_nodes = true\n"), (False, "clean_nodes = false\n")):
        assert option in DOCUMENTS["undercloud.conf"](sites.plan({"undercloud.cleanNodes": cleaned}))


@given(documents())
def test_the_inventory_contains_the_nodes_of_the_site(written: dict[str, Any]) -> None:
    nodes = json.loads(tripleo.instackenv(Plan(parse(written)), "calvin"))["nodes"]
    assert [n["name"] for n in nodes] == [n["name"] for n in written["nodes"]]
    assert [n["pm_addr"] for n in nodes] == [n["ipmi"]["address"] for n in written["nodes"]]
    assert {n["pm_password"] for n in nodes} == {"calvin"}
    profiles = {"Controller": "profile:control", "ComputeSriovIB": "profile:compute"}
    for entry, node in zip(nodes, written["nodes"], strict=True):
        assert entry["capabilities"].split(",")[0] == profiles[node["role"]]
        assert entry["ports"] == [{"address": node["mac"].lower(), "physical_network": "ctlplane"}]


@given(documents())
def test_networks_roles_vips_and_nodes_name_the_same_networks(written: dict[str, Any]) -> None:
    plan = Plan(parse(written))
    networks = {n["name"]: n for n in loaded("network_data", plan)}
    roles = {r["name"]: r for r in loaded("roles_data", plan)}
    groups = {g["name"]: g for g in loaded("node_info", plan)}
    assert set(networks) == {*written["networks"]["control"], "External"}
    assert {v["network"] for v in loaded("vip_data", plan)} == {*map(lower, networks), "ctlplane"}
    assert set(roles["Controller"]["networks"]) == set(networks)
    assert set(roles["ComputeSriovIB"]["networks"]) == {"InternalApi", "Storage"}
    for name, group in groups.items():
        on = roles[name]["networks"]
        assert all(on[n]["subnet"] in networks[n]["subnets"] for n in on)
        wanted = [{"network": lower(n), "subnet": s["subnet"]} for n, s in on.items()]
        assert group["defaults"]["networks"] == wanted
        assert all(i["networks"][1:] == wanted for i in group["instances"])
        assert group["count"] == roles[name]["CountDefault"] == len(group["instances"])


@given(documents())
def test_node_info_assigns_each_node_the_hostname_and_address_of_the_plan(written: dict[str, Any]) -> None:
    plan = Plan(parse(written))
    placed = [(g["name"], i) for g in loaded("node_info", plan) for i in g["instances"]]
    assert {(role, i["name"], i["hostname"]) for role, i in placed} == {
        (str(h.role), h.name, h.short_hostname) for h in plan.hosts
    }
    for _, instance in placed:
        ctlplane = {"network": "ctlplane", "vif": True, "fixed_ip": str(plan.host(instance["name"]).address)}
        assert instance["networks"][0] == ctlplane


def test_name_lower_follows_tripleo() -> None:
    assert [lower(n) for n in ("InternalApi", "StorageMgmt", "External")] == [
        "internal_api",
        "storage_mgmt",
        "external",
    ]


def test_network_data_contains_ranges_and_the_external_gateway() -> None:
    networks = {n["name"]: n for n in loaded("network_data", sites.plan())}
    assert networks["Storage"]["subnets"]["storage_subnet"] == {
        "ip_subnet": "172.16.1.0/24",
        "allocation_pools": [{"start": "172.16.1.50", "end": "172.16.1.199"}],
        "vlan": 11,
    }
    assert networks["External"]["subnets"]["external_subnet"]["gateway_ip"] == "10.0.0.1"
    assert (networks["Storage"]["mtu"], networks["External"]["mtu"]) == (2044, 1500)


@given(documents())
def test_control_networks_are_pkey_children_of_the_ib_interface(written: dict[str, Any]) -> None:
    plan = Plan(parse(written))
    vlans = {name: str(net["vlan"]) for name, net in written["networks"]["control"].items()}
    for role, render in ((Role.CONTROLLER, tripleo.controller_nics), (Role.COMPUTE, tripleo.compute_nics)):
        children = of_type(nics(render(plan), plan, role), "ib_child_interface")
        mine = set(vlans) if role == Role.CONTROLLER else {"InternalApi", "Storage"}
        # os-net-config rejects a PKey that is a number.
        assert {c["pkey_id"] for c in children} == {vlans[n] for n in mine}
        assert {c["parent"] for c in children} == {written["fabric"]["interface"]}


def test_controllers_list_the_parent_interface_and_external_on_the_bridge() -> None:
    plan = sites.plan()
    entries = nics(tripleo.controller_nics(plan), plan, Role.CONTROLLER)
    assert [e["name"] for e in of_type(entries, "ib_interface")] == ["ib2"]
    assert not of_type(entries, "sriov_pf")
    (bridge,) = of_type(entries, "ovs_bridge")
    assert (bridge["name"], bridge["members"][0]["name"]) == ("br-ex", "eno2")


def test_computes_create_vfs_and_have_the_default_route_on_ctlplane() -> None:
    plan = sites.plan({"compute.vfs": 16})
    entries = nics(tripleo.compute_nics(plan), plan, Role.COMPUTE)
    (parent,) = of_type(entries, "sriov_pf")
    assert (parent["name"], parent["numvfs"]) == ("ib2", 16)
    assert not of_type(entries, "ib_interface"), "os-net-config would write the interface's file twice"
    (ctlplane,) = of_type(entries, "interface")
    assert ctlplane["routes"] == [{"default": True, "next_hop": "192.168.24.1"}]


def test_nodes_and_undercloud_have_their_own_provisioning_interface() -> None:
    plan = sites.plan({"networks.provisioning.interface": "eno7", "undercloud.interface": "eno8"})
    for role, render in ((Role.CONTROLLER, tripleo.controller_nics), (Role.COMPUTE, tripleo.compute_nics)):
        assert of_type(nics(render(plan), plan, role), "interface")[0]["name"] == "eno7"
    assert "local_interface = eno8\n" in DOCUMENTS["undercloud.conf"](plan)


def test_node_info_names_the_nic_templates() -> None:
    groups = {g["name"]: g["defaults"]["network_config"] for g in loaded("node_info", sites.plan())}
    assert groups["Controller"]["template"] == f"{DEPLOY_FOLDER}/controller-ib-vm-nics.j2"
    assert groups["ComputeSriovIB"]["template"] == f"{DEPLOY_FOLDER}/compute-ib-vm-nics.j2"
    assert groups["Controller"]["default_route_network"] == ["external"]


def test_rebuilt_images_have_the_driver_and_the_common_prefix() -> None:
    rest, rebuilt, agent = loaded("containers", sites.plan())["parameter_defaults"]["ContainerImagePrepare"]
    assert rebuilt["includes"] == ["nova-compute", "neutron-server", "neutron-dhcp-agent", "neutron-l3-agent"]
    assert rebuilt["modify_vars"]["yum_packages"] == ["python3-networking-mlnx"]
    assert agent["includes"] == ["neutron-mlnx-agent"]
    assert {e["set"]["name_prefix"] for e in (rest, rebuilt, agent)} == {"openstack-"}
    for image in (*rebuilt["includes"], *agent["includes"]):  # a pattern matches anywhere in the name
        assert any(pattern in image for pattern in rest["excludes"]), f"{image} would be prepared twice"


def test_neutron_uses_only_the_token_for_ufm() -> None:
    plan = sites.plan({"ufm.port": 8443})
    document = yamls.load(tripleo.ml2_sdn(plan, "s3cr3t-t0ken"))
    sdn = document["parameter_defaults"]
    assert sdn["MlnxSDNUrl"] == "https://192.168.24.200:8443/ufmRestV3"
    assert (sdn["MlnxSDNToken"], sdn["MlnxSDNUsername"], sdn["MlnxSDNPassword"]) == ("s3cr3t-t0ken", "", "")
    assert sdn["NeutronMechanismDrivers"] == ["mlnx_sdn_assist", "mlnx_infiniband", "openvswitch"]
    assert sdn["BindNormalPortsPhysnet"] == "ibnet"


def test_the_environment_maps_both_physical_networks() -> None:
    env = loaded("ib_env", sites.plan({"networks.tenant.physnet": "fabric"}))["parameter_defaults"]
    assert env["MultiInterfaceDriverMappings"] == ["datacentre:openvswitch", "fabric:ipoib"]
    assert env["NeutronPhysicalDevMappings"] == ["fabric:ib2"]
    assert env["NeutronNetworkVLANRanges"][1] == "fabric:101:200"
    computes = env["ComputeSriovIBParameters"]
    assert computes["NovaPCIPassthrough"] == [
        {"devname": "ib2", "physical_network": "fabric"},
        {"vendor_id": "10de", "product_id": "20f1"},
    ]
    assert env["NtpServer"] == ["192.168.24.251"]
    assert env["DnsServers"] == ["192.168.24.250"]


def test_controllers_and_computes_have_the_same_gpu_alias() -> None:
    env = loaded("ib_env", sites.plan({"compute.gpu.alias": "h100"}))["parameter_defaults"]
    aliases = [env[f"{role}ExtraConfig"]["nova::pci::aliases"] for role in ("Controller", "ComputeSriovIB")]
    gpu = {"name": "h100", "vendor_id": "10de", "product_id": "20f1", "device_type": "type-PF"}
    assert aliases == [[gpu], [gpu]]


def ml2_options(plan: Plan) -> dict[str, Any]:
    """Section and option to value, as the deployment writes them to ml2_conf.ini."""
    extra = loaded("ib_env", plan)["parameter_defaults"]["ControllerExtraConfig"]
    options = extra["neutron::config::plugin_ml2_config"]
    assert all(resource.keys() == {"value"} for resource in options.values()), "Puppet's form"
    return {option: resource["value"] for option, resource in options.items()}


def test_the_deployment_writes_the_options_that_the_guide_edits_by_hand() -> None:
    assert ml2_options(sites.plan()) == {
        "sdn/physical_networks": "ibnet",
        "sdn/cert_verify": True,
        "sdn/cert_path": "/etc/pki/tls/certs/ca-bundle.crt",
        "mlnx/client_id_hardware": True,
    }
    tenant = {"networks.tenant": {"physnet": "fabric", "clientIdHardware": False}}
    options = ml2_options(sites.plan(tenant))
    assert (options["sdn/physical_networks"], options["mlnx/client_id_hardware"]) == ("fabric", False)


def test_neutron_trusts_the_certificate_authority_of_ufm() -> None:
    plan = replace(sites.plan(), ufm_ca="-----BEGIN CERTIFICATE-----\nMII\n")
    parameters = loaded("ib_env", plan)["parameter_defaults"]
    assert parameters["CAMap"] == {"rack-ufm": {"content": plan.ufm_ca}}
    assert ml2_options(plan)["sdn/cert_path"] == "/etc/pki/ca-trust/source/anchors/rack-ufm.pem"
    assert "CAMap" not in loaded("ib_env", sites.plan())["parameter_defaults"]
    assert tripleo.deployment_digest(plan) != tripleo.deployment_digest(sites.plan())
    assert "      content: |\n        -----BEGIN" in tripleo.ib_env(plan), "one line of the file per line"


def test_neutron_verifies_ufm_under_the_name_in_its_certificate() -> None:
    plan = sites.plan({"ufm.serverName": "ufm.example.com", "ufm.port": 8443})
    parameters = yamls.load(tripleo.ml2_sdn(plan, "token"))["parameter_defaults"]
    assert parameters["MlnxSDNUrl"] == "https://ufm.example.com:8443/ufmRestV3"
    assert parameters["ExtraHostFileEntries"] == [f"{plan.site.ufm.address} ufm.example.com"]


def test_only_an_insecure_site_leaves_the_certificate_of_ufm_unverified() -> None:
    assert ml2_options(sites.plan({"ufm.insecure": True}))["sdn/cert_verify"] is False


def test_cpu_partitioning_follows_the_site() -> None:
    plan = sites.plan({"compute.dedicatedCpus": "4-63", "compute.sharedCpus": "0-3"})
    computes = loaded("ib_env", plan)["parameter_defaults"]["ComputeSriovIBParameters"]
    assert computes["IsolCpusList"] == "4-63"
    assert computes["NovaComputeCpuDedicatedSet"] == ["4-63"]
    assert computes["NovaComputeCpuSharedSet"] == ["0-3"]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("fabric.interface", "ib2", "ib7"),
        ("compute.gpu.alias", "a100", "h100"),
        ("compute.gpu.productId", "20f1", "2330"),
        ("networks.tenant.physnet", "ibnet", "fabric"),
        ("ufm.address", "192.168.24.200", "192.168.24.199"),
        ("cloud.name", "overcloud", "gpucloud"),
        ("networks.control.InternalApi.vlan", "vlan: 12", "vlan: 77"),
        ("networks.tenant.vlans", "101:200", "301:400"),
        ("compute.vfs", "numvfs: 8", "numvfs: 9"),
        ("networks.external.interface", "eno2", "eno3"),
    ],
)
def test_a_changed_value_leaves_no_old_one_in_any_document(path: str, old: str, new: str) -> None:
    value = {"networks.control.InternalApi.vlan": 77, "networks.tenant.vlans": [301, 400], "compute.vfs": 9}.get(
        path, new
    )
    edits = {path: value} | ({"tenant.network.vlan": 301} if path == "networks.tenant.vlans" else {})
    before, after = (rendered(plan) for plan in (sites.plan(), sites.plan(edits)))
    pattern = rf"(?<![\w.-]){re.escape(old)}(?![\w.])"
    assert [n for n, text in before.items() if re.search(pattern, text)], "the old value is in a document"
    assert not [n for n, text in after.items() if re.search(pattern, text)]
    assert any(new in text for text in after.values())


def test_a_secret_occurs_once_per_use() -> None:
    plan = sites.plan()
    assert tripleo.ml2_sdn(plan, "s3cr3t-t0ken").count("s3cr3t-t0ken") == 1
    assert tripleo.instackenv(plan, "ipmi-s3cr3t").count("ipmi-s3cr3t") == len(plan.hosts)


def test_each_controller_may_have_its_own_login() -> None:
    plan = sites.plan({"nodes[1].ipmi.user": "root"})
    nodes = json.loads(tripleo.instackenv(plan, "common", {"controller-2": "own"}))["nodes"]
    assert [(node["pm_user"], node["pm_password"]) for node in nodes[:3]] == [
        ("admin", "common"),
        ("root", "own"),
        ("admin", "common"),
    ]


@pytest.mark.parametrize("secret", ['quote"d', "back\\slash", "colon: #hash", "'", "ünïcode", "{{ x }}", "null", "007"])
def test_any_secret_can_be_read_back_from_its_file(secret: str) -> None:
    plan = sites.plan()
    assert yamls.load(tripleo.ml2_sdn(plan, secret))["parameter_defaults"]["MlnxSDNToken"] == secret
    assert json.loads(tripleo.instackenv(plan, secret))["nodes"][0]["pm_password"] == secret


def test_no_document_names_a_network_that_the_site_lacks() -> None:
    texts = rendered(sites.plan({"networks.control.StorageMgmt": DROP}))
    assert not [name for name, text in texts.items() if re.search("StorageMgmt|storage_mgmt", text)]


def test_only_controllers_route_by_default_over_external() -> None:
    roles = {role["name"]: role.get("default_route_networks") for role in loaded("roles_data", sites.plan())}
    assert roles == {"Controller": ["External"], "ComputeSriovIB": None}
    groups = {group["name"]: group["defaults"]["network_config"] for group in loaded("node_info", sites.plan())}
    assert "default_route_network" not in groups["ComputeSriovIB"]


def test_deployment_documents_contain_no_secret() -> None:
    """The components install these as plain files; the file with UFM's token is installed as a secret."""
    assert set(tripleo.DEPLOYMENT_DOCUMENTS) == {
        "network_data_ib_vm.yaml", "vip-data-ib-vm.yaml", "roles_data_ib_vm.yaml", "node-info-ib-vm.yaml",
        "controller-ib-vm-nics.j2", "compute-ib-vm-nics.j2", "ib-env-vm.yaml",
        "containers-prepare-parameter-ib-vm.yaml",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("edits", "repeats"),
    [
        ({"compute.vfs": 16}, True),
        ({"ufm.port": 8443}, True),
        ({"ufm.tokenGeneration": 7}, True),
        ({"undercloud.cleanNodes": False}, False),
        ({"nodes[0].ipmi.address": "192.168.23.99"}, False),
    ],
)
def test_the_deployment_digest_covers_what_the_deployment_reads(edits: dict[str, Any], repeats: bool) -> None:
    before, after = tripleo.deployment_digest(sites.plan()), tripleo.deployment_digest(sites.plan(edits))
    assert (before != after) == repeats


def test_the_deploy_script_has_one_option_per_line() -> None:
    script = next(text for path, text in all_rendered(sites.plan()).items() if path == "deploy.sh")
    first, header, *lines = script.splitlines()
    assert (first, lines[:2]) == ("#!/bin/sh", ["set -eu", ". ~/stackrc"])
    assert header.startswith("# rack: stack unnamed, guide step O5, ")
    assert lines[2:5] == [
        "exec openstack overcloud deploy \\",
        "  --templates /usr/share/openstack-tripleo-heat-templates \\",
        "  --stack overcloud \\",
    ]
    assert all(line.endswith(" \\") for line in lines[2:-1])
    assert lines[-1] == "  -e /usr/share/openstack-tripleo-heat-templates/environments/disable-telemetry.yaml"


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ALL_DOCUMENTS[0].path = "elsewhere"  # type: ignore[misc]


def test_one_deployment_document_has_the_authority_of_ufms_certificate() -> None:
    """The first preview shows all others: the authority is known only once UFM is installed."""
    without, plan = sites.plan(), replace(sites.plan(), ufm_ca="-----BEGIN CERTIFICATE-----\nMII\n")
    changed = [name for name, render in tripleo.DEPLOYMENT_DOCUMENTS.items() if render(plan) != render(without)]
    assert changed == [tripleo.UFM_CA_DOCUMENT]


def test_another_authority_of_ufm_renders_only_the_document_that_contains_it(monkeypatch: pytest.MonkeyPatch) -> None:
    dump = Mock(wraps=deployment._dump)
    monkeypatch.setattr(deployment, "_dump", dump)
    deployment._dumped.cache_clear()
    before = tripleo.deployment_digest(sites.plan())
    assert dump.call_count == len([name for name in tripleo.DEPLOYMENT_DOCUMENTS if name.endswith(".yaml")])
    dump.reset_mock()
    assert tripleo.deployment_digest(replace(sites.plan(), ufm_ca="CA")) != before
    (call,) = dump.call_args_list
    assert call.args[0]["parameter_defaults"]["CAMap"] == {"rack-ufm": {"content": "CA"}}
