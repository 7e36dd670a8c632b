"""The process behind UFM: its HTTPS face while it is installed, and the lab's own handle on it, always.

The handle is plain HTTP on loopback. It stands for what happens on UFM's host beside the REST API:

    POST   /install   what the installer container does: fresh state, user admin with the default password, service up
    POST   /remove    service down (connections refused), state gone, OpenSM back to the one default partition
    POST   /restart   `ufmd restart`: service down and up, from the state on disk
    GET    /state     what a person would want to know
    GET    /requests  the REST requests so far: method, path, status, user agent; never a credential
    DELETE /requests
    PUT    /users/N   another user: {"role", "password"}
    PUT    /quirks    any field of `core.Quirks`

Faults to inject belong into `create_app`'s WSGI chain, beside `rest.Slashes`, with rules kept by `Lab`.
"""

import json
import signal
import ssl
import sys
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import socket
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from lab.fabric.client import FabricClient, FabricError
from lab.ufm import tls
from lab.ufm.core import Programmer, Ufm
from lab.ufm.errors import RefusedError
from lab.ufm.partitions import Table, guid, render, spell
from lab.ufm.rest import Requests, create_app, refused

KEPT_REQUESTS = 20_000


@dataclass(frozen=True)
class HostFacts:
    """What UFM's lab must know of a host of the plan."""

    hostname: str
    """As in Neutron's `binding:host_id`: overcloud-controller-0.localdomain."""
    port_guid: str
    """Of the wired HCA port, with or without 0x."""
    address: str = "0.0.0.0"  # noqa: S104
    """Shown with its system; 0.0.0.0 is UFM's word for unknown."""


@dataclass(frozen=True)
class Settings:
    address: str
    """Where HTTPS listens."""
    port: int
    admin_port: int
    """Where the lab's handle listens, on 127.0.0.1."""
    fabric_socket: str
    hosts: dict[str, HostFacts]
    """Plan's node name → facts."""

    def dump(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def load(content: str) -> "Settings":
        fields = json.loads(content)
        hosts = {name: HostFacts(**facts) for name, facts in fields.pop("hosts").items()}
        return Settings(**fields, hosts=hosts)

    def addresses(self) -> dict[str, str]:
        return {name: facts.address for name, facts in self.hosts.items()}

    def port_guids(self) -> dict[str, str]:
        """Every name that `binding:host_id` may hold → port GUID."""
        return {
            alias: guid(facts.port_guid)
            for facts in self.hosts.values()
            for alias in (facts.hostname, facts.hostname.partition(".")[0])
        }


class Quiet(WSGIRequestHandler):
    """The application logs requests itself."""

    def log(self, type: str, message: str, *args: Any) -> None:
        """Only what is no request."""
        if type != "info":
            print(message % args, file=sys.stderr, flush=True)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return

    def version_string(self) -> str:
        return "TwistedWeb/22.4.0"


class Listener(ThreadedWSGIServer):
    """Shakes hands in the connection's own thread, so a client that connects and is silent holds up nobody."""

    def __init__(self, address: str, port: int, app: Flask, context: ssl.SSLContext | None = None) -> None:
        super().__init__(address, port, app, handler=Quiet)
        self._context = context
        self.ssl_context = context
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True, name=f"port {port}")
        self._thread.start()

    def get_request(self) -> tuple[Any, Any]:
        connection, client = super().get_request()
        if self._context is None:
            return connection, client
        wrapped: socket = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return wrapped, client

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off, or does not like our certificate, is none of our errors."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Returns when the port refuses connections."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class Running:
    """An installed UFM at work."""

    def __init__(self, folder: Path, settings: Settings, fabric: FabricClient, requests: Requests) -> None:
        self.ufm = Ufm(folder / "state.json", settings.port_guids())
        context = tls.server_context(folder, settings.address)
        app = create_app(self.ufm, fabric, settings.addresses(), requests)
        self._listener = Listener(settings.address, settings.port, app, context)
        self.programmer = Programmer(self.ufm, fabric)

    def stop(self) -> None:
        self._listener.stop()
        self.programmer.stop()


