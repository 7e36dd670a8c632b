"""`rack doctor` on the lab's hosts and UFM, sound and with faults. No test needs more than the site and its secrets."""

import hashlib
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import trustme

from doctor import command, hosts, local, nodes, owner, ufm, ufm_host
from doctor.case import Case
from doctor.finding import Finding, Status
from doctor.ssh import ProbedHost
from lab.ufm.resources import Appearance
from onhost import shipping
from providers.ufm import Client
from rack import __main__ as rack_command
from rack.plan import Plan
from rack.site import Site
from rack.site.nodes import Role
from tests.lab.hosts.conftest import Lab, dev_site
from tests.providers.conftest import LabUfm, serving_lab_ufm
from tests.providers.server import PASSWORD, authority

SECRETS = {"ufmPassword": PASSWORD, "ipmiPassword": "calvin"}


def case_of(site: Site, **changes: Any) -> Case:
    given: dict[str, Any] = {"configured": frozenset({"ufmPassword", "ufmLicense", "ipmiPassword"}), "secrets": SECRETS}
    return Case(Plan(site, "dev"), **{**given, **changes})


def told(found: list[Finding], status: Status) -> list[str]:
    return [f"{f.where}: {f.found}" for f in found if f.status is status]


def errors(found: list[Finding]) -> str:
    return "\n".join(told(found, Status.ERROR))


# The hosts


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.stop()


@pytest.fixture
def site(lab: Lab) -> Site:
    ssh = {"private_key_file": lab.key, "known_hosts_file": lab.known_hosts}
    return lab.plan.site.model_copy(update={"ssh": lab.plan.site.ssh.model_copy(update=ssh)})


@pytest.mark.lab
def test_a_sound_ufm_host(lab: Lab, site: Site) -> None:
    found = list(ufm_host.check(case_of(site)))
    assert errors(found) == ""
    assert any("it is fit for UFM" in line for line in told(found, Status.OK))


@pytest.mark.lab
@pytest.mark.parametrize(("name", "status"), [("dev", Status.OK), ("copy", Status.ERROR)])
def test_the_owner_of_the_hosts_is_shown(lab: Lab, site: Site, name: str, status: Status) -> None:
    own = f"HOST=h PROJECT=rack STACK={name} ID=1a2b3c4d"
    for host in ("ufm", "undercloud"):
        lab.ok(host, f"sh -s claim {own}", shipping.shell_program("owner"))
    found = [*ufm_host.check(case_of(site)), *hosts.undercloud(case_of(site))]
    for where in ("UFM host (127.0.24.200)", "undercloud (127.0.24.1)"):
        line = f"{where}: it belongs to stack {name} of project rack (ID 1a2b3c4d, since 2"
        assert any(text.startswith(line) for text in told(found, status)), found
    for host in ("ufm", "undercloud"):
        lab.ok(host, f"sh -s release {own}", shipping.shell_program("owner"))
    assert "UFM host (127.0.24.200): no stack owns it" in told([*ufm_host.check(case_of(site))], Status.OK)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_mark_that_names_no_owner_is_an_error(text: str) -> None:
    (found,) = owner.findings(case_of(dev_site()), "undercloud", {"ok": True, "text": text})
    assert found.status is Status.ERROR
    assert "names no owner" in found.found


@pytest.mark.lab
def test_the_faults_of_a_ufm_host_are_listed_with_their_remedies(lab: Lab, site: Site) -> None:
    assert site.ufm.host
    host = site.ufm.host.model_copy(update={"guid": "b8599f0300b0dead", "management_interface": "eth7"})
    found = list(ufm_host.check(case_of(site.model_copy(update={"ufm": site.ufm.model_copy(update={"host": host})}))))
    assert "no InfiniBand port has the GUID 0xb8599f0300b0dead" in errors(found)
    assert "is not on eth7" in errors(found)
    assert all(f.fix for f in found if f.status is Status.ERROR)


