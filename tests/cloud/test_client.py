"""The client of the cloud's APIs, with a small cloud behind it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cloud.client import CloudApi, CloudError, Login, NoAnswerError, OutageError, RefusedRequestError, wait
from cloud.kinds import CloudObject, Search, search
from rack.owner import Mark
from tests.providers.server import Answer, authority, serving

MARK = str(Mark("0a1b2c3d", "tenant-network"))
PATHS = {"compute": "/compute/v2.1", "network": "/network", "image": "/image"}


class Cloud(ThreadingHTTPServer):
    """Keystone, nova, neutron and glance under one address."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status: dict[str, int] = {}
        """First word of a path → the status of every answer."""
        self.networks = {"n1": MARK, "n2": "of another program"}
        self.calls: list[tuple[str, str, Any]] = []
        self.tokens = 0
        self.page = ""
        """What a proxy answers in place of a service."""
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Cloud

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _serve(self) -> None:
        cloud, parts = self.server, urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        cloud.calls.append((self.command, self.path, body))
        word = parts.path.split("/")[1]
        status, answer = cloud.status.get(word, 200), self._answer(parts.path, parse_qs(parts.query), body)
        if word != "v3" and self.headers["X-Auth-Token"] != f"token{cloud.tokens}":
            status = 401
        self.send_response(status)
        if word == "v3":
            self.send_header("X-Subject-Token", f"token{cloud.tokens}")
        if status == 302:
            self.send_header("Location", f"{cloud.url}/elsewhere")
        self.end_headers()
        text = json.dumps(answer) if word == "v3" or not cloud.page else cloud.page
        self.wfile.write(text.encode() if status == 200 else b"<html>hunter2</html>")

    def _answer(self, path: str, query: dict[str, list[str]], body: Any) -> Any:
        cloud = self.server
        if path == "/v3/auth/tokens":
            assert body["auth"]["identity"]["password"]["user"]["password"] == "hunter2"
            cloud.tokens += 1
            return {"token": {"catalog": [
                {"type": type_, "endpoints": [
                    {"interface": "internal", "region_id": "regionOne", "url": "http://127.0.0.1:1"},
                    {"interface": "public", "region_id": "regionOne", "url": cloud.url + at},
                ]} for type_, at in PATHS.items()
            ]}}  # fmt: skip
        if path == "/network/v2.0/networks":
            wanted = query["description"][0]
            return {"networks": [{"id": i, "description": d} for i, d in cloud.networks.items() if d == wanted]}
        if self.command == "DELETE":
            cloud.networks.pop(path.rpartition("/")[2], None)
        return {}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    yield cloud
    cloud.shutdown()
    cloud.server_close()


@pytest.fixture
def api(cloud: Cloud) -> CloudApi:
    return CloudApi(Login(f"{cloud.url}/v3", "admin", "hunter2", "admin", "Default", "Default", "regionOne"))


def networks() -> Search:
    found = search("openstack:networking/network:Network", {"description": MARK})
    assert found
    return found


def test_objects_are_found_by_their_mark_and_deleted(cloud: Cloud, api: CloudApi) -> None:
    (made,) = networks().find(api)
    assert made.id == "n1"
    made.kind.delete(api, made)
    assert networks().find(api) == []
    assert cloud.networks == {"n2": "of another program"}
    assert cloud.tokens == 1, "one login serves all requests"


def test_an_expired_token_is_renewed(cloud: Cloud, api: CloudApi) -> None:
    assert [found.id for found in networks().find(api)] == ["n1"]
    cloud.tokens += 1
    assert [found.id for found in networks().find(api)] == ["n1"]


def test_an_object_that_is_gone_counts_as_deleted(cloud: Cloud, api: CloudApi) -> None:
    (made,) = networks().find(api)
    cloud.status["network"] = 404
    made.kind.delete(api, made)
    cloud.status["network"] = 409
    with pytest.raises(RefusedRequestError, match="status 409"):
        made.kind.delete(api, made)


