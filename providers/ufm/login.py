"""How the client identifies itself to UFM: the four methods of NVIDIA's user manual, "Authentication Methods".

method        prefix      sent with each request
password      /ufmRest    user and password (Basic)
session       /ufmRestV2  the cookie of a login by user and password; a lost session is opened again
token         /ufmRestV3  an access token
certificate   /ufmRest    a client certificate, whose alternative name UFM maps to a user
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import requests
from requests.auth import AuthBase, HTTPBasicAuth

Method = Literal["password", "session", "token", "certificate"]
PREFIXES: dict[Method, str] = {
    "password": "/ufmRest",
    "session": "/ufmRestV2",
    "token": "/ufmRestV3",
    "certificate": "/ufmRest",
}
LONGEST_PREFIX = max(PREFIXES.values(), key=len)
FORM = "/dologin"
"""The path of the login form, below no prefix."""


@dataclass(frozen=True)
class Login:
    """The credentials of one client; the first of certificate, token and password that is set is used."""

    user: str = "admin"
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    cert_file: str | None = None
    """PEM file of the client's certificate."""
    key_file: str | None = None
    """PEM file of its private key, which may not be encrypted; None: the key is in `cert_file`."""
    session: bool = False
    """Whether the password opens a session instead of being sent with each request."""

    @property
    def method(self) -> Method:
        """The method that these credentials are for."""
        if self.cert_file:
            return "certificate"
        if self.token:
            return "token"
        return "session" if self.session else "password"

    @property
    def prefix(self) -> str:
        """The prefix of the REST API's paths."""
        return PREFIXES[self.method]

    def __str__(self) -> str:
        """Return what UFM refuses, if it refuses these credentials."""
        if self.method == "certificate":
            return f"the client certificate {self.cert_file}"
        return "the access token" if self.method == "token" else f"user {self.user!r}"

    def apply(self, session: requests.Session, open_session: Callable[[], str]) -> None:
        """Make the session send these credentials; `open_session` logs in and returns the cookie's header."""
        if self.cert_file:
            session.cert = (self.cert_file, self.key_file) if self.key_file else self.cert_file
        elif self.method == "token":
            session.auth = TokenAuth(self.token or "")
        elif self.method == "session":
            session.auth = SessionAuth(open_session)
        else:
            # As bytes: requests would encode a str as Latin-1, and quote it in the error if that fails.
            session.auth = HTTPBasicAuth(self.user.encode(), (self.password or "").encode())


class TokenAuth(AuthBase):
    """An access token. UFM takes it unencoded after the word "Basic"."""

    def __init__(self, token: str) -> None:
        self._header = b"Basic " + token.encode()

    def __call__(self, request: Any) -> Any:
        """Add the token to the request."""
        request.headers["Authorization"] = self._header
        return request


class SessionAuth(AuthBase):
    """The cookie of a session, which the first request opens. Safe to share between threads."""

    def __init__(self, open_session: Callable[[], str]) -> None:
        self._open, self._lock = open_session, threading.Lock()
        self._cookie = ""

    def __call__(self, request: Any) -> Any:
        """Add the cookie to the request."""
        with self._lock:
            self._cookie = self._cookie or self._open()
            request.headers["Cookie"] = self._cookie
        return request

    def forget(self, cookie: str) -> None:
        """Open another session for the next request, if no other thread has done so."""
        with self._lock:
            if self._cookie == cookie:
                self._cookie = ""
