"""The real cloud, deployed from sample files. The tests run in this order, each on the state of the previous one."""

import dataclasses
import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from lab import addresses
from lab.cloud import client, configuration, deployment, journal, operations
from lab.cloud.client import CloudClient
from lab.cloud.folders import RUN
from lab.cloud.maintenance import Maintenance
from lab.cloud.puppet import ANCHORS, BUNDLE
from lab.cloud.service import CloudService
from lab.process import LabError, until

from .support import COMPUTES, CONTROLLERS, HARDWARE, Change, FabricRecorder, UfmRecorder, ml2_options, sample_files
from .tenant import NEUTRON, NOVA, Tenant

pytestmark = pytest.mark.lab

Deploy = Callable[..., list[str]]


@pytest.fixture(scope="module")
def deploy(
    cloud: CloudService, ufm: UfmRecorder, fabric: FabricRecorder, tmp_path_factory: pytest.TempPathFactory
) -> Deploy:
    """Return a function that deploys the samples with changes and returns the printed lines."""

    def run(token: str = "token", url: str = "", **changes: Change) -> list[str]:
        said: list[str] = []
        files = sample_files(tmp_path_factory.mktemp("files"), url or ufm.url, token, **changes)
        deployment.deploy(files, HARDWARE, said.append)
        return said

    return run


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant()


class World:
    """Objects that later tests use."""

    network: dict[str, Any]
    subnet: dict[str, Any]
    port: dict[str, Any]
    server: dict[str, Any]
    flavor: str
    image: str


def pids(cloud: CloudService) -> dict[str, int | None]:
    return {process.name: process.pid() for process in cloud.processes()}


def drained() -> bool:
    return all(row.state == "completed" for row in client.journal())


def state_of(rows: str) -> set[str]:
    return {row.state for row in client.journal() if row.object_uuid == rows}


def test_the_base_has_neither_nova_nor_neutron(cloud: CloudService) -> None:
    assert set(pids(cloud)) == {"mariadb", "epmd", "rabbitmq", "keystone", "placement", "glance"}
    assert all(pids(cloud).values())
    assert operations.running_on(COMPUTES[0]) == []
    with pytest.raises(LabError, match="no overcloud"):
        operations.ml2_conf()


def test_every_process_listens_only_on_loopback(cloud: CloudService) -> None:
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    ours = {f"{port:04X}" for name, port in vars(addresses).items() if name.endswith("_PORT")}
    for line in listening.splitlines():
        match = re.match(r"\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A ", line)
        if match and match[2] in ours:
            assert match[1] in ("0100007F", "00000000000000000000000001000000"), line


def test_an_invalid_file_deploys_nothing(deploy: Deploy, cloud: CloudService) -> None:
    with pytest.raises(LabError, match=r"\(MlnxSDNUrl\) was not provided"):
        deploy(neutron=lambda parameters: parameters.pop("MlnxSDNUrl"))
    assert "neutron-server" not in pids(cloud)


def test_a_deployment_starts_nova_and_neutron(deploy: Deploy, cloud: CloudService) -> None:
    begin = time.monotonic()
    deploy()
    assert time.monotonic() - begin < 120
    assert all(pids(cloud).values())
    assert sorted(CloudClient().hypervisors()) == COMPUTES


def test_a_second_deployment_of_the_same_files_restarts_nothing(deploy: Deploy, cloud: CloudService) -> None:
    before = pids(cloud)
    deploy()
    assert pids(cloud) == before


def test_computes_have_the_inventory_of_files_and_hardware(deploy: Deploy, tenant: Tenant) -> None:
    providers = tenant.session.get(f"{configuration.PLACEMENT}/resource_providers")["resource_providers"]
    assert sorted(p["name"] for p in providers) == COMPUTES
    for provider in providers:
        url = f"{configuration.PLACEMENT}/resource_providers/{provider['uuid']}/inventories"
        inventory = tenant.session.get(url)["inventories"]
        assert inventory["PCPU"]["total"] == 62
        assert inventory["VCPU"]["total"] == 2
        assert inventory["MEMORY_MB"]["reserved"] == 4096


