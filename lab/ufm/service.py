"""UFM as a service of the lab."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from lab.addresses import FABRIC_SOCKET, LOOPBACK, PROJECT, STATE, UFM_ADMIN_PORT
from lab.endpoints import Endpoint
from lab.process import Process, Say
from lab.ufm.settings import HostFacts, Settings


class UfmService:
    """UFM's process.

    HTTPS listens only while UFM is installed (`POST /install` of the admin API). The service is therefore healthy when
    the admin API answers.
    """

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
        """Describe the process.

        Args:
            address: IP address of HTTPS.
            port: TCP port of HTTPS.
            hosts: node name → facts.
            folder: holds everything that UFM keeps.
            admin_port: TCP port of the admin API.
            fabric_socket: socket of the fabric's controller.
        """
        self._address, self._port, self._admin_port = address, port, admin_port
        self._settings = Settings(address, port, admin_port, str(fabric_socket), dict(hosts)).dump()
        self._folder = folder
        self._process = Process("ufm", [sys.executable, "-m", "lab.ufm", "serve", str(folder)], folder, cwd=PROJECT)
        self.admin = f"http://127.0.0.1:{admin_port}"

    def endpoints(self) -> Sequence[Endpoint]:
        """Return the addresses of HTTPS and of the admin API."""
        return (Endpoint("UFM", self._address, self._port), Endpoint("UFM's admin API", LOOPBACK, self._admin_port))

    def install(self, say: Say) -> None:
        """Do nothing: Flask and cryptography are in the project's virtual environment."""

    def start(self, say: Say) -> None:
        """Start the process; replace one that runs with other settings. UFM's state stays."""
        if self._running() == self._settings:
            return
        self.stop(say)
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "settings.json").write_text(self._settings)
        say("ufm: starting the admin API, and HTTPS if UFM is installed")
        self._process.start()
        self._process.wait(lambda: self._running() is not None)

    def processes(self) -> Sequence[Process]:
        """Return UFM's process."""
        return [self._process]

    def stop(self, say: Say) -> None:
        """Stop the process."""
        self._process.stop()

    def _running(self) -> str | None:
        """Return the settings of the process that answers, or None."""
        if self._process.pid() is None:
            return None
        with requests.Session() as session:
            session.trust_env = False  # Loopback: ignore a proxy in the environment.
            try:
                return str(session.get(f"{self.admin}/state", timeout=5).json()["settings"])
            except requests.RequestException:
                return None
