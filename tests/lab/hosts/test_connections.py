"""The counter of SSH connections, on hosts of its own."""

from pathlib import Path

import pytest

from lab.hosts.connections import Connections
from tests.lab.hosts.conftest import Lab

pytestmark = [pytest.mark.lab]


def test_each_connection_counts_whether_it_succeeds_or_not(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    try:
        lab.provision()
        seen = Connections(tmp_path)
        assert seen() == 0
        lab.ok("undercloud", "true")
        lab.ok("compute-1", "true")
        assert lab.run("ufm", "exit 3").returncode == 3
        assert seen() == 3
        lab.known_hosts.write_text("")
        assert "Host key verification failed" in lab.run("undercloud", "true").stderr
        assert seen() == 4
        assert Connections(tmp_path)() == 0
    finally:
        lab.stop()
