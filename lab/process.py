"""Long-running processes of the lab: started detached, found again by another `make`, stopped by their pid only.

A pid alone may belong to somebody else after a reboot, so a pid file holds pid and start time (field 22 of
/proc/PID/stat) and both must match before a process counts as ours or is sent a signal.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Say = Callable[[str], None]
"""Receives one line of progress."""


class _Detached(subprocess.Popen[bytes]):
    """A child that is meant to outlive this program: Popen would warn of it when it is dropped."""

    def __del__(self) -> None:
        """Nothing to warn of. A dead child stays a zombie until we end, and `start_time` knows zombies."""


class LabError(Exception):
    """A part of the lab cannot do what was asked; the text says which part, why, and shows the tail of its log."""


def start_time(pid: int) -> str | None:
    """The kernel's start time of `pid` in clock ticks since boot; None where no such process runs."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


@dataclass(frozen=True)
class Process:
    """One server of the lab."""

    name: str
    """Unique in the lab, e.g. "opensm"; shown by `make lab-status`."""
    argv: Sequence[str]
    folder: Path
    """Holds NAME.pid and NAME.log."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of the caller."""
    cwd: Path | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def pid(self) -> int | None:
        """The pid while the process lives, else None."""
        try:
            pid, started = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if start_time(int(pid)) == started else None

    def crashed(self) -> bool:
        """Whether it was started, never stopped, and is gone."""
        return self.pid_file.exists() and self.pid() is None

    def start(self) -> None:
        """Starts the process in a session of its own unless it runs already."""
        if self.pid() is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            child = _Detached(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.cwd,
                env={**os.environ, **self.env},
            )
        self.pid_file.write_text(f"{child.pid} {start_time(child.pid)}\n")

    def stop(self, seconds: float = 15) -> None:
        """Ends the process group: SIGTERM, then SIGKILL after `seconds`. A stopped process is no error."""
        pid = self.pid()
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            if not until(lambda: self.pid() is None, seconds):
                _signal(pid, signal.SIGKILL)
                until(lambda: self.pid() is None, 5)
        self.pid_file.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def wait(self, healthy: Callable[[], bool], seconds: float = 60) -> None:
        """Returns when `healthy()` is true.

        Raises:
            LabError: the process ended, or is not healthy after `seconds`; with the tail of its log.
        """
        if until(lambda: self.pid() is None or healthy(), seconds) and self.pid() is not None:
            return
        what = "ended" if self.pid() is None else f"is not healthy after {seconds:.0f} s"
        raise LabError(f"{self.name} {what}; the end of {self.log}:\n{self.tail()}")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def until(condition: Callable[[], bool], seconds: float, first: float = 0.02, most: float = 0.5) -> bool:
    """Polls `condition` with back-off from `first` to `most` seconds; False when `seconds` have passed without it."""
    deadline = time.monotonic() + seconds
    pause = first
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, most)
    return True


class Part(Protocol):
    """A part of the lab, as `make lab`, `lab-status` and `lab-stop` see it."""

    @property
    def name(self) -> str: ...

    @property
    def packages(self) -> Sequence[str]:
        """Debian packages it needs; the lab installs those of all parts in one go, without starting their services."""

    def install(self, say: Say) -> None:
        """Brings what no Debian package holds (virtual environments, databases). Idempotent, a no-op when done."""

    def start(self, say: Say) -> None:
        """Starts what does not run and returns when it is healthy. A second start changes nothing.

        Raises:
            LabError: it does not become healthy.
        """

    def processes(self) -> Sequence[Process]:
        """Every process that should run now; `lab-status` names the crashed ones with the tail of their logs."""

    def stop(self, say: Say) -> None:
        """Ends all of them and removes what only running processes need. State stays for the next start."""
