"""Fault injection between UFM's API and its clients: rules say which requests are hit, how often and by which fault.

`lab.ufm.middleware.FaultInjector` applies them. A test that serves `create_app` itself changes the same object:

    faults = Faults()
    app = create_app(simulator, fabric, {}, RequestLog(deque()), faults)
    faults.set([Rule(method="PUT", path="/resources/pkeys", count=1, fault="reset", applied=True)])

The faults are those that clients of a real UFM handle: 401, 403, 502 and 503 while UFM restarts, and the login page
instead of JSON. `docs/lab-ufm.md` names the sources.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lab.ufm.errors import BadRequestError

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD")
FAULTS = ("login_page", "login_redirect", "silence", "cut", "reset", "invalid_json")
JOBS = ("Completed", "Completed With Errors", "Completed With Warnings", "Failed", "Aborted", "Running", "Pending")

ENVIRON_FAULT = "lab.fault"
"""WSGI environment: the name of the fault that hits the request, for the request log."""
ENVIRON_JOB_RULE = "lab.job"
"""WSGI environment: the rule for the job that the request creates."""


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
    "path": (_pattern, 'a regular expression for the whole path after the prefix, as "/resources/pkeys.*"'),
    "after": (lambda v: _whole(v, 0), "how many matching requests pass first: 0, 1, 2..."),
    "count": (lambda v: v is None or _whole(v, 1), "how many requests are hit: 1, 2...; without it: all"),
    "latency_ms": (_delay, "milliseconds, as 50, and an hour at most"),
    "status": (lambda v: v is None or (_whole(v, 200) and v < 600), "the answer's status, 200 to 599, as 503"),
    "body": (lambda v: v is None or isinstance(v, str), "the text of the answer with `status`"),
    "fault": (lambda v: v is None or v in FAULTS, f"one of {', '.join(FAULTS)}"),
    "job": (lambda v: v is None or v in JOBS, f"how the job ends: one of {', '.join(JOBS)}"),
    "polls": (lambda v: _whole(v, 0), "how many polls see the job as running: 0, 1, 2..."),
    "applied": (lambda v: isinstance(v, bool), "true if UFM applies the request nevertheless, else false"),
}
"""Field of a rule → the check of its value, and what to write."""


@dataclass(frozen=True)
class Rule:
    """One fault: at most one of `status`, `fault` and `job`; `latency_ms` alone or with one of them.

    Raises:
        BadRequestError: a value is invalid; the text says what to write.
    """

    method: str | None = None
    path: str = ".*"
    """Matches the whole path after the prefix, without the query."""
    after: int = 0
    count: int | None = None
    latency_ms: float = 0
    """Delay before the answer, also before a faulty one."""
    status: int | None = None
    body: str | None = None
    fault: str | None = None
    job: str | None = None
    polls: int = 0
    applied: bool = False
    """Whether UFM applies the request nevertheless. With `cut` it always does: the cut answer is UFM's own."""

    def __post_init__(self) -> None:
        values = asdict(self)
        wrong = [f"{n}: {values[n]!r}: write {advice}" for n, (good, advice) in FIELDS.items() if not good(values[n])]
        outcomes = [name for name in ("status", "fault", "job") if values[name] is not None]
        if len(outcomes) > 1:
            wrong.append(f"{' and '.join(outcomes)} exclude each other: write one of them")
        if not outcomes and not self.latency_ms:
            wrong.append("the rule has no effect: write status, fault, job or latency_ms")
        if wrong:
            raise BadRequestError("; ".join(wrong))

    @staticmethod
    def parse(value: object) -> "Rule":
        """Return a rule from its JSON object.

        Raises:
            BadRequestError: the value is not an object, a field is unknown or a value is invalid.
        """
        if not isinstance(value, dict):
            raise BadRequestError(f'{value!r}: write an object, as {{"status": 503, "count": 1}}')
        if unknown := sorted(value.keys() - FIELDS.keys()):
            raise BadRequestError(f"{', '.join(unknown)}: no such field; there are {', '.join(FIELDS)}")
        return Rule(**value)

    @property
    def name(self) -> str | None:
        """Return the fault's name in the request log, or None if the rule only delays."""
        return self.fault or (self.job and f"job {self.job}") or (self.status and f"status {self.status}") or None

    def matches(self, method: str, path: str) -> bool:
        """Return whether the rule is about this method and path."""
        return self.method in (None, method) and re.fullmatch(self.path, path) is not None


@dataclass
class _Counted:
    """A rule and the number of requests that it has matched and hit."""

    rule: Rule
    seen: int = 0
    hit: int = 0

    def count(self) -> bool:
        """Count a matching request and return whether the rule hits it."""
        self.seen += 1
        due = self.seen > self.rule.after and (self.rule.count is None or self.hit < self.rule.count)
        self.hit += due
        return due


@dataclass(frozen=True)
class Verdict:
    """The fault of one request."""

    seconds: float
    """Delay before the answer."""
    rule: Rule | None
    """None: UFM's own answer."""
    released: threading.Event = field(repr=False)
    """Set when the rules change: ends the delay and the silence of the old rules."""


class Faults:
    """The rules in force. Thread-safe.

    The first rule that matches a request and hits it decides; later rules do not see the request. Rules that only delay
    do not decide: their delays add up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Counted] = []
        self._released = threading.Event()

    def set(self, rules: Iterable[Rule]) -> None:
        """Replace the rules and release the requests that the old rules hold."""
        with self._lock:
            self._rules = [_Counted(rule) for rule in rules]
            self._released.set()
            self._released = threading.Event()

    def clear(self) -> None:
        """Remove all rules."""
        self.set([])

    def release(self) -> None:
        """Release the requests that the rules hold, before the server stops. The rules stay."""
        with self._lock:
            self._released.set()
            self._released = threading.Event()

    def listing(self) -> list[dict[str, Any]]:
        """Return each rule as it was set, and how many requests it has `seen` and `hit`."""
        defaults = {f.name: f.default for f in fields(Rule)}
        with self._lock:
            rules = [(asdict(c.rule), {"seen": c.seen, "hit": c.hit}) for c in self._rules]
        return [{n: v for n, v in rule.items() if v != defaults[n]} | counts for rule, counts in rules]

    def judge(self, method: str, path: str) -> Verdict:
        """Count a request and return what happens to it."""
        milliseconds = 0.0
        with self._lock:
            for counted in self._rules:
                if counted.rule.matches(method, path) and counted.count():
                    milliseconds += counted.rule.latency_ms
                    if counted.rule.name:
                        return Verdict(milliseconds / 1000, counted.rule, self._released)
            return Verdict(milliseconds / 1000, None, self._released)