def test_a_network_is_sent_to_ufm_and_gets_dhcp_ports_on_every_controller(
    deploy: Deploy, tenant: Tenant, ufm: UfmRecorder
) -> None:
    World.network = tenant.ib_network(101)
    assert World.network["mtu"] == 2044
    World.subnet = tenant.subnet(World.network, "11.11.11.0/24", dns_nameservers=["10.0.0.2"])
    query = {"network_id": World.network["id"], "device_owner": "network:dhcp"}
    assert until(lambda: [p["status"] for p in tenant.ports(**query)] == ["ACTIVE"] * 3, 30), tenant.ports(**query)
    assert sorted(p["binding:host_id"] for p in tenant.ports(**query)) == CONTROLLERS
    assert until(drained, 30), client.journal()
    sent = ufm.of("POST", "Network")[-1].body
    assert (sent["id"], sent["provider:segmentation_id"]) == (World.network["id"], 101)
    hosts = {p.body["binding:host_id"] for p in ufm.of("POST", "Port") if p.body["device_owner"] == "network:dhcp"}
    assert sorted(hosts) == CONTROLLERS


def test_a_server_on_a_direct_port_gets_a_vf_with_the_port_s_guid(
    deploy: Deploy, tenant: Tenant, ufm: UfmRecorder, fabric: FabricRecorder
) -> None:
    World.flavor, World.image = tenant.flavor("m1.gpu", "a100"), tenant.image()
    World.port = tenant.direct_port(World.network)
    World.server = tenant.server("vm1_gpu", World.flavor, World.image, World.port["id"], COMPUTES[0])
    assert World.server["status"] == "ACTIVE", World.server.get("fault")
    port = tenant.get("port", World.port["id"])
    assert port["binding:vif_type"] == "ib_hostdev"
    guid = port["mac_address"].replace(":", "")
    ((node, vf),) = fabric.vfs
    assert (node, fabric.vfs[node, vf]) == ("compute-1", f"{guid[:6]}0000{guid[6:]}")
    assert port["binding:profile"]["pci_slot"] == f"0000:c1:{(vf + 1) // 8:02x}.{(vf + 1) % 8}"
    assert until(lambda: tenant.get("port", World.port["id"])["status"] == "ACTIVE", 20)
    assert until(drained, 30), client.journal()
    assert [r for r in ufm.of("PUT", "Port") if r.body["id"] == port["id"]]
    posted = [r.body for r in ufm.of("POST", "Port") if r.body["id"] == port["id"]]
    assert posted[0]["binding:host_id"] == COMPUTES[0]
    assert port["extra_dhcp_opts"][0]["opt_value"].startswith("ff:00:00:00:00:00:02:00:00:02:c9:00:")
    assert operations.running_on(COMPUTES[0]) == [World.server["id"]]
    assert operations.running_on(COMPUTES[1]) == []


def test_the_client_of_the_hosts_returns_server_port_and_network(deploy: Deploy) -> None:
    cloud = CloudClient()
    (server,) = cloud.servers()
    assert (server.name, server.status, server.host) == ("vm1_gpu", "ACTIVE", COMPUTES[0])
    (port,) = server.ports
    assert (port.id, port.mac, port.vnic_type) == (World.port["id"], World.port["mac_address"], "direct")
    assert port.fixed_ips[0].startswith("11.11.11.")
    network = next(n for n in cloud.networks() if n.id == World.network["id"])
    assert (network.physical_network, network.segment, network.dhcp_subnets) == ("ibnet", 101, ("11.11.11.0/24",))


def test_a_router_and_a_floating_ip_become_active(deploy: Deploy, tenant: Tenant, ufm: UfmRecorder) -> None:
    flat = {"provider:physical_network": "datacentre", "provider:network_type": "flat", "router:external": True}
    public = tenant.make("network", name="public", **flat)
    tenant.subnet(public, "10.0.0.0/24", enable_dhcp=False, gateway_ip="10.0.0.1")
    router = tenant.make("router", name="r", ha=False, external_gateway_info={"network_id": public["id"]})
    interface = {"subnet_id": World.subnet["id"]}
    tenant.session.send("PUT", f"{NEUTRON}/routers/{router['id']}/add_router_interface", json=interface)
    floating = tenant.make("floatingip", floating_network_id=public["id"], port_id=World.port["id"])
    assert until(lambda: tenant.get("floatingip", floating["id"])["status"] == "ACTIVE", 30)

    def bound() -> list[tuple[str, str, bool]]:
        ports = tenant.ports(device_id=router["id"])
        return sorted((p["device_owner"], p["status"], p["binding:host_id"] in CONTROLLERS) for p in ports)

    wanted = [("network:router_gateway", "ACTIVE", True), ("network:router_interface", "ACTIVE", True)]
    assert until(lambda: bound() == wanted, 30), bound()
    assert until(drained, 30)
    assert [r for r in ufm.of("POST", "Port") if r.body["device_owner"] == "network:router_interface"]
    tenant.delete("floatingip", floating["id"])
    tenant.session.send("PUT", f"{NEUTRON}/routers/{router['id']}/remove_router_interface", json=interface)
    tenant.delete("router", router["id"])
    tenant.delete("network", public["id"])
    assert tenant.ports(device_id=router["id"]) == []


