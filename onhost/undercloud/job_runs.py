"""Jobs and their runs on disk: state, log and result of each run, and the locks that decide what may start.

A run's supervisor holds a lock of the kernel while it runs, so that a running job is recognised without a pid, and a
reboot leaves no stale lock. State files and locks are read by runners of other versions: their format is fixed.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Optional, Tuple

from onhost.undercloud.common import Fault, say

PROGRAM = Path(__file__)
"""This program, as it is shipped."""
HOME = Path(os.environ.get("RACK_JOBS", "/var/lib/rack-jobs"))
"""Folder of all runs: NAME/1, NAME/2, … The variable is for tests."""
STOP_SECONDS = 30
"""Seconds between SIGTERM and SIGKILL, and after it."""
LOOK_SECONDS = 0.2
"""Seconds between two polls of a log or of processes: the standard library cannot wait for a file."""


def when(seconds: float) -> str:
    """Return a time of the clock as text."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def boot() -> str:
    """Return the kernel's ID of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def process(pid: int) -> Tuple[int, int]:
    """Return a process's session and its start in ticks since boot; (-1, -1) where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return -1, -1
    return (-1, -1) if fields[0] == "Z" else (int(fields[3]), int(fields[19]))


def key_of(command: List[str], given: bytes) -> str:
    """Return the key of a job: a digest of its command and its standard input. Same key, same job."""
    return hashlib.sha256(json.dumps(command).encode() + b"\0" + given).hexdigest()


class Run:
    """One run of a job: `state` (how it started and ended), `log`, `result`."""

    def __init__(self, folder: Path) -> None:
        """Name the files of a run; they may not exist yet."""
        self.folder, self.log, self.result = folder, folder / "log", folder / "result"
        self._state, self.input = folder / "state", folder / "input"

    @property
    def state(self) -> Dict[str, Any]:
        """The recorded state of the run; empty if it does not exist.

        From its start: `key`, `command`, `at`. From its supervisor's start: `boot`, `session`, `begun`. From its end:
        `status`, `ended`. Times are in seconds since the epoch, `begun` in ticks since boot.
        """
        try:
            state: Dict[str, Any] = json.loads(self._state.read_text())
        except FileNotFoundError:
            return {}
        return state

    def note(self, **more: Any) -> None:
        """Add to the state. The file is replaced as a whole."""
        fresh = self._state.with_name("state.new")
        fresh.write_text(json.dumps({**self.state, **more}, indent=1))
        fresh.replace(self._state)

    def processes(self) -> List[int]:
        """Return the pids of the session in which supervisor and command run; none after a reboot."""
        state = self.state
        if state.get("boot") != boot():
            return []
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                session, begun = process(int(entry.name))
                if session == state["session"]:
                    found[int(entry.name)] = begun
        # The kernel reuses a session's number once all its processes have ended.
        reused = found.get(state["session"], state["begun"]) != state["begun"]
        return [] if reused else sorted(found)


class Job:
    """All runs of one name."""

    def __init__(self, folder: Path) -> None:
        """Name the job's folder; it may not exist yet."""
        self.folder, self.name = folder, folder.name

    @property
    def runs(self) -> List[Run]:
        """All runs, the oldest first."""
        numbers = sorted(int(state.parent.name) for state in self.folder.glob("[0-9]*/state"))
        return [Run(self.folder / str(number)) for number in numbers]

    @property
    def latest(self) -> Optional[Run]:
        """The newest run, if there is one."""
        runs = self.runs
        return runs[-1] if runs else None

    @property
    def running(self) -> bool:
        """Whether a supervisor runs."""
        try:
            with (self.folder / "running").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True

    def over(self, run: Run) -> bool:
        """Return whether a run is complete: it has ended, or its supervisor was killed."""
        return "status" in run.state or not self.running or self.runs[-1].folder != run.folder

    @contextmanager
    def locked(self, name: str = "lock") -> Iterator[None]:
        """Hold a lock of this job: `lock` to decide what happens, `running` while a run's supervisor runs."""
        while True:
            try:
                self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.folder.parent.chmod(0o700)  # earlier versions made it readable
                self.folder.mkdir(mode=0o700, exist_ok=True)
                lock = (self.folder / name).open("a")
            except FileNotFoundError:  # `forget` has just removed the folder
                continue
            with lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if _same(lock, self.folder / name):
                    yield
                    return

    @property
    def choice(self) -> str:
        """What an operator can do about a run that blocks another one."""
        return f"Wait until it ends, then pulumi up; or stop it: {PROGRAM} stop {self.name}"

    # -- commands of an operator

    def status(self) -> str:
        """Return a line about the latest run."""
        running, run = self.running, self.latest  # in this order: a run that ends in between is not interrupted
        if not run:
            return f"{self.name}: no run"
        state = run.state
        if "status" in state:
            end = f"failed with status {state['status']}" if state["status"] else "succeeded"
            how = f"{end} {when(state['ended'])}"
        else:
            how = "running" if running else "interrupted"
        return f"{self.name}: run {run.folder.name}, {how}, started {when(state['at'])}; log: {run.log}"

    def stop(self) -> None:
        """Stop the latest run, with SIGTERM and then SIGKILL, and log its status."""
        run = self.latest
        if run and "status" not in run.state:
            self._signal(run, signal.SIGTERM)
            self._signal(run, signal.SIGKILL)
        say(self.status())

    def _signal(self, run: Run, number: int) -> None:
        """Signal the processes of a run except its supervisor, which notes the status and then ends.

        The oldest first: a script continues when the command that it waits for ends, so the script must end before it.
        """
        for pid in sorted(set(run.processes()) - ({run.state["session"]} if self.running else set())):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + STOP_SECONDS
        while run.processes() and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)

    def forget(self) -> None:
        """Remove all runs.

        Raises:
            Fault: the job is running.
        """
        with self.locked():
            latest = self.latest
            if latest and "status" not in latest.state and (self.running or latest.processes()):
                raise Fault(f"{self.name} is running\n{self.choice}")
            shutil.rmtree(str(self.folder))
        with suppress(OSError):  # it holds other jobs
            self.folder.parent.rmdir()


def _same(file: "IO[str]", path: Path) -> bool:
    """Return whether an open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def jobs(names: List[str]) -> List[Job]:
    """Return the named jobs, or all jobs where no name is given."""
    kept = sorted(f.name for f in HOME.iterdir()) if HOME.exists() else []
    return [Job(HOME / name) for name in names or kept]


def valid_name(name: str) -> bool:
    """Return whether a job may have this name, which is also a folder's."""
    return bool(re.match(r"[A-Za-z0-9][\w.-]*\Z", name))
