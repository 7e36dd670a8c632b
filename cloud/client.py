"""The cloud's APIs, as far as hooks need them: do they answer, what did a create leave, why is an instance in ERROR.

The OpenStack provider has none of these questions. The standard library sends the requests: proxies and certificate
authorities come from the environment, as with the provider.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from rack.outage import Search, at

TIMEOUT = 10
"""Seconds to wait for an answer."""
DOMAIN, REGION = "Default", "regionOne"
"""TripleO's defaults, for an rc file that lacks them."""
SERVICES = {"compute": "nova", "network": "neutron", "image": "glance"}
"""Type in keystone's catalogue → name, of the services whose objects the program creates."""


class NoAnswerError(Exception):
    """A service does not answer, or answers with 500 or above; the text names it and says what was found."""


class RefusedError(Exception):
    """A service refuses a request; the text names request and status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Login:
    """An administrator's login."""

    auth_url: str
    """Keystone's, with or without /v3."""
    user: str
    password: str = field(repr=False)
    project: str
    user_domain: str
    project_domain: str
    region: str

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


class CloudApi:
    """The APIs of one cloud. `find`, `server` and `discard` raise NoAnswerError and RefusedError."""

    def __init__(self, login: Login) -> None:
        self._login, self._token = login, ""
        self._endpoints: Mapping[str, str] = {}

    def silent(self) -> list[str]:
        """Return a line per service that does not answer; only keystone's while that is one of them.

        Raises:
            RefusedError: keystone refuses the login.
        """
        try:
            self._authenticate()
        except NoAnswerError as error:
            return [str(error)]
        found = []
        for service in SERVICES:
            try:
                self._answer("GET", service, _root(self._endpoints[service]))
            except NoAnswerError as error:
                found.append(str(error))
            except RefusedError:  # the service answers
                continue
        return found

    def find(self, search: Search) -> set[str]:
        """Return the IDs of the objects that a create may have made."""
        url = f"{search.path}?{urlencode(search.query)}" if search.query else search.path
        items = self._send("GET", search.service, url)[search.items]
        return {str(at(item, search.id)) for item in items if search.matches(item)}

    def server(self, id_: str) -> Mapping[str, Any]:
        """Return an instance as nova has it; empty if nova does not have it."""
        try:
            found: Mapping[str, Any] = self._send("GET", "compute", f"/servers/{id_}")["server"]
        except RefusedError as error:
            if error.status != 404:
                raise
            return {}
        return found

    def discard(self, search: Search, inputs: Mapping[str, Any], id_: str) -> None:
        """Delete an object that a failed create made. A server may take some seconds longer: see `find`."""
        if search.path == "/v2.0/ports" and "routerId" in inputs:  # a port of the router, which Neutron detaches
            body = {"port_id": id_}
            self._send("PUT", "network", f"/v2.0/routers/{inputs['routerId']}/remove_router_interface", body)
            return
        try:
            self._send("DELETE", search.service, f"{search.path.removesuffix('/detail')}/{id_}")
        except RefusedError as error:
            if error.status != 404:
                raise

    def _send(self, verb: str, service: str, path: str, body: Any = None) -> dict[str, Any]:
        if not self._token:
            self._authenticate()
        try:
            text = self._answer(verb, service, self._url(service, path), body)[0]
        except RefusedError as error:
            if error.status != 401:
                raise
            self._authenticate()
            text = self._answer(verb, service, self._url(service, path), body)[0]
        found: dict[str, Any] = json.loads(text) if text else {}
        return found

    def _url(self, service: str, path: str) -> str:
        """Return a URL below the service's endpoint; Neutron's and glance's may lack the version, or have it."""
        endpoint = self._endpoints[service].rstrip("/")
        return (endpoint if service == "compute" else _root(endpoint).rstrip("/")) + path

    def _authenticate(self) -> None:
        """Get a token and the services' public endpoints."""
        login = self._login
        user = {"name": login.user, "domain": {"name": login.user_domain}, "password": login.password}
        scope = {"project": {"name": login.project, "domain": {"name": login.project_domain}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        self._token = ""
        url = f"{login.auth_url.rstrip('/').removesuffix('/v3')}/v3/auth/tokens"
        text, self._token = self._answer("POST", "keystone", url, body)
        self._endpoints = {
            entry["type"]: endpoint["url"]
            for entry in json.loads(text)["token"]["catalog"]
            for endpoint in entry["endpoints"]
            if endpoint["interface"] == "public" and endpoint["region_id"] == login.region
        }

    def _answer(self, verb: str, service: str, url: str, body: Any = None) -> tuple[str, str]:
        """Return the text of an answer, and the token in it."""
        headers = {"Content-Type": "application/json", "OpenStack-API-Version": "compute 2.60"}
        if self._token:
            headers["X-Auth-Token"] = self._token
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=verb)  # noqa: S310 - a URL of keystone's catalogue
        name = SERVICES.get(service, service)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                return answer.read().decode(), answer.headers.get("X-Subject-Token", "")
        except urllib.error.HTTPError as error:
            status = error.code
            error.close()
            if status < 500:
                raise RefusedError(f"{name}: {verb} {url} is refused with status {status}", status) from None
            raise NoAnswerError(f"{name} answers with status {status}") from None
        except (OSError, ValueError) as error:  # URLError, timeouts and broken connections among them
            reason = getattr(error, "reason", error)
            raise NoAnswerError(f"{name} does not answer ({getattr(reason, 'strerror', None) or reason})") from None


def _root(endpoint: str) -> str:
    """Return a service's URL without its version: every service shows its versions there, without a login."""
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/").split("/")
    while path and ((path[-1].startswith("v") and path[-1][1:2].isdigit()) or len(path[-1]) == 32):
        path.pop()
    return f"{parts.scheme}://{parts.netloc}{'/'.join(path)}/"