def test_servers_and_vfs_survive_a_stop(
    deploy: Deploy, cloud: CloudService, tenant: Tenant, fabric: FabricRecorder
) -> None:
    plugged = dict(fabric.vfs)
    cloud.stop(print)
    assert not any(pids(cloud).values())
    fabric.vfs.clear()
    cloud.start(print)
    assert tenant.show(World.server["id"])["status"] == "ACTIVE"
    assert until(lambda: fabric.vfs == plugged, 20)


def test_hieradata_sets_physical_networks_and_client_id_hardware(
    deploy: Deploy, tenant: Tenant, ufm: UfmRecorder
) -> None:
    """O6: [sdn] physical_networks; T4: [mlnx] client_id_hardware."""
    other = tenant.ib_network(301, "datacentre")
    assert until(lambda: ufm.of("POST", "Network")[-1].body["id"] == other["id"], 20)
    deploy(ib=ml2_options(sdn__physical_networks="ibnet", mlnx__client_id_hardware=True))
    tenant.delete("network", other["id"])
    other, mine = tenant.ib_network(302, "datacentre"), tenant.ib_network(102)
    assert until(lambda: ufm.of("POST", "Network")[-1].body["id"] == mine["id"], 20)
    assert all(r.body["id"] != other["id"] for r in ufm.requests if r.verb == "POST" and "/Network" in r.path)
    tenant.delete("network", other["id"])
    tenant.delete("network", mine["id"])
    port = tenant.direct_port(World.network)
    server = tenant.server("vm2_gpu", World.flavor, World.image, port["id"], COMPUTES[1])
    assert server["status"] == "ACTIVE", server.get("fault")
    option = tenant.get("port", port["id"])["extra_dhcp_opts"][0]["opt_value"]
    assert option.startswith("20:")
    assert len(option.split(":")) == 9
    tenant.delete_server(server["id"])
    tenant.delete("port", port["id"])


def test_a_deployment_fails_when_neutron_does_not_start(deploy: Deploy) -> None:
    wrong = ["mlnx_sdn_assist", "mlnx_infinibandd", "openvswitch"]
    with pytest.raises(LabError, match="neutron-server"):
        deploy(neutron=lambda parameters: parameters.update(NeutronMechanismDrivers=wrong))
    deploy()


def test_unknown_physical_networks_and_aliases_are_refused(deploy: Deploy, tenant: Tenant) -> None:
    with pytest.raises(LabError, match=r"400.*nonet"):
        tenant.ib_network(103, "nonet")
    flavor = tenant.flavor("m1.wrong", "a1000")
    with pytest.raises(LabError, match=r"400.*PCI alias a1000 is not defined"):
        tenant.server("refused", flavor, World.image, tenant.direct_port(World.network)["id"], COMPUTES[0])


def test_a_changed_alias_restarts_only_nova_s_controller_services(
    deploy: Deploy, cloud: CloudService, tenant: Tenant
) -> None:
    def rename(parameters: dict[str, Any]) -> None:
        parameters["ControllerExtraConfig"]["nova::pci::aliases"][0]["name"] = "gpu"

    before = pids(cloud)
    deploy(ib=rename)
    after = pids(cloud)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"nova-conductor", "nova-scheduler", "nova-api"}
    with pytest.raises(LabError, match=r"400.*PCI alias a100 is not defined"):
        tenant.server("refused", World.flavor, World.image, tenant.direct_port(World.network)["id"], COMPUTES[0])
    deploy()


