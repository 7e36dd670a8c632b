"""The process of the fabric's controller: serves `lab.fabric.client` on a Unix socket.

One request is one connection with one line of JSON in each direction.
"""

import json
import signal
import socketserver
import sys
import threading
from pathlib import Path

from lab.fabric.child import ChildError
from lab.fabric.controller import RESTART, Controller, InvalidRequestError
from lab.fabric.sim import MissingPackageError


class _Handler(socketserver.StreamRequestHandler):
    """Answers one request."""

    server: "_Server"

    def handle(self) -> None:
        try:
            answer = self.server.controller.handle(json.loads(self.rfile.readline()))
        except (InvalidRequestError, ChildError) as error:
            answer = {"error": str(error)}
        except ValueError as error:
            answer = {"error": f"the request is not a JSON object: {error}"}
        self.wfile.write(json.dumps(answer).encode() + b"\n")


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: Path, controller: Controller) -> None:
        self.controller = controller
        path.unlink(missing_ok=True)
        super().__init__(str(path), _Handler)


def serve(folder: Path) -> int:
    """Serve until SIGTERM and return 0, or 1 if ibsim or OpenSM does not start or ends by itself."""
    # For sigwait below. Blocked before any thread starts: a signal goes to a thread that does not block it.
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, RESTART}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        controller = Controller(folder)
    except (ChildError, MissingPackageError) as error:
        print(f"the fabric does not start: {error}", file=sys.stderr, flush=True)
        return 1
    path = folder / "control.sock"
    server = _Server(path, controller)
    threading.Thread(target=server.serve_forever, daemon=True, name="socket").start()
    print(f"serving {path}", flush=True)
    while not (crashed := controller.crashed()) and (number := signal.sigwait(signals)) in (signal.SIGCHLD, RESTART):
        if number == RESTART:
            controller.restart_opensm()
    for child in crashed:
        print(f"{child.name} ended with status {child.popen.poll()}; see its log", file=sys.stderr, flush=True)
    path.unlink(missing_ok=True)
    controller.stop()
    return 1 if crashed else 0
