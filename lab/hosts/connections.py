"""SSH connections that the lab's hosts take, counted where they arrive: each host's sshd logs them."""

import os
import signal
from pathlib import Path

from lab.process import Process, until


class Connections:
    """Counts from now on. The lab's sshds log errors alone, so each is told to read its configuration again, with a
    LogLevel that names connections; a host's next boot writes it anew."""

    def __init__(self, hosts: Path) -> None:
        """`hosts`: where the lab keeps them, a folder a host."""
        servers = [Process(f"{config.parent.name}-sshd", (), config.parent) for config in hosts.glob("*/sshd_config")]
        self._servers = [server for server in servers if server.pid()]
        for server in self._servers:
            _speak(server)
        self._before = self._logged()

    def __call__(self) -> int:
        """How many there were."""
        return self._logged() - self._before

    def _logged(self) -> int:
        return sum(_lines(server, "Connection from ") for server in self._servers)


def _lines(server: Process, begin: str) -> int:
    return sum(line.startswith(begin) for line in server.log.read_text().splitlines())


def _speak(server: Process) -> None:
    """Returns once the server listens again; connections that stand are not touched."""
    config, pid, before = server.folder / "sshd_config", server.pid(), _lines(server, "Server listening")
    assert pid, f"{server.name} does not run"
    config.write_text(config.read_text().replace("LogLevel ERROR", "LogLevel VERBOSE"))
    os.kill(pid, signal.SIGHUP)
    assert until(lambda: _lines(server, "Server listening") > before, 10), server.tail()
