"""The life cycle of the guide's rack on one deployment, in this order: up, no-op, drift, repair, scale-out, destroy."""

import json
import re
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from access.ssh import as_stack
from lab import addresses
from lab.cloud.client import Session
from lab.cloud.configuration import NOVA
from lab.fabric.tools import Diagnostics
from lab.hosts.connections import Connections
from lab.service import Service
from providers.ufm import Client as Ufm
from rack.plan import Plan
from rack.site.load import load_stack_file
from review.preview import parse
from review.report import report
from tests.engine.conftest import PROJECT, STACK, Pulumi

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.timeout(1800)]

PLAN = Plan(load_stack_file(STACK))
ADMIN = f"http://127.0.0.1:{addresses.UFM_ADMIN_PORT}"


@pytest.fixture(scope="module")
def secrets(deployed: Pulumi) -> dict[str, str]:
    """Return every secret of the stack: those of the configuration, UFM's token, the cloud's password."""
    config = deployed.json("config", "--show-secrets", "--json")
    found = {key.partition(":")[2]: value["value"] for key, value in config.items() if value.get("secret")}
    state = deployed.json("stack", "export", "--show-secrets")["deployment"]["resources"]
    token = next(r for r in state if r["type"].endswith("ufm:index:AccessToken"))
    provider = next(r for r in state if r["type"] == "pulumi:providers:openstack" and "password" in r["inputs"])
    key = next(r for r in state if r["type"] == "openstack:compute/keypair:Keypair")["outputs"]["privateKey"]
    secret = (("token", token["outputs"]["token"]), ("cloud", provider["inputs"]["password"]), ("key", key))
    for name, value in secret:
        found[name] = json.loads(value["plaintext"]) if isinstance(value, dict) else value
    assert set(found) == {"ufmPassword", "ufmLicense", "ipmiPassword", "token", "cloud", "key"}
    return found


def served_certificate() -> str:
    """Return the certificate that UFM presents."""
    return ssl.get_server_certificate((str(PLAN.site.ufm.address), PLAN.site.ufm.port))


@pytest.fixture
def ufm(secrets: dict[str, str]) -> Ufm:
    return Ufm(
        str(PLAN.site.ufm.address), "admin", secrets["ufmPassword"], port=PLAN.site.ufm.port,
        ca=served_certificate(),
    )  # fmt: skip


def pkeys_of(guid: str) -> set[int]:
    """Return the P_Key table of a port, read from the fabric with smpquery."""
    return Diagnostics(addresses.STATE / "fabric").pkeys(f"0x{guid}")


def test_outputs_describe_the_deployment(deployed: Pulumi) -> None:
    outputs = deployed.json("stack", "output", "--json")
    assert outputs["ufm"]["url"] == "https://127.0.24.200:8443"
    assert outputs["ufm"]["version"]
    assert outputs["pkeys"] == {name: f"{pkey}: 5 members" for name, pkey in
                                (("InternalApi", "0xc"), ("Storage", "0xb"), ("StorageMgmt", "0xd"))}  # fmt: skip
    assert outputs["endpoints"]["overcloud"] == f"http://127.0.0.1:{addresses.KEYSTONE_PORT}"
    for vm in ("vm1_gpu", "vm2_gpu"):
        assert outputs["vms"][vm]["status"] == "ACTIVE"
        assert outputs["vms"][vm]["address"].startswith("11.11.11.")
    assert outputs["floatingIps"] == {"vm1_gpu": "10.0.0.151"}
    assert outputs["bandwidth"].startswith("pass: 19")


def record(node: str) -> dict[str, Any]:
    """Return what the lab's keeper has stored about a node."""
    found: dict[str, Any] = json.loads((addresses.STATE / f"hosts/{node}/state.json").read_text())["state"]
    return found


def boots() -> dict[str, str]:
    """Return the ID of every node's last boot."""
    return {host.name: (addresses.STATE / f"hosts/{host.name}/boot_id").read_text() for host in PLAN.hosts}