def test_a_router_interface_is_detached(cloud: Cloud, api: CloudApi) -> None:
    inputs = {"routerId": "r", "subnetId": "s"}
    found = search("openstack:networking/routerInterface:RouterInterface", inputs)
    assert found
    found.kind.delete(api, CloudObject(found.kind, {"id": "p", "device_id": "r"}))
    assert cloud.calls[-1] == ("PUT", "/network/v2.0/routers/r/remove_router_interface", {"port_id": "p"})


def test_all_services_answer(cloud: Cloud, api: CloudApi) -> None:
    cloud.status = {"compute": 300, "image": 401}
    assert api.silent() == []
    assert [path for _, path, _ in cloud.calls[1:]] == ["/compute/", "/network/", "/image/"], "without their versions"


@pytest.mark.parametrize("status", [500, 503])
def test_a_service_that_fails_is_named(cloud: Cloud, api: CloudApi, status: int) -> None:
    cloud.status = {"network": status}
    assert api.silent() == [f"neutron answers with status {status}"]
    with pytest.raises(OutageError, match="neutron") as error:
        networks().find(api)
    assert not isinstance(error.value, NoAnswerError), "something answers"
    cloud.status = {"v3": status}
    assert api.silent() == [f"keystone answers with status {status}"]


def test_a_service_that_refuses_the_connection_is_named(cloud: Cloud, api: CloudApi, monkeypatch: Any) -> None:
    monkeypatch.setitem(PATHS, "image", ":1/image")  # makes the port's number invalid
    assert [line.partition(" (")[0] for line in api.silent()] == ["glance does not answer"]
    cloud.shutdown()
    cloud.server_close()
    assert api.silent() == ["keystone does not answer (Connection refused)"]


def test_a_refused_login_is_reported_without_the_password(cloud: Cloud, api: CloudApi) -> None:
    cloud.status = {"v3": 401}
    with pytest.raises(RefusedRequestError, match=r"keystone.*status 401") as error:
        api.silent()
    assert "hunter2" not in str(error.value)


def test_the_login_names_user_project_and_domains(cloud: Cloud, api: CloudApi) -> None:
    api.log_in()
    ((_, _, body),) = cloud.calls
    user = {"name": "admin", "password": "hunter2", "domain": {"name": "Default"}}
    assert body["auth"]["identity"]["password"]["user"] == user
    assert body["auth"]["scope"] == {"project": {"name": "admin", "domain": {"name": "Default"}}}


def test_a_service_that_the_catalogue_lacks_is_named(cloud: Cloud, api: CloudApi, monkeypatch: Any) -> None:
    monkeypatch.delitem(PATHS, "network")
    with pytest.raises(CloudError, match="no public endpoint of type network in regionOne"):
        networks().find(api)


def test_a_redirect_is_refused(cloud: Cloud, api: CloudApi) -> None:
    """Else the token would be sent to the address in it."""
    cloud.status["network"] = 302
    with pytest.raises(RefusedRequestError, match="status 302"):
        networks().find(api)


def test_the_page_of_a_proxy_is_no_answer_of_the_service(cloud: Cloud, api: CloudApi) -> None:
    cloud.page = "<html>"
    with pytest.raises(OutageError, match="neutron answers with no JSON"):
        networks().find(api)


def test_certificates_are_verified_unless_the_login_says_otherwise(tmp_path: Path) -> None:
    with serving(*authority(tmp_path), lambda _request: Answer(status=401)) as server:
        login = Login(f"https://127.0.0.1:{server.port}", "admin", "hunter2", "admin")
        with pytest.raises(NoAnswerError, match="certificate verify failed"):
            CloudApi(login).log_in()
        assert server.requests == [], "the password is not sent"
        for trusting in (replace(login, ca_file=str(server.ca_file)), replace(login, insecure=True)):
            with pytest.raises(RefusedRequestError, match="status 401"):
                CloudApi(trusting).log_in()


def test_waiting_ends() -> None:
    answers = iter([False, False, True])
    wait(lambda: next(answers), "never", (0.0, 0.0))
    with pytest.raises(CloudError, match="it is still there after 0 s"):
        wait(lambda: False, "it is still there", (0.0, 0.0), limit=0.0)
