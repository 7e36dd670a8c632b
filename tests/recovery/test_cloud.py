"""Calls to OpenStack's APIs, against a small server that answers like keystone, nova, neutron and glance."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from recovery.cloud import Cloud, CloudError, wait
from recovery.kinds import BY_TYPE, CloudObject
from recovery.state import Resource
from tests.recovery.build import FLAVOR, IMAGE, INTERFACE, KEYPAIR, NETWORK, SERVER, secret


class Fake(BaseHTTPRequestHandler):
    """Answers from `answers`, and keeps what was sent in `seen`."""

    answers: dict[str, tuple[int, Any]]
    seen: list[tuple[str, str, Any, dict[str, str]]]
    url: str

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        self.seen.append((self.command, self.path, body, dict(self.headers)))
        status, answer = self.answers.get(f"{self.command} {self.path}", (404, {"itemNotFound": {"message": "gone"}}))
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("X-Subject-Token", "t0k3n")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[type[Fake]]:
    class Handler(Fake):
        answers: dict[str, tuple[int, Any]] = {}
        seen: list[tuple[str, str, Any, dict[str, str]]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{http.server_port}"
        Handler.url = url
        catalog = [
            {"type": kind, "endpoints": [{"interface": "public", "region": "regionOne", "url": f"{url}/{path}"}]}
            for kind, path in (("compute", "nova/v2.1"), ("network", "neutron"), ("image", "glance"))
        ]
        Handler.answers["POST /v3/auth/tokens"] = (201, {"token": {"catalog": catalog}})
        yield Handler
        http.shutdown()
        thread.join()


def provider(server: type[Fake]) -> Resource:
    url = server.url
    inputs = {"authUrl": url, "userName": secret("admin"), "password": secret("s3cr3t"), "region": secret("regionOne")}
    return Resource({"urn": "x", "type": "pulumi:providers:openstack", "inputs": {**inputs, "tenantName": "admin"}})


@pytest.fixture
def cloud(server: type[Fake]) -> Cloud:
    return Cloud(provider(server))


def test_the_login_uses_the_provider_s_inputs(server: type[Fake], cloud: Cloud) -> None:
    (_, _, body, _) = server.seen[0]
    user = {"name": "admin", "password": "s3cr3t", "domain": {"name": "Default"}}
    assert body["auth"]["identity"]["password"]["user"] == user
    assert body["auth"]["scope"] == {"project": {"name": "admin", "domain": {"name": "Default"}}}


def test_every_page_is_read(server: type[Fake], cloud: Cloud) -> None:
    server.answers["GET /glance/v2/images"] = (200, {"images": [{"id": "1"}], "next": "/glance/v2/images?marker=1"})
    server.answers["GET /glance/v2/images?marker=1"] = (200, {"images": [{"id": "2"}]})
    assert [each.id for each in BY_TYPE[IMAGE].list(cloud)] == ["1", "2"]
    url = server.url
    page = {"servers": [{"id": "1"}], "servers_links": [{"rel": "next", "href": f"{url}/nova/more"}]}
    server.answers["GET /nova/v2.1/servers/detail"] = (200, page)
    server.answers["GET /nova/more"] = (200, {"servers": [{"id": "2"}]})
    assert [each.id for each in BY_TYPE[SERVER].list(cloud)] == ["1", "2"]


def test_flavors_are_asked_for_their_description(server: type[Fake], cloud: Cloud) -> None:
    """Nova shows it from microversion 2.55 on, and lists private flavors with is_public=None only."""
    flavors = {"flavors": [{"id": "f", "description": "rack 1a2b3c4d tenant-flavor"}]}
    server.answers["GET /nova/v2.1/flavors/detail?is_public=None"] = (200, flavors)
    (flavor,) = BY_TYPE[FLAVOR].list(cloud)
    assert str(flavor.mark) == "rack 1a2b3c4d tenant-flavor"
    assert server.seen[-1][3]["X-OpenStack-Nova-API-Version"] == "2.55"


def test_key_pairs_are_unwrapped(server: type[Fake], cloud: Cloud) -> None:
    server.answers["GET /nova/v2.1/os-keypairs"] = (200, {"keypairs": [{"keypair": {"name": "rack"}}]})
    assert [each.id for each in BY_TYPE[KEYPAIR].list(cloud)] == ["rack"]


def test_a_deletion_uses_the_object_s_path_and_may_repeat(server: type[Fake], cloud: Cloud) -> None:
    for type_, path in ((NETWORK, "/neutron/v2.0/networks/n"), (FLAVOR, "/nova/v2.1/flavors/n")):
        BY_TYPE[type_].delete(cloud, CloudObject(BY_TYPE[type_], {"id": "n"}))  # The server answers 404.
        assert server.seen[-1][:2] == ("DELETE", path)


def test_a_router_interface_is_removed_from_its_router(server: type[Fake], cloud: Cloud) -> None:
    server.answers["PUT /neutron/v2.0/routers/r/remove_router_interface"] = (200, {})
    kind = BY_TYPE[INTERFACE]
    kind.delete(cloud, CloudObject(kind, {"id": "p", "device_id": "r"}))
    assert server.seen[-1][1:3] == ("/neutron/v2.0/routers/r/remove_router_interface", {"port_id": "p"})


def test_a_server_is_deleted_before_its_ports_are(server: type[Fake], cloud: Cloud) -> None:
    kind = BY_TYPE[SERVER]
    kind.delete(cloud, CloudObject(kind, {"id": "s"}))
    assert [each[:2] for each in server.seen[-2:]] == [
        ("DELETE", "/nova/v2.1/servers/s"),
        ("GET", "/nova/v2.1/servers/s"),
    ]


def test_a_refusal_names_call_and_reason(server: type[Fake], cloud: Cloud) -> None:
    conflict = {"NeutronError": {"type": "NetworkInUse", "message": "There are ports in use on network n."}}
    server.answers["DELETE /neutron/v2.0/networks/n"] = (409, conflict)
    with pytest.raises(CloudError, match=r"DELETE 127.0.0.1:\d+/neutron/v2.0/networks/n: 409 There are ports in use"):
        BY_TYPE[NETWORK].delete(cloud, CloudObject(BY_TYPE[NETWORK], {"id": "n"}))


def test_a_failed_login_shows_no_password(server: type[Fake]) -> None:
    server.answers["POST /v3/auth/tokens"] = (401, {"error": {"message": "The request requires authentication."}})
    with pytest.raises(CloudError, match="401 The request requires authentication") as failure:
        Cloud(provider(server))
    assert "s3cr3t" not in str(failure.value)


def test_a_cloud_that_does_not_answer_is_an_error() -> None:
    inputs = {"authUrl": "http://127.0.0.1:1", "password": "s3cr3t"}
    with pytest.raises(CloudError, match=r"POST 127.0.0.1:1/v3/auth/tokens: no answer \(ConnectionError\)"):
        Cloud(Resource({"urn": "x", "type": "t", "inputs": inputs}))


def test_waiting_ends() -> None:
    answers = iter([False, False, True])
    wait(lambda: next(answers), "never", (0.0, 0.0))
    with pytest.raises(CloudError, match="it is still there after 0 s"):
        wait(lambda: False, "it is still there", (0.0, 0.0), limit=0.0)
