"""The cloud's APIs: one client for the hooks of the engine and for `rack recover`.

The standard library sends the requests: proxies and certificate authorities come from the environment, as with the
OpenStack provider.
"""

import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

TIMEOUT = 10.0
"""Seconds to wait for an answer."""
SETTLE_SECONDS = 300.0
"""How long to wait for an object that the cloud is still working on."""
DOMAIN, REGION = "Default", "regionOne"
"""TripleO's defaults, for an rc file that lacks them."""
SERVICES = {"compute": "nova", "network": "neutron", "image": "glance"}
"""Type in keystone's catalogue → name, of the services whose objects the program creates."""
VERSIONS = {"network": "/v2.0", "image": "/v2"}
"""Version in the paths of services whose endpoint may lack it, or have it."""
MICROVERSION = "compute 2.60"
"""From 2.55 on, nova shows the description of a flavor; Wallaby's supports 2.87."""


class CloudError(Exception):
    """A request to the cloud failed. The text names the request, and what was found."""

    def __init__(self, problem: str, request: str = "") -> None:
        super().__init__(f"{request}: {problem}" if request else problem)
        self.problem = problem
        """The text without the request."""


class OutageError(CloudError):
    """A service cannot serve requests at the moment: it does not answer, or answers with 500 or above."""


class NoAnswerError(OutageError):
    """Nothing answers at the address of a service."""


class RefusedRequestError(CloudError):
    """A service refuses a request."""

    def __init__(self, problem: str, request: str, status: int) -> None:
        super().__init__(problem, request)
        self.status = status


@dataclass(frozen=True)
class Login:
    """A user's login."""

    auth_url: str
    """Keystone's, with or without /v3."""
    user: str
    password: str = field(repr=False)
    project: str
    user_domain: str = DOMAIN
    project_domain: str = DOMAIN
    region: str = REGION
    ca_file: str = ""
    """Certificate authorities, in place of the system's."""
    insecure: bool = False
    """Do not verify certificates."""

    @classmethod
    def of(cls, rc: Mapping[str, str]) -> "Login":
        """Return the login of an rc file's variables."""
        return cls(
            rc["OS_AUTH_URL"],
            rc["OS_USERNAME"],
            rc["OS_PASSWORD"],
            rc["OS_PROJECT_NAME"],
            rc.get("OS_USER_DOMAIN_NAME", DOMAIN),
            rc.get("OS_PROJECT_DOMAIN_NAME", DOMAIN),
            rc.get("OS_REGION_NAME", REGION),
        )


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: the token must not reach another address. A redirect is then a refusal."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Return no request."""


