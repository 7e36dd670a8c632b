"""`python -m engine.progress NAME COMMAND...`: run a long command and say where it is.

At the start, it says how long the command took the last time. Every 15 seconds, it says what runs now, for how long,
and of how much: `==> up: overcloud-deploy, 45 s of about 68 s`. On a terminal, `pulumi` shows its own progress, which
other lines would tear apart; there, it says the start only.

What runs now is read from the command's output: the resource that Pulumi last began, or pytest's percentage.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

DURATIONS = Path(os.environ.get("RACK_DURATIONS", Path(__file__).resolve().parents[1] / ".engine/durations.json"))
"""Seconds of the last successful run, by name. The variable is for tests."""
PAUSE = float(os.environ.get("RACK_PROGRESS_SECONDS", "15"))
"""Seconds between two lines. The variable is for tests."""
BEGUN = re.compile(r" (?P<what>[\w.-]+) (?:creating|updating|deleting|replacing|reading|refreshing|importing)\b")
"""A line of Pulumi about a resource that it works on."""
SHARE = re.compile(r"\[ *(?P<what>\d+%)\]\s*$")
"""The end of a line of pytest."""


def last_time(name: str) -> int | None:
    """Return the seconds of the last successful run; None if there was none."""
    try:
        return int(json.loads(DURATIONS.read_text())[name])
    except (OSError, ValueError, KeyError):
        return None


def note(name: str, seconds: float) -> None:
    """Note the duration of a successful run."""
    try:
        known = json.loads(DURATIONS.read_text())
    except (OSError, ValueError):
        known = {}
    DURATIONS.parent.mkdir(parents=True, exist_ok=True)
    DURATIONS.write_text(json.dumps({**known, name: round(seconds)}, indent=1, sort_keys=True) + "\n")


def current(line: str) -> str:
    """Return what a line of the command's output says about the current step; empty if it says nothing."""
    found = BEGUN.search(line) or SHARE.search(line)
    return found["what"] if found else ""


class Progress:
    """Says where a command is, until it ends."""

    def __init__(self, name: str) -> None:
        """Say how long it took the last time."""
        self._name, self._begin, self._expected = name, time.monotonic(), last_time(name)
        self.step = ""
        self._over = threading.Event()
        expected = f"about {self._expected} s, as the last time" if self._expected else "no earlier run to compare with"
        print(f"==> {name}: {expected}", flush=True)

    def line(self) -> str:
        """Return the line about the present."""
        expected = f" of about {self._expected} s" if self._expected else ""
        step = f"{self.step}, " if self.step else ""
        return f"==> {self._name}: {step}{time.monotonic() - self._begin:.0f} s{expected}"

    def tell(self) -> None:
        """Print a line at intervals until `end`."""
        while not self._over.wait(PAUSE):
            print(self.line(), flush=True)

    def end(self, status: int) -> None:
        """Stop; note the duration if the command succeeded."""
        self._over.set()
        if status == 0:
            note(self._name, time.monotonic() - self._begin)


def run(progress: Progress, command: Sequence[str]) -> int:
    """Run a command and return its exit status; its output is passed on line by line."""
    if sys.stdin.isatty() and sys.stdout.isatty() and "pulumi" in command:
        return subprocess.call(command)
    teller = threading.Thread(target=progress.tell, daemon=True)
    teller.start()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
            progress.step = current(line.decode(errors="replace")) or progress.step
    return process.returncode


def main(words: Sequence[str]) -> int:
    """Run the command and return its exit status; that of a shell if a signal has ended it."""
    name, *command = words
    signal.signal(signal.SIGINT, lambda *_: None)  # the command gets Ctrl-C, too, and decides
    progress = Progress(name)
    status = run(progress, command)
    progress.end(status)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
