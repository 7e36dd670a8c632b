"""ibsim and OpenSM as children of the controller: started, talked to, ended.

Each has NAME.log and NAME.pid in the fabric's folder, the latter as `lab.process` writes it, so that whoever looks at
the lab's processes sees them too.
"""

import ctypes
import logging
import os
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

from lab.fabric.sim import socket_name
from lab.process import start_time

LOG_BYTES = 10_000_000
"""A log which would grow beyond this is renamed to NAME.log.1."""

PROMPT = b"sim> "

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def _in_child() -> None:
    """Between fork and exec: ends with the controller, and has none of its signals blocked."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class ChildError(Exception):
    """ibsim or OpenSM has ended or does not answer."""


class Child:
    """A program that writes to a log of ours and dies with us."""

    def __init__(self, name: str, folder: Path, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self.name = name
        self._pid_file = folder / f"{name}.pid"
        self._handler = RotatingFileHandler(folder / f"{name}.log", maxBytes=LOG_BYTES, backupCount=1)
        # A session of its own: the controller ends its children one after the other, so a signal to the controller's
        # group must not reach them first and look like a crash. What the kernel sends when the controller dies covers
        # the rest. The signal is tied to the thread that forks, hence children are started by the main thread only.
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
        self._handler.handle(logging.makeLogRecord({"msg": text.rstrip("\n")}))

    def _read_errors(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.write_log(line.decode(errors="replace"))

    def stop(self, seconds: float = 5) -> None:
        """Ends it. Its pid file goes with it, while that of a crashed child stays: that is how a crash is told."""
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
            self._pid_file.unlink(missing_ok=True)
        for reader in self._readers:
            reader.join(seconds)  # Its last words belong into the log.
        self._handler.close()


class Ibsim(Child):
    """ibsim, driven by its console on standard input, which must stay open: at its end ibsim spins."""

    CLIENT = re.compile(r"^Client (\d+): pid (\d+) connected", re.MULTILINE)

    def __init__(self, folder: Path, net_file: Path, limits: Mapping[str, int]) -> None:
        options = [f"-{letter}{limit}" for letter, limit in limits.items()]
        super().__init__("ibsim", folder, ["ibsim", "-s", *options, str(net_file)], socket_name(folder))
        self._lock = threading.Lock()

    def wait_ready(self) -> None:
        """Returns when it has read the net file and waits for commands.

        Raises:
            ChildError: it refuses the file.
        """
        self.write_log(self._answer())

    def command(self, line: str) -> None:
        """Runs one console command.

        Raises:
            ChildError: ibsim says it cannot, or has ended, or is silent for 10 s.
        """
        if answer := self._ask(line):
            raise ChildError(f"ibsim: {line}: {answer}")

    def disconnect_dead_clients(self) -> None:
        """Frees the places of programs that were killed: ibsim has ten and sees a death only when it writes there."""
        for client, pid in self.CLIENT.findall(self._ask("Attached")):
            if start_time(int(pid)) is None:
                self.command(f"X {client}")

    def _ask(self, line: str) -> str:
        assert self.popen.stdin is not None
        with self._lock:
            try:
                self.popen.stdin.write(line.encode() + b"\n")
                self.popen.stdin.flush()
            except OSError as error:
                raise ChildError("ibsim has ended") from error
            answer = self._answer()
        self.write_log(f"{line}\n{answer}" if answer else line)
        return answer

    def _answer(self, seconds: float = 10) -> str:
        """What it writes before its next prompt: nothing, or why it cannot."""
        assert self.popen.stdout is not None
        out = self.popen.stdout.fileno()
        deadline, text = time.monotonic() + seconds, b""
        while not text.endswith(PROMPT):
            if not select.select([out], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise ChildError(f"ibsim is silent for {seconds:.0f} s")
            piece = os.read(out, 65536)
            if not piece:
                self.write_log(text.decode(errors="replace"))
                raise ChildError("ibsim has ended")
            text += piece
        return text.removesuffix(PROMPT).decode(errors="replace").strip()


class OpenSM(Child):
    """OpenSM, whose log tells when a sweep begins and ends.

    opensm.conf raises the log level of `osm_state_mgr.c` alone: its line "state_mgr_sweep_hop_0" says that a sweep
    begins, and the partitions file is read within it. "SUBNET UP" comes at the end of a sweep without errors; after one
    with errors OpenSM starts the next by itself. With a partitions file it cannot parse it goes on with the default.
    """

    BEGIN = re.compile(r"(\d\d):(\d\d):(\d\d) (\d{6}) .* -> state_mgr_sweep_hop_0:")
    REFUSAL = re.compile(r" -> parse_part_conf: (PARSE ERROR: .*)")
    END = re.compile(r" -> SUBNET UP\s*$")

    def __init__(self, folder: Path, config: Path, env: Mapping[str, str]) -> None:
        # The log has the time of day only, so UTC keeps daylight saving out of it.
        super().__init__("opensm", folder, ["opensm", "-F", str(config), "-f", "stdout"], {**env, "TZ": "UTC"})
        self._news = threading.Condition()
        self._begun = 0.0
        self._swept = -1.0
        """When the newest finished sweep began: seconds since the epoch; -1 before the first."""
        self._ended = False
        self.refusal: str | None = None
        """What the newest sweep found wrong with the partitions file."""
        self._readers.append(threading.Thread(target=self._read, daemon=True, name="opensm log"))
        self._readers[-1].start()

    def wait_swept(self, since: float, seconds: float) -> None:
        """Returns when a sweep that began at or after `since` (seconds since the epoch) has ended without errors.

        Raises:
            ChildError: none has within `seconds`, or OpenSM has ended.
        """
        with self._news:
            done = self._news.wait_for(lambda: self._swept >= since or self._ended, seconds)
        if self._ended:
            raise ChildError("OpenSM has ended")
        if not done:
            raise ChildError(f"OpenSM has not finished a sweep within {seconds:.0f} s")

    def sweep(self, seconds: float = 30) -> None:
        """Has OpenSM read the partitions and sweep the fabric, and returns when it is done."""
        since = time.time()
        self.popen.send_signal(signal.SIGHUP)
        self.wait_swept(since, seconds)

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for raw in self.popen.stdout:
            line = raw.decode(errors="replace")
            if line.strip():
                self.write_log(line)
            self._note(line)
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _note(self, line: str) -> None:
        if begin := self.BEGIN.search(line):
            hours, minutes, seconds, microseconds = map(int, begin.groups())
            of_day = hours * 3600 + minutes * 60 + seconds + microseconds / 1e6
            now = time.time()
            self._begun = now - (now - of_day) % 86400
            self.refusal = None
        elif refusal := self.REFUSAL.search(line):
            self.refusal = refusal[1]
        elif self.END.search(line):
            with self._news:
                self._swept = self._begun
                self._news.notify_all()
