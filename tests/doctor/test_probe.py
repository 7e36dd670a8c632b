"""The probe against servers on loopback: what answers, what does not, what answers wrongly."""

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.hosts.management import Bmc, name_server, time_server
from onhost import probe, shipping
from onhost.questions import BmcQuestion, HttpQuestion, ShellQuestion, TcpQuestion, encode_questions
from tests.providers.conftest import Start, ca, start  # noqa: F401
from tests.providers.server import Answer

Reply = Callable[[bytes], bytes]


@pytest.fixture(autouse=True)
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "SECONDS", 2)


@contextmanager
def udp(reply: Reply) -> Iterator[int]:
    """A server of datagrams; an empty reply is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                message, client = server.recvfrom(4096)
                if message == b"end":
                    return
                if answer := reply(message):
                    server.sendto(answer, client)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"end", server.getsockname())
        thread.join()


def bmc(suites: tuple[int, ...]) -> Bmc:
    return Bmc(lambda: ("admin", "calvin"), suites)


@pytest.mark.parametrize("suites", [(1,), (3,), (1, 3)])
def test_the_login_of_a_bmc(suites: tuple[int, ...]) -> None:
    with udp(bmc(suites)) as port:
        assert probe.bmc("127.0.0.1", "admin", "calvin", port)[0]
        assert probe.bmc("127.0.0.1", "admin", "wrong", port) == (False, "the password of admin is wrong")
        assert probe.bmc("127.0.0.1", "root", "calvin", port) == (False, "it has no administrator root")


def test_a_bmc_that_cannot_be_used() -> None:
    with udp(bmc(())) as port:
        assert probe.bmc("127.0.0.1", "admin", "calvin", port)[1] == "it supports neither of the cipher suites 3 and 17"
    with udp(lambda _message: b"what?") as port:
        asked = BmcQuestion("b", "127.0.0.1", "a", "p", port)
        assert probe.ask(asked) == {"ok": False, "text": "it does not speak IPMI 2.0"}
    with udp(lambda _message: b"") as port:
        assert probe.ask(asked._replace(port=port)) == {"ok": False, "text": "no answer"}


def test_dns_and_ntp() -> None:
    with udp(name_server) as port:
        assert probe.dns("127.0.0.1", "localhost", port) == (True, "it answers")
    with udp(time_server) as port:
        assert probe.ntp("127.0.0.1", port) == (True, "stratum 2")
    for stratum, good in ((2, True), (16, False), (0, False)):
        with udp(lambda _message, stratum=stratum: bytes([0x24, stratum]) + bytes(46)) as port:  # type: ignore[misc]
            assert probe.ntp("127.0.0.1", port) == (good, f"stratum {stratum}")


def test_a_lost_datagram_is_sent_again() -> None:
    seen: list[bytes] = []

    def second(message: bytes) -> bytes:
        seen.append(message)
        return bytes([0x24, 2]) + bytes(46) if len(seen) == 2 else b""

    with udp(second) as port:
        assert probe.ntp("127.0.0.1", port)[0]


def test_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert probe.tcp("127.0.0.1", [1, port]) == (True, str(port))
    assert not probe.tcp("127.0.0.1", [1, port])[0]


def test_http_and_its_certificate(start: Start) -> None:  # noqa: F811
    _, server = start(lambda request: Answer(401 if request.path == "/v2/" else 404))
    url, authority = f"https://127.0.0.1:{server.port}", server.ca_file.read_text()
    assert probe.http(f"{url}/v2/", (200, 401), authority) == (True, "status 401")
    assert probe.http(f"{url}/repodata", (200,), authority) == (False, "status 404")
    assert probe.http(f"{url}/v2/", (200, 401), insecure=True)[0]
    with pytest.raises(urllib.error.URLError):
        probe.http(f"{url}/v2/", (200, 401))
    answer = probe.ask(HttpQuestion("r", f"{url}/v2/", [401]))
    assert not answer["ok"]
    assert "certificate verify failed" in answer["text"]
    assert probe.http("file:///etc/passwd", (200,)) == (False, "not a URL of HTTP")


def test_the_shipped_program_answers_every_question(tmp_path: Path) -> None:
    """Another user than root has a sudo that changes nothing, so that the test runs for every user."""
    (tmp_path / "sudo").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    questions = encode_questions(
        [
            ShellQuestion("good", "echo found"),
            ShellQuestion("bad", "echo out; echo why >&2; exit 3"),
            TcpQuestion("down", "127.0.0.1", [1]),
        ]
    )
    command = [sys.executable, "-c", shipping.program("probe")]
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, input=questions, capture_output=True, text=True, check=True, env=env)
    answers = json.loads(done.stdout)
    assert answers["good"] == {"ok": True, "text": "found"}
    assert answers["bad"] == {"ok": False, "text": "why"}
    assert not answers["down"]["ok"]
