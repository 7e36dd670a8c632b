"""The REST client's limits, pauses and reading of statuses, on a network that this test imitates."""

import json
import threading
from typing import Any

import pytest
import requests
from urllib3.exceptions import ProtocolError

from providers.ufm import Client, errors
from providers.ufm.client import REQUEST_LINE, chunks
from providers.ufm.handler import Session
from providers.ufm.provider import Settings

MEMBER = "b8599f0300b00011"
SHOWN = {"partition": "a", "ip_over_ib": True, "guids": [{"guid": MEMBER, "membership": "full", "index0": False}]}


def answer(status: int = 200, body: object = None, text: str | None = None) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response._content = (json.dumps(body) if text is None else text).encode()
    return response


class Cancelled(threading.Event):
    """Records the pauses of a client, and ends the one with the number `at`."""

    def __init__(self, at: int = -1) -> None:
        super().__init__()
        self.pauses, self.at = list[float | None](), at

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout)
        return len(self.pauses) == self.at


class Network:
    """Gives the answers in their order, the last one for ever, and records the requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[requests.Response | Exception] = []
        self.requests: list[tuple[str, str, dict[str, Any]]] = []
        monkeypatch.setattr(requests.Session, "request", lambda session, *words, **rest: self.request(*words, **rest))

    def will(self, *answers: requests.Response | Exception) -> None:
        self.answers, self.requests = list(answers), []

    def request(self, verb: str, url: str, **rest: Any) -> requests.Response:
        self.requests.append((verb, url, rest))
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


def client(cancelled: Cancelled | None = None, **options: Any) -> Client:
    return Client("ufm", "admin", "secret1", cancelled=cancelled or Cancelled(), **options)


@pytest.mark.parametrize("trouble", [answer(502), answer(503), answer(504), requests.ConnectionError("broken"),
                                     requests.exceptions.ChunkedEncodingError("broken")])  # fmt: skip
def test_trouble_is_retried_with_growing_pauses(network: Network, trouble: requests.Response | Exception) -> None:
    network.will(trouble)
    cancelled = Cancelled()
    with pytest.raises(errors.UfmError):
        client(cancelled).version()
    assert cancelled.pauses == [0.5, 1, 2, 4, 8]
    request = ("GET", "https://ufm/ufmRest/app/ufm_version", {"timeout": (5, 60), "allow_redirects": False})
    assert network.requests == [request] * 6


@pytest.mark.parametrize("final", [answer(500), answer(501), answer(505), answer(400), requests.ReadTimeout("slow"),
                                   requests.TooManyRedirects("loop")])  # fmt: skip
def test_anything_else_is_not_retried(network: Network, final: requests.Response | Exception) -> None:
    network.will(final)
    with pytest.raises(errors.UfmError):
        client().version()
    assert len(network.requests) == 1


def test_a_call_with_an_effect_is_sent_once(network: Network) -> None:
    for trouble in (answer(503), requests.ConnectionError("broken")):
        network.will(trouble)
        with pytest.raises(errors.UfmError, match="if UFM has created a token anyway, revoke it"):
            client().create_token()
        assert len(network.requests) == 1
    network.will(answer(400))
    with pytest.raises(errors.RejectedError) as refused:
        client().create_token()
    assert "anyway" not in str(refused.value), "UFM refused it, so it created none"


def test_an_interrupt_ends_the_retries(network: Network) -> None:
    network.will(answer(503))
    cancelled = Cancelled(at=2)
    with pytest.raises(errors.CancelledError, match="cancelled between two attempts"):
        client(cancelled).version()
    assert cancelled.pauses == [0.5, 1]


def test_a_silent_ufm_is_named_with_its_limit(network: Network) -> None:
    network.will(requests.ReadTimeout("slow"))
    with pytest.raises(errors.UnreachableError, match="no answer within 7 s"):
        client(timeout=(1, 7)).version()
    network.will(requests.ConnectionError(ProtocolError("aborted", ConnectionResetError(104, "reset by peer"))))
    with pytest.raises(errors.UnreachableError, match="no connection: "):
        client(pauses=()).version()


@pytest.mark.parametrize(
    ("response", "kind", "text"),
    [
        (answer(200, text=" \n<html>"), errors.AuthenticationError, "the answer to user 'admin' is the login page"),
        (answer(300), errors.AuthenticationError, "is the login page"),
        (answer(399), errors.AuthenticationError, "is the login page"),
        (answer(401), errors.AuthenticationError, "the answer to user 'admin' is status 401"),
        (answer(400), errors.RejectedError, "refused with status 400"),
        (answer(402), errors.RejectedError, "refused with status 402"),
        (answer(403), errors.ForbiddenError, "refused with status 403"),
        (answer(404), errors.NotFoundError, r"not found \(status 404\)"),
        (answer(400, text="<html>"), errors.RejectedError, "refused with status 400"),
        (answer(499), errors.RejectedError, "refused with status 499"),
        (answer(500), errors.UnavailableError, "unavailable with status 500"),
    ],
)
def test_a_status_has_its_error(
    network: Network, response: requests.Response, kind: type[errors.UfmError], text: str
) -> None:
    network.will(response)
    with pytest.raises(kind, match=text) as raised:
        client().version()
    assert type(raised.value) is kind
    assert raised.value.status == response.status_code
    assert raised.value.call == "GET /ufmRest/app/ufm_version"


def test_404_is_an_answer_where_absence_is_fine(network: Network) -> None:
    network.will(answer(404))
    assert client().get_pkey("0x65") is None
    client().revoke_token("t")
    with pytest.raises(errors.NotFoundError):
        client().ports()


def test_an_answer_of_another_kind_is_named(network: Network) -> None:
    network.will(answer(200, []))
    with pytest.raises(errors.ShapeError, match="the answer is not a JSON object;"):
        client().version()
    network.will(answer(200, "text"))
    with pytest.raises(errors.ShapeError, match="the answer is not a JSON object or list"):
        client().list_pkeys()
    network.will(answer(200, [{}, 1]))
    with pytest.raises(errors.ShapeError, match="the answer is not a list of JSON objects"):
        client().systems()


@pytest.mark.parametrize(("port", "host"), [(443, "ufm"), (8443, "ufm:8443")])
def test_the_address_has_a_port_unless_it_is_that_of_https(network: Network, port: int, host: str) -> None:
    network.will(answer(200, {}))
    with_port = client(port=port)
    assert with_port.version() == ""
    assert network.requests[0][1] == f"https://{host}/ufmRest/app/ufm_version"
    assert repr(with_port) == f"Client('{host}', user='admin')", "the password is left out"


@pytest.mark.parametrize(
    ("version", "release"), [("6.14.5-2", (6, 14, 5)), ("6.24.0", (6, 24, 0)), ("", ()), ("6.9.0-1.el8", (6, 9, 0))]
)
def test_a_release_is_compared_by_its_numbers(network: Network, version: str, release: tuple[int, ...]) -> None:
    network.will(answer(200, {"ufm_release_version": version}))
    assert client().release() == release


def test_a_write_is_read_back_until_it_shows(network: Network) -> None:
    network.will(answer(200), answer(200, {}), answer(200, {**SHOWN, "guids": []}), answer(200, SHOWN))
    cancelled = Cancelled()
    found = client(cancelled).set_guids("0x65", [MEMBER])
    assert found
    assert list(found.members) == [MEMBER]
    assert cancelled.pauses == [0.1, 0.25]
    assert [verb for verb, _, _ in network.requests] == ["PUT", "GET", "GET", "GET"]


def test_a_write_that_never_shows_is_returned_as_it_is(network: Network) -> None:
    network.will(answer(200, {**SHOWN, "guids": []}))
    cancelled = Cancelled()
    found = client(cancelled).add_guids("0x65", [MEMBER])
    assert found
    assert not found.members
    assert cancelled.pauses == [0.1, 0.25, 0.5, 1, 2, 4]
    assert len(network.requests) == 1 + 7
    interrupted = Cancelled(at=1)
    assert client(interrupted).add_guids("0x65", [MEMBER]) == found
    assert interrupted.pauses == [0.1]


OTHER = {"guid": "b8599f0300b00012", "membership": "full", "index0": False}


@pytest.mark.parametrize(
    ("change", "exactly", "loosely"),
    [
        ({}, True, True),
        ({"guids": [*SHOWN["guids"], OTHER]}, False, True),  # type: ignore[misc]
        ({"guids": [OTHER]}, False, False),
        ({"guids": [{"guid": MEMBER, "membership": "limited", "index0": False}]}, False, False),
        ({"guids": [{"guid": MEMBER, "membership": "full", "index0": True}]}, False, False),
        ({"ip_over_ib": False}, False, False),
    ],
)
def test_a_write_shows_where_all_that_it_sent_is_read(
    network: Network, change: dict[str, Any], exactly: bool, loosely: bool
) -> None:
    """PUT makes the members the only ones; POST keeps others."""
    network.will(answer(200, {**SHOWN, **change}))
    for write, shows in (("set_guids", exactly), ("add_guids", loosely)):
        cancelled = Cancelled()
        getattr(client(cancelled), write)("0x65", [MEMBER], ip_over_ib=True)
        assert (not cancelled.pauses) == shows


def test_name_and_quality_of_service_are_read_back(network: Network) -> None:
    given: dict[str, Any] = {"partition_name": "a", "mtu_limit": 4.0, "rate_limit": 2.5}
    for found, shows in (({}, False), ({"mtu_limit": 4}, False), ({"mtu_limit": 4, "rate_limit": 2.5}, True)):
        network.will(answer(200, {**SHOWN, "qos_conf": found}))
        cancelled = Cancelled()
        client(cancelled).set_guids("0x65", [MEMBER], **given)
        assert (not cancelled.pauses) == shows
        body = network.requests[0][2]["json"]
        assert (body["mtu_limit"], type(body["mtu_limit"]), body["rate_limit"]) == (4, int, 2.5)
    network.will(answer(200, {**SHOWN, "partition": "b"}))
    cancelled = Cancelled()
    client(cancelled).set_guids("0x65", [MEMBER], partition_name="a")
    assert cancelled.pauses


@pytest.mark.parametrize(("path", "count"), [("/resources/pkeys/0x5/guids/", 1000), ("/a", 479), ("/a", 480)])
def test_chunks_are_as_long_as_a_request_line_allows(path: str, count: int) -> None:
    texts = list(chunks(path, (f"{n:016x}" for n in range(count))))
    lines = [len(f"DELETE /ufmRest{path}{text} HTTP/1.1\r\n") for text in texts]
    assert max(lines) <= REQUEST_LINE
    assert all(length + 17 > REQUEST_LINE for length in lines[:-1]), "one more GUID would not fit"
    assert sum(text.count(",") + 1 for text in texts) == count


def test_a_preview_makes_one_short_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, Any]] = []

    def make(settings: Settings, password: str | None = None, **options: Any) -> Any:
        made.append(options)
        return options

    monkeypatch.setattr(Settings, "client", make)
    session = Session.of(Settings.of({"address": "ufm", "password": "secret1"}), pauses=(1,))
    assert made == [{"timeout": (2, 10), "pauses": ()}, {"pauses": (1,), "cancelled": session.cancelled}]
