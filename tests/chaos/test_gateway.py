"""The gateway forwards requests unchanged, and loses the answers that it is told to lose."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from tests.chaos.gateway import Gateway


class Service(BaseHTTPRequestHandler):
    """Repeats what it receives."""

    protocol_version = "HTTP/1.1"
    received: list[tuple[str, str, bytes]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.received.append((self.path, self.headers["X-Auth-Token"], body))
        self.send_response(201)
        self.send_header("X-Openstack-Request-Id", "req-1")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"made")

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def target() -> Iterator[str]:
    Service.received.clear()
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v2.1"
    server.shutdown()
    server.server_close()


@pytest.fixture
def lost() -> list[tuple[str, str, int]]:
    return []


@pytest.fixture
def gateway(target: str, lost: list[tuple[str, str, int]]) -> Iterator[Gateway]:
    def lose(method: str, path: str, status: int) -> bool:
        lost.append((method, path, status))
        return path.endswith("/ports")

    made = Gateway("network", target, lose)
    yield made
    made.close()


def test_a_request_and_its_answer_pass_unchanged(gateway: Gateway) -> None:
    answer = requests.post(f"{gateway.url}/networks?x=1", data=b"body", headers={"X-Auth-Token": "t"}, timeout=10)
    assert (answer.status_code, answer.content, answer.headers["X-Openstack-Request-Id"]) == (201, b"made", "req-1")
    assert Service.received == [("/v2.1/networks?x=1", "t", b"body")]


def test_a_chunked_request_passes(gateway: Gateway) -> None:
    answer = requests.post(
        f"{gateway.url}/file", data=iter([b"a" * 9, b"b"]), headers={"X-Auth-Token": "t"}, timeout=10
    )
    assert answer.status_code == 201
    assert Service.received[0][2] == b"aaaaaaaaab"


def test_a_request_whose_answer_is_lost_has_been_carried_out(
    gateway: Gateway, lost: list[tuple[str, str, int]]
) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{gateway.url}/ports", data=b"", headers={"X-Auth-Token": "t"}, timeout=10)
    assert len(Service.received) == 1
    assert lost == [("POST", "/v2.1/ports", 201)]
