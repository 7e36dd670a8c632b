"""UFM under `make lab`."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from lab.addresses import FABRIC_SOCKET, PROJECT, STATE, UFM_ADMIN_PORT
from lab.process import Process, Say
from lab.ufm.server import HostFacts, Settings


class UfmService:
    """UFM's process. HTTPS listens only while UFM is installed (`POST /install` on the admin port), so the part is
    healthy when the admin port answers."""

    name = "ufm"
    packages: Sequence[str] = ()

    def __init__(
        self,
        address: str,
        port: int,
        hosts: Mapping[str, HostFacts],
        folder: Path = STATE / "ufm",
        admin_port: int = UFM_ADMIN_PORT,
        fabric_socket: Path = FABRIC_SOCKET,
    ) -> None:
        self._settings = Settings(address, port, admin_port, str(fabric_socket), dict(hosts)).dump()
        self._folder = folder
        self._process = Process("ufm", [sys.executable, "-m", "lab.ufm", "serve", str(folder)], folder, cwd=PROJECT)
        self.admin = f"http://127.0.0.1:{admin_port}"

    def install(self, say: Say) -> None:
        """Nothing: Flask and trustme are in the project's own virtual environment."""

    def start(self, say: Say) -> None:
        """Other settings than the running ones replace its process; what UFM was told stays."""
        if self._running() == self._settings:
            return
        self.stop(say)
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "settings.json").write_text(self._settings)
        say("ufm: its admin port, and HTTPS where it is installed")
        self._process.start()
        self._process.wait(lambda: self._running() is not None)

    def processes(self) -> Sequence[Process]:
        return [self._process]

    def stop(self, say: Say) -> None:
        self._process.stop()

    def _running(self) -> str | None:
        """The settings of the process that answers; None where none does."""
        if self._process.pid() is None:
            return None
        with requests.Session() as session:
            session.trust_env = False  # A proxy of the environment has no business on loopback.
            try:
                return str(session.get(f"{self.admin}/state", timeout=5).json()["settings"])
            except requests.RequestException:
                return None
