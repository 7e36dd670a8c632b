"""Drift of every kind on the deployed rack: `rack drift` reports it, `up` repairs it, and the next report is empty.

All kinds are made at once, so that one `up` repairs them: a deployment is the longest part of it.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from access.ssh import as_stack
from lab import addresses
from lab.cloud.client import Session
from lab.cloud.configuration import NOVA
from lab.hosts.connections import Connections
from lab.process import until
from providers.ufm import Client as Ufm
from rack.tripleo.deployment import ML2_FILE
from tests.engine.conftest import PROJECT, STACK, Pulumi
from tests.engine.test_rack import PLAN, in_cloud, on_undercloud, served_certificate

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.timeout(1800)]

CANARY = "CANARYcanaryCANARYcanary"


def on_node(name: str, command: str) -> str:
    """Run a command as root on a node, as user stack enters it."""
    ssh = PLAN.site.ssh
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    where = f"{ssh.overcloud_user}@{PLAN.host(name).address}"
    inner = shlex.quote(f"sudo -n sh -c {shlex.quote(command)}")
    return on_undercloud(as_stack(f"exec ssh -n {options} -p {ssh.node_port} {where} {inner}"))


def on_ufm(command: str) -> None:
    site = PLAN.site
    options = ["-i", str(site.ssh.private_key_file), "-o", f"UserKnownHostsFile={site.ssh.known_hosts_file}"]
    words = ["ssh", "-F", "none", *options, "-p", str(site.ssh.port), f"{site.ssh.user}@{site.ufm.address}", command]
    subprocess.run(words, cwd=PROJECT, capture_output=True, check=True)


def stop_vm(name: str) -> None:
    """Stop a VM as a user does, and wait until it is off."""
    session = Session()
    (server,) = (s for s in session.get(f"{NOVA}/servers/detail", all_tenants="1")["servers"] if s["name"] == name)
    session.send("POST", f"{NOVA}/servers/{server['id']}/action", json={"os-stop": None})

    def off() -> bool:
        return bool(session.get(f"{NOVA}/servers/{server['id']}")["server"]["status"] == "SHUTOFF")

    assert until(off, 60)


def deploy_by_hand(_: Ufm) -> None:
    """Deploy with the same files after the job's end, as an operator does."""
    command = shlex.join(PLAN.deploy_command)
    on_undercloud(as_stack(". ~/stackrc", f"{command} >&2", f"touch -d '+60 seconds' {STATUS}"))


STATUS = "overcloud-deploy/overcloud/overcloud-deployment_status.yaml"
HCA = PLAN.site.compute.hca
STARTUP = "/var/lib/tripleo-config/container-startup-config/step_4/neutron_api.json"
OTHER_IMAGE = 's#: "[^"]*neutron-server[^"]*"#: "registry.example/own:1"#'
HOST = PLAN.host("compute-2").hostname


@dataclass(frozen=True)
class Kind:
    """One kind of drift."""

    kind: str
    """As the report calls it."""
    where: str
    """How the name of the host begins."""
    says: str
    harm: Callable[[Ufm], object]


