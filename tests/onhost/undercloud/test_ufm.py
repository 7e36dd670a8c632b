"""Reading UFM's answers, without UFM."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from onhost.undercloud.common import Fault, Unavailable
from onhost.undercloud.orders import UfmApi
from onhost.undercloud.ufm import Ufm, bare_guid, members_in, parse_answer
from tests.providers.server import Answer, Request, authority, serving

API = UfmApi(url="https://192.0.2.1:8443", ca=None, insecure=False, token="t0k3n")


@pytest.mark.parametrize(
    ("status", "body", "parsed"), [(200, b'{"a": 1}', {"a": 1}), (200, b"[]", []), (404, b"no JSON", {})]
)
def test_a_json_answer_is_parsed(status: int, body: bytes, parsed: Any) -> None:
    assert parse_answer("/x", status, body) == parsed


@pytest.mark.parametrize(("status", "body"), [(500, b""), (503, b"<html>"), (599, b"{}"), (200, b'{"a": '), (200, b"")])
def test_answers_of_a_restarting_ufm_are_unavailable(status: int, body: bytes) -> None:
    with pytest.raises(Unavailable):
        parse_answer("/x", status, body)


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, b""), (403, b"{}"), (300, b"{}"), (302, b""), (399, b"{}"), (200, b" \n<html>login"), (404, b"<html>")],
)
def test_a_rejected_token_is_a_fault(status: int, body: bytes) -> None:
    with pytest.raises(Fault, match=rf"UFM rejects the API token \(status {status} for GET /x\); raise ufm.tokenGen"):
        parse_answer("/x", status, body)


@pytest.mark.parametrize("status", [201, 204, 299, 400, 402, 405, 499])
def test_any_other_status_is_a_fault(status: int) -> None:
    with pytest.raises(Fault, match=f"UFM answers {status} to GET /x"):
        parse_answer("/x", status, b"{}")


@pytest.mark.parametrize(
    ("answer", "members"),
    [
        ({}, {}),
        ({"guids": None}, {}),
        ({"guids": [{"guid": "0xAB", "membership": "limited"}, {"guid": "cd"}]}, {"ab": "limited", "cd": "full"}),
        ({"0x000C": {"guids": [{"guid": "ab", "membership": "full"}]}}, {"ab": "full"}),
        ({"0XC": {"guids": [{"guid": "ab", "membership": None}]}}, {"ab": "full"}),
        ({"0xd": {"guids": [{"guid": "ab"}]}}, {}),
        ({"ip_over_ib": True, "0xc": {"guids": [{"guid": "ab"}]}}, {"ab": "full"}),
    ],
)
def test_members_are_read_from_both_shapes_of_an_answer(answer: dict[str, Any], members: dict[str, str]) -> None:
    assert members_in(answer, "0xc") == members


@pytest.mark.parametrize("guid", ["B8599F0300A00000", "0xb8599f0300a00000", "0Xb8599F0300a00000"])
def test_bare_guid_returns_one_form_of_every_spelling(guid: str) -> None:
    assert bare_guid(guid) == "b8599f0300a00000"


def test_only_active_ports_count_as_in_the_fabric(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [
        {"guid": "0xA1", "logical_state": "Active", "node_description": "host-1 HCA-1", "system_name": "host-1"},
        {"guid": "a2", "logical_state": "ACTIVE", "node_description": "", "system_name": "host-2"},
        {"guid": "a3", "logical_state": "Initialize", "node_description": "host-3"},
        {"guid": "a4", "node_description": "host-4"},
        {"logical_state": "Active", "node_description": "host-5"},
    ]
    reader = Ufm(API)
    monkeypatch.setattr(reader, "_get", {"/resources/ports?sys_type=Computer": ports}.__getitem__)
    assert reader.active() == {"a1": "host-1 HCA-1", "a2": "host-2"}
    monkeypatch.setattr(reader, "_get", lambda path: {})
    assert reader.active() == {}


@pytest.mark.parametrize("token", ["", "two words", "line\n", "ü", "tab\t"])
def test_a_token_that_is_no_valid_header_is_refused_without_its_value(token: str) -> None:
    with pytest.raises(Fault) as caught:
        Ufm(API._replace(token=token))
    assert "ufm.tokenGeneration" in str(caught.value)
    assert not token or token not in str(caught.value)


def test_certificates_are_verified_unless_the_order_is_insecure() -> None:
    strict, loose = Ufm(API)._context, Ufm(API._replace(insecure=True))._context
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (loose.verify_mode, loose.check_hostname) == (ssl.CERT_NONE, False)


class Connection:
    """An http.client connection that returns `answer`, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.requests, self.closed = answer, list[Any](), 0

    def __call__(self, host: str, port: int, **options: Any) -> "Connection":
        self.requests.append((host, port, options["timeout"]))
        return self

    def request(self, method: str, path: str, headers: dict[str, str]) -> None:
        self.requests.append((method, path, headers))
        if isinstance(self.answer, Exception):
            raise self.answer

    def getresponse(self) -> "Connection":
        return self

    status = 200

    def read(self) -> bytes:
        return json.dumps(self.answer).encode()

    def close(self) -> None:
        self.closed += 1


def test_a_request_carries_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http.client, "HTTPSConnection", connection := Connection({"guids": [{"guid": "ab"}]}))
    assert Ufm(API).members("0xc") == {"ab": "full"}
    path = "/ufmRestV3/resources/pkeys/0xc?guids_data=true"
    headers = {"Authorization": "Basic t0k3n"}
    assert connection.requests == [("192.0.2.1", 8443, 60), ("GET", path, headers)]
    assert connection.closed == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), Unavailable),
        (http.client.BadStatusLine("x"), Unavailable),
        (ssl.SSLError("wrong version"), Unavailable),
        (ssl.SSLError("CERTIFICATE_VERIFY_FAILED"), Fault),
        (ssl.CertificateError("hostname"), Fault),
    ],
)
def test_connection_errors_are_unavailable_and_certificate_errors_are_faults(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    monkeypatch.setattr(http.client, "HTTPSConnection", connection := Connection(error))
    with pytest.raises(kind, match="ufm.caFile" if kind is Fault else type(error).__name__):
        Ufm(API).active()
    assert connection.closed == 1


def test_the_certificate_may_have_another_name_than_the_address(tmp_path: Path) -> None:
    def answer(_request: Request) -> Answer:
        return Answer(body={"guids": [{"guid": "b8599f0300b00011", "membership": "full"}]})

    ca, file = authority(tmp_path)
    with serving(ca, file, answer, name="ufm.example") as server:
        api = API._replace(url=f"https://127.0.0.1:{server.port}", ca=file.read_text())
        with pytest.raises(Fault, match=r"certificate cannot be verified.*see ufm\.caFile, serverName"):
            Ufm(api).members("0xb")
        assert server.requests == []
        assert Ufm(api._replace(name="ufm.example")).members("0xb") == {"b8599f0300b00011": "full"}
