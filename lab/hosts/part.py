"""The hosts under `make lab`."""

import json
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import addresses
from lab.hosts import templates
from lab.hosts.rack import Rack
from lab.process import LabError, Process, Say
from rack.plan import Plan


class HostsPart:
    """UFM's node and the undercloud as SSH servers, the nodes as bare metal; state below `folder`.

    Args:
        stack: the stack's file, for the keeper's process to read the same plan.
        backends: MODULE:FUNCTION that returns fabric, UFM and cloud in the keeper's process.
        pace: seconds that one step of a long job takes.
    """

    name = "hosts"
    packages: Sequence[str] = (
        "openssh-server",
        "openssh-client",
        "openssh-sftp-server",
        "bubblewrap",
        "sudo",
        "python3",
    )

    def __init__(
        self,
        plan: Plan,
        stack: Path = addresses.PROJECT / "Pulumi.dev.yaml",
        folder: Path = addresses.SSH_KEY.parent,
        backends: str = "lab.hosts.backends.lab:backends",
        pace: float = 0.2,
    ) -> None:
        self._plan, self._folder = plan, folder
        self._key = folder / addresses.SSH_KEY.name
        self._known_hosts = folder / addresses.SSH_KNOWN_HOSTS.name
        self._socket = folder / addresses.HOSTS_SOCKET.name
        argv = [
            sys.executable, "-m", "lab.hosts", "--stack", str(stack), "--folder", str(folder), "--key", str(self._key),
            "--socket", str(self._socket), "--backends", backends, "--pace", str(pace),
        ]  # fmt: skip
        self.keeper = Process("hosts-keeper", argv, folder, env={"PYTHONPATH": str(addresses.PROJECT)})

    def install(self, say: Say) -> None:
        """Fetches TripleO's templates and makes the keys."""
        templates.fetch(say)
        Rack.prepare(self._plan, self._folder, self._key, self._known_hosts)

    def start(self, say: Say) -> None:
        if self.keeper.pid() is None:
            say("hosts: SSH servers of UFM's node and the undercloud")
            Rack.prepare(self._plan, self._folder, self._key, self._known_hosts)
            self._socket.unlink(missing_ok=True)
            self.keeper.start()
        self.keeper.wait(lambda: self._socket.exists(), 30)

    def processes(self) -> Sequence[Process]:
        """The keeper, and of each host that is powered on its first process and its SSH server."""
        return [self.keeper, *(p for m in self._rack().machines() for p in m.processes())]

    def stop(self, say: Say) -> None:
        self.keeper.stop()
        rack = self._rack()
        rack.stop()
        rack.stop_guests()
        self._socket.unlink(missing_ok=True)

    def forget(self) -> None:
        """Removes every host's disk and state, the keys too."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def request(self, **request: Any) -> dict[str, Any]:
        """Asks the keeper: op="status", or "power_on", "power_off", "reboot" with node=NAME, or one of the tests'
        orders: "darken", "spoil", "step_fault", "templates" (docs/lab-hosts.md).

        Raises:
            LabError: it does not run, or refuses.
        """
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.settimeout(60)
                peer.connect(str(self._socket))
                peer.sendall(json.dumps(request).encode() + b"\n")
                with peer.makefile("rb") as stream:
                    answer: dict[str, Any] = json.loads(stream.readline())
        except (OSError, ValueError) as error:
            raise LabError(f"hosts: the keeper does not answer: {error}") from error
        if "error" in answer:
            raise LabError(f"hosts: {answer['error']}")
        return answer

    def _rack(self) -> Rack:
        """The machines as their pid files tell; for stopping and listing only, so without backends."""
        return Rack(self._plan, backends=None, folder=self._folder, operator_key=self._key)  # type: ignore[arg-type]
