"""Reads instances at nova with the administrator's login, for messages. Nothing is written, and no answer is no error.

The openstack provider reports an instance that nova could not start without nova's reason.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any

SECONDS = 10
"""Of one request."""


def faults(login: Mapping[str, str], ids: Iterable[str]) -> dict[str, str]:
    """Return those of the instances that are in ERROR, with the reason that nova gives: ID → text.

    `login`: variables of an rc file. An instance that nova does not have, or a cloud that does not answer, is left out.
    """
    try:
        token, url = _authenticate(login)
        servers = {id_: _server(url, token, id_) for id_ in ids}
    except (OSError, ValueError, LookupError):  # no answer, no JSON, another shape
        return {}
    return {id_: _reason(server) for id_, server in servers.items() if server.get("status") == "ERROR"}


def _reason(server: Mapping[str, Any]) -> str:
    return str(server.get("fault", {}).get("message") or "nova gives no reason; see nova-conductor.log").rstrip(". ")


def _server(url: str, token: str, id_: str) -> Mapping[str, Any]:
    try:
        _, answer = _json(f"{url}/servers/{id_}", {"X-Auth-Token": token})
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return {}
        raise
    server: Mapping[str, Any] = answer["server"]
    return server


def _authenticate(login: Mapping[str, str]) -> tuple[str, str]:
    """Return a token and nova's public URL."""
    user = {
        "name": login["OS_USERNAME"],
        "password": login["OS_PASSWORD"],
        "domain": {"name": login.get("OS_USER_DOMAIN_NAME", "Default")},
    }
    project = {
        "name": login["OS_PROJECT_NAME"],
        "domain": {"name": login.get("OS_PROJECT_DOMAIN_NAME", "Default")},
    }
    identity = {"methods": ["password"], "password": {"user": user}}
    body = {"auth": {"identity": identity, "scope": {"project": project}}}
    base = login["OS_AUTH_URL"].rstrip("/").removesuffix("/v3")
    headers, answer = _json(f"{base}/v3/auth/tokens", {"Content-Type": "application/json"}, json.dumps(body).encode())
    region = login.get("OS_REGION_NAME", "regionOne")
    urls = [
        str(endpoint["url"])
        for service in answer["token"]["catalog"]
        for endpoint in service["endpoints"]
        if service["type"] == "compute" and endpoint["interface"] == "public" and endpoint["region_id"] == region
    ]
    return headers["X-Subject-Token"], urls[0].rstrip("/")


def _json(url: str, headers: Mapping[str, str], body: bytes | None = None) -> tuple[Mapping[str, str], Any]:
    """Return headers and body of the answer to a GET or, with a body, a POST. All errors of urllib are OSErrors."""
    request = urllib.request.Request(url, body, dict(headers))  # noqa: S310 - the URL is the cloud's
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
        return answer.headers, json.load(answer)
