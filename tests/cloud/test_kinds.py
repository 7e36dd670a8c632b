"""How each kind of objects is listed, found and deleted, against a server like keystone, nova, neutron and glance."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import pytest

from cloud.client import CloudApi, CloudError, Login
from cloud.kinds import BY_TYPE, CloudObject, Search, search
from rack.owner import Mark
from tests.recovery.build import ASSOCIATION, FLAVOR, IMAGE, INTERFACE, KEYPAIR, NETWORK, SERVER

MARK = str(Mark("0a1b2c3d", "tenant-network"))


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
            {"type": kind, "endpoints": [{"interface": "public", "region_id": "regionOne", "url": f"{url}/{path}"}]}
            for kind, path in (("compute", "nova/v2.1"), ("network", "neutron"), ("image", "glance"))
        ]
        Handler.answers["POST /v3/auth/tokens"] = (201, {"token": {"catalog": catalog}})
        yield Handler
        http.shutdown()
        thread.join()


@pytest.fixture
def cloud(server: type[Fake]) -> CloudApi:
    return CloudApi(Login(server.url, "admin", "s3cr3t", "admin"))


def test_every_page_is_read(server: type[Fake], cloud: CloudApi) -> None:
    server.answers["GET /glance/v2/images"] = (200, {"images": [{"id": "1"}], "next": "/glance/v2/images?marker=1"})
    server.answers["GET /glance/v2/images?marker=1"] = (200, {"images": [{"id": "2"}]})
    assert [each.id for each in BY_TYPE[IMAGE].objects(cloud)] == ["1", "2"]
    url = server.url
    page = {"servers": [{"id": "1"}], "servers_links": [{"rel": "next", "href": f"{url}/nova/more"}]}
    server.answers["GET /nova/v2.1/servers/detail"] = (200, page)
    server.answers["GET /nova/more"] = (200, {"servers": [{"id": "2"}]})
    assert [each.id for each in BY_TYPE[SERVER].objects(cloud)] == ["1", "2"]


def test_flavors_are_asked_for_their_description(server: type[Fake], cloud: CloudApi) -> None:
    """Nova shows it from microversion 2.55 on, and lists private flavors with is_public=None only."""
    flavors = {"flavors": [{"id": "f", "description": "rack 1a2b3c4d tenant-flavor"}]}
    server.answers["GET /nova/v2.1/flavors/detail?is_public=None"] = (200, flavors)
    (flavor,) = BY_TYPE[FLAVOR].objects(cloud)
    assert str(flavor.mark) == "rack 1a2b3c4d tenant-flavor"
    assert server.seen[-1][3]["Openstack-Api-Version"] == "compute 2.60"


def test_key_pairs_are_unwrapped(server: type[Fake], cloud: CloudApi) -> None:
    server.answers["GET /nova/v2.1/os-keypairs"] = (200, {"keypairs": [{"keypair": {"name": "rack"}}]})
    assert [each.id for each in BY_TYPE[KEYPAIR].objects(cloud)] == ["rack"]


def test_a_deletion_uses_the_object_s_path_and_may_repeat(server: type[Fake], cloud: CloudApi) -> None:
    for type_, path in ((NETWORK, "/neutron/v2.0/networks/n"), (FLAVOR, "/nova/v2.1/flavors/n")):
        BY_TYPE[type_].delete(cloud, CloudObject(BY_TYPE[type_], {"id": "n"}))  # The server answers 404.
        assert server.seen[-1][:2] == ("DELETE", path)


def test_a_router_interface_is_removed_from_its_router(server: type[Fake], cloud: CloudApi) -> None:
    server.answers["PUT /neutron/v2.0/routers/r/remove_router_interface"] = (200, {})
    kind = BY_TYPE[INTERFACE]
    kind.delete(cloud, CloudObject(kind, {"id": "p", "device_id": "r"}))
    assert server.seen[-1][1:3] == ("/neutron/v2.0/routers/r/remove_router_interface", {"port_id": "p"})


def test_a_server_is_deleted_before_its_ports_are(server: type[Fake], cloud: CloudApi) -> None:
    kind = BY_TYPE[SERVER]
    kind.delete(cloud, CloudObject(kind, {"id": "s"}))
    assert [each[:2] for each in server.seen[-2:]] == [
        ("DELETE", "/nova/v2.1/servers/s"),
        ("GET", "/nova/v2.1/servers/s"),
    ]


def test_a_refusal_names_call_and_reason(server: type[Fake], cloud: CloudApi) -> None:
    conflict = {"NeutronError": {"type": "NetworkInUse", "message": "There are ports in use on network n."}}
    server.answers["DELETE /neutron/v2.0/networks/n"] = (409, conflict)
    with pytest.raises(
        CloudError,
        match=r"DELETE 127.0.0.1:\d+/neutron/v2.0/networks/n: .* status 409: There are ports in use",
    ):
        BY_TYPE[NETWORK].delete(cloud, CloudObject(BY_TYPE[NETWORK], {"id": "n"}))


def found_by(search_: Search | None, cloud: CloudApi) -> list[str]:
    """Return the IDs of the objects that a create may have made."""
    assert search_
    return [each.id for each in search_.find(cloud)]


@pytest.mark.parametrize(
    "kind", ["network:Network", "subnet:Subnet", "port:Port", "router:Router", "floatingIp:FloatingIp"]
)
def test_neutron_objects_are_found_by_their_mark(server: type[Fake], cloud: CloudApi, kind: str) -> None:
    type_ = f"openstack:networking/{kind}"
    items = BY_TYPE[type_].path.strip("/")
    url = f"GET /neutron/v2.0/{items}?{urlencode({'description': MARK})}"
    server.answers[url] = (200, {items: [{"id": "1", "description": MARK}, {"id": "2", "description": f"{MARK}2"}]})
    assert found_by(search(type_, {"name": "n", "description": MARK}), cloud) == ["1"]
    assert search(type_, {"name": "n", "description": "of another program"}) is None


def test_servers_and_images_are_found_by_their_mark(server: type[Fake], cloud: CloudApi) -> None:
    servers = [{"id": "1", "metadata": {"rack_owner": MARK}}, {"id": "2", "metadata": {}}]
    server.answers["GET /nova/v2.1/servers/detail"] = (200, {"servers": servers})
    assert found_by(search(SERVER, {"name": "vm1", "metadata": {"rack_owner": MARK}}), cloud) == ["1"]
    images = [{"id": "1", "rack_owner": MARK}, {"id": "2", "rack_owner": "rack 00000000 tenant-network"}]
    server.answers["GET /glance/v2/images?name=centos"] = (200, {"images": images})
    assert found_by(search(IMAGE, {"name": "centos", "properties": {"rack_owner": MARK}}), cloud) == ["1"]
    assert search(SERVER, {"name": "vm1"}) is None
    assert search(IMAGE, {"name": "centos"}) is None


def test_flavors_and_key_pairs_are_found_by_their_unique_names(server: type[Fake], cloud: CloudApi) -> None:
    """Nova refuses a second flavor, and a second key pair, of the same name."""
    flavors = {"flavors": [{"id": "1", "name": "m1.gpu"}, {"id": "2", "name": "m1.gpu2"}]}
    server.answers["GET /nova/v2.1/flavors/detail?is_public=None"] = (200, flavors)
    assert found_by(search(FLAVOR, {"name": "m1.gpu"}), cloud) == ["1"]
    pairs = {"keypairs": [{"keypair": {"name": "gpu"}}, {"keypair": {"name": "gpu2"}}]}
    server.answers["GET /nova/v2.1/os-keypairs"] = (200, pairs)
    assert found_by(search(KEYPAIR, {"name": "gpu"}), cloud) == ["gpu"]


def test_a_router_interface_is_a_port_of_the_router_on_the_subnet(server: type[Fake], cloud: CloudApi) -> None:
    port = {"device_owner": "network:router_interface", "device_id": "r", "fixed_ips": [{"subnet_id": "s"}]}
    query = urlencode({"device_id": "r", "fixed_ips": "subnet_id=s"})
    ports = [{"id": "1", **port}, {"id": "2", **port, "device_owner": "network:dhcp"}]
    server.answers[f"GET /neutron/v2.0/ports?{query}"] = (200, {"ports": ports})
    assert found_by(search(INTERFACE, {"routerId": "r", "subnetId": "s"}), cloud) == ["1"]


def test_other_types_cannot_be_found() -> None:
    """A repeated association has no second effect, so it needs no search."""
    assert search("openstack:networking/secGroup:SecGroup", {"name": "s"}) is None
    assert search(ASSOCIATION, {"floatingIp": "10.0.0.151", "portId": "p"}) is None


def test_a_deletion_without_waiting_only_sends_the_request(server: type[Fake], cloud: CloudApi) -> None:
    kind = BY_TYPE[SERVER]
    kind.delete(cloud, CloudObject(kind, {"id": "s"}), wait=False)
    assert server.seen[-1][:2] == ("DELETE", "/nova/v2.1/servers/s")
