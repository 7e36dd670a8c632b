"""Injected faults: their effect on the connection, and the selection of rules."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from werkzeug.serving import make_server

from lab.fabric.client import FabricClient
from lab.ufm import tls
from lab.ufm.app import create_app
from lab.ufm.errors import BadRequestError
from lab.ufm.faults import FAULTS, Faults, Rule
from lab.ufm.listener import Listener
from lab.ufm.request_log import RequestLog
from lab.ufm.simulator import UfmSimulator
from tests.lab.ufm.conftest import Rig, Session, free_port

PKEYS = "/resources/pkeys"
MEMBER = "fa163e0000aabbcc"


@dataclass
class Served:
    """A UFM that this process serves."""

    port: int
    ca: Path
    core: UfmSimulator
    faults: Faults
    asked: deque[dict[str, Any]]

    def session(self) -> Session:
        session = Session(f"https://127.0.0.1:{self.port}/ufmRest", self.ca)
        session.auth = ("admin", "123456")
        return session

    def put(self, **kwargs: Any) -> requests.Response:
        with self.session() as session:
            return session.put(PKEYS, json={"pkey": "0x65", "guids": [MEMBER]}, **kwargs)

    def get(self, path: str = PKEYS, **kwargs: Any) -> requests.Response:
        with self.session() as session:
            return session.get(path, **kwargs)

    @property
    def members(self) -> set[str]:
        partition = self.core.table.partitions.get(0x65)
        return set(partition.members) if partition else set()


@contextmanager
def by_listener(app: Flask, context: ssl.SSLContext) -> Iterator[int]:
    port = free_port()
    listener = Listener("127.0.0.1", port, app, context)
    yield port
    listener.stop()


@contextmanager
def by_werkzeug(app: Flask, context: ssl.SSLContext) -> Iterator[int]:
    """As tests/providers serves it."""
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=[by_listener, by_werkzeug])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    core, faults, asked = UfmSimulator(tmp_path / "state.json", {}), Faults(), deque[dict[str, Any]]()
    app = create_app(core, FabricClient(tmp_path / "no.sock"), {}, RequestLog(asked), faults)
    serve: Callable[..., Any] = request.param
    ca_file = tls.certify(tmp_path, "127.0.0.1")
    with serve(app, tls.server_context(tmp_path)) as port:
        yield Served(port, ca_file, core, faults, asked)
        faults.clear()


# --- effect on a client ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404, 500, 502, 503])
def test_a_status_rule_answers_with_status_and_body(served: Served, status: int) -> None:
    served.faults.set([Rule(status=status, count=1), Rule(status=status, count=1, body="<h1>Oops</h1>")])
    assert served.put().status_code == status
    answer = served.put()
    assert (answer.status_code, answer.text) == (status, "<h1>Oops</h1>")
    assert served.members == set()
    assert served.put().status_code == 200


def test_a_503_has_the_text_that_clients_search_for(served: Served) -> None:
    served.faults.set([Rule(status=503)])
    assert "503 service temporarily unavailable" in served.get().text


def test_a_login_page_or_redirect_replaces_the_answer(served: Served) -> None:
    served.faults.set([Rule(fault="login_page", count=1), Rule(fault="login_redirect", count=1)])
    page = served.get()
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "httpd_username" in page.text
    with served.session() as session:
        redirect = session.get(PKEYS, allow_redirects=False)
        assert (redirect.status_code, redirect.headers["Location"]) == (302, "/ufm_web")
        session.base = session.base.removesuffix("/ufmRest")
        assert session.get(redirect.headers["Location"]).text == page.text


def test_invalid_json_cannot_be_parsed(served: Served) -> None:
    served.faults.set([Rule(fault="invalid_json")])
    answer = served.get()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)


def test_latencies_add_up_before_the_real_answer(served: Served) -> None:
    served.faults.set([Rule(latency_ms=30), Rule(path=PKEYS, latency_ms=40)])
    begin = time.monotonic()
    assert served.get().json() == ["0x7fff"]
    assert time.monotonic() - begin >= 0.07, "delays add up"


def test_silence_makes_the_client_time_out(served: Served) -> None:
    served.faults.set([Rule(fault="silence")])
    with pytest.raises(requests.ReadTimeout):
        served.put(timeout=0.3)
    assert served.members == set()


def test_silence_ends_when_the_rules_are_cleared(served: Served) -> None:
    served.faults.set([Rule(fault="silence", applied=True)])
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(served.put, timeout=20)
        while not served.asked:
            assert not waiting.done()
        served.faults.clear()
        assert isinstance(waiting.exception(10), requests.ConnectionError)
    assert served.members == {MEMBER}


def test_a_reset_ends_the_connection_before_an_answer(served: Served) -> None:
    served.faults.set([Rule(fault="reset")])
    with pytest.raises(requests.ConnectionError):
        served.put()
    assert served.members == set()


def test_a_reset_sends_a_tcp_reset(tmp_path: Path) -> None:
    """Without TLS, because OpenSSL reports a reset as an end of file."""
    faults = Faults()
    faults.set([Rule(fault="reset")])
    app = create_app(
        UfmSimulator(tmp_path / "state.json", {}), FabricClient(tmp_path / "no"), {}, RequestLog(deque()), faults
    )
    listener = Listener("127.0.0.1", free_port(), app)
    with socket.create_connection(("127.0.0.1", listener.server_port)) as connection:
        connection.sendall(b"GET /ufmRest/app/ufm_version HTTP/1.1\r\nHost: ufm\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    listener.stop()


def test_a_cut_answer_ends_in_the_middle(served: Served) -> None:
    served.put()
    whole = served.get(f"{PKEYS}/0x65?guids_data=true").content
    served.faults.set([Rule(fault="cut")])
    connection = http.client.HTTPSConnection(
        "127.0.0.1", served.port, context=ssl.create_default_context(cafile=str(served.ca))
    )
    connection.request(
        "GET", f"/ufmRest{PKEYS}/0x65?guids_data=true", headers={"Authorization": "Basic YWRtaW46MTIzNDU2"}
    )
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(whole)))
    pieces: list[bytes] = []

    def read_to_the_end() -> None:
        while piece := answer.read(10):
            pieces.append(piece)
        raise http.client.IncompleteRead(b"")

    with pytest.raises((http.client.IncompleteRead, ssl.SSLEOFError)):
        read_to_the_end()
    assert b"".join(pieces) == whole[: len(whole) // 2]
    connection.close()


RULES = [*({"fault": fault} for fault in FAULTS if fault != "silence"), {"status": 502}]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_an_applied_request_with_a_fault_changes_the_table(served: Served, rule: dict[str, Any]) -> None:
    served.faults.set([Rule(method="PUT", count=1, applied=True, **rule)])
    try:
        answer = served.put(allow_redirects=False)
        assert answer.text != "{}\n"
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        assert rule.get("fault") in ("reset", "cut")
    assert served.members == {MEMBER}
    assert served.put().status_code == 200


def test_the_request_log_contains_the_fault(served: Served) -> None:
    rules = Rule(status=503, count=1), Rule(status=503, count=1, applied=True), Rule(fault="reset", count=1)
    served.faults.set(rules)
    assert [served.put().status_code for _ in range(2)] == [503, 503]
    with pytest.raises(requests.ConnectionError):
        served.put()
    served.put()
    log = [(e["method"], e["path"], e["status"], e.get("fault")) for e in served.asked]
    path = f"/ufmRest{PKEYS}"
    assert log == [
        ("PUT", path, 503, "status 503"), ("PUT", path, 200, "status 503"), ("PUT", path, 0, "reset"),
        ("PUT", path, 200, None),
    ]  # fmt: skip


def test_a_listener_stops_while_a_client_waits(tmp_path: Path) -> None:
    """`Running.stop` stops a listener in the same way."""
    core, faults = UfmSimulator(tmp_path / "state.json", {}), Faults()
    asked = deque[dict[str, Any]]()
    app = create_app(core, FabricClient(tmp_path / "no.sock"), {}, RequestLog(asked), faults)
    ca_file = tls.certify(tmp_path, "127.0.0.1")
    listener = Listener("127.0.0.1", free_port(), app, tls.server_context(tmp_path))
    served = Served(listener.server_port, ca_file, core, faults, asked)
    faults.set([Rule(fault="silence")])
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(served.get, timeout=20)
        while not asked:
            assert not waiting.done()
        listener.stop()
        faults.release()
        assert isinstance(waiting.exception(10), requests.ConnectionError)
    assert faults.listing() == [{"fault": "silence", "seen": 1, "hit": 1}]


# --- jobs -----------------------------------------------------------------------------------------------------------


def create_network(served: Served) -> dict[str, Any]:
    with served.session() as session:
        answer = session.post("/cloudx/Network", json={"id": "n", "provider:segmentation_id": 101})
        assert answer.status_code == 202
        job: dict[str, Any] = session.get("/jobs/" + answer.headers["Location"].rpartition("/")[2]).json()
        return job


def test_a_job_with_errors_changes_nothing(served: Served) -> None:
    served.faults.set([Rule(path="/cloudx/.*", job="Completed With Errors", count=1)])
    assert create_network(served)["Status"] == "Completed With Errors"
    assert served.core.table.partitions == {}
    assert create_network(served)["Status"] == "Completed"
    assert 0x65 in served.core.table.partitions


def test_a_job_that_fails_when_applied_changes_the_table(served: Served) -> None:
    served.faults.set([Rule(path="/cloudx/.*", job="Failed", applied=True)])
    assert create_network(served)["Status"] == "Failed"
    assert 0x65 in served.core.table.partitions


def test_a_job_with_polls_runs_until_enough_polls(served: Served) -> None:
    served.faults.set([Rule(path="/cloudx/.*", job="Completed", polls=2)])
    number = create_network(served)["ID"]
    jobs = [served.get(f"/jobs/{number}").json() for _ in range(3)]
    assert [job["Status"] for job in jobs] == ["Running", "Completed", "Completed"], "`create_network` has polled once"
    assert jobs[0]["Progress"] < jobs[1]["Progress"] == 100


# --- selection of requests ------------------------------------------------------------------------------------------


def hits(faults: Faults, *asked: str) -> list[str | None]:
    """Return the name of the rule that matches each "PUT /path", or None."""
    rules = [faults.judge(*request.split()).rule for request in asked]
    return [rule.name if rule else None for rule in rules]


def test_a_rule_matches_its_method_and_the_whole_path() -> None:
    faults = Faults()
    faults.set([Rule(method="PUT", path="/resources/pkeys", status=500)])
    asked = ["GET /resources/pkeys", "PUT /resources/pkeys/qos_conf", "PUT /resources/pkeys"]
    assert hits(faults, *asked) == [None, None, "status 500"]
    faults.set([Rule(path="/resources/pkeys(/.*)?", status=500)])
    assert hits(faults, *asked) == ["status 500"] * 3


def test_after_and_count_select_requests() -> None:
    faults = Faults()
    faults.set([Rule(status=500, after=2, count=2)])
    assert hits(faults, *["GET /x"] * 6) == [None, None, "status 500", "status 500", None, None]
    assert faults.listing() == [{"status": 500, "after": 2, "count": 2, "seen": 6, "hit": 2}]


def test_rules_apply_one_after_the_other() -> None:
    faults = Faults()
    faults.set([Rule(latency_ms=1), Rule(status=503, count=2), Rule(fault="reset", count=1)])
    assert hits(faults, *["GET /x"] * 4) == ["status 503", "status 503", "reset", None]
    assert [(r["seen"], r["hit"]) for r in faults.listing()] == [(4, 4), (4, 2), (2, 1)]


def test_a_path_matches_with_every_prefix_and_spelling(served: Served) -> None:
    served.faults.set([Rule(path="/resources/pkeys", status=500)])
    with served.session() as session:
        for url in (PKEYS, "//resources//pkeys/", f"{PKEYS}?guids_data=true"):
            assert session.get(url).status_code == 500
        for prefix in ("V2", "V3"):
            session.base = f"https://127.0.0.1:{served.port}/ufmRest{prefix}"
            assert session.get(PKEYS).status_code == 500


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "write status, fault, job or latency_ms"),
        ([], "write an object"),
        ({"stauts": 503}, "stauts: no such field; there are method, path"),
        ({"status": 99}, "status: 99: write the answer's status, 200 to 599"),
        ({"status": "503"}, "status: '503'"),
        ({"status": True}, "status: True"),
        ({"status": 503, "fault": "cut"}, "status and fault exclude each other"),
        ({"fault": "explode"}, "write one of login_page, login_redirect"),
        ({"job": "Done"}, "Completed With Errors"),
        ({"method": "put", "status": 503}, "method: 'put': write one of GET"),
        ({"path": "(", "status": 503}, "a regular expression for the whole path"),
        ({"count": 0, "status": 503}, "count: 0"),
        ({"after": -1, "status": 503}, "after: -1"),
        ({"latency_ms": -5}, "milliseconds"),
        ({"latency_ms": float("inf")}, "an hour at most"),
        ({"polls": None, "job": "Completed"}, "polls: None"),
        ({"applied": 1, "status": 503}, "true if UFM applies the request"),
        ({"body": {}, "status": 503}, "the text of the answer"),
    ],
)
def test_an_invalid_rule_is_refused_with_advice(rule: object, said: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        Rule.parse(rule)
    assert said in str(raised.value)


# --- the administration API -----------------------------------------------------------------------------------------


@pytest.mark.lab
def test_rules_are_set_listed_and_deleted_by_the_administration_api(ufm: Rig, rest: Session) -> None:
    rule = {"method": "GET", "path": "/app/ufm_version", "status": 502, "count": 2}
    assert ufm.admin("PUT", "/faults", json=[rule]).json() == [{**rule, "seen": 0, "hit": 0}]
    assert rest.get("/app/ufm_version").status_code == 502
    ufm.admin("POST", "/restart")
    assert ufm.admin("GET", "/faults").json() == [{**rule, "seen": 1, "hit": 1}], "rules survive a restart of UFM"
    assert rest.get("/app/ufm_version").status_code == 502
    assert rest.get("/app/ufm_version").status_code == 200
    bad = ufm.admin("PUT", "/faults", json=[{"status": 1}])
    assert (bad.status_code, "200 to 599" in bad.text) == (400, True)
    assert ufm.admin("PUT", "/faults", json=rule).status_code == 400, "the body must be a list"
    assert len(ufm.admin("GET", "/faults").json()) == 1, "a refused request changes nothing"
    assert ufm.admin("DELETE", "/faults").status_code == 200
    assert ufm.admin("GET", "/faults").json() == []


@pytest.mark.lab
def test_the_administration_api_reads_json_in_a_form(ufm: Rig, rest: Session) -> None:
    """`curl -d` sends every body with the content type of a form."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = {"/install": ("POST", '{"release": "6.22.1-1"}'), "/faults": ("PUT", '[{"status": 502, "count": 1}]')}
    for path, (method, data) in sent.items():
        assert ufm.admin(method, path, data=data, headers=form).status_code == 200
    assert rest.get("/app/ufm_version").status_code == 502
    assert rest.get("/app/ufm_version").json()["ufm_release_version"] == "6.22.1-1"
    for data in ("release=6.22.1-1", "[]"):
        assert ufm.admin("POST", "/install", data=data, headers=form).status_code == 400


@pytest.mark.lab
def test_ufm_stops_while_a_client_waits(ufm: Rig, rest: Session) -> None:
    ufm.admin("PUT", "/faults", json=[{"fault": "silence"}])
    ufm.admin("DELETE", "/requests")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(rest.get, "/app/ufm_version", timeout=60)
        while not ufm.admin("GET", "/requests").json():
            assert not waiting.done()
        ufm.admin("POST", "/stop")
        assert isinstance(waiting.exception(10), requests.ConnectionError)
    ufm.admin("DELETE", "/faults")
    ufm.admin("POST", "/start")
    assert rest.get("/app/ufm_version").status_code == 200