def test_adapters_from_the_factory_have_the_vfs_of_the_network_configuration(deployed: Pulumi) -> None:
    for host in PLAN.computes:
        assert record(host.name)["firmware"].items() >= {"SRIOV_EN": 1, "NUM_OF_VFS": 8, "ATS_ENABLED": 1}.items()
        assert record(host.name)["vfs"] == 8


def test_no_plugin_is_taken_from_path(deployed: Pulumi) -> None:
    assert "using plugin from" not in deployed.log.lower()
    assert "from $path" not in deployed.log.lower()


def test_second_up_changes_nothing_and_contacts_no_host(deployed: Pulumi) -> None:
    connections = Connections(addresses.STATE / "hosts")
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes")
    assert connections() == 0


def test_refresh_finds_no_drift(deployed: Pulumi) -> None:
    deployed("refresh", "--yes", "--expect-no-changes")


def test_hosts_are_full_members_of_control_pkeys_on_the_fabric(deployed: Pulumi) -> None:
    wanted = {int(p.pkey, 16) | 0x8000 for p in PLAN.control_pkeys}
    for host in PLAN.hosts:
        assert wanted <= pkeys_of(host.guid), host.name


def test_vfs_and_controllers_are_members_of_the_tenant_pkey(deployed: Pulumi, ufm: Ufm) -> None:
    """Neutron's driver adds them through UFM, not the program."""
    tenant = int(PLAN.tenant_pkey, 16) | 0x8000
    state = deployed.json("stack", "export")["deployment"]["resources"]
    macs = [r["outputs"]["macAddress"] for r in state if r["type"] == "openstack:networking/port:Port"]
    vfs = [f"{m[:6]}0000{m[6:]}" for m in (mac.replace(":", "") for mac in macs)]
    assert len(vfs) == 2
    for guid in (*vfs, *(host.guid for host in PLAN.controllers)):
        assert tenant in pkeys_of(guid), guid
    members = ufm.get_pkey(PLAN.tenant_pkey)
    assert members
    assert set(members.members) == {*vfs, *(host.guid for host in PLAN.controllers)}
    for host in PLAN.computes:
        assert tenant not in pkeys_of(host.guid), f"{host.name}: the PF must not have the tenant PKey"
    writes = [r for r in requests.get(f"{ADMIN}/requests", timeout=10).json() if r["method"] in ("PUT", "POST")]
    ours = [r["path"] for r in writes if r["path"].startswith("/ufmRest/resources/pkeys")]
    assert len(ours) == len(PLAN.control_pkeys), "the program writes once per control PKey"
    assert any(r["path"].startswith("/ufmRestV3/cloudx/Port") for r in writes), (
        "Neutron's driver writes the tenant's ports"
    )


