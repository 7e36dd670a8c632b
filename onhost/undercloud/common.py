"""What the programs on the undercloud share: faults, progress, polling, running commands, records."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

GROWTH = 1.25
"""Factor from one pause of a poll to the next: short at first, so that a condition that already holds costs no time."""
SHOWN = 6
"""Items of a long list that a progress line shows. An error shows all of them."""
REMIND_SECONDS = 60
"""Seconds after which an unchanged progress line is repeated."""


class Fault(Exception):  # noqa: N818 - the operator reads the text, not the name
    """A condition that waiting cannot fix, or a timeout. The text says what to do."""


class Unavailable(Exception):  # noqa: N818
    """A service does not answer at the moment: it starts, restarts or is unreachable. The caller retries."""


def say(text: str) -> None:
    """Print a line of progress to standard error."""
    print(text, file=sys.stderr, flush=True)


def some(items: Sequence[str]) -> str:
    """Return the first items of a list as text, with the number of the others."""
    more = len(items) - SHOWN
    return "; ".join([*items[:SHOWN], *([f"and {more} more"] if more > 0 else [])])


def refuse(reason: str, faults: Sequence[str]) -> None:
    """Raise one Fault for all faults of a check, or do nothing where there are none.

    Raises:
        Fault: there are faults. Its text is the reason and one line per fault.
    """
    if faults:
        raise Fault("\n  ".join([reason, *faults]))


# -- commands


def execute(
    argv: Sequence[str],
    given: str = "",
    shown: bool = False,
    variables: Optional[Dict[str, str]] = None,
    descriptors: Sequence[int] = (),
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command to its end, with `given` as its standard input.

    Args:
        argv: the command and its arguments.
        given: text for standard input.
        shown: pass standard output and standard error on to our standard error; otherwise both are captured.
        variables: its environment; None: ours.
        descriptors: open files that it inherits, under the same numbers.
    """
    out, err = (sys.stderr, None) if shown else (subprocess.PIPE, subprocess.PIPE)
    return subprocess.run(
        argv, input=given.encode(), stdout=out, stderr=err, env=variables, pass_fds=tuple(descriptors)
    )


# -- polling


class Progress:
    """Log what a poll waits for: each new text at once, an unchanged text after a while."""

    def __init__(self, remind_seconds: float = REMIND_SECONDS) -> None:
        self._remind, self._text, self._at = remind_seconds, "", 0.0

    def tell(self, text: str) -> None:
        """Log `text`, unless it was logged less than `remind_seconds` ago."""
        if text != self._text or time.monotonic() - self._at > self._remind:
            self._text, self._at = text, time.monotonic()
            say(text)


def growing(pauses: Sequence[float]) -> Iterator[float]:
    """Return pauses without end, in seconds: from the first of `pauses` up to the second."""
    pause, longest = pauses
    while True:
        yield pause
        pause = min(pause * GROWTH, longest)


def poll(
    missing: Callable[[], List[str]], pauses: Sequence[float], end: float, progress: Callable[[List[str]], None]
) -> List[str]:
    """Call `missing` until it returns nothing or the time is over, and return its last answer.

    Args:
        missing: returns one line per condition that does not hold yet.
        pauses: the shortest and the longest pause between two calls, in seconds.
        end: the deadline, on the clock of `time.monotonic`. `missing` is called at least once.
        progress: is given the lines before each pause.
    """
    steps = growing(pauses)
    while True:
        lines = missing()
        if not lines or time.monotonic() >= end:
            return lines
        progress(lines)
        time.sleep(max(0.0, min(next(steps), end - time.monotonic())))


class Wait:
    """Wait for conditions until a deadline that they share. A service that is unavailable is asked again."""

    def __init__(self, seconds: float, pauses: Sequence[float], advice: str) -> None:
        """Set the deadline `seconds` from now; `advice` ends the text of a timeout."""
        self.pauses, self._advice, self._progress = pauses, advice, Progress()
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Move the deadline to `seconds` from now."""
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def until(self, missing: Callable[[], List[str]]) -> None:
        """Return as soon as `missing` returns nothing.

        Raises:
            Fault: the deadline has passed. Its text lists everything that is still missing.
        """

        def asked() -> List[str]:
            try:
                return missing()
            except Unavailable as error:
                return [str(error)]

        left = poll(asked, self.pauses, self._end, lambda lines: self.progress(f"waiting: {some(lines)}"))
        if left:
            raise Fault("\n  ".join([f"timed out after {self._seconds / 60:g} minutes:", *left]) + self._advice)

    def expired(self) -> bool:
        """Return whether the deadline has passed."""
        return time.monotonic() >= self._end

    def progress(self, text: str) -> None:
        """Log a line of progress."""
        self._progress.tell(text)


# -- records


def read_record(file: Path) -> Dict[str, Any]:
    """Return what an earlier run recorded, or nothing where there is no file."""
    record: Dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return record


def write_record(file: Path, record: Dict[str, Any]) -> None:
    """Write a record for later runs. The file is replaced as a whole, so that it is never half written."""
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps(record, indent=1))
    fresh.replace(file)
