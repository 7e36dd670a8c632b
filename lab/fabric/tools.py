"""The real infiniband-diags against the simulated fabric."""

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

NO_PLACE = "sim_init: connect failed"
"""What umad2sim says when ibsim has no place for another program."""


@dataclass(frozen=True)
class Port:
    """An HCA port as ibnetdiscover found it."""

    name: str
    guid: str
    lid: int


class Diagnostics:
    """infiniband-diags on the fabric that runs in `folder`, as on the host `node` (None: its manager's). The subnet
    administrator tells a port only of what the port's own partitions hold."""

    HCA_END = re.compile(r'^\[\d+\]\s+"H-\w+"\[\d+\]\((\w+)\)\s+# "([^"]*)" lid (\d+)', re.MULTILINE)
    """A switch's line for a port with an HCA behind it: port GUID, node description, LID."""

    def __init__(self, folder: Path, node: str | None = None) -> None:
        self._folder = folder
        self._node = node
        self._client = FabricClient(folder / "control.sock")

    def run(self, program: str, *arguments: str, stdin: str = "", seconds: float = 60) -> str:
        """The program's standard output. ibsim serves ten programs, OpenSM being one; others wait here for a place.

        Raises:
            LabError: it ends with an error, or is not done after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while True:
            done = self._try(program, arguments, stdin, deadline - time.monotonic())
            if done.returncode == 0:
                return done.stdout
            if NO_PLACE not in done.stderr or time.monotonic() > deadline:
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
            raise LabError(f"fabric: {program} is not done after {seconds:.0f} s") from error

    def replace_process(self, program: str, arguments: Sequence[str]) -> int:
        """Becomes the program."""
        os.chdir(self._scratch())
        os.execvpe(program, [program, *arguments], self._environment())  # noqa: S606
        return 127

    def ibnetdiscover(self) -> str:
        """The fabric as found from the manager's port, in ibnetdiscover's form."""
        return self.run("ibnetdiscover")

    def ports(self) -> list[Port]:
        """Every HCA port on the wire."""
        found = self.HCA_END.findall(self.ibnetdiscover())
        return [Port(name, text(port_guid), int(lid)) for port_guid, name, lid in found]

    def pkeys(self, port_guid: str) -> set[int]:
        """The P_Key table of one port as raw 16-bit values: 0x8065 is full membership of 0x65, 0x0065 limited."""
        table = self.run("smpquery", "-G", "pkeys", text(port_guid), "1")
        return {int(value, 16) for line in table.splitlines()[:-1] for value in line.split()[1:]} - {0}

    def all_pkeys(self, port_guids: Iterable[str] | None = None) -> Mapping[str, set[int]]:
        """Port GUID → P_Key table of many ports (None: of all on the wire), in one process: see `lab.fabric.smp`."""
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
        """umad2sim writes a tree ./sys-PID and removes it at exit."""
        scratch = self._folder / "tmp"
        scratch.mkdir(exist_ok=True)
        return scratch
