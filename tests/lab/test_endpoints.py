"""A taken address is reported with the process that uses it, before the lab changes anything."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab.__main__ as command
from lab.addresses import PROJECT
from lab.assembly import services
from lab.endpoints import Endpoint, require_free
from lab.process import LabError

HOLDER = """
import socket, sys
held = socket.create_server((sys.argv[1], 0), family=int(sys.argv[2]))
print(held.getsockname()[1], flush=True)
sys.stdin.read()
"""


class Holder:
    """Another process that listens on an address."""

    def __init__(self, address: str, family: socket.AddressFamily, folder: Path) -> None:
        words = [sys.executable, "-c", HOLDER, address, str(int(family))]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder, start_new_session=True
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate("")


@pytest.fixture
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Holder]:
    address, family = request.param
    holder = Holder(address, family, tmp_path)
    yield holder
    holder.end()


LOOPBACK = ("127.0.0.1", socket.AF_INET)
ADDRESSES = [LOOPBACK, ("0.0.0.0", socket.AF_INET), ("::", socket.AF_INET6)]


@pytest.mark.parametrize("holder", ADDRESSES, ids=lambda address: address[0], indirect=True)
def test_the_process_that_uses_an_address_is_reported(holder: Holder, tmp_path: Path) -> None:
    endpoint = Endpoint("MariaDB", "127.0.0.1", holder.port)
    with pytest.raises(LabError) as caught:
        require_free([endpoint, Endpoint("nova", "127.0.0.1", 1)], [])
    pid = holder.process.pid
    line = rf"  127\.0\.0\.1:{holder.port} \(MariaDB\) is held by process {pid}, started in {tmp_path}: .*python"
    assert re.search(line, str(caught.value))
    assert "(nova)" not in str(caught.value)
    assert "make lab-stop" in str(caught.value)


@pytest.mark.parametrize("holder", [LOOPBACK], indirect=True)
def test_another_address_or_port_is_no_conflict(holder: Holder) -> None:
    require_free([Endpoint("UFM", "127.0.24.5", holder.port), Endpoint("UFM", "127.0.0.1", holder.port + 1)], [])


@pytest.mark.parametrize("holder", [LOOPBACK], indirect=True)
def test_addresses_of_the_lab_s_own_processes_are_no_conflict(holder: Holder) -> None:
    endpoint = Endpoint("MariaDB", "127.0.0.1", holder.port)
    require_free([endpoint], [holder.process.pid])
    require_free([endpoint], [os.getpid()])  # the process is a child of this one


@pytest.mark.parametrize("holder", [LOOPBACK], indirect=True)
def test_the_lab_installs_nothing_while_an_address_is_taken(
    holder: Holder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lab.addresses.MYSQL_PORT", holder.port)
    monkeypatch.setattr(command, "install_packages", lambda *_: pytest.fail("something was installed"))
    monkeypatch.setattr(command, "_in_parallel", lambda *_: pytest.fail("something was started"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for step in ("install", "start"):
        assert command.main([step]) == 1
        error = capsys.readouterr().err
        assert f"127.0.0.1:{holder.port} (MariaDB) is held by process {holder.process.pid}" in error


def test_every_port_of_the_lab_is_checked() -> None:
    text = (PROJECT / "lab/addresses.py").read_text()
    ports = {int(port) for port in re.findall(r"^\w+_PORT = (\d+)", text, re.MULTILINE)}
    lab = services(PROJECT / "Pulumi.dev.yaml")
    checked = {(e.address, e.port) for service in lab for e in service.endpoints()}
    assert {port for _, port in checked} >= ports
    assert {("127.0.24.1", 2222), ("127.0.24.23", 2222)} <= checked
