"""The process behind UFM: its HTTPS face while it is installed and runs, and the lab's own handle on it, always.

The handle is plain HTTP on loopback. It stands for what happens on UFM's host beside the REST API:

    POST   /install   what the installer container does: fresh state, user admin with the default password, service up;
                      {"release"}: another than the usual one
    POST   /upgrade   {"release"}: another release, the state stays
    POST   /remove    service down (connections refused), state gone, OpenSM back to the one default partition
    POST   /stop      `docker stop ufm`: service down, state kept; it stays down until it is started
    POST   /start     `docker start ufm`
    POST   /restart   `ufmd restart`: down and up; {"starting": s}: for so many seconds only Apache answers, with 503
    GET    /state     what a person would want to know
    GET    /requests  the REST requests so far: method, path, status, user agent; never a credential
    DELETE /requests
    PUT    /users/N   another user: {"role", "password"}
    PUT    /quirks    any field of `core.Quirks`
    PUT    /faults    a list of `faults.Rule`, in place of the ones before
    GET    /faults    the rules, and how many requests each has seen and hit
    DELETE /faults
"""

import json
import signal
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, socket
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request
from werkzeug.wrappers import Response as Answer

from lab.fabric.client import FabricClient, FabricError
from lab.ufm import tls
from lab.ufm.core import Programmer, Ufm, checked_release
from lab.ufm.errors import BadRequestError, RefusedError
from lab.ufm.faults import UNAVAILABLE, Faults, Rule, Wsgi
from lab.ufm.partitions import Table, guid, render, spell
from lab.ufm.rest import Requests, create_app, refused

KEPT_REQUESTS = 20_000


