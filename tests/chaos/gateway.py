"""A gateway between the program's provider and an OpenStack service, which loses the answers to chosen requests.

It stands in keystone's catalogue in place of the service's public endpoint, so only clients outside of the cloud use
it. A request whose answer it loses has been carried out: this is what a killed engine, a broken connection or a timeout
leaves behind, at a moment that does not depend on the speed of the machine.
"""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from lab.addresses import LOOPBACK
from lab.cloud.client import Session
from lab.cloud.configuration import KEYSTONE

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
"""Headers that belong to one connection."""

Lost = Callable[[str, str, int], bool]
"""Receives method, path and status of an answer; returns whether the answer is lost."""


class Gateway(ThreadingHTTPServer):
    """Forwards requests to one service."""

    daemon_threads = True

    def __init__(self, service: str, target: str, lost: Lost) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.service, self.target, self.lost = service, target, lost
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where the gateway listens, with the path of the service's endpoint."""
        return f"http://{LOOPBACK}:{self.server_address[1]}{urlsplit(self.target).path}"

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._forward
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the services have logs of their own."""

    def _forward(self) -> None:
        target = urlsplit(self.server.target)
        upstream = http.client.HTTPConnection(target.hostname or "", target.port or 80, timeout=120)
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP}
        try:
            upstream.request(self.command, self.path, self._body(), headers)
            answer = upstream.getresponse()
            content = answer.read()
        except OSError:
            self.close_connection = True  # as the service: no answer
            return
        finally:
            upstream.close()
        if self.server.lost(self.command, self.path, answer.status):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in HOP | {"server", "date"}:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return b"".join(self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()


@contextmanager
def gateways(lost: Callable[[str, str, str, int], bool]) -> Iterator[None]:
    """Put a gateway before each service of the catalogue but keystone; remove it at the end.

    Args:
        lost: receives the service's type, method, path and status of each answer; returns whether it is lost.
    """
    session, opened, before = Session(), list[Gateway](), dict[str, str]()
    types = {found["id"]: found["type"] for found in session.get(f"{KEYSTONE}/services")["services"]}
    try:
        for endpoint in session.get(f"{KEYSTONE}/endpoints", interface="public")["endpoints"]:
            service = types[endpoint["service_id"]]
            if service == "identity":
                continue
            gateway = Gateway(service, endpoint["url"], _of(service, lost))
            opened.append(gateway)
            before[endpoint["id"]] = endpoint["url"]
            _move(session, endpoint["id"], gateway.url)
        yield
    finally:
        for identity, url in before.items():
            _move(session, identity, url)
        for gateway in opened:
            gateway.close()


def _of(service: str, lost: Callable[[str, str, str, int], bool]) -> Lost:
    return lambda method, path, status: lost(service, method, path, status)


def _move(session: Session, endpoint: str, url: str) -> None:
    session.send("PATCH", f"{KEYSTONE}/endpoints/{endpoint}", json={"endpoint": {"url": url}})
