"""The common part of every kind of host: operating system, stored state and emulated commands."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from lab.hosts import state
from lab.hosts.keys import keygen
from lab.hosts.machine import Access, Machine
from lab.hosts.registry import COMMANDS
from lab.hosts.root import CENTOS, System
from lab.hosts.state import HostState, Unit

COMMAND_PACKAGES = {
    "mstconfig": "mstflint",
    "mlxconfig": "mft",
    "mstflint": "mstflint",
    "openstack": "python3-tripleoclient",
    "tripleo-repos": "python3-tripleo-repos",
}
"""Emulated commands that a package contains; all others come with the operating system."""

UID = 1000
"""UID of the login user: the first one that a distribution assigns."""

ALWAYS_RUNNING = ("sshd", "chronyd")
"""Units that every host runs."""


class Host(Machine):
    """A host of the rack. The subclasses are the kinds of host."""

    kind: ClassVar[str]
    """As `make lab-status` prints it."""
    system: ClassVar[System] = CENTOS
    state_type: ClassVar[type[HostState]]
    """The type of `state`."""
    state: HostState
    """For reading; change it inside `change`."""

    def __init__(self, name: str, folder: Path, access: Access) -> None:
        super().__init__(name, folder, access)
        self._lock = threading.RLock()
        self._state_file = folder / state.FILE
        self.state = state.load(self._state_file, self.state_type)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Hold the host's lock while its state is changed, then store the state."""
        with self._lock:
            yield
            state.save(self._state_file, self.state)

    @property
    def powered(self) -> bool:
        """Whether the host has power."""
        return True

    # -- operating system

    def install(self, hostname: str) -> None:
        """Put the operating system, with the user who may log in, and a new host key on the disk."""
        self.root.make(hostname, self.system, self._commands())
        if self.access.user != "root":
            self.root.add_user(self.access.user, UID)
        keygen(self.host_key, hostname)

    def refresh(self) -> None:
        """Put the emulated commands in place: those of this version of the lab, and of the installed packages."""
        self.root.install_commands(self._commands())

    def _commands(self) -> list[str]:
        available = (None, *self.state.packages)
        return [name for name in COMMANDS.names(type(self)) if COMMAND_PACKAGES.get(name) in available]

    @property
    def units(self) -> dict[str, Unit]:
        """The systemd units by name."""
        return {**{name: Unit(active=True, enabled=True) for name in ALWAYS_RUNNING}, **self.state.units}

    def set_unit(self, name: str, *, active: bool | None = None, enabled: bool | None = None) -> None:
        """Change a unit's state; None leaves a value as it is."""
        with self.change():
            unit = self.state.units.setdefault(name, Unit())
            unit.active = unit.active if active is None else active
            unit.enabled = unit.enabled if enabled is None else enabled

    # -- power

    def reboot(self) -> None:
        """End every process and boot again.

        Raises:
            LabError: the host does not come up.
        """
        self.shutdown()
        self.boot()

    def run_boot_units(self) -> None:
        """Run the enabled units of type oneshot that have a file, as systemd does at boot."""
        for name, unit in sorted(self.state.units.items()):
            if unit.from_file and unit.enabled and (commands := self.oneshot(name)):
                self.set_unit(name, active=self.run_commands(commands))

    def oneshot(self, name: str) -> list[str]:
        """Return ExecStart of a unit's file; none if there is no file, or if the unit is of another type."""
        file = self.root.tree / f"etc/systemd/system/{name}.service"
        lines = file.read_text().splitlines() if file.is_file() else []
        return [line.partition("=")[2] for line in lines if line.startswith("ExecStart=") and "Type=oneshot" in lines]

    def run_commands(self, commands: list[str]) -> bool:
        """Run a unit's commands; return whether all of them succeeded."""
        session = "/usr/local/libexec/session"
        done = [
            subprocess.run(self.enter([session, command]), stdin=subprocess.DEVNULL, check=False)
            for command in commands
        ]
        return all(run.returncode == 0 for run in done)
