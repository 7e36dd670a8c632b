"""Run scripts as root on an overcloud node, over SSH from the undercloud."""

from onhost.undercloud.common import Fault, execute
from onhost.undercloud.orders import SshAccess

UNREACHABLE = 255
"""Exit status of ssh itself; also that of a host that goes down under the command."""


class Unreachable(Exception):  # noqa: N818
    """SSH does not answer, or the connection was lost."""


class Shell:
    """Root's shell on a node. All commands share one connection."""

    def __init__(self, name: str, address: str, access: SshAccess, folder: str) -> None:
        """Prepare the ssh command; nothing is sent. `folder` holds known_hosts and the connection's socket."""
        self._name = name
        self._argv = (
            "ssh", "-p", str(access.port), "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
            "-o", "ServerAliveInterval=15",
            "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={folder}/known_hosts",
            "-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/%C", "-o", "ControlPersist=60",
            f"{access.user}@{address}", "sudo sh -s",
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
