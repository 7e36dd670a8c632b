"""The hosts under `make lab`."""

import json
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import addresses
from lab.endpoints import Endpoint
from lab.hosts import elements, management, state, templates
from lab.hosts.rack import machines, prepare
from lab.process import LabError, Process, Say
from rack.plan import Plan


class HostsPart:
    """The rack's hosts: UFM's node and the undercloud run, the nodes are bare metal.

    Args:
        stack: the stack's file, from which the keeper's process reads the plan.
        folder: holds the roots, the state and the keys.
        backends: MODULE:FUNCTION that returns the backends in the keeper's process.
        pace: seconds that one step of a long job takes here.
        serve_management: whether to serve the management network, whose addresses are those of the stack's file.
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
        serve_management: bool = True,
    ) -> None:
        self._plan, self._folder = plan, folder
        self._key = folder / addresses.SSH_KEY.name
        self._known_hosts = folder / addresses.SSH_KNOWN_HOSTS.name
        self._socket = folder / addresses.HOSTS_SOCKET.name
        argv = [
            sys.executable, "-m", "lab.hosts", "--stack", str(stack), "--folder", str(folder), "--key", str(self._key),
            "--socket", str(self._socket), "--backends", backends, "--pace", str(pace),
            *(["--management"] if serve_management else []),
        ]  # fmt: skip
        self.keeper = Process("hosts-keeper", argv, folder, env={"PYTHONPATH": str(addresses.PROJECT)})

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the address of every host's SSH server, and of the switch."""
        site = self._plan.site
        always = {"ufm": site.ufm.address, "undercloud": site.undercloud.address}
        nodes = {host.name: host.address for host in self._plan.hosts}
        ssh = [
            Endpoint(f"SSH of {name}", str(address), port)
            for hosts, port in ((always, site.ssh.port), (nodes, site.ssh.node_port))
            for name, address in hosts.items()
        ]
        return [*ssh, *management.endpoints(site)]

    def install(self, say: Say) -> None:
        """Fetch TripleO's templates and create the keys.

        Raises:
            LabError: the templates cannot be downloaded, or have the wrong checksum.
        """
        templates.fetch(say)
        elements.fetch(say)
        prepare(self._plan, self._folder, self._key, self._known_hosts)

    def start(self, say: Say) -> None:
        """Start the keeper, which starts the hosts, and wait for it.

        Raises:
            LabError: another version of the lab wrote the hosts' state, or the keeper does not start.
        """
        for machine in machines(self._plan, self._folder):
            if (file := machine.folder / state.FILE).exists():
                state.check(file)
        if self.keeper.pid() is None:
            say("hosts: SSH servers of UFM's node and the undercloud")
            prepare(self._plan, self._folder, self._key, self._known_hosts)
            self._socket.unlink(missing_ok=True)
            self.keeper.start()
        self.keeper.wait(lambda: self._socket.exists(), 30)

    def processes(self) -> Sequence[Process]:
        """Return the keeper, and the first process and SSH server of each host that is powered on."""
        return [self.keeper, *(p for m in machines(self._plan, self._folder) for p in m.processes())]

    def stop(self, say: Say) -> None:
        """End the keeper and every process of every host and guest, also of those that an earlier keeper started."""
        self.keeper.stop()
        for machine in machines(self._plan, self._folder):
            machine.shutdown()
        self._socket.unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove the disk and the state of every host, and the keys."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def request(self, **request: Any) -> dict[str, Any]:
        """Send a request to the keeper and return its answer; `Keeper.control` lists the requests.

        Raises:
            LabError: the keeper does not run, or refuses the request.
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