KINDS = {
    "deployment": Kind("deployment", "undercloud", "a deployment ran after", deploy_by_hand),
    "content of a file": Kind(
        "file", "undercloud", "undercloud.conf: its content differs",
        lambda _: on_undercloud(f"printf 'x = 1\\npassword = {CANARY}\\n' >> /home/stack/undercloud.conf"),
    ),
    "mode of a file": Kind(
        "file", "undercloud", "nodes.py: 0666 stack stack", lambda _: on_undercloud("chmod 666 /home/stack/nodes.py")
    ),
    "file with a secret": Kind(
        "file", "undercloud", "instackenv.json: its content differs; it contains a secret",
        lambda _: on_undercloud(f"echo {CANARY} >> /home/stack/instackenv.json"),
    ),
    "missing file": Kind(
        "file", "undercloud", "vip-data-ib-vm.yaml: it is missing",
        lambda _: on_undercloud("rm /home/stack/templates/IB/VM/vip-data-ib-vm.yaml"),
    ),
    "file on a node": Kind(
        "file", "compute-1", "/etc/rack-pcie.sh: its content differs",
        lambda _: on_node("compute-1", "echo '# own' >> /etc/rack-pcie.sh"),
    ),
    "unit": Kind("unit", "compute-1", "unit rack-pcie: disabled", lambda _: on_node(
        "compute-1", "systemctl disable rack-pcie"
    )),
    "unit of UFM": Kind(
        "unit", "UFM host", "unit rack-fabric-address: disabled",
        lambda _: on_ufm("systemctl disable rack-fabric-address"),
    ),
    "container": Kind(
        "container", "compute-1", "container nova_libvirt: exited",
        lambda _: on_node("compute-1", "systemctl stop tripleo_nova_libvirt"),
    ),
    "image of a container": Kind(
        "container", "controller-1", "instead of registry.example/own:1",
        lambda _: on_node("controller-1", f"sed -i '{OTHER_IMAGE}' {STARTUP}"),
    ),
    "firmware": Kind(
        "firmware", "compute-1", "MAX_ACC_OUT_READ becomes 5 instead of 44 at the next boot",
        lambda _: on_node("compute-1", f"mstconfig -d {HCA} -y set MAX_ACC_OUT_READ=5"),
    ),
    "object in OpenStack": Kind("resource", "OpenStack", "VM vm2_gpu differs", lambda _: stop_vm("vm2_gpu")),
    "ACS": Kind(
        "acs", "compute-2", "ACS direct translation is off",
        lambda _: on_node("compute-2", "setpci -s c2:04.0 ECAP_ACS+0x6.w=0x1d"),
    ),
    "option of Neutron": Kind(
        "option", "controller-2", "ml2_conf.ini: the options of the deployment differ",
        lambda _: on_node("controller-2", f"printf '[sdn]\\nphysical_networks = own\\n' > {ML2_FILE}"),
    ),
    "service of nova": Kind(
        "service", "compute-2", f"nova-compute on {HOST} is disabled: own",
        lambda _: on_undercloud(as_stack(
            ". ~/overcloudrc",
            f"openstack compute service set --disable --disable-reason own {HOST} nova-compute",
        )),
    ),
    "node of the undercloud": Kind(
        "node", "controller-3", "ironic has it in maintenance",
        lambda _: on_undercloud(as_stack(". ~/stackrc", "openstack baremetal node maintenance set controller-3")),
    ),
    "member of a PKey": Kind(
        "resource", "UFM", "PKey 0xb (Storage) differs: members",
        lambda ufm: ufm.remove_guids("0xb", [PLAN.host("controller-2").guid]),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Reported:
    """One run of `rack drift`."""

    status: int
    text: str

    def of(self, kind: str, where: str) -> list[str]:
        """Return what was found of a kind at a host."""
        findings = json.loads(self.text)["findings"]
        return [f["found"] for f in findings if f["kind"] == kind and f["host"].startswith(where)]


class Operator:
    """Works with a copy of the stack's file, into which the counters are written."""

    def __init__(self, pulumi: Pulumi, file: Path) -> None:
        self.pulumi, self.file = pulumi, file
        file.write_text(STACK.read_text())

    def drift(self, *more: str, form: str = "json") -> Reported:
        command = [sys.executable, "-m", "rack", "drift", "--stack=dev", f"--config-file={self.file}"]
        done = subprocess.run(
            [*command, f"--format={form}", *more], cwd=PROJECT, env=self.pulumi.env, capture_output=True, text=True
        )
        self.pulumi.log += done.stdout + done.stderr
        assert done.returncode in (0, 1, 3), done.stderr
        return Reported(done.returncode, done.stdout)

    def up(self, *more: str) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", "--config-file", str(self.file), *more)


@pytest.fixture(scope="module")
def operator(deployed: Pulumi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Return an operator; afterwards the stack has no counters again."""
    yield Operator(deployed, tmp_path_factory.mktemp("drift") / "Pulumi.dev.yaml")
    deployed("up", "--yes", "--skip-preview")
    deployed("up", "--yes", "--skip-preview", "--expect-no-changes")


def changes() -> dict[str, float]:
    """Return every file of the hosts below /etc, /home, /opt and /var/lib with the time of its last change."""
    roots = addresses.STATE.glob("hosts/*/root")
    files = (file for root in roots for top in ("etc", "home", "opt", "var/lib") for file in (root / top).rglob("*"))
    return {str(file): file.lstat().st_ctime for file in files if file.is_file() and not file.is_symlink()}


@pytest.fixture(scope="module")
def clean(operator: Operator) -> tuple[Reported, int, dict[str, float], dict[str, float]]:
    """The report of the rack as deployed, the SSH connections that it took, and the hosts' files before and after."""
    before, connections = changes(), Connections(addresses.STATE / "hosts")
    found = operator.drift()
    return found, connections(), before, changes()


@pytest.fixture(scope="module")
def drifted(operator: Operator, clean: object) -> tuple[Reported, Reported]:
    """Do all the harm; return the reports before and after an `up` with the counters."""
    ufm = PLAN.site.ufm
    password = operator.pulumi.json("config", "--show-secrets", "--json")["rack:ufmPassword"]["value"]
    client = Ufm(str(ufm.address), ufm.user, password, port=ufm.port, ca=served_certificate())
    for kind in KINDS.values():
        kind.harm(client)
    client.close()
    before = operator.drift("--repair")
    operator.up("--refresh")
    return before, operator.drift()


def test_a_deployed_rack_has_no_drift(clean: tuple[Reported, int, dict[str, float], dict[str, float]]) -> None:
    found = clean[0]
    assert json.loads(found.text)["findings"] == []
    assert found.status == 0


def test_each_host_is_entered_once_and_nothing_is_written(
    clean: tuple[Reported, int, dict[str, float], dict[str, float]],
) -> None:
    _, connections, before, after = clean
    assert connections == 2 + len(PLAN.hosts), "UFM's host, the undercloud, and each node from there"
    written = {path for path in after.keys() | before.keys() if after.get(path) != before.get(path)}
    assert {path for path in written if not path.endswith((".log", "/known_hosts"))} == set()


def test_the_status_shows_the_whole_rack(operator: Operator, clean: object) -> None:
    command = [sys.executable, "-m", "rack", "status", "--stack=dev", "--json"]
    done = subprocess.run(command, cwd=PROJECT, env=operator.pulumi.env, capture_output=True, text=True, check=True)
    operator.pulumi.log += done.stdout
    found = json.loads(done.stdout)
    assert {host["state"] for host in found["hosts"]} == {"up", "up, active"}
    assert [pkey["network"] for pkey in found["pkeys"]] == ["InternalApi", "Storage", "StorageMgmt"]
    computes = {compute["name"]: compute for compute in found["computes"]}
    for name, vm in (("compute-1", "vm1_gpu"), ("compute-2", "vm2_gpu")):
        assert computes[name]["instances"] == [f"{vm} (ACTIVE)"]
        assert (computes[name]["service"], computes[name]["gpus"], computes[name]["free"]) == ("enabled, up", 8, 7)
    assert found["bandwidth"].startswith("pass: ")
    assert found["drift"].startswith("no drift")


@pytest.mark.parametrize("name", KINDS)
def test_drift_is_reported_and_repaired_by_up(drifted: tuple[Reported, Reported], name: str) -> None:
    kind = KINDS[name]
    before, after = drifted
    assert any(kind.says in found for found in before.of(kind.kind, kind.where)), before.text
    assert not any(kind.says in found for found in after.of(kind.kind, kind.where)), after.text


def test_the_next_report_is_empty(drifted: tuple[Reported, Reported]) -> None:
    before, after = drifted
    assert before.status == 1
    assert json.loads(after.text)["findings"] == []
    assert after.status == 0


def test_a_secret_on_a_host_is_in_no_report(drifted: tuple[Reported, Reported]) -> None:
    assert CANARY not in drifted[0].text
    assert "password = [secret]" in drifted[0].text


def test_only_the_steps_of_the_findings_have_a_counter(operator: Operator, drifted: tuple[Reported, Reported]) -> None:
    config: dict[str, Any] = yaml.safe_load(operator.file.read_text())["config"]
    assert set(config["rack:repair"]) == set(json.loads(drifted[0].text)["steps"])
    assert {"overcloud-deploy", "undercloud-undercloud-conf", "repair-service-compute-2"} <= set(config["rack:repair"])
    assert not {"undercloud-install", "undercloud-images", "images-build-centos8-stream"} & set(config["rack:repair"])


def test_a_counter_that_has_been_used_runs_nothing_again(
    operator: Operator, drifted: tuple[Reported, Reported]
) -> None:
    operator.up("--expect-no-changes")


def test_the_cloud_is_as_before(drifted: tuple[Reported, Reported]) -> None:
    services = {s["Host"]: (s["Status"], s["State"]) for s in in_cloud("compute service list")}
    assert set(services.values()) == {("enabled", "up")}


def test_a_stopped_ufm_is_reported_and_started(operator: Operator, drifted: tuple[Reported, Reported]) -> None:
    """Its own test: without UFM, nothing else of it can be compared."""
    on_ufm("docker stop ufm")
    found = operator.drift("--repair")
    assert found.of("container", "UFM host") != []
    assert found.of("resource", "UFM and OpenStack") != [], "the refresh fails"
    operator.up()
    assert json.loads(operator.drift().text)["findings"] == []
