"""`python -m engine.shown COMMAND...`: run a command and leave `last error: %!s(<nil>)` out of what it shows.

The released OpenStack provider prints this text when an object reaches a wrong state, because it formats an error that
is not there (UnexpectedStateError.Error in terraform-plugin-sdk, helper/retry/error.go). The rest of its message, and
the program's own line with nova's reason, stay.

On a terminal, the command gets a terminal of its own, so that it shows its progress as without this program.
"""

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Sequence
from typing import Any

NOISE = (b". last error: %!s(<nil>)", b", last error: %!s(<nil>)")
READ_BYTES = 1 << 16


class Filter:
    """Leaves the noise out of a stream that arrives in pieces."""

    def __init__(self) -> None:
        """Begin a stream."""
        self._held = b""

    def __call__(self, piece: bytes) -> bytes:
        """Return what can be shown so far: the beginning of a noise is held until the next piece."""
        text = self._held + piece
        for noise in NOISE:
            text = text.replace(noise, b"")
        held = max((n for noise in NOISE for n in range(1, len(noise)) if text.endswith(noise[:n])), default=0)
        text, self._held = text[: len(text) - held], text[len(text) - held :]
        return text

    def rest(self) -> bytes:
        """Return what is held at the end of the stream."""
        return self._held


def piped(command: Sequence[str]) -> int:
    """Run a command whose output goes to a file or a pipe; return its exit status."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout
        shown = Filter()
        while piece := os.read(process.stdout.fileno(), READ_BYTES):
            _show(shown(piece))
        _show(shown.rest())
    return process.returncode


def on_terminal(command: Sequence[str]) -> int:
    """Run a command in a terminal of its own, of the same size; return its exit status."""
    shown, inner = Filter(), list[int]()

    def resize(*_: Any) -> None:
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(inner[0], termios.TIOCSWINSZ, size)

    def read(terminal: int) -> bytes:
        if not inner:
            inner.append(terminal)
            signal.signal(signal.SIGWINCH, resize)
        while piece := os.read(terminal, READ_BYTES):
            if text := shown(piece):
                return text  # an empty one would mean the end
        return b""

    columns, lines = os.get_terminal_size(sys.stdout.fileno())
    begin = f'stty rows {lines} cols {columns}; exec "$@"'  # there is nothing to read yet, so `read` would be too late
    status = pty.spawn(["sh", "-c", begin, "sh", *command], read)
    _show(shown.rest())
    return os.waitstatus_to_exitcode(status)


def _show(text: bytes) -> None:
    while text:
        text = text[os.write(sys.stdout.fileno(), text) :]


def main(command: Sequence[str]) -> int:
    """Run the command and return its exit status; that of a shell if a signal has ended it."""
    signal.signal(signal.SIGINT, lambda *_: None)  # the command gets Ctrl-C, too, and decides
    status = on_terminal(command) if sys.stdin.isatty() and sys.stdout.isatty() else piped(command)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
