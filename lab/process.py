"""Long-running processes of the lab: started detached, found again by a later `make`, stopped by pid.

After a reboot a pid may belong to another process. A pid file therefore holds the pid and the start time (field 22 of
/proc/PID/stat). Only a process that matches both is treated as the lab's and receives signals.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Say = Callable[[str], None]
"""Receives one line of progress."""


class _Detached(subprocess.Popen[bytes]):
    """A child that outlives this program. Popen would warn about it when the object is garbage-collected."""

    def __del__(self) -> None:
        """Do nothing. A dead child stays a zombie until this program ends; `start_time` ignores zombies."""


class LabError(Exception):
    """A service of the lab failed; the text names the service, the cause and the end of its log."""


def start_time(pid: int) -> str | None:
    """Return the start time of `pid` in clock ticks since boot, or None if no such process runs."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


@dataclass(frozen=True)
class Process:
    """One server process of the lab."""

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
        """Return the file that receives standard output and standard error."""
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Return the file that holds pid and start time while the process should run."""
        return self.folder / f"{self.name}.pid"

    def pid(self) -> int | None:
        """Return the pid, or None if the process does not run."""
        try:
            pid, started = self.pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if start_time(int(pid)) == started else None

    def crashed(self) -> bool:
        """Return whether the process was started, was not stopped, and does not run."""
        return self.pid_file.exists() and self.pid() is None

    def start(self) -> None:
        """Start the process in a session of its own. Idempotent."""
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
        """Stop the process group with SIGTERM, and with SIGKILL after `seconds`. Idempotent."""
        pid = self.pid()
        if pid is not None:
            _signal(pid, signal.SIGTERM)
            if not until(lambda: self.pid() is None, seconds):
                _signal(pid, signal.SIGKILL)
                until(lambda: self.pid() is None, 5)
        self.pid_file.unlink(missing_ok=True)

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    def wait(self, healthy: Callable[[], bool], seconds: float = 60) -> None:
        """Return when `healthy()` is true.

        Raises:
            LabError: the process ended, or is not healthy after `seconds`; the text ends with the end of the log.
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
    """Poll `condition` with back-off from `first` to `most` seconds. Return False on a timeout of `seconds`."""
    deadline = time.monotonic() + seconds
    pause = first
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, most)
    return True