@pytest.mark.lab
def test_the_undercloud_and_what_it_cannot_reach(lab: Lab, site: Site) -> None:
    """This lab serves no management network. The addresses are others than those of a lab that may run."""
    nodes = tuple(
        node.model_copy(update={"ipmi": node.ipmi.model_copy(update={"address": node.ipmi.address + 256})})
        for node in site.nodes
    )
    silent = site.networks.provisioning.model_copy(update={"ntp": ("127.0.24.252",), "dns": ()})
    networks = site.networks.model_copy(update={"provisioning": silent})
    site = site.model_copy(update={"nodes": nodes, "networks": networks})
    found = list(hosts.undercloud(case_of(site)))
    good = told(found, Status.OK)
    assert any("its operating system is CentOS Stream 8" in line for line in good)
    assert any("its root partition has 120 GiB" in line for line in good)
    assert "undercloud (127.0.24.1)" not in errors(found)
    where = {f.where for f in found if f.status is Status.ERROR}
    assert {f"BMC of {n.name} ({n.ipmi.address})" for n in site.nodes} <= where
    assert "ntp 127.0.24.252 does not answer" in errors(found)
    assert all("not entered" in f.found for f in found if f.where.startswith("compute-"))


@pytest.mark.lab
def test_another_system_and_a_small_disk(lab: Lab, site: Site) -> None:
    spec = site.undercloud.model_copy(update={"distribution": "rhosp-17.1", "root_gib": 500})
    found = list(hosts.undercloud(case_of(site.model_copy(update={"undercloud": spec}))))
    assert "undercloud (127.0.24.1): its operating system is centos-8" in errors(found)
    assert "undercloud (127.0.24.1): its root partition has 120 GiB" in errors(found)


@pytest.mark.lab
def test_a_host_key_that_is_not_the_known_one_is_refused(lab: Lab, site: Site, tmp_path: Path) -> None:
    lines = [line.split() for line in lab.known_hosts.read_text().splitlines()]
    swapped = "\n".join(f"{one[0]} {' '.join(other[1:])}" for one, other in zip(lines, lines[::-1], strict=True))
    (tmp_path / "known_hosts").write_text(swapped + "\n")
    ssh = site.ssh.model_copy(update={"known_hosts_file": tmp_path / "known_hosts"})
    found = list(hosts.undercloud(case_of(site.model_copy(update={"ssh": ssh}))))
    assert "SSH as root fails: Host key verification failed." in errors(found)
    assert len(found) == 1


@pytest.mark.lab
def test_a_key_that_the_host_does_not_take(lab: Lab, site: Site, tmp_path: Path) -> None:
    ssh = site.ssh.model_copy(update={"user": "nobody"})
    found = list(hosts.undercloud(case_of(site.model_copy(update={"ssh": ssh}))))
    assert "SSH as nobody fails: nobody@127.0.24.1: Permission denied" in errors(found)
    assert found[0].fix.startswith("make this work: ssh -F none")


