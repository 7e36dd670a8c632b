"""The fabric as a service of the lab."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.addresses import PROJECT, STATE
from lab.endpoints import Endpoint
from lab.fabric.client import FabricClient, FabricError
from lab.fabric.state import digest, dump_topology, write
from lab.fabric.topology import Topology
from lab.process import Process, Say


class FabricService:
    """ibsim, OpenSM and their controller.

    If ibsim or OpenSM crashes, the controller stops the other one and ends. The pid file of the crashed process stays,
    so `processes` shows which one it was.
    """

    name = "fabric"
    packages: Sequence[str] = ("opensm", "ibsim-utils", "libumad2sim0", "infiniband-diags")

    def __init__(self, topology: Topology, folder: Path = STATE / "fabric") -> None:
        """Describe the processes; `folder` holds their state, logs and socket."""
        self._topology = dump_topology(topology)
        self._folder = folder
        self._controller = Process(
            "fabric", [sys.executable, "-m", "lab.fabric", "serve", str(folder)], folder, cwd=PROJECT
        )
        self._children = [Process(name, [name], folder) for name in ("opensm", "ibsim")]
        self.client = FabricClient(folder / "control.sock")

    def endpoints(self) -> Sequence[Endpoint]:
        """Return nothing: the fabric uses Unix sockets."""
        return ()

    def install(self, say: Say) -> None:
        """Do nothing: everything is in Debian packages."""

    def start(self, say: Say) -> None:
        """Start the processes; replace those of another topology. Hosts and VFs in both topologies stay linked."""
        if self._running() == digest(self._topology):
            return
        self.stop(say)
        self._folder.mkdir(parents=True, exist_ok=True)
        write(self._folder / "fabric.json", self._topology)
        say("fabric: starting ibsim and OpenSM")
        self._controller.start()
        self._controller.wait(lambda: self._running() is not None)

    def processes(self) -> Sequence[Process]:
        """Return the controller, OpenSM and ibsim."""
        return [self._controller, *self._children]

    def stop(self, say: Say) -> None:
        """Stop the controller, which stops its children."""
        self._controller.stop()
        for child in self._children:
            child.stop()
        # umad2sim leaves a folder sys-PID when its program is killed.
        for left in [self._folder / "tmp", *self._folder.glob("sys-*")]:
            shutil.rmtree(left, ignore_errors=True)
        (self._folder / "control.sock").unlink(missing_ok=True)

    def _running(self) -> str | None:
        """Return the digest of the running topology, or None if the controller does not answer."""
        try:
            return str(self.client.ping()["model"])
        except FabricError:
            return None
