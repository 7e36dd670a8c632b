"""The simulated fabric, as the hosts use it."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from lab.fabric import sim
from lab.fabric.client import FabricClient, FabricError
from lab.process import LabError


class SimulatedFabric:
    """Implements `FabricBackend` with the simulation's controller and the real ibstat."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._client = FabricClient(folder / "control.sock")

    def link(self, node: str) -> None:
        """Bring the link of the node's wired port up."""
        self._ask(self._client.link, node)

    def unlink(self, node: str) -> None:
        """Take the link down."""
        self._ask(self._client.unlink, node)

    @staticmethod
    def _ask(request: Callable[[str], None], node: str) -> None:
        try:
            request(node)
        except FabricError as error:
            raise LabError(str(error)) from error

    def ibstat(self, node: str) -> str:
        """Return the output of the real ibstat on the node, with the names and values of a ConnectX-6."""
        scratch = self._folder / "tmp"
        scratch.mkdir(exist_ok=True)
        environment = {**os.environ, **sim.environment(self._folder, node)}
        done = subprocess.run(["ibstat"], capture_output=True, text=True, timeout=20, env=environment, cwd=scratch)
        if done.returncode:
            raise LabError(done.stderr.strip() or "ibstat failed")
        text = re.sub(r"^CA '.*'", "CA 'mlx5_0'", done.stdout, flags=re.MULTILINE)
        text = re.sub(r"^(\s*CA type:).*", r"\1 MT4123", text, flags=re.MULTILINE)
        # ibsim has no HDR: its highest rate is printed as the adapter's 200 Gb/s.
        text = re.sub(r"^(\s*Rate:) \d+", r"\1 200", text, flags=re.MULTILINE)
        return re.sub(r"^(\s*Firmware version:).*", r"\1 20.32.1010", text, flags=re.MULTILINE)
