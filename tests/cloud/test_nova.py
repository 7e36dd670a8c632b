"""Reading an instance's fault at nova: `cloud/nova.py`, against a keystone and a nova in memory."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from cloud.nova import faults

PASSWORD = "nova-canary"
REASON = "No valid host was found. There are not enough hosts available."
SERVERS: dict[str, dict[str, Any]] = {
    "good": {"status": "ACTIVE"},
    "bad": {"status": "ERROR", "fault": {"code": 500, "message": REASON}},
    "mute": {"status": "ERROR"},
}


class Cloud(ThreadingHTTPServer):
    """Keystone and nova at one address."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.servers = dict(SERVERS)
        self.bodies: list[Any] = []
        self.broken = False

    @property
    def login(self) -> dict[str, str]:
        names = {"OS_USERNAME": "admin", "OS_PASSWORD": PASSWORD, "OS_PROJECT_NAME": "admin"}
        return {**names, "OS_AUTH_URL": f"{self.url}/v3"}


class Handler(BaseHTTPRequestHandler):
    server: Cloud

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        if body["auth"]["identity"]["password"]["user"]["password"] != PASSWORD:
            self._answer(401, {})
            return
        urls = {"public": f"{self.server.url}/v2.1", "internal": "http://192.0.2.1"}
        endpoints = [{"interface": i, "region_id": "regionOne", "url": url} for i, url in urls.items()]
        other = [{"interface": "public", "region_id": "other", "url": "http://192.0.2.1"}]
        catalog = [{"type": "image", "endpoints": other}, {"type": "compute", "endpoints": [*other, *endpoints]}]
        self._answer(201, {"token": {"catalog": catalog}})

    def do_GET(self) -> None:
        found = self.server.servers.get(self.path.rpartition("/")[2])
        assert self.headers["X-Auth-Token"] == "t0k3n"
        self._answer(500 if self.server.broken else 200 if found else 404, {"server": found} if found else {})

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.send_header("X-Subject-Token", "t0k3n")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def test_only_instances_in_error_are_returned_with_nova_s_reason(cloud: Cloud) -> None:
    found = faults(cloud.login, ["good", "bad", "mute", "absent"])
    assert found == {
        "bad": "No valid host was found. There are not enough hosts available",
        "mute": "nova gives no reason; see nova-conductor.log",
    }


def test_domains_have_keystone_s_default(cloud: Cloud) -> None:
    faults({**cloud.login, "OS_USER_DOMAIN_NAME": "people"}, ["good"])
    auth = cloud.bodies[0]["auth"]
    assert auth["identity"]["password"]["user"]["domain"] == {"name": "people"}
    assert auth["scope"]["project"] == {"name": "admin", "domain": {"name": "Default"}}


@pytest.mark.parametrize(
    "change",
    [
        {"OS_AUTH_URL": "http://127.0.0.1:1"},
        {"OS_PASSWORD": "wrong"},
        {"OS_REGION_NAME": "nowhere"},
    ],
)
def test_a_cloud_that_does_not_answer_is_no_error(cloud: Cloud, change: dict[str, str]) -> None:
    assert faults({**cloud.login, **change}, ["bad"]) == {}


def test_a_failing_nova_and_an_incomplete_login_are_no_error(cloud: Cloud) -> None:
    cloud.broken = True
    assert faults(cloud.login, ["bad"]) == {}
    assert faults({}, ["bad"]) == {}
