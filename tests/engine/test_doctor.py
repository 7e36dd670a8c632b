"""`rack doctor` on the lab: before the first `up`, on the deployed rack, and with faults in it.

The lab has no Internet: RDO's repository is the only error that a sound lab has.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from components import ufm_host
from doctor.ssh import ProbedHost
from lab.hosts.part import HostsPart
from lab.service import Service
from rack.plan import Plan
from rack.site.load import load_stack_file
from tests.engine.conftest import PROJECT, STACK, Diagnosis, Pulumi, diagnose

pytestmark = [pytest.mark.lab, pytest.mark.engine, pytest.mark.timeout(1800)]

PLAN = Plan(load_stack_file(STACK))
INTERNET = re.compile(r"from the undercloud: (repository|registry) https://\S+ does not answer: .*")
SECONDS = 60


def faults(found: Diagnosis) -> dict[str, str]:
    """Return the errors, without those that follow from the lab's lack of Internet."""
    return {text: fix for text, fix in found.of("error").items() if not INTERNET.fullmatch(text)}


def part(lab: tuple[Service, ...], kind: type) -> Any:
    return next(service for service in lab if isinstance(service, kind))


def test_before_the_first_up_nothing_is_wrong(before: Diagnosis) -> None:
    """UFM and the nodes are not there yet, which is no fault."""
    assert faults(before) == {}
    unknown = before.of("unknown")
    assert any("it does not answer (Connection refused)" in text for text in unknown)
    assert sum("not entered" in text for text in unknown) == len(PLAN.hosts)
    good = before.of("ok")
    assert "UFM host (127.0.24.200): it is fit for UFM" in good
    assert sum("the login of" in text for text in good) == len(PLAN.hosts), "every BMC takes the secret's password"
    assert before.seconds < SECONDS


def test_a_deployed_rack_is_sound(deployed: Pulumi) -> None:
    found = diagnose(deployed)
    assert faults(found) == {}
    assert found.of("warning") == {}
    assert found.of("unknown") == {}, "everything was checked"
    good = " ".join(found.of("ok"))
    assert "its certificate and the login of admin are good" in good
    assert "no switch runs a subnet manager" in good
    assert "every port that the configuration names is in the fabric" in good
    assert "UFM has the licence of the secret ufmLicense" in good
    assert "/var/ufm_files has 111 GiB of free space" in good
    for host in PLAN.hosts:
        assert f"{host.name} ({host.address}): its adapter has firmware" in good, "entered as user stack"
    for compute in PLAN.computes:
        assert f"{compute.name} ({compute.address}): 8 GPUs 10de:20f1" in good
    assert found.status == (1 if found.of("error") else 0)
    assert found.seconds < SECONDS


@contextmanager
def broken(lab: tuple[Service, ...], node: str, **faults: Any) -> Iterator[None]:
    hosts = part(lab, HostsPart)
    hosts.request(op="hardware_faults", node=node, faults=faults)
    yield
    hosts.request(op="hardware_faults", node=node, faults={})


def test_a_wrong_bmc_password_and_a_node_that_is_down(deployed: Pulumi, lab: tuple[Service, ...]) -> None:
    hosts = part(lab, HostsPart)
    with broken(lab, "controller-1", bmc_password="another"):
        hosts.request(op="power_off", node="controller-3")
        found = diagnose(deployed)
        hosts.request(op="power_on", node="controller-3")
    bmc = "BMC of controller-1 (127.0.25.11): the password of admin is wrong"
    assert list(faults(found)) == [bmc]
    assert faults(found)[bmc].endswith("pulumi config set --secret --path 'ipmiPasswords.controller-1'")
    unknown = found.of("unknown")
    assert any(text.startswith("controller-3 (127.0.24.13): not entered: SSH does not answer") for text in unknown)
    assert any("1 of 5 nodes have no port in the fabric: controller-3" in text for text in unknown)
    assert found.status == 1


def on_ufm(deployed: Pulumi, command: str) -> None:
    """Run a command on UFM's host, as an operator does."""
    host = ProbedHost("UFM host", str(PLAN.site.ufm.ssh_address), PLAN.site.ssh)
    subprocess.run([*host.argv(), command], cwd=PROJECT, check=True, capture_output=True)


def test_a_stopped_ufm(deployed: Pulumi) -> None:
    on_ufm(deployed, "systemctl stop ufm-enterprise")
    found = diagnose(deployed)
    on_ufm(deployed, f"systemctl start ufm-enterprise; {ufm_host.restart(PLAN.site)}")
    assert any("UFM (127.0.24.200:8443): it does not answer" in text for text in found.of("unknown"))
    (text,) = faults(found)
    assert text.startswith("UFM host (127.0.24.200): UFM is installed on its host, and does not run")
    assert diagnose(deployed).of("unknown") == {}


def test_another_subnet_manager_on_ufms_host(deployed: Pulumi) -> None:
    on_ufm(deployed, "printf '[Service]\\nExecStart=/bin/true\\n' > /etc/systemd/system/opensmd.service")
    on_ufm(deployed, "systemctl daemon-reload; systemctl start opensmd")
    found = diagnose(deployed)
    on_ufm(deployed, "systemctl stop opensmd; rm /etc/systemd/system/opensmd.service; systemctl daemon-reload")
    text = "UFM host (127.0.24.200): these run here, and UFM brings its own: opensmd"
    assert faults(found) == {text: "run: systemctl disable --now opensmd"}


def test_a_missing_key_and_a_wrong_licence(deployed: Pulumi) -> None:
    on_ufm(deployed, "echo other > /var/ufm_files/licenses/mlnx-ufm.lic")
    key = PROJECT / Path(str(PLAN.site.ssh.private_key_file))
    found = diagnose(deployed)
    assert any("UFM has another licence than the secret ufmLicense" in text for text in found.of("warning"))
    hidden = key.rename(key.with_suffix(".hidden"))
    missing = diagnose(deployed)
    hidden.rename(key)
    assert "this machine: ssh.privateKeyFile: .lab/hosts/id_ed25519 is not a file that can be read" in faults(missing)
    on_ufm(deployed, "cp /home/ubuntu/UFM_lic/mlnx-ufm.lic /var/ufm_files/licenses/mlnx-ufm.lic")
    assert faults(diagnose(deployed)) == {}


def test_without_the_passphrase_logins_are_not_checked(deployed: Pulumi) -> None:
    """An operator who cannot decrypt the secrets still sees everything else."""
    found = diagnose(deployed, PULUMI_CONFIG_PASSPHRASE="wrong")
    assert faults(found) == {}
    unknown = " ".join(found.of("unknown"))
    assert "the secrets were not decrypted" in unknown
    assert unknown.count("it answers; its login was not checked") == len(PLAN.hosts) + 1
