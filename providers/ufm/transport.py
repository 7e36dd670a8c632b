"""HTTPS transport of the REST client: one request, its retries, and the mapping of failures to errors.

- The credentials (see `login`) are sent over TLS that is verified (see `trust`).
- Every request has a connect and a read timeout. A broken connection and the statuses 502, 503 and 504 are retried with
  back-off if the request is idempotent. A read timeout is not retried: UFM may still be processing the request.
- No redirects, no proxy, no ~/.netrc, no cookies but that of `login.SessionAuth`: a redirect or an HTML page is UFM's
  login page, so the credentials were rejected. The session is not changed after construction, so threads share it.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests

from . import errors
from .login import FORM, Login, SessionAuth
from .trust import Trust, reason

SITE = "site_name"
"""The key that UFM adds to every answer with `expose_site_name = true` in gv.cfg: an absent partition has no other."""

BUSY = (502, 503, 504)
"""Statuses of UFM's Apache while UFM starts or restarts behind it."""

BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
"""A connection that broke before the answer or in the middle of it."""

_Error = TypeVar("_Error", bound=errors.UfmError)


@dataclass(frozen=True)
class Call:
    """One REST call, and how its failures are interpreted."""

    verb: str
    path: str
    """Below the prefix."""
    pkey: str | None = None
    """The partition concerned, for error messages."""
    csv: str = ""
    """GUIDs at the end of the path; error messages omit them."""
    absent_is_fine: bool = False
    """Whether 404 is a valid answer."""
    once: str = ""
    """If not empty, a call is not retried, because a retry would have a second effect. The text is the effect that UFM
    may have applied although it did not answer."""

    def shown(self, prefix: str) -> str:
        """Return the call for an error message; `prefix`: of the path."""
        return f"{self.verb} {prefix}{self.path}" + ("…" if self.csv else "")


LOGIN = Call("POST", FORM)
"""Opens a session."""


