"""The plan of any valid site: names, PKeys, members and cables, and the same bytes from the same site."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from rack import tripleo
from rack.plan import HcaPort, Plan, UnknownPortError
from rack.site import Role
from rack.site.load import parse
from tests.rack import sites
from tests.rack.sites import DROP, documents, reordered

DOCUMENTS: dict[str, Callable[[Plan], str]] = {
    "undercloud.conf": tripleo.undercloud_conf,
    "instackenv.json": lambda plan: tripleo.instackenv(plan, "calvin"),
    "containers": tripleo.containers_prepare,
    "network_data": tripleo.network_data,
    "vip_data": tripleo.vip_data,
    "roles_data": tripleo.roles_data,
    "node_info": tripleo.node_info,
    "controller_nics": tripleo.controller_nics,
    "compute_nics": tripleo.compute_nics,
    "ml2_sdn": lambda plan: tripleo.ml2_sdn(plan, "token"),
    "ib_env": tripleo.ib_env,
}


def rendered(plan: Plan) -> dict[str, str]:
    return {name: render(plan) for name, render in DOCUMENTS.items()}


@given(documents())
def test_hostnames_are_unique_and_numbered_within_their_role(written: dict[str, Any]) -> None:
    plan = Plan(parse(written))
    assert len({h.hostname for h in plan.hosts}) == len(plan.site.nodes)
    for role in Role:
        assert [h.index for h in plan.role(role)] == list(range(len(plan.role(role))))
        assert [h.name for h in plan.role(role)] == [n["name"] for n in written["nodes"] if n["role"] == role]


@given(documents())
def test_a_pkey_is_its_vlan_in_hex_and_no_two_networks_share_one(written: dict[str, Any]) -> None:
    plan = Plan(parse(written))
    assert {p.network: int(p.pkey, 16) for p in plan.control_pkeys} == {
        name: net["vlan"] for name, net in written["networks"]["control"].items()
    }
    assert int(plan.tenant_pkey, 16) == written["tenant"]["network"]["vlan"]
    assert len({*(p.pkey for p in plan.control_pkeys), plan.tenant_pkey}) == len(plan.control_pkeys) + 1


@pytest.mark.parametrize(("mtu", "mtu_kib"), [(1500, None), (2044, None), (2045, 4), (4092, 4)])
def test_a_partition_has_the_mtu_of_its_network(mtu: int, mtu_kib: int | None) -> None:
    written = sites.document()
    written["networks"]["control"]["Storage"]["mtu"] = mtu
    found = {p.network: p.mtu_kib for p in Plan(parse(written)).control_pkeys}
    assert found.pop("Storage") == mtu_kib
    assert set(found.values()) == {None}


@given(documents())
def test_every_node_is_a_member_of_every_control_pkey(written: dict[str, Any]) -> None:
    plan = Plan(parse(written))
    everyone = {f"{n.name}/{written['fabric']['interface']}": n.guid for n in plan.site.nodes}
    assert plan.members == everyone
    assert len(set(everyone.values())) == len(written["nodes"])


@given(documents())
def test_every_cable_has_a_switch_port_and_every_host_a_cable(written: dict[str, Any]) -> None:
    plan = Plan(parse(written))
    hosts = [*(["ufm"] if "host" in written["ufm"] else []), *(n["name"] for n in written["nodes"])]
    assert [link.host for link in plan.links] == hosts
    assert [link.switch_port for link in plan.links] == list(range(1, len(hosts) + 1))
    assert len({link.guid for link in plan.links}) == len(hosts)


@given(documents())
def test_the_same_site_gives_the_same_bytes_however_its_keys_are_ordered(written: dict[str, Any]) -> None:
    one, other = Plan(parse(written)), Plan(parse(reordered(written)))
    assert rendered(one) == rendered(other)
    assert one.control_pkeys == other.control_pkeys


def test_members_of_a_pkey_are_immutable() -> None:
    with pytest.raises(TypeError):
        sites.plan().members["intruder/ib2"] = "1" * 16  # type: ignore[index]


def test_the_guides_names() -> None:
    plan = sites.plan()
    assert [h.hostname for h in plan.computes] == [
        "overcloud-computesriov-ib-0.localdomain",
        "overcloud-computesriov-ib-1.localdomain",
    ]
    assert plan.controllers[2].short_hostname == "overcloud-controller-2"
    assert plan.tenant_pkey == "0x65"
    assert plan.sdn_url == "https://192.168.24.200/ufmRestV3"
    assert [str(a) for a in (plan.site.undercloud.public_address, plan.site.undercloud.admin_address)] == [
        "192.168.24.2",
        "192.168.24.3",
    ]


def test_hosts_and_instances_by_name() -> None:
    plan = sites.plan()
    assert plan.host("compute-2").index == 1
    assert plan.instance("vm1_gpu").port == "direct1"
    for look_up in (plan.host, plan.instance):
        with pytest.raises(KeyError, match="nobody"):
            look_up("nobody")


def test_the_deploy_command_has_three_more_options_than_the_guide_s() -> None:
    command = list(sites.plan({"cloud.name": "gpu", "ssh.overcloudUser": "cloud-admin"}).deploy_command)
    stack = command.index("--stack")  # hosts are called after it, so it follows the site
    assert command[stack + 1] == "gpu"
    del command[stack : stack + 2]
    command.remove("--deployed-server")  # without it tripleoclient 16.5.0 refuses --baremetal-deployment
    user = command.index("--overcloud-ssh-user")  # provisioning has created this one
    assert command[user + 1] == "cloud-admin"
    del command[user : user + 2]
    assert command == sites.GUIDES_COMMAND.split()


def test_provisioning_and_deployment_enter_the_nodes_as_the_same_user() -> None:
    plan = sites.plan({"cloud.name": "gpu", "ssh.overcloudUser": "cloud-admin"})
    networks, nodes = (" ".join(words) for words in plan.provision_commands)
    folder = "/home/stack/templates/IB/VM"
    assert networks == f"openstack overcloud network provision -o networks.yaml {folder}/network_data_ib_vm.yaml"
    assert nodes == (
        "openstack overcloud node provision --stack gpu --overcloud-ssh-user cloud-admin -o nodes.yaml "
        f"{folder}/node-info-ib-vm.yaml"
    )


def test_an_existing_ufm_has_no_cable_in_the_plan() -> None:
    assert "ufm" not in {link.host for link in sites.plan({"ufm.host": DROP}).links}


# -- ports that the configuration leaves to introspection (O2)


def without_ports() -> dict[str, Any]:
    written = sites.document()
    del written["fabric"]["interface"]
    for node in written["nodes"]:
        del node["guid"]
    return written


def test_a_missing_port_is_an_error_with_the_key_to_write() -> None:
    plan = Plan(parse(without_ports()))
    assert not plan.has_all_ports
    assert sites.plan().has_all_ports
    with pytest.raises(UnknownPortError, match="controller-1: found no port GUID before introspection; write `guid`"):
        _ = plan.hosts[0].guid
    with pytest.raises(UnknownPortError, match=r"interface: found nothing before introspection; write it to have it"):
        _ = plan.members


def test_a_plan_lacks_ports_without_the_interface_and_without_a_guid() -> None:
    assert not sites.plan({"fabric.interface": DROP}).has_all_ports
    assert not sites.plan({"nodes[0].guid": DROP}).has_all_ports


def test_ports_from_introspection_complete_the_plan() -> None:
    known = sites.plan()
    ports = {host.name: HcaPort(known.interface, host.guid) for host in known.hosts}
    found = Plan(parse(without_ports())).with_ports(ports)
    assert found.has_all_ports
    assert found.members == known.members
    assert tripleo.deployment_digest(found) == tripleo.deployment_digest(known)


def test_a_plan_with_ports_keeps_the_certificate_authority() -> None:
    plan = replace(Plan(parse(without_ports())), ufm_ca="PEM")
    ports = {host.name: HcaPort("ib2", host.name) for host in plan.hosts}
    assert plan.with_ports(ports).ufm_ca == "PEM"


def test_configured_ports_take_precedence_over_introspection() -> None:
    plan = sites.plan()
    assert plan.with_ports({host.name: HcaPort("ib7", "1" * 16) for host in plan.hosts}).members == plan.members


def test_nodes_with_different_interface_names_are_reported() -> None:
    plan = Plan(parse(without_ports()))
    ports = {host.name: HcaPort("ib0" if host.name == "compute-2" else "ib2", host.name) for host in plan.hosts}
    with pytest.raises(UnknownPortError, match=r"ib0 \(compute-2\), ib2 \(.*write fabric\.interface"):
        plan.with_ports(ports)


# -- indexes: a host keeps its name


def test_an_index_keeps_a_host_s_name_after_the_previous_node_is_removed() -> None:
    written = sites.document()
    before = {h.name: h.hostname for h in Plan(parse(written)).hosts}
    computes = [n for n in written["nodes"] if n["role"] == "ComputeSriovIB"]
    written["nodes"].remove(computes[0])
    vms = [vm["name"] for vm in written["tenant"]["instances"] if vm["compute"] == computes[0]["name"]]
    written["tenant"]["instances"] = [vm for vm in written["tenant"]["instances"] if vm["name"] not in vms]
    for key in ("bandwidth", "externalAccess"):
        written.pop(key, None)
    assert Plan(parse(written)).host(computes[1]["name"]).hostname == before[computes[0]["name"]], "it would be renamed"
    computes[1]["index"] = 1
    assert Plan(parse(written)).host(computes[1]["name"]).hostname == before[computes[1]["name"]]


def test_the_node_after_an_index_has_the_next() -> None:
    written = sites.document()
    controllers = [n for n in written["nodes"] if n["role"] == "Controller"]
    controllers[1]["index"] = 7
    assert [h.index for h in Plan(parse(written)).controllers] == [0, 7, 8]
