import shutil
import ssl
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from flask import Flask

from lab.fabric.client import FabricClient
from lab.ufm.app import create_app
from lab.ufm.faults import Faults
from lab.ufm.listener import Listener
from lab.ufm.request_log import RequestLog
from lab.ufm.simulator import UfmSimulator
from providers.ufm import Client
from tests.providers.engine import sessions
from tests.providers.server import PASSWORD, Handler, Server, authority, server_context, serving

ROOT = Path(__file__).parents[2]

Start = Callable[[Handler], tuple[Client, Server]]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which pip has installed the provider's wheel, built from a copy without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "providers/ufm", folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", folder / "installed", folder / "source"], check=True)
    return folder / "installed"


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def start(ca: tuple[trustme.CA, Path]) -> Iterator[Start]:
    """Starts a server with the given handler; returns it and a client that waits neither between tries nor reads."""
    with ExitStack() as stack:

        def started(handler: Handler) -> tuple[Client, Server]:
            server = stack.enter_context(serving(*ca, handler))
            port, ca_file = server.port, str(server.ca_file)
            waits: dict[str, Any] = {"timeout": (2, 1), "pauses": (0, 0), "settle": ()}
            client = Client("127.0.0.1", "admin", PASSWORD, port=port, ca_file=ca_file, **waits)
            stack.callback(client.close)
            return client, server

        yield started


class Fabric(FabricClient):
    """A double of the lab's fabric controller: one switch, and hosts that are on."""

    def __init__(self) -> None:
        self._nodes: list[dict[str, Any]] = []
        self._add("sw-1", "switch", "b8599f0300f00001", ports=40)

    def add(self, name: str, guid: str) -> None:
        """Add a host with its port's GUID."""
        self._add(name, "host", guid, ports=1, switch="sw-1", switch_port=len(self._nodes))

    def _add(self, name: str, kind: str, guid: str, **more: object) -> None:
        common = {"linked": True, "vf_of": None, "lid": len(self._nodes) + 1}
        self._nodes.append({"name": name, "kind": kind, "port_guid": guid, "node_guid": guid, **common, **more})

    def nodes(self) -> list[dict[str, Any]]:
        return list(self._nodes)

    def trunks(self) -> list[dict[str, Any]]:
        return []


@dataclass
class LabUfm:
    """The lab's UFM, served by this process, without OpenSM."""

    port: int
    ca_file: Path
    app: Flask
    asked: deque[dict[str, Any]]
    faults: Faults
    client: Client
    """The second writer: Neutron, or a person at the web interface."""
    state_file: Path

    @property
    def core(self) -> UfmSimulator:
        core: UfmSimulator = self.app.config["UFM"]
        return core

    @property
    def fabric(self) -> Fabric:
        fabric: Fabric = self.app.config["FABRIC"]
        return fabric

    def restart(self) -> None:
        """Restart UFM from its state file; all other state is lost."""
        self.app.config["UFM"] = UfmSimulator(self.state_file, {})

    def reinstall(self) -> None:
        """Reset UFM: the password PASSWORD, no partition, a fabric without hosts, no recorded request."""
        self.state_file.unlink(missing_ok=True)
        self.faults.clear()
        self.restart()
        self.core.accounts.set_password("admin", PASSWORD)
        self.app.config["FABRIC"] = Fabric()
        self.asked.clear()

    @property
    def calls(self) -> list[str]:
        """The requests since the last read of this property, as "PUT /resources/pkeys"."""
        calls = [f"{e['method']} {e['path'].partition('?')[0].removeprefix('/ufmRest')}" for e in self.asked]
        self.asked.clear()
        return calls


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, ca: tuple[trustme.CA, Path]) -> Iterator[LabUfm]:
    with serving_lab_ufm(tmp_path_factory.mktemp("ufm"), ca) as ufm:
        yield ufm


@contextmanager
def serving_lab_ufm(folder: Path, ca: tuple[trustme.CA, Path], clients: trustme.CA | None = None) -> Iterator[LabUfm]:
    """Serve the lab's UFM; `clients`: the authority of client certificates."""
    state_file, faults, asked = folder / "ufm.json", Faults(), deque[dict[str, Any]]()
    app = create_app(UfmSimulator(state_file, {}), Fabric(), {}, RequestLog(asked), faults)
    context = server_context(ca[0])
    if clients:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca[0].issue_cert("127.0.0.1").configure_cert(context)
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
    listener = Listener("127.0.0.1", 0, app, context)
    client = Client("127.0.0.1", "admin", PASSWORD, port=listener.server_port, ca_file=str(ca[1]))
    yield LabUfm(listener.server_port, ca[1], app, asked, faults, client, state_file)
    client.close()
    faults.release()
    listener.stop()


@pytest.fixture
def ufm(served: LabUfm) -> LabUfm:
    """Return the lab's UFM, reset for each test."""
    served.reinstall()
    return served


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Close every connection after a test."""
    yield
    while sessions:
        sessions.pop().close()


def configuration(port: int, ca_file: Path, **changes: Any) -> dict[str, Any]:
    """Return the inputs of a `Provider`."""
    return {"address": "127.0.0.1", "port": port, "caFile": str(ca_file), "password": PASSWORD, **changes}
