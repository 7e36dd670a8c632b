"""UFM's REST API, as far as the resources need it.

One small method a call. What holds for all of them stands in `Client._send`:

- Basic authentication under /ufmRest, over TLS that is verified against `ca_file` or the system's store.
- Every call has time limits. A connection that breaks and the statuses 502, 503 and 504 are tried again with back-off
  where repeating does no harm; a silent UFM is not asked twice.
- No cookies, no redirects, no proxy, no ~/.netrc: a redirect or an HTML page is UFM's login, which means that the
  credentials do not count. Nothing in the session changes after construction, so threads share it.
- A write of members returns the partition as read back afterwards: UFM's answers to writes say nothing.

Facts: ufm-rest-api 1 (authentication, tokens), 2 (PKeys), 3 (inventory).
"""

import re
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
from requests.auth import HTTPBasicAuth

from providers.ufm import errors, partition
from providers.ufm.partition import Membership, Partition

PREFIX = "/ufmRest"
PKEYS = "/resources/pkeys"
WITH_MEMBERS = {"guids_data": "true"}
WITH_ALL = {**WITH_MEMBERS, "qos_conf": "true"}
"""Of a single partition; together they break the list of all (NVIDIA bug 5409095, after infra-controller)."""

REQUEST_LINE = 8190
"""Bytes that Apache takes as a request's first line (its LimitRequestLine)."""

BUSY = (502, 503, 504)
"""What UFM's Apache says while UFM starts or restarts behind it."""

BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
"""A connection that broke, before the answer or in the middle of it."""

_Error = TypeVar("_Error", bound=errors.UfmError)


@dataclass(frozen=True)
class Call:
    """One call: what is sent, and how its failures are taken."""

    verb: str
    path: str
    """Below the prefix."""
    pkey: str | None = None
    """The partition concerned, for errors."""
    csv: str = ""
    """GUIDs at the path's end; errors leave them out."""
    absent_is_fine: bool = False
    """Whether 404 is an answer like others."""
    once: str = ""
    """Where to send it twice is not to send it once: what UFM may have done although there was no answer."""

    def __str__(self) -> str:
        return f"{self.verb} {PREFIX}{self.path}" + ("…" if self.csv else "")


