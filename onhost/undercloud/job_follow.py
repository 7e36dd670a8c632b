"""Follow a run: show its log while it grows, then its result or the reason of its failure."""

import os
import select
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from onhost.undercloud.common import say
from onhost.undercloud.job_report import failing_step, printable, text_lines
from onhost.undercloud.job_runs import LOOK_SECONDS, Job, Run

SHOWN_FIRST, SHOWN_EACH_SECONDS = 100, 10.0
"""How many first lines are all shown, and seconds per line after them: pulumi-command stores them in the state."""
SPACE = 1 << 16
"""Free bytes below which a file system counts as full: a supervisor could not note how its command ended."""
READ_BYTES = 4 << 20
"""Bytes at the end of a log in which the failing step is searched."""


def follow(job: Job, run: Run) -> int:
    """Show a run's log until it is complete and return its exit status.

    Raises:
        BrokenPipeError: standard output or standard error is closed.
    """
    if run.state.get("status") != 0:
        _show(job, run)
    state = run.state
    if state.get("status") == 0:
        with run.result.open("rb") as result:
            shutil.copyfileobj(result, sys.stdout.buffer)
        return 0
    return _failed(job, run, state)


def _show(job: Job, run: Run) -> None:
    shown = ShownLog()
    with run.log.open("rb") as log:
        while True:
            over = job.over(run)  # asked before the log is read, so that the last line is not missed
            shown.more(log.read())
            if over:
                break
            _wait()
    shown.end()


def _failed(job: Job, run: Run, state: Dict[str, Any]) -> int:
    why = full(run.folder) if space(run.folder) < SPACE else "its supervisor was killed"
    interrupted = f"was interrupted: {why}"
    how = f"failed with status {state['status']}" if "status" in state else interrupted
    say(f"{job.name} {how} after {duration(state.get('ended', time.time()) - state['at'])}:")
    for line in failing_step(last_lines(run)):
        say(f"  {line}")
    say(f"The whole log, on {os.uname().nodename}: {run.log}")
    say(f"To resume: fix the cause, then pulumi up; {job.name} runs again and continues from what is done")
    return int(state.get("status", 1))


def full(folder: Path) -> str:
    """Return the reason of a failure on a full disk, with what to do."""
    return f"no space left in {folder} on {os.uname().nodename}; free space there"


def space(folder: Path) -> int:
    """Return the free bytes of a folder's file system."""
    found = os.statvfs(str(folder))
    return found.f_bavail * found.f_frsize


def duration(seconds: float) -> str:
    """Return a duration as text, in seconds or minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def last_lines(run: Run) -> List[str]:
    """Return the log's last lines, or those of the result where the log is empty."""
    for file in (run.log, run.result):
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - READ_BYTES))
            lines = text_lines(stream.read())
        if lines:
            return lines
    return ["it printed nothing"]


def _wait() -> None:
    """Wait for a moment, or until nothing reads our output any more.

    Raises:
        BrokenPipeError: nothing reads our output any more.
    """
    readers = select.poll()
    for stream in (1, 2):
        readers.register(stream, 0)
    if readers.poll(LOOK_SECONDS * 1000):
        raise BrokenPipeError


class ShownLog:
    """Show a growing log: all of its first lines, then one line per interval (see SHOWN_FIRST)."""

    def __init__(self) -> None:
        """Start with an empty log."""
        self._lines, self._at = 0, time.monotonic()
        self._rest, self._kept = b"", ""

    def more(self, text: bytes) -> None:
        """Add what the log has grown by."""
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in map(printable, lines):
            self._kept = line or self._kept
            if self._kept and (self._lines < SHOWN_FIRST or time.monotonic() > self._at + SHOWN_EACH_SECONDS):
                self._show()

    def end(self) -> None:
        """Show the last line."""
        self.more(b"\n")
        self._show()

    def _show(self) -> None:
        if self._kept:
            say(self._kept)
            self._kept, self._at = "", time.monotonic()
            self._lines += 1
