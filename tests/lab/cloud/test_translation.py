"""The deployment's files are translated to the configuration that TripleO would write for nova and neutron."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.cloud import configuration
from lab.cloud.translation import ComputeHardware, Overcloud, translate
from lab.process import LabError

from .support import COMPUTES, CONTROLLERS, HARDWARE, Change, ml2_options, sample_files

A100 = {"name": "a100", "vendor_id": "10de", "product_id": "20f1", "device_type": "type-PF"}


def translated(folder: Path, **changes: Change) -> Overcloud:
    return translate(sample_files(folder, "https://127.0.24.200:8443", "secret", **changes), HARDWARE)


def without(name: str) -> Change:
    return lambda parameters: parameters.pop(name)


def with_(**values: Any) -> Change:
    return lambda parameters: parameters.update(values)


def in_role(**values: Any) -> Change:
    return lambda parameters: parameters["ComputeSriovIBParameters"].update(values)


def test_the_samples_result_in_the_guide_s_configuration(tmp_path: Path) -> None:
    cloud = translated(tmp_path)
    assert cloud.controllers == tuple(CONTROLLERS)
    assert [compute.host for compute in cloud.computes] == COMPUTES
    assert cloud.ml2["sdn"] == {
        "url": "https://127.0.24.200:8443/ufmRestV3",
        "domain": "cloudx",
        "token": "secret",
        "sync_enabled": True,
        "bind_normal_ports": True,
        "bind_normal_ports_physnets": "ibnet",
    }
    assert cloud.ml2["ml2"]["mechanism_drivers"] == "mlnx_sdn_assist,mlnx_infiniband,openvswitch"
    assert cloud.ml2["ml2"]["tenant_network_types"] == "vlan"
    assert cloud.ml2["ml2_type_vlan"]["network_vlan_ranges"] == "datacentre:1:1000,ibnet:101:200"
    assert json.loads(cloud.aliases[0]) == A100
    compute = cloud.computes[0]
    assert json.loads(compute.aliases[0]) == A100
    assert json.loads(compute.device_specs[0]) == {"devname": "ib2", "physical_network": "ibnet"}
    assert (compute.dedicated, compute.shared, compute.reserved_mib) == ("2-63", "0,1", 4096)


def test_a_role_s_pci_whitelist_takes_precedence_over_the_stock_file_s(tmp_path: Path) -> None:
    """environments/services/neutron-mlnx-agent.yaml has a global NovaPCIPassthrough for ib0 on datacentre."""
    own = translated(tmp_path / "own").computes[0]
    assert all("ib0" not in spec for spec in own.device_specs)
    stock = translated(tmp_path / "stock", ib=lambda p: p["ComputeSriovIBParameters"].pop("NovaPCIPassthrough"))
    assert json.loads(stock.computes[0].device_specs[0]) == {"devname": "ib0", "physical_network": "datacentre"}


def test_the_last_list_of_mechanism_drivers_is_used(tmp_path: Path) -> None:
    cloud = translated(tmp_path, neutron=without("NeutronMechanismDrivers"))
    assert cloud.ml2["ml2"]["mechanism_drivers"] == "mlnx_sdn_assist,mlnx_infiniband"


def test_there_is_no_sdn_section_without_the_registry_entry(tmp_path: Path) -> None:
    files = sample_files(tmp_path)
    sdn = files.environments[3]
    sdn.write_text(sdn.read_text().replace("NeutronCorePluginMLNXSDN", "NeutronCorePluginML2OVN"))
    assert "sdn" not in translate(files, HARDWARE).ml2


def test_each_role_has_its_own_aliases(tmp_path: Path) -> None:
    other = {"nova::pci::aliases": [{**A100, "name": "gpu"}]}
    cloud = translated(tmp_path, ib=with_(ControllerExtraConfig=other))
    assert json.loads(cloud.aliases[0])["name"] == "gpu"
    assert json.loads(cloud.computes[0].aliases[0])["name"] == "a100"


def test_there_is_no_alias_without_configuration(tmp_path: Path) -> None:
    cloud = translated(tmp_path, ib=without("ControllerExtraConfig"))
    assert cloud.aliases == ()


@pytest.mark.parametrize("name", ["MlnxSDNUrl", "MlnxSDNToken", "MlnxSDNUsername", "MlnxSDNPassword"])
def test_a_missing_required_parameter_is_reported(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabError, match=rf"\({name}\) was not provided"):
        translated(tmp_path, neutron=without(name))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("neutron", with_(MlnxSDNSyncEnabled="perhaps"), "MlnxSDNSyncEnabled"),
        ("neutron", with_(NeutronMechanismDrivers=["ovn"]), "no OVN"),
        ("ib", with_(DnsServers={"a": "b"}), "DnsServers"),
        ("ib", in_role(NovaReservedHostMemory="lots"), "NovaReservedHostMemory"),
        ("ib", in_role(NovaReservedHostMemory=100), "NovaReservedHostMemory.*out of range"),
        ("ib", in_role(NovaPCIPassthrough=["ib2"]), "NovaPCIPassthrough"),
        ("ib", in_role(NeutronPhysicalDevMappings=["ibnet"]), "NeutronPhysicalDevMappings"),
        ("ib", with_(ControllerExtraConfig={"nova::pci::aliases": {"name": "a100"}}), "nova::pci::aliases"),
        ("ib", with_(CloudDomain="example.org"), "no node of the rack has this name"),
        ("node", lambda groups: groups[1].update(name="Compute"), "role Compute is not in"),
        ("node", lambda groups: groups[1].update(count=1), "cannot be greater than count 1"),
        ("node", lambda groups: groups.pop(1), "NovaCompute"),
        ("vip", lambda vips: vips.append("external"), "list of maps"),
    ],
)
def test_files_that_the_rack_would_refuse_are_refused(tmp_path: Path, file: str, change: Change, message: str) -> None:
    with pytest.raises(LabError, match=message):
        translated(tmp_path, **{file: change})


def test_agents_run_on_the_hosts_of_their_roles(tmp_path: Path) -> None:
    agents = translated(tmp_path).agents
    by_type = {kind: [a.host for a in agents if a.type == kind] for kind in {a.type for a in agents}}
    assert by_type["DHCP agent"] == by_type["L3 agent"] == CONTROLLERS
    assert by_type["Mellanox plugin agent"] == COMPUTES
    assert by_type["Open vSwitch agent"] == CONTROLLERS + COMPUTES
    mlnx = next(a for a in agents if a.type == "Mellanox plugin agent")
    assert mlnx.configurations == {"interface_mappings": {"ibnet": "ib2"}}


def test_no_neutron_agent_runs_without_the_stock_files(tmp_path: Path) -> None:
    files = sample_files(tmp_path)
    alone = type(files)(**{**vars(files), "environments": files.environments[3:5]})
    assert translate(alone, HARDWARE).agents == ()


def test_the_mellanox_agent_does_not_run_without_its_interface(tmp_path: Path) -> None:
    hardware = {host: ComputeHardware(node="n", vfs=8, pf_name="ib0") for host in COMPUTES}
    cloud = translate(sample_files(tmp_path), hardware)
    assert all(a.type != "Mellanox plugin agent" for a in cloud.agents)
    assert any("ib2" in note for note in cloud.notes)


def test_dhcp_agents_and_ha_follow_the_number_of_controllers(tmp_path: Path) -> None:
    three = translated(tmp_path / "3").neutron
    assert (three["dhcp_agents_per_network"], three["l3_ha"]) == (3, True)

    def one(groups: Any) -> None:
        groups[0].update(count=1, instances=groups[0]["instances"][:1])

    single = translated(tmp_path / "1", node=one).neutron
    assert (single["dhcp_agents_per_network"], single["l3_ha"]) == (1, False)


def test_neutron_has_the_tenant_network_s_mtu(tmp_path: Path) -> None:
    assert translated(tmp_path / "a").neutron["global_physnet_mtu"] == 2044
    rest = translated(tmp_path / "b", network=lambda networks: networks.pop(3))
    assert rest.neutron["global_physnet_mtu"] == 1500


def test_filters_that_nova_no_longer_has_are_left_out_with_a_note(tmp_path: Path) -> None:
    cloud = translated(tmp_path)
    assert "AvailabilityZoneFilter" not in cloud.enabled_filters
    assert cloud.enabled_filters[0] == "ComputeFilter"
    assert any("AvailabilityZoneFilter" in note for note in cloud.notes)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[sdn]\nurl = a\n", "a"),
        ("[sdn]\nurl=a\nurl = b\n", "b"),
        ("[sdn]\nurl = a\n[ml2]\nurl = c\n[sdn]\nurl = d\n", "d"),
        ("[sdn]\n# url = a\n", ""),
        ("[ml2]\nurl = a\n", ""),
    ],
)
def test_option_returns_the_last_value_as_oslo_config_does(text: str, value: str) -> None:
    assert configuration.option(text, "sdn", "url") == value


def test_the_deployed_file_lacks_the_settings_of_o6_and_t4_by_default(tmp_path: Path) -> None:
    """The guide adds them by hand, because TripleO has no parameter for them."""
    text = configuration.render(translated(tmp_path).ml2)
    assert configuration.option(text, "sdn", "physical_networks") == ""
    assert configuration.option(text, "mlnx", "client_id_hardware") == ""


def test_hieradata_adds_options_to_the_deployed_file(tmp_path: Path) -> None:
    options = ml2_options(
        sdn__physical_networks=["ibnet", "other"], sdn__cert_verify=True, mlnx__client_id_hardware="false"
    )
    ml2 = translated(tmp_path, ib=options).ml2
    assert (ml2["sdn"]["physical_networks"], ml2["sdn"]["cert_verify"]) == ("ibnet,other", "True")
    assert ml2["sdn"]["token"] == "secret"
    assert ml2["mlnx"] == {"client_id_hardware": "False"}


def test_hieradata_of_computes_does_not_reach_neutron(tmp_path: Path) -> None:
    extra = {"neutron::config::plugin_ml2_config": {"sdn/timeout": {"value": 20}}}
    assert "timeout" not in translated(tmp_path, ib=with_(ComputeSriovIBExtraConfig=extra)).ml2["sdn"]


def test_an_absent_option_is_not_written(tmp_path: Path) -> None:
    extra = {"neutron::config::plugin_ml2_config": {"sdn/timeout": {"ensure": "absent"}}}
    assert "timeout" not in translated(tmp_path, ib=with_(ControllerExtraConfig=extra)).ml2["sdn"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sdn/url": {"value": "https://ufm"}}, r"Duplicate declaration: Neutron_plugin_ml2\[sdn/url\]"),
        ({"sdn/bind_normal_ports": {"value": False}}, "Duplicate declaration"),
        ({"cert_verify": {"value": True}}, "Invalid value 'cert_verify'"),
        ({"sdn/": {"value": True}}, "Invalid value 'sdn/'"),
        ({"sdn/cert_verify": True}, "no implicit conversion of bool into Hash"),
        ({"sdn/cert_verify": {"vlaue": True}}, "no parameter named 'vlaue'"),
        ([{"sdn/cert_verify": {"value": True}}], "expects a Hash value, got list"),
    ],
)
def test_options_that_puppet_cannot_compile_are_refused(tmp_path: Path, options: Any, message: str) -> None:
    extra = {"neutron::config::plugin_ml2_config": options}
    with pytest.raises(LabError, match=message):
        translated(tmp_path, ib=with_(ControllerExtraConfig=extra))


def test_certificate_authorities_reach_the_nodes(tmp_path: Path) -> None:
    assert translated(tmp_path / "none").authorities == {}
    ca_map = {"rack-ufm": {"content": "PEM\n"}}
    assert translated(tmp_path / "one", ib=with_(CAMap=ca_map)).authorities == {"rack-ufm": "PEM\n"}


@pytest.mark.parametrize("entry", ["PEM", {}, {"content": 1}, {"content": "PEM", "mode": "0644"}])
def test_a_certificate_authority_of_another_form_is_refused(tmp_path: Path, entry: Any) -> None:
    with pytest.raises(LabError, match=r"Tripleo::Trusted_ca\[rack-ufm\]"):
        translated(tmp_path, ib=with_(CAMap={"rack-ufm": entry}))