class Client:
    """UFM at one address, as one user. Safe to share between threads.

    Raises (every method):
        UnreachableError: no answer within the time limits; CertificateError where TLS is not to be trusted.
        AuthenticationError: the user or the password does not count.
        AnswerError: any other refusal, by its status (see `providers.ufm.errors`).
    """

    def __init__(
        self,
        host: str,
        user: str,
        password: str,
        *,
        port: int = 443,
        ca_file: str | None = None,
        insecure: bool = False,
        timeout: tuple[float, float] = (5, 60),
        pauses: Sequence[float] = (0.5, 1, 2, 4, 8),
        cancelled: threading.Event | None = None,
    ) -> None:
        """
        timeout: seconds to connect and to answer.
        pauses: seconds before each further try; there is none once `cancelled`.
        """
        self.host = host if port == 443 else f"{host}:{port}"
        self.user = user
        self._ca_file, self._timeout, self._pauses = ca_file, timeout, tuple(pauses)
        self._cancelled = cancelled or threading.Event()
        self._session = session = requests.Session()
        session.trust_env = False
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        # As bytes: requests would encode a str as Latin-1, and name it in the error where it cannot.
        session.auth = HTTPBasicAuth(user.encode(), password.encode())
        session.verify = False if insecure else ca_file or _system_store()

    def __repr__(self) -> str:
        return f"Client({self.host!r}, user={self.user!r})"

    def close(self) -> None:
        """Closes the kept connections."""
        self._session.close()

    def version(self) -> str:
        """UFM's release, e.g. 6.14.5-2. UFM's own health probe."""
        return str(self._json(Call("GET", "/app/ufm_version"), dict).get("ufm_release_version", ""))

    def release(self) -> tuple[int, ...]:
        """The numbers of `version` up to the dash, to compare: (6, 14, 5)."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version().partition("-")[0]))

    # Partitions

    def list_pkeys(self) -> dict[str, Partition]:
        """All partitions by PKey, UFM's own 0x7fff among them.

        Some releases answer with a list of PKeys in place of an object; their members are then asked for one by one.
        """
        call = Call("GET", PKEYS)
        answer = self._json(call, dict, list, params=WITH_MEMBERS)
        try:
            if isinstance(answer, list):
                pkeys = [partition.pkey(str(e["pkey"] if isinstance(e, dict) else e)) for e in answer]
                return {p: found for p in pkeys if (found := self.get_pkey(p))}
            return partition.parse_all(answer)
        except (ValueError, KeyError):
            raise self._error(errors.ShapeError, call, "the answer is no list of PKeys") from None

    def get_pkey(self, pkey: str) -> Partition | None:
        """The partition with all there is to it; None where UFM does not have it (404, or 200 with `{}`)."""
        call = Call("GET", f"{PKEYS}/{pkey}", pkey, absent_is_fine=True)
        response = self._send(call, params=WITH_ALL)
        if response.status_code == 404:
            return None
        try:
            return partition.parse(pkey, self._decoded(call, response, dict))
        except ValueError:
            raise self._error(errors.ShapeError, call, "the answer is not this partition") from None

    def set_guids(
        self,
        pkey: str,
        guids: Iterable[str],
        *,
        membership: Membership = "full",
        index0: bool = False,
        ip_over_ib: bool | None = None,
        **more: Any,
    ) -> Partition | None:
        """Makes `guids` the partition's only members, in one call; makes the partition where it is absent.

        UFM changes the difference only: traffic of members that stay is not disturbed. `ip_over_ib` None leaves it to
        UFM. `more`: `partition_name` from release 6.22 on, the keys of `partition.QOS` from 6.24 on. Returns the
        partition as read back.
        """
        return self._write_guids("PUT", pkey, guids, membership, index0, ip_over_ib, more)

    def set_qos(self, pkey: str, qos: Mapping[str, float]) -> None:
        """Sets the quality of service of a partition that exists. On the fabric it is at UFM's next start."""
        self._send(Call("PUT", f"{PKEYS}/qos_conf", pkey), json={"pkey": pkey, **_whole(qos)})

    def add_guids(
        self,
        pkey: str,
        guids: Iterable[str],
        *,
        membership: Membership = "full",
        index0: bool = False,
        ip_over_ib: bool | None = None,
    ) -> Partition | None:
        """Adds `guids` to the partition and leaves its other members; makes the partition where it is absent.

        One membership for all: UFM's POST ignores `memberships` and makes such members full without a word. Returns
        the partition as read back.
        """
        return self._write_guids("POST", pkey, guids, membership, index0, ip_over_ib, {})

    def remove_guids(self, pkey: str, guids: Iterable[str]) -> Partition | None:
        """Removes `guids`; UFM deletes the partition with its last member. GUIDs that are no members do no harm.

        Returns the partition as read back.
        """
        path = f"{PKEYS}/{pkey}/guids/"
        for csv in chunks(path, guids):
            self._send(Call("DELETE", path, pkey, csv, absent_is_fine=True))
        return self.get_pkey(pkey)

    def delete_pkey(self, pkey: str) -> Partition | None:
        """Deletes the partition whoever its members are. Returns what is left of it, which should be None."""
        self._send(Call("DELETE", f"{PKEYS}/{pkey}", pkey, absent_is_fine=True))
        return self.get_pkey(pkey)

    # Inventory

    def ports(self, sys_type: str | None = None) -> list[dict[str, Any]]:
        """The fabric's ports as UFM describes them: guid, systemID, logical_state… `sys_type`: Computer or Switch."""
        return self._records("/resources/ports", {"sys_type": sys_type} if sys_type else None)

    def systems(self) -> list[dict[str, Any]]:
        """The fabric's hosts and switches as UFM describes them."""
        return self._records("/resources/systems")

    # Credentials

    def create_token(self) -> dict[str, Any]:
        """A new access token of the user: `access_token` (secret), `issued_at` (epoch seconds), `expires_in` (s)."""
        left = "if UFM has made a token all the same, revoke it there (Token-based Authentication)"
        call = Call("POST", "/app/tokens", once=left)
        token: dict[str, Any] = self._json(call, dict)
        if not token.get("access_token"):
            raise self._error(errors.ShapeError, call, "no access token in the answer")
        return token

    def tokens(self) -> list[dict[str, Any]]:
        """The user's access tokens; secrets are among them."""
        return self._records("/app/tokens")

    def revoke_token(self, token: str) -> None:
        """Makes `token` worthless for good; one that UFM does not know is no error."""
        # A file without a name is a plain multipart field, which is what UFM reads here.
        self._send(Call("POST", "/app/tokens/revoke", absent_is_fine=True), files={"token": (None, token)})

    def set_password(self, password: str) -> None:
        """Gives the user a new password; this client keeps sending the old one."""
        self._send(Call("PUT", f"/app/users/{self.user}"), json={"password": password})

    def _write_guids(
        self,
        verb: str,
        pkey: str,
        guids: Iterable[str],
        membership: Membership,
        index0: bool,
        ip_over_ib: bool | None,
        more: Mapping[str, Any],
    ) -> Partition | None:
        body = {"pkey": pkey, "guids": list(guids), "membership": membership, "index0": index0, **_whole(more)}
        if ip_over_ib is not None:
            body["ip_over_ib"] = ip_over_ib
        # Adding what was added before changes nothing, so even the POST may be sent again.
        self._send(Call(verb, PKEYS, pkey), json=body)
        return self.get_pkey(pkey)

    # What holds for all calls

    def _json(self, call: Call, *kinds: type, **request: Any) -> Any:
        return self._decoded(call, self._send(call, **request), *kinds)

    def _records(self, path: str, params: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        call = Call("GET", path)
        records: list[dict[str, Any]] = self._json(call, list, params=params)
        if not all(isinstance(r, dict) for r in records):
            raise self._error(errors.ShapeError, call, "no list of objects in the answer")
        return records

    def _decoded(self, call: Call, response: requests.Response, *kinds: type) -> Any:
        try:
            document = response.json()
        except requests.JSONDecodeError:
            document = None
        if not isinstance(document, kinds):
            expected = " or ".join("object" if k is dict else "list" for k in kinds)
            raise self._error(errors.ShapeError, call, f"no JSON {expected} in the answer")
        return document

    def _send(self, call: Call, **request: Any) -> requests.Response:
        """The answer to `call`, tried again where that may help, with a status that is good for it."""
        for pause in (None,) if call.once else (*self._pauses, None):
            try:
                response = self._try(call, request)
            except OSError as error:  # as are all of requests' errors, and a CA file that is not there
                if pause is None or not isinstance(error, BROKEN) or self._distrust(error):
                    raise self._unreachable(call, error) from None
            else:
                if pause is None or response.status_code not in BUSY:
                    break
            if self._cancelled.wait(pause):
                raise self._error(errors.CancelledError, call, "given up between two tries")
        self._raise_for(call, response)
        return response

    def _try(self, call: Call, request: Mapping[str, Any]) -> requests.Response:
        url = f"https://{self.host}{PREFIX}{call.path}{call.csv}"
        return self._session.request(call.verb, url, timeout=self._timeout, allow_redirects=False, **request)

    def _unreachable(self, call: Call, error: OSError) -> errors.UnreachableError:
        if distrust := self._distrust(error):
            return self._error(errors.CertificateError, call, distrust)
        silent = isinstance(error, requests.ReadTimeout)
        problem = f"no answer within {self._timeout[1]:g} s" if silent else f"no connection: {_reason(error)}"
        return self._error(errors.UnreachableError, call, problem)

    def _distrust(self, error: OSError) -> str:
        """Why `error` is a matter of trust; empty where it is none."""
        try:
            ssl.create_default_context(cafile=self._ca_file)
        except OSError as unusable:
            return f"{self._ca_file} holds no certificate: {unusable.strerror}"
        # Other failures of TLS are connections that break, as happens while UFM restarts.
        untrusted = isinstance(error, requests.exceptions.SSLError) and "certificate verify failed" in str(error)
        return f"the certificate is not trusted: {_reason(error)}" if untrusted else ""

    def _raise_for(self, call: Call, response: requests.Response) -> None:
        status = response.status_code
        login_page = 300 <= status < 400 or (status < 300 and response.content.lstrip()[:1] == b"<")
        if (status < 300 and not login_page) or (status == 404 and call.absent_is_fine):
            return
        kind: type[errors.AnswerError] = errors.RejectedError
        problem = f"refused with status {status}"
        if login_page or status == 401:
            kind = errors.AuthenticationError
            problem = f"the answer to user {self.user!r} is {'the login page' if login_page else 'status 401'}"
        elif status == 403:
            kind = errors.ForbiddenError
        elif status == 404:
            kind, problem = errors.NotFoundError, "not known to UFM (status 404)"
        elif status >= 500:
            kind, problem = errors.UnavailableError, f"out of service with status {status}"
        raise self._error(kind, call, problem, status)

    def _error(self, kind: type[_Error], call: Call, problem: str, status: int | None = None) -> _Error:
        if call.once and issubclass(kind, errors.UnreachableError | errors.UnavailableError):
            problem = f"{problem}; {call.once}"
        return kind(problem, host=self.host, call=str(call), pkey=call.pkey, status=status)


def _whole(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as UFM writes them: the engine makes a float of each, and 2.0 is no MTU."""
    return {key: int(v) if isinstance(v, float) and v.is_integer() else v for key, v in values.items()}


def chunks(path: str, guids: Iterable[str]) -> Iterator[str]:
    """`guids` as comma-separated texts, each short enough for a DELETE of `path` with it to fit UFM's request line."""
    room = REQUEST_LINE - len(f"DELETE {PREFIX}{path} HTTP/1.1\r\n")
    ordered = list(guids)
    most = (room + 1) // 17  # 16 digits and a comma, the last one without
    for start in range(0, len(ordered), most):
        yield ",".join(ordered[start : start + most])


def _system_store() -> str | bool:
    # requests would trust certifi's list, where an organisation's own authority never stands.
    store = ssl.get_default_verify_paths()
    return store.cafile or store.capath or True


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words: requests wraps urllib3, which wraps the operating system."""
    while isinstance(inner := getattr(error, "reason", None) or next(reversed(error.args), None), Exception):
        error = inner
    return str(error).rpartition(": ")[2] or type(error).__name__