@pytest.mark.lab
def test_nothing_secret_is_on_a_command_line(lab: Lab, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    run = ProbedHost.argv

    def argv(self: ProbedHost) -> list[str]:
        seen.extend(run(self))
        return run(self)

    monkeypatch.setattr(ProbedHost, "argv", argv)
    found = list(hosts.undercloud(case_of(site)))
    assert seen
    assert "calvin" not in " ".join(seen) + "".join(map(str, found))


# UFM


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def served(tmp_path: Path, trusted: tuple[trustme.CA, Path]) -> Iterator[LabUfm]:
    with serving_lab_ufm(tmp_path, trusted) as served:
        served.reinstall()
        for node in dev_site().nodes:
            served.fabric.add(node.name, str(node.guid))
        yield served


def ufm_case(served: LabUfm, secrets: dict[str, str] = SECRETS, **changes: Any) -> Case:
    site = dev_site()
    given = {"address": IPv4Address("127.0.0.1"), "port": served.port, "ca_file": served.ca_file, "host": None}
    spec = site.ufm.model_copy(update={**given, **changes})
    return case_of(site.model_copy(update={"ufm": spec}), secrets=secrets)


def test_a_sound_ufm(served: LabUfm) -> None:
    found = list(ufm.check(ufm_case(served)))
    assert {f.status for f in found} == {Status.OK}
    assert "release 6.19.3-1; its certificate and the login of admin are good" in found[0].found
    assert all(call.startswith("GET ") for call in served.calls), "nothing is written"


def test_the_login_and_the_certificate_of_ufm(served: LabUfm, tmp_path: Path) -> None:
    found = list(ufm.check(ufm_case(served, {"ufmPassword": "wrong_one"})))
    assert "the answer to user 'admin' is status 401" in errors(found)
    assert "wrong_one" not in "".join(map(str, found))
    _, other = authority(tmp_path)
    assert "the certificate is not trusted" in errors(list(ufm.check(ufm_case(served, ca_file=other))))
    assert told(list(ufm.check(ufm_case(served, {}))), Status.UNKNOWN)


def test_a_fingerprint_that_neutron_cannot_use(served: LabUfm) -> None:
    """The lab's certificate here is an authority's; a pinned one must be self-signed."""
    pem = ssl.get_server_certificate(("127.0.0.1", served.port))
    pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    (found,) = ufm.check(ufm_case(served, ca_file=None, fingerprint=pin))
    assert "UFM's certificate is not self-signed" in found.found
    assert (found.fix, found.step) == ("write its authority as ufm.caFile", "O3")
    assert served.calls == []


def test_the_password_is_not_sent_to_a_ufm_whose_certificate_the_state_has(served: LabUfm) -> None:
    found = list(ufm.check(ufm_case(served, ca_file=None, host=dev_site().ufm.host)))
    assert [f.status for f in found] == [Status.UNKNOWN]
    assert served.calls == []


def test_a_ufm_that_is_not_there(served: LabUfm) -> None:
    assert "it does not answer" in errors(list(ufm.check(ufm_case(served, port=1))))
    installed_later = list(ufm.check(ufm_case(served, port=1, host=dev_site().ufm.host)))
    assert [f.status for f in installed_later] == [Status.UNKNOWN], "before the first `up` that is no fault"


def test_another_subnet_manager_an_old_release_and_a_missing_port(
    served: LabUfm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "systems", lambda _: [{"type": "switch", "system_name": "sw", "sm_mode": "Master"}])
    served.core.release = "6.9.1-1"
    served.fabric._nodes.pop()
    served.core.appearances = {"controller-1": Appearance("localhost ibp202s0f0")}
    found = list(ufm.check(ufm_case(served)))
    assert "another subnet manager runs on sw" in errors(found)
    assert "older than the guide's 6.14" in told(found, Status.WARNING)[0]
    assert told(found, Status.UNKNOWN)[0].endswith("1 of 5 nodes have no port in the fabric: compute-2")


# The operator's machine


@pytest.fixture
def keys(tmp_path: Path) -> Site:
    """A site whose key and known_hosts exist."""
    (tmp_path / "key").touch(0o600)
    lines = [f"[{a}]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICBh" for a in ("127.0.24.1", "127.0.24.200")]
    (tmp_path / "known_hosts").write_text("\n".join(lines) + "\n")
    site = dev_site(private_key_file=tmp_path / "key", known_hosts_file=tmp_path / "known_hosts")
    return site.model_copy(update={"ufm": site.ufm.model_copy(update={"ca_file": None})})


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def test_a_sound_machine(keys: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "programs", lambda: iter(()))
    assert {f.status for f in local.check(case_of(keys))} == {Status.OK}


def test_missing_files_keys_and_secrets(keys: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").chmod(0o644)
    (tmp_path / "known_hosts").write_text("")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "no.sock"))
    site = keys.model_copy(update={"ufm": keys.ufm.model_copy(update={"ca_file": tmp_path / "no.pem"})})
    text = errors(list(local.check(case_of(site, configured=frozenset({"ufmPassword"}), undecrypted="no passphrase"))))
    assert f"ufm.caFile: {tmp_path}/no.pem is not a file that can be read" in text
    assert "may be read by others" in text
    assert "where no SSH agent answers" in text
    assert "has no key for [127.0.24.1]:2222" in text
    assert "the secret ufmLicense is missing" in text
    assert "the secret ipmiPassword is missing" in text
    assert "the secret ufmPassword" not in text


