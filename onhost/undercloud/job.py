#!/usr/bin/python3 -I
"""The job runner: commands of minutes or hours that outlive their caller (C4, C5, I1, O5, G1, G2).

  rack-job run NAME COMMAND...   start it, or join it if it runs; exit with its status
  rack-job status [NAME...]      list the latest run of each job and its log
  rack-job stop NAME...          stop running jobs
  rack-job forget [NAME...]      remove the records of these jobs, or of all; refused while one of them runs

The command's standard error is its log, shown here while it grows; its standard output is its result, kept and
printed once it has succeeded. A job's key is made of its command and standard input. The same key joins a run that is
under way, repeats the result of one that has succeeded, and starts a new run after a failure. Another key under the
same name is refused while a run is under way.

The shell lines in /etc/rack-job/NAME precede the script of a job, which is its last argument. They are not part of the
key, so a default that a later version adds does not repeat a job.

A run belongs to no SSH session: it is a unit of systemd, or a session of its own where systemd does not run. Standard
input reaches it by a named pipe and is never written to the disk.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, List

from onhost.undercloud.common import Fault, say
from onhost.undercloud.job_follow import follow, full
from onhost.undercloud.job_runs import HOME, PROGRAM, Job, Run, boot, jobs, key_of, process, valid_name
from onhost.undercloud.job_start import START_SECONDS, join

DEFAULTS = Path(os.environ.get("RACK_JOB_DEFAULTS", "/etc/rack-job"))
"""Folder of lines of shell, one file per job. The variable is for tests."""


class Detached(Exception):  # noqa: N818
    """The follower was asked to end; the run continues. Holds the exit status."""


# -- the supervisor


def supervise(folder: Path) -> int:
    """Start the command of a run, wait for it and note how it ended. This process is the run."""
    run, job = Run(folder), Job(folder.parent)
    log = run.log.open("ab")
    os.dup2(log.fileno(), 2)
    signal.alarm(START_SECONDS)  # ends this process where its caller was killed before it passed the input on
    if os.getsid(0) != os.getpid():
        os.setsid()
    with job.locked("running"), log, run.result.open("wb") as result, tempfile.TemporaryFile() as given:
        if not job.latest or job.latest.folder != folder:
            return 1
        command = run.state["command"]
        run.note(boot=boot(), session=os.getpid(), begun=process(os.getpid())[1])
        with run.input.open("rb") as pipe:
            shutil.copyfileobj(pipe, given)
        signal.alarm(0)
        given.seek(0)
        if key_of(command, given.read()) != run.state["key"]:
            return 1  # the caller was killed while it passed the input on
        given.seek(0)
        run.note(status=status_of(with_defaults(command, job.name), given, result), ended=time.time())
    return 0


def with_defaults(command: List[str], name: str) -> List[str]:
    """Return the command with the job's lines of shell before its script."""
    with suppress(FileNotFoundError):
        return [*command[:-1], (DEFAULTS / name).read_text() + command[-1]]
    return command


def status_of(command: List[str], given: "IO[bytes]", result: "IO[bytes]") -> int:
    """Run a command to its end and return its exit status. SIGTERM is left to the command: we note the status."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        status = subprocess.call(command, stdin=given, stdout=result, cwd="/")
    except OSError as error:
        say(f"{command[0]}: {error.strerror}")
        return 127
    return status if status >= 0 else 128 - status


# -- the command line


def detach(number: int, _: Any) -> None:
    """Handle a signal to the follower."""
    raise Detached(128 + number)


def run(name: str, command: List[str]) -> int:
    """Start or join a job, follow it and return its exit status.

    Raises:
        Fault: the job does not start.
    """
    job = Job(HOME / name)
    try:
        found = join(job, command, sys.stdin.buffer.read())
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise Fault(f"{name}: did not start: {full(HOME)}") from None
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, detach)
    try:
        return follow(job, found)
    except Detached as detached:
        say(f"{name}: detached; the job continues, and the next pulumi up joins it. To stop it: {PROGRAM} stop {name}")
        return int(detached.args[0])
    except BrokenPipeError:  # nothing reads our output any more
        return 128 + signal.SIGPIPE


def main(words: List[str]) -> int:
    """Run a command line and return the exit status.

    Raises:
        Fault: the command line is wrong, or the command is refused.
    """
    verb, names = "".join(words[:1]), words[1:]
    if verb == "supervise":
        return supervise(Path(names[0]))
    if not all(map(valid_name, names[:1] if verb == "run" else names)):
        raise Fault("the name of a job consists of letters, digits, '.', '-' and '_'")
    if verb == "run" and len(names) > 1:
        return run(names[0], names[1:])
    if verb == "status":
        print("\n".join(job.status() for job in jobs(names)))
    elif verb == "forget" or (verb == "stop" and names):
        for job in jobs(names):
            getattr(job, verb)()
    else:
        raise Fault(str(__doc__).partition("\n\n")[2].partition("\n\n")[0])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Fault as fault:
        say(str(fault))
        sys.exit(1)
