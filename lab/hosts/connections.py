"""A counter of the SSH connections that the lab's hosts accept, from the logs of their SSH servers."""

import os
import signal
from pathlib import Path

from lab.process import Process, until


class Connections:
    """Counts the connections since it was created.

    The SSH servers log errors only, so each is made to reload its configuration with a LogLevel that includes
    connections. The next boot of a host restores its configuration.

    Args:
        hosts: the folder of the hosts' folders.
    """

    def __init__(self, hosts: Path) -> None:
        servers = [Process(f"{config.parent.name}-sshd", (), config.parent) for config in hosts.glob("*/sshd_config")]
        self._servers = [server for server in servers if server.pid()]
        for server in self._servers:
            _log_connections(server)
        self._before = self._logged()

    def __call__(self) -> int:
        """Return the number of connections so far."""
        return self._logged() - self._before

    def _logged(self) -> int:
        return sum(_lines(server, "Connection from ") for server in self._servers)


def _lines(server: Process, begin: str) -> int:
    return sum(line.startswith(begin) for line in server.log.read_text().splitlines())


def _log_connections(server: Process) -> None:
    """Make a server log connections; return once it listens again. Open connections stay open."""
    config, pid, before = server.folder / "sshd_config", server.pid(), _lines(server, "Server listening")
    assert pid, f"{server.name} does not run"
    config.write_text(config.read_text().replace("LogLevel ERROR", "LogLevel VERBOSE"))
    os.kill(pid, signal.SIGHUP)
    assert until(lambda: _lines(server, "Server listening") > before, 10), server.tail()