class CloudApi:
    """The APIs of one cloud. All methods raise OutageError and RefusedRequestError."""

    def __init__(self, login: Login, timeout: float = TIMEOUT) -> None:
        """Prepare the client; nothing is sent. `timeout`: seconds."""
        self._login, self._timeout, self._token = login, timeout, ""
        self._endpoints: Mapping[str, str] = {}
        https = urllib.request.HTTPSHandler(context=_context(login))
        self._opener = urllib.request.build_opener(https, NoRedirect)

    def log_in(self) -> None:
        """Get a token and the services' public endpoints."""
        login = self._login
        user = {"name": login.user, "domain": {"name": login.user_domain}, "password": login.password}
        scope = {"project": {"name": login.project, "domain": {"name": login.project_domain}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        self._token = ""
        url = f"{login.auth_url.rstrip('/').removesuffix('/v3')}/v3/auth/tokens"
        text, self._token = self._answer("POST", "keystone", url, body)
        self._endpoints = {
            service["type"]: endpoint["url"]
            for service in _decoded(text, "keystone", f"POST {url}")["token"]["catalog"]
            for endpoint in service["endpoints"]
            if endpoint["interface"] == "public" and endpoint["region_id"] in (login.region, None)
        }

    def silent(self) -> list[str]:
        """Return a line per service that is not available; only keystone's while that is one of them.

        Raises:
            RefusedRequestError: keystone refuses the login.
        """
        try:
            self.log_in()
        except OutageError as error:
            return [error.problem]
        found = []
        for service in SERVICES:
            try:
                self._answer("GET", service, _root(self._endpoint(service)))
            except OutageError as error:
                found.append(error.problem)
            except RefusedRequestError:  # the service answers
                continue
        return found

    def objects(self, service: str, path: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a collection, page by page."""
        collection = urlsplit(path).path.strip("/").partition("/")[0].removeprefix("os-").replace("-", "_")
        url: str | None = ""
        while url is not None:
            answer = self._send("GET", service, path, url=url)
            yield from answer[collection]
            url = _next(answer, collection)

    def call(self, verb: str, service: str, path: str, body: Any = None) -> dict[str, Any]:
        """Make one call and return the answer; empty for an object that does not exist any more."""
        try:
            return self._send(verb, service, path, body)
        except RefusedRequestError as error:
            if error.status != 404:
                raise
            return {}

    def gone(self, service: str, path: str, *, pauses: Sequence[float] = (0.5, 5.0)) -> None:
        """Wait until an object no longer exists.

        Raises:
            CloudError: it is still there after `SETTLE_SECONDS`.
        """
        wait(lambda: not self.call("GET", service, path), f"{path} still exists", pauses)

    def _send(self, verb: str, service: str, path: str, body: Any = None, *, url: str = "") -> dict[str, Any]:
        """Return the answer to a request. `url`: a page of the collection at `path`, if it is not the first one."""
        if not self._token:
            self.log_in()
        where = self._url(service, path)
        where = urljoin(where, url) if url else where
        try:
            text = self._answer(verb, service, where, body)[0]
        except RefusedRequestError as error:
            if error.status != 401:
                raise
            self.log_in()
            text = self._answer(verb, service, where, body)[0]
        return _decoded(text, SERVICES[service], f"{verb} {where}") if text else {}

    def _endpoint(self, service: str) -> str:
        """Return the URL of a service.

        Raises:
            CloudError: the catalogue has none.
        """
        if service not in self._endpoints:
            raise CloudError(f"keystone's catalogue has no public endpoint of type {service} in {self._login.region}")
        return self._endpoints[service].rstrip("/")

    def _url(self, service: str, path: str) -> str:
        """Return a URL below the service's endpoint."""
        endpoint = self._endpoint(service)
        return f"{_root(endpoint).rstrip('/')}{VERSIONS[service]}{path}" if service in VERSIONS else endpoint + path

    def _answer(self, verb: str, service: str, url: str, body: Any = None) -> tuple[str, str]:
        """Return the text of an answer, and the token in it."""
        headers = {"Content-Type": "application/json", "OpenStack-API-Version": MICROVERSION}
        if self._token:
            headers["X-Auth-Token"] = self._token
        data = None if body is None else json.dumps(body).encode()
        where, name = urlsplit(url), SERVICES.get(service, service)
        said = f"{verb} {where.netloc}{where.path}"
        try:
            request = urllib.request.Request(url, data, headers, method=verb)  # noqa: S310 - a URL of the catalogue
            with self._opener.open(request, timeout=self._timeout) as answer:
                return answer.read().decode(), answer.headers.get("X-Subject-Token", "")
        except urllib.error.HTTPError as error:
            with error:
                reason = _reason(error)
            if error.code >= 500:
                raise OutageError(f"{name} answers with status {error.code}", said) from None
            raise RefusedRequestError(f"{name} answers with status {error.code}: {reason}", said, error.code) from None
        except (OSError, ValueError, http.client.HTTPException) as error:  # timeouts and broken connections among them
            cause = getattr(error, "reason", error)
            text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
            raise NoAnswerError(f"{name} does not answer ({text})", said) from None


def wait(
    done: Callable[[], bool], otherwise: str, pauses: Sequence[float] = (0.5, 5.0), limit: float = SETTLE_SECONDS
) -> None:
    """Poll with growing pauses until `done`.

    Raises:
        CloudError: `otherwise`, after `limit` seconds.
    """
    pause, end = pauses[0], time.monotonic() + limit
    while not done():
        if time.monotonic() > end:
            raise CloudError(f"{otherwise} after {limit:.0f} s")
        time.sleep(pause)
        pause = min(pause * 2, pauses[-1])


def _context(login: Login) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=login.ca_file or None)
    if login.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _root(endpoint: str) -> str:
    """Return a service's URL without its version: every service shows its versions there, without a login."""
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/").split("/")
    while path and ((path[-1].startswith("v") and path[-1][1:2].isdigit()) or len(path[-1]) == 32):
        path.pop()
    return f"{parts.scheme}://{parts.netloc}{'/'.join(path)}/"


def _decoded(text: str, name: str, request: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise OutageError(f"{name} answers with no JSON", request) from None
    return found


def _next(answer: Mapping[str, Any], collection: str) -> str | None:
    """Return the URL of the next page: glance has `next`, nova and neutron have links."""
    if answer.get("next"):
        return str(answer["next"])
    links = answer.get(f"{collection}_links") or ()
    return next((str(link["href"]) for link in links if link.get("rel") == "next"), None)


def _reason(error: urllib.error.HTTPError) -> str:
    """Return the message of an error of OpenStack."""
    try:
        ((_, found),) = json.loads(error.read()).items()
        return str(found.get("message", found))
    except (ValueError, AttributeError, OSError, http.client.HTTPException):
        return str(error.reason)
