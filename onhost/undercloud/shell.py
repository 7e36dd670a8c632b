"""Run scripts as root on an overcloud node, over SSH from the undercloud."""

from pathlib import Path
from typing import List

from onhost.undercloud.common import Fault, execute
from onhost.undercloud.orders import SshAccess

KEYS = ("~/overcloud-deploy/{stack}/ssh_private_key", "~/.ssh/id_rsa_tripleo", "~/.ssh/id_rsa")
"""Keys of stack. TripleO authorises the first that exists (tripleoclient.utils.get_key)."""
UNREACHABLE = 255
"""Exit status of ssh itself, also if the host goes down while the command runs."""


class Unreachable(Exception):  # noqa: N818
    """SSH does not answer, or the connection was lost."""


def identity(stack: str) -> List[str]:
    """Return the options of ssh that name the key which TripleO authorises; none if no key exists."""
    files = [Path(key.format(stack=stack)).expanduser() for key in KEYS]
    return [word for file in files if file.exists() for word in ("-o", f"IdentityFile={file}")][:2]


class Shell:
    """Root's shell on a node. All commands share one connection."""

    def __init__(self, name: str, address: str, access: SshAccess, folder: str) -> None:
        """Prepare the ssh command; nothing is sent. `folder` holds known_hosts and the connection's socket."""
        self._name = name
        self._argv = (
            "ssh", "-p", str(access.port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
            "-o", "ServerAliveInterval=15",
            *identity(access.stack),
            "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={folder}/known_hosts",
            "-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C", "-o", "ControlPersist=60",
            f"{access.user}@{address}", "sudo -n sh -s",
        )  # fmt: skip

    def run(self, script: str) -> str:
        """Run a script and return its standard output.

        Raises:
            Unreachable: SSH does not answer.
            Fault: the script failed.
        """
        done = execute(self._argv, f"set -eu\n{script}")
        text = done.stderr.decode().strip()
        if done.returncode == UNREACHABLE:
            raise Unreachable(f"{self._name} cannot be reached by SSH: {text}")
        if done.returncode:
            raise Fault(f"{self._name}: {text or done.stdout.decode().strip()}")
        return done.stdout.decode()

    def close(self) -> None:
        """End the shared connection."""
        execute(("ssh", "-O", "exit", *self._argv[1:-1]))