class Transport:
    """A connection pool to one UFM with one user's credentials. Safe to share between threads."""

    def __init__(
        self,
        host: str,
        user: str,
        password: str | None,
        *,
        token: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        session: bool = False,
        port: int = 443,
        ca_file: str | None = None,
        ca: str | None = None,
        server_name: str | None = None,
        fingerprint: str | None = None,
        insecure: bool = False,
        timeout: tuple[float, float] = (5, 60),
        pauses: Sequence[float] = (0.5, 1, 2, 4, 8),
        settle: Sequence[float] = (0.1, 0.25, 0.5, 1, 2, 4),
        cancelled: threading.Event | None = None,
    ) -> None:
        """Create the session; no connection is opened yet.

        Args:
            host: UFM's host name or IP address.
            user: see `Login`, like the next five.
            password: the user's password.
            token: an access token instead of a password.
            cert_file: of a client certificate instead of a password.
            key_file: of its private key.
            session: open a session by user and password.
            port: the HTTPS port.
            ca_file: see `Trust`, like the next four.
            ca: the authority as text.
            server_name: the name in the certificate.
            fingerprint: of the only certificate that is trusted.
            insecure: do not verify UFM's certificate.
            timeout: seconds to connect, and seconds to the answer.
            pauses: seconds before each retry; their number is the number of retries.
            settle: seconds before each further read of a partition that does not show a write yet.
            cancelled: once set, no further retry is made.
        """
        self.host = host if port == 443 else f"{host}:{port}"
        self.user = user
        self._login = Login(user, password, token, cert_file, key_file, session)
        self._trust = Trust(ca_file, ca, server_name, fingerprint, insecure)
        self._timeout, self._pauses, self._settle = timeout, tuple(pauses), tuple(settle)
        self._cancelled = cancelled or threading.Event()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._trust.apply(self._session)
        self._login.apply(self._session, self._open_session)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host!r}, user={self.user!r})"

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()

    def _json(self, call: Call, *kinds: type, **request: Any) -> Any:
        return self._decoded(call, self._send(call, **request), *kinds)

    def _records(self, path: str, params: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        call = Call("GET", path)
        records: list[dict[str, Any]] = self._json(call, list, params=params)
        if not all(isinstance(record, dict) for record in records):
            raise self._error(errors.ShapeError, call, "the answer is not a list of JSON objects")
        return records

    def _decoded(self, call: Call, response: requests.Response, *kinds: type) -> Any:
        try:
            document = response.json()
        except requests.JSONDecodeError:
            document = None
        if not isinstance(document, kinds):
            expected = " or ".join("object" if kind is dict else "list" for kind in kinds)
            raise self._error(errors.ShapeError, call, f"the answer is not a JSON {expected}")
        for entry in document if isinstance(document, list) else [document]:
            if isinstance(entry, dict):
                entry.pop(SITE, None)
        return document

    def _send(self, call: Call, **request: Any) -> requests.Response:
        """Return the answer to `call` if its status means success; retry where that may help."""
        for pause in (None,) if call.once else (*self._pauses, None):
            try:
                response = self._try(call, request)
            except OSError as error:  # the base class of all of requests' errors, and of a missing CA file's
                if pause is None or not isinstance(error, BROKEN) or self._trust.problem(error):
                    raise self._unreachable(call, error) from None
            else:
                if pause is None or response.status_code not in BUSY:
                    break
            if self._cancelled.wait(pause):
                raise self._error(errors.CancelledError, call, "cancelled between two attempts")
        self._raise_for_status(call, response)
        return response

    def _try(self, call: Call, request: Mapping[str, Any]) -> requests.Response:
        url = f"https://{self.host}{self._login.prefix}{call.path}{call.csv}"
        more: dict[str, Any] = {"timeout": self._timeout, "allow_redirects": False, **request}
        response = self._session.request(call.verb, url, **more)
        if self._session_is_lost(response):  # UFM refused the request, so it has had no effect
            response = self._session.request(call.verb, url, **more)
        return response

    def _open_session(self) -> str:
        """Log in and return the session's cookie as a header.

        Raises:
            AuthenticationError: UFM refuses user or password.
            OSError: no answer; the request that needs the session fails with it.
        """
        form = {"httpd_username": self._login.user, "httpd_password": self._login.password or ""}
        url = f"https://{self.host}{FORM}"
        # Not by the session's credentials: they are what this call obtains.
        response = self._session.post(url, data=form, auth=_no_auth, timeout=self._timeout, allow_redirects=False)
        cookie = response.headers.get("Set-Cookie", "").partition(";")[0]
        if response.status_code >= 500:
            self._raise_for_status(LOGIN, response)
        if not cookie or response.status_code in (401, 403):
            raise self._error(errors.AuthenticationError, LOGIN, f"{self._login} is refused", response.status_code)
        return cookie

    def _session_is_lost(self, response: requests.Response) -> bool:
        """Return whether UFM does not know the session of a request any more, e.g. after its restart."""
        auth = self._session.auth
        if not isinstance(auth, SessionAuth) or not _refuses(response):
            return False
        auth.forget(str(response.request.headers["Cookie"]))
        return True

    def _unreachable(self, call: Call, error: OSError) -> errors.UnreachableError:
        if distrust := self._trust.problem(error):
            return self._error(errors.CertificateError, call, distrust)
        silent = isinstance(error, requests.ReadTimeout)
        problem = f"no answer within {self._timeout[1]:g} s" if silent else f"no connection: {reason(error)}"
        return self._error(errors.UnreachableError, call, problem)

    def _raise_for_status(self, call: Call, response: requests.Response) -> None:
        status, login_page = response.status_code, _is_login_page(response)
        if (status < 300 and not login_page) or (status == 404 and call.absent_is_fine):
            return
        kind: type[errors.AnswerError] = errors.RejectedError
        problem = f"refused with status {status}"
        if login_page or status == 401:
            answer = "the login page" if login_page else "status 401"
            kind, problem = errors.AuthenticationError, f"the answer to {self._login} is {answer}"
        elif status == 403:
            kind = errors.ForbiddenError
        elif status == 404:
            kind, problem = errors.NotFoundError, "not found (status 404)"
        elif status >= 500:
            kind, problem = errors.UnavailableError, f"unavailable with status {status}"
        raise self._error(kind, call, problem, status)

    def _error(self, kind: type[_Error], call: Call, problem: str, status: int | None = None) -> _Error:
        if call.once and issubclass(kind, errors.UnreachableError | errors.UnavailableError):
            problem = f"{problem}; {call.once}"
        shown = call.shown("" if call is LOGIN else self._login.prefix)
        return kind(problem, host=self.host, call=shown, pkey=call.pkey, status=status)


def _is_login_page(response: requests.Response) -> bool:
    return 300 <= response.status_code < 400 or (response.status_code < 300 and response.content.lstrip()[:1] == b"<")


def _refuses(response: requests.Response) -> bool:
    return response.status_code == 401 or _is_login_page(response)


def _no_auth(request: Any) -> Any:
    return request