def edited(folder: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Write a copy of the stack's file with an edited site, and return its path."""
    document: dict[str, Any] = yaml.safe_load(STACK.read_text())
    edit(document["config"]["rack:site"])
    changed = folder / "Pulumi.dev.yaml"
    changed.write_text(yaml.safe_dump(document))
    return changed


def spare(**changes: Any) -> dict[str, Any]:
    """Return the lab's spare compute as an entry of `nodes`."""
    entry: dict[str, Any] = yaml.safe_load(STACK.read_text())["config"]["lab:spares"][0]
    return {key: value for key, value in (entry | changes).items() if value is not None}


def updated(shown: str) -> set[str]:
    """Return the names of the resources that a preview with --diff, or an update, changes."""
    return set(re.findall(r"^ *~ .*\n *\[id=.*\n *\[urn=.*::([\w-]+)\]", shown, re.MULTILINE))


def test_the_deployment_writes_the_options_of_ml2_conf(deployed: Pulumi) -> None:
    """O6, T4, and the verification of UFM's certificate, with which Neutron wrote the members above."""
    folder = "var/lib/config-data/puppet-generated/neutron/etc/neutron/plugins/ml2"
    for host in PLAN.controllers:
        root = addresses.STATE / "hosts" / host.name / "root"
        text = (root / folder / "ml2_conf.ini").read_text()
        for option in ("physical_networks = ibnet", "client_id_hardware = True", "cert_verify = True"):
            assert text.count(option) == 1, option
        authority = re.findall(r"cert_path = /(.*)", text)
        assert [(root / path).read_text() for path in authority] == [served_certificate()]


def test_preview_names_a_new_node_in_each_control_pkey(deployed: Pulumi, tmp_path: Path) -> None:
    shown = deployed("preview", "--diff", "--config-file", str(edited(tmp_path, lambda s: s["nodes"].append(spare()))))
    assert len(re.findall(r'\+ compute-3/ib2 *: "b8599f0300b00061"', shown)) == len(PLAN.control_pkeys) == 3
    assert "overcloud-computesriov-ib-2" in shown


def test_a_changed_parameter_shows_its_line_and_deploys_again(deployed: Pulumi, tmp_path: Path) -> None:
    changed = edited(tmp_path, lambda site: site["compute"].update(reservedMemoryMib=8192))
    shown = deployed("preview", "--diff", "--config-file", str(changed))
    assert re.search(r"~ NovaReservedHostMemory *: 4096 => 8192", shown)
    assert {"gate-members", "overcloud-deploy", "overcloud-restart-ufm"} <= updated(shown)
    assert not {"undercloud-install", "introspection-nodes", "tenant-vm1_gpu"} & updated(shown)


def test_another_tenant_vlan_replaces_the_network_with_all_that_is_on_it(deployed: Pulumi, tmp_path: Path) -> None:
    """Neutron accepts other segments of a network, and ignores them."""
    changed = edited(tmp_path, lambda site: site["tenant"]["network"].update(vlan=102))
    found = report(parse(json.dumps(deployed.json("preview", "--json", "--config-file", str(changed)))), "dev")
    replaced = {effect.text.partition(" is replaced")[0] for effect in found.effects if effect.kind == "replace"}
    assert {"network ib_tenant_net", "port direct1", "port direct2", "VM vm1_gpu", "VM vm2_gpu"} <= replaced


def test_a_change_that_no_document_contains_deploys_nothing(deployed: Pulumi, tmp_path: Path) -> None:
    changed = tmp_path / "Pulumi.dev.yaml"
    changed.write_text(STACK.read_text().replace("    fabric:", "    # A comment.\n    fabric:"))
    deployed("preview", "--expect-no-changes", "--config-file", str(changed))
    changed = edited(tmp_path, lambda site: site["undercloud"].update(introspectionRepeats=1))
    assert updated(deployed("preview", "--diff", "--config-file", str(changed))) == {"introspection-nodes"}


def test_a_protected_stack_is_not_destroyed(deployed: Pulumi, tmp_path: Path) -> None:
    deployed("up", "--yes", "--skip-preview", "--config-file", str(edited(tmp_path, lambda site: site.pop("protect"))))
    requests.delete(f"{ADMIN}/requests", timeout=10)
    files = files_of_ours()
    said = deployed("destroy", "--yes", "--skip-preview", fails=True)
    assert "Protection::protection" in said
    assert "protected" in said
    assert " deleted (" not in said
    assert writes() == [], "UFM is not changed"
    assert files_of_ours() == files, "no host is changed"
    deployed("up", "--yes", "--skip-preview")
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_member_removed_by_others_is_detected_and_restored(deployed: Pulumi, ufm: Ufm) -> None:
    victim, pkey = PLAN.host("controller-2"), PLAN.control_pkeys[0]
    ufm.remove_guids(pkey.pkey, [victim.guid])
    found = deployed("refresh", "--yes", "--diff")
    assert re.search(rf'- controller-2/ib2 *: "{victim.guid}"', found)
    shown = deployed("preview", "--diff")
    assert re.search(rf'\+ controller-2/ib2 *: "{victim.guid}"', shown)
    requests.delete(f"{ADMIN}/requests", timeout=10)
    deployed("up", "--yes", "--skip-preview")
    assert writes() == ["PUT /ufmRest/resources/pkeys"], "one write repairs it"
    assert int(pkey.pkey, 16) | 0x8000 in pkeys_of(victim.guid)
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes")


def writes() -> list[str]:
    """Return the writes to UFM since its log of requests was cleared."""
    asked = requests.get(f"{ADMIN}/requests", timeout=10).json()
    return [f"{r['method']} {r['path']}" for r in asked if r["method"] != "GET"]


def on_undercloud(command: str) -> str:
    """Run a command on the undercloud over SSH, with host key check, and return its output."""
    site = PLAN.site
    options = ["-i", str(site.ssh.private_key_file), "-o", f"UserKnownHostsFile={site.ssh.known_hosts_file}"]
    where = ["-F", "none", *options, "-p", str(site.ssh.port), f"{site.ssh.user}@{site.undercloud.address}"]
    done = subprocess.run(["ssh", *where, command], cwd=PROJECT, capture_output=True, text=True, check=True)
    return done.stdout


def in_cloud(command: str) -> list[dict[str, Any]]:
    """Return what `openstack COMMAND` lists in the overcloud."""
    found: list[dict[str, Any]] = json.loads(on_undercloud(as_stack(". ~/overcloudrc", f"openstack {command} -f json")))
    return found


def servers() -> dict[str, Any]:
    """Return everything that nova reports about each instance; any change to an instance changes it."""
    listed = Session().get(f"{NOVA}/servers/detail", all_tenants="1")["servers"]
    return {server["name"]: server for server in listed}


NEW = "overcloud-computesriov-ib-2.localdomain"


def test_an_added_compute_needs_one_up_and_leaves_instances_alone(deployed: Pulumi, ufm: Ufm, tmp_path: Path) -> None:
    """Introspection finds its port's GUID."""
    before, booted = servers(), boots()
    assert set(before) == {"vm1_gpu", "vm2_gpu"}
    changed = edited(tmp_path, lambda site: site["nodes"].append(spare(guid=None)))
    deployed("up", "--yes", "--skip-preview", "--config-file", str(changed))
    for pkey in PLAN.control_pkeys:
        found = ufm.get_pkey(pkey.pkey)
        assert found
        assert len(found.members) == 6
        assert int(pkey.pkey, 16) | 0x8000 in pkeys_of(spare()["guid"])
    services = {s["Host"]: (s["Status"], s["State"]) for s in in_cloud("compute service list")}
    assert services[NEW] == ("enabled", "up")
    assert len(services) == 3
    assert servers() == before
    assert record(spare()["name"])["vfs"] == 8, "its adapter came from the factory, too"
    assert boots() == booted, "no deployed node is rebooted"
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes", "--config-file", str(changed))


def test_a_removed_compute_is_scaled_in_before_the_pkeys_change(deployed: Pulumi, ufm: Ufm) -> None:
    before = servers()
    said = deployed("up", "--yes", "--skip-preview")
    gone = said.index("undercloud-leavers updated")
    assert all(gone < said.index(f"fabric-{pkey.network} updating") for pkey in PLAN.control_pkeys)
    assert NEW not in {s["Host"] for s in in_cloud("compute service list")}
    assert NEW not in {a["Host"] for a in in_cloud("network agent list")}
    nodes = json.loads(on_undercloud(as_stack(". ~/stackrc", "openstack baremetal node list -f json")))
    assert {node["Name"] for node in nodes} == {host.name for host in PLAN.hosts}
    for pkey in PLAN.control_pkeys:
        found = ufm.get_pkey(pkey.pkey)
        assert found
        assert set(found.members) == {host.guid for host in PLAN.hosts}
    assert servers() == before
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_pkeys_of_a_rack_deployed_by_hand_are_adopted_without_a_write(deployed: Pulumi, tmp_path: Path) -> None:
    """UFM has the partitions, but the state does not contain them."""
    document = deployed.json("stack", "export")
    state = document["deployment"]["resources"]
    pkeys = {r["urn"] for r in state if r["type"] == "ufm:index:PKey"}
    for resource in state:
        resource["dependencies"] = [urn for urn in resource.get("dependencies") or [] if urn not in pkeys]
    document["deployment"]["resources"] = [r for r in state if r["urn"] not in pkeys]
    (tmp_path / "state.json").write_text(json.dumps(document))
    deployed("stack", "import", "--file", str(tmp_path / "state.json"))
    requests.delete(f"{ADMIN}/requests", timeout=10)
    shown = deployed("preview")
    for pkey in PLAN.control_pkeys:
        assert f"PKey {pkey.pkey} exists as declared: it will be adopted without a write" in shown
    assert "3 to create" in shown
    assert "to update" not in shown
    deployed("up", "--yes", "--skip-preview")
    assert writes() == []
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_new_image_upgrades_ufm_and_keeps_partitions_and_token(deployed: Pulumi, tmp_path: Path) -> None:
    changed = tmp_path / "Pulumi.dev.yaml"
    changed.write_text(STACK.read_text().replace("ufm-enterprise:6.14.5-2", "ufm-enterprise:6.15.2-4"))
    requests.delete(f"{ADMIN}/requests", timeout=10)
    deployed("up", "--yes", "--skip-preview", "--config-file", str(changed))
    assert deployed.json("stack", "output", "--json")["ufm"]["version"] == "6.15.2-4"
    assert writes() == [], "UFM keeps tokens and partitions"
    deployed("refresh", "--yes")
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes", "--config-file", str(changed))
    test_hosts_are_full_members_of_control_pkeys_on_the_fabric(deployed)


def test_no_secret_is_in_plain_text(deployed: Pulumi, secrets: dict[str, str]) -> None:
    """Neither the state nor any output of the engine in this session contains one."""
    state = json.dumps(deployed.json("stack", "export"))
    for name, value in secrets.items():
        for text in {value, *value.splitlines()}:
            if text.strip():
                assert text not in state, f"{name} in the state"
                assert text not in deployed.log, f"{name} in the engine's output"


def test_destroy_leaves_nothing(deployed: Pulumi, lab: tuple[Service, ...]) -> None:
    requests.delete(f"{ADMIN}/requests", timeout=10)
    before = files_of_ours()
    assert before, "the rack is deployed: its files are on the hosts"
    deployed("destroy", "--yes", "--skip-preview")
    assert "resources" not in deployed.json("stack", "export")["deployment"]
    deleted = {
        r["path"].rpartition("/")[2] for r in requests.get(f"{ADMIN}/requests", timeout=10).json()
        if r["method"] == "DELETE"
    }  # fmt: skip
    assert {p.pkey for p in PLAN.control_pkeys} <= deleted
    assert {f"pulumi_pkey_{p.pkey}" for p in PLAN.control_pkeys} <= deleted, "the marks"
    assert pkeys_of(PLAN.site.ufm.host.guid if PLAN.site.ufm.host else "") == {0xFFFF}
    assert files_of_ours() == set()


def files_of_ours() -> set[str]:
    """Return the files that the program shipped, found in the hosts' root file systems."""
    shipped = (
        "undercloud.conf",
        "instackenv.json",
        "templates/IB",
        "*-ib-vm*",
        "nodes.*",
        "introspection.json",
        "wave.py",
        "factory.py",
        "overcloudrc",
        "mlnx-ufm.lic",
        "*.qcow2",
    )
    found = set()
    for pattern in shipped:
        found |= {str(p) for p in addresses.STATE.glob(f"hosts/*/root/home/**/{pattern}")}
    for path in ("opt/rack-job", "var/lib/rack-jobs", "var/lib/rack"):
        found |= {str(p) for p in addresses.STATE.glob(f"hosts/*/root/{path}")}
    return found


def test_lab_status_lists_every_service(lab: tuple[Service, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lab", "status"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    for service in lab:
        assert service.name in done.stdout
