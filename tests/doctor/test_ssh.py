"""Commands on a host over the system's ssh. A program named ssh stands for it."""

import os
from pathlib import Path

import pytest

from doctor.ssh import ProbedHost, SshError
from rack.site.load import load_stack_file

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProbedHost:
    """Return a host whose ssh is the shell script `tmp_path`/ssh."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return ProbedHost("undercloud", "192.0.2.1", load_stack_file(PROJECT / "Pulumi.dev.yaml").ssh)


def ssh(folder: Path, script: str) -> None:
    (folder / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ssh").chmod(0o755)


def test_the_command_gets_its_input_and_its_json_is_returned(host: ProbedHost, tmp_path: Path) -> None:
    ssh(tmp_path, 'for last; do :; done\necho "{\\"command\\": \\"$last\\", \\"given\\": \\"$(cat)\\"}"')
    assert host.run("look", "an order", 10) == {"command": "look", "given": "an order"}


def test_a_shell_that_prints_text_of_its_own_is_reported(host: ProbedHost, tmp_path: Path) -> None:
    ssh(tmp_path, "echo Welcome\necho {}")
    with pytest.raises(SshError, match=r"^its shell prints text before a command's output$"):
        host.run("look", "", 10)


def test_a_command_that_does_not_end_is_reported(host: ProbedHost, tmp_path: Path) -> None:
    ssh(tmp_path, "exec tail -f /dev/null")
    with pytest.raises(SshError, match=r"^no end after 0\.1 s$"):
        host.run("look", "", 0.1)


def test_a_failure_has_the_reason_of_ssh(host: ProbedHost, tmp_path: Path) -> None:
    ssh(tmp_path, "echo 'root@192.0.2.1: Permission denied (publickey).' >&2\necho 'closing' >&2\nexit 255")
    with pytest.raises(SshError, match=r"Permission denied \(publickey\)"):
        host.run("look", "", 10)
