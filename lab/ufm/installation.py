"""Installs, upgrades, stops, starts and removes the simulated UFM in a folder."""

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab.fabric.client import FabricClient
from lab.ufm import tls
from lab.ufm.app import create_app
from lab.ufm.errors import BadRequestError, RefusedError
from lab.ufm.faults import Faults
from lab.ufm.listener import Listener
from lab.ufm.middleware import Starting
from lab.ufm.partitions import Member, Table, render, spell
from lab.ufm.programmer import Programmer
from lab.ufm.request_log import RequestLog
from lab.ufm.settings import Settings
from lab.ufm.simulator import UfmSimulator, checked_release

KEPT_REQUESTS = 20_000


class NotInstalledError(RefusedError):
    """An operation needs an installed UFM."""

    status = 409


class _Running:
    """An installed UFM that serves HTTPS and programs OpenSM."""

    def __init__(
        self, ufm: UfmSimulator, folder: Path, settings: Settings, fabric: FabricClient, requests: RequestLog,
        faults: Faults, starting: float,
    ) -> None:  # fmt: skip
        """Start serving; for `starting` seconds every answer is 503."""
        self.ufm = ufm
        self._faults = faults
        context = tls.server_context(folder)
        app = Starting(create_app(ufm, fabric, settings.addresses(), requests, faults), starting, requests.note)
        self._listener = Listener(settings.address, settings.port, app, context)
        self.programmer = Programmer(ufm, fabric)

    def stop(self) -> None:
        self._listener.stop()
        self._faults.release()
        self.programmer.stop()


class Installation:
    """What happens on UFM's host outside of the REST API. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Start UFM if it is installed in `folder` and was not stopped.

        Args:
            folder: holds settings.json and everything that UFM keeps.
        """
        self._folder = folder
        self._state_file = folder / "state.json"
        self._stopped = folder / "stopped"
        """Exists while UFM is stopped: a restart of the lab does not start it."""
        self._names_file = folder / "names.json"
        """Host name → node. Belongs to the hosts: it survives the removal of UFM."""
        self._config = (folder / "settings.json").read_text()
        self.settings = Settings.load(self._config)
        self._fabric = FabricClient(self.settings.fabric_socket)
        self._lock = threading.Lock()
        self.requests = RequestLog(deque(maxlen=KEPT_REQUESTS))
        self.faults = Faults()
        self._running: _Running | None = None
        if self._state_file.exists() and not self._stopped.exists():
            self._start()

    def install(self, release: str | None = None) -> None:
        """Install UFM with fresh state and start it.

        Raises:
            BadRequestError: `release` is not a release of UFM; nothing has changed.
        """
        if release is not None:
            checked_release(release)
        with self._lock:
            self._end()
            self._state_file.unlink(missing_ok=True)
            tls.forget(self._folder)
            self._start(release)

    def upgrade(self, release: object) -> None:
        """Install another release and keep the state. A stopped UFM stays stopped.

        Raises:
            BadRequestError: `release` is not a release of UFM; nothing has changed.
            NotInstalledError: UFM is not installed.
        """
        release = checked_release(release)
        with self._lock:
            self._require_installed()
            self._end()
            if self._stopped.exists():
                self._load(release)
            else:
                self._start(release)

    def remove(self) -> None:
        """Stop UFM, delete its state and reset OpenSM's partitions. Idempotent.

        Raises:
            FabricError: OpenSM's partitions were not reset; UFM itself is removed.
        """
        with self._lock:
            self._end()
            self._state_file.unlink(missing_ok=True)
            self._stopped.unlink(missing_ok=True)
            self._fabric.partitions(render(Table()))

    def stop(self) -> None:
        """Stop UFM and keep its state.

        Raises:
            NotInstalledError: UFM is not installed.
        """
        with self._lock:
            self._require_installed()
            self._end()
            self._stopped.touch()

    def start(self) -> None:
        """Start UFM. Idempotent.

        Raises:
            NotInstalledError: UFM is not installed.
        """
        with self._lock:
            self._require_installed()
            if self._running is None:
                self._start()

    def restart(self, starting: float = 0) -> None:
        """Restart UFM, or start it if it is stopped; do nothing if it is not installed.

        Args:
            starting: seconds in which every answer is 503.
        """
        with self._lock:
            if self._state_file.exists():
                self._end()
                self._start(starting=starting)

    def name_hosts(self, names: Mapping[str, Any]) -> None:
        """Store the host name that each node was deployed with.

        On a rack, nodes tell the fabric their host names by their node descriptions.

        Args:
            names: host name, as in Neutron's `binding:host_id`, → node.

        Raises:
            BadRequestError: a node is not in the rack; nothing has changed.
        """
        unknown = sorted({str(node) for node in names.values()} - set(self.settings.hosts))
        if unknown:
            raise BadRequestError(f"no node of the rack: {', '.join(unknown)}")
        with self._lock:
            self._names_file.write_text(json.dumps(names))
            if self._running is not None:
                self._running.ufm.name_hosts(self._port_guids())

    def set_certificate(self, pem: str) -> None:
        """Set certificate and key of the web server from its next start on; empty for UFM's own certificate."""
        with self._lock:
            tls.store(self._folder, pem)

    def close(self) -> None:
        """Stop UFM because its process ends. UFM starts again with the process."""
        with self._lock:
            self._end()

    def running(self) -> UfmSimulator | None:
        """Return the UFM that runs, or None."""
        running = self._running
        return None if running is None else running.ufm

    def state(self) -> dict[str, Any]:
        """Return what `GET /state` of the admin API shows."""
        running = self._running
        common = {"settings": self._config, "address": self.settings.address, "port": self.settings.port}
        if running is None:
            return {**common, "installed": self._state_file.exists(), "running": False}
        ufm = running.ufm
        with ufm.lock:
            return {
                **common,
                "installed": True,
                "running": True,
                "release": ufm.release,
                "programmed": running.programmer.up_to_date,
                "error": running.programmer.error,
                "users": sorted(ufm.accounts.users),
                "tokens": len(ufm.accounts.tokens),
                "jobs": len(ufm.jobs),
                "neutron": {"networks": len(ufm.cloudx.networks), "ports": len(ufm.cloudx.ports)},
                "quirks": asdict(ufm.quirks),
                "pkeys": {spell(n): _counts(p.name, p.members.values()) for n, p in ufm.table.partitions.items()},
            }

    def _port_guids(self) -> dict[str, str]:
        return self.settings.port_guids(json.loads(self._names_file.read_text()) if self._names_file.exists() else {})

    def _load(self, release: str | None = None) -> UfmSimulator:
        return UfmSimulator(self._state_file, self._port_guids(), release)

    def _start(self, release: str | None = None, starting: float = 0) -> None:
        ufm = self._load(release)
        self._running = _Running(ufm, self._folder, self.settings, self._fabric, self.requests, self.faults, starting)
        self._stopped.unlink(missing_ok=True)

    def _end(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def _require_installed(self) -> None:
        if not self._state_file.exists():
            raise NotInstalledError("UFM is not installed")


def _counts(name: str, members: Iterable[Member]) -> dict[str, Any]:
    memberships = [member.membership for member in members]
    full, limited = memberships.count("full"), memberships.count("limited")
    return {"partition": name, "members": len(memberships), "full": full, "limited": limited}
