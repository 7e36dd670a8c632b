"""The HTTP and HTTPS server of UFM's API and of the admin API."""

import ssl
import sys
import threading
from socket import IPPROTO_TCP, TCP_NODELAY, socket
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from lab.ufm.middleware import Wsgi


class _Handler(WSGIRequestHandler):
    """Does not log requests: the application does."""

    def log(self, type: str, message: str, *args: Any) -> None:
        if type != "info":
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
        self.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        self._context = context
        self.ssl_context = context
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True, name=f"port {port}")
        self._thread.start()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection without a TLS handshake."""
        connection, client = super().get_request()
        if self._context is None:
            return connection, client
        wrapped: socket = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return wrapped, client

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or reject the certificate."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop serving. Connections are refused afterwards."""
        self.shutdown()
        self.server_close()
        self._thread.join()
