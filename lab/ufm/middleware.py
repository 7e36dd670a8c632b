"""WSGI middleware in front of UFM's API: what Apache does, and the injected faults."""

import io
import os
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import responses
from typing import Any, NoReturn

from werkzeug.wrappers import Request, Response

from lab.ufm.faults import ENVIRON_FAULT, ENVIRON_JOB_RULE, Faults, Rule

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

PREFIX = re.compile(r"^/ufmRest(V2|V3)?(?=/|$)")
UNAVAILABLE = "503 service temporarily unavailable"
"""UFM's SLURM plugin searches for this text."""
LOGIN_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>UFM Login</title></head><body>"
    '<form action="/dologin" method="post"><input name="httpd_username"><input name="httpd_password" type="password">'
    "</form></body></html>\n"
)
"""UFM's front end sends its login page to clients that it mistakes for a browser."""
WEB = "/ufm_web"

SILENCE_POLL_SECONDS = 0.05


class Slashes:
    """Merges `//` to `/` as Apache does in front of the real UFM, and drops a slash at the end as UFM does."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Pass the request on with the normalised path."""
        environ["PATH_INFO"] = re.sub("/+", "/", environ["PATH_INFO"]).rstrip("/") or "/"
        return self._app(environ, start_response)


class Starting:
    """Answers 503 for some seconds, as Apache does while the service behind it starts."""

    def __init__(self, app: Wsgi, seconds: float, note: Callable[[Request, int], None]) -> None:
        """Start the period now.

        Args:
            app: answers afterwards.
            seconds: length of the period.
            note: receives every refused request and its status.
        """
        self._app = app
        self._ready = time.monotonic() + seconds
        self._note = note

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 503, or pass the request on once the period is over."""
        if time.monotonic() >= self._ready:
            return self._app(environ, start_response)
        self._note(Request(environ), 503)
        return Response(UNAVAILABLE, 503, mimetype="text/plain")(environ, start_response)


class FaultInjector:
    """Applies the rules of `faults` to the requests on their way to `app`."""

    def __init__(
        self, app: Wsgi, faults: Faults, note: Callable[[Request, int], None], headers: Mapping[str, str]
    ) -> None:
        """Wrap `app`.

        Args:
            app: answers the requests that no fault replaces.
            faults: the rules, which may change at any time.
            note: receives every request that `app` does not see, and the status of its answer (0: no answer).
            headers: headers of every answer.
        """
        self._app = app
        self._faults = faults
        self._note = note
        self._headers = headers

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer as the first matching rule says, or pass the request on."""
        verdict = self._faults.judge(environ["REQUEST_METHOD"], PREFIX.sub("", environ["PATH_INFO"]))
        if verdict.seconds:
            verdict.released.wait(verdict.seconds)
        rule = verdict.rule
        if rule is None:
            return self._app(environ, start_response)
        environ[ENVIRON_FAULT] = rule.name
        # Always read the body: if it stays in the socket, the kernel resets the connection when it is closed.
        environ["wsgi.input"] = io.BytesIO(Request(environ).get_data())
        if rule.job:
            environ[ENVIRON_JOB_RULE] = rule
            return self._app(environ, start_response)
        if rule.fault == "cut":
            return self._cut(Response.from_app(self._app, environ, buffered=True), environ, start_response)
        replacement = self._replacement(rule)
        if rule.applied:
            Response.from_app(self._app, environ, buffered=True)
        else:
            self._note(Request(environ), replacement.status_code if replacement else 0)
        if replacement is None:
            _reset(environ["werkzeug.socket"], verdict.released if rule.fault == "silence" else None)
        return replacement(environ, start_response)

    def _replacement(self, rule: Rule) -> Response | None:
        """Return the answer that replaces UFM's, or None if there is no answer at all."""
        if rule.status is not None:
            phrase = UNAVAILABLE if rule.status == 503 else responses.get(rule.status, "")
            answer = Response(phrase if rule.body is None else rule.body, rule.status, mimetype="text/plain")
        elif rule.fault == "login_page":
            answer = Response(LOGIN_PAGE, 200, mimetype="text/html")
        elif rule.fault == "login_redirect":
            answer = Response("", 302, {"Location": WEB}, mimetype="text/html")
        elif rule.fault == "invalid_json":
            answer = Response('{"ufm_release_version": ', 200, mimetype="application/json")
        else:
            return None
        answer.headers.update(self._headers)
        answer.autocorrect_location_header = False
        return answer

    def _cut(self, answer: Response, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Send all headers and half of the body of UFM's own answer, then end the connection."""
        start_response(answer.status, answer.headers.to_wsgi_list())
        whole = answer.get_data()

        def pieces() -> Iterator[bytes]:
            yield whole[: len(whole) // 2]
            _close(environ["werkzeug.socket"])

        return pieces()


def _reset(connection: socket.socket, silent_until: threading.Event | None) -> NoReturn:
    """Reset the connection: at once, or when `silent_until` is set or the client has closed it."""
    while silent_until and not silent_until.is_set():
        if select.select([connection], [], [], SILENCE_POLL_SECONDS)[0]:
            break
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _close(connection)


def _close(connection: socket.socket) -> NoReturn:
    """Close a connection below Python and TLS, so that neither sends a closing message.

    The file descriptor is replaced by a socket whose peer is closed: the server reads the end of the file and continues
    with its next connection. Werkzeug handles `ConnectionAbortedError` as a client that disconnected.
    """
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        os.dup2(ours.fileno(), connection.fileno(), inheritable=False)
    raise ConnectionAbortedError
