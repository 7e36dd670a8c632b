"""Start a run of a job, or join the running one with the same key."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, List

from onhost.undercloud.common import Fault, say
from onhost.undercloud.job_runs import LOOK_SECONDS, PROGRAM, Job, Run, key_of, when

KEPT = 5
"""Runs of a job whose logs are kept, the newest ones."""
SYSTEMD = Path("/run/systemd/system")
"""Exists where systemd is the running init (see sd_booted)."""
START_SECONDS = 60
"""Timeout for a supervisor to start."""
ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "USER")
"""Variables that a run keeps; a unit of systemd would have systemd's."""


def join(job: Job, command: List[str], given: bytes) -> Run:
    """Return the run of this command and input: one that runs, one that has succeeded, or a new one.

    Raises:
        Fault: the job runs with another command or input, or a new run does not start.
    """
    key = key_of(command, given)
    with job.locked():
        running = job.running  # asked before the state is read: a run that ends in between is complete, not interrupted
        latest = job.latest
        state = latest.state if latest else {}
        # A supervisor that has recorded the end may still run; the supervisor of the next run waits for it.
        if latest and "status" not in state and running:
            return _attach(job, latest, key, given)
        if latest and state.get("key") == key and state.get("status") == 0:
            say(f"{job.name}: done {when(state['ended'])}, and its inputs are unchanged; log: {latest.log}")
            return latest
        if latest:
            _outlive(job, latest)
        run = _start(job, key, command, given)
        say(f"{job.name}: started; it continues when pulumi or this connection ends; log: {run.log}")
        return run


def _attach(job: Job, run: Run, key: str, given: bytes) -> Run:
    state = run.state
    since = when(state["at"])
    if state["key"] != key:
        raise Fault(
            f"{job.name}: another run has been under way since {since}, with other inputs; log: {run.log}\n{job.choice}"
        )
    if run.input.exists():  # the process that started it was killed before it had passed the input on
        _hand_over(job, run, given)
    say(f"{job.name}: joined; under way since {since}; log: {run.log}")
    return run


def _outlive(job: Job, run: Run) -> None:
    """Wait until the processes of a killed supervisor have ended: a new run must not work beside them."""
    if "status" in run.state:
        return
    if run.processes():
        say(f"{job.name}: the supervisor of its last run was killed; waiting for its processes: {run.processes()}")
        while run.processes():
            time.sleep(LOOK_SECONDS)
    say(f"{job.name}: its last run was interrupted, by a reboot or a kill; log: {run.log}")


def _start(job: Job, key: str, command: List[str], given: bytes) -> Run:
    runs = job.runs
    number = int(runs[-1].folder.name) + 1 if runs else 1
    for old in runs[: max(0, len(runs) + 1 - KEPT)]:
        shutil.rmtree(str(old.folder))
    run = Run(job.folder / str(number))
    run.folder.mkdir(mode=0o700, exist_ok=True)
    run.note(key=key, command=command, at=time.time())
    os.mkfifo(str(run.input), 0o600)
    _supervise(job, run)
    _hand_over(job, run, given)
    return run


def _hand_over(job: Job, run: Run, given: bytes) -> None:
    """Pass the input on to the supervisor by a named pipe, so that it is never written to the disk.

    The pipe opens once the supervisor has opened it, which then holds its lock. Its name is removed first: a process
    that holds the job's lock and finds the name knows that nothing was written yet.
    """
    with _limited(f"{job.name}: did not start within {START_SECONDS} s; log: {run.log}"):
        pipe = run.input.open("wb")
    with pipe:
        run.input.unlink()
        pipe.write(given)


def _supervise(job: Job, run: Run) -> None:
    """Start the supervisor outside of this SSH session, whose processes sshd, logind or a lost terminal would end."""
    supervise = [sys.executable, "-I", str(PROGRAM.resolve()), "supervise", str(run.folder)]
    if not (SYSTEMD.is_dir() and os.geteuid() == 0):
        _detach(supervise)
        return
    unit = f"--unit=rack-job-{job.name}-{run.folder.name}"
    settings = [f"--setenv={name}={os.environ[name]}" for name in ENVIRONMENT if name in os.environ]
    if subprocess.call(["systemd-run", "--quiet", "--collect", unit, *settings, *supervise], stdout=sys.stderr):
        raise Fault(f"{job.name}: systemd-run could not start it; see its output above")


def _detach(command: List[str]) -> None:
    """Start a process in a session of its own and as a child of init, apart from this SSH session's processes."""
    child = os.fork()
    if not child:
        null = subprocess.DEVNULL
        try:
            subprocess.Popen(command, stdin=null, stdout=null, stderr=null, cwd="/", start_new_session=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


@contextmanager
def _limited(text: str) -> Iterator[None]:
    """Allow START_SECONDS for what is done inside.

    Raises:
        Fault: with this text, after the timeout.
    """

    def ring(*_: Any) -> None:
        raise Fault(text)

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(START_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
