"""OpenSM: the subnet manager of the simulated fabric."""

import re
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from lab.fabric.child import Child, ChildError


class OpenSM(Child):
    """OpenSM. Its log shows when a sweep begins and ends.

    opensm.conf raises the log level of `osm_state_mgr.c` only: "state_mgr_sweep_hop_0" is the begin of a sweep, which
    reads the partitions file. "SUBNET UP" is the end of a sweep without errors; after a sweep with errors OpenSM starts
    the next one itself. If OpenSM cannot parse the partitions file, it continues with the default partition.
    """

    BEGIN = re.compile(r"(\d\d):(\d\d):(\d\d) (\d{6}) .* -> state_mgr_sweep_hop_0:")
    REFUSAL = re.compile(r" -> parse_part_conf: (PARSE ERROR: .*)")
    END = re.compile(r" -> SUBNET UP\s*$")

    def __init__(self, folder: Path, config: Path, env: Mapping[str, str]) -> None:
        """Start OpenSM with the configuration file `config`."""
        # The log has only the time of day. UTC has no daylight saving time.
        super().__init__("opensm", folder, ["opensm", "-F", str(config), "-f", "stdout"], {**env, "TZ": "UTC"})
        self._news = threading.Condition()
        self._begun = 0.0
        self._swept = -1.0
        """When the last finished sweep began, in seconds since the epoch; -1 before the first."""
        self._ended = False
        self.refusal: str | None = None
        """The parse error of the partitions file in the last sweep."""
        self._readers.append(threading.Thread(target=self._read, daemon=True, name="opensm log"))
        self._readers[-1].start()

    def wait_swept(self, since: float, seconds: float) -> None:
        """Return when a sweep that began at or after `since` (seconds since the epoch) has ended without errors.

        Raises:
            ChildError: no such sweep has ended within `seconds`, or OpenSM has ended.
        """
        with self._news:
            done = self._news.wait_for(lambda: self._swept >= since or self._ended, seconds)
        if self._ended:
            raise ChildError("OpenSM has ended")
        if not done:
            raise ChildError(f"OpenSM has not finished a sweep within {seconds:.0f} s")

    def sweep(self, seconds: float = 30) -> None:
        """Make OpenSM read the partitions and sweep the fabric, and return when the sweep has ended.

        Raises:
            ChildError: see `wait_swept`.
        """
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
