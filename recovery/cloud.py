"""OpenStack's APIs, as the user of the stack's OpenStack provider: list objects, delete objects."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from recovery.state import Resource, decrypted

PROVIDER = "pulumi:providers:openstack"
SECONDS = (10, 60)
"""Limits of a call: to connect, and to get an answer."""
SETTLE_SECONDS = 300.0
"""How long to wait for an object that the cloud is still working on."""
VERSIONS = {"compute": "", "network": "/v2.0", "image": "/v2"}
"""Prefix of the paths that some catalogs leave out of an endpoint's URL."""
MICROVERSION = {"X-OpenStack-Nova-API-Version": "2.55"}
"""The first one that shows the description of a flavor; Wallaby's nova supports 2.87."""


class CloudError(Exception):
    """The cloud refuses, or does not answer. The text says what was being done."""


class NoAnswerError(CloudError):
    """The cloud does not answer."""


class Cloud:
    """The APIs of one cloud."""

    def __init__(self, provider: Resource) -> None:
        """Log in. `provider`: the stack's provider resource, with its secrets.

        Raises:
            CloudError: the login failed.
        """
        self._session = requests.Session()
        self._session.trust_env = False
        given = {key: decrypted(value) for key, value in provider.inputs.items()}
        if str(given.get("insecure")).lower() == "true":
            self._session.verify = False
        elif given.get("cacertFile"):
            self._session.verify = str(given["cacertFile"])
        self._endpoints = self._login(given)

    def _login(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Get a token and return the URL of each service."""
        url = str(given["authUrl"]).rstrip("/")
        url = url if url.endswith("/v3") else f"{url}/v3"
        user = {
            "name": given.get("userName"),
            "password": given.get("password"),
            "domain": {"name": given.get("userDomainName") or "Default"},
        }
        project = {"name": given.get("tenantName"), "domain": {"name": given.get("projectDomainName") or "Default"}}
        identity = {"methods": ["password"], "password": {"user": user}}
        body = {"auth": {"identity": identity, "scope": {"project": project}}}
        answer = self._send("POST", f"{url}/auth/tokens", json=body)
        self._session.headers.update({"X-Auth-Token": answer.headers["X-Subject-Token"], **MICROVERSION})
        return {
            service["type"]: endpoint["url"].rstrip("/")
            for service in answer.json()["token"]["catalog"]
            for endpoint in service["endpoints"]
            if endpoint["interface"] == "public" and endpoint["region"] in (given.get("region"), None)
        }

    def _url(self, service: str, path: str) -> str:
        if service not in self._endpoints:
            raise CloudError(f"the cloud's catalog has no public endpoint of type {service}")
        endpoint, version = self._endpoints[service], VERSIONS[service]
        return f"{endpoint}{'' if not version or endpoint.endswith(version) else version}{path}"

    def list(self, service: str, path: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a collection, page by page."""
        url: str | None = self._url(service, path)
        while url:
            answer = self._send("GET", url).json()
            collection = urlsplit(path).path.strip("/").partition("/")[0].removeprefix("os-").replace("-", "_")
            yield from answer[collection]
            url = _next(url, answer, collection)

    def call(self, verb: str, service: str, path: str, body: Any = None) -> None:
        """Make one call. An object that does not exist any more is no error."""
        self._send(verb, self._url(service, path), json=body, absent_is_fine=True)

    def gone(self, service: str, path: str, *, pauses: Sequence[float] = (0.5, 5.0)) -> None:
        """Wait until an object no longer exists.

        Raises:
            CloudError: it is still there after `SETTLE_SECONDS`.
        """
        url = self._url(service, path)
        wait(lambda: self._send("GET", url, absent_is_fine=True).status_code == 404, f"{path} still exists", pauses)

    def _send(self, verb: str, url: str, *, json: Any = None, absent_is_fine: bool = False) -> requests.Response:
        where = urlsplit(url)
        place = f"{verb} {where.netloc}{where.path}"
        try:
            answer = self._session.request(verb, url, json=json, timeout=SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            raise NoAnswerError(f"{place}: no answer ({type(error).__name__}); is the cloud reachable?") from None
        if answer.status_code >= 300 and not (absent_is_fine and answer.status_code == 404):
            raise CloudError(f"{place}: {answer.status_code} {_reason(answer)}")
        return answer


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


def _next(url: str, answer: Mapping[str, Any], collection: str) -> str | None:
    """Return the URL of the next page: glance has `next`, nova and neutron have links."""
    if answer.get("next"):
        return urljoin(url, str(answer["next"]))
    links = answer.get(f"{collection}_links") or ()
    return next((str(link["href"]) for link in links if link.get("rel") == "next"), None)


def _reason(answer: requests.Response) -> str:
    """Return the message of an error of OpenStack."""
    try:
        ((_, error),) = answer.json().items()
        return str(error.get("message", error))
    except (ValueError, AttributeError):
        return answer.reason or ""
