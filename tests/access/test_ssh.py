"""Hosts over SSH: bastion, management addresses, sudo, passphrases, files."""

import shlex
import socket
import subprocess
from ipaddress import IPv4Address
from pathlib import Path

import pulumi
import pytest

from access.ssh import Operator, script
from rack.plan import Plan
from rack.site.ssh import Proxy
from tests.components.conftest import (
    HOST_KEY,
    Recorder,
    record,
)
from tests.components.test_rack import secret

BASTION = Proxy(address=IPv4Address("192.0.2.9"), port=2200, user="jump")


def steps(plan: Plan, **ssh: object) -> Recorder:
    """Register one step, one file and one job on the undercloud with changed SSH settings."""
    address = plan.site.undercloud.ssh_address

    def program(operator: Operator) -> None:
        changed = Operator(
            operator.ssh.model_copy(update=ssh),
            operator.private_key,
            f"{operator.known_hosts}[192.0.2.9]:2200 {HOST_KEY}\n",
            pulumi.Output.secret("PHRASE"),
        )
        host, opts = changed.host(address), pulumi.ResourceOptions()
        host.run("step", "echo 'a b'", delete="rm x", opts=opts)
        host.file("file", "/etc/x", "content", opts=opts)
        host.job("job", "sleep 1", delete=":", opts=opts)

    return record(plan, program)


def test_another_user_than_root_uses_sudo_for_every_step(plan: Plan) -> None:
    found = steps(plan, user="ops")
    for name, command in found.of("command:remote:Command").items():
        assert secret(command.inputs["connection"])["user"] == "ops"
        for text in (command.inputs[key] for key in ("create", "update", "delete")):
            assert shlex.split(text)[:4] == ["sudo", "-n", "sh", "-c"], name
    assert shlex.split(found.resources["step"].inputs["create"])[4] == "echo 'a b'"


def test_root_uses_no_sudo(plan: Plan) -> None:
    assert steps(plan).resources["step"].inputs["create"] == "echo 'a b'"


def test_the_bastion_s_key_is_pinned_and_the_operator_s_key_is_used(plan: Plan) -> None:
    connection = secret(steps(plan, proxy=BASTION).resources["step"].inputs["connection"])
    proxy = connection["proxy"]
    assert (proxy["host"], proxy["port"], proxy["user"], proxy["hostKey"]) == ("192.0.2.9", 2200, "jump", HOST_KEY)
    assert proxy["privateKey"] == "PRIVATE KEY", "the whole connection is secret"


def test_ssh_connects_to_the_management_address_when_one_is_configured(plan: Plan) -> None:
    other = IPv4Address("192.0.2.7")
    undercloud = plan.site.undercloud
    assert undercloud.ssh_address == undercloud.address
    assert undercloud.model_copy(update={"management_address": other}).ssh_address == other
    host = plan.site.ufm.host
    assert host
    assert plan.site.ufm.ssh_address == plan.site.ufm.address
    moved = host.model_copy(update={"management_address": other})
    assert plan.site.ufm.model_copy(update={"host": moved}).ssh_address == other


def test_a_missing_passphrase_is_reported_before_any_change(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-a", "1", "-t", "ed25519", "-N", "a phrase", "-f", str(file)], check=True)
    ssh = plan.site.ssh.model_copy(update={"private_key_file": file, "known_hosts_file": file})
    with pytest.raises(pulumi.RunError, match="has a passphrase; run: pulumi config set --secret sshKeyPassphrase"):
        Operator.load(plan.site.model_copy(update={"ssh": ssh}))


def test_the_agent_is_used_without_a_key_file(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "known_hosts").write_text(f"192.0.2.5 {HOST_KEY}\n")
    ssh = plan.site.ssh.model_copy(
        update={"private_key_file": None, "known_hosts_file": tmp_path / "known_hosts", "port": 22}
    )
    site = plan.site.model_copy(update={"ssh": ssh})
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    with pytest.raises(pulumi.RunError, match=r"ssh\.privateKeyFile is not set, and SSH_AUTH_SOCK names no SSH agent"):
        Operator.load(site)
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        assert Operator.load(site).host("192.0.2.5").connection.private_key is None


def test_known_hosts_may_have_comments_in_any_encoding(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(f"# Bücher\n192.0.2.5 {HOST_KEY}\n".encode("latin-1"))
    key = tmp_path / "key"
    key.write_text("key")
    monkeypatch.setenv("SSH_AUTH_SOCK", "")
    ssh = plan.site.ssh.model_copy(update={"private_key_file": key, "known_hosts_file": file, "port": 22})
    operator = Operator.load(plan.site.model_copy(update={"ssh": ssh}))
    assert operator.host("192.0.2.5").connection.host_key == HOST_KEY


def test_directory_at_the_path_of_a_file_is_an_error(plan: Plan, tmp_path: Path) -> None:
    """Without -T, install would put the file into the directory, under the name of its input."""
    command = steps(plan).resources["file"].inputs["create"].replace("-o root -g root ", "")
    (tmp_path / "x").mkdir()
    command = command.replace("/etc/x", str(tmp_path / "x"))
    done = subprocess.run(["sh", "-c", command], input=b"text", capture_output=True)
    assert done.returncode != 0
    assert not list((tmp_path / "x").iterdir())


def test_script_quotes_its_environment() -> None:
    assert script("echo $A", environment={"A": "it's; rm -rf /"}).splitlines()[1] == "export A='it'\"'\"'s; rm -rf /'"