def test_an_alias_for_a_plain_pci_device_finds_no_a100(deploy: Deploy, tenant: Tenant) -> None:
    """An A100 has SR-IOV, so nova records it as type-PF, and type-PCI matches none (issue 10, R5)."""

    def plain(parameters: dict[str, Any]) -> None:
        for role in ("Controller", "ComputeSriovIB"):
            parameters[f"{role}ExtraConfig"]["nova::pci::aliases"][0]["device_type"] = "type-PCI"

    deploy(ib=plain)
    port = tenant.direct_port(World.network)["id"]
    server = tenant.server("plain", World.flavor, World.image, port, COMPUTES[0])
    assert server["status"] == "ERROR"
    assert "pci" in json.dumps(server["fault"]).lower() or "No valid host" in server["fault"]["message"]
    tenant.delete_server(server["id"])
    deploy()


def test_a_server_ends_in_error_without_the_fabric_s_controller(
    deploy: Deploy, tenant: Tenant, fabric: FabricRecorder
) -> None:
    port = tenant.direct_port(World.network)
    moved = addresses.FABRIC_SOCKET.with_suffix(".away")
    addresses.FABRIC_SOCKET.rename(moved)
    try:
        server = tenant.server("vm3", World.flavor, World.image, port["id"], COMPUTES[1])
    finally:
        moved.rename(addresses.FABRIC_SOCKET)
    assert server["status"] == "ERROR"
    assert all(node != "compute-2" for node, _ in fabric.vfs)
    tenant.delete_server(server["id"])
    tenant.delete("port", port["id"])


def test_a_reboot_with_other_firmware_changes_the_vfs(deploy: Deploy, tenant: Tenant) -> None:
    def restart(vfs: int) -> None:
        operations.restart_compute(COMPUTES[1], dataclasses.replace(HARDWARE[COMPUTES[1]], vfs=vfs), print)

    restart(0)
    port = tenant.direct_port(World.network)
    server = tenant.server("vm4", World.flavor, World.image, port["id"], COMPUTES[1])
    assert server["status"] == "ERROR"
    tenant.delete_server(server["id"])
    restart(8)
    server = tenant.server("vm4", World.flavor, World.image, port["id"], COMPUTES[1])
    assert server["status"] == "ACTIVE", server.get("fault")
    tenant.delete_server(server["id"])
    tenant.delete("port", port["id"])


def test_journal_rows_stay_pending_until_the_token_is_right(deploy: Deploy, tenant: Tenant, ufm: UfmRecorder) -> None:
    assert until(drained, 30), client.journal()
    deploy(token="wrong")
    network = tenant.ib_network(104)
    assert network["status"] == "ACTIVE"  # the failure is not visible to the tenant
    assert until(lambda: sum(r.status == 401 and r.body.get("id") == network["id"] for r in ufm.requests) >= 2, 40)
    assert "completed" not in state_of(network["id"])
    deploy()
    assert until(drained, 40), client.journal()
    assert ufm.of("POST", "Network")[-1].body["id"] == network["id"]
    tenant.delete("network", network["id"])


def neutron_log() -> Callable[[], str]:
    """Return a function that returns what neutron has logged since."""
    log = RUN / "neutron.log"
    begin = log.stat().st_size
    return lambda: log.read_text()[begin:]


def test_neutron_sends_nothing_to_ufm_without_a_verified_certificate(deploy: Deploy, tenant: Tenant) -> None:
    """O3: `[sdn] cert_verify` and `cert_path`, and the certificate authority in CAMap."""
    ours, other = trustme.CA(), trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.issue_cert("127.0.0.1").configure_cert(tls)
    with UfmRecorder().serving(tls=tls) as verified:

        def trust(authority: trustme.CA, cert_path: str) -> None:
            ca_map = {"rack-ufm": {"content": authority.cert_pem.bytes().decode()}}
            options = ml2_options(ca_map, sdn__cert_verify=True, sdn__cert_path=cert_path)
            deploy(url=verified.url, ib=options)

        logged = neutron_log()
        trust(other, BUNDLE)
        network = tenant.ib_network(107)
        assert until(lambda: "CERTIFICATE_VERIFY_FAILED" in logged(), 20), logged()
        assert verified.requests == []
        trust(ours, f"{ANCHORS}/rack-ufm.pem")
        assert until(drained, 40), client.journal()
        assert verified.of("POST", "Network")[-1].body["id"] == network["id"]
        trust(ours, BUNDLE)
        tenant.delete("network", network["id"])
        assert until(drained, 40), client.journal()
        assert verified.of("DELETE", "Network")[-1].path.endswith(network["id"])
    deploy()


