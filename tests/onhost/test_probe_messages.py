"""What the probe sends, byte by byte, and how it reads answers; no socket is opened."""

import hashlib
import hmac
import io
import json
import os
import socket
import struct
import subprocess
import sys
import urllib.error
from collections.abc import Sequence
from typing import Any

import pytest

from onhost import probe
from onhost.questions import ShellQuestion, TcpQuestion, encode_questions


class Peer:
    """Stands in for the network: records what is asked and gives the answers in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: bytes) -> None:
        self.asked, self.answers = list[tuple[str, int, bytes]](), list(answers)
        monkeypatch.setattr(probe, "_ask", self.ask)

    def ask(self, host: str, port: int, message: bytes) -> bytes:
        self.asked.append((host, port, message))
        return self.answers.pop(0)


# -- DNS (RFC 1035, 4.1) and NTP (RFC 5905, 7.3)


def test_a_name_server_is_asked_for_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer(monkeypatch, b"\x12\x34\x81\x80", b"\x12\x35\x81\x80")
    assert probe.dns("ns", "a.example") == (True, "it answers")
    header = struct.pack(">6H", 0x1234, 0x0100, 1, 0, 0, 0)
    question = b"\x01a\x07example\x00" + struct.pack(">2H", 1, 1)
    assert peer.asked == [("ns", 53, header + question)], "recursion desired, one question: type A, class IN"
    assert not probe.dns("ns", "a.example")[0], "the answer to another question"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (bytes([0x24, 1]) + bytes(46), (True, "stratum 1")),
        (bytes([0x24, 15]) + bytes(46), (True, "stratum 15")),
        (bytes([0x24, 16]) + bytes(46), (False, "stratum 16")),
        (bytes([0x24, 2]) + bytes(45), (False, "stratum 0")),  # too short for NTP
    ],
)
def test_a_time_server_must_be_synchronised(
    monkeypatch: pytest.MonkeyPatch, answer: bytes, found: tuple[bool, str]
) -> None:
    peer = Peer(monkeypatch, answer)
    assert probe.ntp("clock") == found
    assert peer.asked == [("clock", 123, bytes([0x23]) + bytes(47))], "version 4, mode 3: client"


# -- IPMI 2.0, 13.6 (RMCP+), 13.17 (Open Session) and 13.20 (RAKP)


def rmcp(kind: int, payload: bytes) -> bytes:
    return b"\x06\x00\xff\x07" + bytes([6, kind]) + bytes(8) + struct.pack("<H", len(payload)) + payload


def opening(authentication: int, integrity: int) -> bytes:
    """An Open Session Request: no privilege, our session ID, and the three algorithms; the last encrypts."""
    chosen = [(0, authentication), (1, integrity), (2, 1)]
    return rmcp(0x10, bytes(4) + b"rack" + b"".join(bytes([kind, 0, 0, 8, n, 0, 0, 0]) for kind, n in chosen))


OPENED = rmcp(0x11, bytes([0, 0, 4, 0]) + b"rack" + b"bmc!" + bytes(24))
NO_SUITE = rmcp(0x11, bytes([0, 0x11, 4, 0]) + bytes(32))


def signed(user: bytes, password: bytes, digest: Any) -> bytes:
    """RAKP message 2 to a challenge of 16 times C."""
    random_and_guid = bytes(range(32))
    text = b"rack" + b"bmc!" + 16 * b"C" + random_and_guid + b"\x14" + bytes([len(user)]) + user
    return rmcp(0x13, bytes(4) + b"rack" + random_and_guid + hmac.new(password, text, digest).digest())


@pytest.mark.parametrize(("suites", "digest"), [([], hashlib.sha1), ([NO_SUITE], hashlib.sha256)])
def test_a_bmc_proves_the_password_with_the_first_suite_that_it_has(
    monkeypatch: pytest.MonkeyPatch, suites: list[bytes], digest: Any
) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: size * b"C")
    peer = Peer(monkeypatch, *suites, OPENED, signed(b"admin", b"secret", digest))
    assert probe.bmc("bmc", "admin", "secret")[0]
    hello = rmcp(0x12, bytes(4) + b"bmc!" + 16 * b"C" + b"\x14\0\0\x05admin")
    openings = [opening(1, 1), opening(3, 4)][: len(suites) + 1]
    assert peer.asked == [("bmc", 623, message) for message in (*openings, hello)]


def test_another_password_signs_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: size * b"C")
    Peer(monkeypatch, OPENED, signed(b"admin", b"other", hashlib.sha1))
    assert probe.bmc("bmc", "admin", "secret") == (False, "the password of admin is wrong")


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([NO_SUITE, NO_SUITE], "it supports neither of the cipher suites 3 and 17"),
        ([rmcp(0x11, bytes([0, 1]) + bytes(34))], "it refuses a session with status 0x01"),
        ([OPENED, rmcp(0x13, bytes([0, 0x0D]) + bytes(6))], "it has no administrator admin"),
        ([OPENED, rmcp(0x13, bytes([0, 2]) + bytes(6))], "it refuses the login with status 0x02"),
    ],
)
def test_a_refusal_is_named(monkeypatch: pytest.MonkeyPatch, answers: list[bytes], problem: str) -> None:
    Peer(monkeypatch, *answers)
    assert probe.bmc("bmc", "admin", "secret") == (False, problem)


@pytest.mark.parametrize("answer", [rmcp(0x11, bytes(7)), rmcp(0x13, bytes(40)), b""])
def test_an_answer_that_is_too_short_or_of_another_kind_is_no_ipmi(
    monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    Peer(monkeypatch, answer)
    with pytest.raises(OSError, match=r"it does not speak IPMI 2\.0"):
        probe.bmc("bmc", "admin", "secret")


def test_the_shortest_answer_has_eight_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    Peer(monkeypatch, rmcp(0x11, bytes([0, 1]) + bytes(6)))
    assert probe.bmc("bmc", "admin", "secret") == (False, "it refuses a session with status 0x01")


# -- datagrams and connections


class Socket:
    """A socket of datagrams that answers the request with number `answered`."""

    def __init__(self, answered: int) -> None:
        self.answered, self.calls = answered, list[Any]()

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, *_: object) -> None:
        self.calls.append("closed")

    def settimeout(self, seconds: float) -> None:
        self.calls.append(seconds)

    def connect(self, address: tuple[str, int]) -> None:
        self.calls.append(address)

    def send(self, message: bytes) -> None:
        self.calls.append(message)

    def recv(self, size: int) -> bytes:
        if self.calls.count(b"?") < self.answered:
            raise TimeoutError("timed out")
        return b"!" if size >= 4096 else b""


@pytest.mark.parametrize("answered", [1, 2])
def test_a_datagram_is_sent_twice_at_most(monkeypatch: pytest.MonkeyPatch, answered: int) -> None:
    peer = Socket(answered)
    monkeypatch.setattr(socket, "socket", lambda family, kind: peer if kind == socket.SOCK_DGRAM else None)
    assert probe._ask("host", 5, b"?") == b"!"
    assert peer.calls == [2, ("host", 5), *[b"?"] * answered, "closed"]


def test_no_answer_to_the_second_datagram_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Socket(3)
    monkeypatch.setattr(socket, "socket", lambda *_: peer)
    with pytest.raises(OSError, match=r"\Ano answer\Z"):
        probe._ask("host", 5, b"?")
    assert peer.calls.count(b"?") == 2


def test_the_first_port_that_accepts_is_found_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def connect(address: tuple[str, int], seconds: float) -> io.BytesIO:
        asked.append((address, seconds))
        if address[1] != 22:
            raise OSError(f"{address[1]} is closed")
        return io.BytesIO()

    monkeypatch.setattr(socket, "create_connection", connect)
    assert probe.tcp("host", [2222, 22, 80, 81]) == (True, "22")
    assert asked == [(("host", 2222), 2), (("host", 22), 2)], "a quarter of eight seconds each"
    assert probe.tcp("host", [1, 2]) == (False, "2 is closed")


# -- scripts


def test_a_script_runs_as_root_and_ends_after_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    results = [(0, b"out \n", b"noise"), (3, b"out", b" why\n"), (3, b"out \xff", b"")]

    def run(words: list[str], **options: Any) -> Any:
        calls.append((words, options["input"], options["timeout"]))
        return subprocess.CompletedProcess(words, *results[len(calls) - 1])

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert probe.shell("true") == (True, "out")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert probe.shell("true") == (False, "why")
    assert probe.shell("true") == (False, "out \ufffd"), "a script may print its reason on standard output"
    assert calls == [(["sh", "-s"], b"true", 32), *[(["sudo", "-n", "sh", "-s"], b"true", 32)] * 2]


# -- questions


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError("unreachable"), "unreachable"),
        (urllib.error.URLError("no such host"), "no such host"),
        (subprocess.TimeoutExpired("sh", 32), "Command 'sh' timed out after 32 seconds"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_what_cannot_be_reached_is_not_ok(monkeypatch: pytest.MonkeyPatch, error: Exception, text: str) -> None:
    def fail(host: str, ports: Sequence[int]) -> Any:
        assert (host, ports) == ("h", [22])
        raise error

    monkeypatch.setitem(probe.ANSWERS, TcpQuestion, fail)
    assert probe.ask(TcpQuestion("a", "h", [22])) == {"ok": False, "text": text}


def test_a_long_text_is_shown_by_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(probe.ANSWERS, ShellQuestion, lambda script: (True, "x" + 2000 * "y"))
    assert probe.ask(ShellQuestion("a", "")) == {"ok": True, "text": 2000 * "y"}


@pytest.mark.parametrize("count", [0, 2])
def test_every_question_is_answered_by_its_id(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    monkeypatch.setitem(probe.ANSWERS, TcpQuestion, lambda host, _: (host == "0", host))
    questions = encode_questions([TcpQuestion(f"q{n}", str(n), [22]) for n in range(count)])
    monkeypatch.setattr(sys, "stdin", io.StringIO(questions))
    assert probe.main() == 0
    assert json.loads(capsys.readouterr().out) == {f"q{n}": {"ok": n == 0, "text": str(n)} for n in range(count)}