@dataclass(frozen=True)
class HostFacts:
    """What UFM's lab must know of a host in the rack."""

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
    """Node's name → facts."""

    def dump(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def load(content: str) -> "Settings":
        fields = json.loads(content)
        hosts = {name: HostFacts(**facts) for name, facts in fields.pop("hosts").items()}
        return Settings(**fields, hosts=hosts)

    def addresses(self) -> dict[str, str]:
        return {name: facts.address for name, facts in self.hosts.items()}

    def port_guids(self, names: Mapping[str, str]) -> dict[str, str]:
        """Every name that `binding:host_id` may hold → port GUID; `names`: host name → node, of other racks too."""
        return {
            alias: guid(self.hosts[node].port_guid)
            for hostname, node in names.items()
            if node in self.hosts
            for alias in (hostname, hostname.partition(".")[0])
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

    def __init__(self, address: str, port: int, app: Wsgi, context: ssl.SSLContext | None = None) -> None:
        super().__init__(address, port, app, handler=Quiet)
        # Connections inherit it, as Apache's have it. Without: 10 ms an answer, as headers and body are two writes.
        self.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
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


class Starting:
    """WSGI middleware: Apache while the service behind it is not up yet."""

    def __init__(self, app: Wsgi, seconds: float, requests: Requests) -> None:
        self._app = app
        self._ready = time.monotonic() + seconds
        self._requests = requests

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if time.monotonic() >= self._ready:
            return self._app(environ, start_response)
        self._requests.note(Request(environ), 503)
        return Answer(UNAVAILABLE, 503, mimetype="text/plain")(environ, start_response)


class Running:
    """An installed UFM at work."""

    def __init__(
        self, ufm: Ufm, folder: Path, settings: Settings, fabric: FabricClient, requests: Requests, faults: Faults,
        starting: float,
    ) -> None:  # fmt: skip
        """`starting`: seconds of 503."""
        self.ufm = ufm
        self._faults = faults
        context = tls.server_context(folder, settings.address)
        app = Starting(create_app(ufm, fabric, settings.addresses(), requests, faults), starting, requests)
        self._listener = Listener(settings.address, settings.port, app, context)
        self.programmer = Programmer(ufm, fabric)

    def stop(self) -> None:
        self._listener.stop()
        self._faults.release()
        self.programmer.stop()


class NotInstalledError(RefusedError):
    status = 409


class Lab:
    """Installs, removes, stops and starts UFM. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state_file = folder / "state.json"
        self._stopped = folder / "stopped"
        """There while UFM was stopped and not started again: whoever restarts the lab finds it so."""
        self._names_file = folder / "names.json"
        """What the hosts are called: their own knowledge, whatever becomes of UFM."""
        self._config = (folder / "settings.json").read_text()
        self.settings = Settings.load(self._config)
        self._fabric = FabricClient(self.settings.fabric_socket)
        self._lock = threading.Lock()
        self.requests = Requests(deque(maxlen=KEPT_REQUESTS))
        self.faults = Faults()
        tls.authority(folder)
        self._running: Running | None = None
        if self._state_file.exists() and not self._stopped.exists():
            self._start()

    def install(self, release: str | None = None) -> None:
        """
        Raises:
            BadRequestError: `release` is none; nothing has changed.
        """
        if release is not None:
            checked_release(release)
        with self._lock:
            self._end()
            self._state_file.unlink(missing_ok=True)
            self._start(release)

    def upgrade(self, release: object) -> None:
        """
        Raises:
            BadRequestError: `release` is none; nothing has changed.
            NotInstalledError: there is nothing to upgrade.
        """
        release = checked_release(release)
        with self._lock:
            self._must_be_installed()
            self._end()
            if self._stopped.exists():
                self._load(release)
            else:
                self._start(release)

    def remove(self) -> None:
        """
        Raises:
            FabricError: OpenSM was not told; UFM is gone all the same, and another `remove` tries again.
        """
        with self._lock:
            self._end()
            self._state_file.unlink(missing_ok=True)
            self._stopped.unlink(missing_ok=True)
            self._fabric.partitions(render(Table()))

    def stop(self) -> None:
        """
        Raises:
            NotInstalledError: there is nothing to stop.
        """
        with self._lock:
            self._must_be_installed()
            self._end()
            self._stopped.touch()

    def start(self) -> None:
        """Does nothing where it runs.

        Raises:
            NotInstalledError: there is nothing to start.
        """
        with self._lock:
            self._must_be_installed()
            if self._running is None:
                self._start()

    def restart(self, starting: float = 0) -> None:
        """Starts a stopped one too; does nothing where nothing is installed. `starting`: seconds of 503."""
        with self._lock:
            if self._state_file.exists():
                self._end()
                self._start(starting=starting)

    def name_hosts(self, names: Mapping[str, Any]) -> None:
        """Every host name, as in Neutron's `binding:host_id`, and the node that was deployed under it. On a rack each
        node tells the fabric its host name, by its node description.

        Raises:
            BadRequestError: a node is none of the rack's; nothing has changed.
        """
        strange = sorted({str(node) for node in names.values()} - set(self.settings.hosts))
        if strange:
            raise BadRequestError(f"no node of the rack: {', '.join(strange)}")
        with self._lock:
            self._names_file.write_text(json.dumps(names))
            if self._running is not None:
                self._running.ufm.name_hosts(self._port_guids())

    def _port_guids(self) -> dict[str, str]:
        return self.settings.port_guids(json.loads(self._names_file.read_text()) if self._names_file.exists() else {})

    def close(self) -> None:
        """The process ends."""
        with self._lock:
            self._end()

    def running(self) -> Ufm | None:
        running = self._running
        return None if running is None else running.ufm

    def state(self) -> dict[str, Any]:
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
                "users": sorted(ufm.users),
                "tokens": len(ufm.tokens),
                "jobs": len(ufm.jobs),
                "neutron": {"networks": len(ufm.cloudx.networks), "ports": len(ufm.cloudx.ports)},
                "quirks": asdict(ufm.quirks),
                "pkeys": {spell(n): _counts(p.name, p.members.values()) for n, p in ufm.table.partitions.items()},
            }

    def _load(self, release: str | None = None) -> Ufm:
        return Ufm(self._state_file, self._port_guids(), release)

    def _start(self, release: str | None = None, starting: float = 0) -> None:
        ufm = self._load(release)
        self._running = Running(ufm, self._folder, self.settings, self._fabric, self.requests, self.faults, starting)
        self._stopped.unlink(missing_ok=True)

    def _end(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def _must_be_installed(self) -> None:
        if not self._state_file.exists():
            raise NotInstalledError("UFM is not installed")


def _counts(name: str, members: Any) -> dict[str, Any]:
    how = [member.membership for member in members]
    return {"partition": name, "members": len(how), "full": how.count("full"), "limited": how.count("limited")}


def admin_app(lab: Lab) -> Flask:
    """The lab's handle on UFM."""
    app = Flask("ufm-admin")
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(FabricError, lambda error: Response(str(error), 503, mimetype="text/plain"))

    def fields() -> dict[str, Any]:
        found = request.get_json(force=True, silent=True) if request.get_data() else {}
        if not isinstance(found, dict):
            raise BadRequestError("the body: write a JSON object, or none")
        return found

    def does(action: Callable[[], object]) -> Callable[[], Response]:
        def view() -> Response:
            action()
            return jsonify(lab.state())

        return view

    actions: dict[str, Callable[[], object]] = {
        "install": lambda: lab.install(fields().get("release")),
        "upgrade": lambda: lab.upgrade(fields().get("release")),
        "remove": lab.remove,
        "stop": lab.stop,
        "start": lab.start,
        "restart": lambda: lab.restart(seconds(fields().get("starting", 0))),
    }
    for name, action in actions.items():
        app.add_url_rule(f"/{name}", name, does(action), methods=["POST"])
    app.add_url_rule("/state", "state", lambda: jsonify(lab.state()))
    app.add_url_rule("/requests", "requests", lambda: jsonify(list(lab.requests.kept)))
    app.add_url_rule("/requests", "forget", does(lab.requests.kept.clear), methods=["DELETE"])

    app.add_url_rule("/faults", "faults", lambda: jsonify(lab.faults.listing()))
    app.add_url_rule("/faults", "heal", does(lab.faults.clear), methods=["DELETE"])

    @app.put("/faults")
    def order() -> Response:
        rules = request.get_json(force=True, silent=True)
        if not isinstance(rules, list):
            raise BadRequestError('the body: write a JSON list of rules, as [{"status": 503, "count": 1}]')
        lab.faults.set([Rule.parse(rule) for rule in rules])
        return jsonify(lab.faults.listing())

    app.add_url_rule("/names", "names", does(lambda: lab.name_hosts(fields())), methods=["PUT"])

    @app.put("/users/<name>")
    def users(name: str) -> Response:
        user = fields()
        return on_running(lambda ufm: ufm.add_user(name, user.get("role", ""), user.get("password", "")))

    @app.put("/quirks")
    def quirks() -> Response:
        values = fields()
        return on_running(lambda ufm: ufm.set_quirks(values))

    def on_running(action: Callable[[Ufm], None]) -> Response:
        ufm = lab.running()
        if ufm is None:
            return Response("UFM is not installed, or it is stopped", 409, mimetype="text/plain")
        action(ufm)
        return jsonify(lab.state())

    return app


def seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadRequestError(f"starting: {value!r}: write how many seconds, as 5")
    return value


def serve(folder: Path) -> int:
    """Runs until SIGTERM."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    lab = Lab(folder)
    admin = Listener("127.0.0.1", lab.settings.admin_port, admin_app(lab))
    print(f"admin on 127.0.0.1:{lab.settings.admin_port}", flush=True)
    signal.sigwait(signals)
    admin.stop()
    lab.close()
    return 0
