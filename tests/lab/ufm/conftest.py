"""One fabric and one UFM for all tests of this folder; each test gets a fresh installation."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from lab.fabric.client import FabricClient
from lab.fabric.service import FabricService
from lab.fabric.tools import Diagnostics
from lab.process import until
from lab.ufm import tls
from lab.ufm.service import UfmService
from lab.ufm.settings import HostFacts
from tests.lab.fabric.rig import GUIDS, rack, silent

FACTS = {
    "controller-1": HostFacts(GUIDS["controller-1"], "192.0.2.11"),
    "controller-2": HostFacts(GUIDS["controller-2"], "192.0.2.12"),
}

NAMES = {"overcloud-controller-0.localdomain": "controller-1", "overcloud-controller-1.localdomain": "controller-2"}
"""Host name in the deployment → node."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Session(requests.Session):
    """A client of one prefix. Verifies the certificate; the environment's CA bundle and proxies do not interfere."""

    def __init__(self, base: str, ca: Path) -> None:
        super().__init__()
        self.base = base
        self.trust_env = False
        self.verify = str(ca)

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", 20)
        return super().request(method, f"{self.base}{url!s}", *args, **kwargs)


@dataclass
class Rig:
    fabric_service: FabricService
    service: UfmService
    folder: Path
    url: str

    @property
    def fabric(self) -> FabricClient:
        return self.fabric_service.client

    @property
    def diagnostics(self) -> Diagnostics:
        return Diagnostics(self.folder / "fabric")

    def admin(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, f"{self.service.admin}{path}", timeout=30, **kwargs)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.admin("GET", "/state").json()
        return state

    def programmed(self) -> None:
        """Wait until OpenSM has programmed UFM's partitions."""
        assert until(lambda: bool(self.state()["programmed"]), 20), self.state()

    def session(self, prefix: str = "/ufmRest", login: tuple[str, str] | None = ("admin", "123456")) -> Session:
        session = Session(f"{self.url}{prefix}", self.folder / "ufm" / "ca.pem")
        session.auth = login
        return session

    def with_token(self, token: str) -> Session:
        session = self.session("/ufmRestV3", None)
        session.headers["Authorization"] = f"Basic {token}"
        return session

    def pkeys(self, host: str) -> set[int]:
        self.programmed()
        return self.diagnostics.pkeys(GUIDS.get(host, host))


@pytest.fixture(scope="package")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("lab")
    fabric = FabricService(rack(), folder / "fabric")
    port = free_port()
    (folder / "ufm").mkdir()
    tls.certify(folder / "ufm", "127.0.0.1")
    service = UfmService("127.0.0.1", port, FACTS, folder / "ufm", free_port(), folder / "fabric" / "control.sock")
    try:
        fabric.start(silent)
        service.start(silent)
        yield Rig(fabric, service, folder, f"https://127.0.0.1:{port}")
    finally:
        service.stop(silent)
        fabric.stop(silent)


@pytest.fixture
def ufm(rig: Rig) -> Rig:
    """Return a newly installed UFM; two controllers and the first compute are linked."""
    for host in ("controller-1", "controller-2", "compute-1"):
        rig.fabric.link(host)
    rig.fabric.unplug("compute-1", 0)
    assert rig.admin("POST", "/install").status_code == 200
    assert rig.admin("PUT", "/names", json=NAMES).status_code == 200
    rig.programmed()
    return rig


@pytest.fixture
def rest(ufm: Rig) -> Session:
    """Return a session of the administrator, by password."""
    return ufm.session()
