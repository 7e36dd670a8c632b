"""Private keys with a passphrase, and the SSH agent."""

import socket
import subprocess
from pathlib import Path

import pulumi
import pytest

from access.keys import check_agent, encrypted


@pytest.mark.parametrize("kind", [("ed25519",), ("rsa", "-b", "1024")], ids=" ".join)  # the shortest: made in no time
@pytest.mark.parametrize("layout", [(), ("-m", "PEM")])
@pytest.mark.parametrize("phrase", ["", "a phrase"])
def test_encrypted_recognises_a_passphrase(
    tmp_path: Path, kind: tuple[str, ...], layout: tuple[str, ...], phrase: str
) -> None:
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-a", "1", "-t", *kind, *layout, "-N", phrase, "-f", str(file)], check=True)
    assert encrypted(file.read_text()) == bool(phrase)


def test_a_dead_ssh_agent_is_reported_before_any_change(tmp_path: Path) -> None:
    """pulumi-command would fail at every connection with only "no such file" (docs/command-plugin.md, S2)."""
    path = tmp_path / "agent"
    with pytest.raises(pulumi.RunError, match=rf"SSH_AUTH_SOCK is {path}, .*unset SSH_AUTH_SOCK"):
        check_agent(str(path))
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(path))
        with pytest.raises(pulumi.RunError, match="Connection refused"):
            check_agent(str(path))
        agent.listen()
        check_agent(str(path))
    check_agent("")
