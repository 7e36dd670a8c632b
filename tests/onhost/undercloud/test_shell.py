"""Root's shell on a node: the command of ssh, and how its exit status is read."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud import shell
from onhost.undercloud.common import Fault
from onhost.undercloud.orders import SshAccess
from onhost.undercloud.shell import Shell, Unreachable, identity

ACCESS = SshAccess("heat-admin", 22, "overcloud")


class Ssh:
    """Stands in for ssh: records what runs and gives the prepared result."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.status, self.out, self.err = 0, b"out\n", b" why\n"
        monkeypatch.setattr(shell, "execute", self.execute)

    def execute(self, argv: Any, given: str = "") -> "subprocess.CompletedProcess[bytes]":
        self.calls.append((*argv, given))
        return subprocess.CompletedProcess(argv, self.status, self.out, self.err)


@pytest.fixture
def ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Ssh:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Ssh(monkeypatch)


def test_the_key_is_the_first_that_tripleo_would_authorise(ssh: Ssh, tmp_path: Path) -> None:
    assert identity("overcloud") == []
    for key in (".ssh/id_rsa", ".ssh/id_rsa_tripleo", "overcloud-deploy/overcloud/ssh_private_key"):
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
        assert identity("overcloud") == ["-o", f"IdentityFile={tmp_path / key}"]
    assert identity("other") == ["-o", f"IdentityFile={tmp_path}/.ssh/id_rsa_tripleo"]


def test_scripts_share_a_connection_to_a_host_whose_key_is_known(ssh: Ssh) -> None:
    node = Shell("compute-1", "192.0.2.5", ACCESS, "/run/wave")
    assert node.run("true") == "out\n"
    node.close()
    ran, closed = ssh.calls
    options = {f"{a} {b}" for a, b in zip(ran[1:-3:2], ran[2:-3:2], strict=True)}
    assert options == {
        "-p 22", "-o BatchMode=yes", "-o ConnectTimeout=10", "-o ServerAliveInterval=15",
        "-o StrictHostKeyChecking=yes", "-o UserKnownHostsFile=/run/wave/known_hosts",
        "-o ControlMaster=auto", "-o ControlPath=/run/wave/%C", "-o ControlPersist=60",
    }  # fmt: skip
    assert (ran[0], ran[-3:]) == ("ssh", ("heat-admin@192.0.2.5", "sudo -n sh -s", "set -eu\ntrue"))
    assert closed == ("ssh", "-O", "exit", *ran[1:-2], "")


def test_a_lost_connection_is_not_a_failed_script(ssh: Ssh) -> None:
    node = Shell("compute-1", "192.0.2.5", ACCESS, "/run/wave")
    ssh.status = 255
    with pytest.raises(Unreachable, match=r"\Acompute-1 cannot be reached by SSH: why\Z"):
        node.run("true")
    ssh.status = 1
    with pytest.raises(Fault, match=r"\Acompute-1: why\Z"):
        node.run("true")
    ssh.err = b""
    with pytest.raises(Fault, match=r"\Acompute-1: out\Z"):
        node.run("true")
