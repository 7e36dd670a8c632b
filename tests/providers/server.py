"""An HTTPS server with answers from the test, for answers that a healthy UFM never gives."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

PASSWORD = "s3cret_canary_1"
"""A canary: no message, log or state file may contain it."""


@dataclass(frozen=True)
class Request:
    verb: str
    path: str
    """With the query."""
    body: bytes
    headers: dict[str, str]
    line_bytes: int
    """Length of the request line with its end of line."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: object = field(default_factory=dict)
    """Sent as JSON; text is sent unchanged."""
    location: str = ""
    cookie: str = ""


HANG_UP = Answer(status=0)
"""The server closes the connection without an answer."""

Handler = Callable[[Request], Answer]


@dataclass
class Server:
    port: int
    ca_file: Path
    handler: Handler
    requests: list[Request] = field(default_factory=list)

    @property
    def verbs(self) -> list[str]:
        return [r.verb for r in self.requests]


def authority(folder: Path) -> tuple[trustme.CA, Path]:
    """Return a new certificate authority and the PEM file of its certificate."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    return ca, folder / "ca.pem"


@cache
def server_context(ca: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    return context


@contextmanager
def serving(ca: trustme.CA, ca_file: Path, handler: Handler, name: str = "127.0.0.1") -> Iterator[Server]:
    """Run a server on 127.0.0.1 with a certificate for `name`."""
    server = Server(0, ca_file, handler)

    class Speaker(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30
        disable_nagle_algorithm = True  # the body is a second write, which would wait 40 ms for the first one's ACK

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {key.lower(): value for key, value in self.headers.items()}
            request = Request(self.command, self.path, body, headers, len(self.requestline) + 2)
            server.requests.append(request)
            answer = server.handler(request)
            if answer.status == 0:
                self.close_connection = True
                return
            self._send(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do  # noqa: N815

        def _send(self, answer: Answer) -> None:
            text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
            self.send_response(answer.status)
            if answer.location:
                self.send_header("Location", answer.location)
            if answer.cookie:
                self.send_header("Set-Cookie", answer.cookie)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Listener(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignore errors: a client that does not trust the certificate closes the connection."""

    listener = Listener(("127.0.0.1", 0), Speaker)
    context = server_context(ca, name)
    # The connection's thread does the handshake, so that a handshake that hangs does not block other connections.
    listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
    server.port = listener.server_address[1]
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
