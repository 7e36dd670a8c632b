"""The HTTP and HTTPS server of UFM's API and of the admin API.

Connections are kept open between requests, as by Apache in front of the real UFM.
"""

import io
import socket
import ssl
import sys
import threading
from itertools import chain
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from lab.ufm.middleware import Wsgi

KEEP_ALIVE_SECONDS = 5
"""An idle connection is closed after this time (Apache's KeepAliveTimeout)."""


class _Handler(WSGIRequestHandler):
    """Answers the requests of one connection. Does not log requests: the application does."""

    server: "Listener"
    protocol_version = "HTTP/1.1"
    timeout = KEEP_ALIVE_SECONDS

    def run_wsgi(self) -> None:
        """Answer one request. Werkzeug's own method closes the connection after each answer."""
        self.server.set_idle(self.request, False)
        environ = self.make_environ()
        length = int(self.headers.get("Content-Length") or 0)
        # Always read the body: what stays in the socket would be taken for the next request.
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(*() if self._chunked() else (length,)))
        try:
            self._answer(environ)
        except ConnectionError as error:
            self.close_connection = True
            self.connection_dropped(error, environ)
        if not self.server.set_idle(self.request, True):
            self.close_connection = True

    def _answer(self, environ: dict[str, Any]) -> None:
        start_response: Any = self._start_response
        pieces = iter(self.server.app(environ, start_response))
        first = next(pieces, b"")  # An application may call start_response with its first piece.
        self.end_headers()
        for piece in chain((first,), pieces):
            self.wfile.write(piece)
        getattr(pieces, "close", lambda: None)()

    def _start_response(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Connection", "close")

    def _chunked(self) -> bool:
        return self.headers.get("Transfer-Encoding", "").lower() == "chunked"

    def log(self, type: str, message: str, *args: Any) -> None:
        if type != "info" and "timed out" not in message:
            print(message % args, file=sys.stderr, flush=True)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return

    def version_string(self) -> str:
        return "TwistedWeb/22.4.0"


class Listener(ThreadedWSGIServer):
    """A server with one thread per connection.

    The TLS handshake is done in the connection's thread: a client that connects and stays silent does not block others.
    """

    def __init__(self, address: str, port: int, app: Wsgi, context: ssl.SSLContext | None = None) -> None:
        """Listen and serve in the background; HTTPS with `context`, else HTTP."""
        super().__init__(address, port, app, handler=_Handler)
        # Inherited by connections, as in Apache. Nagle's algorithm would delay the body by 10 ms: it is a second write.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._context = context
        self.ssl_context = context
        self._lock = threading.Lock()
        self._idle: set[socket.socket] = set()
        self._stopped = False
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True, name=f"port {port}")
        self._thread.start()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection without a TLS handshake."""
        connection, client = super().get_request()
        if self._context is not None:
            connection = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self.set_idle(connection, True)
        return connection, client

    def set_idle(self, connection: socket.socket, idle: bool) -> bool:
        """Record whether a connection waits for a request. Return whether the server still serves."""
        with self._lock:
            (self._idle.add if idle else self._idle.discard)(connection)
            return not self._stopped

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.set_idle(request, False)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or reject the certificate."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop serving: idle connections are closed, requests are answered, new connections are refused."""
        self.shutdown()
        with self._lock:
            self._stopped = True
            for connection in self._idle:
                _hang_up(connection)
        self.server_close()
        self._thread.join()


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # The client was faster.
