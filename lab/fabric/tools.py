"""Runs infiniband-diags on the simulated fabric."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.fabric import sim, smp
from lab.fabric.client import FabricClient
from lab.fabric.topology import guid, text
from lab.process import LabError

CONNECT_FAILED = "sim_init: connect failed"
"""umad2sim's message when all connections of ibsim are used."""


@dataclass(frozen=True)
class Port:
    """An HCA port in the output of ibnetdiscover."""

    name: str
    guid: str
    lid: int


class Diagnostics:
    """infiniband-diags on one host of the fabric. The subnet administrator shows a port only its own partitions."""

    HCA_END = re.compile(r'^\[\d+\]\s+"H-\w+"\[\d+\]\((\w+)\)\s+# "([^"]*)" lid (\d+)', re.MULTILINE)
    """A switch's line for a port with an HCA at its other end: port GUID, node description, LID."""

    def __init__(self, folder: Path, node: str | None = None) -> None:
        """Use the fabric that runs in `folder`, on the host `node` (None: the manager's host)."""
        self._folder = folder
        self._node = node
        self._client = FabricClient(folder / "control.sock")

    def run(self, program: str, *arguments: str, stdin: str = "", seconds: float = 60) -> str:
        """Run a program and return its standard output.

        ibsim has ten connections, one of which is OpenSM's. If all are used, wait for one.

        Raises:
            LabError: the program fails, or does not end within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while True:
            done = self._try(program, arguments, stdin, deadline - time.monotonic())
            if done.returncode == 0:
                return done.stdout
            if CONNECT_FAILED not in done.stderr or time.monotonic() > deadline:
                break
            self._client.reap()
            time.sleep(0.05)
        raise LabError(f"fabric: {program} {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")

    def _try(
        self, program: str, arguments: Sequence[str], stdin: str, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [program, *arguments],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=seconds,
                env=self._environment(),
                cwd=self._scratch(),
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"fabric: {program} did not end within {seconds:.0f} s") from error

    def replace_process(self, program: str, arguments: Sequence[str]) -> int:
        """Replace this process by the program."""
        os.chdir(self._scratch())
        os.execvpe(program, [program, *arguments], self._environment())  # noqa: S606
        return 127

    def ibnetdiscover(self) -> str:
        """Return ibnetdiscover's output."""
        return self.run("ibnetdiscover")

    def ports(self) -> list[Port]:
        """Return every linked HCA port."""
        found = self.HCA_END.findall(self.ibnetdiscover())
        return [Port(name, text(port_guid), int(lid)) for port_guid, name, lid in found]

    def pkeys(self, port_guid: str) -> set[int]:
        """Return a port's P_Key table as 16-bit values: 0x8065 is full membership of 0x65, 0x0065 limited."""
        table = self.run("smpquery", "-G", "pkeys", text(port_guid), "1")
        return {int(value, 16) for line in table.splitlines()[:-1] for value in line.split()[1:]} - {0}

    def all_pkeys(self, port_guids: Iterable[str] | None = None) -> Mapping[str, set[int]]:
        """Return port GUID → P_Key table for these ports (None: all linked ports), read by `lab.fabric.smp`."""
        wanted = None if port_guids is None else {guid(value) for value in port_guids}
        ports = {port.lid: port for port in self.ports() if wanted is None or guid(port.guid) in wanted}
        lines = "".join(f"{lid} 1\n" for lid in ports)
        answer = self.run(sys.executable, "-I", "-S", smp.__file__, stdin=lines).splitlines()
        fields = (line.split() for line in answer)
        return {ports[int(lid)].guid: {int(key, 16) for key in keys} for lid, _, *keys in fields}

    def _environment(self) -> dict[str, str]:
        node: str = self._node or json.loads((self._folder / "fabric.json").read_text())["manager"]
        return {**os.environ, **sim.environment(self._folder, node)}

    def _scratch(self) -> Path:
        """Return the working directory, in which umad2sim creates ./sys-PID and removes it at exit."""
        scratch = self._folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return scratch