def test_neutron_does_not_start_without_the_file_of_the_certificate_authority(deploy: Deploy) -> None:
    missing = ml2_options(sdn__cert_verify=True, sdn__cert_path=f"{ANCHORS}/none.pem")
    logged = neutron_log()
    try:
        with pytest.raises(LabError, match="neutron-server ended"):
            deploy(ib=missing)
        assert f"{ANCHORS}/none.pem" in logged()
    finally:
        deploy()


def test_rows_orphaned_by_an_absent_ufm_are_sent_after_neutron_restarts(
    deploy: Deploy, tenant: Tenant, ufm: UfmRecorder
) -> None:
    """networking-mlnx 21.0.0 leaves a row in `processing` if the connection is refused."""
    deploy(url="http://127.0.0.1:9")
    network = tenant.ib_network(105)
    assert until(lambda: state_of(network["id"]) == {"processing"}, 20), state_of(network["id"])
    deploy()
    assert until(drained, 40), client.journal()
    assert ufm.of("POST", "Network")[-1].body["id"] == network["id"]
    tenant.delete("network", network["id"])


def test_wallaby_s_maintenance_sends_orphaned_rows_again(deploy: Deploy, tenant: Tenant) -> None:
    """The thread is that of networking-mlnx 18.0.0; neutron is not restarted."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    journal.choose(Maintenance("wallaby", interval=4, timeout=2), print)
    try:
        deploy(url=f"http://127.0.0.1:{port}")
        network = tenant.ib_network(106)
        assert until(lambda: state_of(network["id"]) == {"processing"}, 20), state_of(network["id"])
        with UfmRecorder().serving(port) as late:
            assert until(drained, 40), client.journal()
            assert late.of("POST", "Network")[-1].body["id"] == network["id"]
            tenant.delete("network", network["id"])
            assert until(drained, 40), client.journal()
    finally:
        journal.choose(Maintenance(), print)
        deploy()


def test_deleting_a_server_frees_its_vf_and_deletes_the_port_at_ufm(
    deploy: Deploy, tenant: Tenant, ufm: UfmRecorder, fabric: FabricRecorder
) -> None:
    tenant.delete_server(World.server["id"])
    assert fabric.vfs == {}
    assert until(lambda: [r for r in ufm.of("DELETE", "Port") if World.port["id"] in r.path] != [], 30)


def test_dhcp_ports_follow_subnets_and_do_not_block_the_network_s_deletion(
    deploy: Deploy, tenant: Tenant, ufm: UfmRecorder
) -> None:
    query = {"network_id": World.network["id"], "device_owner": "network:dhcp"}
    second = tenant.subnet(World.network, "11.11.12.0/24")
    assert until(lambda: all(len(p["fixed_ips"]) == 2 for p in tenant.ports(**query)), 30)
    tenant.delete("subnet", second["id"])
    assert until(lambda: all(len(p["fixed_ips"]) == 1 for p in tenant.ports(**query)), 30)
    for port in tenant.ports(network_id=World.network["id"], device_owner=""):
        tenant.delete("port", port["id"])
    tenant.delete("network", World.network["id"])
    assert until(drained, 30)
    assert tenant.ports(**query) == []
    assert ufm.of("DELETE", "Network")[-1].path.endswith(World.network["id"])


def test_deleting_the_last_dhcp_subnet_deletes_the_dhcp_ports(deploy: Deploy, tenant: Tenant) -> None:
    network = tenant.ib_network(106)
    subnet = tenant.subnet(network, "11.11.13.0/24")
    assert until(lambda: len(tenant.ports(network_id=network["id"])) == 3, 30)
    tenant.delete("subnet", subnet["id"])
    assert until(lambda: tenant.ports(network_id=network["id"]) == [], 30)
    tenant.delete("network", network["id"])


def test_deleting_the_overcloud_leaves_only_the_base(deploy: Deploy, cloud: CloudService, tenant: Tenant) -> None:
    rc = operations.overcloudrc()
    deployment.delete(print)
    assert set(pids(cloud)) == {"mariadb", "epmd", "rabbitmq", "keystone", "placement", "glance"}
    assert tenant.session.get(f"{configuration.GLANCE}/v2/images")["images"] == []
    assert tenant.session.get(f"{configuration.PLACEMENT}/resource_providers")["resource_providers"] == []
    assert client.journal() == []
    assert operations.overcloudrc() == rc
    with pytest.raises(LabError):
        tenant.session.get(f"{NOVA}/servers")
