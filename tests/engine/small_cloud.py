"""A small cloud: keystone, and Neutron's networks, with faults. It listens on a free port of loopback.

It answers what terraform-provider-openstack 3.4.0 needs for a network; the lab's real OpenStack would take minutes.
"""

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple

USER, PASSWORD, REGION = "admin", "hunter2", "regionOne"

Kind = Literal["lost", "refused", "503", "409"]


class Fault(NamedTuple):
    """What happens to some requests. Rules apply in order, each to so many requests."""

    method: str
    path: str
    """A regular expression."""
    kind: Kind
    """lost: carried out, without an answer; refused: neither."""
    times: int = 1


class SmallCloud(ThreadingHTTPServer):
    """The server and its objects."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.networks: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self._faults: list[tuple[Fault, list[int]]] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fail(self, *faults: Fault) -> None:
        """Replace the faults, and forget the calls."""
        self._faults = [(fault, [fault.times]) for fault in faults]
        self.calls.clear()

    def fault(self, method: str, path: str) -> Kind | None:
        """Record a call, and return its fault."""
        with self._lock:
            self.calls.append((method, path))
            for rule, left in self._faults:
                if left[0] and rule.method == method and re.search(rule.path, path):
                    left[0] -= 1
                    return rule.kind
        return None

    def count(self, method: str, path: str) -> int:
        """Return how many such requests came since the last `fail`."""
        return sum(call[0] == method and re.search(path, call[1]) is not None for call in self.calls)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about broken connections, which are the purpose."""


@contextmanager
def small_cloud() -> Iterator[SmallCloud]:
    """Serve a cloud."""
    cloud = SmallCloud()
    thread = threading.Thread(target=cloud.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield cloud
    finally:
        cloud.shutdown()
        cloud.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SmallCloud

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        fault = self.server.fault(self.command, self.path)
        if fault == "refused":
            self._hang_up()
            return
        if fault in ("503", "409"):
            self._send(int(fault), {"NeutronError": {"message": f"status {fault}", "type": "Fault", "detail": ""}})
            return
        status, answer = self._answer(body)
        if fault == "lost":
            self._hang_up()
        else:
            self._send(status, answer)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

    def _hang_up(self) -> None:
        self.close_connection = True

    def _send(self, status: int, answer: Any) -> None:
        data = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Subject-Token", "token")
        self.end_headers()
        self.wfile.write(data)

    def _answer(self, body: Any) -> tuple[int, Any]:
        cloud, path = self.server, self.path.partition("?")[0]
        if path == "/v3/auth/tokens":
            return 201, {"token": self._token()}
        if not path.startswith("/neutron/v2.0/networks"):
            return 200, {}
        if self.command == "POST":
            id_ = str(uuid.uuid4())
            defaults = {"status": "ACTIVE", "subnets": [], "tags": [], "availability_zone_hints": [], "shared": False}
            cloud.networks[id_] = {"id": id_, "tenant_id": "p", "project_id": "p", **defaults, **body["network"]}
            return 201, {"network": cloud.networks[id_]}
        if path.endswith("/networks"):
            wanted = re.search(r"description=([^&]*)", self.path)
            text = wanted[1].replace("+", " ").replace("%20", " ") if wanted else None
            return 200, {"networks": [n for n in cloud.networks.values() if text in (None, n.get("description"))]}
        return self._one(path.rpartition("/")[2], body)

    def _one(self, id_: str, body: Any) -> tuple[int, Any]:
        networks = self.server.networks
        if id_ not in networks:
            return 404, {"NeutronError": {"message": "no such network", "type": "NotFound", "detail": ""}}
        if self.command == "DELETE":
            del networks[id_]
            return 204, None
        if self.command == "PUT":
            networks[id_].update(body["network"])
        return 200, {"network": networks[id_]}

    def _token(self) -> dict[str, Any]:
        url = self.server.url
        domain = {"id": "default", "name": "Default"}
        services = {"identity": "/v3", "network": "/neutron", "compute": "/nova/v2.1", "image": "/glance"}
        return {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": USER, "domain": domain},
            "project": {"id": "p", "name": "admin", "domain": domain},
            "roles": [{"id": "r", "name": "admin"}],
            "catalog": [
                {"type": kind, "name": kind, "id": kind, "endpoints": [
                    {"id": kind, "interface": "public", "region": REGION, "region_id": REGION, "url": url + path}
                ]} for kind, path in services.items()
            ],
        }  # fmt: skip
