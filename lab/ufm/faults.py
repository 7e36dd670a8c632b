"""Faults to order, between UFM's service and its clients: rules say which requests are hit, how often, and by what.

A WSGI middleware beside `rest.Slashes`. A test that serves `create_app` itself steers the same object:

    faults = Faults()
    app = create_app(core, fabric, {}, Requests(deque()), faults)
    faults.set([Rule(method="PUT", path="/resources/pkeys", count=1, fault="reset", applied=True)])

What clients of a real UFM met and branch on: 401, 403, 502 and 503 while it restarts, and the login page in place of
JSON (`docs/lab-ufm.md` names the sources).
"""

import io
import os
import re
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from http.client import responses
from typing import Any, NoReturn

from werkzeug.wrappers import Request, Response

from lab.ufm.errors import BadRequestError

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")
FAULTS = ("login_page", "login_redirect", "silence", "cut", "reset", "invalid_json")
JOBS = ("Completed", "Completed With Errors", "Completed With Warnings", "Failed", "Aborted", "Running", "Pending")

PREFIX = re.compile(r"^/ufmRest(V2|V3)?(?=/|$)")
UNAVAILABLE = "503 service temporarily unavailable"
"""What UFM's SLURM plugin looks for."""
LOGIN_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>UFM Login</title></head><body>"
    '<form action="/dologin" method="post"><input name="httpd_username"><input name="httpd_password" type="password">'
    "</form></body></html>\n"
)
"""Stands for UFM's: what a client gets that its front end takes for a person with a browser."""
WEB = "/ufm_web"

HIT = "lab.fault"
"""Key of a request's environment: the name of the fault that hits it, for the request log."""
FATE = "lab.job"
"""Key of a request's environment: the rule that says what becomes of its job."""