class Lab:
    """Installs, removes and restarts UFM. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config = (folder / "settings.json").read_text()
        self.settings = Settings.load(self._config)
        self._fabric = FabricClient(self.settings.fabric_socket)
        self._lock = threading.Lock()
        self.requests = Requests(deque(maxlen=KEPT_REQUESTS))
        tls.authority(folder)
        self._running = self._start() if (folder / "state.json").exists() else None

    def install(self) -> None:
        with self._lock:
            self._stop()
            (self._folder / "state.json").unlink(missing_ok=True)
            self._running = self._start()

    def remove(self) -> None:
        """
        Raises:
            FabricError: OpenSM was not told; UFM is gone all the same, and another `remove` tries again.
        """
        with self._lock:
            self._stop()
            (self._folder / "state.json").unlink(missing_ok=True)
            self._fabric.partitions(render(Table()))

    def restart(self) -> None:
        with self._lock:
            if self._running is not None:
                self._stop()
                self._running = self._start()

    def stop(self) -> None:
        with self._lock:
            self._stop()

    def installed(self) -> Ufm | None:
        running = self._running
        return None if running is None else running.ufm

    def state(self) -> dict[str, Any]:
        running = self._running
        common = {"settings": self._config, "address": self.settings.address, "port": self.settings.port}
        if running is None:
            return {**common, "installed": False}
        ufm = running.ufm
        with ufm.lock:
            return {
                **common,
                "installed": True,
                "programmed": running.programmer.up_to_date,
                "error": running.programmer.error,
                "users": sorted(ufm.users),
                "tokens": len(ufm.tokens),
                "jobs": len(ufm.jobs),
                "neutron": {"networks": len(ufm.cloudx.networks), "ports": len(ufm.cloudx.ports)},
                "quirks": asdict(ufm.quirks),
                "pkeys": {spell(n): _counts(p.name, p.members.values()) for n, p in ufm.table.partitions.items()},
            }

    def _start(self) -> Running:
        return Running(self._folder, self.settings, self._fabric, self.requests)

    def _stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None


def _counts(name: str, members: Any) -> dict[str, Any]:
    how = [member.membership for member in members]
    return {"partition": name, "members": len(how), "full": how.count("full"), "limited": how.count("limited")}


def admin_app(lab: Lab) -> Flask:
    """The lab's handle on UFM."""
    app = Flask("ufm-admin")
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(FabricError, lambda error: Response(str(error), 503, mimetype="text/plain"))

    def does(action: Callable[[], None]) -> Callable[[], Response]:
        def view() -> Response:
            action()
            return jsonify(lab.state())

        return view

    for name, action in (("install", lab.install), ("remove", lab.remove), ("restart", lab.restart)):
        app.add_url_rule(f"/{name}", name, does(action), methods=["POST"])
    app.add_url_rule("/state", "state", lambda: jsonify(lab.state()))
    app.add_url_rule("/requests", "requests", lambda: jsonify(list(lab.requests.kept)))
    app.add_url_rule("/requests", "forget", does(lab.requests.kept.clear), methods=["DELETE"])

    @app.put("/users/<name>")
    def users(name: str) -> Response:
        fields = request.get_json()
        return on_installed(lambda ufm: ufm.add_user(name, fields.get("role", ""), fields.get("password", "")))

    @app.put("/quirks")
    def quirks() -> Response:
        values = request.get_json()
        return on_installed(lambda ufm: ufm.set_quirks(values))

    def on_installed(action: Callable[[Ufm], None]) -> Response:
        ufm = lab.installed()
        if ufm is None:
            return Response("UFM is not installed", 409, mimetype="text/plain")
        action(ufm)
        return jsonify(lab.state())

    return app


def serve(folder: Path) -> int:
    """Runs until SIGTERM."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    lab = Lab(folder)
    admin = Listener("127.0.0.1", lab.settings.admin_port, admin_app(lab))
    print(f"admin on 127.0.0.1:{lab.settings.admin_port}", flush=True)
    signal.sigwait(signals)
    admin.stop()
    lab.stop()
    return 0
