"""A step on a host that does not answer, on the real engine: `access/reach.py`."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Project, Server, free_port

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

PROGRAM = f"""
import json
import sys
from pathlib import Path

sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
import pulumi
from pulumi_command import remote

from access import reach
from access.ssh import SshHost

spec = json.loads(Path("spec.json").read_text())
reach.LIMIT_SECONDS = spec["limit"]
connection = remote.ConnectionArgs(**spec["connection"])
host = SshHost("127.0.0.1", connection, hooks=reach.Reach("127.0.0.1", spec["connection"]["port"]).hooks)
for name in ("first", "second"):
    host.run(name, f"echo {{name}} {{spec['text']}}", opts=pulumi.ResourceOptions())
"""


def spec(connection: dict[str, Any], text: str = "", limit: float = 5) -> dict[str, Any]:
    return {"connection": connection, "text": text, "limit": limit}


@pytest.fixture
def silent() -> Iterator[int]:
    """A server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def made(project: Callable[..., Project]) -> Project:
    return project(__main__=PROGRAM)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("closed", "Connection refused"), ("silent", "it accepts the connection and sends no greeting")],
)
def test_an_unreachable_host_is_named_with_the_reason(made: Project, silent: int, kind: str, reason: str) -> None:
    port = silent if kind == "silent" else free_port()
    said = made.up(spec({"host": "127.0.0.1", "port": port, "private_key": "unused"}), fails=True).text
    assert f"waiting for SSH at 127.0.0.1:{port}: {reason}; for 5 s at most" in said
    assert f"no SSH server answers at 127.0.0.1:{port} within 5 s: {reason}; check that the host is up" in said
    assert "dial" not in said, "pulumi-command was not reached"


def test_an_interrupt_while_waiting_names_host_and_reason(made: Project) -> None:
    port = free_port()
    (made.folder / "spec.json").write_text(json.dumps(spec({"host": "127.0.0.1", "port": port}, limit=8)))
    running = made.start("up", "--yes", "--skip-preview")
    assert running.stdout
    said = ""
    for line in running.stdout:
        said += line
        if "waiting for SSH" in line:
            running.send_signal(signal.SIGINT)
            break
    rest, _ = running.communicate(timeout=60)
    assert running.returncode != 0
    assert f"waiting for SSH at 127.0.0.1:{port}: Connection refused" in said
    assert f"no SSH server answers at 127.0.0.1:{port} within 8 s: Connection refused; check that" in rest, rest


def test_only_steps_that_run_open_a_connection(made: Project, sshd: Callable[[], Server], tmp_path: Path) -> None:
    server = sshd()
    made.up(spec(server.connection))
    config = tmp_path / "sshd-0/config"
    (pid,) = subprocess.run(["pgrep", "-f", f"sshd -D -e -f {config}"], capture_output=True, text=True).stdout.split()
    os.kill(int(pid), signal.SIGSTOP)
    try:
        assert "2 unchanged" in made.up(spec(server.connection)).text.replace("3 unchanged", "2 unchanged")
        assert "2 to update" in made.preview(spec(server.connection, "other")).text
    finally:
        os.kill(int(pid), signal.SIGCONT)
    assert "2 updated" in made.up(spec(server.connection, "other")).text