def test_a_key_with_a_passphrase_needs_the_secret_and_an_agent(
    keys: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert any(image.file is None for image in keys.images)
    text = errors(list(local.login(case_of(keys, configured=frozenset()))))
    assert "has a passphrase, and the secret sshKeyPassphrase is missing" in text
    assert "names no SSH agent; ssh fetches built images" in text
    known = case_of(keys, configured=frozenset({"sshKeyPassphrase"}))
    assert "sshKeyPassphrase" not in errors(list(local.login(known)))
    monkeypatch.setattr(local, "_answers", lambda path: True)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    assert list(local.login(known)) == []


def test_pulumi_and_its_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no program pulumi" in errors(list(local.programs()))
    program = tmp_path / "pulumi"
    program.write_text("""#!/bin/sh\necho '[{"name": "command", "version": "1.2.1"}]'\n""")
    program.chmod(0o755)
    found = list(local.programs())
    assert told(found, Status.OK) == ["this machine: plugin command 1.2.1"]
    assert "the plugin openstack is not installed" in told(found, Status.WARNING)[0]


# Nodes that are up

FACTS = """\
firmware=20.32.1010
vfs=8
cpus=128
memory=515000
hca_numa=0
hca_path=0000:c0:01.0/c1:00.0/c5:00.0
gpu=0000:cc:00.0 0 0000:c0:01.0/c1:00.0/cc:00.0
gpu=0000:41:00.0 1 0000:40:01.0/41:00.0
"""


def look(site: Site, text: str, ok: bool = True) -> list[Finding]:
    case = case_of(site)
    return list(nodes.findings(case, {f"node {h.name}": {"ok": ok, "text": text} for h in case.plan.hosts}))


def test_sound_nodes() -> None:
    found = look(dev_site(), FACTS)
    assert {f.status for f in found} == {Status.OK}
    assert any("0000:cc:00.0 shares a PCIe bridge and NUMA node 0 with the adapter" in f.found for f in found)


LSPCI = """\
case "$*" in
  "-v -s"*) echo "Flags: bus master" ;;
  "-D -PP -s c5:00.0" | "-D -PP -s 0001:c5:00.0") echo "0000:c0:01.0/c1:00.0/c5:00.0 Infiniband" ;;
  "-D -n -d 10de:20f1") echo "0000:cc:00.0 0302: 10de:20f1" ;;
  "-D -PP -s 0000:cc:00.0") echo "0000:c0:01.0/c1:00.0/cc:00.0 3D" ;;
esac
"""
"""lspci of a host without NUMA: it shows no node."""


@pytest.mark.parametrize(("hca", "device"), [("c5:00.0", "0000:c5:00.0"), ("0001:c5:00.0", "0001:c5:00.0")])
def test_a_node_without_numa_and_an_adapter_in_another_domain(tmp_path: Path, hca: str, device: str) -> None:
    (tmp_path / "lspci").write_text(f"#!/bin/sh\n{LSPCI}")
    (tmp_path / "lspci").chmod(0o755)
    firmware = tmp_path / "sys" / device / "infiniband/mlx5_0/fw_ver"
    firmware.parent.mkdir(parents=True)
    firmware.write_text("20.32.1010\n")
    script = nodes.LOOK.format(hca=hca, gpu="10de:20f1").replace("/sys/bus/pci/devices", str(tmp_path / "sys"))
    path = f"{tmp_path}:{os.environ['PATH']}"
    said = subprocess.run(["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=True).stdout
    found = [f.found for f in look(dev_site(), said)]
    assert "its adapter has firmware 20.32.1010" in found
    assert "0000:cc:00.0 shares a PCIe bridge with the adapter" in found


FAULTS = {
    "firmware=20.32.1010": ("firmware=", "there is no InfiniBand adapter"),
    "vfs=8": ("vfs=0", "offers 0 of 8 virtual functions"),
    "hca_numa=0": ("hca_numa=1", "no GPU shares a PCIe bridge and a NUMA node"),
    "gpu=": ("other=", "it has no GPU 10de:20f1"),
}


@pytest.mark.parametrize("fact", FAULTS)
def test_a_node_with_a_fault(fact: str) -> None:
    other, text = FAULTS[fact]
    found = [f for f in look(dev_site(), FACTS.replace(fact, other)) if f.status is not Status.OK]
    assert found
    assert all(text in f.found and f.fix and f.step for f in found)


def test_a_node_that_is_smaller_than_configured() -> None:
    site = dev_site()
    hardware = {"numa": ["0-63", "64-127"], "memoryMib": 515000, "gpus": 4, "hcaNuma": 0, "gpuNuma": 0}
    compute = type(site.compute).model_validate({"hardware": hardware})
    site = site.model_copy(update={"compute": compute})
    assert not told(look(site, FACTS), Status.ERROR)
    text = errors(look(site, FACTS.replace("128", "64").replace("515000", "250000")))
    assert "it has 64 CPUs; compute.hardware has 128" in text
    assert "it has 250000 MiB; compute.hardware has 515000" in text


def test_nodes_that_are_off_are_no_fault() -> None:
    found = look(dev_site(), "SSH does not answer", ok=False)
    assert {f.status for f in found} == {Status.UNKNOWN}
    assert {f.where.split()[0] for f in found} == {node.name for node in dev_site().nodes}
    assert any(node.role is Role.COMPUTE for node in dev_site().nodes)


# The command


def stack(folder: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "Pulumi.dev.yaml", folder)


@pytest.mark.parametrize(("status", "code"), [(Status.OK, 0), (Status.UNKNOWN, 0), (Status.ERROR, 1)])
def test_exit_status_text_and_json(
    status: Status,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "decrypted", lambda _stack: ({}, ""))
    finding = Finding(status, "UFM (192.0.2.1:443)", "it does not answer", "open the port", "U7")
    monkeypatch.setattr(command, "findings", lambda case: [finding] if "ufmPassword" in case.configured else [])
    assert rack_command.main(["doctor", "--stack", "dev"]) == code
    line, summary = capsys.readouterr().out.splitlines()
    assert line == f"{status.upper():8} UFM (192.0.2.1:443): it does not answer; open the port (U7)"
    assert summary.startswith("dev: ")
    assert f"1 {status}" in summary
    assert rack_command.main(["doctor", "--stack", "dev", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == [{**finding._asdict(), "status": str(status)}]


def test_a_missing_or_invalid_stack_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert rack_command.main(["doctor", "--stack", "dev"]) == 2
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {rack:site: {}}")
    assert rack_command.main(["doctor", "--stack", "dev"]) == 1
    assert "problems in rack:site" in capsys.readouterr().err


def test_errors_come_first_and_a_broken_check_hides_no_other() -> None:
    def good(_case: Case) -> Iterator[Finding]:
        yield Finding(Status.OK, "a", "good")
        yield Finding(Status.ERROR, "b", "bad", "mend it")

    def broken(_case: Case) -> Iterator[Finding]:
        raise KeyError("x")
        yield

    found = command.findings(case_of(dev_site()), [good, broken])
    assert [f.status for f in found] == [Status.ERROR, Status.ERROR, Status.OK]
    assert "the check failed: KeyError: 'x'" in found[1].found


def test_secrets_of_the_stack_are_decrypted_by_pulumi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from doctor.case import decrypted

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert decrypted("dev") == ({}, "no program pulumi on the PATH")
    program = tmp_path / "pulumi"
    values = {
        "rack:ufmPassword": {"value": "one", "secret": True},
        "rack:ipmiPasswords": {"value": "{}", "objectValue": {"compute-1": "two"}, "secret": True},
    }
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(values)}\nEND\n")
    program.chmod(0o755)
    secrets, problem = decrypted("dev")
    assert (secrets, problem) == ({"ufmPassword": "one", "ipmiPasswords": {"compute-1": "two"}}, "")
    case = replace(case_of(dev_site()), secrets={**secrets, "ipmiPassword": "three"})
    assert [case.bmc_password(node) for node in ("compute-1", "compute-2")] == ["two", "three"]
    program.write_text("#!/bin/sh\necho 'error: no stack named dev' >&2\nexit 255\n")
    assert decrypted("dev") == ({}, "pulumi config: error: no stack named dev")
