"""A child process of the fabric's controller: ibsim or OpenSM.

Each child has NAME.log and NAME.pid in the fabric's folder. The pid file has the format of `lab.process`, so that `make
lab-status` lists the child.
"""

import ctypes
import logging
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

from lab.process import start_time

LOG_BYTES = 10_000_000
"""A log that would exceed this size is renamed to NAME.log.1."""

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def _in_child() -> None:
    """Run between fork and exec: let the kernel kill the child with the controller, and unblock all signals."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class ChildError(Exception):
    """ibsim or OpenSM has ended or does not answer."""


class Child:
    """A program whose output goes to a log and which ends with the controller."""

    def __init__(self, name: str, folder: Path, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start the program in `folder`, with `env` added to the environment."""
        self.name = name
        self._pid_file = folder / f"{name}.pid"
        self._handler = RotatingFileHandler(folder / f"{name}.log", maxBytes=LOG_BYTES, backupCount=1)
        # In a session of its own: a signal to the controller's process group must not end the children before the
        # controller stops them in order, because that would look like a crash. If the controller dies, the kernel kills
        # them (PR_SET_PDEATHSIG). That signal belongs to the forking thread, so only the main thread starts children.
        self.popen = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **env},
            start_new_session=True,
            preexec_fn=_in_child,
        )
        self._pid_file.write_text(f"{self.popen.pid} {start_time(self.popen.pid)}\n")
        self._readers = [threading.Thread(target=self._read_errors, daemon=True, name=f"{name} stderr")]
        self._readers[0].start()

    def write_log(self, text: str) -> None:
        """Append text to the log."""
        self._handler.handle(logging.makeLogRecord({"msg": text.rstrip("\n")}))

    def _read_errors(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.write_log(line.decode(errors="replace"))

    def stop(self, seconds: float = 5) -> None:
        """Stop the child and remove its pid file. The pid file of a crashed child stays and marks the crash."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
            self._pid_file.unlink(missing_ok=True)
        for reader in self._readers:
            reader.join(seconds)  # The last lines of output belong in the log.
        self._handler.close()
