"""The fabric under `make lab`."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.addresses import PROJECT, STATE
from lab.fabric.client import FabricClient, FabricError
from lab.fabric.controller import digest, model_text, write
from lab.fabric.topology import Topology
from lab.process import Process, Say


class FabricService:
    """ibsim, OpenSM and their controller. When one of the first two ends, the controller ends the other and itself; the
    pid file of the one that crashed stays, so `processes` tells which it was."""

    name = "fabric"
    packages: Sequence[str] = ("opensm", "ibsim-utils", "libumad2sim0", "infiniband-diags")

    def __init__(self, fabric: Topology, folder: Path = STATE / "fabric") -> None:
        self._model = model_text(fabric)
        self._folder = folder
        self._controller = Process(
            "fabric", [sys.executable, "-m", "lab.fabric", "serve", str(folder)], folder, cwd=PROJECT
        )
        self._children = [Process(name, [name], folder) for name in ("opensm", "ibsim")]
        self.client = FabricClient(folder / "control.sock")

    def install(self, say: Say) -> None:
        """Nothing: all of it is in Debian packages."""

    def start(self, say: Say) -> None:
        """A fabric that differs from the running one replaces it; hosts and VFs that are in both stay on the wire."""
        if self._running() == digest(self._model):
            return
        self.stop(say)
        self._folder.mkdir(parents=True, exist_ok=True)
        write(self._folder / "fabric.json", self._model)
        say("fabric: ibsim and OpenSM")
        self._controller.start()
        self._controller.wait(lambda: self._running() is not None)

    def processes(self) -> Sequence[Process]:
        return [self._controller, *self._children]

    def stop(self, say: Say) -> None:
        self._controller.stop()
        for child in self._children:
            child.stop()
        # A program that umad2sim serves leaves a folder sys-PID behind when it is killed.
        for left in [self._folder / "tmp", *self._folder.glob("sys-*")]:
            shutil.rmtree(left, ignore_errors=True)
        (self._folder / "control.sock").unlink(missing_ok=True)

    def _running(self) -> str | None:
        """The hash of the fabric that runs; None where none answers."""
        try:
            return str(self.client.ping()["model"])
        except FabricError:
            return None