LOOK_SECONDS = 0.05


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _delay(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 3_600_000


def _pattern(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "method": (lambda v: v is None or v in METHODS, f"one of {', '.join(METHODS)}; without it: all"),
    "path": (_pattern, 'a regular expression for the whole path behind the prefix, as "/resources/pkeys.*"'),
    "after": (lambda v: _whole(v, 0), "how many such requests pass unharmed first: 0, 1, 2..."),
    "count": (lambda v: v is None or _whole(v, 1), "how many are hit then: 1, 2...; without it: all"),
    "latency_ms": (_delay, "milliseconds, as 50, and an hour at most"),
    "status": (lambda v: v is None or (_whole(v, 200) and v < 600), "the answer's status, 200 to 599, as 503"),
    "body": (lambda v: v is None or isinstance(v, str), "the text of the answer with `status`"),
    "fault": (lambda v: v is None or v in FAULTS, f"one of {', '.join(FAULTS)}"),
    "job": (lambda v: v is None or v in JOBS, f"how the job ends: one of {', '.join(JOBS)}"),
    "polls": (lambda v: _whole(v, 0), "how often the job is asked for before it ends: 0, 1, 2..."),
    "applied": (lambda v: isinstance(v, bool), "true where the request is carried out all the same, else false"),
}
"""Field of a rule → whether a value is good, and what to write."""


@dataclass(frozen=True)
class Rule:
    """One fault. At most one of `status`, `fault` and `job`; `latency_ms` alone or with any of them.

    Raises:
        BadRequestError: a value is none of its field's; the text says what to write.
    """

    method: str | None = None
    path: str = ".*"
    """The whole of it, behind the prefix and without the query."""
    after: int = 0
    count: int | None = None
    latency_ms: float = 0
    """Before the answer, whatever that is."""
    status: int | None = None
    body: str | None = None
    fault: str | None = None
    job: str | None = None
    polls: int = 0
    applied: bool = False
    """Whether UFM does what it is asked all the same. With `cut` it always does: what is cut is the true answer."""

    def __post_init__(self) -> None:
        values = asdict(self)
        wrong = [f"{n}: {values[n]!r}: write {advice}" for n, (good, advice) in FIELDS.items() if not good(values[n])]
        outcomes = [name for name in ("status", "fault", "job") if values[name] is not None]
        if len(outcomes) > 1:
            wrong.append(f"{' and '.join(outcomes)} exclude each other: write one of them")
        if not outcomes and not self.latency_ms:
            wrong.append("nothing happens: write status, fault, job or latency_ms")
        if wrong:
            raise BadRequestError("; ".join(wrong))

    @staticmethod
    def parse(value: object) -> "Rule":
        """A rule from JSON.

        Raises:
            BadRequestError: it is none.
        """
        if not isinstance(value, dict):
            raise BadRequestError(f'{value!r}: write an object, as {{"status": 503, "count": 1}}')
        if unknown := sorted(value.keys() - FIELDS.keys()):
            raise BadRequestError(f"{', '.join(unknown)}: no such field; there are {', '.join(FIELDS)}")
        return Rule(**value)

    @property
    def name(self) -> str | None:
        """In the request log; None where the answer is the true one."""
        return self.fault or (self.job and f"job {self.job}") or (self.status and f"status {self.status}") or None

    def concerns(self, method: str, path: str) -> bool:
        return self.method in (None, method) and re.fullmatch(self.path, path) is not None


@dataclass
class _Kept:
    rule: Rule
    seen: int = 0
    hit: int = 0

    def strikes(self) -> bool:
        """Counts a request that the rule concerns; whether it is one to hit."""
        self.seen += 1
        due = self.seen > self.rule.after and (self.rule.count is None or self.hit < self.rule.count)
        self.hit += due
        return due


@dataclass(frozen=True)
class Verdict:
    """What happens to one request."""

    seconds: float
    rule: Rule | None
    released: threading.Event = field(repr=False)
    """Set when the rules are others: whoever is held up by one need not wait any longer."""


class Faults:
    """The rules now in force. Thread-safe. A request is hit by the first rule that concerns it and is due; the rules
    behind that one do not see it. Delays of rules that only delay add up on the way there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[_Kept] = []
        self._released = threading.Event()

    def set(self, rules: Iterable[Rule]) -> None:
        """Replaces the rules. Requests that the old ones hold up go on."""
        with self._lock:
            self._kept = [_Kept(rule) for rule in rules]
            self._released.set()
            self._released = threading.Event()

    def clear(self) -> None:
        self.set([])

    def release(self) -> None:
        """Lets the requests that rules hold up go on; the rules stay. For the end of a server."""
        with self._lock:
            self._released.set()
            self._released = threading.Event()

    def listing(self) -> list[dict[str, Any]]:
        """For JSON: each rule as it was given, with how many requests it has `seen` and `hit`."""
        defaults = {f.name: f.default for f in fields(Rule)}
        with self._lock:
            kept = [(asdict(k.rule), {"seen": k.seen, "hit": k.hit}) for k in self._kept]
        return [{n: v for n, v in rule.items() if v != defaults[n]} | counts for rule, counts in kept]

    def judge(self, method: str, path: str) -> Verdict:
        milliseconds = 0.0
        with self._lock:
            for kept in self._kept:
                if kept.rule.concerns(method, path) and kept.strikes():
                    milliseconds += kept.rule.latency_ms
                    if kept.rule.name:
                        return Verdict(milliseconds / 1000, kept.rule, self._released)
            return Verdict(milliseconds / 1000, None, self._released)


class Faulty:
    """WSGI middleware: has the rules' faults happen to the requests on their way to `app`."""

    def __init__(
        self, app: Wsgi, faults: Faults, note: Callable[[Request, int], None], headers: Mapping[str, str]
    ) -> None:
        """`note`: told of a request that `app` never sees, with the status of its answer (0: none). `headers`: of every
        answer."""
        self._app = app
        self._faults = faults
        self._note = note
        self._headers = headers

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        verdict = self._faults.judge(environ["REQUEST_METHOD"], PREFIX.sub("", environ["PATH_INFO"]))
        if verdict.seconds:
            verdict.released.wait(verdict.seconds)
        rule = verdict.rule
        if rule is None:
            return self._app(environ, start_response)
        environ[HIT] = rule.name
        # Read whatever becomes of it: a body left in the socket makes the kernel reset the connection at its end.
        environ["wsgi.input"] = io.BytesIO(Request(environ).get_data())
        if rule.job:
            environ[FATE] = rule
            return self._app(environ, start_response)
        if rule.fault == "cut":
            return self._cut(Response.from_app(self._app, environ, buffered=True), environ, start_response)
        lie = self._lie(rule)
        if rule.applied:
            Response.from_app(self._app, environ, buffered=True)
        else:
            self._note(Request(environ), lie.status_code if lie else 0)
        if lie is None:
            _tear(environ["werkzeug.socket"], verdict.released if rule.fault == "silence" else None)
        return lie(environ, start_response)

    def _lie(self, rule: Rule) -> Response | None:
        """The answer in place of the true one; None for no answer at all."""
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

    def _cut(self, truth: Response, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """All headers, half of the body, and the end of the connection."""
        start_response(truth.status, truth.headers.to_wsgi_list())
        whole = truth.get_data()

        def pieces() -> Iterator[bytes]:
            yield whole[: len(whole) // 2]
            _end(environ["werkzeug.socket"])

        return pieces()


def _tear(connection: socket.socket, silent_until: threading.Event | None) -> NoReturn:
    """Ends the connection by a reset: at once, or in silence until the event or until the client has left."""
    while silent_until and not silent_until.is_set():
        if select.select([connection], [], [], LOOK_SECONDS)[0]:
            break
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _end(connection)


def _end(connection: socket.socket) -> NoReturn:
    """Ends a connection below Python and TLS, so nothing of it says goodbye: puts a socket whose other end is closed in
    its place, where the server behind us reads the end of file and goes on. `ConnectionAbortedError` is for Werkzeug,
    which takes the client for gone."""
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        os.dup2(ours.fileno(), connection.fileno(), inheritable=False)
    raise ConnectionAbortedError
